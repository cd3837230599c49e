//! Another system's counts beside ours: every difference has its reason.

use std::path::PathBuf;
use std::process::Output;

use headcount_tests::binary;
use headcount_tests::world::World;
use serde_json::{Value, json};

/// Devices of the Philippines' hour from 10:00Z: what we heard, and how.
const HEARD: &str = "
    insert into countries values ('ph', 'Asia/Manila', 900, '2026-11-20T00:00:00Z'),
        ('jp', 'Asia/Tokyo', 900, '2026-11-20T00:00:00Z'),
        ('in', 'Asia/Kolkata', 900, '2026-11-20T00:00:00Z');
    insert into devices (device_id, first_seen_at)
    select d, '2026-11-20T00:00:00Z' from unnest(array['plain-1', 'plain-2', 'late', 'abroad',
        'roamer', 'early', 'after', 'ours-only', 'twice', 'at-theirs-before']) d;
    insert into presence (hour, country, device_no, carriers)
    select h::timestamptz, c, device_no, 1 from (values
        ('2026-11-21T10:00:00Z', 'ph', 'plain-1'), ('2026-11-21T10:00:00Z', 'ph', 'plain-2'),
        ('2026-11-21T10:00:00Z', 'ph', 'late'), ('2026-11-21T10:00:00Z', 'ph', 'abroad'),
        ('2026-11-21T10:00:00Z', 'ph', 'twice'), ('2026-11-21T10:00:00Z', 'ph', 'ours-only'),
        ('2026-11-21T10:00:00Z', 'ph', 'at-theirs-before'),
        ('2026-11-21T10:00:00Z', 'jp', 'roamer'), ('2026-11-21T10:00:00Z', 'jp', 'abroad'),
        ('2026-11-21T09:00:00Z', 'ph', 'early'), ('2026-11-21T11:00:00Z', 'ph', 'after')
    ) p (h, c, d) join devices on device_id = d;
    insert into heartbeats (received_at, heard_at, device_no, carrier_bit, older_entry, slot, country)
    select received::timestamptz, heard::timestamptz, device_no, 0, false, 'main', 'ph' from (values
        ('2026-11-21T10:10:00Z', '2026-11-21T10:10:00Z', 'plain-1'),
        ('2026-11-21T12:10:00Z', '2026-11-21T10:20:00Z', 'plain-1'),
        ('2026-11-21T12:10:00Z', '2026-11-21T10:20:00Z', 'late')
    ) b (received, heard, d) join devices on device_id = d;
    insert into hourly_counts (country, hour, hour_end, devices, carriers, complete, revision, closed_at)
    select 'ph', h, h + interval '1 hour', n, '{}', true, 1, now() from (values
        (timestamptz '2026-11-21T09:00:00Z', 1), ('2026-11-21T10:00:00Z', 7),
        ('2026-11-21T11:00:00Z', 1)) c (h, n);";

async fn world() -> World {
    let world = World::at("2026-11-21T14:00:00Z").await;
    let retention = world.ingest_config().retention;
    let now = "2026-11-21T14:00:00Z".parse().unwrap();
    world.store.maintain(now, retention).await.unwrap();
    world.sql(HEARD).await;
    world
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn text(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    format!("{}{error}", String::from_utf8_lossy(&output.stdout))
}

async fn compare(world: &World, more: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["parity", "--format", "json"], more].concat();
    let output = binary::run(world, &arguments).await;
    let answer = serde_json::from_slice(&output.stdout);
    assert!(answer.is_ok(), "{}", text(&output));
    (output.status.code(), answer.unwrap())
}

/// Reason, devices, proven, and whom it concerns, of one hour.
fn reasons(answer: &Value, start: &str) -> Vec<Value> {
    let items = answer["items"].as_array().unwrap();
    let hour = items.iter().find(|hour| hour["start"] == start);
    let reasons = hour.unwrap()["reasons"].as_array().unwrap();
    let row = |reason: &Value| {
        json!([
            reason["reason"],
            reason["devices"],
            reason["proven"],
            reason["examples"]
        ])
    };
    reasons.iter().map(row).collect()
}

