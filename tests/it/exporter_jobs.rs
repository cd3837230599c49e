//! The ledger of jobs, the fence around everything that an exporter writes, hours that are overdue,
//! and the dead man's switch.

use std::collections::BTreeMap;
use std::time::Duration;

use exporter::close::{CloseError, Sending, close_by_hand};
use headcount_tests::eventually;
use headcount_tests::http::get;
use headcount_tests::publisher::Publisher;
use headcount_tests::world::{Roles, World};
use model::{Carrier, Completeness, Country, Hour, Instant};
use store::Error;
use store::hours::Emission;
use store::job_runs::CLOSE_HOURS;
use store::leases::{EXPORTER, Lease};
use store::presence::Counts;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const BEAT: &[u8] = br#"{"mcc":"515","mnc":"02"}"#;

const LEASE: Duration = Duration::from_secs(60);

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// A world in which one device was heard in the hours from 00:00, which is incomplete, and 01:00, with
/// an exporter of this kind.
async fn heard(change: impl FnOnce(&mut exporter::Config)) -> (World, Roles) {
    let world = World::at("2026-11-21T00:30:00Z").await;
    let mut config = world.exporter_config();
    change(&mut config);
    let roles = world
        .run_with(Some(world.ingest_config()), Some(config))
        .await;
    let mut fleet = Publisher::new(&world.broker_url);
    world.caught_up().await;
    fleet.publish([(world.topic("a"), BEAT.to_vec())]).await;
    world.caught_up().await;
    world.go_to("2026-11-21T01:05:00Z").await;
    fleet.publish([(world.topic("a"), BEAT.to_vec())]).await;
    world.caught_up().await;
    (world, roles)
}

async fn closed(world: &World, hours: usize) {
    let count = "select count(*) from hourly_counts";
    eventually("the hours are closed", async || {
        (world.sql(count).await == hours.to_string()).then_some(())
    })
    .await;
}

const RUNS: &str = "select string_agg(concat_ws(' ', status, attempts, rows_written,
         to_char(started_at at time zone 'UTC', 'HH24:MI'), error), ', ' order by run_no)
     from job_runs";

/// A run is noted when it has something to do, and only then.
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_has_a_row_for_each_run_that_closed_hours() {
    let (world, roles) = heard(|_| {}).await;
    closed(&world, 1).await;
    world.go_to("2026-11-21T01:30:00Z").await;
    world.go_to("2026-11-21T02:03:00Z").await;
    closed(&world, 2).await;
    world.go_to("2026-11-21T02:30:00Z").await;
    let minute = world.agent.named("headcount.now.devices").len();
    world.go_to("2026-11-21T02:31:00Z").await;
    eventually("ticks without anything to close", async || {
        (world.agent.named("headcount.now.devices").len() > minute).then_some(())
    })
    .await;
    assert_eq!(world.sql(RUNS).await, "ok 1 1 01:05, ok 1 1 02:03");
    let status = get(roles.api.unwrap(), "/api/v1/status").await.json();
    let run = &status["last_run"];
    assert_eq!(
        (&run["status"], &run["hours"], &run["attempts"]),
        (&"ok".into(), &1.into(), &1.into())
    );
    assert_eq!(run["started_at"], "2026-11-21T02:03:00.001Z");
    roles.end().await;

    // A process that dies in the middle leaves a run behind, which the next one finds.
    world
        .sql(
            "insert into job_runs (job, term, started_at, status)
             values ('close_hours', 1, '2026-11-21T02:40Z', 'running');
             update ingest_slots set watermark = '2026-11-21T03:04Z'",
        )
        .await;
    world.clock.set(at("2026-11-21T03:04:00Z"));
    let exporter = world.run_with(None, Some(world.exporter_config())).await;
    closed(&world, 3).await;
    let runs = world.sql(RUNS).await;
    assert!(
        runs.ends_with(
            "abandoned 1 0 02:40 its process ended, or was paused beyond its lease, ok 1 1 03:04"
        ),
        "{runs}"
    );
    exporter.end().await;
}

