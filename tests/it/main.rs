//! Whole-system tests: real MQTT in, DogStatsD bytes and HTTP out, on real servers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot set itself up has failed"
)]

mod bad_payloads;
mod broker_away;
mod killed;
mod lateness;
mod one_heartbeat;
mod redelivery;
mod standby;
