//! Whether the broker's window is wide enough for the fleet.
//!
//! A broker hands over so many messages, its window, and then waits for acknowledgements. What is
//! acknowledged has been committed. So at most a window of messages passes per commit, however
//! fast everything else is: a window of 20 and a commit of 5 ms with a batch age of 50 ms make 360
//! messages a second, and a fleet that sends more makes a queue that never ends.

use std::time::{Duration, Instant};

/// From this part of what can be taken on, arrivals leave too little room.
const NARROW: f64 = 0.8;

/// Below this part the matter is settled, and may be said again should it come back.
const SETTLED: f64 = 0.5;

/// How many times what is needed now a window should hold.
const HEADROOM: f64 = 4.0;

/// The widest window that MQTT knows.
const MAX_WINDOW: u32 = 65_535;

/// What AWS IoT Core hands over at most; it cannot be set there.
const AWS_WINDOW: u32 = 100;

/// Arrivals are counted over so long a time.
const INTERVAL: Duration = Duration::from_secs(60);

/// Intervals in a row with too little room before it is said: a burst is what a queue is for.
const NARROW_INTERVALS: u32 = 3;

/// Batches of the same size in a row that show the broker's window, and the smallest such size.
const SAME_BATCHES: u32 = 16;
const MIN_SEEN_WINDOW: u32 = 4;

/// What bounds how fast messages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Messages that the broker hands over before it waits for acknowledgements.
    pub window_messages: u32,
    /// Messages that we allow it to (`mqtt.receive_maximum`).
    pub receive_maximum: u32,
    /// Messages of one batch, at most (`ingest.batch_max_messages`).
    pub batch_max_messages: u32,
    /// How long a batch waits that is not full.
    pub batch_age: Duration,
    /// How long a commit takes, with the way of its acknowledgements where that is known.
    pub commit: Duration,
}

/// Whether arrivals leave room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is room.
    Wide,
    /// More than four fifths of what can be taken arrive.
    Narrow,
    /// More arrives than can be taken.
    TooNarrow,
}

impl Pace {
    /// The most messages per second that can be taken.
    #[must_use]
    pub fn limit_per_second(&self) -> f64 {
        f64::from(self.per_commit()) / self.turnaround().as_secs_f64()
    }

    /// The most messages of one batch: ingest does not wait for more than it allows.
    fn full_batch(&self) -> u32 {
        self.batch_max_messages.min(self.receive_maximum)
    }

    fn per_commit(&self) -> u32 {
        self.window_messages.min(self.full_batch()).max(1)
    }

    /// From a batch's first message to its acknowledgement. A broker's window smaller than a batch
    /// can never fill one, so the batch also waits out its age.
    fn turnaround(&self) -> Duration {
        let waits = self.window_messages < self.full_batch();
        let age = if waits {
            self.batch_age
        } else {
            Duration::ZERO
        };
        (self.commit + age).max(Duration::from_micros(1))
    }

    /// Whether so many messages per second leave room.
    #[must_use]
    pub fn judge(&self, arrivals_per_second: f64) -> Verdict {
        let used = arrivals_per_second / self.limit_per_second();
        if used > 1.0 {
            Verdict::TooNarrow
        } else if used > NARROW {
            Verdict::Narrow
        } else {
            Verdict::Wide
        }
    }

    /// What to change so that so many messages per second leave room.
    #[must_use]
    pub fn advice(&self, arrivals_per_second: f64) -> String {
        let needed = arrivals_per_second * self.turnaround().as_secs_f64() * HEADROOM;
        let needed = u32::try_from((needed.ceil() as i64).max(1)).unwrap_or(u32::MAX);
        let window = needed.div_ceil(100).saturating_mul(100).min(MAX_WINDOW);
        let mut text = if self.window_messages < self.full_batch() {
            format!(
                "let the broker hand over {window} messages before it waits (EMQX: \
                 mqtt.max_inflight = {window}; Mosquitto, for MQTT 3.1.1 only: \
                 max_inflight_messages {window})"
            )
        } else if self.receive_maximum < self.batch_max_messages {
            format!("set mqtt.receive_maximum to {window} or more; its default is {MAX_WINDOW}")
        } else {
            return "the window is wide enough: let batches be larger \
                    (ingest.batch_max_messages), make Postgres commit faster, or split the \
                    devices over several slots"
                .to_owned();
        };
        if needed > AWS_WINDOW {
            let slots = needed.div_ceil(AWS_WINDOW);
            text.push_str(&format!(
                "; AWS IoT Core stops at {AWS_WINDOW}, so split the devices over {slots} slots \
                 there"
            ));
        }
        if needed > MAX_WINDOW {
            let slots = needed.div_ceil(MAX_WINDOW);
            text.push_str(&format!(
                "; MQTT knows no wider window, so use {slots} slots"
            ));
        }
        text
    }
}

