//! What happens in the model-based test: a random walk through everything that may happen to
//! ingest and its broker, from one number.

use chrono::TimeDelta;
use fastrand::Rng;

/// Heartbeats published in one step, at most.
const MAX_BEATS: usize = 6;

/// How long ingest may be away at most, where it is about the oldest time that is believed.
const DAYS_AWAY: TimeDelta = TimeDelta::hours(80);

/// How far the clock may be set back: less than hours wait to be closed.
const MAX_BACK_SECS: i64 = 90;

/// How something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As asked: what was received is committed first.
    InOrder,
    /// Like a process that is killed.
    Abruptly,
}

/// Where the clock goes.
#[derive(Debug, Clone, Copy)]
pub enum Move {
    /// So much further.
    By(TimeDelta),
    /// To so much before or after the next full hour of the clock of a place.
    NearHour {
        /// An index of [`crate::truth::PLACES`].
        place: usize,
        /// How far off the full hour.
        off: TimeDelta,
    },
}

/// One thing that happens.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Devices send so many heartbeats.
    Beats(usize),
    /// The clock goes on. If ingest listens, it notices.
    Clock(Move),
    /// The clock is set back by so many seconds, heartbeats come, and it is right again.
    ClockBack(i64),
    /// Ingest ends, right after so many heartbeats.
    EndIngest(End, usize),
    /// Ingest starts; if it says so, it ended at once in this way before.
    StartIngest(Option<End>),
    /// The broker ends in order, right after so many heartbeats.
    StopBroker(usize),
    /// The broker starts, with what it saved or without (`true`).
    StartBroker(bool),
    /// Ingest, while away, is given another topic filter, under which devices then publish: one that
    /// is new, or (`true`) the one it had before this one.
    ChangeFilter(bool),
}

/// A random walk that is the same for the same number.
pub struct Schedule {
    random: Rng,
    ingest: bool,
    broker: bool,
    has_started: bool,
    was_days_away: bool,
}

impl Schedule {
    /// A schedule that begins with a broker and without ingest.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: Rng::with_seed(seed),
            ingest: false,
            broker: true,
            has_started: false,
            was_days_away: false,
        }
    }

    /// The next thing to happen.
    pub fn step(&mut self) -> Step {
        let step = self.draw();
        match step {
            Step::StartIngest(_) => {
                self.ingest = true;
                self.has_started |= self.broker;
            }
            Step::EndIngest(..) => self.ingest = false,
            Step::StopBroker(_) => self.broker = false,
            Step::StartBroker(_) => {
                self.broker = true;
                self.has_started |= self.ingest;
            }
            Step::Clock(Move::By(by)) if by == DAYS_AWAY => self.was_days_away = true,
            _ => {}
        }
        step
    }

    /// What brings everything back.
    pub fn last_steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.broker {
            steps.push(Step::StartBroker(false));
        }
        if !self.ingest {
            steps.push(Step::StartIngest(None));
        }
        steps.push(Step::Beats(MAX_BEATS));
        steps
    }

    fn draw(&mut self) -> Step {
        let listens = self.ingest && self.broker;
        let random = self.random.u32(0..100);
        let few = if self.random.bool() {
            self.random.usize(1..=3)
        } else {
            0
        };
        let how = if self.random.bool() {
            End::InOrder
        } else {
            End::Abruptly
        };
        match random {
            0..32 => Step::Clock(self.clock_move()),
            32..60 if self.broker => Step::Beats(self.random.usize(1..=MAX_BEATS)),
            60..63 if listens => Step::ClockBack(self.random.i64(1..=MAX_BACK_SECS)),
            63..72 if !self.ingest && self.has_started => Step::ChangeFilter(self.random.bool()),
            72..82 if self.broker => Step::StopBroker(if self.ingest { few } else { 0 }),
            72..82 => Step::StartBroker(self.random.u32(0..3) == 0),
            82.. if self.ingest => Step::EndIngest(how, if listens { few } else { 0 }),
            82.. => Step::StartIngest((self.random.u32(0..3) == 0).then_some(how)),
            _ => Step::Clock(self.clock_move()),
        }
    }

    fn clock_move(&mut self) -> Move {
        let random = &mut self.random;
        let secs = |secs| Move::By(TimeDelta::seconds(secs));
        match random.u32(0..100) {
            0..15 => secs(random.i64(1..30)),
            15..25 => secs(random.i64(30..=31)),
            25..50 => secs(random.i64(32..=600)),
            50..65 => secs(random.i64(600..=7200)),
            65..98 => Move::NearHour {
                place: random.usize(0..crate::truth::PLACES.len()),
                off: TimeDelta::seconds(random.choice([-40, -1, 0, 1, 29, 119, 120, 121]).unwrap()),
            },
            _ if self.ingest || self.was_days_away => secs(random.i64(1..=3600)),
            _ => Move::By(DAYS_AWAY),
        }
    }
}
