//! A past that was not listened to counts like one that was.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use headcount_tests::world::World;
use model::{Carrier, CarrierSet, Country, Hour, Instant, Segment};
use store::countries::CountrySettings;
use store::history::MinuteRow;
use store::presence::{Counts, PresenceRow};

const DEVICES: usize = 60;

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// Two countries whose hours begin half an hour apart, with devices that were heard here and
/// there over two days.
async fn random_presence(world: &World) -> (Vec<PresenceRow>, Vec<(Country, Hour)>) {
    let (from, to) = (at("2026-11-18T00:00:00Z"), at("2026-11-20T00:00:00Z"));
    let store = &world.store;
    let mut rng = fastrand::Rng::with_seed(7);
    let ids: Vec<String> = (0..DEVICES).map(|n| format!("device-{n:03}")).collect();
    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut writer = store.writer();
    writer.register_devices(&mut ids, from).await.unwrap();
    let bits = store.carrier_bits().await.unwrap();
    let devices = writer.find_devices(&ids, &bits).await.unwrap();
    let mut numbers: Vec<_> = devices.values().map(|record| record.device_no).collect();
    numbers.sort_unstable();

    let (mut rows, mut hours) = (Vec::new(), Vec::new());
    for (code, zone, carriers) in [
        (
            "ph",
            chrono_tz::Tz::Asia__Manila,
            ["globe", "smart", "dito"],
        ),
        ("in", chrono_tz::Tz::Asia__Kolkata, ["jio", "airtel", "vi"]),
    ] {
        let country = Country::parse(code).unwrap();
        let settings = CountrySettings {
            time_zone: zone,
            reach_window: Duration::from_secs(180),
        };
        store.add_country(country, settings, from).await.unwrap();
        let mut sets = Vec::new();
        for carrier in carriers {
            let segment = Segment {
                country,
                carrier: Carrier::slug(carrier),
            };
            let bits = store.add_carrier(&segment, from).await.unwrap();
            sets.push(CarrierSet::of(bits.bit(&segment).unwrap()));
        }
        let zones = store.countries().await.unwrap()[&country].zones.clone();
        for hour in zones.hours(from, to) {
            hours.push((country, hour));
            for device_no in &numbers {
                // Now and then nobody at all.
                if hour.start.timestamp() % 7 == 0 || rng.bool() {
                    continue;
                }
                let mut carriers = sets[rng.usize(..sets.len())];
                if rng.u8(..10) == 0 {
                    carriers = carriers.union(sets[0]);
                }
                rows.push(PresenceRow {
                    hour,
                    country,
                    device_no: *device_no,
                    carriers,
                });
            }
        }
    }
    (rows, hours)
}

/// What the exporter would count, without carriers that had nobody.
async fn counted(world: &World, hours: &[(Country, Hour)]) -> Vec<Counts> {
    let mut closing = world.store.begin_closing().await.unwrap();
    let mut all = Vec::new();
    for (country, hour) in hours {
        let mut counts = closing.count(*country, *hour).await.unwrap();
        counts.carriers.retain(|_, devices| *devices > 0);
        all.push(counts);
    }
    all
}

