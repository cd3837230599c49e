//! A window that is too narrow for the fleet is found out before and while it hurts.

use headcount_tests::http::get;
use headcount_tests::publisher::Publisher;
use headcount_tests::world::{World, free_address};
use headcount_tests::{binary, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn validate_sees_what_the_broker_hands_over_and_what_arrives() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let today = "date_trunc('day', now())";
    world
        .sql(&format!(
            "create table heartbeats_now partition of heartbeats
                 for values from ({today} - interval '1 day') to ({today} + interval '2 days');
             insert into heartbeats (received_at, device_no, carrier_bit, older_entry, slot, country)
             select now() - n * interval '1 millisecond', 1, 0, false, '{}', 'ph'
             from generate_series(1, 120000) n",
            world.slot()
        ))
        .await;
    let mut command = binary::command(&world, &["validate"]);
    command.env("HEADCOUNT_MQTT__RECEIVE_MAXIMUM", "20");
    let output = tokio::task::spawn_blocking(move || command.output());
    let report = String::from_utf8(output.await.unwrap().unwrap().stdout).unwrap();
    for part in [
        "(20) is below ingest.batch_max_messages",
        "hands over 20 messages, as many as mqtt.receive_maximum allows",
        "messages per second; in the last hour came 1000.0",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_and_what_it_allows_are_in_the_metrics() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let listen = free_address();
    let mut command = binary::command(&world, &["ingest"]);
    command
        .env("HEADCOUNT_API__PROBES_LISTEN", listen.to_string())
        .env("HEADCOUNT_MQTT__RECEIVE_MAXIMUM", "20");
    let ingest = binary::Running::start(command);
    eventually("it hears", async || world.watermark().await).await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet
        .publish((0..100).map(|n| (world.topic(&format!("d{n}")), Vec::new())))
        .await;
    let metrics = eventually("a commit was measured", async || {
        let metrics = get(listen, "/metrics").await.body;
        let line = "\nheadcount_ingest_window_limit_per_second ";
        let limit = metrics
            .split(line)
            .nth(1)?
            .lines()
            .next()?
            .parse::<u32>()
            .ok()?;
        (limit > 0).then_some(metrics)
    })
    .await;
    assert!(
        metrics.contains("\nheadcount_ingest_window_messages 20\n"),
        "{metrics}"
    );
    drop(ingest);
}
