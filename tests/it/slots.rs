//! Several slots, and slots that are given up.

use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use headcount_tests::{binary, eventually};
use model::Clock;
use store::slots::RetireError;

/// The command line in a world, and its exit code with both outputs.
async fn slots(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = binary::run(world, &[&["slots"], arguments].concat()).await;
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Another slot, with topics of its own.
fn second_slot(world: &World) -> ingest::Config {
    let slot = format!("{}-second", world.slot());
    let filter = format!("second{}/+/heartbeat", world.number);
    ingest::Config {
        client_id: format!("headcount-{slot}"),
        slot,
        topic_filter: ingest::topic::TopicFilter::parse(&filter).unwrap(),
        ..world.ingest_config()
    }
}

const HOURS: &str = "select string_agg(to_char(hour at time zone 'UTC', 'HH24:MI') || ' '
        || devices || ' ' || complete, ', ' order by hour) from hourly_counts";

/// A second slot that died keeps every hour open, until it is retired; the time since its watermark
/// is then a gap. Started again, it is in use again, with a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_retired_slot_holds_nothing_back() {
    let world = World::at("2026-11-21T05:50:00Z").await;
    let roles = world.run().await;
    world.caught_up().await;
    let second = second_slot(&world);
    let second_roles = world.run_with(Some(second.clone()), None).await;
    let started = format!(
        "select count(*) from ingest_slots where slot = '{}' and watermark is not null",
        second.slot
    );
    eventually("the second slot hears", async || {
        (world.sql(&started).await == "1").then_some(())
    })
    .await;

    let (code, text) = slots(&world, &["retire", &second.slot, "--yes"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("end that ingest first"), "{text}");
    second_roles.end().await;

    let mut fleet = Publisher::new(&world.broker_url);
    for now in [
        "2026-11-21T06:20:00Z",
        "2026-11-21T07:20:00Z",
        "2026-11-21T08:10:00Z",
    ] {
        world.go_to(now).await;
        let beat = br#"{"mcc":"515","mnc":"02"}"#.to_vec();
        fleet.publish([(world.topic("a"), beat)]).await;
        world.caught_up().await;
    }
    assert_eq!(world.sql(HOURS).await, "", "the second slot holds it back");
    assert_eq!(
        world
            .store
            .retire_slot("nobody", false, model::Instant::default())
            .await
            .unwrap_err()
            .to_string(),
        RetireError::Unknown("nobody".to_owned()).to_string()
    );
    let now: model::Instant = "2026-11-21T06:30:00Z".parse().unwrap();
    world
        .store
        .retire_slot(&second.slot, false, now)
        .await
        .unwrap();
    let closed = eventually("the hours are closed", async || {
        let hours = world.sql(HOURS).await;
        hours.contains("07:00").then_some(hours)
    })
    .await;
    // The gap reaches from its watermark until it was retired; after that nothing is missing.
    assert_eq!(closed, "06:00 1 false, 07:00 1 true");
    let again = world.store.retire_slot(&second.slot, false, now).await;
    assert!(matches!(again, Err(RetireError::Already(_))));
    let (code, list) = slots(&world, &["list"]).await;
    assert_eq!(code, Some(0), "{list}");
    assert!(list.contains("retired 2026-11-21T06:30:00Z"), "{list}");

    let second_roles = world.run_with(Some(second.clone()), None).await;
    let in_use = format!(
        "select s.retired_at is null, to_char(g.to_at at time zone 'UTC', 'HH24:MI')
         from ingest_slots s join gaps g using (slot)
         where slot = '{}' and cause = 'session_lost'",
        second.slot
    );
    eventually("it is in use again, with the gap until now", async || {
        (world.sql(&in_use).await == "t|08:10").then_some(())
    })
    .await;
    second_roles.end().await;
    roles.end().await;
}