/// With the list of what the old job counted each difference is followed to its devices.
#[tokio::test(flavor = "multi_thread")]
async fn every_difference_is_followed_to_its_devices() {
    let (world, files) = (world().await, Files::new());
    // By its own hours: what it has as 18:00 in Manila, and its neighbours.
    let old = files.write(
        "old.csv",
        "hour,country,count\n\
         2026-11-21T17:00,Philippines,2\n\
         2026-11-21T18:00:00+08:00,philippines,9\n\
         2026-11-21T10:00:00Z,Japan,2\n",
    );
    let row = |id: &str, country: &str, time: &str| format!("{id},{country},2026-11-21T{time}Z\n");
    let list: String = [
        row("early", "ph", "09:30:00"),
        row("at-theirs-before", "ph", "09:59:59"),
        row("plain-1", "ph", "10:05:00"),
        row("plain-2", "ph", "10:05:00"),
        row("twice", "ph", "10:05:00"),
        row("twice", "ph", "10:35:00"),
        row("twice", "ph", "10:45:00"),
        row("roamer", "ph", "10:06:00"),
        row("early", "ph", "10:00:01"),
        row("after", "ph", "10:59:59"),
        row("ghost", "ph", "10:20:00"),
        row("roamer", "jp", "10:07:00"),
        row("abroad", "jp", "10:07:00"),
        row("nobody-asked", "ph", "13:00:00"),
    ]
    .concat();
    let list = files.write("devices.csv", &format!("device_id,country,time\n{list}"));
    let (code, answer) = compare(&world, &[&old, "--devices", &list]).await;
    assert_eq!(code, Some(1), "{answer:#}");
    assert_eq!((&answer["hours"], &answer["equal"]), (&3.into(), &1.into()));
    assert_eq!(
        reasons(&answer, "2026-11-21T18:00:00+08:00"),
        [
            json!(["roamer", 1, true, ["roamer"]]),
            json!(["zone", 2, true, ["after", "early"]]),
            json!(["unknown", 1, false, ["ghost"]]),
            json!(["late", -1, true, ["late"]]),
            json!(["roamer", -1, true, ["abroad"]]),
            json!(["zone", -1, true, ["at-theirs-before"]]),
            json!(["unknown", -1, false, ["ours-only"]]),
            json!(["duplicate", 2, true, []]),
        ]
    );
    assert_eq!(
        reasons(&answer, "2026-11-21T17:00:00+08:00"),
        [json!(["zone", 1, true, ["at-theirs-before"]])]
    );
    assert_eq!(
        reasons(&answer, "2026-11-21T19:00:00+09:00"),
        [] as [Value; 0]
    );

    let (code, _) = compare(&world, &[&old, "--devices", &list, "--tolerance", "2"]).await;
    assert_eq!(code, Some(0));
    let (code, _) = compare(&world, &[&old, "--devices", &list, "--tolerance", "10%"]).await;
    assert_eq!(code, Some(1));
}

