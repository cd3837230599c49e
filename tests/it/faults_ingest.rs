//! Ingest itself fails: its standby takes over, nothing acknowledged is lost, and nobody fights.
//!
//! Scenes that mostly wait play side by side in one test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use devstack::process::{self, Signal};
use headcount_tests::ledger;
use headcount_tests::mqtt::Acknowledged;
use headcount_tests::proxy::Proxy;
use headcount_tests::publisher::Publisher;
use headcount_tests::stage::Stage;
use headcount_tests::world::World;
use headcount_tests::{binary, eventually};

/// Messages per second while something fails.
const LOAD: u32 = 1000;

/// How long a process may take to end in order: 20 s, and what a busy machine needs.
const ORDERLY_END: Duration = Duration::from_secs(30);

/// The process id of the owner; the owner's name begins with it.
async fn owner(world: &World) -> Option<u32> {
    let owner = "select owner from ingest_slots where lease_until >= clock_timestamp()";
    let owner = world.try_sql(owner).await?;
    owner.split('-').next()?.parse().ok()
}

/// Each scene waits for a lease to run out.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_gone() {
    tokio::join!(
        killed_again_and_again_with_a_standby(),
        an_owner_that_wakes_up_after_its_lease_touches_nothing(),
        ended_in_order_while_postgres_is_away(),
        killed_while_postgres_does_not_answer(),
    );
}

/// `kill -9` of whoever holds the slot, under load, several times, with a standby that takes over and
/// a new process that becomes the standby.
async fn killed_again_and_again_with_a_standby() {
    let stage = Stage::with_broker().await;
    let start = || binary::Running::start(binary::command(&stage.world, &["ingest"]));
    let mut processes = vec![start(), start()];
    stage.listens().await;
    let fleet = stage.fleet(LOAD);
    for _ in 0..2 {
        stage.stores_more(LOAD / 2).await;
        let dead = eventually("somebody owns the slot", async || owner(&stage.world).await).await;
        let place = processes.iter().position(|one| one.pid() == dead);
        processes.remove(place.unwrap()).kill();
        processes.push(start());
        eventually("the standby takes over", async || {
            owner(&stage.world).await.filter(|owner| *owner != dead)
        })
        .await;
    }
    stage.nothing_is_lost_or_stored_twice(fleet).await;
    stage.gaps_are("first_start").await;
}

/// The owner stands still beyond its lease and wakes up. By then the standby hears everything: the
/// woken process acknowledges nothing, commits nothing and leaves the broker alone.
async fn an_owner_that_wakes_up_after_its_lease_touches_nothing() {
    let stage = Stage::with_broker().await;
    // Each process has a way to the broker of its own, so that it can be seen what each does there.
    let heir_acknowledged = Arc::new(Acknowledged::default());
    let heir_to_broker = Proxy::tapped(stage.broker_port, heir_acknowledged.tap()).await;
    let first = stage.start_ingest().await;
    let mut command = binary::command(&stage.world, &["ingest"]);
    let url = format!("mqtt://127.0.0.1:{}", heir_to_broker.port());
    command.env("HEADCOUNT_MQTT__URL", url);
    let second = binary::Running::start(command);
    let fleet = stage.fleet(LOAD);
    stage.stores_more(LOAD).await;

    assert!(process::signal(Signal::Stop, &[first.pid()]));
    eventually("the standby takes over", async || {
        owner(&stage.world)
            .await
            .filter(|owner| *owner == second.pid())
    })
    .await;
    stage.stores_more(LOAD).await;
    let connections = stage.to_broker.connections();
    let acks = stage.acknowledged.acks();
    let term = "select term from ingest_slots";
    let before = stage.world.sql(term).await;

    assert!(process::signal(Signal::Continue, &[first.pid()]));
    stage.stores_more(5 * LOAD).await;
    assert_eq!(
        stage.to_broker.connections(),
        connections,
        "it does not connect"
    );
    assert_eq!(stage.acknowledged.acks(), acks, "it acknowledges nothing");
    assert_eq!(
        stage.world.sql(term).await,
        before,
        "it does not want the slot back"
    );
    assert_eq!(
        heir_to_broker.connections(),
        1,
        "nobody takes the session away"
    );
    stage.nothing_is_lost_or_stored_twice(fleet).await;
    assert_eq!(heir_acknowledged.unfounded(), 0);
    let stored = ledger::stored(&stage.world).await;
    assert!(heir_acknowledged.seqs().is_subset(&stored));
}

