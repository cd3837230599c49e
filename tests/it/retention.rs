//! What is kept for how long.

use headcount_tests::world::World;
use model::Instant;
use store::Retention;

const PARTITIONS: &str = "select string_agg(relname, ' ' order by relname) from pg_class
     where relname ~ '^(heartbeats|presence|quarantine)_\\d+$' and relname ~ '_2026(11(1|20|30)|12)'";

/// Days are made ahead of time and dropped when they are old, the raw ones also when they take too
/// much room; a day that is over gets its index. Doing it again does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn days_come_and_go() {
    let world = World::at("2026-11-20T12:00:00Z").await;
    let mut retention = Retention {
        heartbeats_days: 2,
        heartbeats_max_bytes: 10_000_000_000,
        presence_days: 5,
        quarantine_days: 3,
    };
    let at = |day: &str| -> Instant { format!("{day}T12:00:00Z").parse().unwrap() };
    let maintain = async |day, retention| world.store.maintain(at(day), retention).await.unwrap();
    maintain("2026-11-20", retention).await;
    maintain("2026-11-20", retention).await;
    assert_eq!(
        world.sql(PARTITIONS).await,
        "heartbeats_20261119 heartbeats_20261120 presence_20261116 presence_20261117 \
         presence_20261118 presence_20261119 presence_20261120 quarantine_20261119 \
         quarantine_20261120"
    );
    world
        .sql(
            "insert into heartbeats (received_at, device_no, carrier_bit, older_entry, slot, country)
             select '2026-11-20T13:00:00Z', n, 0, false, 'x', 'ph' from generate_series(1, 5000) n;
             insert into now_counts select day, 'ph', 1, '{}' from
             unnest('{2026-08-01T00:00Z,2026-11-20T00:00Z}'::timestamptz[]) day",
        )
        .await;
    let index = "select count(*) from pg_indexes where indexname = 'heartbeats_20261120_by_device'";
    assert_eq!(
        world.sql(index).await,
        "0",
        "a day that runs has no index to slow it down"
    );
    maintain("2026-11-21", retention).await;
    world.store.index_past_days(at("2026-11-21")).await.unwrap();
    assert_eq!(world.sql(index).await, "1");
    assert_eq!(world.sql("select count(*) from now_counts").await, "1");

    // The same day, with less room than it takes: it goes, and today's stays.
    retention.heartbeats_max_bytes = 100_000;
    maintain("2026-11-21", retention).await;
    assert_eq!(world.sql("select count(*) from heartbeats").await, "0");

    maintain("2026-11-25", retention).await;
    assert_eq!(
        world.sql(PARTITIONS).await,
        "heartbeats_20261130 heartbeats_20261201 heartbeats_20261202 presence_20261120 \
         presence_20261130 presence_20261201 presence_20261202 quarantine_20261130 \
         quarantine_20261201 quarantine_20261202"
    );
}
