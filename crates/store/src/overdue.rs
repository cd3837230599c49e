//! Hours that should have been closed by now, and why they are not.

use std::fmt;

use model::closing::{closing_start, overdue};
use model::gap::SETTLE;
use model::{Cause, Country, Hour, Instant};

use crate::gaps::GapRecord;
use crate::job_runs::{CLOSE_HOURS, JobRun, RunStatus};
use crate::leases::EXPORTER;
use crate::slots::SlotState;
use crate::{Error, Result, Store, closing, gaps};

/// Hours that should have been closed by now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overdue {
    /// How many, over all countries; of each at most [`model::closing::MAX_OVERDUE_COUNTED`].
    pub hours: usize,
    /// The one that ended first.
    pub oldest: Option<(Country, Hour)>,
    /// What stands in its way; empty where nothing is overdue.
    pub why: Vec<Reason>,
}

/// What stands in the way of closing an hour. Shown as a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nobody listens for a slot.
    NobodyListens {
        /// The slot.
        slot: String,
    },
    /// A slot has never been connected.
    NeverConnected {
        /// The slot.
        slot: String,
    },
    /// A slot has not been heard to the hour's end.
    WatermarkStands {
        /// The slot.
        slot: String,
        /// Until when it was heard.
        watermark: Instant,
    },
    /// A gap of a slot lasts.
    GapLasts {
        /// The slot.
        slot: String,
        /// Why.
        cause: Cause,
        /// Since when.
        since: Instant,
    },
    /// Nobody closes hours.
    NoExporter,
    /// The last run that should have closed it failed, and is tried again.
    RunFailed {
        /// What it said.
        error: String,
    },
    /// It was heard to its end, and somebody is there to close it: it has its turn now.
    ItsTurnIsNow,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |instant: &Instant| instant.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        match self {
            Self::NobodyListens { slot } => write!(f, "slot `{slot}`: no ingest is running"),
            Self::NeverConnected { slot } => {
                write!(f, "slot `{slot}`: not yet connected to the broker")
            }
            Self::WatermarkStands { slot, watermark } => {
                write!(f, "slot `{slot}`: heard until {} only", time(watermark))
            }
            Self::GapLasts { slot, cause, since } => {
                write!(f, "slot `{slot}`: {} since {}", cause.as_str(), time(since))
            }
            Self::NoExporter => write!(f, "no exporter is running"),
            Self::RunFailed { error } => write!(f, "closing failed: {error}"),
            Self::ItsTurnIsNow => write!(f, "it has been heard to its end and is closed next"),
        }
    }
}

impl Overdue {
    /// What stands in the way, in words.
    #[must_use]
    pub fn why(&self) -> String {
        let why: Vec<_> = self.why.iter().map(ToString::to_string).collect();
        why.join("; ")
    }
}

impl Store {
    /// The hours that should have been closed by `now`, and why they are not. An hour in which
    /// nothing was listened to is never overdue.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn overdue(&self, now: Instant) -> Result<Overdue> {
        let slots = self.slots().await?;
        let Some(started_at) = slots.iter().filter_map(|slot| slot.started_at).min() else {
            return Ok(Overdue::default());
        };
        let countries = self.countries().await?;
        let mut connection = Error::at("overdue", self.pool.acquire().await)?;
        let closed_until = closing::closed_until(&mut connection).await?;
        let mut found = Overdue::default();
        for row in countries.values() {
            let until = closed_until.get(&row.country).copied();
            let start = closing_start(&row.zones, until, row.first_seen_at, started_at);
            let hours = overdue(&row.zones, start, now);
            found.hours += hours.len();
            if let Some(hour) = hours.first()
                && found
                    .oldest
                    .is_none_or(|(country, oldest)| (hour.end, row.country) < (oldest.end, country))
            {
                found.oldest = Some((row.country, *hour));
            }
        }
        if let Some((_, hour)) = found.oldest {
            let gaps = gaps::since(&mut connection, now).await?;
            drop(connection);
            let exporter = self.lease_is_held(EXPORTER).await?;
            let run = self.last_run(CLOSE_HOURS).await?;
            found.why = reasons(hour, &slots, &gaps, exporter, run.as_ref());
        }
        Ok(found)
    }
}