async fn kept(world: &World, hours: &[(Country, Hour)]) -> Vec<(Counts, i32)> {
    let mut all = Vec::new();
    for (country, hour) in hours {
        let rows = world.store.hourly_counts(*country, hour.start, hour.end);
        let rows = rows.await.unwrap();
        assert_eq!(rows.len(), 1, "{country} {hour:?}");
        let row = &rows[0];
        assert_eq!(row.hour, *hour);
        assert!(row.complete);
        let mut counts = row.counts.clone();
        assert_eq!(counts.carriers.len(), 3, "a carrier that had nobody has 0");
        counts.carriers.retain(|_, devices| *devices > 0);
        all.push((counts, row.revision));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_of_an_added_past_are_counted_as_the_exporter_counts_them() {
    let world = World::at("2026-11-21T01:00:00Z").await;
    let now = at("2026-11-21T01:00:00Z");
    let (rows, hours) = random_presence(&world).await;
    let (later, mut earlier): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.device_no.0 % 10 == 0);

    world.store.add_presence(&mut earlier, true).await.unwrap();
    world.store.count_hours(&hours, now).await.unwrap();
    let first = kept(&world, &hours).await;
    let expected = counted(&world, &hours).await;
    assert!(first.iter().any(|(counts, _)| counts.devices == 0));
    for ((counts, revision), expected) in first.iter().zip(&expected) {
        assert_eq!((counts, *revision), (expected, 1));
    }

    // What is new cannot be there already, and then nothing of it is written.
    let again = world.store.add_presence(&mut earlier, true).await;
    assert!(again.is_err());
    // What may be there already is added without counting twice.
    let mut both = [earlier.clone(), later.clone()].concat();
    world.store.add_presence(&mut both, false).await.unwrap();
    world.store.count_hours(&hours, now).await.unwrap();
    let second = kept(&world, &hours).await;
    let expected = counted(&world, &hours).await;
    for (((counts, revision), expected), (before, _)) in second.iter().zip(&expected).zip(&first) {
        assert_eq!(counts, expected);
        assert_eq!(*revision, 1 + i32::from(counts != before));
    }

    // What was not loaded to its end is forgotten, and loaded anew.
    world.store.forget_past().await.unwrap();
    assert_eq!(world.sql("select count(*) from presence").await, "0");
    world.store.add_presence(&mut both, true).await.unwrap();
    world.store.count_hours(&hours, now).await.unwrap();
    let anew = kept(&world, &hours).await;
    for ((counts, revision), (before, _)) in anew.iter().zip(&second) {
        assert_eq!((counts, *revision), (before, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_are_replaced_and_a_slot_never_heard_less() {
    let world = World::at("2026-11-21T01:00:00Z").await;
    let store = &world.store;
    let (from, to) = (at("2026-11-20T00:00:00Z"), at("2026-11-20T01:00:00Z"));
    let ph = Country::parse("ph").unwrap();
    let minutes = |devices: i64| -> Vec<MinuteRow> {
        let row = |number| MinuteRow {
            minute: from + TimeDelta::minutes(number),
            country: ph,
            counts: Counts {
                devices,
                carriers: BTreeMap::from([(Carrier::slug("globe"), devices)]),
            },
        };
        (0..60).map(row).collect()
    };
    for devices in [3, 4] {
        store.add_minutes(&minutes(devices)).await.unwrap();
        let series = store
            .now_series(ph, from, to, TimeDelta::minutes(1), None)
            .await
            .unwrap();
        assert_eq!(series.len(), 60);
        for step in series {
            assert_eq!(step.counts, minutes(devices)[0].counts);
        }
    }

    assert_eq!(store.heard_until().await.unwrap(), None);
    for until in [from, to, from] {
        store
            .add_heard_slot("main", "client", "devices/+/heartbeat", from, until)
            .await
            .unwrap();
        let heard_until = store.heard_until().await.unwrap();
        if heard_until == Some(from) {
            // It ends while a gap lasts, and while somebody holds the lease.
            world
                .sql(
                    "insert into gaps (slot, cause, from_at) values ('main', 'broker_away', now())",
                )
                .await;
            let taken = store.acquire_slot(
                "main",
                "killed",
                "client",
                "f",
                Duration::from_secs(900),
                to,
            );
            assert!(taken.await.unwrap().is_some());
        } else {
            assert_eq!(heard_until, Some(to));
            assert!(store.gaps_since(from).await.unwrap().is_empty());
        }
    }
    assert!(store.slots().await.unwrap()[0].owner.is_some());
    store.free_leases().await.unwrap();
    assert_eq!(store.slots().await.unwrap()[0].owner, None);
}
