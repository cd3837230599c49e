//! One file per command.

pub(crate) mod close;
pub(crate) mod count;
pub(crate) mod datadog;
pub(crate) mod demo;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod parity;
pub(crate) mod publish;
pub(crate) mod quarantine;
pub(crate) mod roles;
pub(crate) mod simulate;
pub(crate) mod slots;
pub(crate) mod validate;

mod heartbeat_row;
pub(crate) mod old_counts;
mod publisher;
mod report;
mod rows;
