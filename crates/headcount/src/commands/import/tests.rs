//! Against a real Postgres.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono_tz::Tz;
use devstack::{DataDir, Postgres, PostgresOptions};
use indicatif::ProgressBar;
use model::{Carrier, DeviceId, Instant, ManualClock};
use store::Settings;
use store::presence::Counts;

use super::*;
use crate::commands::report::tests::Paper;

/// It is 18:30 in Manila, and an hour begins in India.
const NOW: &str = "2026-11-21T10:30:00Z";

/// One server for all tests.
fn server() -> &'static Postgres {
    static SERVER: OnceLock<(DataDir, Postgres)> = OnceLock::new();
    let (_folder, postgres) = SERVER.get_or_init(|| {
        let folder = DataDir::temporary().unwrap();
        let postgres = Postgres::start(&folder, PostgresOptions::fast()).unwrap();
        (folder, postgres)
    });
    postgres
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

/// A database of its own.
async fn context() -> ImportContext {
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let name = format!("import_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let url = tokio::task::spawn_blocking(move || {
        server().create_database(&name).unwrap();
        server().url(&name)
    })
    .await
    .unwrap();
    let store = Store::new(&Settings {
        url,
        max_connections: 4,
        statement_timeout: Duration::from_secs(30),
        application_name: "test".to_owned(),
    })
    .unwrap();
    store.migrate().await.unwrap();
    let catalogue = Arc::new(Catalogue::builtin());
    let zones = Arc::clone(&catalogue);
    ImportContext {
        store,
        names: Arc::new(CountryNames::new(Arc::clone(&catalogue), None)),
        catalogue,
        clock: Arc::new(ManualClock::at(at(NOW))),
        settings: Arc::new(move |country| CountrySettings {
            time_zone: zones
                .country(country)
                .map_or(Tz::UTC, |info| info.time_zone),
            reach_window: Duration::from_secs(900),
        }),
    }
}

/// Imports a text as a file; returns the summary and what was said about bad rows.
async fn import_text(
    context: &ImportContext,
    what: What,
    text: &str,
) -> (anyhow::Result<Summary>, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let input = Input {
        file: file.path().to_owned(),
        format: None,
    };
    let paper = Paper::default();
    let bar = ProgressBar::hidden();
    let summary = import_rows(what, input, context.clone(), &bar, paper.report()).await;
    (summary, paper.text())
}

async fn imported(context: &ImportContext, what: What, text: &str) -> String {
    let (summary, said) = import_text(context, what, text).await;
    format!("{said}{}", summary.unwrap())
}

async fn hours(context: &ImportContext, code: &str) -> BTreeMap<Instant, Counts> {
    let from = at(NOW) - chrono::TimeDelta::days(30);
    let to = at(NOW) + chrono::TimeDelta::days(1);
    context
        .store
        .distinct_by_hour(country(code), from, to)
        .await
        .unwrap()
}

fn counts(devices: i64, carriers: &[(&str, i64)]) -> Counts {
    Counts {
        devices,
        carriers: carriers
            .iter()
            .map(|(slug, devices)| (Carrier::slug(slug), *devices))
            .collect(),
    }
}

const HEARTBEATS: &str = "device_id,sent_at,mcc,mnc,country,carrier,rsrp\n\
    a,2026-11-21T09:05:00Z,515,02,,,-98\n\
    a,2026-11-21T17:55:00+08:00,515,03,,,\n\
    a,2026-11-21T10:05:00Z,515,02,,,\n\
    b,1795252500,515,02,,,\n\
    c,2026-11-21T09:29:59Z,,,in,Jio,\n\
    c,2026-11-21T09:30:00Z,405,857,,,\n\
    d,2026-11-21T09:31:00Z,,,,,\n\
    c,2026-11-21T09:40:00Z,,,,,\n";

#[tokio::test]
async fn heartbeats_count_in_the_hours_of_their_countries() {
    let context = context().await;
    let said = imported(&context, What::Heartbeats, HEARTBEATS).await;
    assert_eq!(said, "loaded 8, skipped 0");
    let philippines = hours(&context, "ph").await;
    let expected = BTreeMap::from([
        (
            at("2026-11-21T09:00:00Z"),
            counts(2, &[("globe", 2), ("smart", 1)]),
        ),
        (at("2026-11-21T10:00:00Z"), counts(1, &[("globe", 1)])),
    ]);
    assert_eq!(philippines, expected);
    // India's hours begin at half past. What does not say where it is follows the device.
    let expected = BTreeMap::from([
        (at("2026-11-21T08:30:00Z"), counts(1, &[("jio", 1)])),
        (at("2026-11-21T09:30:00Z"), counts(1, &[("jio", 1)])),
    ]);
    assert_eq!(hours(&context, "in").await, expected);
    let expected = BTreeMap::from([(at("2026-11-21T09:00:00Z"), counts(1, &[("unknown", 1)]))]);
    assert_eq!(hours(&context, "zz").await, expected);

    let id = DeviceId::parse("a").unwrap();
    let device = context.store.device(&id).await.unwrap().unwrap();
    let newest = &device.segments[0];
    assert_eq!(newest.segment.to_string(), "ph/globe");
    assert_eq!(newest.heard_at, at("2026-11-21T10:05:00Z"));
    // The hours that have ended are to be counted: two of the Philippines' three are not running.
    assert_eq!(context.store.late_hours_pending().await.unwrap(), 4);
}

