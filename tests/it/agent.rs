//! What goes to the Agent, and an Agent that is not as it should be: counting is never held up by
//! it, and no hour is missing afterwards.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use exporter::dogstatsd::Address;
use exporter::dogstatsd::line::{
    Alert, Event, Kind, Line, Metric, ServiceCheck, Status, tag_value,
};
use headcount_tests::agent::Agent;
use headcount_tests::dogstatsd::Check;
use headcount_tests::eventually;
use headcount_tests::proxy::Cut;
use headcount_tests::publisher::Publisher;
use headcount_tests::stage::Stage;
use headcount_tests::world::{Roles, World};
use model::Clock as _;
use telemetry::Counter;

const IN_MANILA: &[u8] = br#"{"mcc":"515","mnc":"02"}"#;
const IN_INDIA: &[u8] = br#"{"mcc":"404","mnc":"10"}"#;

/// The last seconds of the hours that the tests play in, 01:00 to 02:00 UTC and the next.
const FIRST: i64 = 1_795_226_399;
const SECOND: i64 = FIRST + 3_600;

/// A world whose exporter talks to this Agent, in which some devices were heard after 01:00.
struct Scene {
    world: World,
    roles: Roles,
    fleet: Publisher,
}

impl Scene {
    async fn with(agent: &Agent) -> Self {
        let world = World::at("2026-11-21T00:30:00Z").await;
        let mut exporter = world.exporter_config();
        exporter.agent = Address::parse(&agent.url()).unwrap();
        let ingest = world.ingest_config();
        let roles = world.run_with(Some(ingest), Some(exporter)).await;
        world.caught_up().await;
        let fleet = Publisher::new(&world.broker_url);
        let mut scene = Self {
            world,
            roles,
            fleet,
        };
        scene.go_to("01:05:00").await;
        scene.publish(&["a", "b", "c"]).await;
        scene
    }

    async fn go_to(&self, time: &str) {
        self.world.go_to(&format!("2026-11-21T{time}Z")).await;
    }

    async fn publish(&mut self, devices: &[&str]) {
        let messages = devices
            .iter()
            .map(|device| (self.world.topic(device), IN_MANILA.to_vec()));
        self.fleet.publish(messages).await;
        self.world.caught_up().await;
    }

    /// Waits until so many hours are closed.
    async fn closes(&self, hours: usize) {
        let closed = "select count(*) from hourly_counts where complete";
        eventually("the hour is closed", async || {
            (self.world.sql(closed).await == hours.to_string()).then_some(())
        })
        .await;
    }

    /// Goes to this time and a minute on, and waits until that minute is counted: what happened
    /// before holds nothing up.
    async fn goes_on_at(&self, time: &str) {
        self.go_to(time).await;
        self.world.clock.advance(Duration::from_secs(60));
        self.world.caught_up().await;
        let minute = model::hour::minute(self.world.clock.now()).to_rfc3339();
        let counted = format!("select count(*) from now_counts where minute = '{minute}'");
        eventually("the minute is counted", async || {
            (self.world.sql(&counted).await == "1").then_some(())
        })
        .await;
    }

    /// Steps of the plan that are noted as carried out.
    async fn noted(&self) -> String {
        self.world.sql("select count(*) from emissions").await
    }
}

/// The value sent for the hour that ends with this second; it must always be the same.
fn hour(agent: &Agent, last_second: i64) -> Option<f64> {
    let mut values: Vec<f64> = agent
        .named("headcount.hour.devices")
        .iter()
        .filter(|line| line.timestamp == Some(last_second))
        .map(|line| line.value)
        .collect();
    values.dedup();
    assert!(values.len() <= 1, "{values:?}");
    values.pop()
}

async fn hears(agent: &Agent, last_second: i64, devices: f64) {
    eventually("the hour reaches the Agent", async || {
        let value = hour(agent, last_second)?;
        assert_eq!(value, devices);
        Some(())
    })
    .await;
}

/// Nobody listens when headcount starts, nor when the hour is closed. It is sent once somebody
/// does.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_absent_at_the_start_gets_the_hour_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::of_socket_in(folder.path());
    let scene = Scene::with(&agent).await;
    scene.goes_on_at("02:03:00").await;
    scene.closes(1).await;
    assert_eq!(scene.noted().await, "0", "nothing was taken");
    agent.come_back();
    hears(&agent, FIRST, 3.0).await;
    eventually("the step is noted", async || {
        (scene.noted().await == "1").then_some(())
    })
    .await;
    // Over a Unix socket the Agent would add the tags of our container.
    scene.go_to("02:05:00").await;
    eventually("a whole minute is heard", async || {
        (agent.checks().last()?.timestamp? == FIRST + 301).then_some(())
    })
    .await;
    for line in agent.metrics() {
        assert_eq!(line.tag("dd.internal.card"), "none", "{line:?}");
    }
    assert!(agent.most_lines_together() > 5, "lines travel together");
    scene.roles.end().await;
}

