//! A million heartbeats through two hundred kills.

use std::time::Instant;

use devstack::{DataDir, MosquittoOptions, PostgresOptions};
use headcount_tests::ledger::{self, Plan};
use headcount_tests::stage::Stage;
use headcount_tests::{eventually, eventually_within};

use crate::{PATIENCE, owner, scaled, seconds_since, start_ingest};

const MESSAGES: u32 = 1_000_000;
const KILLS: u32 = 200;
const DEVICES: u32 = 10_000;

/// So that a kill comes every five seconds: the time in which a slot changes hands.
const PER_SEC: u32 = 1000;

/// Who is killed, in turn.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Owner,
    Standby,
    Postgres,
}

const TURN: [Victim; 5] = [
    Victim::Owner,
    Victim::Postgres,
    Victim::Standby,
    Victim::Owner,
    Victim::Postgres,
];

/// Nothing that ingest acknowledged is lost, nothing is counted that was not sent.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "25 minutes: make soak PART=million"]
async fn million() {
    crate::print_machine("million: heartbeats through kills of ingest, its standby and Postgres");
    let messages = scaled(MESSAGES, 20_000);
    let kills = scaled(KILLS, 5);
    let stage = Stage::with_postgres_in(
        DataDir::temporary().unwrap(),
        PostgresOptions::durable(),
        MosquittoOptions::default(),
    )
    .await;
    crate::print_postgres(&stage).await;
    let mut processes = vec![start_ingest(&stage), start_ingest(&stage)];
    stage.listens().await;
    let started = Instant::now();
    let fleet = stage.fleet_of(Plan {
        devices: DEVICES.min(messages / 10),
        messages,
        per_sec: PER_SEC,
    });
    let mut killed = [0_u32; 3];
    for kill in 0..kills {
        let due = messages / (kills + 1) * (kill + 1);
        eventually_within(PATIENCE, "the fleet goes on", async || {
            (fleet.acknowledged() >= due).then_some(())
        })
        .await;
        let victim = TURN[kill as usize % TURN.len()];
        killed[victim as usize] += 1;
        match victim {
            Victim::Postgres => {
                stage.postgres().does(|server| server.kill()).await;
                stage.postgres().does(|server| server.restart()).await;
            }
            Victim::Owner | Victim::Standby => {
                // Between two owners there is none, or one that is dead; then wait for the next.
                let place = eventually("somebody owns the slot", async || {
                    let owner = owner(&stage).await?;
                    processes.iter().position(|one| one.pid() == owner)
                })
                .await;
                let place = match victim {
                    Victim::Owner => place,
                    _ => 1 - place, // there are two
                };
                processes.remove(place).kill();
                processes.push(start_ingest(&stage));
            }
        }
    }
    let killing_secs = seconds_since(started);
    let book = fleet.finish().await;
    let audit = ledger::settled_within(&stage.world, &book, PATIENCE).await;
    stage.kept_its_word().await;
    let [owners, standbys, databases] = killed;
    println!(
        "  kills     {kills} in {killing_secs:.0} s: owner {owners}, standby {standbys}, Postgres {databases}"
    );
    println!(
        "  fleet     {} published, {} acknowledged by the broker",
        book.published(),
        book.acknowledged
    );
    println!(
        "  ingest    {} acknowledged to the broker, of those not stored: 0",
        stage.acknowledged.seqs().len()
    );
    println!(
        "  stored    {}, lost {}, rows stored a second time {}",
        audit.stored,
        audit.lost.len(),
        audit.stored_again
    );
    println!(
        "  counted   devices in hours that differ from the model: {}",
        audit.miscounted + audit.contradicted
    );
    println!("  gaps      {}", stage.gaps().await);
    println!("  took      {:.0} s", seconds_since(started));
}
