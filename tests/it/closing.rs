//! Closed hours: late presence, resends, takeover, what is unknown, and what was imported.

use headcount_tests::dogstatsd::Metric;
use headcount_tests::http::get;
use headcount_tests::publisher::Publisher;
use headcount_tests::world::{Roles, World};
use headcount_tests::{binary, eventually};

const BEAT: &[u8] = br#"{"mcc":"515","mnc":"02"}"#;

/// A world that was started in the hour before, so that the hour from 01:00 can be complete.
async fn started() -> (World, Roles, Publisher) {
    let world = World::at("2026-11-21T00:30:00Z").await;
    let roles = world.run().await;
    world.caught_up().await;
    world.go_to("2026-11-21T01:05:00Z").await;
    let fleet = Publisher::new(&world.broker_url);
    (world, roles, fleet)
}

async fn publish(world: &World, fleet: &mut Publisher, devices: &[&str]) {
    let messages = devices
        .iter()
        .map(|device| (world.topic(device), BEAT.to_vec()));
    fleet.publish(messages).await;
    world.caught_up().await;
}

fn values(lines: &[Metric]) -> Vec<(i64, f64)> {
    lines
        .iter()
        .map(|line| (line.timestamp.unwrap_or(0), line.value))
        .collect()
}

/// A closed hour is sent at once and at +10, +25 and +45 minutes, always with the timestamp of its
/// last second, and never after +55.
#[tokio::test(flavor = "multi_thread")]
async fn an_hour_is_sent_again_by_plan() {
    let (world, roles, mut fleet) = started().await;
    publish(&world, &mut fleet, &["a", "b"]).await;
    let last_second = 1_795_226_399; // 2026-11-21T01:59:59Z
    let mut expected = 0;
    for now in ["02:03:00", "02:10:01", "02:25:01", "02:45:01"] {
        world.go_to(&format!("2026-11-21T{now}Z")).await;
        expected += 1;
        let sent = eventually("the next step of the plan", async || {
            let sent = world.agent.named("headcount.hour.devices");
            (sent.len() >= expected).then_some(sent)
        })
        .await;
        assert_eq!(values(&sent), vec![(last_second, 2.0); expected]);
    }
    world.go_to("2026-11-21T02:58:00Z").await;
    world.go_to("2026-11-21T03:03:00Z").await;
    let sent = eventually("the following hour", async || {
        let sent = world.agent.named("headcount.hour.devices");
        (sent.len() > expected).then_some(sent)
    })
    .await;
    assert_eq!(sent.len(), expected + 1);
    assert_eq!(
        sent.last().unwrap().value,
        0.0,
        "nobody was heard: 0, not silence"
    );
    roles.end().await;
}