/// Forty minutes without an Agent, in which an hour is closed.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_dead_for_forty_minutes_misses_no_hour() {
    let agent = Agent::listen();
    let mut scene = Scene::with(&agent).await;
    agent.go_away();
    scene.go_to("02:03:00").await;
    scene.closes(1).await;
    scene.publish(&["a"]).await;
    for time in ["02:13:00", "02:28:00", "02:42:00"] {
        scene.goes_on_at(time).await;
    }
    assert_eq!(hour(&agent, FIRST), None);
    agent.come_back();
    hears(&agent, FIRST, 3.0).await;
    scene.go_to("03:03:00").await;
    hears(&agent, SECOND, 1.0).await;
    let old = eventually("the metric from before", async || {
        let lines = agent.named("mccs.connection.hour.count");
        (lines.len() >= 2).then_some(lines)
    })
    .await;
    let old: Vec<_> = old.iter().map(|line| line.value).collect();
    assert_eq!(
        old,
        [3.0, 1.0],
        "each hour once: a distribution would add up"
    );
    scene.roles.end().await;
}

/// The Agent is restarted: its socket is removed, and there is a new one at the same path.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_made_again_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::of_socket_in(folder.path());
    agent.come_back();
    let mut scene = Scene::with(&agent).await;
    scene.go_to("02:03:00").await;
    hears(&agent, FIRST, 3.0).await;
    agent.go_away();
    std::fs::remove_file(folder.path().join("dsd.socket")).unwrap();
    scene.publish(&["a", "b"]).await;
    scene.goes_on_at("03:03:00").await;
    scene.closes(2).await;
    assert_eq!(hour(&agent, SECOND), None);
    agent.come_back();
    hears(&agent, SECOND, 2.0).await;
    scene.roles.end().await;
}

/// An Agent that takes its time for each datagram, while every tick has something to say.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_agent_holds_nothing_up_and_misses_no_hour() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::of_socket_in(folder.path());
    agent.come_back_slowly(Duration::from_millis(100));
    let mut scene = Scene::with(&agent).await;
    let mut last_second = FIRST;
    for (hour, devices) in [("02", 3.0), ("03", 2.0)] {
        for minute in (3..20).step_by(2) {
            scene.goes_on_at(&format!("{hour}:{minute:02}:00")).await;
        }
        hears(&agent, last_second, devices).await;
        last_second = SECOND;
        scene.publish(&["a", "b"]).await;
    }
    scene.closes(2).await;
    scene.roles.end().await;
}

/// Nobody reads the socket, and it is full.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_socket_blocks_nothing_and_loses_no_hour() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::of_socket_in(folder.path());
    let sleeping = agent.sleep();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    let path = folder.path().join("dsd.socket");
    while other.send_to(b"other:1|g", &path).is_ok() {}
    let scene = Scene::with(&agent).await;
    for time in ["02:03:00", "02:05:00"] {
        scene.goes_on_at(time).await;
    }
    scene.closes(1).await;
    assert_eq!(scene.noted().await, "0", "nothing was taken");
    agent.wake_up(sleeping);
    hears(&agent, FIRST, 3.0).await;
    scene.roles.end().await;
}

