//! The owner of the slot dies or stands still, again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use devstack::process::{self, Signal};
use devstack::{DataDir, MosquittoOptions, PostgresOptions};
use headcount_tests::ledger::{self, now};
use headcount_tests::mqtt::Acknowledged;
use headcount_tests::proxy::Proxy;
use headcount_tests::stage::Stage;
use headcount_tests::{binary, eventually_within};

use crate::{PATIENCE, heard_until, ingest_command, owner, scaled, seconds_since};

const ROUNDS: u32 = 40;
const PER_SEC: u32 = 1000;

/// The promise: so long after the owner is gone, its queue is drained.
const DRAINED_WITHIN_SECS: f64 = 30.0;

/// The way to Postgres is this slow while a pause inside of COPY is wanted, so that there is an
/// inside to hit.
const SLOW_BYTES_PER_SEC: u64 = 400_000;

/// How long a woken process is watched.
const WATCHED: Duration = Duration::from_secs(2);

/// One process with a way to the broker of its own, so that it can be seen what it does there.
struct Process {
    running: binary::Running,
    to_broker: Proxy,
    acknowledged: Arc<Acknowledged>,
}

impl Process {
    async fn start(stage: &Stage) -> Self {
        let acknowledged = Arc::new(Acknowledged::default());
        let to_broker = Proxy::tapped(stage.broker_port, acknowledged.tap()).await;
        let mut command = ingest_command(stage);
        let url = format!("mqtt://127.0.0.1:{}", to_broker.port());
        command.env("HEADCOUNT_MQTT__URL", url);
        Self {
            running: binary::Running::start(command),
            to_broker,
            acknowledged,
        }
    }
}

/// The queue of an owner that is gone is drained by the standby in time, and one that comes back
/// leaves everything alone.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "16 minutes: make soak PART=owners"]
async fn owners() {
    crate::print_machine("owners: the owner of the slot is killed and paused");
    let rounds = scaled(ROUNDS, 4);
    let stage = Stage::with_postgres_in(
        DataDir::temporary().unwrap(),
        PostgresOptions::durable(),
        MosquittoOptions::default(),
    )
    .await;
    crate::print_postgres(&stage).await;
    let started = Instant::now();
    let mut processes = vec![Process::start(&stage).await];
    stage.listens().await;
    processes.push(Process::start(&stage).await);
    let fleet = stage.fleet(PER_SEC);
    let (mut owned, mut drained) = (Vec::new(), Vec::new());
    let (mut killed, mut paused, mut inside_copy) = (0, 0, 0);
    for round in 0..rounds {
        stage.stores_more(2 * PER_SEC).await;
        let old = eventually_within(PATIENCE, "somebody owns the slot", async || {
            owner(&stage).await
        })
        .await;
        let place = processes.iter().position(|one| one.running.pid() == old);
        let mut gone = processes.remove(place.unwrap());
        let kill = round % 2 == 0;
        if !kill && round % 4 == 1 {
            stage.to_postgres.slow(SLOW_BYTES_PER_SEC);
            inside_copy += u32::from(copies(&stage).await);
        }
        if kill {
            gone.running.kill();
            killed += 1;
        } else {
            assert!(process::signal(Signal::Stop, &[old]));
            paused += 1;
        }
        let (gone_since, gone_at) = (Instant::now(), now());
        stage.to_postgres.heal();
        eventually_within(PATIENCE, "the standby takes over", async || {
            owner(&stage).await.filter(|owner| *owner != old)
        })
        .await;
        owned.push(seconds_since(gone_since));
        heard_until(&stage, gone_at).await;
        drained.push(seconds_since(gone_since));
        if kill {
            processes.push(Process::start(&stage).await);
        } else {
            wake(&stage, &gone, &processes[0]).await;
            processes.push(gone);
        }
    }
    let book = fleet.finish().await;
    let audit = ledger::settled_within(&stage.world, &book, PATIENCE).await;
    audit.must_store_once(&book);
    println!("  rounds    {rounds}: killed {killed}, paused {paused} ({inside_copy} inside COPY)");
    let slowest = drained.iter().copied().fold(0.0, f64::max);
    crate::print_distribution("seconds until the standby owns the slot", owned);
    crate::print_distribution("seconds until the queue is drained", drained);
    println!(
        "  stored    {} of {} published, lost {}, stored a second time {}",
        audit.stored,
        book.published(),
        audit.lost.len(),
        audit.stored_again
    );
    println!("  gaps      {}", stage.gaps().await);
    println!("  took      {:.0} s", seconds_since(started));
    assert!(slowest <= DRAINED_WITHIN_SECS, "{slowest} s");
    assert_eq!(stage.gaps().await, "first_start");
}

/// Waits until the owner is inside of COPY.
async fn copies(stage: &Stage) -> bool {
    let copying = "select count(*) from pg_stat_activity
         where state = 'active' and query ilike 'copy heartbeats%'";
    let patience = Instant::now() + Duration::from_secs(20);
    while Instant::now() < patience {
        if stage.world.sql(copying).await != "0" {
            return true;
        }
    }
    false
}

/// Lets a paused process go on and holds it to touching nothing: `heir` has the slot.
async fn wake(stage: &Stage, gone: &Process, heir: &Process) {
    let term = "select term from ingest_slots";
    let state = async || {
        (
            gone.to_broker.connections(),
            gone.acknowledged.acks(),
            heir.to_broker.connections(),
            stage.world.sql(term).await,
        )
    };
    let before = state().await;
    assert!(process::signal(Signal::Continue, &[gone.running.pid()]));
    tokio::time::sleep(WATCHED).await;
    assert_eq!(
        state().await,
        before,
        "connections and acknowledgements of the woken process, connections of its heir, term"
    );
    assert_eq!(gone.acknowledged.unfounded(), 0);
}
