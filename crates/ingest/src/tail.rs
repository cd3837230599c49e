//! Recognising what the broker sends twice.
//!
//! A broker that did not hear an acknowledgement sends the message again on the next connection,
//! marked as a redelivery, under the same packet id. If the first copy is committed, the second
//! must add nothing, not even across the boundary of an hour. A broker should give a packet id to
//! another message only when it has heard the acknowledgement of the one before; Mosquitto 2.0.11
//! goes round the ids while it empties a queue, so that several messages are under way with one id.
//! What was taken last under every id is remembered here, and after a restart read back from the
//! store.

use std::collections::VecDeque;
use std::num::NonZero;

use model::Instant;
use store::heartbeats::Delivery;
use xxhash_rust::xxh3::Xxh3;

/// Deliveries remembered under each packet id: as many messages may be under way with it.
const PER_ID: usize = 4;

/// Deliveries that are read back after a restart, at least: so many of the largest windows.
const READ_BACK: usize = PER_ID * 65_536;

/// How closely the time is kept from which on they have to be read.
const MARK_EVERY: usize = 4096;

/// A fingerprint in a table: no more than its eight bytes.
type Entry = Option<NonZero<i64>>;

fn entry(fingerprint: i64) -> Entry {
    NonZero::new(fingerprint).or(Some(NonZero::<i64>::MIN))
}

/// What was last taken under each packet id.
#[derive(Debug)]
pub struct Tail {
    /// By packet id, newest first.
    last: Vec<[Entry; PER_ID]>,
    /// When every [`MARK_EVERY`]th delivery was received, oldest first.
    marks: VecDeque<Instant>,
    since_mark: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            last: vec![[None; PER_ID]; usize::from(u16::MAX) + 1],
            marks: VecDeque::new(),
            since_mark: 0,
        }
    }
}

impl Tail {
    /// Remembers a delivery.
    pub fn push(&mut self, delivery: Delivery, received_at: Instant) {
        if let Some(last) = self.last.get_mut(usize::from(delivery.packet_id)) {
            last.rotate_right(1);
            last[0] = entry(delivery.fingerprint);
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

    /// Whether a delivery is one of those taken last under its packet id.
    #[must_use]
    pub fn contains(&self, delivery: Delivery) -> bool {
        self.last
            .get(usize::from(delivery.packet_id))
            .is_some_and(|last| last.contains(&entry(delivery.fingerprint)))
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
    fn the_last_deliveries_under_each_packet_id_are_remembered() {
        let mut tail = Tail::default();
        let delivery = |n: usize| Delivery {
            packet_id: u16::try_from(n % 65_535).unwrap() + 1,
            fingerprint: i64::try_from(n).unwrap(),
        };
        for n in 0..=4 * 65_535 {
            tail.push(delivery(n), Instant::default());
        }
        assert!(!tail.contains(delivery(0)));
        assert!((1..=4 * 65_535).all(|n| tail.contains(delivery(n))));
        assert!(!tail.contains(delivery(5 * 65_535)));
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
