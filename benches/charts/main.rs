//! How long a chart takes from the request to the last byte, with the database in between: what
//! somebody waits who posts a link to one.
//!
//! `cargo bench --package headcount-benches -- chart` runs this and nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed, and printing is its purpose"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use chrono::TimeDelta;
use chrono_tz::Tz;
use devstack::{DataDir, Postgres, PostgresOptions};
use headcount_api::{Context, router};
use model::{Catalogue, Country, ManualClock};
use store::countries::CountrySettings;
use store::history::MinuteRow;
use store::import::HourImport;
use store::presence::Counts;
use store::{Settings, Store};
use telemetry::Health;
use tower::ServiceExt as _;

/// The name of this bench among the parts.
const PART: &str = "chart";
/// Each picture is drawn so often.
const ROUNDS: u32 = 30;
/// What a picture of the usual size may take.
const GOAL_MILLIS: u32 = 80;
/// How far the counts reach back.
const DAYS: i64 = 15;
/// The most bytes of a picture.
const MAX_PICTURE_BYTES: usize = 8 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut parts = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    if parts.peek().is_some() && !parts.any(|part| part == PART) {
        return;
    }
    println!("{}", headcount_benches::header());
    let folder = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&folder, PostgresOptions::fast()).unwrap();
    postgres.create_database("charts").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(postgres.url("charts")));
}

async fn measure(url: String) {
    let context = context(url).await;
    println!(
        "\ncharts, {ROUNDS} each, none drawn before; a PNG of 1200 x 630 in {GOAL_MILLIS} ms at most"
    );
    println!(
        "{:>34} {:>10} {:>10} {:>10}",
        "", "median ms", "worst ms", "bytes"
    );
    for (name, path) in [
        ("hours.svg, 7 days", "hours.svg?lang=en&h=630"),
        ("hours.png, 7 days", "hours.png?lang=en&h=630"),
        (
            "hours.png, 7 days, Japanese, dark",
            "hours.png?lang=ja&theme=dark&h=630",
        ),
        ("now.png, 3 hours", "now.png?lang=en&h=630"),
    ] {
        let mut times = Vec::new();
        let mut bytes = 0;
        for round in 0..ROUNDS {
            // A width of its own, so that no picture is a kept one.
            let width = 1_200 + round;
            let uri = format!("/api/v1/countries/ph/{path}&w={width}");
            let request = Request::get(uri).body(Body::empty()).unwrap();
            let started = Instant::now();
            let response = router(context.clone()).oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let body = to_bytes(response.into_body(), MAX_PICTURE_BYTES)
                .await
                .unwrap();
            times.push(started.elapsed());
            bytes = body.len();
        }
        times.sort_unstable();
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let worst = times.last().copied().unwrap_or_default();
        println!(
            "{name:>34} {:>10.1} {:>10.1} {bytes:>10}",
            millis(median),
            millis(worst)
        );
    }
}

/// Two weeks of one country.
async fn context(url: String) -> Context {
    let now: model::Instant = "2026-11-21T02:20:41Z".parse().unwrap();
    let country = Country::parse("ph").unwrap();
    let store = Store::new(&Settings {
        url,
        max_connections: 4,
        statement_timeout: Duration::from_secs(30),
        application_name: "headcount charts bench".to_owned(),
    })
    .unwrap();
    store.migrate().await.unwrap();
    let settings = CountrySettings {
        time_zone: Tz::Asia__Manila,
        reach_window: Duration::from_secs(900),
    };
    let since = now - TimeDelta::days(DAYS);
    store.add_country(country, settings, since).await.unwrap();
    let zones = store
        .countries()
        .await
        .unwrap()
        .remove(&country)
        .unwrap()
        .zones;
    let hours: Vec<_> = (0..)
        .zip(zones.hours(since, now))
        .filter(|(_, hour)| hour.end <= now)
        .map(|(index, hour): (i32, _)| HourImport {
            country,
            hour,
            devices: 1_200 - (index % 24 - 12).abs() * 20 + index * 7 % 13,
        })
        .collect();
    store.import_hours(&hours, now).await.unwrap();
    let mut minutes = Vec::new();
    let mut minute = model::hour::minute(since);
    while minute <= now {
        let devices = 1_200 + minute.timestamp() / 60 * 7 % 13;
        let carriers = BTreeMap::new();
        minutes.push(MinuteRow {
            minute,
            country,
            counts: Counts { devices, carriers },
        });
        minute += TimeDelta::minutes(1);
    }
    store.add_minutes(&minutes).await.unwrap();
    Context::new(
        store,
        Arc::new(ManualClock::at(now)),
        Arc::new(Catalogue::builtin()),
        Health::default(),
    )
}
