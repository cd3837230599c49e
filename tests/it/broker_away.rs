//! When the broker is away we are blind, and say so.

use chrono::TimeDelta;
use devstack::{DataDir, Mosquitto, MosquittoOptions};
use headcount_tests::eventually;
use headcount_tests::http::get;
use headcount_tests::inspector::Inspector;
use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use model::Instant;

async fn own_broker() -> Mosquitto {
    let start = || {
        let folder = DataDir::temporary().unwrap();
        Mosquitto::start(&folder, MosquittoOptions::default()).unwrap()
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

async fn with(
    mut broker: Mosquitto,
    what: impl FnOnce(&mut Mosquitto) + Send + 'static,
) -> Mosquitto {
    let change = move || {
        what(&mut broker);
        broker
    };
    tokio::task::spawn_blocking(change).await.unwrap()
}

/// Twenty minutes without a broker: the hour is incomplete, is not sent, and `/status` says why.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_minutes_make_the_hour_incomplete_and_unsent() {
    let broker = own_broker().await;
    let world = World::with_broker("2026-11-21T00:30:00Z", broker.url()).await;
    let roles = world.run().await;
    let api = roles.api.unwrap();
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    world.go_to("2026-11-21T01:05:00Z").await;
    let beat = br#"{"mcc":"515","mnc":"02"}"#;
    fleet.publish([(world.topic("a"), beat.to_vec())]).await;
    world.go_to("2026-11-21T01:10:00Z").await;
    drop(fleet);

    let broker = with(broker, |broker| broker.stop().unwrap()).await;
    eventually("the gap is open", async || {
        let gaps = world.store.gaps_since(Instant::UNIX_EPOCH).await.unwrap();
        gaps.iter()
            .any(|record| record.gap.to.is_none())
            .then_some(())
    })
    .await;
    assert_eq!(get(api, "/readyz").await.status, 503);
    let status = get(api, "/api/v1/status").await.json();
    assert_eq!(status["can_count"], false, "{status:#}");
    world.clock.set("2026-11-21T01:30:01Z".parse().unwrap());
    let broker = with(broker, |broker| broker.restart().unwrap()).await;
    eventually("ingest is back", async || {
        (get(api, "/readyz").await.status == 200).then_some(())
    })
    .await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet.publish([(world.topic("b"), beat.to_vec())]).await;
    world.caught_up().await;

    world.go_to("2026-11-21T02:02:30Z").await;
    let path = "/api/v1/countries/ph/hours?from=2026-11-21T01:00:00Z&to=2026-11-21T02:00:00Z";
    let hour = eventually("the hour is closed", async || {
        let hours = get(api, path).await.json();
        let hour = hours["items"][0].clone();
        (hour["revision"] == 1).then_some(hour)
    })
    .await;
    assert_eq!(hour["complete"], false, "{hour:#}");
    assert_eq!(hour["devices"], 2, "a lower bound");
    assert_eq!(hour["gap_secs"], 1200);
    assert_eq!(hour["causes"], serde_json::json!(["broker_away"]));
    let status = get(api, "/api/v1/status").await.json();
    let gap = &status["gaps"][0];
    let found = status["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|gap| gap["cause"] == "broker_away");
    assert_eq!(found.unwrap()["seconds"], 1200, "{gap:#}");

    // The next hour is whole again, and is sent. The one with the hole never is.
    world.go_to("2026-11-21T03:02:30Z").await;
    let sent = eventually("the next hour is sent", async || {
        let sent = world.agent.named("headcount.hour.devices");
        (!sent.is_empty()).then_some(sent)
    })
    .await;
    let end: Instant = "2026-11-21T03:00:00Z".parse().unwrap();
    let last_second = (end - TimeDelta::seconds(1)).timestamp();
    assert!(
        sent.iter().all(|line| line.timestamp == Some(last_second)),
        "{sent:?}"
    );
    roles.end().await;
    drop(broker);
}

/// A broker that has forgotten us has lost what it kept: that is a gap back to the watermark.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_is_a_gap_back_to_the_watermark() {
    let broker = own_broker().await;
    let world = World::with_broker("2026-11-21T01:10:00Z", broker.url()).await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    roles.end().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet.publish([(world.topic("lost"), Vec::new())]).await;
    drop(fleet);
    let broker = with(broker, |broker| {
        broker.restart_without_persistence().unwrap();
    })
    .await;
    world.clock.set("2026-11-21T01:40:00Z".parse().unwrap());
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let gaps = "select cause, extract(epoch from to_at - from_at)::int from gaps order by from_at";
    assert_eq!(world.sql(gaps).await, "first_start|1\nsession_lost|1800");
    roles.end().await;
    drop(broker);
}

/// Not there at the start: it is waited for, and nothing crashes.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_at_the_start_is_waited_for() {
    let broker = own_broker().await;
    let broker = with(broker, |broker| broker.stop().unwrap()).await;
    let world = World::with_broker("2026-11-21T01:10:00Z", broker.url()).await;
    let roles = world.run().await;
    let api = roles.api.unwrap();
    let ready = eventually("the API says what is wrong", async || {
        let ready = get(api, "/readyz").await;
        (ready.status == 503 && ready.body.contains("refused")).then_some(ready)
    })
    .await;
    assert!(ready.body.contains("broker"), "{}", ready.body);
    assert_eq!(get(api, "/livez").await.status, 200);
    let broker = with(broker, |broker| broker.restart().unwrap()).await;
    eventually("ready", async || {
        (get(api, "/readyz").await.status == 200).then_some(())
    })
    .await;
    roles.end().await;
    drop(broker);
}