/// Without a list a reason is only a possible one, and all of a difference has one.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_reasons_are_possible_ones() {
    let (world, files) = (world().await, Files::new());
    let old = files.write(
        "old.ndjson",
        r#"{"hour":"2026-11-21T10:00:00Z","country":"ph","count":4}
           {"hour":"2026-11-21T11:00:00Z","country":"ph","count":3}
           {"hour":"2026-11-21T09:00:00Z","country":"ph","count":1}
           {"hour":"2026-11-21T10:00:00Z","country":"in","count":5}
           {"hour":"2026-11-21T10:00:00Z","country":"vn","count":7}"#,
    );
    world
        .sql(
            "insert into presence select '2026-11-21T10:30:00Z', 'in', device_no, 1 from devices
             where device_id = 'early';
             update hourly_counts set complete = false where hour = '2026-11-21T11:00:00Z'",
        )
        .await;
    let (code, answer) = compare(&world, &[&old]).await;
    assert_eq!(code, Some(1));
    // Three fewer than ours: one of us was late, one was in Japan as well.
    assert_eq!(
        reasons(&answer, "2026-11-21T18:00:00+08:00"),
        [
            json!(["late", -1, false, []]),
            json!(["roamer", -1, false, []]),
            json!(["unknown", -1, false, []]),
        ]
    );
    assert_eq!(
        reasons(&answer, "2026-11-21T19:00:00+08:00"),
        [json!(["gap", 2, false, []])]
    );
    // Its hour lies across two of India's.
    assert_eq!(
        reasons(&answer, "2026-11-21T15:30:00+05:30"),
        [json!(["zone", 4, false, []])]
    );
    assert_eq!(
        reasons(&answer, "2026-11-21T17:00:00+07:00"),
        [json!(["unknown", 7, false, []])]
    );

    let table = binary::run(&world, &["parity", &old]).await;
    let table = text(&table);
    for part in [
        "late? -1, roamer? -1, unknown? -1",
        "5 hours compared, 1 equal, 4 different",
    ] {
        assert!(table.contains(part), "`{part}`:\n{table}");
    }
    let csv = binary::run(&world, &["parity", &old, "--format", "csv"]).await;
    let csv = text(&csv);
    let row = "ph,2026-11-21T19:00:00+08:00,3,1,2,false,gap,2,false,our count is a lower bound\n";
    assert!(csv.contains(row), "{csv}");
}

/// Equal counts end with 0; an hour that the old job left out, or a bad row, does not.
#[tokio::test(flavor = "multi_thread")]
async fn equal_counts_are_told_from_missing_ones() {
    let (world, files) = (world().await, Files::new());
    let header = "hour,country,count\n";
    let (nine, ten, eleven) = (
        "2026-11-21T17:00,ph,1\n",
        "2026-11-21T18:00,ph,7\n",
        "2026-11-21T19:00,ph,1\n",
    );
    let equal = files.write("equal.csv", &[header, nine, ten, eleven].concat());
    let (code, answer) = compare(&world, &[&equal]).await;
    assert_eq!(code, Some(0), "{answer:#}");

    // As many, and not the same: equal, and told where the list is there.
    let list = files.write(
        "devices.csv",
        "device_id,country,time\nghost,ph,2026-11-21T09:30:00Z\nafter,ph,2026-11-21T11:30:00Z\n",
    );
    let two = files.write("two.csv", &[header, nine, eleven].concat());
    let (_, answer) = compare(&world, &[&two, "--devices", &list]).await;
    assert_eq!(answer["items"][0]["equal"], true);
    assert_eq!(
        reasons(&answer, "2026-11-21T17:00:00+08:00"),
        [
            json!(["unknown", 1, false, ["ghost"]]),
            json!(["unknown", -1, false, ["early"]]),
        ]
    );

    let holed = files.write("holed.csv", &[header, nine, eleven].concat());
    let (code, answer) = compare(&world, &[&holed]).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        reasons(&answer, "2026-11-21T18:00:00+08:00"),
        [json!(["unknown", -7, false, []])]
    );

    let bad = files.write("bad.csv", &[header, nine, "x,ph,1\n"].concat());
    let output = binary::run(&world, &["parity", &bad]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("line 3: `hour` is `x`"),
        "{}",
        text(&output)
    );

    // What was imported is the old job's own number, and proves nothing.
    world
        .sql("update hourly_counts set imported = true, devices = 9")
        .await;
    let (code, answer) = compare(&world, &[&equal]).await;
    assert_eq!(code, Some(0), "by presence: {answer:#}");
}

/// The code blocks of a document, each with whether it is meant to be run as it stands.
fn blocks(document: &str) -> Vec<(bool, String)> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let inside = lines.by_ref().take_while(|line| !line.starts_with("```"));
            let text: Vec<_> = inside.collect();
            blocks.push((before == "<!-- run -->", text.join("\n")));
        }
        before = line;
    }
    blocks
}