/// A run that fails says why, and is the same run when it is tried again: a row, not one per second.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_again_and_again_is_one_row() {
    let (world, roles) = heard(|_| {}).await;
    closed(&world, 1).await;
    world
        .sql("alter table hourly_counts add constraint refused check (hour < '2026-11-21T01:00Z')")
        .await;
    world.go_to("2026-11-21T02:25:00Z").await;
    let status = async || get(roles.api.unwrap(), "/api/v1/status").await.json();
    let failed = eventually("some attempts", async || {
        let status = status().await;
        (status["last_run"]["attempts"].as_i64()? > 3).then_some(status)
    })
    .await;
    assert_eq!(failed["overdue"]["hours"], 1);
    let why = failed["overdue"]["why"].to_string();
    assert!(
        why.contains("closing failed") && why.contains("refused"),
        "{why}"
    );
    assert!(world.health.troubles().contains_key("exporter"));
    assert_eq!(world.sql("select count(*) from job_runs").await, "2");

    world
        .sql("alter table hourly_counts drop constraint refused")
        .await;
    closed(&world, 2).await;
    let run = status().await["last_run"].clone();
    assert_eq!((&run["status"], &run["hours"]), (&"ok".into(), &1.into()));
    assert!(run["attempts"].as_i64().unwrap() > 3);
    eventually("the exporter is well again", async || {
        (!world.health.troubles().contains_key("exporter")).then_some(())
    })
    .await;
    roles.end().await;
}

/// Whoever was paused at any of its writes and wakes when another has the lease writes nothing.
#[tokio::test]
async fn a_stale_exporter_writes_nothing_at_all() {
    let world = World::at("2026-11-21T02:03:00Z").await;
    let store = &world.store;
    let country = Country::parse("ph").unwrap();
    let now = at("2026-11-21T02:03:00Z");
    let hour = Hour {
        start: at("2026-11-21T01:00:00Z"),
        end: at("2026-11-21T02:00:00Z"),
    };
    world
        .sql(
            "insert into countries values ('ph', 'Asia/Manila', 900, '2026-11-21T00:30Z');
             insert into late_hours values ('ph', '2026-11-21T01:00Z', '2026-11-21T02:00Z', now())",
        )
        .await;
    let stale = store.acquire_lease(EXPORTER, "first", LEASE).await.unwrap();
    let stale = stale.unwrap();
    // Everything as far as it comes before the pause: a run, and a snapshot with an hour counted.
    let run = store.begin_run(&stale, CLOSE_HOURS, now).await.unwrap();
    let mut closing = store.begin_closing().await.unwrap();
    let counts = closing.count(country, hour).await.unwrap();
    let complete = Completeness::Complete;
    let written = closing.write(country, hour, &counts, &complete, false, now);
    assert_eq!(written.await.unwrap(), Some(1));
    store.confirm_lease(&stale).await.unwrap();

    // The lease runs out, and another takes it.
    world
        .sql("update leases set lease_until = '-infinity'")
        .await;
    assert!(
        store.confirm_lease(&stale).await.is_err(),
        "run out, though nobody else has it"
    );
    let heir = store
        .acquire_lease(EXPORTER, "second", LEASE)
        .await
        .unwrap();
    let heir = heir.unwrap();

    let emission = Emission {
        country,
        hour: hour.start,
        revision: 1,
        step: 0,
    };
    let minute: BTreeMap<Country, Counts> = BTreeMap::from([(
        country,
        Counts {
            devices: 1,
            carriers: BTreeMap::from([(Carrier::slug("globe"), 1)]),
        },
    )]);
    let lost = |outcome: Result<(), Error>| match outcome {
        Err(Error::LeaseLost(_)) => {}
        Err(conflict) if conflict.is_conflict() => {}
        other => panic!("{other:?}"),
    };
    lost(closing.commit(&stale, LEASE, run, 1, now).await);
    lost(store.begin_run(&stale, CLOSE_HOURS, now).await.map(drop));
    lost(store.fail_run(&stale, run, "too late", now).await);
    lost(store.note_emission(&stale, emission, now).await);
    let claimed = store.claim_legacy_emission(&stale, country, hour.start, now);
    lost(claimed.await.map(drop));
    lost(store.keep_now(&stale, now, &minute).await);
    lost(store.keep_now(&stale, now, &BTreeMap::new()).await);
    lost(store.confirm_lease(&stale).await);
    store.release_lease(&stale).await.unwrap();
    let written = "select (select count(*) from hourly_counts) + (select count(*) from emissions)
         + (select count(*) from legacy_emissions) + (select count(*) from now_counts)";
    assert_eq!(world.sql(written).await, "0");
    assert_eq!(world.sql("select count(*) from late_hours").await, "1");
    assert_eq!(world.sql(RUNS).await, "running 1 0 02:03");

    // Its heir can do all of it, which shows that the fence lets the right one through.
    store.confirm_lease(&heir).await.unwrap();
    let run = store.begin_run(&heir, CLOSE_HOURS, now).await.unwrap();
    let mut closing = store.begin_closing().await.unwrap();
    let written = closing.write(country, hour, &counts, &complete, false, now);
    assert_eq!(written.await.unwrap(), Some(1));
    closing.commit(&heir, LEASE, run, 1, now).await.unwrap();
    store.note_emission(&heir, emission, now).await.unwrap();
    let claims = async |lease: &Lease| {
        let claimed = store.claim_legacy_emission(lease, country, hour.start, now);
        claimed.await.unwrap()
    };
    assert!(claims(&heir).await);
    assert!(!claims(&heir).await, "once for ever");
    store.keep_now(&heir, now, &minute).await.unwrap();
    store.keep_now(&heir, now, &BTreeMap::new()).await.unwrap();
    let runs = world.sql(RUNS).await;
    assert!(
        runs.starts_with("abandoned") && runs.ends_with("ok 1 1 02:03"),
        "{runs}"
    );
}

