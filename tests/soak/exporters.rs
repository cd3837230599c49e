//! A thousand simulated hours with three exporters that are killed and paused.

use std::time::Instant;

use headcount_tests::exporters::play;

use crate::{scaled, seconds_since};

const HOURS: u32 = 1000;

/// What is sent in the end is the truth.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "22 minutes: make soak PART=exporters"]
async fn exporters() {
    crate::print_machine("exporters: 1,000 simulated hours, exporters killed and paused");
    let seed = fastrand::u64(..);
    let hours = scaled(HOURS, 10);
    println!("  seed      {seed}");
    let started = Instant::now();
    let figures = play(hours.into(), seed)
        .await
        .unwrap_or_else(|why| panic!("{why}"));
    println!(
        "  hours     {hours} by the clock, {} closed in three countries, {} of them incomplete, \
         {} recounts",
        figures.hours, figures.incomplete, figures.recounts
    );
    println!(
        "  exporters 3: killed {}, paused {}; the lease changed hands {} times, {} runs abandoned",
        figures.kills, figures.pauses, figures.takeovers, figures.abandoned_runs
    );
    println!(
        "  lines     {}, of which {} lost in {} restarts of the Agent",
        figures.lines, figures.lost_lines, figures.agent_restarts
    );
    println!(
        "  last      {} series and timestamps whose last value was the exact count; none otherwise",
        figures.last_values
    );
    println!("  took      {:.0} s", seconds_since(started));
}
