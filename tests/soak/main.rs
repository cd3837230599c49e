//! Long proofs, each started alone by `make soak PART=…`. `PERCENT=10` makes it smaller.
//!
//! - `million`: a million heartbeats while ingest, its standby and Postgres are killed 200 times (25 min)
//! - `owners`: the owner of the slot is killed 20 times and paused 20 times, also inside COPY (16 min)
//! - `broker_kills`: what the broker itself loses under `kill -9`, set up as shipped (3 min)
//! - `postgres_away`: Postgres away for 10 minutes at 5,000 messages a second (15 min)
//! - `exporters`: 1,000 simulated hours, three exporters killed and paused (22 min)
//! - `model`: 200 random schedules of everything that may happen, against a model (20 min)
//!
//! Each prints machine, commit and figures, and fails when a promise is broken. They run the binary
//! that is shipped, on servers that wait for their disk.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set itself up has failed, and figures go to the terminal"
)]

mod broker_kills;
mod exporters;
mod million;
mod owners;
mod postgres_away;
mod schedules;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use headcount_tests::stage::Stage;
use headcount_tests::{binary, eventually_within};

/// How long a condition may take that ends at some time for sure.
const PATIENCE: Duration = Duration::from_secs(600);

/// A number of the whole proof, made smaller by the environment.
fn scaled(whole: u32, least: u32) -> u32 {
    let percent = std::env::var("HEADCOUNT_SOAK_PERCENT").ok();
    let percent: u64 = percent.map_or(100, |percent| percent.parse().unwrap());
    assert!(
        (1..=100).contains(&percent),
        "PERCENT lies between 1 and 100"
    );
    let scaled = u64::from(whole) * percent / 100;
    u32::try_from(scaled).unwrap().max(least)
}

/// What figures are worth nothing without.
fn print_machine(part: &str) {
    let run = |program: &str, arguments: &[&str]| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(program)
            .args(arguments)
            .current_dir(root)
            .output();
        let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        output.unwrap_or_default()
    };
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |line| {
            line.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let changed = if run("git", &["status", "--porcelain"]).is_empty() {
        ""
    } else {
        " with changes"
    };
    println!("{part}");
    println!("  machine   {cores} cores, {cpu}");
    println!("  system    {}", run("uname", &["-sr"]));
    println!(
        "  commit    {}{changed}",
        run("git", &["rev-parse", "--short", "HEAD"])
    );
    let mosquitto = devstack::find_program("mosquitto").unwrap();
    let help = run(mosquitto.to_str().unwrap(), &["-h"]);
    println!("  broker    {}", help.lines().next().unwrap_or_default());
}

async fn print_postgres(stage: &Stage) {
    let version = "select 'PostgreSQL ' || current_setting('server_version')
         || ', fsync ' || current_setting('fsync')
         || ', synchronous_commit ' || current_setting('synchronous_commit')";
    println!("  database  {}", stage.world.sql(version).await);
}

/// The command that starts ingest as it is shipped, with the shipped lease and probes.
fn ingest_command(stage: &Stage) -> Command {
    let mut command = binary::command_of(&binary::release_path(), &stage.world, &["ingest"]);
    command
        .env_remove("HEADCOUNT_INGEST__LEASE_SECS")
        .env_remove("HEADCOUNT_INGEST__PROBE_INTERVAL_SECS");
    command
}

fn start_ingest(stage: &Stage) -> binary::Running {
    binary::Running::start(ingest_command(stage))
}

/// The process id in the name of the slot's owner.
async fn owner(stage: &Stage) -> Option<u32> {
    let owner = "select owner from ingest_slots where lease_until >= clock_timestamp()";
    let owner = stage.world.try_sql(owner).await?;
    owner.split('-').next()?.parse().ok()
}

async fn number(stage: &Stage, statement: &str) -> Option<f64> {
    stage.world.try_sql(statement).await?.parse().ok()
}

/// Waits until the slot's watermark has passed this instant: all that reached the broker before is
/// stored.
async fn heard_until(stage: &Stage, instant: model::Instant) {
    let watermark = "select extract(epoch from watermark) from ingest_slots";
    let goal = (instant - model::Instant::UNIX_EPOCH).as_seconds_f64();
    eventually_within(PATIENCE, "the queue is drained", async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        (number(stage, watermark).await? > goal).then_some(())
    })
    .await;
}

/// Prints how a figure is distributed.
fn print_distribution(what: &str, mut figures: Vec<f64>) {
    figures.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (figures.first(), figures.last()) else {
        return;
    };
    let at = |percent: usize| figures[(figures.len() - 1) * percent / 100];
    println!(
        "  {what}: least {least:.1}, median {:.1}, 90th of 100 {:.1}, most {most:.1} ({} times)",
        at(50),
        at(90),
        figures.len()
    );
}

fn seconds_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64()
}
