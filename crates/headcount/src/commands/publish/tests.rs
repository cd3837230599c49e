//! Against a real Mosquitto.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use devstack::{DataDir, Mosquitto, MosquittoOptions};
use indicatif::ProgressBar;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop};

use super::*;
use crate::commands::report::tests::Paper;

/// Generous: other tests keep the processors busy.
const SOON: Duration = Duration::from_secs(30);

async fn broker() -> Mosquitto {
    tokio::task::spawn_blocking(|| {
        let folder = DataDir::temporary().unwrap();
        Mosquitto::start(&folder, MosquittoOptions::default()).unwrap()
    })
    .await
    .unwrap()
}

fn url(broker: &Mosquitto) -> BrokerUrl {
    BrokerUrl::parse(&broker.url()).unwrap()
}

/// Someone who listens to all heartbeats, with a session that stays.
struct Listener {
    _client: AsyncClient,
    events: EventLoop,
}

impl Listener {
    async fn new(broker: &Mosquitto) -> Self {
        let mut options = url(broker)
            .options("listener", &TlsFiles::default())
            .unwrap();
        options
            .set_clean_start(false)
            .set_session_expiry_interval(Some(3600));
        let (client, events) = AsyncClient::new(options, 10);
        client
            .subscribe("devices/+/heartbeat", QoS::AtLeastOnce)
            .await
            .unwrap();
        let mut listener = Self {
            _client: client,
            events,
        };
        while !matches!(listener.next().await, Some(Packet::SubAck(_))) {}
        listener
    }

    async fn next(&mut self) -> Option<Packet> {
        let event = tokio::time::timeout(SOON, self.events.poll())
            .await
            .unwrap();
        match event {
            Ok(Event::Incoming(packet)) => Some(packet),
            Ok(Event::Outgoing(_)) => None,
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }

    async fn message(&mut self) -> Publish {
        loop {
            if let Some(Packet::Publish(publish)) = self.next().await {
                return publish;
            }
        }
    }

    async fn topics(&mut self, count: usize) -> BTreeSet<String> {
        let mut topics = BTreeSet::new();
        while topics.len() < count {
            let topic = self.message().await.topic.to_vec();
            topics.insert(String::from_utf8(topic).unwrap());
        }
        topics
    }
}

/// Publishes a text as a file; returns the summary and what was said about bad rows.
async fn publish_text(
    broker: &BrokerUrl,
    text: &str,
    rate: Option<u32>,
    shutdown: CancellationToken,
) -> (anyhow::Result<Summary>, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let input = Input {
        file: file.path().to_owned(),
        format: None,
    };
    let rows = RowStream::start(input, REQUIRED, ProgressBar::hidden()).unwrap();
    let mut publisher =
        Publisher::new(broker, &TlsFiles::default(), "test", Patience::GiveUp).unwrap();
    let filter = TopicFilter::parse("devices/{device_id}/heartbeat").unwrap();
    let paper = Paper::default();
    let rate = rate.and_then(NonZeroU32::new);
    let paths = FieldPaths::default();
    let report = paper.report();
    let summary = publish_rows(
        rows,
        rate,
        &mut publisher,
        &filter,
        &paths,
        report,
        shutdown,
    )
    .await;
    (summary, paper.text())
}

fn many(count: usize) -> String {
    (0..count).fold("device_id,seq\n".to_owned(), |mut text, row| {
        writeln!(text, "d{row},{row}").unwrap();
        text
    })
}

#[tokio::test]
async fn good_rows_are_published_and_bad_ones_listed() {
    let broker = broker().await;
    let mut listener = Listener::new(&broker).await;
    let text = "device_id,mcc,mnc,seq\na,515,02,1\nb/c,515,02,2\nd,515,2,3\ne,,,\n";
    let (summary, said) = publish_text(&url(&broker), text, None, CancellationToken::new()).await;
    let summary = summary.unwrap();
    assert_eq!(summary.to_string(), "published 2, skipped 2");
    assert!(!summary.is_clean());
    assert!(said.starts_with("line 3: `device_id` is `b/c`: "), "{said}");
    assert!(said.contains("line 4: `mnc` is `2`: "), "{said}");
    let first = listener.message().await;
    assert_eq!(&*first.topic, b"devices/a/heartbeat");
    assert_eq!(&*first.payload, br#"{"mcc":"515","mnc":"02","seq":1}"#);
    assert!(first.qos == QoS::AtLeastOnce && !first.retain);
    let second = listener.message().await;
    assert_eq!(&*second.topic, b"devices/e/heartbeat");
    assert_eq!(&*second.payload, b"{}");
}

#[tokio::test]
async fn nobody_listening_is_worth_a_note() {
    let broker = broker().await;
    let (summary, _) = publish_text(&url(&broker), &many(3), None, CancellationToken::new()).await;
    let summary = summary.unwrap();
    assert!(summary.to_string().ends_with("published 3, skipped 0"));
    assert!(summary.notes[0].starts_with("3 were taken by the broker, but nobody has subscribed"));
    assert!(summary.is_clean());
}

#[tokio::test]
async fn thousands_of_rows_arrive_although_the_broker_is_restarted() {
    const ROWS: usize = 12_000;
    let mut broker = broker().await;
    let mut listener = Listener::new(&broker).await;
    let address = url(&broker);
    let text = many(ROWS);
    let publish = publish_text(&address, &text, Some(6000), CancellationToken::new());
    let restart = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::spawn_blocking(move || {
            broker.restart().unwrap();
            broker
        })
        .await
        .unwrap()
    };
    let ((summary, said), topics, _broker) = tokio::join!(publish, listener.topics(ROWS), restart);
    assert_eq!(said, "");
    assert_eq!(summary.unwrap().done, ROWS as u64);
    assert_eq!(topics.len(), ROWS);
}

#[tokio::test]
async fn a_rate_is_kept() {
    let broker = broker().await;
    let start = Instant::now();
    let (summary, _) =
        publish_text(&url(&broker), &many(20), Some(20), CancellationToken::new()).await;
    assert_eq!(summary.unwrap().done, 20);
    assert!(
        start.elapsed() >= Duration::from_millis(940),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_broker_that_is_not_there_and_a_missing_column_are_errors() {
    let nobody = BrokerUrl::parse("mqtt://127.0.0.1:1").unwrap();
    let (summary, _) = publish_text(&nobody, &many(3), None, CancellationToken::new()).await;
    let error = format!("{:#}", summary.unwrap_err());
    assert!(
        error.starts_with("the broker at 127.0.0.1:1 cannot be reached: "),
        "{error}"
    );
    let broker = broker().await;
    let (summary, _) = publish_text(&url(&broker), "id\na\n", None, CancellationToken::new()).await;
    let error = format!("{:#}", summary.unwrap_err());
    assert!(
        error.ends_with("no column `device_id`; the columns are `id`"),
        "{error}"
    );
}

#[tokio::test]
async fn an_interrupted_run_says_what_arrived() {
    let broker = broker().await;
    let shutdown = CancellationToken::new();
    let address = url(&broker);
    let text = many(1000);
    let publish = publish_text(&address, &text, Some(10), shutdown.clone());
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        shutdown.cancel();
    };
    let ((summary, _), ()) = tokio::join!(publish, interrupt);
    let summary = summary.unwrap();
    assert!((2..50).contains(&summary.done), "{summary}");
    assert!(!summary.is_clean());
    assert!(summary.to_string().contains("Interrupted"), "{summary}");
}
