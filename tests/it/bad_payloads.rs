//! A bad payload does not silence a device, and a bad message does not stop those behind it.

use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use ingest::broker::BrokerUrl;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, RetainForwardRule};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use telemetry::Counter;

const PRESENT: &str = "select string_agg(device_id, ' ' order by device_id) from v_presence";

#[tokio::test(flavor = "multi_thread")]
async fn garbage_counts_as_heard_and_is_kept_with_its_reason() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let payloads: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("size", vec![b' '; 11 * 1024]),
        ("encoding", vec![0x1f, 0x8b, 0, 1]),
        ("utf8", b"{\"fw\":\"\xff\"}".to_vec()),
        ("syntax", b"{\"mcc\":\"515\"".to_vec()),
        ("depth", deep.into_bytes()),
        ("field", b"42".to_vec()),
        (
            "fine",
            br#"{"mcc":"515","mnc":"02","nonsense":[1]}"#.to_vec(),
        ),
        ("identity", br#"{"device_id":"somebody-else"}"#.to_vec()),
    ];
    // A clock that is wrong costs nothing while we listen: what counts is the arrival.
    let clocks = [
        ("clock-1970", br#"{"sent_at":0}"#.to_vec()),
        (
            "clock-2027",
            br#"{"sent_at":"2027-11-21T05:10:00Z"}"#.to_vec(),
        ),
    ];
    let mut messages: Vec<_> = payloads
        .into_iter()
        .chain(clocks)
        .map(|(device, payload)| (world.topic(device), payload))
        .collect();
    let long = "x".repeat(10_240);
    for level in ["", "'; drop table devices; --", &long] {
        messages.push((world.topic(level), Vec::new()));
    }
    messages.push((world.topic("after-all-that"), Vec::new()));
    fleet.publish(messages).await;
    world.caught_up().await;
    assert_eq!(
        world.sql(PRESENT).await,
        "after-all-that clock-1970 clock-2027 depth empty encoding field fine size syntax utf8"
    );
    assert_eq!(
        world.sql("select distinct hour from presence").await,
        world.sql("select timestamptz '2026-11-21T05:00:00Z'").await
    );
    let set_aside =
        "select string_agg(reason || ':' || payload_bytes, ' ' order by reason, payload_bytes)
         from quarantine";
    assert_eq!(
        world.sql(set_aside).await,
        "depth:4000 device_id:0 device_id:0 device_id:0 encoding:4 encoding:10 field:2 identity:29 size:11264 syntax:12"
    );
    assert_eq!(
        world
            .sql("select sum(messages) from quarantine_counts")
            .await,
        "10"
    );
    roles.end().await;
}

/// When the database refuses a message for what it holds, that message alone is set aside.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_database_refuses_is_found_and_set_aside_alone() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    world
        .sql("alter table heartbeats add constraint poison check (seq <> 666)")
        .await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let messages = (0..1000).map(|seq| {
        (
            world.topic(&format!("d{seq}")),
            format!(r#"{{"seq":{seq}}}"#).into_bytes(),
        )
    });
    fleet.publish(messages).await;
    world.caught_up().await;
    assert_eq!(world.sql("select count(*) from v_presence").await, "999");
    assert_eq!(
        world.sql("select reason, topic from quarantine").await,
        format!("refused|{}", world.topic("d666"))
    );
    roles.end().await;
}

/// When it refuses too many, the mistake is ours: the batch is held, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn when_too_many_are_refused_the_batch_is_held_until_the_cause_is_gone() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    world
        .sql("alter table heartbeats add constraint poison check (seq < 500)")
        .await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let messages = (0..1000).map(|seq| {
        (
            world.topic(&format!("d{seq}")),
            format!(r#"{{"seq":{seq}}}"#).into_bytes(),
        )
    });
    fleet.publish(messages).await;
    headcount_tests::eventually("ingest says that it holds", async || {
        world
            .health
            .troubles()
            .contains_key("database")
            .then_some(())
    })
    .await;
    world
        .sql("alter table heartbeats drop constraint poison")
        .await;
    world.caught_up().await;
    let present: u32 = world
        .sql("select count(*) from v_presence")
        .await
        .parse()
        .unwrap();
    let refused: u32 = world
        .sql("select count(*) from quarantine")
        .await
        .parse()
        .unwrap();
    assert_eq!(present + refused, 1000);
    assert!(
        refused <= 40,
        "{refused} were set aside before the batch was held"
    );
    roles.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_registry_rejects_strangers_and_hears_its_own() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    world.sql("insert into devices (device_id, first_seen_at, registered) values ('own', now(), true)").await;
    let mut config = world.ingest_config();
    config.registry = ingest::Registry::Closed;
    let roles = world.run_with(Some(config), None).await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet
        .publish(["own", "stranger"].map(|device| (world.topic(device), Vec::new())))
        .await;
    world.caught_up().await;
    assert_eq!(world.sql("select device_id from v_presence").await, "own");
    assert_eq!(
        world.sql("select reason, topic from quarantine").await,
        format!("closed_registry|{}", world.topic("stranger"))
    );
    roles.end().await;
}

