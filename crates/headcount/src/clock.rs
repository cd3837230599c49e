//! The wall clock, anchored to the database's.
//!
//! Roles run on several machines, and what counts in which hour must not depend on which of them
//! has a clock that is off. So each process measures how far its clock is from the database's and
//! corrects for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use model::{Clock, Instant};
use store::Store;
use tokio_util::sync::CancellationToken;

/// How often the offset is measured anew.
const MEASURE_INTERVAL: Duration = Duration::from_secs(60);

/// How often until the first measurement succeeds.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// An answer that took longer says too little about the time.
const LONGEST_ROUND_TRIP: TimeDelta = TimeDelta::seconds(1);

/// An offset worth a warning.
const LARGE_OFFSET: TimeDelta = TimeDelta::seconds(5);

/// This machine's clock, corrected by its distance from the database's.
#[derive(Debug, Default)]
pub(crate) struct AnchoredClock {
    offset_micros: AtomicI64,
}

impl Clock for AnchoredClock {
    fn now(&self) -> Instant {
        local_now() + TimeDelta::microseconds(self.offset_micros.load(Ordering::Relaxed))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the time of day comes in"
)]
fn local_now() -> Instant {
    Instant::from(std::time::SystemTime::now())
}

impl AnchoredClock {
    /// Measures the offset once.
    pub(crate) async fn anchor(&self, store: &Store) -> store::Result<Option<TimeDelta>> {
        let before = local_now();
        let there = store.clock().await?;
        let round_trip = local_now() - before;
        if round_trip > LONGEST_ROUND_TRIP {
            return Ok(None);
        }
        let offset = there - (before + round_trip / 2);
        self.offset_micros
            .store(offset.num_microseconds().unwrap_or(0), Ordering::Relaxed);
        Ok(Some(offset))
    }

    /// Keeps the clock anchored until the process ends.
    pub(crate) async fn keep_anchored(self: Arc<Self>, store: Store, shutdown: CancellationToken) {
        let mut pause = FIRST_INTERVAL;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
            match self.anchor(&store).await {
                Ok(Some(offset)) => {
                    pause = MEASURE_INTERVAL;
                    if offset.abs() > LARGE_OFFSET {
                        tracing::warn!(
                            offset_millis = offset.num_milliseconds(),
                            "this machine's clock is far from the database's; the latter counts"
                        );
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "the database's clock cannot be read now"),
            }
        }
    }
}
