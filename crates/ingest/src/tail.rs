//! Recognising what the broker sends twice.
//!
//! A broker that did not hear an acknowledgement sends the message again on the next connection,
//! marked as a redelivery, under the same packet id. If the first copy is committed, the second
//! must add nothing, not even across the boundary of an hour. A broker gives a packet id to another
//! message only when it has heard the acknowledgement of the one before, so what can come again
//! under an id is what was taken under it last. That is remembered here, for every id there is, and
//! after a restart read back from the store.

use std::collections::VecDeque;

use model::Instant;
use store::heartbeats::Delivery;
use xxhash_rust::xxh3::Xxh3;

/// Deliveries that are read back after a restart, at least: four of the largest windows. One may be
/// committed while its acknowledgements are still to be sent; a broker that empties its queue may
/// have sent several.
const READ_BACK: usize = 4 * 65_536;

/// How closely the time is kept from which on they have to be read.
const MARK_EVERY: usize = 4096;

/// What was last taken under each packet id.
#[derive(Debug)]
pub struct Tail {
    last: Vec<Option<i64>>,
    /// When every [`MARK_EVERY`]th delivery was received, oldest first.
    marks: VecDeque<Instant>,
    since_mark: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            last: vec![None; usize::from(u16::MAX) + 1],
            marks: VecDeque::new(),
            since_mark: 0,
        }
    }
}

impl Tail {
    /// Remembers a delivery.
    pub fn push(&mut self, delivery: Delivery, received_at: Instant) {
        if let Some(last) = self.last.get_mut(usize::from(delivery.packet_id)) {
            *last = Some(delivery.fingerprint);
        }
        if self.marks.is_empty() || self.since_mark == MARK_EVERY {
            self.marks.push_back(received_at);
            self.since_mark = 0;
            if self.marks.len() > READ_BACK / MARK_EVERY + 1 {
                self.marks.pop_front();
            }
        }
        self.since_mark += 1;
    }

    /// Whether a delivery is the one taken last under its packet id.
    #[must_use]
    pub fn contains(&self, delivery: Delivery) -> bool {
        self.last.get(usize::from(delivery.packet_id)) == Some(&Some(delivery.fingerprint))
    }

    /// From when on the store has to be read after a restart.
    #[must_use]
    pub fn from(&self) -> Option<Instant> {
        self.marks.front().copied()
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
    fn the_last_delivery_under_each_packet_id_is_remembered() {
        let mut tail = Tail::default();
        let delivery = |n: usize| Delivery {
            packet_id: u16::try_from(n % 65_535).unwrap() + 1,
            fingerprint: i64::try_from(n).unwrap(),
        };
        for n in 0..100_000 {
            tail.push(delivery(n), Instant::default());
        }
        // a broker that never hears an acknowledgement has up to a window under way
        assert!((100_000 - 65_535..100_000).all(|n| tail.contains(delivery(n))));
        // it has heard the one before, or it would not have used the id again
        assert!(!tail.contains(delivery(0)));
    }

    #[test]
    fn four_windows_are_read_back_and_not_much_more() {
        let mut tail = Tail::default();
        let start: Instant = "2026-11-21T00:00:00Z".parse().unwrap();
        let received = |n: usize| start + chrono::TimeDelta::microseconds(n.cast_signed() as i64);
        let delivery = Delivery {
            packet_id: 1,
            fingerprint: 1,
        };
        for n in 0..1_000_000_usize {
            assert!(
                tail.from()
                    .is_none_or(|from| from <= received(n.saturating_sub(READ_BACK)))
            );
            tail.push(delivery, received(n));
        }
        let oldest = received(1_000_000 - READ_BACK - 2 * MARK_EVERY);
        assert!(tail.from() > Some(oldest));
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
