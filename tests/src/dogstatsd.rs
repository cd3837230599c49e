//! A strict reader of DogStatsD datagrams: what the Agent would drop, misread or rewrite is an
//! error.
//!
//! After the protocol's documentation up to version 1.6: metrics with timestamps (`T`), origin (`c:`,
//! `e:`, `card:`), events and service checks.

use std::collections::BTreeMap;

/// The largest datagram that is not cut on its way over UDP, in bytes.
pub const MAX_UDP_BYTES: usize = 1_432;

/// The largest datagram that the Agent reads from a Unix socket, in bytes.
pub const MAX_UNIX_BYTES: usize = 8_192;

/// The longest tag that Datadog keeps, in characters.
const MAX_TAG_CHARS: usize = 200;

/// Tags by key; a key that comes twice is an error.
pub type Tags = BTreeMap<String, String>;

/// One line as received.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A value.
    Metric(Metric),
    /// Something that happened.
    Event(Event),
    /// How something is.
    Check(Check),
}

/// One metric as received.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// `g`, `c`, `d`, …
    pub kind: String,
    /// Its tags.
    pub tags: Tags,
    /// Its timestamp in Unix seconds.
    pub timestamp: Option<i64>,
}

/// One event as received, newlines put back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
    /// When, in Unix seconds.
    pub timestamp: Option<i64>,
    /// Events of one key are shown as one.
    pub aggregation_key: String,
    /// `info`, `warning`, …
    pub alert: String,
    /// Its tags.
    pub tags: Tags,
}

/// One service check as received, newlines put back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// 0 is OK, 1 a warning, 2 critical, 3 unknown.
    pub status: u8,
    /// When, in Unix seconds.
    pub timestamp: Option<i64>,
    /// Its tags.
    pub tags: Tags,
    /// Why.
    pub message: String,
}

/// Reads a datagram that may have so many bytes.
///
/// # Errors
/// With the reason for which the Agent would not take it.
pub fn parse_datagram(bytes: &[u8], most_bytes: usize) -> Result<Vec<Message>, String> {
    if bytes.len() > most_bytes {
        return Err(format!("a datagram of {} bytes", bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    text.split('\n')
        .map(|line| Message::parse(line).map_err(|why| format!("{line:?}: {why}")))
        .collect()
}

impl Message {
    /// Reads a line.
    ///
    /// # Errors
    /// With the reason for which the Agent would not take it.
    pub fn parse(line: &str) -> Result<Self, String> {
        if line.is_empty() || line.chars().any(char::is_control) {
            return Err("an empty line, or one with control characters".to_owned());
        }
        if let Some(rest) = line.strip_prefix("_e{") {
            Event::parse(rest).map(Self::Event)
        } else if let Some(rest) = line.strip_prefix("_sc|") {
            Check::parse(rest).map(Self::Check)
        } else {
            Metric::parse(line).map(Self::Metric)
        }
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(good)
        && name.len() <= 200
    {
        Ok(())
    } else {
        Err(format!("a name that Datadog would rewrite: {name:?}"))
    }
}

/// A whole number without sign or spaces, as the Agent's own clients write it.
fn number(text: &str) -> Result<i64, String> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let parsed = plain.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| format!("{text:?} is no number"))
}

/// A time after 1970.
fn timestamp(text: &str) -> Result<i64, String> {
    let at = number(text)?;
    if at < 1 {
        return Err("a timestamp below 1".to_owned());
    }
    Ok(at)
}

/// What may stand once only.
fn once<T>(place: &mut Option<T>, value: T, what: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{what} twice")),
    }
}

fn read_tags(text: &str) -> Result<Tags, String> {
    let mut tags = Tags::new();
    for tag in text.split(',') {
        let (key, value) = tag
            .split_once(':')
            .ok_or(format!("the tag {tag:?} has no value"))?;
        let starts_well = key.starts_with(|c: char| c.is_ascii_alphabetic());
        let rewritten = tag.to_lowercase() != tag || value.contains([':', '#']);
        if !starts_well || rewritten || tag.trim() != tag || tag.chars().count() > MAX_TAG_CHARS {
            return Err(format!("the tag {tag:?} would be rewritten"));
        }
        if key.starts_with("dd.internal.") && tag != "dd.internal.card:none" {
            return Err(format!("the tag {tag:?} is the Agent's own"));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("the tag {key} twice"));
        }
    }
    Ok(tags)
}