#[tokio::test]
async fn a_file_imported_again_changes_nothing() {
    let context = context().await;
    // A device that says only later where it is: the second time the database knows it already.
    let text =
        format!("{HEARTBEATS}e,2026-11-21T09:10:00Z,,,,,\ne,2026-11-21T09:20:00Z,515,02,,,\n");
    let countries = ["ph", "in", "zz"];
    let mut seen = Vec::new();
    for _ in 0..2 {
        assert_eq!(
            imported(&context, What::Heartbeats, &text).await,
            "loaded 10, skipped 0"
        );
        let mut counted = Vec::new();
        for code in countries {
            counted.push(hours(&context, code).await);
        }
        seen.push(counted);
    }
    assert_eq!(seen[0], seen[1]);
    let unplaced = &seen[0][2][&at("2026-11-21T09:00:00Z")];
    assert_eq!(unplaced.devices, 2);
}

#[tokio::test]
async fn bad_heartbeats_are_listed_and_the_others_loaded() {
    let context = context().await;
    let text = "device_id,heard_at,received_at,mcc,mnc,country\n\
        a,,2026-11-21T09:05:00Z,515,02,\n\
        a b,2026-11-21T09:05:00Z,,515,02,\n\
        b,,,515,02,\n\
        c,2026-11-21 09:05,,515,02,\n\
        d,2026-11-21T10:36:00Z,,515,02,\n\
        e,2016-11-01T00:00:00Z,,515,02,\n\
        f,2026-11-21T09:05:00Z,,515,2,\n\
        g,2026-11-21T09:05:00Z,,,,uk\n\
        h,2026-11-21T10:34:00Z,,515,02,\n";
    let said = imported(&context, What::Heartbeats, text).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "line 3: `device_id` is `a b`: a device id has only the characters A-Z a-z 0-9 . _ : -",
            "line 4: no time: neither `heard_at` nor `received_at`, `sent_at` or `ts`",
            "line 5: `heard_at` is `2026-11-21 09:05`: RFC 3339 with an offset \
             (2026-11-21T09:00:00+08:00), or Unix seconds or milliseconds",
            "line 6: `heard_at` is in the future: 2026-11-21 10:36:00 UTC",
            "line 7: `heard_at` is more than ten years ago: 2016-11-01 00:00:00 UTC",
            "line 8: `mnc` is `2`: two or three digits; leading zeros count",
            "line 9: `country` is `uk`: no country of that code",
            "loaded 2, skipped 7",
        ]
    );
    let all: i64 = hours(&context, "ph")
        .await
        .values()
        .map(|counts| counts.devices)
        .sum();
    assert_eq!(all, 2);
}

#[tokio::test]
async fn ndjson_payloads_and_files_of_many_chunks_are_loaded() {
    let context = context().await;
    let start = at("2026-11-20T00:00:00Z").timestamp();
    let mut text = String::new();
    // One stray date far back must not make partitions for all the days between.
    for row in 0..45_000_i64 {
        let (device, ts) = (row % 900, start + row);
        text.push_str(&format!(
            "{{\"device_id\":\"d{device}\",\"ts\":{ts},\"mcc\":\"515\",\"mnc\":\"02\"}}\n"
        ));
    }
    text.push_str("{\"device_id\":\"d0\",\"ts\":1500000000,\"mcc\":\"515\",\"mnc\":\"02\"}\n");
    let said = imported(&context, What::Heartbeats, &text).await;
    assert_eq!(said, "loaded 45001, skipped 0");
    let philippines = hours(&context, "ph").await;
    assert_eq!(philippines.len(), 13);
    // 45,000 seconds are twelve hours and a half.
    for (hour, heard) in &philippines {
        assert_eq!(*heard, counts(900, &[("globe", 900)]), "{hour}");
    }
}

#[tokio::test]
async fn a_missing_column_is_named_and_nothing_is_loaded() {
    let context = context().await;
    let text = "imei,sent_at\na,2026-11-21T09:05:00Z\n";
    let (summary, said) = import_text(&context, What::Heartbeats, text).await;
    let error = format!("{:#}", summary.unwrap_err());
    assert!(
        error.ends_with("there is no column `device_id`; the columns are `imei`, `sent_at`"),
        "{error}"
    );
    assert_eq!(said, "");
    let (summary, _) = import_text(&context, What::Heartbeats, "device_id\na\n").await;
    let error = format!("{:#}", summary.unwrap_err());
    assert!(
        error.contains("`heard_at` or `received_at` or `sent_at` or `ts`"),
        "{error}"
    );
}

