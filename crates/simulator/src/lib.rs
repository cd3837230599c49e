//! A seeded fleet of devices, the heartbeats it sends, and the faults that befall it.
//!
//! Everything here is pure: no sockets, no clock. The same seed makes the same fleet on every
//! machine, and a heartbeat's time and contents depend on nothing but the seed, the device and
//! the time asked for.
//!
//! ```
//! use simulator::{Fleet, FleetOptions, Scenario};
//!
//! let fleet = Fleet::new(&FleetOptions { devices: 100, ..FleetOptions::default() })?;
//! let from = "2026-11-21T00:00:00Z".parse()?;
//! let to = "2026-11-21T01:00:00Z".parse()?;
//! let outages: Vec<_> = fleet
//!     .stage(Scenario::CarrierOutage, from, std::time::Duration::from_secs(600))
//!     .into_iter()
//!     .collect();
//! for beat in fleet.beats(from, to, &outages) {
//!     println!("{} {} {:?}", beat.at, beat.device.id, beat.payload());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod beats;
mod fleet;
mod payload;
mod scenario;
mod world;

pub use beats::{Beat, Beats, Buffered};
pub use fleet::{Cell, Device, Fleet, FleetError, FleetOptions};
pub use scenario::{Affected, Outage, Scenario};
