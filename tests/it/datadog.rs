//! What belongs into Datadog: monitors and a dashboard from the countries in use.

use std::path::Path;
use std::process::Output;

use headcount_tests::binary;
use headcount_tests::eventually;
use headcount_tests::http::get;
use headcount_tests::world::{World, free_address};
use serde_json::Value;

const PAGE: (&str, &str) = (
    "HEADCOUNT_API__PUBLIC_URL",
    "https://headcount.example.com/",
);

async fn assets(world: &World, out: &Path, more: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut arguments = vec!["datadog", "assets", "--out", out.to_str().unwrap()];
    arguments.extend(more);
    let mut command = binary::command(world, &arguments);
    command.envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", error(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn monitor(out: &Path, key: &str) -> Value {
    let path = out.join("monitors").join(format!("{key}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_follow_the_countries_in_use() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("datadog");
    let nobody = assets(&world, &out, &[], &[PAGE]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(error(&nobody).contains("--countries"), "{}", error(&nobody));
    assert!(!out.exists());

    // The zone of the database holds, also where it is not the catalogue's.
    world
        .sql(
            "insert into countries values ('ph', 'Asia/Manila', 900, '2026-11-20T00:00:00Z'),
                 ('id', 'Asia/Makassar', 900, '2026-11-20T00:00:00Z'),
                 ('zz', 'UTC', 900, '2026-11-20T00:00:00Z')",
        )
        .await;
    let notify = ["--notify", "@slack-fleet", "--floor", "ph=70"];
    let said = done(&assets(&world, &out, &notify, &[PAGE]).await);
    assert!(
        said.contains("2 countries, 14 files written, 0 unchanged"),
        "{said}"
    );
    let makassar = monitor(&out, "id_anomaly");
    let query = makassar["query"].as_str().unwrap();
    assert!(query.contains("{env:test,country:id}"), "{query}");
    assert!(query.contains("timezone='Asia/Makassar'"), "{query}");
    let message = makassar["message"].as_str().unwrap();
    let link = "https://headcount.example.com/c/id?tz=Asia/Makassar&from={{eval \"last_triggered";
    assert!(message.contains(link), "{message}");
    assert!(message.ends_with("@slack-fleet"), "{message}");
    let floor = monitor(&out, "ph_floor");
    assert!(
        floor["query"].as_str().unwrap().ends_with("< 70"),
        "{floor}"
    );
    assert!(!out.join("monitors/zz_anomaly.json").exists());

    let again = done(&assets(&world, &out, &notify, &[PAGE]).await);
    assert!(again.contains("0 files written, 14 unchanged"), "{again}");

    // A country less: its files go. A file that somebody changed is named and kept.
    let one = [
        "--country",
        "ph",
        "--notify",
        "@slack-fleet",
        "--floor",
        "ph=70",
    ];
    let less = done(&assets(&world, &out, &one, &[PAGE]).await);
    assert!(less.contains("3 removed"), "{less}");
    std::fs::write(out.join("dashboard.json"), "{}").unwrap();
    let refused = assets(&world, &out, &notify, &[PAGE]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        error(&refused).contains("dashboard.json"),
        "{}",
        error(&refused)
    );
    assert!(
        !out.join("monitors/id_anomaly.json").exists(),
        "half of it was written"
    );

    let unknown = assets(&world, &out, &["--country", "jp"], &[PAGE]).await;
    assert!(
        error(&unknown).contains("in use are: id, ph"),
        "{}",
        error(&unknown)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_need_an_address_for_links_and_no_database() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    let folder = tempfile::tempdir().unwrap();
    let away = format!("postgres://x@{}/x", free_address());
    let countries = ["--countries", "ph,id"];
    let offline = ("DATABASE_URL", away.as_str());
    let said = done(&assets(&world, folder.path(), &countries, &[PAGE, offline]).await);
    assert!(said.contains("2 countries"), "{said}");
    assert!(folder.path().join("headcount.tf").exists());

    for url in ["", "headcount.example.com", "https://x/?a={{value}}"] {
        let variables = [("HEADCOUNT_API__PUBLIC_URL", url)];
        let output = assets(&world, folder.path(), &countries, &variables).await;
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(
            error(&output).contains("`api.public_url`"),
            "{}",
            error(&output)
        );
    }
    let unset = assets(&world, folder.path(), &countries, &[offline]).await;
    assert_eq!(unset.status.code(), Some(2));
    assert!(
        error(&unset).contains("`api.public_url`"),
        "{}",
        error(&unset)
    );

    let wrong = [
        (&["--countries", "ph", "--notify", "slack"][..], Some(2)),
        (&["--countries", "ph", "--country", "ph"][..], Some(2)),
        (&["--countries", "ph", "--floor", "jp=3"][..], Some(1)),
        (&["--countries", "qq"][..], Some(1)),
    ];
    for (arguments, code) in wrong {
        let output = assets(&world, folder.path(), arguments, &[PAGE]).await;
        assert_eq!(
            output.status.code(),
            code,
            "{arguments:?}: {}",
            error(&output)
        );
    }
}

/// A table's bytes per row, indexes included.
async fn bytes_per_row(world: &World, table: &str) -> f64 {
    let size = format!(
        "select sum(pg_total_relation_size(inhrelid)) / (select count(*) from {table})
         from pg_inherits where inhparent = '{table}'::regclass"
    );
    world.sql(&size).await.parse().unwrap()
}

/// `datadog cost` reckons with what rows take on this disk. A heartbeat here has what most have; the
/// table is indexed as on the day after.
#[tokio::test(flavor = "multi_thread")]
async fn rows_take_as_much_room_as_the_cost_says() {
    let world = World::at("2026-11-21T12:00:00Z").await;
    let at = |text: &str| text.parse().unwrap();
    let retention = world.ingest_config().retention;
    let store = &world.store;
    store
        .maintain(at("2026-11-21T12:00:00Z"), retention)
        .await
        .unwrap();
    world
        .sql(
            "insert into countries values ('ph', 'Asia/Manila', 900, '2026-11-20T00:00:00Z');
             insert into heartbeats (received_at, heard_at, sent_at, seq, fingerprint, device_no,
                 packet_id, battery_mv, interval_secs, rsrp_dbm, carrier_bit, older_entry, slot,
                 country, plmn, rat, tac, cell, fw, model)
             select t, t, t, n, n * 7919, n % 20000, n % 65535, 12350, 300, -98, 3, false, 'main',
                 'ph', '515-02', 'lte', '1A2B', '0012F3A1', '2.4.1', 'mccs-4g'
             from (select n, timestamptz '2026-11-21T00:00:00Z' + n * interval '400 ms' as t
                   from generate_series(1, 200000) n) r;
             insert into presence (hour, country, device_no, carriers)
             select timestamptz '2026-11-21T00:00:00Z' + h * interval '1 hour', 'ph', d, 8
             from generate_series(0, 9) h, generate_series(1, 20000) d",
        )
        .await;
    store
        .index_past_days(at("2026-11-22T12:00:00Z"))
        .await
        .unwrap();
    let cost = binary::stdout(
        &world,
        &["datadog", "cost", "--devices", "1000", "--format", "json"],
    )
    .await;
    let cost: Value = serde_json::from_str(&cost).unwrap();
    assert_eq!(
        (&cost["devices"], &cost["interval_secs"]),
        (&1000.into(), &300.into())
    );
    for (number, table) in ["heartbeats", "presence"].into_iter().enumerate() {
        let told = &cost["tables"][number];
        assert_eq!(told["table"], table);
        let per_row =
            told["bytes_per_day"].as_f64().unwrap() / told["rows_per_day"].as_f64().unwrap();
        let measured = bytes_per_row(&world, table).await;
        let ratio = per_row / measured;
        assert!(
            (0.9..1.1).contains(&ratio),
            "{table}: {per_row} told, {measured} measured"
        );
    }
}

/// Before anything is sent all series are new; what is sent is not, and a carrier that grows is.
#[tokio::test(flavor = "multi_thread")]
async fn the_cost_follows_what_was_heard_and_what_was_sent() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    world
        .sql(
            "insert into countries values ('ph', 'Asia/Manila', 900, now());
             insert into carriers values ('ph', 1, 'globe', now()), ('ph', 2, 'smart', now());
             insert into devices (device_id, first_seen_at)
             select 'd' || n, now() from generate_series(1, 60) n;
             insert into last_heard (device_no, country, carrier_bit, latest, heard_at)
             select device_no, 'ph', case when device_no <= 50 then 1 else 2 end, true, now()
             from devices;
             insert into hourly_counts (country, hour, hour_end, devices, carriers, complete,
                                        revision, closed_at)
             select 'ph', h, h + interval '1 hour', 60, '{\"globe\": 50, \"smart\": 10}', true, 1, now()
             from date_trunc('hour', now() - interval '2 hours') h",
        )
        .await;
    let cost = async |more: &[&str]| -> Value {
        let arguments = [&["datadog", "cost", "--format", "json"], more].concat();
        serde_json::from_str(&binary::stdout(&world, &arguments).await).unwrap()
    };
    let before = cost(&[]).await;
    assert_eq!(before["new"], serde_json::json!(["ph", "ph/globe"]));
    assert_eq!(
        (&before["series"], &before["devices"]),
        (&2.into(), &60.into())
    );
    let interval = cost(&["--interval-secs", "60"]).await;
    assert_eq!(interval["tables"][0]["rows_per_day"], 60 * 1440);

    world
        .sql("insert into emissions select country, hour, 1, 0, now() from hourly_counts")
        .await;
    assert_eq!(cost(&[]).await["new"], serde_json::json!([]));
    world
        .sql(
            "insert into hourly_counts (country, hour, hour_end, devices, carriers, complete,
                                        revision, closed_at)
             select country, hour_end, hour_end + interval '1 hour', 60,
                    '{\"globe\": 30, \"smart\": 30}', true, 1, now() from hourly_counts",
        )
        .await;
    assert_eq!(cost(&[]).await["new"], serde_json::json!(["ph/smart"]));
    let table = binary::stdout(&world, &["datadog", "cost"]).await;
    assert!(
        table.contains("New, not sent in the last 7 days: ph/smart"),
        "{table}"
    );
}

/// What `datadog cost` reckons is what the exporter then sends.
#[tokio::test(flavor = "multi_thread")]
async fn the_exporter_sends_as_many_series_as_the_cost_says() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    world
        .sql(
            "insert into countries values ('ph', 'Asia/Manila', 900, now()),
                 ('jp', 'Asia/Tokyo', 900, now());
             insert into carriers values ('ph', 1, 'globe', now()), ('ph', 2, 'smart', now()),
                 ('ph', 3, 'dito', now()), ('jp', 1, 'docomo', now());
             insert into devices (device_id, first_seen_at)
             select 'd' || n, now() from generate_series(1, 4) n;
             insert into last_heard (device_no, country, carrier_bit, latest, heard_at)
             select device_no, case when device_no < 4 then 'ph' else 'jp' end,
                    case when device_no < 4 then device_no else 1 end, true, now()
             from devices;
             insert into hourly_counts (country, hour, hour_end, devices, carriers, complete,
                                        revision, closed_at)
             select country, now() - interval '70 minutes', now() - interval '10 minutes', 90,
                    counts::jsonb, true, 1, now()
             from (values ('ph', '{\"globe\": 50, \"smart\": 25, \"dito\": 9}'),
                          ('jp', '{\"docomo\": 30}')) c (country, counts)",
        )
        .await;
    for (max_series, series) in [(100, 5), (3, 3)] {
        let limit = ("HEADCOUNT_DATADOG__MAX_SERIES", max_series.to_string());
        let mut cost = binary::command(&world, &["datadog", "cost", "--format", "json"]);
        cost.env(limit.0, &limit.1);
        let cost = tokio::task::spawn_blocking(move || cost.output());
        let cost: Value = serde_json::from_slice(&cost.await.unwrap().unwrap().stdout).unwrap();
        assert_eq!(cost["series"], series);
        assert_eq!(cost["refused"].as_array().unwrap().len(), 5 - series);

        world.sql("truncate emissions").await;
        let probes = free_address();
        let mut exporter = binary::command(&world, &["exporter"]);
        exporter
            .env(limit.0, &limit.1)
            .env("HEADCOUNT_API__PROBES_LISTEN", probes.to_string());
        let exporter = binary::Running::start(exporter);
        eventually("both hours are sent", async || {
            let sent = "select count(distinct country) from emissions";
            (world.sql(sent).await == "2").then_some(())
        })
        .await;
        eventually("as many series are sent", async || {
            tokio::net::TcpStream::connect(probes).await.ok()?;
            let metrics = get(probes, "/metrics").await.body;
            let mut lines = metrics
                .lines()
                .filter_map(|line| line.split_once("_series "));
            lines
                .any(|(name, count)| name.starts_with("headcount_") && count == series.to_string())
                .then_some(())
        })
        .await;
        drop(exporter);
        world
            .sql("update leases set lease_until = '-infinity'")
            .await;
    }
}
