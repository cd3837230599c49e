//! What a heartbeat says.

use crate::{Instant, Mcc, Mnc, Plmn};

/// The contents of one heartbeat. Every field is optional: that the message came at all is the
/// news, the rest is evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// When the device says it sent this.
    pub sent_at: Option<Instant>,
    /// Serving network's country code (never the SIM's).
    pub mcc: Option<Mcc>,
    /// Serving network's code within the country.
    pub mnc: Option<Mnc>,
    /// Country in the sender's words; read where the network code is missing.
    pub country: Option<Box<str>>,
    /// Carrier in the sender's words; read together with `country`.
    pub carrier: Option<Box<str>>,
    /// The sender's message counter.
    pub seq: Option<i64>,
    /// Changes at every start of the device; `seq` counts within one.
    pub boot_id: Option<Box<str>>,
    /// Radio access technology in the sender's words, such as `lte`.
    pub rat: Option<Box<str>>,
    /// Reference signal received power in dBm.
    pub rsrp_dbm: Option<i16>,
    /// Tracking area code of the serving cell.
    pub tac: Option<Box<str>>,
    /// Serving cell.
    pub cell: Option<Box<str>>,
    /// Battery voltage in millivolts.
    pub battery_mv: Option<i32>,
    /// Firmware version.
    pub fw: Option<Box<str>>,
    /// Hardware model.
    pub model: Option<Box<str>>,
    /// The device's own heartbeat interval in seconds.
    pub interval_secs: Option<i32>,
}

impl Heartbeat {
    /// The serving network, where both halves of its code are known.
    #[must_use]
    pub fn plmn(&self) -> Option<Plmn> {
        Some(Plmn {
            mcc: self.mcc?,
            mnc: self.mnc?,
        })
    }
}
