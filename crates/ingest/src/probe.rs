//! Probes: how we know that we have heard everything up to an instant.
//!
//! A broker keeps order. A message that we publish now comes back behind every heartbeat that
//! reached the broker before it, however many wait. So a probe carries the time at which it was
//! sent, and once it is back, with all before it committed, the watermark may move to that time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use model::{Clock, Instant};

use crate::broker::Sender;

/// Probes under way that the broker has not taken yet. When so many wait, another tells nothing
/// new and would only stand in the way of acknowledgements.
const MAX_UNTAKEN: u32 = 4;

/// The topic on which a slot hears its own probes.
#[must_use]
pub fn topic(slot: &str) -> String {
    format!("headcount/probe/{slot}")
}

/// Probes of one connection.
pub(crate) struct Prober<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) sender: Sender,
    pub(crate) topic: &'a str,
    pub(crate) interval: Duration,
    untaken: AtomicU32,
    max_untaken: u32,
}

impl<'a> Prober<'a> {
    pub(crate) fn new(
        clock: &'a dyn Clock,
        sender: Sender,
        topic: &'a str,
        interval: Duration,
        receive_maximum: u16,
    ) -> Self {
        Self {
            clock,
            sender,
            topic,
            interval,
            untaken: AtomicU32::new(0),
            max_untaken: MAX_UNTAKEN.min(receive_maximum.into()),
        }
    }

    /// The broker took one.
    pub(crate) fn taken(&self) {
        let one_less = |untaken: u32| untaken.checked_sub(1);
        let _none_was_under_way =
            self.untaken
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }

    /// Sends a probe now.
    pub(crate) fn send(&self) {
        if self.untaken.load(Ordering::Relaxed) >= self.max_untaken {
            return;
        }
        self.untaken.fetch_add(1, Ordering::Relaxed);
        self.sender
            .publish(self.topic, encode(self.clock.now()).into_bytes());
    }

    /// Sends probes until dropped.
    pub(crate) async fn run(&self) -> std::convert::Infallible {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        ticks.tick().await; // the first is sent when the subscription stands
        loop {
            ticks.tick().await;
            self.send();
        }
    }
}

fn encode(sent_at: Instant) -> String {
    sent_at.timestamp_micros().to_string()
}

/// When a probe was sent, if this is one.
pub(crate) fn decode(payload: &[u8]) -> Option<Instant> {
    let micros = std::str::from_utf8(payload).ok()?.parse().ok()?;
    Instant::from_timestamp_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_carries_its_time_and_garbage_carries_none() {
        let now = "2026-11-21T01:02:03.000004Z".parse().unwrap();
        assert_eq!(decode(encode(now).as_bytes()), Some(now));
        for garbage in [&b""[..], b"soon", b"\xff\xfe", b"99999999999999999999"] {
            assert_eq!(decode(garbage), None);
        }
    }
}