/// An hour that cannot be closed is overdue 20 minutes after its end, and it is said why.
#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_hour_is_announced_with_its_reason() {
    let (world, roles) = heard(|_| {}).await;
    closed(&world, 1).await;
    roles.end().await;
    world.clock.set(at("2026-11-21T02:19:59Z"));
    let exporter = world.run_with(None, Some(world.exporter_config())).await;
    let status = async || get(exporter.api.unwrap(), "/api/v1/status").await.json();
    assert_eq!(status().await["overdue"]["hours"], 0);
    world.clock.set(at("2026-11-21T02:20:00Z"));
    let overdue = status().await["overdue"].clone();
    assert_eq!(
        (&overdue["hours"], &overdue["country"], &overdue["oldest"]),
        (&1.into(), &"ph".into(), &"2026-11-21T01:00:00Z".into())
    );
    let why = overdue["why"].to_string();
    assert!(
        why.contains("heard until 2026-11-21T01:0") && why.contains("no ingest is running"),
        "{why}"
    );
    // The exporter itself is well: it does what it can.
    eventually("the exporter is well", async || {
        (!world.health.troubles().contains_key("exporter")).then_some(())
    })
    .await;
    let ingest = world.run_ingest().await;
    world.caught_up().await;
    closed(&world, 2).await;
    assert_eq!(status().await["overdue"]["hours"], 0);
    ingest.end().await;
    exporter.end().await;
}

