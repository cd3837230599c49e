//! Three exporters through more than a day of hours, killed and paused as they go.

use headcount_tests::exporters::play;

/// The number of the run: always the same here; `make soak PART=exporters` draws others.
const SEED: u64 = 7;

/// With three countries, one of which moves its clock in this time.
const HOURS: i64 = 30;

/// Every hour is closed as the model has it, nothing incomplete or too old is sent, and the last
/// value that the Agent got at each timestamp is the exact count.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_exporters_the_last_value_is_the_exact_count() {
    let figures = play(HOURS, SEED)
        .await
        .unwrap_or_else(|why| panic!("{why}"));
    assert!(figures.hours > 80, "{figures:?}");
    assert!(
        figures.kills > 0 && figures.pauses > 0 && figures.agent_restarts > 0,
        "{figures:?}"
    );
}
