//! Random schedules of everything that may happen to ingest and its broker, held against a model
//! that knows the truth.

use headcount_tests::play::{play, seeds};
use tokio::task::JoinSet;

/// Schedules side by side; most of their time they wait. Always the same here, so that whoever
/// breaks something is who finds out; `make soak PART=model` draws new ones.
const SCHEDULES: std::ops::RangeInclusive<u64> = 1..=6;

/// Things that happen in each.
const STEPS: usize = 24;

/// What is stored, when it counts, which hours that leaves incomplete and by how much: all as the
/// model has it, and at every moment nothing is closed or vouched for that is not known yet.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_headcount_makes_of_it_what_the_model_does() {
    let seeds = seeds(SCHEDULES).into_iter();
    let mut schedules: JoinSet<_> = seeds.map(|seed| play(seed, STEPS)).collect();
    while let Some(played) = schedules.join_next().await {
        if let Err(why) = played.unwrap() {
            panic!("{why}");
        }
    }
}
