//! The catalogue of every metric of headcount.
//!
//! A metric exists by being a variant here, with its name, its unit and its meaning in one place;
//! there are no names of metrics as strings anywhere else. `docs/metrics.md` and what Datadog is told
//! about each are made from it.
//!
//! - [`Counter`] and [`Gauge`] belong to one process: what it counts about itself since its start.
//! - [`Pipeline`] is about all processes together, read from Postgres by whoever closes hours.
//! - [`Count`] is what headcount is for: devices. Only the names are here; the numbers come from
//!   Postgres and are not kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a metric counts, or measures in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Devices.
    Device,
    /// Messages.
    Message,
    /// Requests to the API.
    Request,
    /// Transactions of the database.
    Transaction,
    /// Connections.
    Connection,
    /// Seconds.
    Second,
    /// Thousandths of a second.
    Millisecond,
    /// Millionths of a second.
    Microsecond,
    /// Other things, as the name says; or 0 and 1.
    Other,
}

impl Unit {
    /// The unit's name in Datadog; empty where it has none.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Message => "message",
            Self::Request => "request",
            Self::Transaction => "transaction",
            Self::Connection => "connection",
            Self::Second => "second",
            Self::Millisecond => "millisecond",
            Self::Microsecond => "microsecond",
            Self::Other => "",
        }
    }
}

macro_rules! catalogue {
    ($(#[$doc:meta])* $kind:ident { $($(#[doc = $help:literal])+ $variant:ident = $name:literal, $unit:ident;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind { $($(#[doc = $help])+ $variant,)+ }

        impl $kind {
            /// All of them, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, without the prefix.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($help),+).trim_ascii(),)+ }
            }

            /// What it counts, or measures in.
            #[must_use]
            pub fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit,)+ }
            }
        }
    };
}

macro_rules! cells {
    ($kind:ident, $cell:ty) => {
        impl $kind {
            fn cell(self) -> &'static $cell {
                static CELLS: [$cell; $kind::ALL.len()] =
                    [const { <$cell>::new(0) }; $kind::ALL.len()];
                &CELLS[self as usize]
            }
        }
    };
}

catalogue! {
    /// Something that only grows.
    Counter {
        /// Messages that the broker handed over, whatever became of them.
        MessagesReceived = "ingest_messages_received", Message;
        /// Messages whose transaction is committed.
        MessagesCommitted = "ingest_messages_committed", Message;
        /// Redeliveries of messages that were committed already.
        MessagesRedelivered = "ingest_messages_redelivered", Message;
        /// Messages with the retain flag: acknowledged, never heartbeats.
        MessagesRetained = "ingest_messages_retained", Message;
        /// Messages that the broker says it has dropped since ingest started to listen.
        BrokerDropped = "ingest_broker_dropped", Message;
        /// Messages or payloads set aside.
        MessagesQuarantined = "ingest_messages_quarantined", Message;
        /// Optional fields that could not be read and were left out.
        FieldsDropped = "ingest_fields_dropped", Other;
        /// Heartbeats kept as evidence only, because nothing says when they reached the broker.
        HeartbeatsOfUnknownTime = "ingest_heartbeats_of_unknown_time", Message;
        /// Committed transactions of ingest.
        Commits = "ingest_commits", Transaction;
        /// Transactions of ingest that failed and were tried again.
        CommitFailures = "ingest_commit_failures", Transaction;
        /// Connections made to the broker.
        BrokerConnects = "ingest_broker_connects", Connection;
        /// Hours closed or counted again.
        HoursClosed = "exporter_hours_closed", Other;
        /// Lines handed to the Datadog Agent's socket.
        LinesSent = "exporter_lines_sent", Other;
        /// Lines that the socket did not take.
        LinesFailed = "exporter_lines_failed", Other;
        /// Series refused because there would be more than `datadog.max_series`.
        SeriesRefused = "exporter_series_refused", Other;
        /// Requests answered.
        Requests = "api_requests", Request;
        /// Requests answered with a server error.
        RequestErrors = "api_request_errors", Request;
    }
}

catalogue! {
    /// Something that goes up and down.
    Gauge {
        /// 1 while the session with the broker stands.
        BrokerConnected = "ingest_broker_connected", Other;
        /// Milliseconds from now back to the watermark.
        WatermarkLagMillis = "ingest_watermark_lag_milliseconds", Millisecond;
        /// Messages received and not yet committed.
        MessagesInFlight = "ingest_messages_in_flight", Message;
        /// Microseconds that the last commit took.
        CommitMicros = "ingest_last_commit_microseconds", Microsecond;
        /// Microseconds within which 99 of 100 commits of the last five minutes were made.
        CommitP99Micros = "ingest_commit_p99_microseconds", Microsecond;
        /// Messages that the broker hands over before it waits for acknowledgements.
        WindowMessages = "ingest_window_messages", Message;
        /// Messages per second that can be taken at most: a window, or a batch, per commit.
        WindowLimitPerSecond = "ingest_window_limit_per_second", Message;
        /// 1 while a batch is held because too much of it was refused.
        Holding = "ingest_holding", Other;
        /// 1 if the Datadog Agent's socket took what it was handed last.
        AgentTakes = "exporter_agent_takes", Other;
    }
}

