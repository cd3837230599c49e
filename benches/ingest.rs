//! How fast a backlog drains: ingest, with everything it commits, against a subscriber on the same
//! broker that only acknowledges. The broker is the limit; this says how much of it is left.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot set itself up has failed, and printing is its purpose"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use devstack::{DataDir, Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
use ingest::broker::{BrokerEvent, BrokerUrl, Connection, SessionOptions};
use ingest::topic::TopicFilter;
use model::{Catalogue, Clock as _, ManualClock};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event};
use store::{Retention, Store};
use telemetry::{Counter, Health};
use tokio_util::sync::CancellationToken;

const MESSAGES: u64 = 200_000;
const DEVICES: u64 = 20_000;
const RUNS: usize = 3;
const IN_FLIGHT: u16 = 1000;
/// Nobody waits for anybody, although the broker may send all of it at once.
const MAX_WAITING: usize = 200_000;

fn main() {
    println!("{}", headcount_benches::header());
    let folder = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&folder, PostgresOptions::durable()).unwrap();
    let broker = Mosquitto::start(&folder, MosquittoOptions::default()).unwrap();
    postgres.create_database("bench").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(compare(&postgres.url("bench"), &broker.url()));
}

async fn compare(database_url: &str, broker_url: &str) {
    let store = Store::new(&store::Settings {
        url: database_url.to_owned(),
        max_connections: 8,
        statement_timeout: Duration::from_secs(60),
        application_name: "bench".to_owned(),
    })
    .unwrap();
    store.migrate().await.unwrap();
    let config = config(broker_url);
    println!("{MESSAGES} messages of {DEVICES} devices wait in the broker; drained at");
    println!("{:>16} {:>16} {:>8}", "acks only /s", "ingest /s", "ratio");
    // One hour per run: every run writes presence anew.
    let clock = Arc::new(ManualClock::at("2026-11-21T00:30:00Z".parse().unwrap()));
    for _ in 0..RUNS {
        clock.advance(Duration::from_secs(3600));
        let bare = drain_bare(&config, broker_url).await;
        let ours = drain_ours(&config, broker_url, &store, &clock).await;
        println!("{bare:>16.0} {ours:>16.0} {:>8.2}", ours / bare);
    }
}

fn config(broker_url: &str) -> ingest::Config {
    ingest::Config {
        slot: "bench".to_owned(),
        broker: BrokerUrl::parse(broker_url).unwrap(),
        ca_file: None,
        client_id: "headcount-bench".to_owned(),
        topic_filter: TopicFilter::parse("bench/+/heartbeat").unwrap(),
        session_expiry: Duration::from_secs(3600),
        receive_maximum: u16::MAX,
        batch_max_age: Duration::from_millis(50),
        batch_max_messages: 8192,
        probe_interval: Duration::from_secs(5),
        lease: Duration::from_secs(15),
        keep_alive: Duration::from_secs(5),
        registry: ingest::Registry::Open {
            max_devices: 1_000_000,
        },
        countries: HashMap::new(),
        reach_window: Duration::from_secs(900),
        retention: Retention {
            heartbeats_days: 2,
            heartbeats_max_bytes: 20_000_000_000,
            presence_days: 35,
            quarantine_days: 7,
        },
    }
}

/// Opens a session, leaves it, fills it, and measures how fast it is read and acknowledged.
async fn drain_bare(config: &ingest::Config, broker_url: &str) -> f64 {
    let session = SessionOptions {
        client_id: "bare".to_owned(),
        expiry: config.session_expiry,
        receive_maximum: config.receive_maximum,
        max_waiting_acks: MAX_WAITING,
        keep_alive: config.keep_alive,
    };
    let connect = || {
        let options = config.broker.options("bare", None).unwrap();
        Connection::new(options, &session)
    };
    let mut connection = connect();
    let sender = connection.sender();
    loop {
        match connection.next().await.unwrap() {
            BrokerEvent::Connected { .. } => sender.subscribe(&["bare/+/heartbeat"]),
            BrokerEvent::Subscribed => break,
            _ => {}
        }
    }
    drop(connection);
    publish(broker_url, "bare").await;
    let started = Instant::now();
    let mut connection = connect();
    let (acks, sender) = (connection.acks(), connection.sender());
    // Acknowledging waits for the connection to be polled, so each has a place of its own.
    let (owe, mut owed) = tokio::sync::mpsc::channel(MAX_WAITING);
    let receive = async {
        let mut taken = 0;
        // After the last acknowledgement we leave, and the broker closes the connection.
        while let Ok(event) = connection.next().await {
            if let BrokerEvent::Message(message) = event {
                taken += 1;
                owe.send(message.packet_id.unwrap()).await.unwrap();
            }
        }
        assert_eq!(taken, MESSAGES);
    };
    let acknowledge = async {
        for _ in 0..MESSAGES {
            acks.acknowledge(owed.recv().await.unwrap()).await;
        }
        sender.disconnect().await;
    };
    tokio::join!(receive, acknowledge);
    rate(started)
}

/// The same with ingest: the time until everything is committed.
async fn drain_ours(
    config: &ingest::Config,
    broker_url: &str,
    store: &Store,
    clock: &Arc<ManualClock>,
) -> f64 {
    let run = async |until_committed: u64, until: model::Instant| {
        let shutdown = CancellationToken::new();
        let context = ingest::Context {
            store: store.clone(),
            clock: clock.clone(),
            catalogue: Arc::new(Catalogue::builtin()),
            health: Health::default(),
            shutdown: shutdown.clone(),
        };
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(ingest::run(config.clone(), context));
        loop {
            let slots = store.slots().await.unwrap();
            let heard = slots
                .iter()
                .any(|slot| slot.watermark.is_some_and(|mark| mark >= until));
            if heard && Counter::MessagesCommitted.value() >= until_committed {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        shutdown.cancel();
        tasks.join_next().await.unwrap().unwrap().unwrap();
    };
    let committed = Counter::MessagesCommitted.value();
    run(committed, clock.now()).await;
    publish(broker_url, "bench").await;
    let started = Instant::now();
    run(committed + MESSAGES, clock.now()).await;
    rate(started)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(started: Instant) -> f64 {
    MESSAGES as f64 / started.elapsed().as_secs_f64()
}

async fn publish(broker_url: &str, prefix: &str) {
    let mut options = BrokerUrl::parse(broker_url)
        .unwrap()
        .options(&format!("fleet-{prefix}"), None)
        .unwrap();
    options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
    let (client, mut events) = AsyncClient::new(options, usize::from(IN_FLIGHT));
    let mut sent = 0;
    let mut owed = 0;
    while sent < MESSAGES || owed > 0 {
        while owed < IN_FLIGHT && sent < MESSAGES {
            let topic = format!("{prefix}/d{}/heartbeat", sent % DEVICES);
            let payload = format!(
                r#"{{"sent_at":"2026-11-21T01:02:03Z","mcc":"515","mnc":"02","seq":{sent},"rat":"lte","rsrp":-98,"tac":"1A2B","cell":"0012F3A1","battery_mv":12350,"fw":"2.4.1"}}"#
            );
            client
                .try_publish(topic, QoS::AtLeastOnce, false, payload)
                .unwrap();
            sent += 1;
            owed += 1;
        }
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            owed -= 1;
        }
    }
}