/// A committed batch, as far as the window is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    /// Messages that the broker waits to be acknowledged for.
    pub(crate) messages: u32,
    /// From the first of them to the last.
    pub(crate) came_within: Duration,
    /// How long the commit took.
    pub(crate) commit: Duration,
}

/// Too much arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TooMuch {
    /// How much.
    pub(crate) arrivals_per_second: f64,
}

/// Watches one slot's batches.
#[derive(Debug)]
pub(crate) struct Meter {
    pace: Pace,
    same: (u32, u32),
    since: Instant,
    messages: u64,
    narrow_intervals: u32,
    is_said: bool,
}

impl Meter {
    /// A meter of a slot that allows the broker `receive_maximum` messages under way.
    pub(crate) fn new(
        receive_maximum: u32,
        batch_max_messages: u32,
        batch_age: Duration,
        now: Instant,
    ) -> Self {
        Self {
            pace: Pace {
                window_messages: receive_maximum,
                receive_maximum,
                batch_max_messages,
                batch_age,
                commit: Duration::ZERO,
            },
            same: (0, 0),
            since: now,
            messages: 0,
            narrow_intervals: 0,
            is_said: false,
        }
    }

    /// What bounds us now.
    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// Takes note of a batch. Says when too much has arrived for some minutes, once until it is
    /// settled.
    pub(crate) fn committed(&mut self, batch: Committed, now: Instant) -> Option<TooMuch> {
        self.see_window(batch);
        if batch.messages > 0 {
            self.pace.commit = match self.pace.commit {
                Duration::ZERO => batch.commit,
                before => (before * 7 + batch.commit) / 8,
            };
        }
        self.messages += u64::from(batch.messages);
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < INTERVAL {
            return None;
        }
        let arrivals_per_second = self.messages as f64 / elapsed.as_secs_f64();
        self.messages = 0;
        self.since = now;
        if self.pace.judge(arrivals_per_second) == Verdict::Wide {
            self.narrow_intervals = 0;
            if arrivals_per_second < self.pace.limit_per_second() * SETTLED {
                self.is_said = false;
            }
            return None;
        }
        self.narrow_intervals += 1;
        if self.is_said || self.narrow_intervals < NARROW_INTERVALS {
            return None;
        }
        self.is_said = true;
        Some(TooMuch {
            arrivals_per_second,
        })
    }

