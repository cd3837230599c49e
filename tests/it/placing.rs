//! Where a heartbeat came from: serving cells, the registry, and a changed topic filter.

use headcount_tests::binary;
use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use ingest::topic::TopicFilter;

/// The region is that of the serving cell; without one, that of the registry. A registered home
/// places a heartbeat that says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn regions_come_from_cells_and_then_from_the_registry() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cells = write(
        "cells.csv",
        "plmn,tac,region,zone\n515-02,1A2B,Cebu,Asia/Manila\n",
    );
    let devices = write(
        "devices.csv",
        "device_id,country,carrier,partner,region,status\n\
         at-home,jp,docomo,Acme,Kanto,active\nroaming,jp,docomo,Acme,Kanto,active\n",
    );
    binary::stdout(&world, &["import", "cells", &cells]).await;
    binary::stdout(&world, &["import", "devices", &devices]).await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let cebu = br#"{"mcc":"515","mnc":"02","tac":"1A2B"}"#.to_vec();
    fleet
        .publish([
            (world.topic("at-home"), Vec::new()),
            (world.topic("roaming"), cebu),
            (world.topic("stranger"), Vec::new()),
        ])
        .await;
    world.caught_up().await;
    let heard = "select device_id, l.country, k.carrier, l.region from last_heard l
         join devices using (device_no)
         join carriers k on k.country = l.country and k.bit = l.carrier_bit order by 1";
    assert_eq!(
        world.sql(heard).await,
        "at-home|jp|docomo|Kanto\nroaming|ph|globe|Cebu\nstranger|zz|unknown|"
    );
    // What the newest heartbeat does not say is placed where the device was last.
    fleet.publish([(world.topic("roaming"), Vec::new())]).await;
    world.caught_up().await;
    assert_eq!(
        world
            .sql("select distinct country from v_presence where device_id = 'roaming'")
            .await,
        "ph"
    );
    roles.end().await;
}

/// A changed filter gives the old one up, and what waited under it is still heard. What was sent
/// to the new topic before we listened there is a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_topic_filter_gives_the_old_one_up() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    roles.end().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet.publish([(world.topic("waited"), Vec::new())]).await;

    let mut config = world.ingest_config();
    let new = format!("fleet{}/{{device_id}}/hb", world.number);
    config.topic_filter = TopicFilter::parse(&new).unwrap();
    world.clock.set("2026-11-21T05:20:00Z".parse().unwrap());
    let roles = world.run_with(Some(config), None).await;
    world.caught_up().await;
    fleet
        .publish([
            (world.topic("old-topic"), Vec::new()),
            (format!("fleet{}/new-topic/hb", world.number), Vec::new()),
        ])
        .await;
    world.caught_up().await;
    let present = "select string_agg(device_id, ' ' order by device_id) from v_presence";
    assert_eq!(world.sql(present).await, "new-topic waited");
    let gap = "select extract(epoch from to_at - from_at)::int / 60 from gaps
         where cause = 'session_lost'";
    assert_eq!(world.sql(gap).await, "10");
    roles.end().await;
}