/// A carrier gets series of its own from a size on, and keeps them for seven days, zeros included.
#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_is_sent_from_a_size_on() {
    let world = World::at("2026-11-21T00:30:00Z").await;
    let mut exporter = world.exporter_config();
    exporter.carrier_now = true;
    exporter.min_carrier_devices = 3;
    let ingest = world.ingest_config();
    let roles = world.run_with(Some(ingest), Some(exporter)).await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let beats = |globe: usize, smart: usize| {
        let devices = (0..globe).map(|n| (format!("globe-{n}"), BEAT));
        let smart_beat = br#"{"mcc":"515","mnc":"03"}"#;
        let others = (0..smart).map(|n| (format!("smart-{n}"), &smart_beat[..]));
        devices
            .chain(others)
            .map(|(device, beat)| (world.topic(&device), beat.to_vec()))
            .collect::<Vec<_>>()
    };
    let carriers = |name: &str| {
        let lines = world.agent.named(name);
        lines
            .iter()
            .map(|line| (line.tag("carrier").to_owned(), line.value))
            .collect::<Vec<_>>()
    };
    // What is published in each hour, and what is then sent of its carriers.
    let globe = |devices: f64| Some(("globe".to_owned(), devices));
    for (hour, (in_globe, in_smart), sent) in [
        (1, (3, 2), globe(3.0)),
        (2, (1, 2), globe(1.0)),
        (3, (0, 2), globe(0.0)),
        (4, (2, 2), None),
    ] {
        if hour == 4 {
            // The one hour in which the carrier had its size is now more than seven days ago.
            let aged = "update hourly_counts
                 set hour = hour - interval '8 days', hour_end = hour_end - interval '8 days'
                 where country = 'ph' and hour = '2026-11-21T01:00Z'";
            world.sql(aged).await;
        }
        world.go_to(&format!("2026-11-21T{hour:02}:05:00Z")).await;
        fleet.publish(beats(in_globe, in_smart)).await;
        world.caught_up().await;
        let country = f64::from(u8::try_from(in_globe + in_smart).unwrap());
        let before = carriers("headcount.hour.carrier_devices").len();
        let next = hour + 1;
        world.go_to(&format!("2026-11-21T{next:02}:03:00Z")).await;
        eventually("the hour is sent", async || {
            let hours = world.agent.named("headcount.hour.devices");
            (hours.len() == hour && hours[hour - 1].value == country).then_some(())
        })
        .await;
        // The minute after it is counted by the same tick, or a later one.
        let minute = world.agent.named("headcount.now.devices").len();
        world.go_to(&format!("2026-11-21T{next:02}:04:00Z")).await;
        eventually("a tick is over", async || {
            (world.agent.named("headcount.now.devices").len() > minute).then_some(())
        })
        .await;
        let lines = carriers("headcount.hour.carrier_devices");
        assert_eq!(&lines[before..], sent.as_slice(), "hour {hour}");
    }
    let now = carriers("headcount.now.carrier_devices");
    assert!(
        !now.is_empty() && now.iter().all(|(carrier, _)| carrier == "globe"),
        "{now:?}"
    );
    roles.end().await;
}

/// Presence that comes for a closed hour makes a new revision, which is sent at once.
#[tokio::test(flavor = "multi_thread")]
async fn late_presence_makes_a_new_revision() {
    let (world, roles, mut fleet) = started().await;
    publish(&world, &mut fleet, &["a"]).await;
    world.go_to("2026-11-21T02:03:00Z").await;
    eventually("the hour is sent", async || {
        (world.agent.named("headcount.hour.devices").len() == 1).then_some(())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("late.csv");
    std::fs::write(
        &file,
        "device_id,heard_at,mcc,mnc\nb,2026-11-21T01:30:00Z,515,03\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    for _twice in 0..2 {
        binary::stdout(&world, &["import", "heartbeats", file]).await;
    }
    // Counted again at most once a minute.
    world.go_to("2026-11-21T02:04:30Z").await;
    let sent = eventually("the revision is sent", async || {
        let sent = world.agent.named("headcount.hour.devices");
        (sent.len() >= 2).then_some(sent)
    })
    .await;
    assert_eq!(sent[1].value, 2.0);
    assert_eq!(sent[0].timestamp, sent[1].timestamp);
    let revision = "select revision, devices, carriers from hourly_counts
         where country = 'ph' and hour = '2026-11-21T01:00Z'";
    assert_eq!(world.sql(revision).await, r#"2|2|{"globe": 1, "smart": 1}"#);
    assert_eq!(
        world.agent.named("mccs.connection.hour.count").len(),
        1,
        "once per hour"
    );

    // Closing by hand makes a revision even without a change, and has it sent.
    let hour = ["close", "--country", "ph", "--hour", "2026-11-21T09:00"];
    let said = binary::stdout(&world, &hour).await;
    assert!(
        said.contains("2026-11-21T09:00:00+08:00") && said.contains("revision 3"),
        "{said}"
    );
    let unheard = ["close", "--country", "ph", "--hour", "2026-11-20T09:00"];
    let output = binary::run(&world, &unheard).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("never heard"));
    eventually("it is sent anew", async || {
        (world.agent.named("headcount.hour.devices").len() >= 3).then_some(())
    })
    .await;
    roles.end().await;
}

/// Hours before the first start that were imported are counted; those in between, which nobody
/// heard, are not made up.
#[tokio::test(flavor = "multi_thread")]
async fn imported_hours_are_closed_and_the_unheard_ones_between_are_not() {
    let world = World::at("2026-11-21T06:30:00Z").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.csv");
    let rows = "device_id,heard_at,mcc,mnc\na,2026-11-18T01:30:00Z,515,03\nb,not a time,515,03\n";
    std::fs::write(&file, rows).unwrap();
    let output = binary::run(&world, &["import", "heartbeats", file.to_str().unwrap()]).await;
    let said = String::from_utf8(output.stderr).unwrap() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line 3") || said.contains("3:"),
        "the bad row is named: {said}"
    );

    // The command took the country into use by the real clock, whatever that says today.
    world
        .sql("update countries set first_seen_at = '2026-11-21T06:30:00Z'")
        .await;
    let roles = world.run().await;
    world.caught_up().await;
    world.go_to("2026-11-21T07:03:00Z").await;
    let hours = "select string_agg(to_char(hour at time zone 'UTC', 'DD HH24') || ' ' || devices
         || ' ' || complete, ', ' order by hour) from hourly_counts where country = 'ph'";
    eventually("the imported hour is closed", async || {
        (world.sql(hours).await == "18 01 1 true, 21 06 0 false").then_some(())
    })
    .await;
    assert_eq!(
        world.agent.named("headcount.hour.devices"),
        [],
        "too old for Datadog"
    );
    roles.end().await;
}