/// Series beyond the limit are refused, counted and announced once: not every minute, and not by the
/// next process.
#[tokio::test(flavor = "multi_thread")]
async fn series_beyond_the_limit_are_refused_counted_and_announced_once() {
    let world = World::at("2026-11-21T00:30:00Z").await;
    let limited = || {
        let mut exporter = world.exporter_config();
        exporter.max_series = 1;
        exporter
    };
    let ingest = world.run_ingest().await;
    world.caught_up().await;
    world.go_to("2026-11-21T00:50:00Z").await;
    let mut fleet = Publisher::new(&world.broker_url);
    let beats = [("a", IN_MANILA), ("b", IN_INDIA)];
    let messages = beats.map(|(device, beat)| (world.topic(device), beat.to_vec()));
    fleet.publish(messages).await;
    world.caught_up().await;

    let before = Counter::SeriesRefused.value();
    for (round, minutes) in [["00:51:00", "00:52:00"], ["00:53:00", "00:54:00"]]
        .iter()
        .enumerate()
    {
        let exporter = world.run_with(None, Some(limited())).await;
        for (index, minute) in minutes.iter().enumerate() {
            world.go_to(&format!("2026-11-21T{minute}Z")).await;
            let sent = round * 2 + index + 1;
            eventually("the minute is sent", async || {
                let lines = world.agent.named("headcount.pipeline.series_refused");
                (lines.len() >= sent).then_some(())
            })
            .await;
        }
        exporter.end().await;
    }
    assert!(Counter::SeriesRefused.value() >= before + 4);
    let refused = world.agent.named("headcount.pipeline.series_refused");
    assert!(refused.iter().all(|line| line.value == 1.0), "{refused:?}");
    let devices = world.agent.named("headcount.now.devices");
    assert!(
        devices.iter().all(|line| line.tag("country") == "in"),
        "{devices:?}"
    );
    let events = world.agent.events();
    let about = |key: &str| {
        let of_key = events.iter().filter(|event| event.aggregation_key == key);
        of_key.collect::<Vec<_>>()
    };
    let [event] = about("series_refused")[..] else {
        panic!("{events:?}");
    };
    assert_eq!(event.title, "1 series are not sent");
    assert!(
        event.text.starts_with("ph would be more than the 1 series"),
        "{event:?}"
    );
    assert_eq!(event.alert, "warning");
    for (code, name) in [("ph", "Philippines"), ("in", "India")] {
        let [event] = about(&format!("new_country {code}"))[..] else {
            panic!("{events:?}");
        };
        assert_eq!(
            event.title,
            format!("Devices in {name} ({code}) are counted")
        );
        assert_eq!(event.tags["country"], code);
    }
    ingest.end().await;
}

/// The check of this minute.
async fn check(world: &World, minute: &str) -> Check {
    let at = format!("2026-11-21T{minute}Z");
    world.clock.set(at.parse().unwrap());
    let from = world.clock.now().timestamp();
    eventually("the check of the minute", async || {
        let checks = world.agent.checks();
        checks
            .into_iter()
            .find(|check| check.timestamp >= Some(from))
    })
    .await
}

/// `can_count` says how it is, every minute, and why; the metrics of the pipeline come with it.
#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_says_whether_it_can_count_and_why_not() {
    let world = World::at("2026-11-21T00:30:00Z").await;
    let mut config = world.exporter_config();
    config.service = Some("headcount".to_owned());
    config.version = Some("1".to_owned());
    let exporter = world.run_with(None, Some(config)).await;
    let nothing = check(&world, "00:31:00").await;
    assert_eq!(
        (nothing.name.as_str(), nothing.status),
        ("headcount.pipeline.can_count", 3)
    );
    assert!(
        nothing.message.starts_with("no ingest slot is in use"),
        "{nothing:?}"
    );

    let ingest = world.run_ingest().await;
    world.caught_up().await;
    world.go_to("2026-11-21T00:50:00Z").await;
    let mut fleet = Publisher::new(&world.broker_url);
    let messages = [("a", IN_MANILA), ("b", &b"{"[..])];
    fleet
        .publish(messages.map(|(device, beat)| (world.topic(device), beat.to_vec())))
        .await;
    world.caught_up().await;
    world.go_to("2026-11-21T00:51:00Z").await;
    let well = eventually("a check of the minute", async || {
        let checks = world.agent.checks();
        checks.into_iter().find(|check| check.status == 0)
    })
    .await;
    assert_eq!(well.message, "every country can be counted");
    assert_eq!(
        (well.tags["env"].as_str(), well.tags["host"].as_str()),
        ("test", "")
    );
    assert!(
        !well.tags.contains_key("version"),
        "a deploy is no other check"
    );
    let metrics = eventually("the pipeline of a good minute", async || {
        let metrics = world.agent.metrics();
        let is_last = |name: &str| name == "headcount.pipeline.series_refused";
        let good = metrics
            .iter()
            .rposition(|line| line.name == "headcount.pipeline.commit_p99_ms")?;
        metrics[good..]
            .iter()
            .any(|line| is_last(&line.name))
            .then_some(metrics)
    })
    .await;
    let last = |name: &str| {
        let name = format!("headcount.pipeline.{name}");
        metrics.iter().rfind(|line| line.name == name).unwrap()
    };
    for (name, value) in [
        ("blind", 0.0),
        ("broker_connected", 1.0),
        ("quarantined", 1.0),
        ("hours_overdue", 0.0),
        ("hours_unsent", 0.0),
        ("series", 2.0),
        ("series_refused", 0.0),
    ] {
        assert_eq!(last(name).value, value, "{name}");
    }
    assert_eq!(last("quarantined").tag("reason"), "syntax");
    assert_eq!(
        (last("blind").tag("service"), last("blind").tag("version")),
        ("headcount", "1")
    );
    assert!(last("newest_heartbeat_age_secs").value <= 60.0);
    for line in metrics
        .iter()
        .filter(|line| line.name == "headcount.now.devices")
    {
        assert!(!line.tags.contains_key("version"), "{line:?}");
    }

    ingest.end().await;
    let ended = check(&world, "00:53:00").await;
    assert_eq!(ended.status, 2, "{ended:?}");
    let why = format!("slot `{}`: no ingest is running", world.slot());
    assert!(ended.message.starts_with(&why), "{ended:?}");
    let late = check(&world, "02:30:00").await;
    assert!(
        late.message
            .contains("hours overdue, first that of ph that ended at 2026-11-21T01:00Z: "),
        "{late:?}"
    );
    exporter.end().await;
}