/// A queue with a bound drops what it had acknowledged to devices. The broker counts that, and the
/// hours in which it may have happened are not called complete.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_dropped_is_a_gap() {
    let start = || {
        let folder = DataDir::temporary().unwrap();
        let extra = ["max_queued_messages 100", "sys_interval 1"];
        let options = MosquittoOptions {
            extra: extra.map(str::to_owned).to_vec(),
            ..MosquittoOptions::default()
        };
        Mosquitto::start(&folder, options).unwrap()
    };
    let broker = tokio::task::spawn_blocking(start).await.unwrap();
    let world = World::with_broker("2026-11-21T01:50:00Z", broker.url()).await;
    let config = ingest::Config {
        dropped_topic: Some("$SYS/broker/publish/messages/dropped".to_owned()),
        ..world.ingest_config()
    };
    let run = || world.run_with(Some(config.clone()), Some(world.exporter_config()));
    let counted = async |known: &str| {
        let dropped = "select broker_dropped from ingest_slots";
        eventually("the broker's count is known", async || {
            (world.sql(dropped).await == known).then_some(())
        })
        .await;
    };
    let roles = run().await;
    world.caught_up().await;
    counted("0").await;
    roles.end().await;

    let mut fleet = Publisher::new(&world.broker_url);
    let beats = (0..150).map(|n| {
        let beat =
            format!(r#"{{"sent_at":"2026-11-21T02:10:00Z","mcc":"515","mnc":"02","seq":{n}}}"#);
        (world.topic(&format!("d{n}")), beat.into_bytes())
    });
    world.clock.set("2026-11-21T02:10:00Z".parse().unwrap());
    fleet.publish(beats).await;
    world.clock.set("2026-11-21T02:20:00Z".parse().unwrap());
    let roles = run().await;
    world.caught_up().await;
    counted("50").await;
    let gap = "select to_char(from_at at time zone 'UTC', 'HH24:MI'),
            to_char(to_at at time zone 'UTC', 'HH24:MI') from gaps where cause = 'broker_dropped'";
    assert_eq!(world.sql(gap).await, "01:50|02:20");
    world.go_to("2026-11-21T03:05:00Z").await;
    let hour = "select devices, complete, causes from hourly_counts
         where country = 'ph' and hour = '2026-11-21T02:00:00Z'";
    eventually("the hour is closed", async || {
        (world.sql(hour).await == "100|f|{broker_dropped}").then_some(())
    })
    .await;
    roles.end().await;
}

/// Another topic filter is a gap once, however ingest ends after it, and going back is one again:
/// under the filter of before nothing was kept meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_the_topic_filter_is_one_gap() {
    let world = World::at("2026-11-21T01:00:00Z").await;
    let other = format!("test{}/other/+/heartbeat", world.number);
    let mut fleet = Publisher::new(&world.broker_url);
    for (now, filter) in [
        ("01:00:00", world.filter()),
        ("01:10:00", other.clone()),
        ("01:20:00", other),
        ("01:30:00", world.filter()),
    ] {
        let now = format!("2026-11-21T{now}Z");
        world.clock.set(now.parse().unwrap());
        let mut config = world.ingest_config();
        config.topic_filter = ingest::topic::TopicFilter::parse(&filter).unwrap();
        let roles = world.run_with(Some(config), None).await;
        world.caught_up().await;
        let topic = filter.replace('+', &format!("at-{}", &now[14..16]));
        fleet.publish([(topic, Vec::new())]).await;
        world.caught_up().await;
        roles.end().await;
    }
    let gaps = "select to_char(from_at at time zone 'UTC', 'HH24:MI'),
            to_char(to_at at time zone 'UTC', 'HH24:MI')
         from gaps where cause = 'session_lost' order by from_at";
    assert_eq!(world.sql(gaps).await, "01:00|01:10\n01:20|01:30");
    let heard = "select string_agg(device_id, ' ' order by device_id) from v_presence";
    assert_eq!(world.sql(heard).await, "at-00 at-10 at-20 at-30");
}

