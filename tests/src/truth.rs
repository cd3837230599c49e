//! A model that knows the truth: what reached the broker when, what became of it, and therefore
//! which heartbeats count when, and which hours cannot be believed.
//!
//! It is told what happens and applies the rules of `docs/adr/0003-heard-at-probes-and-gaps.md` and
//! `docs/counting.md`, written down here a second time. It shares no code with headcount.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use model::Instant;

/// Up to this lag behind the watermark a message counts when it comes.
const LIVE_LAG: TimeDelta = TimeDelta::seconds(30);

/// No device timestamp older than this is believed.
const OLDEST_TRUSTED: TimeDelta = TimeDelta::hours(72);

/// An hour closes when the watermark is this far beyond its end.
pub const SETTLE: TimeDelta = TimeDelta::minutes(2);

/// How long before the first start the gap begins that spoils its hour.
const FIRST_START: TimeDelta = TimeDelta::seconds(1);

/// A country in which the model's devices are.
#[derive(Debug)]
pub struct Place {
    /// Its code.
    pub country: &'static str,
    /// A network of it.
    pub network: (&'static str, &'static str),
    /// How far its clock is ahead of UTC; none of these countries moves its clock.
    pub ahead: TimeDelta,
    /// Its reach window.
    pub reach_window: TimeDelta,
    /// How much of an hour gaps may hide.
    tolerated: TimeDelta,
}

/// Countries whose hours begin at three different times. In the last one devices send rarely.
pub const PLACES: [Place; 3] = [
    Place {
        country: "ph",
        network: ("515", "02"),
        ahead: TimeDelta::hours(8),
        reach_window: TimeDelta::minutes(15),
        tolerated: TimeDelta::minutes(5),
    },
    Place {
        country: "in",
        network: ("404", "10"),
        ahead: TimeDelta::minutes(330),
        reach_window: TimeDelta::minutes(15),
        tolerated: TimeDelta::minutes(5),
    },
    Place {
        country: "np",
        network: ("429", "02"),
        ahead: TimeDelta::minutes(345),
        reach_window: TimeDelta::hours(3),
        tolerated: TimeDelta::seconds(30),
    },
];

impl Place {
    /// The start of the hour of its clock that holds an instant.
    #[must_use]
    pub fn hour_of(&self, instant: Instant) -> Instant {
        let local_secs = (instant + self.ahead).timestamp();
        Instant::from_timestamp(local_secs - local_secs.rem_euclid(3600), 0).unwrap() - self.ahead
    }
}

/// A heartbeat as a device sends it.
#[derive(Debug, Clone)]
pub struct Beat {
    /// A number that no other has.
    pub seq: i64,
    /// Who sends it.
    pub device: String,
    /// Where: an index of [`PLACES`].
    pub place: usize,
    /// When the device says that it sent it.
    pub sent_at: Option<Instant>,
    /// At QoS 0, which nothing is promised for.
    pub at_most_once: bool,
}

/// What may have become of a message that the broker took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is stored, and counts.
    Counts {
        /// When it came to us.
        received_at: Instant,
        /// When it counts.
        heard_at: Instant,
    },
    /// It is stored and counts for nothing, because nothing says in which hour it was sent.
    SomeTime {
        /// When it came to us.
        received_at: Instant,
        /// It reached the broker after this.
        since: Instant,
    },
    /// It is not stored.
    Lost,
}

/// What is stored of a message: when it came to us, and when it counts.
pub type Stored = (Instant, Option<Instant>);

impl Fate {
    fn stored(self) -> Option<Stored> {
        match self {
            Self::Counts {
                received_at,
                heard_at,
            } => Some((received_at, Some(heard_at))),
            Self::SomeTime { received_at, .. } => Some((received_at, None)),
            Self::Lost => None,
        }
    }
}

/// A message that the broker took.
#[derive(Debug)]
struct Taken {
    beat: Beat,
    reached_at: Instant,
    /// What may have become of it. There is more than one possibility only where a process or the
    /// broker ends at the very moment at which it comes: it was committed before, or not.
    fates: Vec<Fate>,
}

/// The broker's session of the slot.
#[derive(Debug)]
struct Session {
    filter: u32,
    /// Indices of messages.
    waiting: Vec<usize>,
}

/// A stretch of time in which heartbeats may be missing, with its cause and the country it is
/// limited to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Why.
    pub cause: &'static str,
    /// Where; everywhere if none.
    pub country: Option<&'static str>,
    /// From when on.
    pub from: Instant,
    /// Until when.
    pub to: Instant,
}

/// An hour as it must be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedHour {
    /// How many devices were heard.
    pub devices: i64,
    /// Whether that can be believed.
    pub complete: bool,
    /// What gaps hide of it, in seconds; 0 if it is complete.
    pub gap_secs: i64,
    /// Their causes; none if it is complete.
    pub causes: BTreeSet<String>,
}