impl Metric {
    fn parse(line: &str) -> Result<Self, String> {
        let mut fields = line.split('|');
        let head = fields.next().unwrap_or_default();
        let (name, value) = head.split_once(':').ok_or("no value")?;
        check_name(name)?;
        let value: f64 = value.parse().map_err(|_| "the value is no number")?;
        if !value.is_finite() {
            return Err("the value is no finite number".to_owned());
        }
        let kind = fields.next().ok_or("no type")?;
        if !["g", "c", "d", "h", "ms", "s"].contains(&kind) {
            return Err(format!("unknown type {kind:?}"));
        }
        let (mut tags, mut at) = (None, None);
        let (mut rate, mut local, mut external, mut cardinality) = (None, None, None, None);
        for field in fields {
            if let Some(text) = field.strip_prefix('#') {
                once(&mut tags, read_tags(text)?, "tags")?;
            } else if let Some(text) = field.strip_prefix('T') {
                if !["g", "c"].contains(&kind) {
                    return Err(format!("a timestamp on type {kind}"));
                }
                once(&mut at, timestamp(text)?, "the timestamp")?;
            } else if let Some(text) = field.strip_prefix('@') {
                let sampled: f64 = text.parse().map_err(|_| "the rate is no number")?;
                if !(0.0..=1.0).contains(&sampled) || ["g", "s"].contains(&kind) {
                    return Err(format!("a rate of {sampled} on type {kind}"));
                }
                once(&mut rate, sampled, "the rate")?;
            } else if let Some(text) = field.strip_prefix("c:") {
                if !["ci-", "cid-", "in-"].iter().any(|p| text.starts_with(p)) {
                    return Err(format!("local data {text:?}"));
                }
                once(&mut local, text, "local data")?;
            } else if let Some(text) = field.strip_prefix("e:") {
                if text.is_empty() {
                    return Err("external data that says nothing".to_owned());
                }
                once(&mut external, text, "external data")?;
            } else if let Some(text) = field.strip_prefix("card:") {
                if !["none", "low", "orchestrator", "high"].contains(&text) {
                    return Err(format!("a cardinality of {text:?}"));
                }
                once(&mut cardinality, text, "the cardinality")?;
            } else {
                return Err(format!("unexpected field {field:?}"));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            value,
            kind: kind.to_owned(),
            tags: tags.unwrap_or_default(),
            timestamp: at,
        })
    }

    /// The value of a tag, or nothing.
    #[must_use]
    pub fn tag(&self, key: &str) -> &str {
        self.tags.get(key).map_or("", String::as_str)
    }
}

impl Event {
    /// Reads what follows `_e{`.
    fn parse(rest: &str) -> Result<Self, String> {
        let (lengths, rest) = rest.split_once("}:").ok_or("no end of the lengths")?;
        let (title, text) = lengths.split_once(',').ok_or("one length")?;
        let length = |text: &str| number(text).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let (title_bytes, text_bytes) = (length(title)?, length(text)?);
        let title = rest.get(..title_bytes).ok_or("the title's length")?;
        let rest = rest[title_bytes..]
            .strip_prefix('|')
            .ok_or("the title does not end where it says")?;
        let text = rest.get(..text_bytes).ok_or("the text's length")?;
        if title.is_empty() {
            return Err("no title".to_owned());
        }
        let mut event = Self {
            title: title.replace("\\n", "\n"),
            text: text.replace("\\n", "\n"),
            ..Self::default()
        };
        let rest = &rest[text_bytes..];
        let (mut tags, mut key, mut alert, mut priority) = (None, None, None, None);
        let (mut host, mut source) = (None, None);
        let mut fields = rest.split('|');
        if fields.next() != Some("") {
            return Err("the text does not end where it says".to_owned());
        }
        for field in fields {
            if let Some(text) = field.strip_prefix('#') {
                once(&mut tags, read_tags(text)?, "tags")?;
                continue;
            }
            let (name, value) = field.split_once(':').ok_or(format!("field {field:?}"))?;
            if value.is_empty() {
                return Err(format!("field {name} is empty"));
            }
            match name {
                "d" => once(&mut event.timestamp, timestamp(value)?, "the timestamp")?,
                "k" if value.chars().count() <= 100 => once(&mut key, value, "the key")?,
                "h" => once(&mut host, value, "the host")?,
                "s" => once(&mut source, value, "the source")?,
                "p" if ["normal", "low"].contains(&value) => {
                    once(&mut priority, value, "the priority")?;
                }
                "t" if ["error", "warning", "info", "success"].contains(&value) => {
                    once(&mut alert, value, "the alert type")?;
                }
                _ => return Err(format!("unexpected field {field:?}")),
            }
        }
        event.aggregation_key = key.unwrap_or_default().to_owned();
        event.alert = alert.unwrap_or("info").to_owned();
        event.tags = tags.unwrap_or_default();
        Ok(event)
    }
}

