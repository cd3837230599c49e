//! What was set aside can be looked at, and counted once its reason is mended.

use headcount_tests::binary;
use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use ingest::replay::{Outcome, ReplayError, replay};
use model::Reason;
use store::quarantine::Selection;
use tokio_util::sync::CancellationToken;

/// Replays in this process, on the world's clock.
async fn replay_with(world: &World, config: &ingest::Config, selection: &Selection) -> Outcome {
    try_replay(world, config, selection).await.unwrap()
}

async fn try_replay(
    world: &World,
    config: &ingest::Config,
    selection: &Selection,
) -> Result<Outcome, ReplayError> {
    let context = ingest::Context {
        store: world.store.clone(),
        clock: world.clock.clone(),
        catalogue: world.catalogue.clone(),
        health: world.health.clone(),
        shutdown: CancellationToken::new(),
    };
    replay(config, &context, selection).await
}

const PRESENT: &str = "select string_agg(to_char(hour at time zone 'UTC', 'HH24:MI') || ' '
        || device_id || ' ' || country || '/' || carrier, ', ' order by hour, device_id)
     from v_presence";

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_is_registered_later_counts_when_it_came_and_once() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    world
        .sql("insert into devices (device_id, first_seen_at, registered) values ('own', now(), true)")
        .await;
    let mut config = world.ingest_config();
    config.registry = ingest::Registry::Closed;
    let roles = world.run_with(Some(config.clone()), None).await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let globe = br#"{"mcc":"515","mnc":"02","seq":7,"fw":"2.4.1"}"#.to_vec();
    fleet
        .publish([
            (world.topic("late"), globe),
            (world.topic("never"), Vec::new()),
            (world.topic("own"), b"{".to_vec()),
            (world.topic("own"), br#"{"device_id":"late"}"#.to_vec()),
        ])
        .await;
    world.caught_up().await;
    assert_eq!(world.sql(PRESENT).await, "05:00 own zz/unknown");

    world.go_to("2026-11-21T07:30:00Z").await;
    world
        .sql("insert into devices (device_id, first_seen_at, registered) values ('late', now(), true)")
        .await;
    let everything = Selection::default();
    let first = replay_with(&world, &config, &everything).await;
    assert_eq!(
        (first.counted, first.evidence, first.of_unknown_time),
        (1, 0, 0)
    );
    let why = |reason: Reason| (reason.in_words().to_owned(), 1);
    assert_eq!(
        first.still_set_aside,
        [Reason::ClosedRegistry, Reason::Identity, Reason::Syntax]
            .map(why)
            .into()
    );
    let both = "05:00 late ph/globe, 05:00 own zz/unknown";
    assert_eq!(world.sql(PRESENT).await, both);
    assert_eq!(
        world
            .sql("select country, to_char(hour at time zone 'UTC', 'HH24:MI') from late_hours")
            .await,
        "ph|05:00"
    );
    assert_eq!(
        world
            .sql(
                "select to_char(l.heard_at at time zone 'UTC', 'HH24:MI'), l.fw, l.latest
                  from last_heard l join devices using (device_no) where device_id = 'late'"
            )
            .await,
        "05:10|2.4.1|t"
    );
    let evidence = "select count(*) from heartbeats join devices using (device_no)
                    where device_id = 'late' and seq = 7 and not older_entry";
    assert_eq!(world.sql(evidence).await, "1");

    let second = replay_with(&world, &config, &everything).await;
    assert_eq!((second.counted, second.evidence), (0, 0));
    assert_eq!(second.still_set_aside, first.still_set_aside);
    assert_eq!(world.sql(PRESENT).await, both);
    assert_eq!(world.sql(evidence).await, "1");
    assert_eq!(
        world
            .sql("select reason from quarantine where replayed_at is not null")
            .await,
        "closed_registry"
    );
    roles.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mistaken_schema_refused_counts_when_it_is_mended() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    world
        .sql("alter table heartbeats add constraint poison check (seq <> 666 and seq <> 667)")
        .await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let beat = |seq| {
        (
            world.topic(&format!("d{seq}")),
            format!(r#"{{"seq":{seq}}}"#).into_bytes(),
        )
    };
    fleet.publish((660..670).map(beat)).await;
    world.caught_up().await;
    let present = "select count(*) from v_presence";
    assert_eq!(world.sql(present).await, "8");
    world
        .sql(
            "alter table heartbeats drop constraint poison;
              alter table heartbeats add constraint poison check (seq <> 667)",
        )
        .await;
    let refused = Selection {
        reasons: vec![Reason::Refused],
        ..Selection::default()
    };
    let said = world
        .sql("select count(*) from quarantine where detail like '%poison%'")
        .await;
    assert_eq!(said, "2", "what the database said is kept");
    let config = world.ingest_config();
    let outcome = replay_with(&world, &config, &refused).await;
    assert_eq!(outcome.counted, 1);
    let why: Vec<_> = outcome.still_set_aside.into_keys().collect();
    assert!(
        why.len() == 1 && why[0].contains("still refuses it"),
        "{why:?}"
    );
    assert_eq!(world.sql(present).await, "9");
    world
        .sql("alter table heartbeats drop constraint poison")
        .await;
    assert_eq!(replay_with(&world, &config, &refused).await.counted, 1);
    assert_eq!(world.sql(present).await, "10");
    roles.end().await;
}

/// A message that waited in the broker is judged by the watermark that stood when it came: its own
/// time counts, and where it has none the hours it may belong to become incomplete.
#[tokio::test(flavor = "multi_thread")]
async fn lateness_is_judged_by_the_watermark_of_that_time() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let insert = |device: &str, reason: &str, payload: &str| {
        format!(
            "insert into quarantine (received_at, watermark, slot, reason, topic, payload,
                                     payload_bytes)
             values ('2026-11-21T05:05:00Z', '2026-11-21T03:30:00Z', '{}', '{reason}', '{}',
                     '{payload}', 0);",
            world.slot(),
            world.topic(device)
        )
    };
    let beat = r#"{"mcc":"515","mnc":"02","sent_at":"2026-11-21T04:10:00Z"}"#;
    world.sql(&insert("waited", "refused", beat)).await;
    world
        .sql(&insert("unknown", "refused", r#"{"mcc":"515","mnc":"02"}"#))
        .await;
    world.sql(&insert("mended", "syntax", r#"{"seq":3}"#)).await;
    let outcome = replay_with(&world, &world.ingest_config(), &Selection::default()).await;
    assert_eq!(
        (outcome.counted, outcome.evidence, outcome.of_unknown_time),
        (1, 1, 1)
    );
    assert_eq!(world.sql(PRESENT).await, "04:00 waited ph/globe");
    assert_eq!(
        world
            .sql(
                "select country, to_char(from_at at time zone 'UTC', 'HH24:MI'),
                         to_char(to_at at time zone 'UTC', 'HH24:MI')
                  from gaps where cause = 'unknown_time'"
            )
            .await,
        "ph|03:30|05:05"
    );
    assert_eq!(
        world
            .sql(
                "select string_agg(to_char(hour at time zone 'UTC', 'HH24:MI'), ' ' order by hour)
                  from late_hours where country = 'ph'"
            )
            .await,
        "03:00 04:00"
    );
    assert_eq!(
        world
            .sql("select count(*) from heartbeats where seq = 3 and heard_at is null")
            .await,
        "1"
    );
    roles.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_lists_and_shows_what_was_set_aside() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet
        .publish([
            (world.topic("a"), b"{\x1b[2J".to_vec()),
            (world.topic("b"), b"{".to_vec()),
            (world.topic("c"), b"42".to_vec()),
        ])
        .await;
    world.caught_up().await;
    let since = ["quarantine", "list", "--since", "2026-11-21T05:00"];
    let table = binary::stdout(&world, &since).await;
    for line in [
        "2026-11-21T05:10:00Z  field                     1       1         0  3\n",
        "2026-11-21T05:10:00Z  syntax                    2       2         0  1 2\n",
        "sum                                             3       3         0\n",
    ] {
        assert!(table.contains(line), "{table}");
    }
    let only = [&since[..], &["--reason", "field", "--format", "json"]].concat();
    let list: serde_json::Value =
        serde_json::from_str(&binary::stdout(&world, &only).await).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["ids"], serde_json::json!([3]));

    let shown = binary::stdout(&world, &["quarantine", "show", "1"]).await;
    for line in [
        "syntax: the payload breaks the rules of its encoding",
        &*world.topic("a"),
        "text         {\\u{1b}[2J\n",
        "hex          0000  7b 1b 5b 32 4a\n",
        "replayed     not yet\n",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let replayed = binary::stdout(&world, &["quarantine", "replay", "1", "3"]).await;
    assert!(
        replayed.contains("       2  still set aside\n"),
        "{replayed}"
    );
    assert!(replayed.contains("ids: 1 3\n"), "{replayed}");
    let missing = binary::run(&world, &["quarantine", "replay", "99"]).await;
    assert_eq!(missing.status.code(), Some(1));
    let error = String::from_utf8(missing.stderr).unwrap();
    assert!(error.contains("no message 99"), "{error}");
    roles.end().await;
}

/// Two people replay the same messages at once: every message is counted, and written, once.
#[tokio::test(flavor = "multi_thread")]
async fn two_replays_at_once_write_everything_once() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    world
        .sql(&format!(
            "insert into quarantine (received_at, watermark, slot, reason, topic, payload,
                                     payload_bytes)
             select '2026-11-21T05:05:00Z'::timestamptz + n * interval '1 millisecond',
                    '2026-11-21T05:05:00Z', '{}', 'refused', '{}' || n || '/heartbeat', '', 0
             from generate_series(1, 2000) n",
            world.slot(),
            world.topic("d").trim_end_matches("/heartbeat")
        ))
        .await;
    let config = world.ingest_config();
    let everything = Selection::default();
    let (one, other) = tokio::join!(
        try_replay(&world, &config, &everything),
        try_replay(&world, &config, &everything)
    );
    for outcome in [one, other] {
        assert!(
            matches!(outcome, Ok(_) | Err(ReplayError::Elsewhere)),
            "{outcome:?}"
        );
    }
    // whoever gave way left nothing half done
    replay_with(&world, &config, &everything).await;
    for count in [
        "select count(*) from quarantine where replayed_at is not null",
        "select count(*) from heartbeats",
        "select count(*) from v_presence",
    ] {
        assert_eq!(world.sql(count).await, "2000", "{count}");
    }
    roles.end().await;
}
