//! Postgres is away for ten minutes.

use std::time::{Duration, Instant};

use devstack::{DataDir, MosquittoOptions, PostgresOptions};
use headcount_tests::ledger;
use headcount_tests::proxy::Cut;
use headcount_tests::stage::Stage;

use crate::{PATIENCE, scaled, seconds_since, start_ingest};

const AWAY_SECS: u32 = 600;
const PER_SEC: u32 = 5000;

/// How often memory is looked at.
const LOOK_EVERY: u32 = 15;

/// The most memory that waiting may take.
const MAX_RESIDENT_MIB: u64 = 512;

/// Ingest holds what it has, leaves the rest to the broker, and catches up.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "15 minutes: make soak PART=postgres_away"]
async fn postgres_away() {
    crate::print_machine("postgres_away: Postgres away at full load");
    let away_secs = scaled(AWAY_SECS, LOOK_EVERY);
    let stage = Stage::with_postgres_in(
        DataDir::temporary().unwrap(),
        PostgresOptions::durable(),
        MosquittoOptions::default(),
    )
    .await;
    crate::print_postgres(&stage).await;
    let ingest = start_ingest(&stage);
    stage.listens().await;
    let started = Instant::now();
    let fleet = stage.fleet(PER_SEC);
    stage.stores_more(5 * PER_SEC).await;
    let mib = || ingest.resident_bytes() / (1024 * 1024);
    println!(
        "  before    {} MiB resident, {} connections",
        mib(),
        stage.to_broker.connections()
    );
    stage.to_postgres.refuse();
    stage.to_postgres.cut(Cut::Reset);
    let away = Instant::now();
    let mut most = mib();
    for look in 1..=away_secs / LOOK_EVERY {
        let until = Duration::from_secs((look * LOOK_EVERY).into());
        tokio::time::sleep(until.saturating_sub(away.elapsed())).await;
        most = most.max(mib());
        println!(
            "  {:>5.0} s   {} MiB resident, {} published, {} connections",
            seconds_since(away),
            mib(),
            fleet.acknowledged(),
            stage.to_broker.connections()
        );
    }
    stage.kept_its_word().await;
    let connections = stage.to_broker.connections();
    let stored_before = ledger::stored(&stage.world).await.len();
    let book = fleet.finish().await;
    stage.to_postgres.heal();
    let back = Instant::now();
    let audit = ledger::settled_within(&stage.world, &book, PATIENCE).await;
    let drain_secs = seconds_since(back);
    let waited = audit.stored as usize - stored_before;
    println!("  memory    {most} MiB resident at most");
    println!(
        "  broker    {connections} connections until Postgres was back, {} in all",
        stage.to_broker.connections()
    );
    println!(
        "  drained   {waited} messages in {drain_secs:.0} s, {:.0} a second",
        waited as f64 / drain_secs
    );
    println!(
        "  stored    {} of {} published, lost {}, stored a second time {}",
        audit.stored,
        book.published(),
        audit.lost.len(),
        audit.stored_again
    );
    println!("  gaps      {}", stage.gaps().await);
    println!("  took      {:.0} s", seconds_since(started));
    stage.kept_its_word().await;
    assert!(most <= MAX_RESIDENT_MIB, "{most} MiB");
    assert_eq!(connections, 1, "pings were answered all the time");
}
