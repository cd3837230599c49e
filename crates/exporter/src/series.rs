//! Which carriers have series of their own in Datadog.
//!
//! Every pair of country and carrier is a series that is paid for, and a handful of devices abroad
//! can make dozens: a roamer here, a test SIM there. A carrier gets a series when it has a size that
//! anybody would look at. Below it nothing is lost: its devices are in the country's count, and the
//! API and the page show the carrier.

use std::collections::HashSet;

use chrono::TimeDelta;
use model::{Carrier, Country, Instant, Segment};
use store::Store;
use store::now::ALIVE_DAYS;

use crate::Config;

/// The carriers that have series of their own.
#[derive(Debug)]
pub(crate) enum CarrierSeries {
    /// All: no size is asked for.
    All,
    /// Those that had the size in one of the closed hours of the last days. They keep their series
    /// for as long, so that a fall below the size is seen, down to 0.
    Of(HashSet<Segment>),
}

impl CarrierSeries {
    /// Reads which carriers have the size that is asked for.
    ///
    /// # Errors
    /// When the database is away.
    pub(crate) async fn read(config: &Config, store: &Store, now: Instant) -> store::Result<Self> {
        if config.min_carrier_devices <= 1 {
            return Ok(Self::All);
        }
        let since = now - TimeDelta::days(ALIVE_DAYS.into());
        let segments = store
            .segments_of_size(config.min_carrier_devices, since)
            .await?;
        Ok(Self::Of(segments))
    }

    /// Whether a carrier has a series.
    pub(crate) fn has(&self, country: Country, carrier: &Carrier) -> bool {
        match self {
            Self::All => true,
            Self::Of(segments) => segments.contains(&Segment {
                country,
                carrier: carrier.clone(),
            }),
        }
    }
}
