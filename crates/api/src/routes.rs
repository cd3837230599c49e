//! One file per noun: what is asked, what is answered.

pub(crate) mod countries;
pub(crate) mod devices;
pub(crate) mod hours;
pub(crate) mod now;
pub(crate) mod probes;
pub(crate) mod status;