/// Everything that must be in the database when all hours are closed.
#[derive(Debug)]
pub struct Expected {
    /// Which device was heard in which hour of which country.
    pub presence: BTreeSet<(String, Instant, String)>,
    /// Gaps that touch each other are one.
    pub gaps: Vec<Gap>,
    /// By country and start.
    pub hours: BTreeMap<(String, Instant), ClosedHour>,
    /// Messages that the broker took and that were lost, within gaps.
    pub lost: usize,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Truth {
    taken: Vec<Taken>,
    session: Option<Session>,
    connected: bool,
    started_at: Option<Instant>,
    watermark: Option<Instant>,
    away_since: Option<Instant>,
    gaps: Vec<Gap>,
}

impl Truth {
    /// Everything before this instant that reached the broker is stored or lies in a gap.
    #[must_use]
    pub fn watermark(&self) -> Option<Instant> {
        self.watermark
    }

    /// The number of the filter that the session is subscribed to.
    #[must_use]
    pub fn filter(&self) -> Option<u32> {
        self.session.as_ref().map(|session| session.filter)
    }

    /// The broker takes a message on a topic of the filter with this number. `at_the_end`: a
    /// process or the broker ends before it is known whether the message was committed.
    pub fn reaches(&mut self, beat: Beat, filter: u32, at: Instant, at_the_end: bool) {
        let live = Fate::Counts {
            received_at: at,
            heard_at: at,
        };
        let index = self.taken.len();
        let heard_by = self.session.as_mut();
        let fates = match heard_by.filter(|session| session.filter == filter) {
            None => vec![Fate::Lost],
            Some(_) if beat.at_most_once && self.connected => vec![live, Fate::Lost],
            Some(_) if beat.at_most_once => vec![Fate::Lost],
            Some(_) if self.connected && !at_the_end => vec![live],
            Some(session) => {
                session.waiting.push(index);
                Vec::from_iter(self.connected.then_some(live))
            }
        };
        self.taken.push(Taken {
            beat,
            reached_at: at,
            fates,
        });
    }

    /// The subscription stands, and what has waited comes. `in_doubt`: an owner before began to connect
    /// and ended before it was known what it found.
    pub fn listens(&mut self, filter: u32, in_doubt: bool, at: Instant) {
        if let Some(from) = self.away_since.take() {
            self.gap("broker_away", None, from, at);
        }
        let session = self.session.take();
        match self.watermark {
            None => {
                self.started_at = Some(at);
                self.gap("first_start", None, at - FIRST_START, at);
                self.watermark = Some(at);
            }
            Some(watermark) => match session {
                None => self.gap("session_lost", None, watermark, at),
                Some(session) => {
                    if session.filter != filter || in_doubt {
                        self.gap("session_lost", None, watermark, at);
                    }
                    for index in session.waiting {
                        let fate = judged(&self.taken[index].beat, watermark, at);
                        self.taken[index].fates.push(fate);
                    }
                }
            },
        }
        self.session = Some(Session {
            filter,
            waiting: Vec::new(),
        });
        self.connected = true;
    }

    /// A probe sent at this instant is back.
    pub fn heard_until(&mut self, at: Instant) {
        self.watermark = Some(at);
    }

    /// Ingest has ended; the broker keeps what comes.
    pub fn leaves(&mut self) {
        self.connected = false;
    }

    /// Ingest notices that there is no broker.
    pub fn misses_the_broker(&mut self, at: Instant) {
        self.connected = false;
        self.away_since.get_or_insert(at);
    }

    /// The broker forgets its sessions and what waits in them.
    pub fn forgets(&mut self) {
        for index in self.session.take().into_iter().flat_map(|one| one.waiting) {
            self.taken[index].fates.push(Fate::Lost);
        }
    }

    fn gap(
        &mut self,
        cause: &'static str,
        country: Option<&'static str>,
        from: Instant,
        to: Instant,
    ) {
        self.gaps.push(Gap {
            cause,
            country,
            from,
            to,
        });
    }

    /// The messages promised to be stored once the watermark has passed this instant. Those are
    /// left out that may be lost.
    pub fn stored_before(&self, watermark: Instant) -> impl Iterator<Item = i64> {
        let before = self
            .taken
            .iter()
            .filter(move |one| one.reached_at < watermark);
        before
            .filter(|one| !one.beat.at_most_once && !one.fates.contains(&Fate::Lost))
            .map(|one| one.beat.seq)
    }

