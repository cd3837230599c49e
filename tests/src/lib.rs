//! What whole-system tests are made of: real servers, roles in this process or as the real binary,
//! a publisher that keeps a ledger, an Agent that catches every byte, and a strict reader of
//! those bytes.
//!
//! Servers are started once per test binary; every test has a database, a topic and a slot of its
//! own, so tests run side by side. Tests that break a broker start one for themselves.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot set itself up has failed"
)]

pub mod agent;
pub mod binary;
pub mod certificates;
pub mod dogstatsd;
pub mod http;
pub mod proxy;
pub mod publisher;
pub mod world;

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives something, and fails with `what` if it never does.
///
/// # Panics
/// When a minute has passed.
pub async fn eventually<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
