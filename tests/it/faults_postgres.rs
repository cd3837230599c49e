//! Postgres fails in every way it can: what we acknowledged is there, and the rest waits at the
//! broker.
//!
//! Scenes that mostly wait play side by side in one test.

use std::process::Command;
use std::time::Duration;

use devstack::{DataDir, MosquittoOptions};
use headcount_tests::proxy::Cut;
use headcount_tests::stage::{Stage, killable};
use headcount_tests::{binary, eventually};

/// Messages per second while something fails.
const LOAD: u32 = 1000;

/// Each scene has servers of its own.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_fails() {
    tokio::join!(
        killed_under_load_and_unreachable_afterwards(),
        paused_and_restarted_under_load(),
        a_statement_that_times_out_is_tried_again(),
        slow_commits_hold_the_queue_and_lose_nothing(),
        a_connection_that_breaks_off_inside_a_transaction(),
        unreachable_for_longer_than_a_lease(),
    );
}

/// `kill -9` of the server and all its processes, twice, and no connection to it for a while.
async fn killed_under_load_and_unreachable_afterwards() {
    let stage = Stage::with_both().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    for _ in 0..2 {
        stage.stores_more(500).await;
        stage.postgres().does(|server| server.kill()).await;
        fleet.more(500).await;
        stage.postgres().does(|server| server.restart()).await;
    }
    stage.stores_more(500).await;
    stage.to_postgres.refuse();
    stage.to_postgres.cut(Cut::Reset);
    fleet.more(1000).await;
    // Also while what came since cannot be stored.
    stage.kept_its_word().await;
    stage.to_postgres.heal();
    stage.stores_more(500).await;
    assert_eq!(
        stage.to_broker.connections(),
        1,
        "the broker noticed nothing"
    );
    stage.nothing_is_lost(fleet).await;
    stage.gaps_are("first_start").await;
}

/// A server that stands still for seconds and goes on, and one that is restarted in order.
async fn paused_and_restarted_under_load() {
    let stage = Stage::with_both().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(500).await;
    stage.postgres().does(|server| server.pause()).await;
    fleet.more(3 * LOAD).await;
    stage.postgres().does(|server| server.resume()).await;
    stage.stores_more(500).await;
    stage.postgres().does(|server| server.restart()).await;
    stage.stores_more(500).await;
    assert_eq!(
        stage.to_broker.connections(),
        1,
        "the broker noticed nothing"
    );
    stage.nothing_is_lost(fleet).await;
}

/// Somebody holds a lock on a table for longer than a statement may take.
async fn a_statement_that_times_out_is_tried_again() {
    let stage = Stage::with_broker().await;
    let mut command = binary::command(&stage.world, &["ingest"]);
    command.env("HEADCOUNT_DATABASE__STATEMENT_TIMEOUT_SECS", "1");
    let _ingest = binary::Running::start(command);
    stage.listens().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(500).await;
    let lock = "begin; lock table presence in access exclusive mode; select pg_sleep(3); commit";
    let before = stage.world.sql("select count(*) from heartbeats").await;
    let (_, ()) = tokio::join!(stage.world.sql(lock), async {
        fleet.more(2 * LOAD).await;
    });
    stage.stores_more(500).await;
    assert_ne!(before, "0");
    stage.nothing_is_lost(fleet).await;
    stage.gaps_are("first_start").await;
}

/// Every answer takes a twentieth of a second: batches become larger, and nothing is lost.
async fn slow_commits_hold_the_queue_and_lose_nothing() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    stage.to_postgres.delay(Duration::from_millis(25));
    let fleet = stage.fleet(LOAD);
    fleet.more(3 * LOAD).await;
    stage.stores_more(500).await;
    stage.to_postgres.heal();
    stage.nothing_is_lost(fleet).await;
    stage.gaps_are("first_start").await;
    assert_eq!(stage.to_broker.connections(), 1);
}