    /// What must be in the database when all is heard and closed, given what is stored. That
    /// decides only where more than one thing may have become of a message.
    ///
    /// # Errors
    /// When something is stored, or not, that must not be.
    pub fn expected(&self, stored: &BTreeMap<i64, Stored>) -> Result<Expected, String> {
        let mut presence = BTreeSet::new();
        let mut gaps = self.gaps.clone();
        let mut lost = 0;
        let mut first_received = BTreeMap::new();
        for one in &self.taken {
            let found = stored.get(&one.beat.seq).copied();
            let fate = one.fates.iter().find(|fate| fate.stored() == found);
            let Some(fate) = fate else {
                return Err(format!("found {found:?}, and must be one of {one:#?}"));
            };
            let place = &PLACES[one.beat.place];
            match *fate {
                Fate::Counts { heard_at, .. } => {
                    let hour = place.hour_of(heard_at);
                    presence.insert((place.country.to_owned(), hour, one.beat.device.clone()));
                }
                Fate::SomeTime { received_at, since } => gaps.push(Gap {
                    cause: "unknown_time",
                    country: Some(place.country),
                    from: since,
                    to: received_at,
                }),
                Fate::Lost if one.beat.at_most_once => {}
                Fate::Lost => {
                    self.lies_in_a_gap(one)?;
                    lost += 1;
                }
            }
            if let Some((received_at, _)) = fate.stored() {
                let first = first_received.entry(one.beat.place).or_insert(received_at);
                *first = received_at.min(*first);
            }
        }
        if stored.len() > self.taken.len() {
            return Err(format!("{} stored of {}", stored.len(), self.taken.len()));
        }
        let hours = self.closed(&presence, &gaps, &first_received);
        Ok(Expected {
            presence,
            gaps: united(gaps),
            hours,
            lost,
        })
    }

    fn lies_in_a_gap(&self, one: &Taken) -> Result<(), String> {
        let at = one.reached_at;
        let before = self.started_at.is_none_or(|started_at| at <= started_at);
        let hidden = |gap: &Gap| gap.country.is_none() && gap.from <= at && at <= gap.to;
        if before || self.gaps.iter().any(hidden) {
            Ok(())
        } else {
            Err(format!("lost, and in no gap: {one:#?}"))
        }
    }

    /// All hours from that in which a country was first heard of, and those before for which
    /// something came.
    fn closed(
        &self,
        presence: &BTreeSet<(String, Instant, String)>,
        gaps: &[Gap],
        first_received: &BTreeMap<usize, Instant>,
    ) -> BTreeMap<(String, Instant), ClosedHour> {
        let mut hours = BTreeMap::new();
        let (Some(started_at), Some(watermark)) = (self.started_at, self.watermark) else {
            return hours;
        };
        for (place, received_at) in first_received {
            let place = &PLACES[*place];
            let mut starts: BTreeSet<_> = presence
                .iter()
                .filter(|(country, ..)| country == place.country)
                .map(|(_, hour, _)| *hour)
                .collect();
            let first = place.hour_of(started_at.max(*received_at));
            let following = (0..).map(|n| first + TimeDelta::hours(n));
            starts.extend(following.take_while(|start| *start < watermark));
            for start in starts {
                let end = start + TimeDelta::hours(1);
                if end + SETTLE > watermark {
                    continue;
                }
                let heard = presence
                    .iter()
                    .filter(|(country, hour, _)| country == place.country && *hour == start)
                    .count();
                hours.insert(
                    (place.country.to_owned(), start),
                    judged_hour(place, start, heard, gaps),
                );
            }
        }
        hours
    }
}

/// What becomes of a message that waited in the broker and comes now.
fn judged(beat: &Beat, watermark: Instant, now: Instant) -> Fate {
    let counts = |heard_at| Fate::Counts {
        received_at: now,
        heard_at,
    };
    let place = &PLACES[beat.place];
    if now <= watermark + LIVE_LAG {
        return counts(now);
    }
    if let Some(sent_at) = beat.sent_at
        && watermark <= sent_at
        && sent_at <= now
        && now <= sent_at + OLDEST_TRUSTED
    {
        return counts(sent_at);
    }
    if place.hour_of(watermark) == place.hour_of(now) {
        return counts(now);
    }
    Fate::SomeTime {
        received_at: now,
        since: watermark,
    }
}

fn judged_hour(place: &Place, start: Instant, devices: usize, gaps: &[Gap]) -> ClosedHour {
    let end = start + TimeDelta::hours(1);
    let mut causes = BTreeSet::new();
    let mut parts = Vec::new();
    for gap in gaps {
        let here = gap.country.is_none_or(|country| country == place.country);
        let (from, to) = (gap.from.max(start), gap.to.min(end));
        if here && from < to {
            causes.insert(gap.cause.to_owned());
            // Whatever hides it, it is hidden once.
            let (cause, country) = ("", None);
            parts.push(Gap {
                cause,
                country,
                from,
                to,
            });
        }
    }
    let hidden: TimeDelta = united(parts).iter().map(|gap| gap.to - gap.from).sum();
    let spoiled = causes.contains("unknown_time") || causes.contains("first_start");
    let complete = !spoiled && hidden <= place.tolerated;
    ClosedHour {
        devices: i64::try_from(devices).unwrap(),
        complete,
        gap_secs: if complete { 0 } else { hidden.num_seconds() },
        causes: if complete { BTreeSet::new() } else { causes },
    }
}

/// Gaps of one cause and country that touch or overlap become one; empty ones are left out.
#[must_use]
pub fn united(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.retain(|gap| gap.from < gap.to);
    gaps.sort();
    let mut united: Vec<Gap> = Vec::new();
    for gap in gaps {
        match united.last_mut() {
            Some(last)
                if last.cause == gap.cause
                    && last.country == gap.country
                    && gap.from <= last.to =>
            {
                last.to = last.to.max(gap.to);
            }
            _ => united.push(gap),
        }
    }
    united
}