impl Check {
    /// Reads what follows `_sc|`.
    fn parse(rest: &str) -> Result<Self, String> {
        let mut fields = rest.split('|');
        let name = fields.next().unwrap_or_default();
        check_name(name)?;
        let status = match fields.next() {
            Some("0") => 0,
            Some("1") => 1,
            Some("2") => 2,
            Some("3") => 3,
            other => return Err(format!("status {other:?}")),
        };
        let mut check = Self {
            name: name.to_owned(),
            status,
            ..Self::default()
        };
        let (mut tags, mut host, mut message) = (None, None, None);
        for field in fields {
            if message.is_some() {
                return Err("the message is not the last field".to_owned());
            }
            if let Some(text) = field.strip_prefix('#') {
                once(&mut tags, read_tags(text)?, "tags")?;
            } else if let Some(text) = field.strip_prefix("d:") {
                once(&mut check.timestamp, timestamp(text)?, "the timestamp")?;
            } else if let Some(text) = field.strip_prefix("h:") {
                once(&mut host, text, "the host")?;
            } else if let Some(text) = field.strip_prefix("m:") {
                message = Some(text.replace("\\n", "\n"));
            } else {
                return Err(format!("unexpected field {field:?}"));
            }
        }
        check.tags = tags.unwrap_or_default();
        check.message = message.unwrap_or_default();
        Ok(check)
    }
}