/// The connection breaks off inside of statements and answers, again and again.
async fn a_connection_that_breaks_off_inside_a_transaction() {
    use headcount_tests::proxy::Direction::{Down, Up};
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    for (direction, bytes, cut) in [
        (Up, 5_001, Cut::Close),
        (Down, 3, Cut::Reset),
        (Up, 40_003, Cut::Reset),
        (Down, 211, Cut::Close),
        (Up, 777, Cut::Reset),
        (Down, 1_009, Cut::Reset),
    ] {
        stage.stores_more(100).await;
        stage.to_postgres.cut_after(direction, bytes, cut);
        eventually("the connection is cut", async || {
            stage.to_postgres.has_cut().then_some(())
        })
        .await;
    }
    stage.nothing_is_lost(fleet).await;
    assert_eq!(stage.to_broker.connections(), 1);
}

/// Out of reach until the lease has run out, for the owner and its standby alike. Back again, one of
/// them has the slot, and keeps it.
async fn unreachable_for_longer_than_a_lease() {
    let stage = Stage::with_broker().await;
    let _first = stage.start_ingest().await;
    let _second = binary::Running::start(binary::command(&stage.world, &["ingest"]));
    let fleet = stage.fleet(LOAD);
    stage.stores_more(500).await;
    stage.to_postgres.refuse();
    stage.to_postgres.cut(Cut::Reset);
    let ran_out = "select count(*) from ingest_slots where lease_until < clock_timestamp()";
    eventually("the lease has run out", async || {
        (stage.world.sql(ran_out).await == "1").then_some(())
    })
    .await;
    stage.to_postgres.heal();
    stage.stores_more(500).await;
    let state = "select owner, term from ingest_slots";
    let before = stage.world.sql(state).await;
    stage.stores_more(5 * LOAD).await;
    assert_eq!(stage.world.sql(state).await, before, "they fight over it");
    let connections = stage.to_broker.connections();
    assert!(connections <= 2, "{connections} connections to the broker");
    stage.nothing_is_lost(fleet).await;
    stage.gaps_are("first_start").await;
}

/// Set for the copy of this program that has a small disk.
const SMALL_DISK: &str = "HEADCOUNT_TEST_SMALL_DISK";

/// The small disk: room for a new cluster and a little more.
const SMALL_DISK_BYTES: u64 = 160 * 1024 * 1024;

/// The disk under Postgres is full, and then it is not any more.
///
/// The disk is a file system in memory that only a copy of this program sees, so that nothing is
/// left behind however it ends. Making one takes root.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_holds_the_queue_and_loses_nothing() {
    if let Some(folder) = std::env::var_os(SMALL_DISK) {
        return on_a_small_disk(DataDir::at(folder.as_ref()).unwrap()).await;
    }
    if !devstack::runs_as_root() {
        eprintln!("skipped: only root can make a small disk");
        return;
    }
    let folder = DataDir::temporary().unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=\"$0\" tmpfs \"$1\" && shift && exec \"$@\"")
        .arg(SMALL_DISK_BYTES.to_string())
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("faults_postgres::a_full_disk_holds_the_queue_and_loses_nothing")
        .env(SMALL_DISK, folder.path());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("unshare failed") || said.contains("permission denied") {
        eprintln!("skipped: no file system can be mounted here: {said}");
        return;
    }
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(output.status.success() && ran, "{said}");
}

async fn on_a_small_disk(folder: DataDir) {
    let filler = folder.path().join("filler");
    let stage = Stage::with_postgres_in(folder, killable(), MosquittoOptions::default()).await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(500).await;
    let fill = filler.clone();
    let filled = tokio::task::spawn_blocking(move || {
        std::fs::write(fill, vec![0; SMALL_DISK_BYTES as usize])
    });
    filled.await.unwrap().unwrap_err();
    // The files of the tables have a little room left; then nothing goes any more.
    let log = stage
        .postgres()
        .does(|server| Ok(server.log_path().to_owned()))
        .await;
    eventually("Postgres says that its disk is full", async || {
        let said = std::fs::read_to_string(&log).unwrap();
        said.contains("No space left on device").then_some(())
    })
    .await;
    fleet.more(LOAD).await;
    std::fs::remove_file(filler).unwrap();
    // If it was its log that found no room, it has ended.
    stage.postgres().does(|server| server.restart()).await;
    stage.stores_more(500).await;
    stage.nothing_is_lost(fleet).await;
    stage.gaps_are("first_start").await;
}
