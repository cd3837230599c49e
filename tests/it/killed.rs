//! Nothing that was acknowledged is lost, and nothing is counted twice, when ingest is killed.

use std::time::Duration;

use devstack::{DataDir, Mosquitto, MosquittoOptions};
use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use headcount_tests::{binary, eventually};

const DEVICES: u32 = 10_000;
const MESSAGES: u32 = 100_000;

/// `kill -9` in the middle of 100,000 heartbeats, and a second time while the backlog drains:
/// every (device, seq) is there, each once, and the count of devices is exact.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_of_a_hundred_thousand_heartbeats() {
    let folder = DataDir::temporary().unwrap();
    let broker = tokio::task::spawn_blocking(move || {
        Mosquitto::start(&folder, MosquittoOptions::default()).unwrap()
    })
    .await
    .unwrap();
    let world = World::with_broker("2026-11-21T00:00:00Z", broker.url()).await;
    let mut ingest = binary::Running::start(binary::command(&world, &["ingest"]));
    eventually("the first start", async || world.watermark().await).await;

    let mut fleet = Publisher::new(&world.broker_url);
    let topics: Vec<_> = (0..DEVICES)
        .map(|n| world.topic(&format!("d{n}")))
        .collect();
    let publishing = async move {
        let message = |n: u32| {
            let topic = topics[(n % DEVICES) as usize].clone();
            let payload = format!(r#"{{"mcc":"515","mnc":"02","seq":{n}}}"#);
            (topic, payload.into_bytes())
        };
        fleet.publish((0..MESSAGES).map(message)).await;
    };
    let committed = async || -> u32 {
        world
            .sql("select count(*) from heartbeats")
            .await
            .parse()
            .unwrap()
    };
    let killing = async {
        eventually("a fifth is committed", async || {
            (committed().await > MESSAGES / 5).then_some(())
        })
        .await;
        ingest.kill();
    };
    tokio::join!(publishing, killing);
    let before = committed().await;
    assert!(
        before < MESSAGES,
        "it was killed in the middle, not at the end"
    );

    let mut second = binary::Running::start(binary::command(&world, &["ingest"]));
    eventually("some more is committed", async || {
        (committed().await > before).then_some(())
    })
    .await;
    second.kill();

    let _third = binary::Running::start(binary::command(&world, &["ingest"]));
    let distinct = "select count(*), count(distinct (device_no, seq)) from heartbeats";
    let all = format!("{MESSAGES}|{MESSAGES}");
    eventually("every heartbeat is there, once", async || {
        let found = world.sql(distinct).await;
        let stored: u32 = found.split('|').next().unwrap().parse().unwrap();
        assert!(stored <= MESSAGES, "{found}: something is stored twice");
        tokio::time::sleep(Duration::from_millis(100)).await;
        (found == all).then_some(())
    })
    .await;
    let hours = "select bool_and(devices = 10000) from (
         select hour, count(*) as devices from presence group by hour) hours";
    // The test may straddle an hour; then devices are in the one, in the other, or in both.
    let straddles = world.sql("select count(distinct hour) from presence").await != "1";
    assert!(straddles || world.sql(hours).await == "t");
    let devices = "select count(distinct device_no) from presence";
    assert_eq!(world.sql(devices).await, DEVICES.to_string());
    drop(broker);
}

/// A queue many times larger than the window, from a broker that does not hold to the window while
/// it empties the queue (Mosquitto 2.0.11 does not): nothing is lost, nothing stored twice, and
/// it is no gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_larger_than_what_fits_drains_in_portions() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let mut config = world.ingest_config();
    config.receive_maximum = 1000;
    let roles = world.run_with(Some(config.clone()), None).await;
    world.caught_up().await;
    roles.end().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let message = |n: u32| {
        (
            world.topic(&format!("d{n}")),
            format!(r#"{{"seq":{n}}}"#).into_bytes(),
        )
    };
    fleet.publish((0..12_000).map(message)).await;
    let roles = world.run_with(Some(config), None).await;
    world.caught_up().await;
    let stored = "select count(*), count(distinct (device_no, seq)) from heartbeats";
    assert_eq!(world.sql(stored).await, "12000|12000");
    assert_eq!(
        world.sql("select string_agg(cause, ' ') from gaps").await,
        "first_start"
    );
    roles.end().await;
}
