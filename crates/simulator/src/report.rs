//! What a device says of itself.

use crate::firmware::Firmware;
use crate::fleet::Device;
use crate::timetable::Micros;

/// Radio access technology of the whole fleet.
pub(crate) const RAT: &str = "lte";

/// A full battery, in millivolts.
const BATTERY_MV: i32 = 12_700;

/// One that is about to die has lost so much.
const BATTERY_LOST_MV: i32 = 1_600;

/// What a heartbeat says besides when and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The firmware.
    pub firmware: Firmware,
    /// Radio access technology.
    pub rat: &'static str,
    /// Signal power in dBm.
    pub rsrp_dbm: i16,
    /// The mast.
    pub cell: String,
    /// Battery voltage in millivolts.
    pub battery_mv: i32,
    /// Until the device's next heartbeat, as it says itself.
    pub interval_secs: u64,
}

/// What a device measures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readings {
    pub(crate) rsrp_dbm: i16,
    pub(crate) battery_mv: i32,
}

impl Readings {
    /// In a slot, which is due at this instant.
    pub(crate) fn of(device: &Device, slot: u64, at: Micros) -> Self {
        let mut own = fastrand::Rng::with_seed(device.seed);
        let mut now = fastrand::Rng::with_seed(crate::draw::mix(device.seed, slot));
        let lost_mv = BATTERY_LOST_MV * device.life.battery_fallen_permille(at) / 1000;
        Self {
            rsrp_dbm: -(own.i16(75..110) + now.i16(0..8)),
            battery_mv: BATTERY_MV - own.i32(0..500) - now.i32(0..60) - lost_mv,
        }
    }
}
