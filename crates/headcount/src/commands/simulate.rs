//! `headcount simulate`: a fleet's heartbeats to the broker, in real time.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use indicatif::ProgressBar;
use ingest::broker::BrokerUrl;
use ingest::tls::TlsFiles;
use ingest::topic::TopicFilter;
use model::Clock;
use simulator::{Beats, Fleet, FleetOptions, Outage, Scenario};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::publisher::{MAX_IN_FLIGHT, Message, Patience, Publisher, Tally};

/// A heartbeat that could not be sent for so long is given up, as a device would.
const TOO_LATE: TimeDelta = TimeDelta::seconds(30);

/// How often a terminal is told how far it is, and how often a log.
const PROGRESS_INTERVALS: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(60));

/// Without an end, a fleet goes on for so long.
pub(super) const FOR_EVER: TimeDelta = TimeDelta::days(3653);

/// What `simulate` is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SimulateArgs {
    /// How many devices
    #[arg(long, default_value_t = 1000, value_name = "NUMBER")]
    pub(crate) devices: u32,
    /// Between two heartbeats of a device: seconds, or as in `90s`, `5m`, `1h`
    #[arg(long, default_value = "300", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) interval: Duration,
    /// The same seed makes the same fleet
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) seed: u64,
    /// What goes wrong, 90 seconds after the start
    #[arg(long, default_value = "steady", value_parser = scenarios(), value_name = "NAME")]
    pub(crate) scenario: Scenario,
    /// How long it goes wrong
    #[arg(long, default_value = "10m", value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) scenario_lasts: Duration,
    /// End after this long; without it, go on until interrupted
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub(crate) duration: Option<Duration>,
}

fn scenarios() -> impl clap::builder::TypedValueParser<Value = Scenario> {
    let names = Scenario::ALL
        .map(|scenario| PossibleValue::new(scenario.name()).help(scenario.description()));
    PossibleValuesParser::new(names)
        .try_map(|name| Scenario::parse(&name).ok_or("there is no such scenario"))
}

/// Reads seconds, or a number with its unit: `s`, `m` or `h`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let secs_per_unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(secs_per_unit))
        .filter(|secs| *secs > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "seconds, or as in `90s`, `5m`, `1h`".to_owned())
}

/// Publishes a fleet's heartbeats at QoS 1 in real time, until the duration is over or the end is
/// asked for. A broker that is away is waited for; what the fleet would have sent meanwhile is
/// lost, as it would be to devices.
///
/// # Errors
/// When there is no such fleet, or the broker refuses us.
pub(crate) async fn simulate(
    args: SimulateArgs,
    broker: &BrokerUrl,
    tls: &TlsFiles,
    filter: &TopicFilter,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let fleet = Fleet::new(&FleetOptions {
        devices: args.devices,
        seed: args.seed,
        interval: args.interval,
        countries: Vec::new(),
    })?;
    let from = clock.now();
    let starts_at = from + TimeDelta::from_std(Scenario::STARTS_AFTER)?;
    let outage = fleet.stage(args.scenario, starts_at, args.scenario_lasts);
    tracing::info!(
        devices = args.devices, interval_secs = args.interval.as_secs(), seed = args.seed,
        broker = %broker.address(), "a simulated fleet starts to send"
    );
    if let Some(Outage {
        affected,
        from,
        until,
        ..
    }) = &outage
    {
        tracing::info!(%affected, %from, %until, "an outage is staged");
    }
    let lasts = args
        .duration
        .and_then(|duration| TimeDelta::from_std(duration).ok());
    let to = from + lasts.unwrap_or(FOR_EVER).min(FOR_EVER);

    let mut publisher = Publisher::new(broker, tls, "simulate", Patience::Wait)?;
    let tally = Tally::default();
    let (sender, source) = mpsc::channel(usize::from(MAX_IN_FLIGHT));
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    let send = async {
        let outages: Vec<_> = outage.into_iter().collect();
        let beats = fleet.beats(from, to, &outages);
        // Nothing else goes wrong on the way.
        let (_, staged) = mpsc::channel(1);
        let sent = send(beats, staged, filter, &*clock, sender);
        tokio::select! {
            missed = sent => missed,
            () = shutdown.cancelled() => 0,
        }
    };
    let deliver = publisher.run(source, &tally, &shutdown);
    let outcome = {
        tokio::pin!(deliver);
        let tell = tell(&bar, &tally);
        tokio::pin!(send, tell);
        let mut missed = None;
        loop {
            tokio::select! {
                count = &mut send, if missed.is_none() => missed = Some(count),
                outcome = &mut deliver => break outcome.map(|_| missed),
                () = &mut tell => {}
            }
        }
    };
    bar.finish_and_clear();
    let missed = outcome?.unwrap_or(0);
    tracing::info!(
        published = tally.acknowledged(),
        refused = tally.refused(),
        missed,
        "the simulated fleet has ended"
    );
    Ok(())
}