/// An import never sends what Datadog would drop, unless somebody says that it takes points of any age.
/// Then an hour is sent by a plan that begins when it was counted.
#[tokio::test(flavor = "multi_thread")]
async fn an_imported_hour_is_sent_only_where_points_of_any_age_are_taken() {
    let world = World::at("2026-11-21T06:30:00Z").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.csv");
    let rows = "device_id,heard_at,mcc,mnc\na,2026-11-18T01:30:00Z,515,03\n";
    std::fs::write(&file, rows).unwrap();
    binary::stdout(&world, &["import", "heartbeats", file.to_str().unwrap()]).await;
    world
        .sql("update countries set first_seen_at = '2026-11-21T06:30:00Z'")
        .await;
    let roles = world.run().await;
    world.caught_up().await;
    let hours = "select count(*) from hourly_counts where country = 'ph'";
    eventually("the imported hour is closed", async || {
        (world.sql(hours).await == "1").then_some(())
    })
    .await;
    world.go_to("2026-11-21T06:35:00Z").await;
    eventually("a tick is over", async || {
        let ticks = world.agent.named("headcount.pipeline.blind").len();
        (ticks > 1).then_some(())
    })
    .await;
    assert_eq!(world.agent.named("headcount.hour.devices"), []);
    assert_eq!(world.agent.named("mccs.connection.hour.count"), []);
    roles.end().await;

    let mut exporter = world.exporter_config();
    exporter.historical_metrics = true;
    let ingest = world.ingest_config();
    let roles = world.run_with(Some(ingest), Some(exporter)).await;
    let last_second = 1_794_967_199; // 2026-11-18T01:59:59Z
    for (expected, now) in [(1, "06:36:00"), (2, "06:40:30")] {
        world.go_to(&format!("2026-11-21T{now}Z")).await;
        let sent = eventually("the old hour is sent", async || {
            let sent = world.agent.named("headcount.hour.devices");
            (sent.len() >= expected).then_some(sent)
        })
        .await;
        assert_eq!(values(&sent), vec![(last_second, 1.0); expected]);
    }
    roles.end().await;
}

/// Two exporters: one works. When it is gone, the other takes over; no hour is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_exporter_takes_over() {
    let (world, roles, mut fleet) = started().await;
    publish(&world, &mut fleet, &["a"]).await;
    let standby = world.run_with(None, Some(world.exporter_config())).await;
    world.go_to("2026-11-21T02:03:00Z").await;
    eventually("the hour is sent", async || {
        (!world.agent.named("headcount.hour.devices").is_empty()).then_some(())
    })
    .await;
    assert_eq!(
        world.agent.named("headcount.hour.devices").len(),
        1,
        "by one of them"
    );
    let ingest = world.run_ingest().await;
    roles.end().await;
    world.go_to("2026-11-21T03:03:00Z").await;
    eventually("the next hour is sent", async || {
        (world.agent.named("headcount.hour.devices").len() == 2).then_some(())
    })
    .await;
    standby.end().await;
    ingest.end().await;
}