/// The guide for coming from the Lambda: whatever needs no far side works as it stands there, in the
/// order in which it stands, and the guide says the same in both languages.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_guide_work() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let guide = blocks(&read("migrate-from-lambda.md"));
    let commands = |blocks: &[(bool, String)]| -> Vec<String> {
        let run = blocks.iter().filter(|(is_run, _)| *is_run);
        run.map(|(_, text)| text.clone()).collect()
    };
    let japanese = blocks(&read("migrate-from-lambda.ja.md"));
    assert_eq!(guide.len(), japanese.len());
    let commands_in = (commands(&guide), commands(&japanese));
    assert_eq!(commands_in.0, commands_in.1);

    let (world, files) = (World::at("2026-11-21T00:00:00Z").await, Files::new());
    let request = |device: &str| {
        format!(
            "203.0.113.7 - - [08/Jan/2024:10:04:05 +0000] \"POST \
             /devices/{device}/heartbeat?mcc=515&mnc=02 HTTP/1.1\" 204 0 \"-\" \"mccs/2.4\"\n"
        )
    };
    let health = "203.0.113.9 - - [08/Jan/2024:10:04:06 +0000] \"GET /health HTTP/1.1\" 200 2\n";
    files.write(
        "access.log",
        &[&request("car-1"), health, &request("car-2")].concat(),
    );
    // {"deviceId":"car-3","receivedAt":"2024-01-08T10:20:00Z","plmn":"51503"}
    let data = "eyJkZXZpY2VJZCI6ImNhci0zIiwicmVjZWl2ZWRBdCI6IjIwMjQtMDEtMDhUMTA6MjA6MDBaIiwicGxtbiI6\
                IjUxNTAzIn0=";
    files.write(
        "records.json",
        &json!({ "NextShardIterator": "next", "Records": [{ "Data": data }] }).to_string(),
    );
    let beat = |device: &str, time: &str| {
        let at = format!("2024-01-08T{time}Z");
        json!({ "deviceId": device, "receivedAt": at, "plmn": "51502" }).to_string() + "\n"
    };
    files.write(
        "heartbeats.json",
        &[
            beat("car-1", "10:04:05"),
            beat("car-2", "10:04:06"),
            beat("car-2", "10:34:06"),
            beat("car-3", "10:59:59"),
        ]
        .concat(),
    );
    // Sent at 11:03 by UTC, for the hour from 10:00; nothing was sent an hour later.
    files.write(
        "query.json",
        &json!({ "series": [{ "scope": "country:philippines",
            "pointlist": [[1_704_711_780_000_i64, 3.0], [1_704_715_380_000_i64, null]] }] })
        .to_string(),
    );
    files.write(
        "devices.csv",
        "device_id,country,time\ncar-1,ph,2024-01-08T10:04:05Z\ncar-2,ph,2024-01-08T10:04:06Z\n\
         car-3,ph,2024-01-08T10:59:59Z\n",
    );
    std::os::unix::fs::symlink(binary::path(), files.0.path().join("headcount")).unwrap();

    let like = binary::command(&world, &[]);
    let run = async |script: &str| {
        let mut bash = std::process::Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", script]).env_clear();
        for (name, value) in like.get_envs() {
            bash.env(name, value.unwrap_or_default());
        }
        let path = format!(
            "{}:{}",
            files.0.path().display(),
            std::env::var("PATH").unwrap()
        );
        bash.env("PATH", path).current_dir(files.0.path());
        let output = tokio::task::spawn_blocking(move || bash.output());
        let output = output.await.unwrap().unwrap();
        assert!(output.status.success(), "{script}\n{}", text(&output));
        text(&output)
    };
    run("gzip heartbeats.json").await;
    let said = [
        "published 2, skipped 0",
        "published 1, skipped 0",
        "loaded 4, skipped 0",
        "loaded 1, skipped 0",
        "1 hours compared, 1 equal, 0 different",
        "\"ours\": 3",
    ];
    assert_eq!(commands_in.0.len(), said.len());
    for (command, said) in commands_in.0.iter().zip(said) {
        let output = run(command).await;
        assert!(output.contains(said), "{command}\n`{said}`:\n{output}");
    }
}