/// Hands heartbeats on when they are due, and takes notice of outages that are staged on the way.
/// Returns how many were given up.
pub(super) async fn send(
    mut beats: Beats<'_>,
    mut staged: mpsc::Receiver<Outage>,
    filter: &TopicFilter,
    clock: &dyn Clock,
    messages: mpsc::Sender<Message>,
) -> u64 {
    let mut missed = 0;
    loop {
        while let Ok(outage) = staged.try_recv() {
            beats.stage(outage);
        }
        let Some(beat) = beats.next() else { break };
        // Asked again after each sleep: the clock may be corrected meanwhile.
        while let Ok(early) = (beat.at - clock.now()).to_std() {
            if early.is_zero() {
                break;
            }
            tokio::time::sleep(early).await;
        }
        if clock.now() - beat.at > TOO_LATE {
            missed += 1;
            continue;
        }
        let message = Message {
            topic: filter.subscription().replacen('+', &beat.device.id, 1),
            payload: beat.payload(),
        };
        if messages.send(message).await.is_err() {
            // The publisher has ended and says why.
            break;
        }
    }
    missed
}

/// Says now and then how far it is, on the terminal or in the log; never ends.
async fn tell(bar: &ProgressBar, tally: &Tally) {
    let interval = if bar.is_hidden() {
        PROGRESS_INTERVALS.1
    } else {
        PROGRESS_INTERVALS.0
    };
    let mut before = 0;
    loop {
        tokio::time::sleep(interval).await;
        let published = tally.acknowledged();
        let per_second = (published - before) as f64 / interval.as_secs_f64();
        before = published;
        if bar.is_hidden() {
            tracing::info!(
                published,
                per_second,
                refused = tally.refused(),
                "simulating"
            );
        } else {
            bar.set_message(format!(
                "{published} heartbeats published, {per_second:.0} per second"
            ));
            bar.tick();
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Instant;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: SimulateArgs,
    }

    #[test]
    fn durations_may_have_a_unit() {
        let cases = [("60", 60), ("90s", 90), ("5m", 300), ("2h", 7200)];
        for (text, secs) in cases {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(secs)),
                "{text}"
            );
        }
        for text in [
            "",
            "0",
            "m",
            "-5",
            "5d",
            "1.5h",
            "5 m",
            "99999999999999999999",
            "5分",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn everything_has_a_default_and_scenarios_are_listed() {
        let args = Cli::try_parse_from(["simulate"]).unwrap().args;
        assert_eq!(
            (args.devices, args.interval.as_secs(), args.seed),
            (1000, 300, 1)
        );
        assert_eq!(args.scenario, Scenario::Steady);
        let chosen = ["simulate", "--scenario", "firmware", "--interval", "1m"];
        let args = Cli::try_parse_from(chosen).unwrap().args;
        assert_eq!(
            (args.scenario, args.interval.as_secs()),
            (Scenario::Firmware, 60)
        );
        let help = Cli::try_parse_from(["simulate", "--help"])
            .unwrap_err()
            .to_string();
        for scenario in Scenario::ALL {
            assert!(help.contains(scenario.name()), "{help}");
        }
        let wrong = Cli::try_parse_from(["simulate", "--scenario", "flood"]).unwrap_err();
        assert!(wrong.to_string().contains("carrier-outage"), "{wrong}");
    }

    #[test]
    fn ingest_understands_every_word_of_the_fleet() {
        let catalogue = model::Catalogue::builtin();
        let fleet = Fleet::new(&FleetOptions::default()).unwrap();
        // A Friday noon in Manila.
        let from: Instant = "2026-11-20T04:00:00Z".parse().unwrap();
        let outage = fleet.stage(Scenario::CarrierOutage, from, Duration::from_secs(3600));
        let outages: Vec<_> = outage.into_iter().collect();
        let mut flushes = 0;
        for beat in fleet.beats(from, from + TimeDelta::hours(2), &outages) {
            let id = model::DeviceId::parse(&beat.device.id).unwrap();
            let decoded = ingest::decode::decode(&id, &beat.payload());
            assert_eq!((decoded.fault, decoded.dropped_fields), (None, 0));
            let network = catalogue
                .network(decoded.heartbeat.plmn().unwrap())
                .unwrap();
            assert_eq!(network.segment, *beat.place.segment);
            assert_eq!(
                decoded.heartbeat.sent_at.unwrap().timestamp(),
                beat.at.timestamp()
            );
            assert_eq!(decoded.older.len(), beat.buffered.len());
            flushes += usize::from(!decoded.older.is_empty());
        }
        assert!(flushes > 0);
    }

    /// The time of this machine, from a start of its own.
    struct Ticking(Instant, std::time::Instant);

    impl Clock for Ticking {
        fn now(&self) -> Instant {
            self.0 + TimeDelta::from_std(self.1.elapsed()).unwrap()
        }
    }

    #[tokio::test]
    async fn a_fleet_sends_in_real_time() {
        use devstack::{DataDir, Mosquitto, MosquittoOptions};
        use rumqttc::v5::mqttbytes::QoS;
        use rumqttc::v5::mqttbytes::v5::Packet;
        use rumqttc::v5::{AsyncClient, Event};

        let broker = tokio::task::spawn_blocking(|| {
            let folder = DataDir::temporary().unwrap();
            Mosquitto::start(&folder, MosquittoOptions::default()).unwrap()
        });
        let broker = broker.await.unwrap();
        let url = BrokerUrl::parse(&broker.url()).unwrap();
        let (client, mut events) =
            AsyncClient::new(url.options("listener", &TlsFiles::default()).unwrap(), 10);
        client.subscribe("v1/+/hb", QoS::AtLeastOnce).await.unwrap();
        while !matches!(
            events.poll().await.unwrap(),
            Event::Incoming(Packet::SubAck(_))
        ) {}

        let args = ["simulate", "--devices=100", "--interval=2", "--duration=4s"];
        let args = Cli::try_parse_from(args).unwrap().args;
        let start: Instant = "2026-11-20T04:00:00Z".parse().unwrap();
        let clock = Arc::new(Ticking(start, std::time::Instant::now()));
        let filter = TopicFilter::parse("v1/{device_id}/hb").unwrap();
        let options = FleetOptions {
            devices: args.devices,
            seed: args.seed,
            interval: args.interval,
            countries: Vec::new(),
        };
        let fleet = Fleet::new(&options).unwrap();
        let due: Vec<_> = fleet
            .beats(start, start + TimeDelta::seconds(4), &[])
            .map(|beat| beat.device.id.clone())
            .collect();
        let tls = TlsFiles::default();
        let simulate = simulate(args, &url, &tls, &filter, clock, CancellationToken::new());
        let listen = async {
            let mut ids = std::collections::BTreeSet::new();
            let mut messages = 0_usize;
            let quiet = Duration::from_secs(3);
            while let Ok(event) = tokio::time::timeout(quiet, events.poll()).await {
                if let Event::Incoming(Packet::Publish(publish)) = event.unwrap() {
                    messages += 1;
                    let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                    ids.insert(filter.device_id(&topic).unwrap());
                    let payload: serde_json::Value =
                        serde_json::from_slice(&publish.payload).unwrap();
                    assert_eq!(payload["interval_secs"].as_u64().unwrap() % 2, 0);
                }
            }
            (ids.len(), messages)
        };
        let (ended, (devices, messages)) = tokio::join!(simulate, listen);
        ended.unwrap();
        // It is noon on a Friday in the largest country: most are awake, and each of them sends
        // twice. The command starts a moment after the clock does, so some are one slot later.
        let awake = due.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert!((60..=95).contains(&awake), "{awake} are awake");
        assert!(devices.abs_diff(awake) <= 2, "{devices} devices of {awake}");
        assert!(
            messages.abs_diff(due.len()) <= due.len() / 10,
            "{messages} messages of {}",
            due.len()
        );
    }
}
