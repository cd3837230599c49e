//! MQTT 3.1.1, where the broker lacks 5 or the configuration asks for it.

use std::net::SocketAddr;

use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use ingest::broker::{BrokerUrl, Protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The everyday promises, whichever version is spoken: counted live, kept by the broker while we
/// are away, each once.
async fn heard_live_and_after_an_absence(world: &World, config: &ingest::Config) {
    let mut fleet = Publisher::new(&world.broker_url);
    let roles = world.run_with(Some(config.clone()), None).await;
    world.caught_up().await;
    fleet.publish([(world.topic("live"), Vec::new())]).await;
    world.caught_up().await;
    roles.end().await;
    let waiting = (0..3000).map(|n| {
        let payload = format!(r#"{{"seq":{n}}}"#);
        (world.topic("waiting"), payload.into_bytes())
    });
    fleet.publish(waiting).await;
    let roles = world.run_with(Some(config.clone()), None).await;
    world.caught_up().await;
    let present = "select device_id from v_presence order by 1";
    assert_eq!(world.sql(present).await, "live\nwaiting");
    let stored = "select count(*), count(distinct seq) from heartbeats";
    assert_eq!(world.sql(stored).await, "3001|3000");
    let gaps = "select string_agg(cause, ' ') from gaps";
    assert_eq!(world.sql(gaps).await, "first_start");
    roles.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn version_3_1_1_can_be_asked_for() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let config = ingest::Config {
        protocol: Some(Protocol::V311),
        ..world.ingest_config()
    };
    heard_live_and_after_an_absence(&world, &config).await;
}

/// A broker that lacks MQTT 5: it refuses that version in 3.1.1, and is Mosquitto otherwise. It is
/// there as long as what is returned.
async fn without_five(broker: String) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut front = JoinSet::new();
    front.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let broker = broker.clone();
            connections.spawn(async move {
                // A CONNECT of ours is shorter than 128 bytes: kind, length, "MQTT", version.
                let mut head = [0; 9];
                client.read_exact(&mut head).await.unwrap();
                if head[8] == 5 {
                    client.write_all(&[0x20, 2, 0, 1]).await.unwrap();
                    return;
                }
                let mut behind = TcpStream::connect(broker).await.unwrap();
                behind.write_all(&head).await.unwrap();
                let _ended = tokio::io::copy_bidirectional(&mut client, &mut behind).await;
            });
        }
    });
    (address, front)
}

#[tokio::test(flavor = "multi_thread")]
async fn version_3_1_1_is_spoken_where_the_broker_lacks_5() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let broker = world.broker_url.trim_start_matches("mqtt://").to_owned();
    let (front, _running) = without_five(broker).await;
    let config = ingest::Config {
        broker: BrokerUrl::parse(&format!("mqtt://{front}")).unwrap(),
        ..world.ingest_config()
    };
    heard_live_and_after_an_absence(&world, &config).await;
}
