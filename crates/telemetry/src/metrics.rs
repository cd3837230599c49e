//! The catalogue of everything this process counts about itself.
//!
//! A metric exists by being a variant here, with its name and its meaning in one place; there are
//! no metric names as strings anywhere else.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

macro_rules! catalogue {
    ($(#[$doc:meta])* $kind:ident, $cell:ty, { $($(#[doc = $help:literal])+ $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $kind { $($(#[doc = $help])+ $variant,)+ }

        impl $kind {
            /// All of them, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, without the prefix `headcount_`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($help),+),)+ }
            }

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
    Counter, AtomicU64, {
        /// Messages that the broker handed over, whatever became of them.
        MessagesReceived = "ingest_messages_received",
        /// Messages whose transaction is committed.
        MessagesCommitted = "ingest_messages_committed",
        /// Redeliveries of messages that were committed already.
        MessagesRedelivered = "ingest_messages_redelivered",
        /// Messages with the retain flag: acknowledged, never heartbeats.
        MessagesRetained = "ingest_messages_retained",
        /// Messages that the broker says it has dropped since ingest started to listen.
        BrokerDropped = "ingest_broker_dropped",
        /// Messages or payloads set aside.
        MessagesQuarantined = "ingest_messages_quarantined",
        /// Optional fields that could not be read and were left out.
        FieldsDropped = "ingest_fields_dropped",
        /// Heartbeats kept as evidence only, because nothing says when they reached the broker.
        HeartbeatsOfUnknownTime = "ingest_heartbeats_of_unknown_time",
        /// Committed transactions of ingest.
        Commits = "ingest_commits",
        /// Transactions of ingest that failed and were tried again.
        CommitFailures = "ingest_commit_failures",
        /// Connections made to the broker.
        BrokerConnects = "ingest_broker_connects",
        /// Hours closed or counted again.
        HoursClosed = "exporter_hours_closed",
        /// Lines handed to the Datadog Agent's socket.
        LinesSent = "exporter_lines_sent",
        /// Lines that the socket did not take.
        LinesFailed = "exporter_lines_failed",
        /// Series refused because there would be more than `datadog.max_series`.
        SeriesRefused = "exporter_series_refused",
        /// Requests answered.
        Requests = "api_requests",
        /// Requests answered with a server error.
        RequestErrors = "api_request_errors",
    }
}

catalogue! {
    /// Something that goes up and down.
    Gauge, AtomicI64, {
        /// 1 while the session with the broker stands.
        BrokerConnected = "ingest_broker_connected",
        /// Milliseconds from now back to the watermark.
        WatermarkLagMillis = "ingest_watermark_lag_milliseconds",
        /// Messages received and not yet committed.
        MessagesInFlight = "ingest_messages_in_flight",
        /// Microseconds that the last commit took.
        CommitMicros = "ingest_last_commit_microseconds",
        /// Messages that the broker hands over before it waits for acknowledgements.
        WindowMessages = "ingest_window_messages",
        /// Messages per second that can be taken at most: a window, or a batch, per commit.
        WindowLimitPerSecond = "ingest_window_limit_per_second",
        /// 1 while a batch is held because too much of it was refused.
        Holding = "ingest_holding",
        /// 1 while what we cannot see makes counts unknown.
        Blind = "exporter_blind",
        /// 1 if the Datadog Agent's socket took what it was handed last.
        AgentTakes = "exporter_agent_takes",
        /// Series sent to Datadog at the last closed hour.
        Series = "exporter_series",
    }
}

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
        let (name, help) = (counter.name(), counter.help().trim());
        let value = counter.value();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "# TYPE headcount_{name} counter\n# HELP headcount_{name} {help}\n\
             headcount_{name}_total {value}\n"
        );
    }
    for gauge in Gauge::ALL {
        let (name, help) = (gauge.name(), gauge.help().trim());
        let value = gauge.value();
        let _ = write!(
            text,
            "# TYPE headcount_{name} gauge\n# HELP headcount_{name} {help}\n\
             headcount_{name} {value}\n"
        );
    }
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_explained_and_rendered_once() {
        Counter::HoursClosed.add(2);
        let text = open_metrics();
        assert!(text.contains("\nheadcount_exporter_hours_closed_total 2\n"));
        assert!(text.ends_with("# EOF\n"));
        let names = Counter::ALL.iter().map(|c| (c.name(), c.help()));
        for (name, help) in names.chain(Gauge::ALL.iter().map(|g| (g.name(), g.help()))) {
            assert!(
                help.trim().ends_with('.'),
                "{name} is explained in a sentence"
            );
            assert_eq!(
                text.matches(&format!("# HELP headcount_{name} ")).count(),
                1,
                "{name}"
            );
        }
    }
}
