//! Recognising what the broker sends twice.
//!
//! A broker that did not hear an acknowledgement sends the message again on the next connection,
//! marked as a redelivery, under the same packet id. If the first copy is committed, the second
//! must add nothing, not even across the boundary of an hour. Which copies can come again is
//! bounded: the broker has at most a window of messages under way, and we commit in order, so
//! they are among the last that were taken. Those are remembered here, and after a restart read
//! back from the store.

use std::collections::{HashMap, VecDeque};

use model::Instant;
use store::heartbeats::Delivery;
use xxhash_rust::xxh3::Xxh3;

/// Deliveries remembered: four of the largest windows. As many messages may wait here to be
/// committed as two of them hold (some brokers send more than one), and as many again may be
/// committed while their acknowledgements are still to be sent.
const MAX_REMEMBERED: usize = 4 * 65_535;

/// The last deliveries that were taken.
#[derive(Debug, Default)]
pub struct Tail {
    order: VecDeque<(Delivery, Instant)>,
    counts: HashMap<Delivery, u32>,
}

impl Tail {
    /// Remembers a delivery.
    pub fn push(&mut self, delivery: Delivery, received_at: Instant) {
        if self.order.len() == MAX_REMEMBERED {
            self.forget_oldest();
        }
        self.order.push_back((delivery, received_at));
        *self.counts.entry(delivery).or_default() += 1;
    }

    fn forget_oldest(&mut self) {
        let Some((delivery, _)) = self.order.pop_front() else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&delivery) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&delivery);
            }
        }
    }

    /// Whether a delivery is remembered.
    #[must_use]
    pub fn contains(&self, delivery: Delivery) -> bool {
        self.counts.contains_key(&delivery)
    }

    /// When the oldest one remembered was received: from there on the store has to be read after
    /// a restart.
    #[must_use]
    pub fn from(&self) -> Option<Instant> {
        self.order.front().map(|(_, received_at)| *received_at)
    }
}

/// What identifies a message in a redelivery besides its packet id.
#[must_use]
pub fn fingerprint(topic: &[u8], payload: &[u8]) -> i64 {
    let mut hash = Xxh3::new();
    hash.update(topic);
    hash.update(&[0]); // no topic holds a NUL, so the two parts cannot be confused
    hash.update(payload);
    hash.digest().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_windows_are_remembered_and_no_more() {
        let mut tail = Tail::default();
        let start: Instant = "2026-11-21T00:00:00Z".parse().unwrap();
        let delivery = |n: usize| Delivery {
            packet_id: u16::try_from(n % 65_535).unwrap() + 1,
            fingerprint: i64::try_from(n).unwrap(),
        };
        let received =
            |n: usize| start + chrono::TimeDelta::milliseconds(i64::try_from(n).unwrap());
        for n in 0..=MAX_REMEMBERED {
            tail.push(delivery(n), received(n));
        }
        assert!(!tail.contains(delivery(0)));
        assert!(tail.contains(delivery(1)) && tail.contains(delivery(MAX_REMEMBERED)));
        assert_eq!(tail.from(), Some(received(1)));
        assert_eq!(tail.counts.len(), MAX_REMEMBERED);
    }

    #[test]
    fn the_same_payload_under_another_packet_id_is_another_message() {
        let mut tail = Tail::default();
        let same = fingerprint(b"devices/a/heartbeat", b"");
        tail.push(
            Delivery {
                packet_id: 7,
                fingerprint: same,
            },
            Instant::default(),
        );
        assert!(tail.contains(Delivery {
            packet_id: 7,
            fingerprint: same
        }));
        assert!(!tail.contains(Delivery {
            packet_id: 8,
            fingerprint: same
        }));
        assert_ne!(same, fingerprint(b"devices/b/heartbeat", b""));
    }
}
