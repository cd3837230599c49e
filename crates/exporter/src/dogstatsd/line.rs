//! The line format: metrics, events and service checks as the Agent reads them.
//!
//! Whatever text gets into a line is made harmless here: a `|`, a comma or a newline in the wrong
//! place would not be refused by the Agent but read as something else.

use cadence::prelude::*;
use cadence::{MetricBuilder, MetricError, NopMetricSink, StatsdClient};
use model::Instant;

/// The longest tag value, in bytes. Datadog keeps 200 characters of a tag, its key included.
const MAX_TAG_BYTES: usize = 180;

/// The longest title of an event, in bytes as sent.
const MAX_TITLE_BYTES: usize = 150;

/// The longest text of an event or a service check, in bytes as sent. With its title and tags a
/// line must fit into one datagram.
const MAX_TEXT_BYTES: usize = 600;

/// Tags, in order.
pub type Tags = Vec<(&'static str, String)>;

/// One line for the Agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A value.
    Metric(Metric),
    /// Something that happened.
    Event(Event),
    /// How something is.
    Check(ServiceCheck),
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without prefix.
    pub name: String,
    /// Its value; below 0 is sent as 0.
    pub value: i64,
    /// What kind of metric.
    pub kind: Kind,
    /// Its tags.
    pub tags: Tags,
}

/// What kind of metric a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A gauge at the time at which the Agent receives it.
    Gauge,
    /// A gauge at this instant, to the second: sending it again replaces it.
    GaugeAt(Instant),
    /// A distribution with a name of its own, outside of the prefix.
    Distribution,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What, in a few words.
    pub title: String,
    /// What it means, and what to do.
    pub text: String,
    /// When.
    pub at: Instant,
    /// Events of one key are shown as one.
    pub aggregation_key: String,
    /// How bad it is.
    pub alert: Alert,
    /// Its tags.
    pub tags: Tags,
}

/// How bad an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warning,
}

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCheck {
    /// Its name, without prefix.
    pub name: &'static str,
    /// How it is.
    pub status: Status,
    /// When it was looked at.
    pub at: Instant,
    /// Why it is so.
    pub message: String,
    /// Its tags.
    pub tags: Tags,
}

/// The states of a service check, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Ok,
    /// Something is wrong that does not stop the work.
    Warning,
    /// Cannot be told.
    Unknown,
    /// It does not work.
    Critical,
}

