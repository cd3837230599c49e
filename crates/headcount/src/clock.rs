//! The time, anchored to the database's clock.
//!
//! Roles run on several machines, and what counts in which hour must not depend on which of them
//! has a clock that is off, or on somebody setting it. So each process asks the database for the
//! time and counts on from there by its own steady clock, which nobody can set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use model::{Clock, Instant};
use store::Store;
use tokio_util::sync::CancellationToken;

/// How often the database is asked anew.
const MEASURE_INTERVAL: Duration = Duration::from_secs(60);

/// How often to look whether it is time, or this machine has slept.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A machine whose time of day has moved by this much more than its steady clock has slept, or was
/// set.
const SLEPT: TimeDelta = TimeDelta::seconds(1);

/// An answer that took longer says too little about the time.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(1);

/// A difference worth a warning.
pub(crate) const LARGE_OFFSET: TimeDelta = TimeDelta::seconds(5);

/// The database's clock, as this process knows it. Until it is anchored, this machine's.
#[derive(Debug)]
pub(crate) struct AnchoredClock {
    started: std::time::Instant,
    /// What time it was when this clock was made, in microseconds since 1970.
    started_micros: AtomicI64,
}

impl Default for AnchoredClock {
    fn default() -> Self {
        Self {
            started: std::time::Instant::now(),
            started_micros: AtomicI64::new(local_now().timestamp_micros()),
        }
    }
}

impl Clock for AnchoredClock {
    fn now(&self) -> Instant {
        let elapsed = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        let micros = self
            .started_micros
            .load(Ordering::Relaxed)
            .saturating_add(elapsed);
        Instant::from_timestamp_micros(micros).unwrap_or(Instant::MAX_UTC)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the time of day comes in"
)]
fn local_now() -> Instant {
    Instant::from(std::time::SystemTime::now())
}

/// What asking the database for the time has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    /// The database's time less this machine's time of day.
    pub(crate) from_local: TimeDelta,
    /// The database's time less what this clock showed; the correction that was made.
    pub(crate) correction: TimeDelta,
}

impl AnchoredClock {
    /// Asks the database for the time once; `None` if its answer took too long to be of use.
    pub(crate) async fn anchor(&self, store: &Store) -> store::Result<Option<Measured>> {
        let asked = std::time::Instant::now();
        let there = store.clock().await?;
        let round_trip = asked.elapsed();
        if round_trip > LONGEST_ROUND_TRIP {
            return Ok(None);
        }
        let there = there + round_trip / 2;
        let correction = there - self.now();
        self.started_micros.fetch_add(
            correction.num_microseconds().unwrap_or(0),
            Ordering::Relaxed,
        );
        Ok(Some(Measured {
            from_local: there - local_now(),
            correction,
        }))
    }

    /// Keeps an anchored clock anchored until the process ends.
    pub(crate) async fn keep_anchored(self: Arc<Self>, store: Store, shutdown: CancellationToken) {
        let mut due = std::time::Instant::now() + MEASURE_INTERVAL;
        let mut apart = local_now() - self.now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = shutdown.cancelled() => return,
            }
            // The steady clock stands still while a machine sleeps, the time of day does not.
            let slept = (local_now() - self.now() - apart).abs() > SLEPT;
            if !slept && std::time::Instant::now() < due {
                continue;
            }
            match self.anchor(&store).await {
                Ok(Some(measured)) => {
                    due = std::time::Instant::now() + MEASURE_INTERVAL;
                    apart = local_now() - self.now();
                    if measured.correction.abs() > LARGE_OFFSET {
                        tracing::warn!(
                            correction_millis = measured.correction.num_milliseconds(),
                            "the database's clock has been set, or this machine slept; the \
                             database's counts"
                        );
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the database's clock cannot be read now"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_by_the_steady_clock() {
        let clock = AnchoredClock::default();
        let first = clock.now();
        assert!((first - local_now()).abs() < LARGE_OFFSET);
        clock
            .started_micros
            .fetch_add(3_600_000_000, Ordering::Relaxed);
        let second = clock.now();
        assert!(second - first >= TimeDelta::hours(1));
        assert!(clock.now() >= second);
    }
}