/// Reads a line with another parser than ours, which knows gauges, counts and service checks of
/// protocol 1.0, and checks that both read the same. Says whether it could.
///
/// # Panics
/// When they do not agree.
pub fn agrees(line: &str, ours: &Message) -> bool {
    use statsd_parser::{Metric as Theirs, Status};
    let theirs =
        |line: &str| statsd_parser::parse(line).unwrap_or_else(|error| panic!("{line}: {error:?}"));
    match ours {
        Message::Metric(metric) if metric.kind == "g" => {
            let read = theirs(line);
            let Theirs::Gauge(gauge) = &read.metric else {
                panic!("{line}: {read:?}");
            };
            let tags = read.tags.unwrap_or_default();
            assert_eq!(
                (&read.name, gauge.value, &tags),
                (&metric.name, metric.value, &metric.tags),
                "{line}"
            );
            true
        }
        Message::Check(check) => {
            let read = theirs(line);
            let Theirs::ServiceCheck(theirs) = read.metric else {
                panic!("{line}: {read:?}");
            };
            let status = match theirs.status {
                Status::OK => 0,
                Status::WARNING => 1,
                Status::CRITICAL => 2,
                Status::UNKNOWN => 3,
            };
            assert_eq!(
                (&read.name, status, theirs.timestamp.map(|at| at as i64)),
                (&check.name, check.status, check.timestamp),
                "{line}"
            );
            assert_eq!(read.tags.unwrap_or_default(), check.tags, "{line}");
            let message = theirs.message.unwrap_or_default().replace("\\n", "\n");
            assert_eq!(message, check.message, "{line}");
            true
        }
        Message::Metric(_) | Message::Event(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn metrics_that_the_agent_takes_are_read() {
        let read = |line| match Message::parse(line).unwrap() {
            Message::Metric(metric) => metric,
            other => panic!("{other:?}"),
        };
        let metric = read("a.b:12|g|#env:x,host:|T1700000000");
        assert_eq!(metric.name, "a.b");
        assert_eq!((metric.value, metric.kind.as_str()), (12.0, "g"));
        assert_eq!(metric.timestamp, Some(1_700_000_000));
        assert_eq!(metric.tags, tags(&[("env", "x"), ("host", "")]));
        let metric = read("a:0.5|d|@0.1|#a:b|c:ci-0f3a|e:it-false,cn-x|card:none");
        assert_eq!((metric.value, metric.kind.as_str()), (0.5, "d"));
        assert_eq!(read("a:-3|c|T1").timestamp, Some(1));
        let kept = read("a:1|g|#dd.internal.card:none").tags;
        assert_eq!(kept, tags(&[("dd.internal.card", "none")]));
    }

    #[test]
    fn metrics_that_the_agent_drops_or_rewrites_are_refused() {
        for bad in [
            "",
            "a.b|g",
            ":1|g",
            "a.b:|g",
            "a.b:x|g",
            "a.b:1",
            "a.b:1|",
            "a.b:1|q",
            "a b:1|g",
            "1a:1|g",
            "é:1|g",
            "a.b:NaN|g",
            "a.b:inf|g",
            "a.b:1|d|T5",
            "a.b:1|h|T5",
            "a.b:1|s|T5",
            "a.b:1|g|T0",
            "a.b:1|g|T-5",
            "a.b:1|g|T1.5",
            "a.b:1|g|T",
            "a.b:1|g|T5|T5",
            "a.b:1|g|@0.5",
            "a.b:1|c|@2",
            "a.b:1|g|#",
            "a.b:1|g|#x",
            "a.b:1|g|#x:1,",
            "a.b:1|g|#x:1,x:2",
            "a.b:1|g|#x:1|#y:2",
            "a.b:1|g|#Env:x",
            "a.b:1|g|#env:X",
            "a.b:1|g|#env:a:b",
            "a.b:1|g|#env:a#b",
            "a.b:1|g|#env: a ",
            "a.b:1|g|#:x",
            "a.b:1|g|#x:a\tb",
            "a.b:1|g|#dd.internal.entity_id:x",
            "a.b:1|g|c:0f3a",
            "a.b:1|g|e:",
            "a.b:1|g|card:all",
            "a.b:1|g|card:none|card:none",
            "a.b:1|g|x",
            "a.b:1|g|",
            "a.b:1|g\r",
        ] {
            assert!(Message::parse(bad).is_err(), "{bad:?}");
        }
        let long = format!("a.b:1|g|#env:{}", "x".repeat(MAX_TAG_CHARS));
        assert!(Message::parse(&long).is_err());
    }

    #[test]
    fn events_that_the_agent_takes_are_read() {
        let read = |line| Message::parse(line).unwrap();
        let event = Event {
            title: "Titre é".to_owned(),
            text: "one\ntwo | three".to_owned(),
            timestamp: Some(5),
            aggregation_key: "key".to_owned(),
            alert: "warning".to_owned(),
            tags: tags(&[("env", "x")]),
        };
        let line = "_e{8,16}:Titre é|one\\ntwo | three|d:5|h:web|k:key|p:low|s:x|t:warning|#env:x";
        assert_eq!(read(line), Message::Event(event));
        let least = Event {
            title: "a".to_owned(),
            alert: "info".to_owned(),
            ..Event::default()
        };
        assert_eq!(read("_e{1,0}:a|"), Message::Event(least));
    }

    #[test]
    fn events_that_the_agent_drops_or_misreads_are_refused() {
        for bad in [
            "_e{1,1}",
            "_e{1,1}:a",
            "_e{0,1}:|b",
            "_e{1}:a|b",
            "_e{1,x}:a|b",
            "_e{-1,1}:a|b",
            "_e{7,1}:Titre é|b", // characters, not bytes
            "_e{8,1}:Titre é|bc",
            "_e{1,2}:a|b",
            "_e{1,3}:a|é",
            "_e{1,1}:é|b",
            "_e{1,1}:a|b|d:x",
            "_e{1,1}:a|b|d:0",
            "_e{1,1}:a|b|p:high",
            "_e{1,1}:a|b|t:bad",
            "_e{1,1}:a|b|t:info|t:info",
            "_e{1,1}:a|b|k:",
            "_e{1,1}:a|b|#env",
            "_e{1,1}:a|b|what",
            "_e{1,1}:a|b|",
        ] {
            assert!(Message::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn checks_are_read_or_refused_as_the_agent_does() {
        let check = Check {
            name: "a.b".to_owned(),
            status: 2,
            timestamp: Some(5),
            tags: tags(&[("env", "x"), ("host", "")]),
            message: "why\nnot".to_owned(),
        };
        let line = "_sc|a.b|2|d:5|h:web|#env:x,host:|m:why\\nnot";
        assert_eq!(Message::parse(line).unwrap(), Message::Check(check));
        for bad in [
            "_sc|a.b",
            "_sc||0",
            "_sc|a b|0",
            "_sc|a.b|4",
            "_sc|a.b|ok",
            "_sc|a.b|0|d:x",
            "_sc|a.b|0|m:why|#env:x",
            "_sc|a.b|0|m:one|two",
            "_sc|a.b|0|#env",
            "_sc|a.b|0|t:info",
        ] {
            assert!(Message::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_datagram_has_lines_and_a_size() {
        let two = parse_datagram(b"a:1|g\nb:2|g", 11).unwrap();
        assert_eq!(two.len(), 2);
        for bad in [
            &b"a:1|g\n"[..],
            b"a:1|g\n\nb:1|g",
            b"a:1|g\xff",
            b"a:1|g|#x:yzz",
        ] {
            assert!(parse_datagram(bad, 11).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_other_parser_reads_what_it_knows() {
        let agrees = |line: &str| agrees(line, &Message::parse(line).unwrap());
        assert!(agrees("a.b:12|g|#env:x,host:|T1700000000"));
        assert!(agrees("_sc|a.b|2|d:5|#env:x,host:|m:why\\nnot: now"));
        assert!(agrees("_sc|a.b|3|d:5|m:"));
        assert!(!agrees("a.b:12|d|#env:x"));
        assert!(!agrees("_e{1,1}:a|b"));
    }
}