/// Without its database the exporter says so, and that it is blind; and that it can count again.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_the_agent_is_told_that_nothing_can_be_counted() {
    let stage = Stage::with_both().await;
    let world = &stage.world;
    let roles = world.run().await;
    world.caught_up().await;
    let said = |message: &str| {
        let last = world.agent.checks().pop()?;
        (last.message == message).then_some(last.status)
    };
    // The clock goes on when all that was heard before is stored.
    let well = async || {
        eventually("it can count", async || {
            world.clock.advance(Duration::from_secs(15));
            let now = world.clock.now().to_rfc3339();
            let heard = format!("select count(*) from ingest_slots where watermark >= '{now}'");
            eventually("ingest is up to date", async || {
                world.clock.advance(Duration::from_millis(1));
                (world.try_sql(&heard).await? == "1").then_some(())
            })
            .await;
            said("every country can be counted")
        })
        .await
    };
    let blind = || Some(world.agent.named("headcount.pipeline.blind").pop()?.value);
    assert_eq!(well().await, 0);
    stage.to_postgres.refuse();
    stage.to_postgres.cut(Cut::Reset);
    let status = eventually("it says why not", async || {
        world.clock.advance(Duration::from_secs(1));
        said("the database does not answer")
    })
    .await;
    assert_eq!(status, 2);
    assert_eq!(blind(), Some(1.0));
    stage.to_postgres.heal();
    assert_eq!(well().await, 0);
    roles.end().await;
}

/// Whatever a text holds, it stays in its place.
#[tokio::test]
async fn no_text_can_break_a_line() {
    let agent = Agent::listen();
    let address = Address::parse(&agent.url()).unwrap();
    let mut sender = exporter::dogstatsd::Agent::new(address, "headcount");
    let long = "長い|文\n,#:é".repeat(500);
    let texts = [
        "",
        " ",
        "plain",
        "a|b,c#d:e\nf\r\tg\u{0}h",
        "_sc|x|0\n_e{1,1}:a|b",
        "|m:x|#y:z|T0",
        "ÄÖÜẞ İ ﬁ",
        "\\n",
        &long,
    ];
    let at = "2026-11-21T01:59:59Z".parse().unwrap();
    for text in texts {
        let tags = vec![("env", tag_value(text)), ("host", tag_value(text))];
        let metric = Metric {
            name: "hour.devices".to_owned(),
            value: 1,
            kind: Kind::GaugeAt(at),
            tags: tags.clone(),
        };
        let event = Event {
            title: format!("about {text}"),
            text: text.to_owned(),
            at,
            aggregation_key: "key".to_owned(),
            alert: Alert::Info,
            tags: tags.clone(),
        };
        let check = ServiceCheck {
            name: "pipeline.can_count",
            status: Status::Ok,
            at,
            message: text.to_owned(),
            tags,
        };
        let lines = [Line::Metric(metric), Line::Event(event), Line::Check(check)];
        assert!(sender.send(&lines));
    }
    eventually("everything is heard", async || {
        (agent.messages().len() == 3 * texts.len()).then_some(())
    })
    .await;
    assert_eq!(agent.metrics().len(), texts.len());
    assert_eq!(agent.events().len(), texts.len());
    assert_eq!(agent.checks().len(), texts.len());
}
