//! Closing: counting hours in one snapshot and writing them down.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::closing::closing_start;
use model::{Cause, Completeness, Country, Gap, Horizon, Hour, Instant};
use store::closing::{Closing, LateHour};
use store::countries::CountryRow;
use store::hours::HourlyCount;
use store::job_runs::{CLOSE_HOURS, RunNo};
use store::leases::Lease;
use store::presence::Counts;
use telemetry::Counter;

use crate::Context;
use crate::schedule::{DueHour, JUDGED_AGAIN, Known, due_hours, is_too_old, judge};

/// Late hours looked at in one go.
const MAX_LATE_HOURS: i64 = 500;

/// What one run of closing did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Hours that followed the last one closed.
    pub(crate) in_turn: usize,
    /// Hours that were counted again, or that lie before all others.
    pub(crate) again: usize,
}

/// One snapshot, as far as it says what is due.
struct Snapshot {
    countries: Vec<CountryRow>,
    closed_until: BTreeMap<Country, Instant>,
    horizon: Option<Horizon>,
    late: Vec<LateHour>,
    recent: Vec<HourlyCount>,
    gaps: Vec<Gap>,
    now: Instant,
}

impl Snapshot {
    async fn read(closing: &mut Closing, now: Instant) -> store::Result<Self> {
        let slots = closing.slots().await?;
        let recent = closing.counted_since(now - JUDGED_AGAIN).await?;
        let gaps = match recent.first() {
            Some(earliest) => closing.gaps_since(earliest.hour.start).await?,
            None => Vec::new(),
        };
        Ok(Self {
            recent,
            gaps,
            horizon: Horizon::of(slots.iter().map(|slot| (slot.started_at, slot.watermark))),
            countries: closing.countries().await?,
            closed_until: closing.closed_until().await?,
            late: closing.late_hours(MAX_LATE_HOURS).await?,
            now,
        })
    }

    fn due(&self) -> Vec<DueHour<'_>> {
        due_hours(&Known {
            countries: &self.countries,
            closed_until: &self.closed_until,
            horizon: self.horizon,
            late: &self.late,
            recent: &self.recent,
            gaps: &self.gaps,
            now: self.now,
        })
    }
}

/// Closes every hour that can be closed, and counts those again that changed since. A run that has
/// something to do is noted in the ledger of jobs, whatever comes of it.
pub(crate) async fn close_due(
    context: &Context,
    lease: &Lease,
    lease_lasts: Duration,
) -> store::Result<Closed> {
    let Context { store, clock, .. } = context;
    // The look is a snapshot of its own: a run has to be noted before the one in which it works.
    let mut look = store.begin_closing().await?;
    let snapshot = Snapshot::read(&mut look, clock.now()).await?;
    drop(look);
    if snapshot.due().is_empty() {
        return Ok(Closed::default());
    }
    let run = store.begin_run(lease, CLOSE_HOURS, clock.now()).await?;
    let outcome = close_all(context, lease, lease_lasts, run).await;
    match outcome {
        Ok(closed) => {
            Counter::HoursClosed.add((closed.in_turn + closed.again) as u64);
            Ok(closed)
        }
        Err(error) => {
            let said = error.to_string();
            if let Err(unnoted) = store.fail_run(lease, run, &said, clock.now()).await {
                tracing::debug!(%unnoted, "the next run finds this one running, and abandons it");
            }
            // Presence came for one of the hours at this very moment: the next tick counts it.
            match error.is_conflict() {
                true => Ok(Closed::default()),
                false => Err(error),
            }
        }
    }
}

async fn close_all(
    context: &Context,
    lease: &Lease,
    lease_lasts: Duration,
    run: RunNo,
) -> store::Result<Closed> {
    let now = context.clock.now();
    let started = std::time::Instant::now();
    let mut closing = context.store.begin_closing().await?;
    let snapshot = Snapshot::read(&mut closing, now).await?;
    let due = snapshot.due();
    let earliest = due.iter().map(|due| due.hour.start).min().unwrap_or(now);
    let gaps = closing.gaps_since(earliest).await?;
    let mut closed = Closed::default();
    for due in &due {
        let written = close(&mut closing, due.row, due.hour, &gaps, false, now).await?;
        match due.in_turn {
            true => closed.in_turn += usize::from(written.is_some()),
            false => closed.again += usize::from(written.is_some()),
        }
        // The commit renews the lease, and must come while we have it. What is left follows at the next
        // tick: hours of a country are in order, so that what is done has no hole.
        if started.elapsed() > lease_lasts / 3 {
            break;
        }
    }
    let (hours, finished_at) = (closed.in_turn + closed.again, context.clock.now());
    closing
        .commit(lease, lease_lasts, run, hours, finished_at)
        .await?;
    Ok(closed)
}

