//! headcount's own health: what it counts about itself, and whether it is ready.
//!
//! Counts of *devices* never pass through here, only the names under which they are sent; they come
//! from Postgres. What is here belongs to one process and is gone when it ends.

pub mod health;
pub mod logs;
pub mod metrics;
pub mod recent;

pub use health::Health;
pub use metrics::{Announcement, Count, Counter, Gauge, Pipeline};
pub use recent::RecentDurations;
