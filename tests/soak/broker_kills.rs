//! What the broker itself loses when it is killed: the one window that headcount cannot close.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use devstack::process::{self, Signal};
use devstack::{DataDir, MosquittoOptions, PostgresOptions};
use headcount_tests::ledger::{self, now};
use headcount_tests::stage::Stage;

use crate::{scaled, seconds_since, start_ingest};

const KILLS: u32 = 24;
const PER_SEC: u32 = 2000;

/// What the documentation says of the shipped configuration: nothing older is lost. Mosquitto counts
/// in whole seconds and saves when more than one has passed, so every other second; the third is for
/// the saving itself.
const WINDOW_SECS: f64 = 3.0;

/// The shipped configuration, but for addresses, folders and who may come in.
fn shipped() -> MosquittoOptions {
    let path = "../deploy/mosquitto/mosquitto.conf";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let exchanged = [
        ("listener 1883\n", "listener {address}\n"),
        ("/mosquitto/data/", "{folder}/"),
        ("allow_anonymous false\n", "allow_anonymous true\n"),
        ("password_file /run/mosquitto/passwords\n", ""),
        ("acl_file /run/mosquitto/acl\n", ""),
    ];
    let shipped = std::fs::read_to_string(path).unwrap();
    let configuration = exchanged.iter().fold(shipped, |text, (there, here)| {
        assert!(text.contains(there), "{there} is not in the configuration");
        text.replace(there, here)
    });
    MosquittoOptions {
        configuration: Some(configuration),
        ..MosquittoOptions::default()
    }
}

/// Half of the kills come while ingest listens, the other half while it is away and the broker alone
/// has what it acknowledged.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "3 minutes: make soak PART=broker_kills"]
async fn broker_kills() {
    crate::print_machine("broker_kills: the broker is killed, set up as shipped");
    let kills = scaled(KILLS, 4);
    let stage = Stage::with_postgres_in(
        DataDir::temporary().unwrap(),
        PostgresOptions::durable(),
        shipped(),
    )
    .await;
    crate::print_postgres(&stage).await;
    let started = Instant::now();
    let mut ingest = Some(start_ingest(&stage));
    stage.listens().await;
    let fleet = stage.fleet(PER_SEC);
    let mut lost_before: HashSet<u32> = HashSet::new();
    let mut sessions_lost = 0;
    for (listening, name) in [
        (true, "while ingest listens"),
        (false, "while ingest is away"),
    ] {
        let (mut lost, mut ages) = (Vec::new(), Vec::new());
        for _ in 0..kills / 2 {
            stage.stores_more(PER_SEC).await;
            if !listening {
                let mut leaving = ingest.take().unwrap();
                assert!(process::signal(Signal::Terminate, &[leaving.pid()]));
                let left = tokio::task::spawn_blocking(move || leaving.wait());
                assert_eq!(left.await.unwrap(), Some(0));
            }
            // Anywhere between two savings.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(2000..4000))).await;
            stage.broker.does(|broker| broker.kill()).await;
            let killed_at = now();
            stage.broker.does(|broker| broker.restart()).await;
            ingest.get_or_insert_with(|| start_ingest(&stage));
            stage.drained().await;
            let stored = ledger::stored(&stage.world).await;
            let acknowledged = fleet.acknowledged_before(killed_at);
            let missing: Vec<_> = acknowledged
                .into_iter()
                .filter(|(seq, _)| !stored.contains(seq) && !lost_before.contains(seq))
                .collect();
            lost.push(missing.len() as f64);
            let age = |at: model::Instant| (killed_at - at).as_seconds_f64();
            ages.push(missing.iter().map(|(_, at)| age(*at)).fold(0.0, f64::max));
            lost_before.extend(missing.iter().map(|(seq, _)| seq));
            sessions_lost += usize::from(stage.gaps().await.ends_with("session_lost"));
        }
        let total: f64 = lost.iter().sum();
        let oldest = ages.iter().copied().fold(0.0, f64::max);
        println!("  {name}: {total} lost in {} kills", lost.len());
        crate::print_distribution("  messages lost in a kill", lost);
        crate::print_distribution(
            "  seconds before the kill at which the oldest was acknowledged",
            ages,
        );
        assert!(oldest <= WINDOW_SECS, "{oldest} s");
    }
    let book = fleet.finish().await;
    stage.drained().await;
    let audit = ledger::audit(&stage.world, &book).await;
    audit.must_count_right();
    stage.kept_its_word().await;
    println!(
        "  fleet     {} published at {PER_SEC} a second, {} acknowledged, {} lost by the broker",
        book.published(),
        book.acknowledged,
        audit.lost.len()
    );
    println!("  sessions  {sessions_lost} lost");
    println!(
        "  ingest    {} acknowledged to the broker, of those not stored: 0",
        stage.acknowledged.seqs().len()
    );
    println!("  took      {:.0} s", seconds_since(started));
    assert_eq!(
        lost_before.len(),
        audit.lost.len(),
        "no loss is unexplained"
    );
}
