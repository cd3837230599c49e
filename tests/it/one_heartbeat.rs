//! A heartbeat walks all the way through.

use headcount_tests::http::get;
use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use headcount_tests::{binary, eventually};
use serde_json::json;

fn beat(mcc: &str, mnc: &str) -> Vec<u8> {
    json!({ "mcc": mcc, "mnc": mnc }).to_string().into_bytes()
}

/// India's hours lie at half past by UTC. A roamer counts once in the country and once in each of
/// its carriers, and a carrier that falls silent is 0.
#[tokio::test(flavor = "multi_thread")]
async fn reaches_the_api_the_command_line_and_datadog() {
    let world = World::at("2026-11-21T08:10:00Z").await;
    let roles = world.run().await;
    let api = roles.api.unwrap();
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);

    // 09:30–10:30 UTC is 15:00–16:00 in India.
    world.go_to("2026-11-21T09:45:00Z").await;
    let (jio, airtel) = (beat("405", "857"), beat("404", "10"));
    let messages = [
        ("a", &jio),
        ("a", &airtel),
        ("b", &jio),
        ("b", &jio),
        ("c", &airtel),
    ];
    fleet
        .publish(messages.map(|(device, beat)| (world.topic(device), beat.clone())))
        .await;
    world.caught_up().await;
    world.go_to("2026-11-21T09:46:00Z").await;

    let now = eventually("the minute is counted", async || {
        let country = get(api, "/api/v1/countries/in").await;
        (country.status == 200)
            .then(|| country.json())
            .filter(|c| c["now"].is_number())
    })
    .await;
    assert_eq!(now["now"], 3);
    assert_eq!(now["time_zone"], "Asia/Kolkata");

    // The next hour: only `b` through Jio; Airtel has fallen silent.
    world.go_to("2026-11-21T10:31:00Z").await;
    fleet.publish([(world.topic("b"), jio.clone())]).await;
    world.go_to("2026-11-21T10:32:30Z").await;
    let hours = eventually("the hour is closed", async || {
        let path = "/api/v1/countries/in/hours?from=2026-11-21T15:00&to=2026-11-21T17:00";
        let hours = get(api, path).await.json();
        (hours["items"][0]["revision"] == 1).then_some(hours)
    })
    .await;
    let closed = &hours["items"][0];
    assert_eq!(closed["start"], "2026-11-21T15:00:00+05:30");
    assert_eq!(closed["end"], "2026-11-21T16:00:00+05:30");
    assert_eq!(closed["devices"], 3);
    assert_eq!(closed["carriers"], json!({ "airtel": 2, "jio": 2 }));
    assert_eq!(
        (&closed["complete"], &closed["open"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        hours["items"][1]["devices"], 1,
        "the running hour is counted live"
    );
    assert_eq!(hours["items"][1]["open"], true);

    world.go_to("2026-11-21T11:32:30Z").await;
    let sent = eventually("both hours reach Datadog", async || {
        let sent = world.agent.named("headcount.hour.carrier_devices");
        (sent.len() >= 4).then_some(sent)
    })
    .await;
    let lines: Vec<_> = sent
        .iter()
        .map(|line| (line.timestamp.unwrap(), line.tag("carrier"), line.value))
        .collect();
    let (first, second) = (1_795_256_999, 1_795_260_599); // 10:29:59 and 11:29:59 UTC
    for expected in [
        (first, "airtel", 2.0),
        (first, "jio", 2.0),
        (second, "airtel", 0.0),
        (second, "jio", 1.0),
    ] {
        assert!(
            lines.contains(&expected),
            "{expected:?} is missing from {lines:?}"
        );
    }
    let country = world.agent.named("headcount.hour.devices");
    assert!(
        country
            .iter()
            .all(|line| line.kind == "g" && line.tag("country") == "in")
    );
    assert!(
        country
            .iter()
            .any(|line| (line.timestamp, line.value) == (Some(first), 3.0))
    );
    let old = eventually("both hours under the old name", async || {
        let lines = world.agent.named("mccs.connection.hour.count");
        (lines.len() == 2).then_some(lines)
    })
    .await;
    let old: Vec<_> = old
        .iter()
        .map(|l| (l.kind.as_str(), l.tag("country"), l.value))
        .collect();
    assert_eq!(old, [("d", "india", 3.0), ("d", "india", 1.0)]);

    let table = binary::stdout(
        &world,
        &[
            "count",
            "--country",
            "in",
            "--from",
            "2026-11-21T15:00",
            "--to",
            "2026-11-21T17:00",
            "--by",
            "carrier",
            "--format",
            "csv",
        ],
    )
    .await;
    assert_eq!(
        table,
        "start,devices,airtel,jio\n\
         2026-11-21T15:00:00+05:30,3,2,2\n\
         2026-11-21T16:00:00+05:30,1,0,1\n"
    );
    roles.end().await;
}
