//! Whole-system tests: real MQTT in, DogStatsD bytes and HTTP out, on real servers.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

mod agent;
mod bad_payloads;
mod broker_away;
mod closing;
mod commands;
mod containers;
mod datadog;
mod exporter_jobs;
mod exporters;
mod faults_broker;
mod faults_ingest;
mod faults_postgres;
mod history;
mod independent_check;
mod killed;
mod last_state;
mod lateness;
mod model;
mod mqtt_versions;
mod one_heartbeat;
mod parity;
mod placing;
mod quarantine;
mod redelivery;
mod retention;
mod slots;
mod standby;
mod story;
mod tls;
mod window;
