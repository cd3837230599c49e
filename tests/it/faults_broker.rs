//! The broker and the way to it fail: what we acknowledged is stored, what we could not see is a
//! recorded gap.
//!
//! Scenes that mostly wait play side by side in one test.

use std::time::Duration;

use headcount_tests::ledger::{self, now};
use headcount_tests::mqtt;
use headcount_tests::proxy::{Cut, Direction};
use headcount_tests::publisher::Publisher;
use headcount_tests::stage::Stage;
use headcount_tests::{binary, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Messages per second while something fails.
const LOAD: u32 = 1000;

/// How often we may take back a session that somebody takes away again and again.
const MAX_CONNECTS_PER_SEC: f64 = 5.0;

/// Each scene has a broker of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_comes_back() {
    tokio::join!(
        killed_under_load(),
        restarted_with_what_it_saved(),
        restarted_with_nothing_while_we_were_away(),
    );
}

/// `kill -9` of the broker: it may lose its last second. Whatever it lost, what we acknowledged is
/// stored, and the time without it is a gap.
async fn killed_under_load() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(2 * LOAD).await;
    for kill in 1..=2 {
        stage.broker.does(|broker| broker.kill()).await;
        eventually("the gap is open", async || {
            stage.gaps().await.ends_with('…').then_some(())
        })
        .await;
        stage.broker.does(|broker| broker.restart()).await;
        stage.stores_more(LOAD).await;
        let gaps = stage.gaps().await;
        let times = gaps.matches("broker_away").count();
        assert_eq!(times, kill, "{gaps}");
    }
    let book = fleet.finish().await;
    stage.drained().await;
    stage.kept_its_word().await;
    let stored = ledger::stored(&stage.world).await;
    let unacknowledged_and_absent = (0..book.published()).filter(|seq| !stored.contains(seq));
    // Two kills, and at most about a second of the broker's own memory in each.
    let lost = u32::try_from(unacknowledged_and_absent.count()).unwrap();
    assert!(lost <= 2 * 2 * LOAD, "{lost} of {}", book.published());
}

/// Each scene has a broker of its own, which is given up after two and a half pings.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_silent() {
    tokio::join!(
        paused_until_it_is_given_up(),
        a_stalled_connection_is_given_up(),
    );
}

/// The broker stands still for longer than it may be silent, and goes on.
async fn paused_until_it_is_given_up() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(LOAD).await;
    stage.broker.does(|broker| broker.pause()).await;
    stage.gaps_are("first_start broker_away…").await;
    stage.broker.does(|broker| broker.resume()).await;
    stage.stores_more(LOAD).await;
    stage.nothing_is_lost_or_stored_twice(fleet).await;
    stage.gaps_are("first_start broker_away").await;
}

/// An orderly restart of the broker under load keeps the session and what waits in it.
async fn restarted_with_what_it_saved() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    for _ in 0..2 {
        stage.stores_more(LOAD).await;
        stage.broker.does(|broker| broker.restart()).await;
    }
    stage.stores_more(LOAD).await;
    stage.nothing_is_lost_or_stored_twice(fleet).await;
    stage.gaps_are("first_start broker_away broker_away").await;
}

/// A broker that comes back with nothing has lost what waited for us: a gap since the last moment
/// known to be stored, so that the hour is incomplete. What it lost lies in that gap.
async fn restarted_with_nothing_while_we_were_away() {
    let stage = Stage::with_broker().await;
    let mut ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(LOAD).await;
    ingest.kill();
    fleet.more(LOAD).await;
    stage
        .broker
        .does(|broker| broker.restart_without_persistence())
        .await;
    let _again = binary::Running::start(binary::command(&stage.world, &["ingest"]));
    stage.stores_more(LOAD).await;
    stage.gaps_are("first_start session_lost").await;
    let book = fleet.finish().await;
    stage.drained().await;
    let audit = ledger::audit(&stage.world, &book).await;
    audit.must_count_right();
    assert!(!audit.lost.is_empty(), "the broker was to lose something");
    let gap = "select extract(epoch from from_at), extract(epoch from to_at) from gaps
         where cause = 'session_lost'";
    let gap = stage.world.sql(gap).await;
    let (from, to) = gap.split_once('|').unwrap();
    let [from, to]: [f64; 2] = [from, to].map(|time| time.parse().unwrap());
    // The fleet notes an acknowledgement a moment after it was given.
    let moment = 1.0;
    for seq in &audit.lost {
        let at = book.entries[*seq as usize].acknowledged_at.unwrap();
        let at = (at - model::Instant::UNIX_EPOCH).as_seconds_f64();
        let recorded = from <= at && at <= to + moment;
        assert!(recorded, "{at} is not in the gap from {from} to {to}");
    }
    stage.kept_its_word().await;
}

/// The connection is cut in the middle of packets, in both directions and both ways, under load.
#[tokio::test(flavor = "multi_thread")]
async fn cut_in_the_middle_of_a_packet() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    for (direction, bytes, cut) in [
        (Direction::Down, 10_007, Cut::Reset),
        (Direction::Up, 1_003, Cut::Reset),
        (Direction::Down, 31, Cut::Close),
        (Direction::Up, 5, Cut::Close),
        (Direction::Down, 90_001, Cut::Close),
        (Direction::Up, 2_222, Cut::Reset),
        (Direction::Down, 1, Cut::Reset),
        (Direction::Up, 1, Cut::Reset),
    ] {
        stage.to_broker.cut_after(direction, bytes, cut);
        eventually("the connection is cut", async || {
            stage.to_broker.has_cut().then_some(())
        })
        .await;
        stage.stores_more(200).await;
    }
    stage.nothing_is_lost_or_stored_twice(fleet).await;
    let connections = stage.to_broker.connections();
    assert_eq!(connections, 9, "one connection more for each cut");
}

