//! One hour through everything that may happen to it: the lines in `docs/reliability.md` are these.

use std::path::Path;

use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use headcount_tests::{binary, eventually};

/// Writes down the lines of an hour, with the time at which they were sent.
struct Notes<'a> {
    world: &'a World,
    seen: usize,
    text: String,
}

impl Notes<'_> {
    /// Moves the clock, waits for so many lines, and notes them with what became of them.
    async fn take(&mut self, now: &str, lines: usize, remark: &str) {
        self.world.go_to(&format!("2026-11-21T{now}Z")).await;
        let hour = async || {
            let all = self.world.agent.lines().into_iter();
            Vec::from_iter(all.filter(|line| line.starts_with("headcount.hour.")))
        };
        let sent = eventually(&format!("the lines of {now}"), async || {
            let sent = hour().await;
            (sent.len() >= self.seen + lines).then_some(sent)
        })
        .await;
        for line in &sent[self.seen..] {
            self.text += &format!("{now}  {line}{remark}\n");
        }
        self.seen = sent.len();
    }
}

/// An exporter dies, the Agent restarts, and heartbeats come late. In the end Datadog has the exact
/// count at the hour's last second, and the document says the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_hour_survives_a_crash_a_restarted_agent_and_a_late_burst() {
    let world = World::at("2026-11-21T00:30:00Z").await;
    let ingest = world.run_ingest().await;
    let mut config = world.exporter_config();
    // What is waited for in real time when an exporter is gone.
    config.lease = std::time::Duration::from_secs(1);
    let first = world.run_with(None, Some(config.clone())).await;
    world.caught_up().await;
    world.go_to("2026-11-21T01:05:00Z").await;
    let mut fleet = Publisher::new(&world.broker_url);
    let beats = [("a", "02"), ("b", "02"), ("c", "03")].map(|(device, network)| {
        let beat = format!(r#"{{"mcc":"515","mnc":"{network}"}}"#);
        (world.topic(device), beat.into_bytes())
    });
    fleet.publish(beats).await;
    world.caught_up().await;

    let mut notes = Notes {
        world: &world,
        seen: 0,
        text: String::new(),
    };
    notes.take("02:02:30", 3, "").await;
    drop(first);
    let second = world.run_with(None, Some(config)).await;
    notes.take("02:10:30", 3, "").await;
    notes
        .take("02:25:30", 3, "   (the Agent restarts: lost)")
        .await;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("late.csv");
    let late = "device_id,heard_at,mcc,mnc\n\
         d,2026-11-21T01:20:00Z,515,02\ne,2026-11-21T01:40:00Z,515,03\n";
    std::fs::write(&file, late).unwrap();
    binary::stdout(&world, &["import", "heartbeats", file.to_str().unwrap()]).await;
    notes.take("02:31:00", 3, "").await;
    notes.take("02:45:30", 3, "").await;
    // Nothing more comes of this hour; the next one does.
    notes.take("02:55:00", 0, "").await;
    notes.take("03:02:30", 3, "   (the next hour)").await;
    second.end().await;
    ingest.end().await;

    println!("{}", notes.text);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    assert!(
        docs.contains(&format!("```text\n{}```", notes.text)),
        "docs/reliability.md tells another story than:\n{}",
        notes.text
    );
}