/// What stands in the way of closing an hour.
fn reasons(
    hour: Hour,
    slots: &[SlotState],
    gaps: &[GapRecord],
    exporter: bool,
    run: Option<&JobRun>,
) -> Vec<Reason> {
    let mut why = Vec::new();
    for state in slots {
        let slot = state.slot.clone();
        match state.watermark {
            Some(watermark) if watermark >= hour.end + SETTLE => continue,
            Some(watermark) => why.push(Reason::WatermarkStands {
                slot: slot.clone(),
                watermark,
            }),
            None => why.push(Reason::NeverConnected { slot: slot.clone() }),
        }
        if state.owner.is_none() {
            why.push(Reason::NobodyListens { slot });
        }
        let lasting = gaps
            .iter()
            .filter(|gap| gap.slot == state.slot && gap.gap.to.is_none());
        why.extend(lasting.map(|gap| Reason::GapLasts {
            slot: gap.slot.clone(),
            cause: gap.gap.cause,
            since: gap.gap.from,
        }));
    }
    if !exporter {
        why.push(Reason::NoExporter);
    }
    let retried = |run: &&JobRun| match run.status {
        RunStatus::Failed => true,
        RunStatus::Running => run.attempts > 1,
        RunStatus::Ok | RunStatus::Abandoned => false,
    };
    if let Some(error) = run.filter(retried).and_then(|run| run.error.as_ref()) {
        why.push(Reason::RunFailed {
            error: error.clone(),
        });
    }
    if why.is_empty() {
        why.push(Reason::ItsTurnIsNow);
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Gap;

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    fn slot(owner: Option<&str>, watermark: Option<&str>) -> SlotState {
        SlotState {
            slot: "main".to_owned(),
            topic_filter: "devices/+/heartbeat".to_owned(),
            started_at: Some(at("01:00:00")),
            watermark: watermark.map(at),
            owner: owner.map(str::to_owned),
        }
    }

    #[test]
    fn what_stands_in_the_way_is_said() {
        let hour = Hour {
            start: at("09:00:00"),
            end: at("10:00:00"),
        };
        let gap = GapRecord {
            slot: "main".to_owned(),
            gap: Gap {
                country: None,
                cause: Cause::BrokerAway,
                from: at("09:40:00"),
                to: None,
            },
            detail: None,
        };
        let run = JobRun {
            started_at: at("10:02:00"),
            finished_at: Some(at("10:02:01")),
            status: RunStatus::Failed,
            attempts: 7,
            rows_written: 0,
            error: Some("out of disk".to_owned()),
        };
        let said = |slot: SlotState, gaps: &[GapRecord], exporter, run| {
            let reasons = reasons(hour, &[slot], gaps, exporter, run);
            Vec::from_iter(reasons.iter().map(ToString::to_string))
        };
        let heard = slot(Some("a"), Some("10:02:00"));
        assert_eq!(
            said(heard.clone(), &[], true, None),
            ["it has been heard to its end and is closed next"]
        );
        assert_eq!(
            said(heard.clone(), &[], true, Some(&run)),
            ["closing failed: out of disk"]
        );
        let again = JobRun {
            status: RunStatus::Running,
            finished_at: None,
            ..run.clone()
        };
        assert_eq!(
            said(heard.clone(), &[], true, Some(&again)),
            ["closing failed: out of disk"]
        );
        let ok = JobRun {
            status: RunStatus::Ok,
            ..run.clone()
        };
        assert_eq!(
            said(heard.clone(), &[], true, Some(&ok)),
            ["it has been heard to its end and is closed next"]
        );
        assert_eq!(said(heard, &[], false, None), ["no exporter is running"]);
        assert_eq!(
            said(slot(None, Some("10:01:59")), &[gap], true, None),
            [
                "slot `main`: heard until 2026-11-21T10:01:59Z only",
                "slot `main`: no ingest is running",
                "slot `main`: broker_away since 2026-11-21T09:40:00Z",
            ]
        );
        assert_eq!(
            said(slot(Some("a"), None), &[], true, None),
            ["slot `main`: not yet connected to the broker"]
        );
    }
}