/// An orderly end under load: in time, with the session kept, and the next process goes on.
#[tokio::test(flavor = "multi_thread")]
async fn ended_in_order_under_load() {
    let stage = Stage::with_broker().await;
    let mut ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    for _ in 0..3 {
        stage.stores_more(LOAD / 2).await;
        let asked_at = Instant::now();
        assert!(process::signal(Signal::Terminate, &[ingest.pid()]));
        let code = tokio::task::spawn_blocking(move || ingest.wait());
        assert_eq!(code.await.unwrap(), Some(0));
        assert!(asked_at.elapsed() < ORDERLY_END);
        assert_eq!(owner(&stage.world).await, None, "the lease is given back");
        fleet.more(LOAD).await;
        ingest = stage.start_ingest().await;
    }
    stage.nothing_is_lost_or_stored_twice(fleet).await;
    stage.gaps_are("first_start").await;
}

/// `kill -9` with thousands of messages taken and none of them stored, because Postgres does not
/// answer: none of them is acknowledged, so the next process gets all of them.
async fn killed_while_postgres_does_not_answer() {
    let stage = Stage::with_broker().await;
    let mut ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(LOAD / 2).await;
    stage.to_postgres.stall();
    fleet.more(2 * LOAD).await;
    stage.kept_its_word().await;
    ingest.kill();
    stage.to_postgres.heal();
    let _next = stage.start_ingest().await;
    stage.nothing_is_lost(fleet).await;
}

/// An orderly end while Postgres is away: what cannot be committed stays with the broker.
async fn ended_in_order_while_postgres_is_away() {
    let stage = Stage::with_broker().await;
    let mut ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(LOAD / 2).await;
    stage.to_postgres.refuse();
    stage.to_postgres.cut(headcount_tests::proxy::Cut::Reset);
    fleet.more(LOAD).await;
    let asked_at = Instant::now();
    assert!(process::signal(Signal::Terminate, &[ingest.pid()]));
    tokio::task::spawn_blocking(move || ingest.wait())
        .await
        .unwrap();
    assert!(asked_at.elapsed() < ORDERLY_END);
    stage.to_postgres.heal();
    let _next = stage.start_ingest().await;
    stage.nothing_is_lost_or_stored_twice(fleet).await;
}

/// The clock jumps forwards by hours, and back. What came is there, in the hours in which the clock
/// said that it came, and hours that were skipped are not invented.
#[tokio::test(flavor = "multi_thread")]
async fn the_clock_jumps() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let mut send = async |device: &str| {
        let message = (world.topic(device), br#"{"mcc":"515","mnc":"02"}"#.to_vec());
        fleet.publish([message]).await;
        let found = format!("select count(*) from v_presence where device_id = '{device}'");
        eventually(device, async || {
            (world.sql(&found).await == "1").then_some(())
        })
        .await;
    };
    send("before").await;
    world.clock.set("2026-11-21T08:30:00Z".parse().unwrap());
    // A probe carries the new time; until it is back this message would be one that waited.
    world.caught_up().await;
    send("forwards").await;
    world.clock.set("2026-11-21T06:20:00Z".parse().unwrap());
    send("backwards").await;
    let watermark = world.sql("select watermark from ingest_slots").await;
    assert!(
        watermark.contains("08:30:00"),
        "it never moves back: {watermark}"
    );
    world.go_to("2026-11-21T08:31:00Z").await;
    send("again").await;
    let present = "select to_char(hour at time zone 'UTC', 'HH24:MI') || ' ' || device_id
         from v_presence order by 1";
    assert_eq!(
        world.sql(present).await,
        "05:00 before\n06:00 backwards\n08:00 again\n08:00 forwards"
    );
    let gaps = "select string_agg(cause, ' ') from gaps";
    assert_eq!(world.sql(gaps).await, "first_start");
    roles.end().await;
}
