//! Closing: counting hours in one snapshot and writing them down.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use model::{Completeness, Country, Gap, Horizon, Hour, Instant};
use store::closing::Closing;
use store::countries::CountryRow;
use store::leases::Lease;
use telemetry::Counter;

use crate::Context;
use crate::schedule::{closable, closing_start, recountable};

/// Late hours looked at in one go.
const MAX_LATE_HOURS: i64 = 500;

/// Closes every hour that can be closed, and counts those again that changed since.
pub(crate) async fn close_due(
    context: &Context,
    lease: &Lease,
    lease_lasts: Duration,
) -> store::Result<()> {
    let now = context.clock.now();
    let mut closing = context.store.begin_closing().await?;
    let slots = closing.slots().await?;
    let horizon = Horizon::of(slots.iter().map(|slot| (slot.started_at, slot.watermark)));
    let countries = closing.countries().await?;
    let closed_until = closing.closed_until().await?;
    let starts: BTreeMap<Country, Instant> = countries
        .iter()
        .filter_map(|row| {
            let until = closed_until.get(&row.country).copied();
            Some((
                row.country,
                closing_start(&row.zones, until, row.first_seen_at, horizon?),
            ))
        })
        .collect();
    let mut due: Vec<(&CountryRow, Hour)> = Vec::new();
    for row in &countries {
        if let (Some(start), Some(horizon)) = (starts.get(&row.country), horizon) {
            due.extend(
                closable(&row.zones, *start, horizon)
                    .into_iter()
                    .map(|hour| (row, hour)),
            );
        }
    }
    for late in closing.late_hours(MAX_LATE_HOURS).await? {
        let start = starts.get(&late.country).copied();
        let row = countries.iter().find(|row| row.country == late.country);
        if let (Some(row), true) = (row, recountable(&late, start, horizon, now)) {
            due.push((row, late.hour));
        }
    }
    let Some(earliest) = due.iter().map(|(_, hour)| hour.start).min() else {
        return Ok(());
    };
    let gaps = closing.gaps_since(earliest).await?;
    for (row, hour) in &due {
        close(&mut closing, row, *hour, &gaps, false, now).await?;
    }
    match closing.commit(lease, lease_lasts).await {
        Ok(()) => {
            Counter::HoursClosed.add(due.len() as u64);
            Ok(())
        }
        // Presence came for one of the hours at this very moment: the next tick counts it.
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

async fn close(
    closing: &mut Closing,
    row: &CountryRow,
    hour: Hour,
    gaps: &[Gap],
    force: bool,
    now: Instant,
) -> store::Result<Option<i32>> {
    let counts = closing.count(row.country, hour).await?;
    let window = TimeDelta::from_std(row.reach_window).unwrap_or(TimeDelta::MAX);
    let completeness = Completeness::of(hour, row.country, gaps, window);
    let revision = closing
        .write(row.country, hour, &counts, &completeness, force, now)
        .await?;
    if revision.is_none() {
        tracing::warn!(
            country = %row.country, hour = %hour.start,
            "the hour is not counted again: its presence is past its retention"
        );
        return Ok(None);
    }
    tracing::info!(
        country = %row.country, hour = %hour.start, devices = counts.devices,
        complete = completeness.is_complete(), revision, "hour closed"
    );
    Ok(revision)
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
///
/// # Errors
/// When the country is unknown, the hour is not over, or the database is away.
pub async fn close_by_hand(
    context: &Context,
    country: Country,
    instant: Instant,
) -> Result<(Hour, i32), CloseError> {
    let now = context.clock.now();
    let mut closing = context.store.begin_closing().await?;
    let countries = closing.countries().await?;
    let row = countries
        .iter()
        .find(|row| row.country == country)
        .ok_or(CloseError::UnknownCountry(country))?;
    let hour = row.zones.hour_at(instant);
    let slots = closing.slots().await?;
    let horizon = Horizon::of(slots.iter().map(|slot| (slot.started_at, slot.watermark)));
    let heard = horizon.map_or(hour.end <= now, |horizon| horizon.covers(hour));
    if !heard {
        return Err(CloseError::TooEarly(hour.end));
    }
    let before_start = horizon.is_none_or(|horizon| hour.end <= horizon.started_at);
    if before_start && closing.count(country, hour).await?.devices == 0 {
        return Err(CloseError::NeverHeard(hour.end));
    }
    let gaps = closing.gaps_since(hour.start).await?;
    let revision = close(&mut closing, row, hour, &gaps, true, now).await?;
    closing.commit_by_hand().await?;
    let revision = revision.ok_or(CloseError::PastRetention(hour.end))?;
    Ok((hour, revision))
}