/// Counts one hour and writes it; `None` where what it was counted from is gone.
async fn close(
    closing: &mut Closing,
    row: &CountryRow,
    hour: Hour,
    gaps: &[Gap],
    force: bool,
    now: Instant,
) -> store::Result<Option<(i32, Counts, Completeness)>> {
    let counts = closing.count(row.country, hour).await?;
    let completeness = judge(row, hour, gaps);
    let revision = closing
        .write(row.country, hour, &counts, &completeness, force, now)
        .await?;
    let Some(revision) = revision else {
        tracing::warn!(
            country = %row.country, hour = %hour.start,
            "the hour is not counted again: its presence is past its retention"
        );
        return Ok(None);
    };
    tracing::info!(
        country = %row.country, hour = %hour.start, devices = counts.devices,
        complete = completeness.is_complete(), revision, "hour closed"
    );
    Ok(Some((revision, counts, completeness)))
}

/// An hour that was closed by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedByHand {
    /// The hour.
    pub hour: Hour,
    /// The revision that stands now.
    pub revision: i32,
    /// Distinct devices in the country.
    pub devices: i64,
    /// What becomes of it at Datadog.
    pub sending: Sending,
}

/// What becomes of a closed hour at Datadog. Shown as a part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// The exporter sends it at its next tick.
    Due,
    /// It is a lower bound.
    Incomplete {
        /// How much of the hour gaps hid, in seconds.
        gap_secs: i64,
        /// Why.
        causes: Vec<Cause>,
    },
    /// Datadog drops points of its age.
    TooOld,
    /// Nobody was heard in the country for a week.
    Silent,
}

impl Sending {
    fn of(
        hour: Hour,
        counts: &Counts,
        completeness: Completeness,
        historical: bool,
        now: Instant,
    ) -> Self {
        match completeness {
            Completeness::Incomplete { gap_secs, causes } => Self::Incomplete { gap_secs, causes },
            Completeness::Complete if counts.carriers.is_empty() => Self::Silent,
            Completeness::Complete if !historical && is_too_old(hour, now) => Self::TooOld,
            Completeness::Complete => Self::Due,
        }
    }
}

impl fmt::Display for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due => write!(f, "the running exporter sends it"),
            Self::Incomplete { gap_secs, causes } => {
                let causes = Vec::from_iter(causes.iter().map(|cause| cause.as_str())).join(", ");
                write!(
                    f,
                    "not sent: incomplete, gaps hide {gap_secs} s of it ({causes})"
                )
            }
            Self::TooOld => write!(
                f,
                "not sent: Datadog drops points older than an hour \
                 (unless datadog.historical_metrics says that it does not)"
            ),
            Self::Silent => write!(f, "not sent: nobody was heard there for a week"),
        }
    }
}

/// Why an hour was not closed by hand.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The country has never been heard.
    #[error("the country `{0}` is not in use: nothing was ever heard or imported there")]
    UnknownCountry(Country),
    /// The hour has not been heard to its end.
    #[error("the hour that ends at {0} cannot be closed yet: it has not been heard to its end")]
    TooEarly(Instant),
    /// Hours before it are not closed yet, and would be skipped.
    #[error("the hours from {0} on are not closed yet: close those first, with --from and --to")]
    NotItsTurn(Instant),
    /// The hour lies before the first start, and nothing was imported for it.
    #[error("the hour that ended at {0} was never heard: headcount had not started yet")]
    NeverHeard(Instant),
    /// What the hour was counted from is gone.
    #[error("the hour that ended at {0} keeps its count: its presence is past its retention")]
    PastRetention(Instant),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Closes an hour because a person asks for it, as a new revision, which makes it sent anew.
/// `historical` is [`crate::Config::historical_metrics`].
///
/// # Errors
/// When the country is unknown, the hour is not over or not the next one, or the database is away.
pub async fn close_by_hand(
    context: &Context,
    country: Country,
    instant: Instant,
    historical: bool,
) -> Result<ClosedByHand, CloseError> {
    let now = context.clock.now();
    let mut closing = context.store.begin_closing().await?;
    let Snapshot {
        countries,
        closed_until,
        horizon,
        ..
    } = Snapshot::read(&mut closing, now).await?;
    let row = countries
        .iter()
        .find(|row| row.country == country)
        .ok_or(CloseError::UnknownCountry(country))?;
    let hour = row.zones.hour_at(instant);
    let heard = horizon.map_or(hour.end <= now, |horizon| horizon.covers(hour));
    if !heard {
        return Err(CloseError::TooEarly(hour.end));
    }
    if let Some(horizon) = horizon {
        let until = closed_until.get(&country).copied();
        let start = closing_start(&row.zones, until, row.first_seen_at, horizon.started_at);
        if hour.start > start {
            return Err(CloseError::NotItsTurn(start));
        }
    }
    let before_start = horizon.is_none_or(|horizon| hour.end <= horizon.started_at);
    if before_start && closing.count(country, hour).await?.devices == 0 {
        return Err(CloseError::NeverHeard(hour.end));
    }
    let gaps = closing.gaps_since(hour.start).await?;
    let closed = close(&mut closing, row, hour, &gaps, true, now).await?;
    let (revision, counts, completeness) = closed.ok_or(CloseError::PastRetention(hour.end))?;
    closing.commit_by_hand(1, now, context.clock.now()).await?;
    Ok(ClosedByHand {
        hour,
        revision,
        devices: counts.devices,
        sending: Sending::of(hour, &counts, completeness, historical, now),
    })
}
