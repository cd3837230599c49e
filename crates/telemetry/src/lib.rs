//! headcount's own health: what it counts about itself, and whether it is ready.
//!
//! Counts of *devices* never pass through here; they come from Postgres. What is here belongs to
//! one process and is gone when it ends.

pub mod health;
pub mod logs;
pub mod metrics;

pub use health::Health;
pub use metrics::{Counter, Gauge};