/// An owner that finds its session lost, and ends before it could write that down, leaves a new
/// session to its heir, who is told that all is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_session_is_a_gap_also_when_its_finder_ends_at_once() {
    let broker = own_broker().await;
    let world = World::with_broker("2026-11-21T01:10:00Z", broker.url()).await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    roles.end().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet.publish([(world.topic("lost"), Vec::new())]).await;
    drop(fleet);
    let broker = with(broker, |broker| {
        broker.restart_without_persistence().unwrap();
    })
    .await;
    world.clock.set("2026-11-21T01:40:00Z".parse().unwrap());

    // Nothing can be committed.
    let mut postgres = Inspector::start(&world.inspected_url);
    postgres.ask("begin; lock table gaps; select 1");
    let roles = world.run_ingest().await;
    eventually("it listens", async || {
        (!world.health.troubles().contains_key("broker")).then_some(())
    })
    .await;
    roles.kill().await;
    postgres.ask("rollback; select 1");

    world.clock.set("2026-11-21T01:50:00Z".parse().unwrap());
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let gaps = "select cause, extract(epoch from to_at - from_at)::int from gaps order by from_at";
    assert_eq!(world.sql(gaps).await, "first_start|1\nsession_lost|2400");
    roles.end().await;
    drop(broker);
}

/// A broker that was started while nobody listened still knows the session. Since when it was away, and
/// what it lost when it was killed, nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_started_while_nobody_listened_is_a_gap() {
    let broker = own_broker().await;
    let world = World::with_broker("2026-11-21T01:10:00Z", broker.url()).await;
    let run = async |uptime_topic: &str| {
        let config = ingest::Config {
            uptime_topic: Some(uptime_topic.to_owned()),
            ..world.ingest_config()
        };
        let roles = world.run_with(Some(config), None).await;
        world.caught_up().await;
        roles
    };
    let told = async |uptime: &str| {
        let mut fleet = Publisher::new(&world.broker_url);
        let uptime = ("uptime".to_owned(), uptime.into());
        fleet
            .publish([uptime, (world.topic("d"), Vec::new())])
            .await;
    };
    let gaps = "select to_char(from_at at time zone 'UTC', 'HH24:MI'),
            to_char(to_at at time zone 'UTC', 'HH24:MI') from gaps where cause = 'broker_away'
            order by from_at";
    run("uptime").await.end().await;

    world.clock.set("2026-11-21T01:40:00Z".parse().unwrap());
    let roles = run("uptime").await;
    told("7200 seconds").await;
    eventually("a heartbeat behind the news is stored", async || {
        (world.sql("select count(*) from heartbeats").await == "1").then_some(())
    })
    .await;
    assert_eq!(world.sql(gaps).await, "");
    roles.end().await;

    world.clock.set("2026-11-21T02:40:00Z".parse().unwrap());
    let roles = run("uptime").await;
    told("1200 seconds").await;
    eventually("a start in between is a gap", async || {
        (world.sql(gaps).await == "01:40|02:20").then_some(())
    })
    .await;
    // The next start is seen by us, and is a gap in its own right.
    told("60 seconds").await;
    eventually("a heartbeat behind the news is stored", async || {
        (world.sql("select count(*) from heartbeats").await == "3").then_some(())
    })
    .await;
    assert_eq!(world.sql(gaps).await, "01:40|02:20");
    roles.end().await;

    let broker = with(broker, |broker| {
        broker.kill().unwrap();
        broker.restart().unwrap();
    })
    .await;
    world.clock.set("2026-11-21T03:40:00Z".parse().unwrap());
    let roles = run("$SYS/broker/uptime").await;
    let expected = ["02:40|03:39", "02:40|03:40"].map(|gap| format!("01:40|02:20\n{gap}"));
    eventually("Mosquitto tells since when it runs", async || {
        expected.contains(&world.sql(gaps).await).then_some(())
    })
    .await;
    roles.end().await;
    drop(broker);
}