/// Blind is not zero: without a watermark nothing is said about now, and `pipeline.blind` is 1.
#[tokio::test(flavor = "multi_thread")]
async fn what_we_cannot_see_is_unknown_and_not_zero() {
    let (world, roles, mut fleet) = started().await;
    publish(&world, &mut fleet, &["a"]).await;
    world.go_to("2026-11-21T01:06:00Z").await;
    eventually("now is known", async || {
        let now = world.agent.named("headcount.now.devices");
        (now.last()?.value == 1.0).then_some(())
    })
    .await;
    roles.end().await;

    let before = world.agent.named("headcount.now.devices").len();
    world.clock.set("2026-11-21T01:30:00Z".parse().unwrap());
    let exporter = world.run_with(None, Some(world.exporter_config())).await;
    eventually("it says that it is blind", async || {
        (world.agent.named("headcount.pipeline.blind").last()?.value == 1.0).then_some(())
    })
    .await;
    assert_eq!(world.agent.named("headcount.now.devices").len(), before);
    let country = get(exporter.api.unwrap(), "/api/v1/countries/ph")
        .await
        .json();
    assert_eq!(
        (country["now"].is_null(), &country["status"]),
        (true, &"unknown".into())
    );
    let status = get(exporter.api.unwrap(), "/api/v1/status").await.json();
    assert_eq!(status["can_count"], false);
    exporter.end().await;
}

/// A country's clock is changed: its hours keep their boundaries until both clocks begin one.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_zone_keeps_the_hours_that_were() {
    let (world, roles, mut fleet) = started().await;
    publish(&world, &mut fleet, &["a"]).await;
    roles.end().await;
    let now = "2026-11-21T01:20:00Z".parse().unwrap();
    let countries = world.store.countries().await.unwrap();
    let row = &countries[&model::Country::parse("ph").unwrap()];
    let settings = store::countries::CountrySettings {
        time_zone: "Asia/Kolkata".parse().unwrap(),
        reach_window: row.reach_window,
    };
    // Manila's hours and Kolkata's never begin together: the change comes with the next hour.
    let from = world
        .store
        .update_country(row, settings, now)
        .await
        .unwrap();
    assert_eq!(from, Some("2026-11-21T02:00:00Z".parse().unwrap()));
    assert_eq!(
        world
            .store
            .update_country(row, settings, now)
            .await
            .unwrap(),
        from
    );
    let countries = world.store.countries().await.unwrap();
    let zones = &countries[&row.country].zones;
    let hours: Vec<_> = zones
        .hours(
            "2026-11-21T00:00:00Z".parse().unwrap(),
            "2026-11-21T04:00:00Z".parse().unwrap(),
        )
        .map(|hour| hour.start.format("%H:%M").to_string())
        .collect();
    assert_eq!(hours, ["00:00", "01:00", "02:00", "02:30", "03:30"]);
}

/// Presence is dropped after its retention, the count stays. An import for such an hour finds
/// nothing left to count from: the count must not fall.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_does_not_fall_when_its_presence_is_past_its_retention() {
    let (world, roles, mut fleet) = started().await;
    publish(&world, &mut fleet, &["a", "b"]).await;
    world.go_to("2026-11-21T02:03:00Z").await;
    let count = "select devices, revision from hourly_counts
         where country = 'ph' and hour = '2026-11-21T01:00Z'";
    eventually("the hour is closed", async || {
        (world.sql(count).await == "2|1").then_some(())
    })
    .await;
    let marker = "select count(*) from late_hours";
    world
        .sql(
            "delete from presence where device_no is not null;
             insert into presence select '2026-11-21T01:00Z', 'ph', device_no, 1 from devices
             where device_id = 'a';
             insert into late_hours select country, hour, hour_end, hour_end from hourly_counts
             where country = 'ph' and hour = '2026-11-21T01:00Z'",
        )
        .await;
    world.go_to("2026-11-21T02:05:00Z").await;
    eventually("the marker is dealt with", async || {
        (world.sql(marker).await == "0").then_some(())
    })
    .await;
    assert_eq!(world.sql(count).await, "2|1");
    roles.end().await;
}