impl Status {
    fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

/// Makes any text safe as the value of a tag: lower case, without what separates tags.
#[must_use]
pub fn tag_value(text: &str) -> String {
    let safe: String = text
        .trim()
        .chars()
        .map(|c| match c {
            '|' | ',' | '#' | ':' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .flat_map(char::to_lowercase)
        .collect();
    safe[..safe.floor_char_boundary(MAX_TAG_BYTES)].to_owned()
}

/// Text that stays on its line and ends there: newlines as the Agent writes them, no `|`.
fn plain(text: &str, most_bytes: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(most_bytes));
    for c in text.trim().chars() {
        let before = plain.len();
        match c {
            '\n' => plain.push_str("\\n"),
            '|' => plain.push('/'),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
        if plain.len() > most_bytes - '…'.len_utf8() {
            plain.truncate(before);
            plain.push('…');
            break;
        }
    }
    plain
}

/// Writes lines. Metrics are cadence's, which knows tags and timestamps.
pub(super) struct Writer {
    prefix: String,
    prefixed: StatsdClient,
    unprefixed: StatsdClient,
    /// Said on every line.
    origin: Option<(&'static str, &'static str)>,
}

impl Writer {
    pub(super) fn new(prefix: &str, origin: Option<(&'static str, &'static str)>) -> Self {
        Self {
            prefix: prefix.to_owned(),
            prefixed: StatsdClient::from_sink(prefix, NopMetricSink),
            unprefixed: StatsdClient::from_sink("", NopMetricSink),
            origin,
        }
    }

    pub(super) fn write(&self, line: &Line) -> Result<String, MetricError> {
        match line {
            Line::Metric(metric) => self.metric(metric),
            Line::Event(event) => Ok(self.event(event)),
            Line::Check(check) => Ok(self.check(check)),
        }
    }

    fn metric(&self, metric: &Metric) -> Result<String, MetricError> {
        let value = u64::try_from(metric.value).unwrap_or(0);
        let name = &metric.name;
        match metric.kind {
            Kind::Gauge => {
                let gauge = self.prefixed.gauge_with_tags(name, value);
                self.finish(gauge, &metric.tags)
            }
            Kind::GaugeAt(at) => {
                let secs = u64::try_from(at.timestamp()).unwrap_or(0);
                let gauge = self.prefixed.gauge_with_tags(name, value);
                self.finish(gauge.with_timestamp(secs), &metric.tags)
            }
            Kind::Distribution => {
                let distribution = self.unprefixed.distribution_with_tags(name, value);
                self.finish(distribution, &metric.tags)
            }
        }
    }

    fn finish<'a, T>(
        &self,
        mut builder: MetricBuilder<'a, '_, T>,
        tags: &'a Tags,
    ) -> Result<String, MetricError>
    where
        T: cadence::Metric + From<String>,
    {
        for (key, value) in tags {
            builder = builder.with_tag(key, value);
        }
        if let Some((key, value)) = self.origin {
            builder = builder.with_tag(key, value);
        }
        Ok(builder.try_send()?.as_metric_str().to_owned())
    }

    fn event(&self, event: &Event) -> String {
        let title = plain(&event.title, MAX_TITLE_BYTES);
        let text = plain(&event.text, MAX_TEXT_BYTES);
        let alert = match event.alert {
            Alert::Info => "info",
            Alert::Warning => "warning",
        };
        format!(
            "_e{{{},{}}}:{title}|{text}|d:{}|k:{}|t:{alert}{}",
            title.len(),
            text.len(),
            event.at.timestamp(),
            tag_value(&event.aggregation_key),
            self.tags(&event.tags)
        )
    }

    fn check(&self, check: &ServiceCheck) -> String {
        format!(
            "_sc|{}.{}|{}|d:{}{}|m:{}",
            self.prefix,
            check.name,
            check.status.code(),
            check.at.timestamp(),
            self.tags(&check.tags),
            plain(&check.message, MAX_TEXT_BYTES)
        )
    }

    fn tags(&self, tags: &Tags) -> String {
        let tags = tags.iter().map(|(key, value)| (*key, value.as_str()));
        let all: Vec<_> = tags
            .chain(self.origin)
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        if all.is_empty() {
            String::new()
        } else {
            format!("|#{}", all.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Instant {
        "2026-11-21T02:59:59Z".parse().unwrap()
    }

    fn tags() -> Tags {
        let tag = |key, value: &str| (key, value.to_owned());
        vec![tag("env", "prod"), tag("country", "ph"), tag("host", "")]
    }

    fn written(line: &Line) -> String {
        Writer::new("headcount", None).write(line).unwrap()
    }

    #[test]
    fn metrics_read_as_the_agent_wants_them() {
        let metric = |name: &str, kind| {
            written(&Line::Metric(Metric {
                name: name.to_owned(),
                value: 1203,
                kind,
                tags: tags(),
            }))
        };
        assert_eq!(
            metric("hour.devices", Kind::GaugeAt(at())),
            "headcount.hour.devices:1203|g|#env:prod,country:ph,host:|T1795229999"
        );
        assert_eq!(
            metric("now.devices", Kind::Gauge),
            "headcount.now.devices:1203|g|#env:prod,country:ph,host:"
        );
        assert_eq!(
            metric("mccs.connection.hour.count", Kind::Distribution),
            "mccs.connection.hour.count:1203|d|#env:prod,country:ph,host:"
        );
    }

    #[test]
    fn what_the_agent_must_not_add_is_said_on_every_line() {
        let writer = Writer::new("headcount", Some(("dd.internal.card", "none")));
        let metric = Metric {
            name: "x".to_owned(),
            value: -1,
            kind: Kind::Gauge,
            tags: Vec::new(),
        };
        assert_eq!(
            writer.write(&Line::Metric(metric)).unwrap(),
            "headcount.x:0|g|#dd.internal.card:none"
        );
        let check = ServiceCheck {
            name: "pipeline.can_count",
            status: Status::Unknown,
            at: at(),
            message: String::new(),
            tags: Vec::new(),
        };
        assert_eq!(
            writer.write(&Line::Check(check)).unwrap(),
            "_sc|headcount.pipeline.can_count|3|d:1795229999|#dd.internal.card:none|m:"
        );
    }

    #[test]
    fn an_events_lengths_are_bytes_as_sent() {
        let event = |title: &str, text: &str| {
            written(&Line::Event(Event {
                title: title.to_owned(),
                text: text.to_owned(),
                at: at(),
                aggregation_key: "country ph".to_owned(),
                alert: Alert::Info,
                tags: vec![("env", "prod".to_owned())],
            }))
        };
        // 接続 is six bytes; the newline is sent as two characters.
        assert_eq!(
            event("接続 in Côte", "one\ntwo|three"),
            "_e{15,14}:接続 in Côte|one\\ntwo/three|d:1795229999|k:country ph|t:info|#env:prod"
        );
        let long = event(&"é".repeat(400), &"語\n".repeat(1000));
        assert!(long.len() < 1000, "{} bytes", long.len());
        assert!(long.starts_with("_e{149,598}:"), "{long}");
    }

    #[test]
    fn a_checks_message_comes_last_and_stays_on_its_line() {
        let check = |status, message: &str| {
            written(&Line::Check(ServiceCheck {
                name: "pipeline.can_count",
                status,
                at: at(),
                message: message.to_owned(),
                tags: tags(),
            }))
        };
        assert_eq!(
            check(Status::Critical, "slot `a|b`:\naway\t"),
            "_sc|headcount.pipeline.can_count|2|d:1795229999|#env:prod,country:ph,host:\
             |m:slot `a/b`:\\naway"
        );
        let codes = [Status::Ok, Status::Warning, Status::Unknown].map(|status| check(status, "x"));
        for (line, code) in codes.iter().zip(["|0|", "|1|", "|3|"]) {
            assert!(line.contains(code), "{line}");
        }
        assert!(Status::Unknown < Status::Critical && Status::Ok < Status::Warning);
    }

    #[test]
    fn tag_values_cannot_break_a_line() {
        assert_eq!(tag_value("a|b,c#d:e\nf"), "a_b_c_d_e_f");
        assert_eq!(tag_value(" Philippines "), "philippines");
        assert_eq!(tag_value("Österreich"), "österreich");
        assert_eq!(tag_value(&"x".repeat(500)).len(), MAX_TAG_BYTES);
        let half = tag_value(&"a語".repeat(100));
        assert_eq!(half.chars().count(), 90, "no half characters");
    }
}
