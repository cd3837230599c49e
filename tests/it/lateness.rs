//! Two kinds of lateness look alike on arrival, and count differently.

use chrono::{TimeDelta, Utc};
use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use model::Instant;
use serde_json::json;

fn sent_at(instant: Instant) -> serde_json::Value {
    json!({ "sent_at": instant, "mcc": "515", "mnc": "02" })
}

const PRESENCE: &str = "select to_char(hour at time zone 'UTC', 'HH24:MI') || ' ' || device_id
     from v_presence order by 1";

/// A device without coverage was not connected, whatever it tells us afterwards: neither a
/// buffered flush in one message nor old messages one by one bring back the hours of its outage.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_kept_does_not_count_in_the_hours_of_its_outage() {
    let world = World::at("2026-11-21T05:00:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    world.go_to("2026-11-21T08:05:00Z").await;
    let now: Instant = "2026-11-21T08:05:00Z".parse().unwrap();
    let two_hours = (1..=24).map(|n| now - TimeDelta::minutes(5 * n));
    let flush: Vec<_> = two_hours.clone().map(sent_at).collect();
    let mut messages = vec![(world.topic("flush"), json!(flush).to_string().into_bytes())];
    messages.extend(two_hours.map(|at| {
        (
            world.topic("one-by-one"),
            sent_at(at).to_string().into_bytes(),
        )
    }));
    fleet.publish(messages).await;
    world.caught_up().await;
    assert_eq!(world.sql(PRESENCE).await, "08:00 flush\n08:00 one-by-one");
    let evidence = "select device_id, count(*), count(heard_at) from heartbeats
         join devices using (device_no) group by 1 order by 1";
    assert_eq!(world.sql(evidence).await, "flush|24|1\none-by-one|24|24");
    roles.end().await;
}

/// While we were away the broker kept what devices sent. They were connected then, and count
/// then. A heartbeat that does not say when it was sent leaves the hours it may belong to
/// incomplete.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_in_the_broker_counts_when_it_was_sent() {
    let world = World::at("2026-11-21T05:50:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    roles.end().await;

    let at = |text: &str| format!("2026-11-21T{text}Z").parse::<Instant>().unwrap();
    let mut fleet = Publisher::new(&world.broker_url);
    fleet
        .publish([
            (
                world.topic("at-six"),
                sent_at(at("06:20:00")).to_string().into_bytes(),
            ),
            (
                world.topic("at-seven"),
                sent_at(at("07:20:00")).to_string().into_bytes(),
            ),
            // kept by the device from before we went away: nothing says when it came
            (
                world.topic("old"),
                sent_at(at("03:00:00")).to_string().into_bytes(),
            ),
            (world.topic("silent-about-it"), Vec::new()),
        ])
        .await;
    world.clock.set(at("08:10:00"));
    let roles = world.run().await;
    world.caught_up().await;
    assert_eq!(world.sql(PRESENCE).await, "06:00 at-six\n07:00 at-seven");
    let gaps = "select country, cause, to_char(from_at at time zone 'UTC', 'HH24:MI'),
            to_char(to_at at time zone 'UTC', 'HH24:MI')
         from gaps where cause = 'unknown_time' order by 1";
    assert_eq!(
        world.sql(gaps).await,
        "ph|unknown_time|05:50|08:10\nzz|unknown_time|05:50|08:10"
    );
    headcount_tests::eventually("the hours are closed, and incomplete", async || {
        let hours = "select count(*), bool_or(complete) from hourly_counts where country = 'ph'";
        (world.sql(hours).await == "2|f").then_some(())
    })
    .await;
    assert_eq!(world.agent.named("headcount.hour.devices"), []);
    roles.end().await;
}

/// The same within one hour: there it does not matter when exactly.
#[tokio::test(flavor = "multi_thread")]
async fn within_one_hour_it_does_not_matter_when() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    roles.end().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet.publish([(world.topic("a"), Vec::new())]).await;
    world.clock.set(
        "2026-11-21T05:50:00Z"
            .parse::<chrono::DateTime<Utc>>()
            .unwrap(),
    );
    let roles = world.run_ingest().await;
    world.caught_up().await;
    assert_eq!(world.sql(PRESENCE).await, "05:00 a");
    roles.end().await;
}
