//! One file per noun: what is asked, what is answered.

pub(crate) mod audit;
pub(crate) mod charts;
pub(crate) mod countries;
pub(crate) mod devices;
pub(crate) mod distinct;
pub(crate) mod heatmap;
pub(crate) mod hours;
pub(crate) mod marks;
pub(crate) mod now;
pub(crate) mod probes;
pub(crate) mod silent;
pub(crate) mod splits;
pub(crate) mod status;
pub(crate) mod stream;
