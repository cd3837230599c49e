//! What whole-system tests are made of: real servers, roles in this process or as the real binary,
//! fleets that know what the broker has taken, a network that fails on command, an Agent that
//! catches every byte, a strict reader of those bytes, and a model that knows the [`truth`] of whatever
//! a random [`schedule`] does.
//!
//! Servers are started once per test binary; every test has a database, a topic and a slot of its
//! own, so tests run side by side. Tests that break a server start one for themselves: [`stage`]
//! puts it behind a [`proxy`] and keeps accounts ([`ledger`], [`mqtt`]).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot set itself up has failed"
)]

pub mod agent;
pub mod binary;
pub mod certificates;
pub mod dogstatsd;
pub mod exporters;
pub mod http;
pub mod inspector;
pub mod ledger;
pub mod mqtt;
pub mod play;
pub mod proxy;
pub mod publisher;
pub mod schedule;
pub mod stage;
pub mod truth;
pub mod world;

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives something, and fails with `what` if it never does.
///
/// # Panics
/// When a minute has passed.
pub async fn eventually<T, F>(what: &str, condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    eventually_within(PATIENCE, what, condition).await
}

/// The same, with more or less patience.
///
/// # Panics
/// When it has run out.
pub async fn eventually_within<T, F>(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
