//! What is reachable at this moment: read once a second at most, however many pages are open.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DurationRound as _, TimeDelta};
use model::horizon::now_is_known;
use model::{Clock, Country, Gap, Horizon, Instant};
use store::Store;
use store::countries::CountryRow;
use store::hours::HourlyCount;
use store::now::Reachable;
use store::presence::Counts;
use tokio::sync::{Mutex, MutexGuard};

/// A reading is shown for so long before the next is made. A page that asks every two seconds and
/// a hundred that do cost the database the same.
const SHOWN_FOR: Duration = Duration::from_secs(1);

/// How long somebody waits for what is being read for another. While the database is away, everybody
/// would wait for everybody before them.
const PATIENCE: Duration = Duration::from_secs(3);

/// So far back hours are held that were closed. Somebody who follows the stream misses none, even if
/// the database was slow for a while, or an hour became visible after one that was closed later.
const CLOSINGS_HELD: TimeDelta = TimeDelta::minutes(10);

/// The most closings that are read at once: a day of every country there is, and some again.
pub(crate) const MAX_CLOSINGS: u32 = 10_000;

/// Silent devices are counted this often: nobody falls silent within a minute, a day is the least.
const SILENT_COUNTED_EVERY: Duration = Duration::from_secs(60);

/// What a count is compared with as long as nobody knows what to expect: this hour of this
/// weekday, a week ago.
const A_WEEK: TimeDelta = TimeDelta::days(7);

/// The state of all countries at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Which moment.
    pub(crate) at: Instant,
    /// The countries in use.
    pub(crate) countries: BTreeMap<Country, CountryRow>,
    /// What is reachable in them.
    reachable: BTreeMap<Country, Reachable>,
    /// What was, at this minute a week ago.
    week_ago: BTreeMap<Country, Counts>,
    /// How many devices are silent.
    silent: HashMap<Country, i64>,
    horizon: Option<Horizon>,
    gaps: Vec<Gap>,
}

impl Reading {
    async fn take(
        store: &Store,
        now: Instant,
        silent: HashMap<Country, i64>,
    ) -> store::Result<Self> {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let slots = store.slots().await?;
        let countries: BTreeMap<_, _> = store.countries().await?.into_iter().collect();
        let windows = countries.values().map(|row| row.reach_window);
        let longest = TimeDelta::from_std(windows.max().unwrap_or_default()).unwrap_or(A_WEEK);
        let gaps = store.gaps_since(now - longest).await?;
        Ok(Self {
            at: now,
            // As of the full minute, like the counts that are kept: between two of them a count
            // only rises, and at the minute those leave who were not heard for the window.
            reachable: store.count_now(minute).await?,
            week_ago: store.now_at(minute - A_WEEK).await?,
            horizon: Horizon::of(slots.iter().map(|slot| (slot.started_at, slot.watermark))),
            gaps: gaps.into_iter().map(|record| record.gap).collect(),
            countries,
            silent,
        })
    }

    /// What is reachable in a country. `None` when that cannot be told.
    pub(crate) fn reachable(&self, row: &CountryRow) -> Option<Counts> {
        let Self {
            at, horizon, gaps, ..
        } = self;
        now_is_known(row.country, row.reach_window, gaps, *horizon, *at).then(|| {
            self.reachable
                .get(&row.country)
                .map(|reachable| reachable.counts.clone())
                .unwrap_or_default()
        })
    }

    /// What was reachable at this minute a week ago. `None` when that could not be told.
    pub(crate) fn week_ago(&self, country: Country) -> Option<&Counts> {
        self.week_ago.get(&country)
    }

    /// When devices of a country were last heard, by carrier; within the last seven days.
    pub(crate) fn last_heard_at(
        &self,
        country: Country,
    ) -> Option<&BTreeMap<model::Carrier, Instant>> {
        self.reachable
            .get(&country)
            .map(|reachable| &reachable.last_heard_at)
    }

    /// How many devices of a country are silent.
    pub(crate) fn silent(&self, country: Country) -> i64 {
        self.silent.get(&country).copied().unwrap_or(0)
    }
}

/// Holds the newest reading.
#[derive(Debug, Default)]
pub(crate) struct Live {
    newest: Mutex<Newest>,
}

#[derive(Debug, Default)]
struct Newest {
    reading: Option<(std::time::Instant, Arc<Reading>)>,
    silent: Option<(std::time::Instant, HashMap<Country, i64>)>,
    closings: Option<(std::time::Instant, Arc<Vec<HourlyCount>>)>,
}

impl Live {
    async fn newest(&self) -> store::Result<MutexGuard<'_, Newest>> {
        tokio::time::timeout(PATIENCE, self.newest.lock())
            .await
            .map_err(|_elapsed| store::Error::Stalled(PATIENCE.as_secs()))
    }

    /// The state of this moment, give or take a second. Whoever asks while it is being read waits
    /// for the same answer.
    pub(crate) async fn read(
        &self,
        store: &Store,
        clock: &dyn Clock,
    ) -> store::Result<Arc<Reading>> {
        let mut newest = self.newest().await?;
        if let Some((taken, reading)) = &newest.reading
            && taken.elapsed() < SHOWN_FOR
        {
            return Ok(Arc::clone(reading));
        }
        let now = clock.now();
        let silent = match &newest.silent {
            Some((counted, silent)) if counted.elapsed() < SILENT_COUNTED_EVERY => silent.clone(),
            _ => {
                let silent = store.silent_devices(now).await?;
                newest.silent = Some((std::time::Instant::now(), silent.clone()));
                silent
            }
        };
        let reading = Arc::new(Reading::take(store, now, silent).await?);
        newest.reading = Some((std::time::Instant::now(), Arc::clone(&reading)));
        Ok(reading)
    }

    /// The hours that were closed or counted again in the last minutes, give or take a second, in
    /// that order.
    pub(crate) async fn closings(
        &self,
        store: &Store,
        clock: &dyn Clock,
    ) -> store::Result<Arc<Vec<HourlyCount>>> {
        let mut newest = self.newest().await?;
        if let Some((taken, closings)) = &newest.closings
            && taken.elapsed() < SHOWN_FOR
        {
            return Ok(Arc::clone(closings));
        }
        let since = clock.now() - CLOSINGS_HELD;
        let closings = Arc::new(store.hours_closed_since(since, MAX_CLOSINGS).await?);
        newest.closings = Some((std::time::Instant::now(), Arc::clone(&closings)));
        Ok(closings)
    }
}
