//! A seeded fleet of devices, the heartbeats it sends, and the faults that befall it.
//!
//! Everything here is pure: no sockets, no clock. The same seed makes the same fleet on every
//! machine, and what a device does depends on nothing but the seed, the device and the time asked
//! for: when it is awake, where it is, what firmware it runs, when its battery dies. Nothing of a
//! life is stored, so a fleet can be asked for weeks that are over as well as for the next minute,
//! and the one goes on seamlessly from the other.
//!
//! History is told in [stretches](Fleet::stretches), of which a device has a few in a day; a live
//! fleet sends [beats](Fleet::beats), and can be [told](Beats::stage) on the way what goes wrong.
//!
//! ```
//! use simulator::{Fleet, FleetOptions, Scenario};
//!
//! let fleet = Fleet::new(&FleetOptions { devices: 100, ..FleetOptions::default() })?;
//! let (weeks_ago, now) = ("2026-10-24T00:00:00Z".parse()?, "2026-11-21T00:00:00Z".parse()?);
//! for device in fleet.devices() {
//!     for stretch in fleet.stretches(device, weeks_ago, now, &[]) {
//!         println!("{} {} {}..={}", device.id, stretch.place.segment, stretch.first, stretch.last);
//!     }
//! }
//! let an_hour_on = "2026-11-21T01:00:00Z".parse()?;
//! let mut beats = fleet.beats(now, an_hour_on, &[]);
//! for beat in beats.by_ref().take(10) {
//!     println!("{} {} {:?}", beat.at, beat.device.id, beat.payload());
//! }
//! let ten_minutes = std::time::Duration::from_secs(600);
//! if let Some(outage) = fleet.stage(Scenario::RegionalOutage, now, ten_minutes) {
//!     beats.stage(outage);
//! }
//! let rest = beats.count();
//! # assert!(rest > 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod beats;
mod draw;
mod firmware;
mod fleet;
mod life;
mod payload;
mod place;
mod report;
mod scenario;
mod stretches;
mod timetable;
mod world;

pub use beats::{Beat, Beats, Buffered};
pub use firmware::Firmware;
pub use fleet::{Device, Fleet, FleetError, FleetOptions};
pub use place::{Cell, Place, Tac, cells};
pub use report::Report;
pub use scenario::{Affected, Outage, Scenario};
pub use stretches::{Stretch, Stretches};
pub use world::Region;
