//! Everything that may happen to ingest and its broker, in an order nobody thought of, held against
//! a model that knows the truth.

use std::time::{Duration, Instant};

use headcount_tests::play::{Figures, play, seeds};
use tokio::task::JoinSet;

use crate::{scaled, seconds_since};

const SCHEDULES: u32 = 200;

/// No schedule begins later than this.
const AT_MOST: Duration = Duration::from_secs(20 * 60);

/// Schedules side by side; most of their time they wait.
const SIDE_BY_SIDE: usize = 6;

/// Things that happen in each.
const STEPS: usize = 60;

/// A schedule that fails is printed with its number.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "20 minutes: make soak PART=model"]
async fn model() {
    crate::print_machine("model: random schedules against a model that knows the truth");
    let schedules = scaled(SCHEDULES, SIDE_BY_SIDE as u32) as usize;
    let drawn = std::iter::repeat_with(|| fastrand::u64(..)).take(schedules);
    let mut seeds = seeds(drawn).into_iter();
    let started = Instant::now();
    let mut figures = Figures::default();
    let mut playing = JoinSet::new();
    loop {
        while playing.len() < SIDE_BY_SIDE && started.elapsed() < AT_MOST {
            let Some(seed) = seeds.next() else { break };
            playing.spawn(play(seed, STEPS));
        }
        let Some(played) = playing.join_next().await else {
            break;
        };
        figures.add(played.unwrap().unwrap_or_else(|why| panic!("{why}")));
    }
    println!("  schedules   {} of {} steps", figures.schedules, STEPS);
    println!("  heartbeats  {} taken by the broker", figures.taken);
    println!("  stored      {}", figures.stored);
    println!(
        "  unknown     {} of those, of unknown time",
        figures.of_unknown_time
    );
    println!("  lost        {}, all in recorded gaps", figures.lost);
    println!(
        "  hours       {} closed as the model has them, {} of them incomplete",
        figures.hours, figures.incomplete
    );
    println!("  took        {:.0} s", seconds_since(started));
}
