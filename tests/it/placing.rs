//! Where a heartbeat came from: serving cells, the registry, and a changed topic filter.

use headcount_tests::binary;
use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use ingest::decode::FieldPaths;
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

/// A fleet with another layout needs configuration, and no code: its own messages, in JSON and in
/// CBOR, and what `headcount publish` sends for it.
#[tokio::test(flavor = "multi_thread")]
async fn fields_are_read_where_a_fleet_has_them() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let layout = [
        ("sent_at", "data.time"),
        ("mcc", "radio.plmn.mcc"),
        ("mnc", "radio.plmn.mnc"),
        ("device_id", "data.imei"),
    ];
    let mut config = world.ingest_config();
    config.field_paths = FieldPaths::new(layout).unwrap();
    let roles = world.run_with(Some(config), None).await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let json = br#"{"data":{"time":1795237800,"imei":"json"},
        "radio":{"plmn":{"mcc":"515","mnc":"02"},"rsrp":-97},"seq":1}"#;
    let flush = br#"[{"data":{"time":1795237700},"radio":{"plmn":{"mcc":"440"}}},
        {"data":{"time":1795237800},"radio":{"plmn":{"mcc":"515"}}}]"#;
    // {"radio": {"plmn": {"mcc": "515", "mnc": "03"}}}
    let cbor = b"\xa1\x65radio\xa1\x64plmn\xa2\x63mcc\x63515\x63mnc\x6203";
    fleet
        .publish([
            (world.topic("json"), json.to_vec()),
            (world.topic("flush"), flush.to_vec()),
            (world.topic("cbor"), cbor.to_vec()),
            (
                world.topic("own-names"),
                br#"{"mcc":"515","mnc":"02"}"#.to_vec(),
            ),
            (
                world.topic("forged"),
                br#"{"data":{"imei":"somebody-else"}}"#.to_vec(),
            ),
        ])
        .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, "device_id,mcc,mnc\npublished,515,66\n").unwrap();
    let mut publish = binary::command(&world, &["publish", file.to_str().unwrap()]);
    for (field, path) in layout {
        let variable = format!("HEADCOUNT_INGEST__FIELDS__{}", field.to_ascii_uppercase());
        publish.env(variable, path);
    }
    let published = tokio::task::spawn_blocking(move || publish.output()).await;
    let published = published.unwrap().unwrap();
    let said = String::from_utf8_lossy(&published.stderr);
    assert!(published.status.success(), "{said}");
    world.caught_up().await;
    let heard = "select device_id, country, carrier from v_presence order by 1";
    assert_eq!(
        world.sql(heard).await,
        "cbor|ph|smart\nflush|ph|unknown\njson|ph|globe\nown-names|zz|unknown\n\
         published|ph|dito"
    );
    let evidence = "select seq, extract(epoch from sent_at)::bigint from heartbeats
         join devices using (device_no) where device_id = 'json'";
    assert_eq!(world.sql(evidence).await, "1|1795237800");
    assert_eq!(
        world.sql("select reason, topic from quarantine").await,
        format!("identity|{}", world.topic("forged"))
    );
    roles.end().await;
}
