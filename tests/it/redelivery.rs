//! A message that the broker sends twice counts once.

use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use headcount_tests::{binary, eventually};

/// The same message a thousand times is one device in one hour.
#[tokio::test(flavor = "multi_thread")]
async fn duplicates_change_nothing() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    let payload = br#"{"mcc":"515","mnc":"02","seq":1}"#.to_vec();
    fleet
        .publish((0..1000).map(|_| (world.topic("a"), payload.clone())))
        .await;
    world.caught_up().await;
    assert_eq!(world.sql("select count(*) from presence").await, "1");
    assert_eq!(world.sql("select count(*) from last_heard").await, "1");
    roles.end().await;
}

/// Committed at the end of one hour, its acknowledgement lost, and sent again in the next: the
/// device is not in the next hour. The acknowledgement is lost by undoing nothing but what the
/// broker would have heard: the subscriber's connection is dropped with the commit done.
#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_adds_nothing_across_the_boundary_of_an_hour() {
    let world = World::at("2026-11-21T05:59:50Z").await;
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet.publish([(world.topic("before"), Vec::new())]).await;
    world.caught_up().await;
    roles.end().await;

    // An impatient client of the same session takes the next messages and acknowledges nothing.
    let deaf = deaf_client(&world, 2, async {
        fleet
            .publish([
                (world.topic("committed"), b"{\"seq\":1}".to_vec()),
                (world.topic("uncommitted"), b"{\"seq\":2}".to_vec()),
            ])
            .await;
    })
    .await;
    // What ingest would have committed of them before it lost the connection: the first.
    let (packet_id, fingerprint) = deaf[0];
    world
        .sql(&format!(
            "insert into devices (device_id, first_seen_at) values ('committed', now());
             insert into heartbeats (received_at, heard_at, device_no, carrier_bit, older_entry,
                 slot, country, packet_id, fingerprint)
             select '2026-11-21T05:59:55Z', '2026-11-21T05:59:55Z', device_no, 0, false, '{}',
                 'zz', {packet_id}, {fingerprint} from devices where device_id = 'committed'",
            world.slot()
        ))
        .await;

    world.clock.set("2026-11-21T06:00:10Z".parse().unwrap());
    let roles = world.run_ingest().await;
    world.caught_up().await;
    let present = "select to_char(hour at time zone 'UTC', 'HH24:MI') || ' ' || device_id
         from v_presence order by 1";
    assert_eq!(world.sql(present).await, "05:00 before\n06:00 uncommitted");
    roles.end().await;
}

/// Takes `count` heartbeats of the world's session without acknowledging them, and gives the
/// packet id and the fingerprint of each.
async fn deaf_client(
    world: &World,
    count: usize,
    meanwhile: impl Future<Output = ()>,
) -> Vec<(u16, i64)> {
    use ingest::broker::{BrokerEvent, Connection, SessionOptions};
    let config = world.ingest_config();
    let session = SessionOptions {
        client_id: config.client_id.clone(),
        expiry: config.session_expiry,
        receive_maximum: config.receive_maximum,
        keep_alive: config.keep_alive,
    };
    let target = config.broker.target(&config.tls).unwrap();
    let mut connection = Connection::open(&target, None, &session).await.unwrap();
    let probe_topic = ingest::probe::topic(&config.slot);
    let listen = async {
        let mut taken = Vec::new();
        while taken.len() < count {
            if let BrokerEvent::Message(message) = connection.incoming.next().await.unwrap() {
                if message.topic == probe_topic {
                    continue;
                }
                let fingerprint = ingest::tail::fingerprint(&message.topic, &message.payload);
                taken.push((message.packet_id.unwrap(), fingerprint));
            }
        }
        taken
    };
    tokio::join!(listen, meanwhile).0
}

/// The real thing, by force: ingest is killed again and again while it commits, and no device
/// appears in an hour that it was not in. Counts are compared after each round.
#[tokio::test(flavor = "multi_thread")]
async fn kills_between_commit_and_acknowledgement_add_nothing() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    let mut fleet = Publisher::new(&world.broker_url);
    let mut published = 0_u32;
    for round in 0..3 {
        let mut ingest = binary::Running::start(binary::command(&world, &["ingest"]));
        eventually("ingest listens", async || {
            let owner = world.store.slots().await.unwrap();
            let renewed = owner
                .iter()
                .any(|slot| slot.slot == world.slot() && slot.owner.is_some());
            renewed.then_some(())
        })
        .await;
        if round == 0 {
            eventually("the first start", async || world.watermark().await).await;
        }
        let messages = (0..2000).map(|n| {
            let seq = published + n;
            (
                world.topic(&format!("d{n}")),
                format!(r#"{{"seq":{seq}}}"#).into_bytes(),
            )
        });
        fleet.publish(messages).await;
        published += 2000;
        ingest.kill();
        // The lease of a killed process runs out by itself; the next one waits for it.
    }
    let mut ingest = binary::Running::start(binary::command(&world, &["ingest"]));
    eventually("all of it is there", async || {
        let all = world
            .sql("select count(distinct (device_no, seq)) from heartbeats")
            .await;
        (all == published.to_string()).then_some(())
    })
    .await;
    let repeated = "select count(*) from (select from heartbeats group by device_no, seq
         having count(*) > 1) again";
    assert_eq!(
        world.sql(repeated).await,
        "0",
        "a redelivery was stored a second time"
    );
    ingest.kill();
}
