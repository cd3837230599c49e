//! Two ingests, one slot: one hears, the other waits, and takes over.

use devstack::process::{self, Signal};
use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;
use headcount_tests::{binary, eventually};

async fn owner(world: &World) -> Option<String> {
    let slots = world.store.slots().await.unwrap();
    slots
        .into_iter()
        .find(|slot| slot.slot == world.slot())?
        .owner
}

/// A process that is paused beyond its lease wakes up to find that another has the slot. It writes
/// nothing, takes nothing, and stands by.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_process_that_wakes_stands_by() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    let first = binary::Running::start(binary::command(&world, &["ingest"]));
    let first_owner = eventually("the first holds the slot", async || owner(&world).await).await;
    eventually("the first start", async || world.watermark().await).await;
    let second = binary::Running::start(binary::command(&world, &["ingest"]));

    assert!(process::signal(Signal::Stop, &[first.pid()]));
    let second_owner = eventually("the second takes over", async || {
        owner(&world).await.filter(|owner| *owner != first_owner)
    })
    .await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet.publish([(world.topic("a"), Vec::new())]).await;
    eventually("the second hears", async || {
        (world.sql("select count(*) from presence").await == "1").then_some(())
    })
    .await;
    let term = "select term from ingest_slots";
    let before = world.sql(term).await;

    assert!(process::signal(Signal::Continue, &[first.pid()]));
    for n in 0..20 {
        fleet
            .publish([(world.topic(&format!("b{n}")), Vec::new())])
            .await;
        eventually("each is heard at once", async || {
            let all = world
                .sql("select count(distinct device_no) from presence")
                .await;
            (all == (n + 2).to_string()).then_some(())
        })
        .await;
    }
    assert_eq!(owner(&world).await.as_ref(), Some(&second_owner));
    assert_eq!(
        world.sql(term).await,
        before,
        "they do not fight over the slot"
    );
    drop((first, second));
}

/// An orderly end gives the slot back at once, with everything acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_hands_the_slot_over_at_once() {
    let world = World::at("2026-11-21T00:00:00Z").await;
    let mut first = binary::Running::start(binary::command(&world, &["ingest"]));
    eventually("the first start", async || world.watermark().await).await;
    let mut fleet = Publisher::new(&world.broker_url);
    fleet
        .publish((0..500).map(|n| (world.topic(&format!("d{n}")), Vec::new())))
        .await;
    assert!(process::signal(Signal::Terminate, &[first.pid()]));
    let code = tokio::task::spawn_blocking(move || first.wait())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(owner(&world).await, None);
    let _second = binary::Running::start(binary::command(&world, &["ingest"]));
    eventually("all are heard", async || {
        (world
            .sql("select count(distinct device_no) from presence")
            .await
            == "500")
            .then_some(())
    })
    .await;
    assert_eq!(world.sql("select count(*) from heartbeats").await, "500");
}