catalogue! {
    /// How the pipeline is as a whole, as Postgres knows it. Whoever closes hours sends it every
    /// minute, under the prefix `pipeline.`, and shows it.
    Pipeline {
        /// 1 while *reachable now* is unknown in a country, or nothing was ever heard.
        Blind = "blind", Other;
        /// From now back to the oldest watermark of a slot.
        WatermarkLag = "watermark_lag_secs", Second;
        /// From now back to the newest heartbeat, over all countries.
        NewestHeartbeatAge = "newest_heartbeat_age_secs", Second;
        /// 1 while every slot is held and no gap is open: the sessions with the broker stand.
        BrokerConnected = "broker_connected", Other;
        /// Time within which 99 of 100 commits of ingest were made in the last five minutes; the slowest slot.
        CommitP99 = "commit_p99_ms", Millisecond;
        /// Messages and payloads set aside in the last 60 minutes, by `reason`; sent for reasons of the last 24 hours.
        Quarantined = "quarantined", Message;
        /// From now back to when an hour was last closed.
        LastCloseAge = "last_close_age_secs", Second;
        /// Hours, over all countries, that ended more than 20 minutes ago and are not closed.
        HoursOverdue = "hours_overdue", Other;
        /// Closed hours of the last 24 hours whose count is only a lower bound.
        HoursIncomplete = "hours_incomplete", Other;
        /// Hours that received heartbeats after they had ended and wait to be counted again.
        HoursLate = "hours_late", Other;
        /// Closed hours that the Agent's socket has not taken although they are due.
        HoursUnsent = "hours_unsent", Other;
        /// Countries and carriers that are sent.
        Series = "series", Other;
        /// Countries and carriers that are not sent, because there would be more than `datadog.max_series`.
        SeriesRefused = "series_refused", Other;
    }
}

catalogue! {
    /// What is counted of devices.
    Count {
        /// Distinct devices heard in the hour that ends a second after the timestamp.
        HourDevices = "hour.devices", Device;
        /// Distinct devices heard through one carrier in the hour that ends a second after the timestamp; one that used two counts in both.
        HourCarrierDevices = "hour.carrier_devices", Device;
        /// Distinct devices heard within the reach window: those that can be reached now.
        NowDevices = "now.devices", Device;
        /// Distinct devices heard through one carrier within the reach window.
        NowCarrierDevices = "now.carrier_devices", Device;
    }
}

impl Count {
    /// The tags it has besides `env` and `host`.
    #[must_use]
    pub fn tags(self) -> &'static [&'static str] {
        match self {
            Self::HourDevices | Self::NowDevices => &["country"],
            Self::HourCarrierDevices | Self::NowCarrierDevices => &["country", "carrier"],
        }
    }

    /// When it is sent.
    #[must_use]
    pub fn sent(self) -> &'static str {
        match self {
            Self::HourDevices => "at close, then 10, 25 and 45 minutes after the hour's end",
            Self::HourCarrierDevices => "the same, for carriers of a size",
            Self::NowDevices => "every 60 s",
            Self::NowCarrierDevices => "every 60 s, if `datadog.carrier_now`",
        }
    }
}

impl Pipeline {
    /// The name with its prefix, as Datadog has it after the prefix of all.
    #[must_use]
    pub fn full_name(self) -> String {
        format!("pipeline.{}", self.name())
    }

    /// The tag that divides it, if one does.
    #[must_use]
    pub fn tag(self) -> Option<&'static str> {
        match self {
            Self::Quarantined => Some("reason"),
            _ => None,
        }
    }

    /// Tells all values, each with that of its tag if it is divided. What is not among them is not
    /// known any more.
    pub fn tell(values: impl IntoIterator<Item = PipelineValue>) {
        let told = values
            .into_iter()
            .map(|(metric, tag, value)| ((metric, tag), value))
            .collect();
        *PIPELINE.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }
}

