//! The last state of a device, of which mostly only what has changed is written.

use headcount_tests::publisher::Publisher;
use headcount_tests::world::World;

/// What the API shows of a device and an operator reads in the database.
const STATE: &str = "select to_char(heard_at, 'HH24:MI'), carrier, battery_mv, rsrp_dbm, plmn, rat,
        tac, cell, fw, l.model, interval_secs
    from last_heard l join carriers k on k.country = l.country and k.bit = l.carrier_bit
    order by carrier";

/// Who sends, and what is published at a time of the day.
struct Story {
    world: World,
    fleet: Publisher,
}

impl Story {
    async fn hear(&mut self, time: &str, payload: &str) {
        self.world.go_to(&format!("2026-11-21T{time}:00Z")).await;
        let message = (self.world.topic("a"), payload.as_bytes().to_vec());
        self.fleet.publish([message]).await;
        self.world.caught_up().await;
    }

    async fn tells(&self, expected: &str) {
        assert_eq!(self.world.sql(STATE).await, expected);
    }
}

/// Whatever a heartbeat says is there after it, whether it says the same as the one before or not;
/// what it does not say stays as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_last_state_is_what_was_said_last() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let fleet = Publisher::new(&world.broker_url);
    let mut story = Story { world, fleet };
    let globe = |more: &str| format!(r#"{{"mcc":"515","mnc":"02","rat":"lte",{more}}}"#);
    let all = |battery: u16, fw: &str| {
        let more = format!(
            r#""battery_mv":{battery},"rsrp":-98,"tac":"1a2b","cell":"7f","fw":"{fw}",
               "model":"m4","interval_secs":60"#
        );
        globe(&more)
    };
    let roles = story.world.run_ingest().await;
    story.world.caught_up().await;
    story.hear("05:11", &all(12_000, "1.0")).await;
    story
        .tells("05:11|globe|12000|-98|515-02|lte|1a2b|7f|1.0|m4|60")
        .await;
    // only what changes all the time
    story.hear("05:12", &all(12_001, "1.0")).await;
    story
        .tells("05:12|globe|12001|-98|515-02|lte|1a2b|7f|1.0|m4|60")
        .await;
    story.hear("05:13", &all(12_002, "1.1")).await;
    story
        .tells("05:13|globe|12002|-98|515-02|lte|1a2b|7f|1.1|m4|60")
        .await;
    // says little, and then the same little again
    for time in ["05:14", "05:15"] {
        story.hear(time, &globe(r#""cell":"80""#)).await;
        let expected = format!("{time}|globe|12002|-98|515-02|lte|1a2b|80|1.1|m4|60");
        story.tells(&expected).await;
    }
    // another carrier, and back: each has a state of its own
    let smart = r#"{"mcc":"515","mnc":"03","fw":"1.2"}"#;
    let first = "05:15|globe|12002|-98|515-02|lte|1a2b|80|1.1|m4|60";
    for time in ["05:16", "05:17"] {
        story.hear(time, smart).await;
        story
            .tells(&format!("{first}\n{time}|smart|||515-03||||1.2||"))
            .await;
    }
    let second = "05:17|smart|||515-03||||1.2||";
    story.hear("05:18", &all(12_003, "1.2")).await;
    story
        .tells(&format!(
            "05:18|globe|12003|-98|515-02|lte|1a2b|7f|1.2|m4|60\n{second}"
        ))
        .await;
    roles.end().await;
    // whoever comes next does not know what was said
    let roles = story.world.run_ingest().await;
    for (time, battery) in [("05:19", 12_004), ("05:20", 12_005)] {
        story.hear(time, &all(battery, "1.2")).await;
        let globe = format!("{time}|globe|{battery}|-98|515-02|lte|1a2b|7f|1.2|m4|60");
        story.tells(&format!("{globe}\n{second}")).await;
    }
    roles.end().await;
}

/// An import, a replay or another slot may write the same row: what this process remembers of it
/// does not hold then, and all is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_else_has_written_is_written_anew() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let fleet = Publisher::new(&world.broker_url);
    let mut story = Story { world, fleet };
    let roles = story.world.run_ingest().await;
    story.world.caught_up().await;
    let payload = r#"{"mcc":"515","mnc":"02","battery_mv":12000,"fw":"1.0"}"#;
    story.hear("05:11", payload).await;
    for (time, meanwhile) in [
        (
            "05:13",
            "update last_heard set fw = '0.9', heard_at = heard_at + interval '1 minute'",
        ),
        (
            "05:14",
            "update last_heard set fw = '0.8', heard_at = heard_at - interval '1 minute'",
        ),
        ("05:15", "delete from last_heard"),
    ] {
        story.world.sql(meanwhile).await;
        story.hear(time, payload).await;
        story
            .tells(&format!("{time}|globe|12000||515-02||||1.0||"))
            .await;
    }
    // a newer one stays
    story
        .world
        .sql("update last_heard set fw = '2.0', heard_at = '2026-11-21T06:00:00Z'")
        .await;
    story.hear("05:16", payload).await;
    story.tells("06:00|globe|12000||515-02||||2.0||").await;
    roles.end().await;
}

/// The segment in which a device was heard last is the one in which it counts, also when it was back there
/// within a minute, and when somebody else has heard it elsewhere meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_counts_where_it_was_heard_last() {
    let world = World::at("2026-11-21T05:10:00Z").await;
    let mut fleet = Publisher::new(&world.broker_url);
    let mut hear = async |time: &str, mnc: &str| {
        world.go_to(&format!("2026-11-21T{time}Z")).await;
        let payload = format!(r#"{{"mcc":"515","mnc":"{mnc}"}}"#);
        fleet
            .publish([(world.topic("a"), payload.into_bytes())])
            .await;
        world.caught_up().await;
    };
    let latest = "select string_agg(carrier || ' ' || to_char(heard_at, 'HH24:MI:SS'), ', ')
        from last_heard l join carriers k on k.country = l.country and k.bit = l.carrier_bit
        where latest";
    let roles = world.run_ingest().await;
    world.caught_up().await;
    hear("05:11:10", "02").await;
    hear("05:11:20", "03").await;
    assert_eq!(world.sql(latest).await, "smart 05:11:20");
    hear("05:11:40", "02").await;
    assert_eq!(world.sql(latest).await, "globe 05:11:40");
    hear("05:16:40", "02").await;
    assert_eq!(world.sql(latest).await, "globe 05:16:40");

    // Another process has heard it through another carrier, and it comes back to ours.
    world
        .sql(
            "update last_heard set latest = not latest,
                 heard_at = case when latest then heard_at else '2026-11-21T05:18:00Z' end",
        )
        .await;
    assert_eq!(world.sql(latest).await, "smart 05:18:00");
    hear("05:21:40", "02").await;
    assert_eq!(world.sql(latest).await, "globe 05:21:40");
    roles.end().await;
}
