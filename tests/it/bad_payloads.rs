//! A bad payload does not silence a device, and a bad message does not stop those behind it.

use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;

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
    let mut messages: Vec<_> = payloads
        .into_iter()
        .map(|(device, payload)| (world.topic(device), payload))
        .collect();
    messages.push((world.topic("not a device id"), Vec::new()));
    messages.push((world.topic("after-all-that"), Vec::new()));
    fleet.publish(messages).await;
    world.caught_up().await;
    let present = "select string_agg(device_id, ' ' order by device_id) from v_presence";
    assert_eq!(
        world.sql(present).await,
        "after-all-that depth empty encoding field fine size syntax utf8"
    );
    let set_aside =
        "select string_agg(reason || ':' || payload_bytes, ' ' order by reason, payload_bytes)
         from quarantine";
    assert_eq!(
        world.sql(set_aside).await,
        "depth:4000 device_id:0 encoding:4 encoding:10 field:2 identity:29 size:11264 syntax:12"
    );
    assert_eq!(
        world
            .sql("select sum(messages) from quarantine_counts")
            .await,
        "8"
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