/// Two slots count as one: a device that is heard through both is one device, and an hour is closed when
/// both have heard it to its end, also what waited for the one that was away.
#[tokio::test(flavor = "multi_thread")]
async fn two_slots_count_as_one() {
    let world = World::at("2026-11-21T05:50:00Z").await;
    let second = second_slot(&world);
    let roles = world.run().await;
    let second_roles = world.run_with(Some(second.clone()), None).await;
    let behind = async || {
        let now = world.clock.now().to_rfc3339();
        let statement = format!("select count(*) from ingest_slots where watermark < '{now}'");
        world.sql(&statement).await
    };
    let both_caught_up = async || {
        world.caught_up().await;
        eventually("both slots have caught up", async || {
            (behind().await == "0").then_some(())
        })
        .await;
    };
    eventually("both slots listen", async || {
        let listening = "select count(*) from ingest_slots where watermark is not null";
        (world.sql(listening).await == "2").then_some(())
    })
    .await;

    let mut fleet = Publisher::new(&world.broker_url);
    let mut beat = async |first: &str, then: &str| {
        let now = world.clock.now().to_rfc3339();
        let payload = format!(r#"{{"sent_at":"{now}","mcc":"515","mnc":"02"}}"#).into_bytes();
        let second_topic = format!("second{}/{then}/heartbeat", world.number);
        let messages = [
            (world.topic(first), payload.clone()),
            (second_topic, payload),
        ];
        fleet.publish(messages).await;
    };
    world.go_to("2026-11-21T06:20:00Z").await;
    beat("a", "b").await;
    both_caught_up().await;
    beat("c", "a").await;
    world.go_to("2026-11-21T07:10:00Z").await;
    both_caught_up().await;
    eventually("the hour is closed", async || {
        (world.sql(HOURS).await == "06:00 3 true").then_some(())
    })
    .await;

    // One is away: what its devices send waits in the broker, and the hour waits for it.
    second_roles.end().await;
    beat("a", "d").await;
    for now in ["2026-11-21T07:59:00Z", "2026-11-21T08:10:00Z"] {
        world.go_to(now).await;
        beat("b", "a").await;
    }
    world.caught_up().await;
    assert_eq!(world.sql(HOURS).await, "06:00 3 true");
    let second_roles = world.run_with(Some(second), None).await;
    both_caught_up().await;
    let closed = eventually("the next hour is closed", async || {
        let hours = world.sql(HOURS).await;
        hours.contains("07:00").then_some(hours)
    })
    .await;
    assert_eq!(closed, "06:00 3 true, 07:00 3 true");
    second_roles.end().await;
    roles.end().await;
}

/// Where nothing waited in the broker and the devices had moved, there is no gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_drained_slot_leaves_no_gap() {
    let world = World::at("2026-11-21T05:50:00Z").await;
    world
        .sql(
            "insert into ingest_slots (slot, client_id, topic_filter, started_at, watermark, term)
             values ('old', 'headcount-old', 'old/+/heartbeat', '2026-11-21T01:00:00Z',
                     '2026-11-21T02:00:00Z', 4)",
        )
        .await;
    let (code, text) = slots(&world, &["retire", "old", "--drained"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("No gap is recorded") && text.contains("--yes"),
        "{text}"
    );
    let (code, text) = slots(&world, &["retire", "old", "--drained", "--yes"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        world
            .sql(
                "select term, retired_at is not null, watermark = retired_at,
                         (select count(*) from gaps) from ingest_slots"
            )
            .await,
        "5|t|t|0"
    );
    let slots = world.store.slots().await.unwrap();
    assert!(slots.is_empty(), "{slots:?}");
}

/// Two slots with a topic in common would count on two copies of each message: the second one is
/// refused, and both are named.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_overlaps_with_another_slots_is_refused() {
    let world = World::at("2026-11-21T05:50:00Z").await;
    world
        .sql(&format!(
            "insert into ingest_slots (slot, client_id, topic_filter)
             values ('other', 'headcount-other', 'test{}/#')",
            world.number
        ))
        .await;
    let roles = world.run_ingest().await;
    let trouble = eventually("it says why it does not start", async || {
        let troubles = world.health.troubles();
        let broker = troubles.get("broker")?;
        broker.contains("overlaps").then(|| broker.clone())
    })
    .await;
    for part in [
        &*world.slot(),
        "`other`",
        &*world.filter(),
        "slots retire other",
    ] {
        assert!(trouble.contains(part), "{part}: {trouble}");
    }
    assert_eq!(world.sql("select count(*) from ingest_slots").await, "1");
    let output = binary::run(&world, &["validate"]).await;
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("of the slot `other`"), "{report}");

    world
        .store
        .retire_slot("other", false, "2026-11-21T05:50:00Z".parse().unwrap())
        .await
        .unwrap();
    world.caught_up().await;
    let output = binary::run(&world, &["validate"]).await;
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("nobody else hears"), "{report}");
    roles.end().await;
}