/// A metric of the pipeline, the value of its tag, and its value.
pub type PipelineValue = (Pipeline, Option<&'static str>, i64);

/// The values last told. Bounded by the catalogue and the values of its tags, which are words of
/// the program.
static PIPELINE: Mutex<BTreeMap<(Pipeline, Option<&'static str>), i64>> =
    Mutex::new(BTreeMap::new());

/// The service check: whether headcount can count, and if not, why.
pub const CAN_COUNT: &str = "pipeline.can_count";

/// What is announced as an event, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Announcement {
    /// A country is counted for the first time.
    NewCountry,
    /// Series are not sent, because there would be too many.
    SeriesRefused,
}

impl Announcement {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::NewCountry, Self::SeriesRefused];

    /// The word by which it is remembered.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NewCountry => "new_country",
            Self::SeriesRefused => "series_refused",
        }
    }

    /// The key under which Datadog shows all that are about the same.
    #[must_use]
    pub fn key(self, subject: &str) -> String {
        match self {
            Self::NewCountry => format!("{} {subject}", self.name()),
            Self::SeriesRefused => self.name().to_owned(),
        }
    }

    /// What it means.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::NewCountry => {
                "A country is counted for the first time: series with its tag begin."
            }
            Self::SeriesRefused => {
                "Countries or carriers are not sent, because there would be more than \
                 `datadog.max_series`. Each is named once."
            }
        }
    }
}

cells!(Counter, AtomicU64);
cells!(Gauge, AtomicI64);

impl Counter {
    /// Adds to the counter.
    pub fn add(self, n: u64) {
        self.cell().fetch_add(n, Ordering::Relaxed);
    }

    /// Its value since the process started.
    #[must_use]
    pub fn value(self) -> u64 {
        self.cell().load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Sets the gauge.
    pub fn set(self, value: i64) {
        self.cell().store(value, Ordering::Relaxed);
    }

    /// Its last value.
    #[must_use]
    pub fn value(self) -> i64 {
        self.cell().load(Ordering::Relaxed)
    }
}

/// Everything in the OpenMetrics text format, as Prometheus reads it.
#[must_use]
pub fn open_metrics() -> String {
    let mut text = String::new();
    for counter in Counter::ALL {
        let name = format!("headcount_{}", counter.name());
        describe(&mut text, &name, "counter", counter.unit(), counter.help());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}_total {}", counter.value());
    }
    for gauge in Gauge::ALL {
        let name = format!("headcount_{}", gauge.name());
        describe(&mut text, &name, "gauge", gauge.unit(), gauge.help());
        let _ = writeln!(text, "{name} {}", gauge.value());
    }
    let values = PIPELINE.lock().unwrap_or_else(PoisonError::into_inner);
    for metric in Pipeline::ALL {
        let mut of_metric = values.range((*metric, None)..).peekable();
        let name = format!("headcount_pipeline_{}", metric.name());
        if of_metric
            .peek()
            .is_some_and(|((first, _), _)| first == metric)
        {
            describe(&mut text, &name, "gauge", metric.unit(), metric.help());
        }
        for ((_, value_of_tag), value) in of_metric.take_while(|((of, _), _)| of == metric) {
            let _ = match metric.tag().zip(*value_of_tag) {
                Some((key, tag)) => writeln!(text, "{name}{{{key}=\"{tag}\"}} {value}"),
                None => writeln!(text, "{name} {value}"),
            };
        }
    }
    text.push_str("# EOF\n");
    text
}

/// What a metric is, before its values. A unit is said where the name ends with it, as the format
/// wants it.
fn describe(text: &mut String, name: &str, kind: &str, unit: Unit, help: &str) {
    let _ = writeln!(text, "# TYPE {name} {kind}");
    let unit = format!("{}s", unit.name());
    if name.ends_with(&format!("_{unit}")) {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    let _ = writeln!(text, "# HELP {name} {help}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_explained_and_rendered_once() {
        Counter::HoursClosed.add(2);
        Pipeline::tell([
            (Pipeline::Blind, None, 1),
            (Pipeline::Quarantined, Some("syntax"), 3),
            (Pipeline::Quarantined, Some("depth"), 0),
        ]);
        let text = open_metrics();
        assert!(text.contains("\nheadcount_exporter_hours_closed_total 2\n"));
        assert!(text.contains("# UNIT headcount_ingest_window_messages messages\n"));
        assert!(text.contains("\nheadcount_pipeline_blind 1\n"));
        assert!(text.contains(
            "\nheadcount_pipeline_quarantined{reason=\"depth\"} 0\n\
             headcount_pipeline_quarantined{reason=\"syntax\"} 3\n"
        ));
        assert!(text.ends_with("# EOF\n"));
        let counters = Counter::ALL.iter().map(|c| c.name());
        for name in counters.chain(Gauge::ALL.iter().map(|g| g.name())) {
            let help = format!("# HELP headcount_{name} ");
            assert_eq!(text.matches(&help).count(), 1, "{name}");
        }
        let of_pipeline = text.matches("# HELP headcount_pipeline_").count();
        assert_eq!(of_pipeline, 2, "what is not known is not shown");
        Pipeline::tell([]);
        assert!(!open_metrics().contains("headcount_pipeline"));
    }
}