#[tokio::test]
async fn devices_are_registered_and_sim_numbers_are_not_kept() {
    let context = context().await;
    let text = "label,device_id,country,carrier,partner,region,model,status,iccid\n\
        \"Reyes, Ana\",a,PH,Globe,Isla Leasing,PH-00,mccs-4g,stock,8963021234567890123\n\
        ,b,,,,,,,\n\
        ,c,xx,,,,,,\n\
        ,d,,,,,,lost,\n\
        ,a,,,,,,ACTIVE,\n";
    let note = "The column `iccid` was left out: SIM numbers may only be kept encrypted, and this \
                version has no setting for the key.";
    let said = imported(&context, What::Devices, text).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "line 4: `country` is `xx`: no country of that code",
            "line 5: `status` is `lost`: `active`, `stock` or `retired`",
            note,
            "loaded 3, skipped 2",
        ]
    );
    let id = DeviceId::parse("a").unwrap();
    let device = context.store.device(&id).await.unwrap().unwrap();
    assert_eq!(device.status.as_str(), "active");
    assert_eq!(device.home.unwrap().to_string(), "ph/globe");
    assert_eq!(device.label.as_deref(), Some("Reyes, Ana"));
    // A heartbeat that says nothing counts at its device's registered home.
    let heartbeat = "device_id,heard_at\na,2026-11-21T09:05:00Z\n";
    imported(&context, What::Heartbeats, heartbeat).await;
    let expected = counts(1, &[("globe", 1)]);
    assert_eq!(
        hours(&context, "ph").await[&at("2026-11-21T09:00:00Z")],
        expected
    );
}

#[tokio::test]
async fn cells_give_heartbeats_their_region() {
    let context = context().await;
    let text = "plmn,tac,region,zone\n\
        51502,1A2B,PH-40,\n\
        515-02,1A2C,PH-00,Asia/Manila\n\
        515,1A2C,PH-00,\n\
        515-02,,PH-00,\n\
        515-02,1,,\n\
        515-02,2,PH-00,Manila\n\
        515-02,1A2B,PH-03,\n";
    let said = imported(&context, What::Cells, text).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "line 4: `plmn` is `515`: three digits, `-`, and two or three digits, as in `515-02`",
            "line 5: no `tac`",
            "line 6: no `region`",
            "line 7: `zone` is `Manila`: an IANA name, as in `Asia/Jayapura`",
            "loaded 3, skipped 4",
        ]
    );
    let heartbeat = "device_id,heard_at,mcc,mnc,tac\na,2026-11-21T09:05:00Z,515,02,1A2B\n";
    imported(&context, What::Heartbeats, heartbeat).await;
    let id = DeviceId::parse("a").unwrap();
    let device = context.store.device(&id).await.unwrap().unwrap();
    assert_eq!(device.segments[0].region.as_deref(), Some("PH-03"));
}

#[tokio::test]
async fn hours_start_where_their_country_says() {
    let context = context().await;
    let text = "hour,country,count\n\
        2026-11-20T10:00,Philippines,1203\n\
        2026-11-20 11:00:00,ph,1190\n\
        2026-11-20T12:00:00+08:00,PH,7\n\
        2026-11-20T05:30:00Z,in,40\n\
        2026-11-20T05:00:00Z,in,40\n\
        2026-11-20T10:30,ph,1\n\
        2026-11-21T18:00,ph,1\n\
        2026-11-20T10:00,Atlantis,1\n\
        2026-11-20T10:00,ph,-1\n\
        later,ph,1\n";
    let said = imported(&context, What::Hours, text).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "line 6: `hour` is `2026-11-20T05:00:00Z`: in `in` that hour starts at \
             2026-11-20T10:00:00+05:30",
            "line 7: `hour` is `2026-11-20T10:30`: in `ph` that hour starts at \
             2026-11-20T10:00:00+08:00",
            "line 8: `hour` is `2026-11-21T18:00`: that hour has not ended yet",
            "line 9: `country` is `Atlantis`: neither a code nor an English name",
            "line 10: `count` is `-1`: a whole number from 0 to 2147483647",
            "line 11: `hour` is `later`: RFC 3339, or local date and time as in `2026-11-21T10:00`",
            "loaded 4, skipped 6",
        ]
    );
    let (from, to) = (at("2026-11-20T00:00:00Z"), at("2026-11-21T00:00:00Z"));
    let counted = async |code| -> Vec<_> {
        let hours = context
            .store
            .hourly_counts(country(code), from, to)
            .await
            .unwrap();
        hours
            .iter()
            .map(|count| (count.hour.start, count.counts.devices))
            .collect()
    };
    let expected = [
        (at("2026-11-20T02:00:00Z"), 1203),
        (at("2026-11-20T03:00:00Z"), 1190),
        (at("2026-11-20T04:00:00Z"), 7),
    ];
    assert_eq!(counted("ph").await, expected);
    assert_eq!(counted("in").await, [(at("2026-11-20T05:30:00Z"), 40)]);
    imported(&context, What::Hours, text).await;
    assert_eq!(counted("ph").await, expected);
}