    /// No protocol tells how many messages a broker hands over before it waits, only how many we
    /// allow. But a broker that waits shows it: batch after batch has the same size, and comes at
    /// once, with nothing behind it while the batch waits out its age.
    fn see_window(&mut self, batch: Committed) {
        if batch.messages > self.pace.window_messages {
            self.pace.window_messages = self.pace.receive_maximum;
        }
        let came_at_once = batch.came_within < self.pace.batch_age / 4;
        let (messages, times) = self.same;
        self.same = match (came_at_once, messages == batch.messages) {
            (true, true) => (messages, times.saturating_add(1)),
            (true, false) => (batch.messages, 1),
            (false, _) => (0, 0),
        };
        let (messages, times) = self.same;
        let is_window = (MIN_SEEN_WINDOW..self.pace.full_batch()).contains(&messages);
        if is_window && times >= SAME_BATCHES {
            self.pace.window_messages = messages;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn pace(window_messages: u32, commit_millis: u64) -> Pace {
        Pace {
            window_messages,
            receive_maximum: 65_535,
            batch_max_messages: 8192,
            batch_age: Duration::from_millis(50),
            commit: Duration::from_millis(commit_millis),
        }
    }

    #[test]
    fn what_passes_is_a_window_per_turn() {
        for (window, commit_millis, arrivals, limit, verdict) in [
            // Mosquitto's default
            (20, 5, 100.0, 363.0, Verdict::Wide),
            (20, 5, 300.0, 363.0, Verdict::Narrow),
            (20, 5, 1000.0, 363.0, Verdict::TooNarrow),
            // AWS
            (100, 10, 1000.0, 1666.0, Verdict::Wide),
            (100, 10, 1400.0, 1666.0, Verdict::Narrow),
            // no bound but ours: a full batch per commit
            (65_535, 100, 50_000.0, 81_920.0, Verdict::Wide),
            (65_535, 1000, 8000.0, 8192.0, Verdict::Narrow),
            (1, 50, 10.1, 10.0, Verdict::TooNarrow),
            (1, 50, 0.0, 10.0, Verdict::Wide),
        ] {
            let pace = pace(window, commit_millis);
            assert_eq!(pace.limit_per_second().floor(), limit, "{pace:?}");
            assert_eq!(pace.judge(arrivals), verdict, "{pace:?} {arrivals}");
        }
    }

    #[test]
    fn our_own_bound_makes_full_batches_that_wait_for_nothing() {
        let pace = Pace {
            receive_maximum: 20,
            ..pace(20, 5)
        };
        assert_eq!(pace.limit_per_second(), 4000.0);
        let advice = pace.advice(3500.0);
        assert!(
            advice.contains("set mqtt.receive_maximum to 100"),
            "{advice}"
        );
        assert!(!advice.contains("AWS"), "{advice}");
    }

    #[test]
    fn advice_names_what_to_set() {
        for (window, commit_millis, arrivals, parts) in [
            (20, 5, 1000.0, ["max_inflight_messages 300", "over 3 slots"]),
            (100, 50, 10_000.0, ["max_inflight = 4000", "over 40 slots"]),
            (
                8000,
                950,
                50_000.0,
                ["max_inflight_messages 65535", "so use 4 slots"],
            ),
            (
                65_535,
                1000,
                9000.0,
                ["batch_max_messages", "several slots"],
            ),
        ] {
            let advice = pace(window, commit_millis).advice(arrivals);
            for part in parts {
                assert!(advice.contains(part), "{part}: {advice}");
            }
        }
    }

    struct Bench {
        meter: Meter,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            let meter = Meter::new(65_535, 8192, Duration::from_millis(50), now);
            Self { meter, now }
        }

        /// Batches every 60 ms; returns how often it complained.
        fn run(&mut self, batches: u32, messages: u32, came_within: Duration) -> usize {
            let batch = Committed {
                messages,
                came_within,
                commit: MILLISECOND * 10,
            };
            let said = (0..batches).filter(|_| {
                self.now += MILLISECOND * 60;
                self.meter.committed(batch, self.now).is_some()
            });
            said.count()
        }
    }

    #[test]
    fn a_broker_that_waits_shows_its_window_and_it_is_said_once() {
        let mut bench = Bench::new();
        assert_eq!(bench.run(15, 20, MILLISECOND), 0);
        assert_eq!(bench.meter.pace().window_messages, 65_535);
        assert_eq!(bench.run(1, 20, MILLISECOND), 0);
        assert_eq!(bench.meter.pace().window_messages, 20);
        assert_eq!(bench.meter.pace().commit, MILLISECOND * 10);
        // ten minutes at the limit
        assert_eq!(bench.run(10_000, 20, MILLISECOND), 1);
        // a larger batch: the broker hands over more than that
        assert_eq!(bench.run(2000, 21, MILLISECOND * 40), 0);
        assert_eq!(bench.meter.pace().window_messages, 65_535);
        // and back
        assert_eq!(bench.run(10_000, 20, MILLISECOND), 1);
    }

    #[test]
    fn an_even_flow_is_no_window() {
        let mut bench = Bench::new();
        assert_eq!(bench.run(10_000, 50, MILLISECOND * 45), 0);
        assert_eq!(bench.meter.pace().window_messages, 65_535);
        // nor are a few messages, or whole batches
        bench.run(100, 2, MILLISECOND);
        bench.run(100, 8192, MILLISECOND);
        assert_eq!(bench.meter.pace().window_messages, 65_535);
    }

    #[test]
    fn a_short_burst_is_not_worth_a_word() {
        let mut bench = Bench::new();
        for _ in 0..5 {
            // two minutes at the limit, two minutes of little
            assert_eq!(bench.run(2000, 20, MILLISECOND), 0);
            assert_eq!(bench.run(2000, 2, MILLISECOND * 40), 0);
        }
    }
}
