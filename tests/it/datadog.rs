//! What belongs into Datadog: monitors and a dashboard from the countries in use.

use std::path::Path;
use std::process::Output;

use headcount_tests::binary;
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
        said.contains("2 countries, 12 files written, 0 unchanged"),
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
    assert!(again.contains("0 files written, 12 unchanged"), "{again}");

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
