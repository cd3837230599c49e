//! Commands against real servers, whole and half broken.

use devstack::{DataDir, Mosquitto, MosquittoOptions};
use headcount_tests::http::get;
use headcount_tests::world::{World, free_address};
use headcount_tests::{binary, eventually};

/// A set-up that is in order, and one that is not: each problem is named with what to do.
#[tokio::test(flavor = "multi_thread")]
async fn validate_names_each_problem_and_the_fix() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    // The tests' Postgres runs without fsync to be quick; that is the one thing to find.
    let output = binary::run(&world, &["validate"]).await;
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    for line in [
        "fsync is off",
        "full_page_writes is off",
        "our own probe came back",
        "up to date",
        "nobody else hears",
        "hands over 500 messages or more before it waits: it is no limit",
    ] {
        assert!(report.contains(line), "`{line}` is missing:\n{report}");
    }

    world.sql("drop table _sqlx_migrations").await;
    let agent_away = free_udp_address();
    let mut broken = binary::command(&world, &["validate"]);
    broken
        .env("HEADCOUNT_MQTT__URL", format!("mqtt://{}", free_address()))
        .env("DD_DOGSTATSD_URL", format!("udp://{agent_away}"));
    let output = tokio::task::spawn_blocking(move || broken.output())
        .await
        .unwrap()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    for (problem, fix) in [
        ("schema is at version 0", "run `headcount migrate`"),
        ("refused", "check mqtt.url"),
        ("nobody listens", "start the Datadog Agent"),
    ] {
        assert!(
            report.contains(problem) && report.contains(fix),
            "`{problem}`:\n{report}"
        );
    }

    let mut without_database = binary::command(&world, &["validate"]);
    without_database.env("DATABASE_URL", format!("postgres://x@{}/x", free_address()));
    let output = tokio::task::spawn_blocking(move || without_database.output())
        .await
        .unwrap()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("check database.url"), "{report}");
}

/// A broker that lets nobody write our probes is found out.
#[tokio::test(flavor = "multi_thread")]
async fn validate_finds_a_broker_that_keeps_our_probes_from_us() {
    let start = || {
        let folder = DataDir::temporary().unwrap();
        let acl = folder.path().join("acl");
        std::fs::write(
            &acl,
            "topic readwrite +/+/heartbeat\ntopic read headcount/#\n",
        )
        .unwrap();
        make_readable(&acl);
        let options = MosquittoOptions {
            acl_file: Some(acl),
            ..MosquittoOptions::default()
        };
        Mosquitto::start(&folder, options).unwrap()
    };
    let broker = tokio::task::spawn_blocking(start).await.unwrap();
    let world = World::with_broker("2026-11-21T00:00:00Z", broker.url()).await;
    let output = binary::run(&world, &["validate"]).await;
    let report = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("write headcount/#"), "{report}");
    drop(broker);
}

fn make_readable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

fn free_udp_address() -> std::net::SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Neither Postgres nor broker at the start: no crash, `/readyz` says what is missing, and SIGTERM
/// still ends it in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_its_servers_waits_and_says_so() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    let listen = free_address();
    let mut command = binary::command(&world, &["run"]);
    command
        .env("DATABASE_URL", format!("postgres://x@{}/x", free_address()))
        .env("HEADCOUNT_MQTT__URL", format!("mqtt://{}", free_address()))
        .env("HEADCOUNT_API__LISTEN", listen.to_string());
    let mut running = binary::Running::start(command);
    let ready = eventually("the API answers", async || {
        tokio::net::TcpStream::connect(listen).await.ok()?;
        Some(get(listen, "/readyz").await).filter(|ready| ready.body.contains("database"))
    })
    .await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body.contains("broker"), "{}", ready.body);
    assert_eq!(get(listen, "/livez").await.status, 200);
    assert!(get(listen, "/metrics").await.body.ends_with("# EOF\n"));
    assert_eq!(get(listen, "/openapi.json").await.status, 200);
    let terminate = devstack::process::Signal::Terminate;
    assert!(devstack::process::signal(terminate, &[running.pid()]));
    let code = tokio::task::spawn_blocking(move || running.wait())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
}

/// Mistakes on the command line are named.
#[tokio::test(flavor = "multi_thread")]
async fn counting_wants_a_known_country_and_a_range_that_runs_forwards() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    world
        .sql("insert into countries values ('ph', 'Asia/Manila', 900, '2026-11-20T00:00:00Z')")
        .await;
    let cases: [(&[&str], &str); 4] = [
        (
            &["count", "--country", "jp", "--from", "2026-11-20"],
            "in use are: ph",
        ),
        (
            &["count", "--country", "phl", "--from", "2026-11-20"],
            "two letters",
        ),
        (
            &[
                "count",
                "--country",
                "ph",
                "--from",
                "2026-11-20",
                "--to",
                "2026-11-19",
            ],
            "must lie before --to",
        ),
        (
            &["count", "--country", "ph", "--from", "tomorrow"],
            "--from tomorrow",
        ),
    ];
    for (arguments, message) in cases {
        let output = binary::run(&world, arguments).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains(message), "{arguments:?}: {error}");
    }
}

/// Many replicas may migrate at once.
#[tokio::test(flavor = "multi_thread")]
async fn migrating_from_many_replicas_at_once_is_safe() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    world
        .sql("drop schema public cascade; create schema public")
        .await;
    let migrate = async || {
        let arguments: &[&str] = &["migrate"];
        binary::stdout(&world, arguments).await
    };
    tokio::join!(migrate(), migrate(), migrate());
    world.store.check_schema().await.unwrap();
}

/// A process without the API answers probes where it is told to, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_the_api_answers_probes() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    let listen = free_address();
    let mut command = binary::command(&world, &["ingest"]);
    command.env("HEADCOUNT_API__PROBES_LISTEN", listen.to_string());
    let _ingest = binary::Running::start(command);
    eventually("it is ready", async || {
        tokio::net::TcpStream::connect(listen).await.ok()?;
        (get(listen, "/readyz").await.status == 200).then_some(())
    })
    .await;
    let metrics = get(listen, "/metrics").await.body;
    assert!(
        metrics.contains("\nheadcount_ingest_broker_connected 1\n"),
        "{metrics}"
    );
    assert_eq!(get(listen, "/livez").await.status, 200);
    assert_eq!(get(listen, "/api/v1/countries").await.status, 404);
}