/// A firmware that sends a made-up carrier with every heartbeat must not make a series, a row or a
/// piece of memory of each: a country has room for so many carriers, and the rest are `other`.
#[tokio::test(flavor = "multi_thread")]
async fn carriers_beyond_those_a_country_has_room_for_are_other() {
    const NAMES: usize = 3_000;
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let made_up = |from: usize| {
        let topic = world.topic("inventive");
        (from..from + NAMES).map(move |number| {
            let payload = format!(r#"{{"country":"ph","carrier":"carrier {number}"}}"#);
            (topic.clone(), payload.into_bytes())
        })
    };
    let carriers = "select count(*), count(*) filter (where carrier like 'carrier-%'),
            count(*) filter (where carrier in ('unknown', 'other')) from carriers";
    let rows = "select (select count(*) from last_heard), (select count(*) from presence)";
    fleet.publish(made_up(0)).await;
    world.caught_up().await;
    assert_eq!(world.sql(carriers).await, "64|62|2");
    // One row for each carrier the device was last heard through: the 62, and `other`.
    assert_eq!(world.sql(rows).await, "63|1");
    fleet.publish(made_up(NAMES)).await;
    // A country of its own is not harmed.
    let elsewhere = br#"{"country":"jp","carrier":"docomo"}"#.to_vec();
    fleet.publish([(world.topic("elsewhere"), elsewhere)]).await;
    world.caught_up().await;
    assert_eq!(
        world.sql(&format!("{carriers} where country = 'ph'")).await,
        "64|62|2"
    );
    assert_eq!(world.sql(rows).await, "64|2");
    let other = "select count(*) from v_presence where device_id = 'inventive'
         and carrier = 'other'";
    assert_eq!(world.sql(other).await, "1");
    roles.end().await;
}

/// Speaks to the broker as any client: one step of whatever is asked, until `done` says so.
async fn client_until(
    world: &World,
    name: &str,
    ask: impl AsyncFnOnce(&AsyncClient),
    done: impl Fn(&Packet) -> bool,
) {
    let address = BrokerUrl::parse(&world.broker_url).unwrap().address();
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut options = MqttOptions::new(name, host, port.parse().unwrap());
    options.set_clean_start(false);
    options.set_session_expiry_interval(Some(3600));
    // What comes meanwhile is not for this client: unacknowledged, it comes again.
    options.set_manual_acks(true);
    let (client, mut events) = AsyncClient::new(options, 16);
    ask(&client).await;
    while !matches!(events.poll().await.unwrap(), Event::Incoming(packet) if done(&packet)) {}
    client.disconnect().await.unwrap();
    while events.poll().await.is_ok() {}
}

/// What the broker has kept says nothing about now. It comes where a subscription asks for it; ours
/// does not, so the session is prepared by one that does.
#[tokio::test(flavor = "multi_thread")]
async fn a_retained_message_is_counted_apart_and_never_heard() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let topic = world.topic("long-gone");
    client_until(
        &world,
        &format!("retains-{}", world.slot()),
        async |client| {
            let kept = client.publish(&topic, QoS::AtLeastOnce, true, "{}");
            kept.await.unwrap();
        },
        |packet| matches!(packet, Packet::PubAck(_)),
    )
    .await;
    let retained_before = Counter::MessagesRetained.value();
    client_until(
        &world,
        &world.ingest_config().client_id,
        async |client| {
            let mut filter = Filter::new(world.filter(), QoS::AtLeastOnce);
            filter.retain_forward_rule = RetainForwardRule::OnEverySubscribe;
            client.subscribe_many([filter]).await.unwrap();
        },
        |packet| matches!(packet, Packet::SubAck(_)),
    )
    .await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet.publish([(world.topic("alive"), Vec::new())]).await;
    world.caught_up().await;
    assert_eq!(world.sql(PRESENT).await, "alive");
    assert_eq!(world.sql("select count(*) from quarantine").await, "0");
    assert!(Counter::MessagesRetained.value() > retained_before);
    roles.end().await;
}

/// QoS 0 has no promise, and is heard all the same when it arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_at_qos_0_is_heard() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let topic = world.topic("careless");
    client_until(
        &world,
        &format!("careless-{}", world.slot()),
        async |client| {
            let beat = client.publish(&topic, QoS::AtMostOnce, false, "");
            beat.await.unwrap();
            // Acknowledged behind it: then the broker has both.
            let topic = world.topic("careful");
            let beat = client.publish(topic, QoS::AtLeastOnce, false, "");
            beat.await.unwrap();
        },
        |packet| matches!(packet, Packet::PubAck(_)),
    )
    .await;
    world.caught_up().await;
    assert_eq!(world.sql(PRESENT).await, "careful careless");
    roles.end().await;
}

/// A topic that does not fit the filter never comes, and if it does, because the session holds
/// a wider subscription from before, it is rejected.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_a_level_more_is_not_subscribed_and_not_taken() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let deeper = format!("{}/more", world.topic("deeper"));
    fleet
        .publish([
            (deeper.clone(), Vec::new()),
            (world.topic("fits"), Vec::new()),
        ])
        .await;
    world.caught_up().await;
    assert_eq!(world.sql(PRESENT).await, "fits");
    assert_eq!(world.sql("select count(*) from quarantine").await, "0");
    roles.end().await;

    client_until(
        &world,
        &world.ingest_config().client_id,
        async |client| {
            let wider = format!("{}/#", world.filter());
            client.subscribe(wider, QoS::AtLeastOnce).await.unwrap();
        },
        |packet| matches!(packet, Packet::SubAck(_)),
    )
    .await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    fleet.publish([(deeper.clone(), Vec::new())]).await;
    world.caught_up().await;
    assert_eq!(world.sql(PRESENT).await, "fits");
    assert_eq!(
        world.sql("select reason, topic from quarantine").await,
        format!("topic|{deeper}")
    );
    roles.end().await;
}