/// A socket that is open and through which nothing comes or goes: given up, and another is made.
async fn a_stalled_connection_is_given_up() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(LOAD).await;
    stage.to_broker.stall();
    stage.gaps_are("first_start broker_away…").await;
    stage.to_broker.heal();
    stage.stores_more(LOAD).await;
    stage.nothing_is_lost_or_stored_twice(fleet).await;
    stage.gaps_are("first_start broker_away").await;
}

/// A connection slower than what arrives: the broker queues, nothing is cut, nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_connection_is_kept() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    stage.to_broker.slow(40_000);
    let fleet = stage.fleet(LOAD);
    fleet.more(3 * LOAD).await;
    assert_eq!(stage.to_broker.connections(), 1);
    stage.to_broker.heal();
    stage.nothing_is_lost_or_stored_twice(fleet).await;
    assert_eq!(stage.to_broker.connections(), 1);
    stage.gaps_are("first_start").await;
}

/// Connects under our client id, as a second installation would by mistake, and waits until the
/// connection is taken away again.
async fn take_the_session(stage: &Stage) {
    let port = stage.broker_port;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let client_id = format!("headcount-{}", stage.world.slot());
    let hello = mqtt::connect(&client_id, false);
    stream.write_all(&hello).await.unwrap();
    let mut buffer = vec![0; 64 * 1024];
    // It takes what comes and acknowledges nothing, until we have the session back.
    while stream
        .read(&mut buffer)
        .await
        .is_ok_and(|length| length > 0)
    {}
}

/// A stranger with our client id takes the session, and does so again whenever it loses it. We take
/// it back each time, at a rate that burdens nobody, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_our_client_id() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(LOAD).await;
    take_the_session(&stage).await;
    stage.stores_more(LOAD).await;
    assert_eq!(stage.to_broker.connections(), 2, "taken back once");

    let before = stage.to_broker.connections();
    let started = now();
    let stubborn = async {
        loop {
            take_the_session(&stage).await;
        }
    };
    let _for_a_while = tokio::time::timeout(Duration::from_secs(3), stubborn).await;
    let secs = (now() - started).as_seconds_f64();
    let connections = stage.to_broker.connections() - before;
    assert!(
        (connections as f64) < MAX_CONNECTS_PER_SEC * secs,
        "{connections} connections in {secs} s: that is a fight"
    );
    stage.stores_more(LOAD).await;
    stage.nothing_is_lost_or_stored_twice(fleet).await;
}

/// Messages far too large for a heartbeat, also larger than any packet we take: set aside where they
/// reach us, and the session lives.
#[tokio::test(flavor = "multi_thread")]
async fn packets_that_are_too_large() {
    let stage = Stage::with_broker().await;
    let _ingest = stage.start_ingest().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(200).await;
    let mut other = Publisher::new(&format!("mqtt://127.0.0.1:{}", stage.broker_port));
    for kib in [11, 200, 1023, 1025, 3000] {
        let message = (
            stage.world.topic(&format!("kib{kib}")),
            vec![b' '; kib * 1024],
        );
        other.publish([message]).await;
    }
    stage.stores_more(500).await;
    let set_aside = "select string_agg(reason || ':' || payload_bytes / 1024, ' '
         order by payload_bytes) from quarantine";
    // Mosquitto does not hand out a packet that is larger than the client says it takes.
    assert_eq!(
        stage.world.sql(set_aside).await,
        "size:11 size:200 size:1023"
    );
    let heard = "select string_agg(device_id, ' ' order by device_id) from v_presence
         where device_id like 'kib%'";
    assert_eq!(stage.world.sql(heard).await, "kib1023 kib11 kib200");
    assert_eq!(stage.to_broker.connections(), 1, "the session lives");
    let stored_with_those = "select count(*) from heartbeats where seq is null";
    assert_eq!(stage.world.sql(stored_with_those).await, "3");
    stage.nothing_is_lost_or_stored_twice(fleet).await;
}

/// In MQTT 3.1.1 the broker does not know how large a packet we take, and hands out larger ones, too.
/// Such a message must not come again for ever and block those behind it.
#[tokio::test(flavor = "multi_thread")]
async fn packets_that_are_too_large_in_the_older_protocol() {
    let stage = Stage::with_broker().await;
    let mut command = binary::command(&stage.world, &["ingest"]);
    command.env("HEADCOUNT_MQTT__VERSION", "3.1.1");
    let _ingest = binary::Running::start(command);
    stage.listens().await;
    let fleet = stage.fleet(LOAD);
    stage.stores_more(200).await;
    let mut other = Publisher::new(&format!("mqtt://127.0.0.1:{}", stage.broker_port));
    for kib in [1023, 1025, 3000] {
        let device = stage.world.topic(&format!("kib{kib}"));
        other.publish([(device, vec![b' '; kib * 1024])]).await;
    }
    stage.drained().await;
    assert_eq!(stage.to_broker.connections(), 1, "the session lives");
    stage.nothing_is_lost(fleet).await;
}