/// Whoever closes an hour by hand is told what becomes of it, and cannot skip one.
#[tokio::test(flavor = "multi_thread")]
async fn an_hour_closed_by_hand_says_what_becomes_of_it() {
    let (world, roles) = heard(|_| {}).await;
    world.go_to("2026-11-21T02:03:00Z").await;
    closed(&world, 2).await;
    roles.end().await;
    let ph = Country::parse("ph").unwrap();
    let context = exporter::Context {
        store: world.store.clone(),
        clock: world.clock.clone(),
        catalogue: world.catalogue.clone(),
        health: world.health.clone(),
        shutdown: tokio_util::sync::CancellationToken::new(),
    };
    let close = async |hour: &str, historical| {
        let closed = close_by_hand(&context, ph, at(hour), historical).await;
        closed.map(|closed| (closed.revision, closed.devices, closed.sending))
    };
    let second = "2026-11-21T01:30:00Z";
    let incomplete = close("2026-11-21T00:30:00Z", true).await.unwrap();
    let Sending::Incomplete { causes, .. } = &incomplete.2 else {
        panic!("{incomplete:?}")
    };
    assert_eq!(causes, &[model::Cause::FirstStart]);
    assert_eq!(close(second, false).await.unwrap(), (2, 1, Sending::Due));
    world.clock.set(at("2026-11-21T02:54:59Z"));
    assert_eq!(close(second, false).await.unwrap(), (3, 1, Sending::Due));
    world.clock.set(at("2026-11-21T02:55:00Z"));
    assert_eq!(close(second, false).await.unwrap(), (4, 1, Sending::TooOld));
    assert_eq!(close(second, true).await.unwrap(), (5, 1, Sending::Due));

    world
        .sql("update ingest_slots set watermark = '2026-11-21T04:02Z'")
        .await;
    world.clock.set(at("2026-11-21T04:03:00Z"));
    let skipping = close("2026-11-21T03:30:00Z", false).await;
    assert!(
        matches!(skipping, Err(CloseError::NotItsTurn(from)) if from == at("2026-11-21T02:00:00Z")),
        "{skipping:?}"
    );
    let early = close("2026-11-21T04:30:00Z", false).await;
    assert!(matches!(early, Err(CloseError::TooEarly(_))), "{early:?}");
    assert_eq!(
        world
            .sql("select count(*), sum(rows_written) from job_runs where job = 'close_by_hand'")
            .await,
        "5|5"
    );

    // Several, in order, by the country's clock.
    let several = [
        "close",
        "--country",
        "ph",
        "--from",
        "2026-11-21T10:00",
        "--to",
        "2026-11-21T12:00",
    ];
    let said = headcount_tests::binary::stdout(&world, &several).await;
    assert!(
        said.contains("from 2026-11-21T10:00:00+08:00 is closed as revision 1: 0 devices")
            && said.contains("from 2026-11-21T11:00:00+08:00 is closed as revision 1: 0 devices"),
        "{said}"
    );
    for (arguments, code) in [
        (&["--from", "2026-11-21T10:00"][..], 2),
        (
            &[
                "--hour",
                "2026-11-21T10:00",
                "--from",
                "2026-11-21T10:00",
                "--to",
                "2026-11-21T11:00",
            ],
            2,
        ),
        (&[], 2),
        (
            &["--from", "2026-11-21T11:00", "--to", "2026-11-21T14:00"],
            1,
        ),
        (
            &["--from", "2026-11-21T11:00", "--to", "2026-11-21T11:00"],
            1,
        ),
        (
            &["--from", "2026-01-01T11:00", "--to", "2026-11-21T11:00"],
            1,
        ),
    ] {
        let arguments = [&["close", "--country", "ph"][..], arguments].concat();
        let output = headcount_tests::binary::run(&world, &arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    }
}

/// Takes requests to a dead man's switch and answers each; gives the first line of it.
async fn switch(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK")
        .await
        .unwrap();
    let head = String::from_utf8(head).unwrap();
    head.lines().next().unwrap().to_owned()
}

/// The switch hears of an hour that was closed in its turn, and of nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_dead_mans_switch_hears_of_closed_hours_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/check-7");
    let url = exporter::dead_man::Url::parse(&url).unwrap();
    let (world, roles) = heard(|config| config.dead_man = Some(url)).await;
    assert_eq!(
        switch(&listener).await,
        "GET /check-7 HTTP/1.1",
        "for the first hour"
    );
    closed(&world, 1).await;

    // A recount is no sign of life, and an hour that runs is none either.
    world
        .sql("insert into late_hours select country, hour, hour_end, closed_at from hourly_counts")
        .await;
    world.go_to("2026-11-21T01:50:00Z").await;
    eventually("it is counted again", async || {
        (world.sql("select count(*) from late_hours").await == "0").then_some(())
    })
    .await;
    let runs = "select count(*) from job_runs where status = 'ok'";
    assert_eq!(world.sql(runs).await, "2");
    world.go_to("2026-11-21T02:03:00Z").await;
    assert_eq!(
        switch(&listener).await,
        "GET /check-7 HTTP/1.1",
        "for the second"
    );
    assert_eq!(
        world.sql(runs).await,
        "3",
        "what was heard is this run, and not the recount"
    );
    roles.end().await;
}

/// A switch that takes connections and never answers holds nothing up.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_switch_holds_nothing_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", silent.local_addr().unwrap());
    let url = exporter::dead_man::Url::parse(&url).unwrap();
    let (world, roles) = heard(|config| config.dead_man = Some(url)).await;
    let hanging = silent.accept().await.unwrap();
    for hour in 2..5 {
        world.go_to(&format!("2026-11-21T{hour:02}:03:00Z")).await;
        eventually("hours are closed and sent all the same", async || {
            let sent = world.agent.named("headcount.hour.devices").len();
            (sent == hour - 1).then_some(())
        })
        .await;
    }
    roles.end().await;
    drop(hanging);
}
