//! What goes wrong in a demo, and when.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DurationRound as _, TimeDelta};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use devstack::Mosquitto;
use model::{Clock, Instant};
use simulator::{Affected, Fleet, Outage, Scenario};
use tokio::sync::{Mutex, mpsc};

use super::servers::blocking;

/// From the page's start to the first outage.
pub(super) const FIRST_AFTER: TimeDelta = TimeDelta::seconds(90);

/// From one outage to the next.
pub(super) const EVERY: TimeDelta = TimeDelta::minutes(20);

/// How long one lasts. A device counts as reachable for three minutes after its last heartbeat, so
/// this leaves a minute in which all that are hit are gone.
pub(super) const LASTS: Duration = Duration::from_secs(4 * 60);

/// From one attempt to bring the broker back to the next.
const BROKER_RETRY: TimeDelta = TimeDelta::seconds(15);

/// The longest time for which something may go wrong.
pub(super) const MAX_LASTS: Duration = Duration::from_secs(24 * 3600);

/// The stories in the order in which they are staged, over and over.
pub(super) const ORDER: [Story; 4] = [
    Story::Fleet(Scenario::RegionalOutage),
    Story::Fleet(Scenario::CarrierOutage),
    Story::Fleet(Scenario::Firmware),
    Story::Broker,
];

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// Some devices fall silent.
    Fleet(Scenario),
    /// Our own broker fails: nobody can tell who is reachable.
    Broker,
}

impl Story {
    fn all() -> impl Iterator<Item = Self> {
        let fleet = Scenario::ALL
            .into_iter()
            .filter(|scenario| *scenario != Scenario::Steady);
        fleet.map(Self::Fleet).chain([Self::Broker])
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fleet(scenario) => scenario.name(),
            Self::Broker => "broker",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Fleet(scenario) => scenario.description(),
            Self::Broker => "our own broker fails: counts become unknown, not lower",
        }
    }

    /// Reads the word that [`Self::name`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::all().find(|story| story.name() == text)
    }

    pub(super) fn parser() -> impl TypedValueParser<Value = Self> {
        let names =
            Self::all().map(|story| PossibleValue::new(story.name()).help(story.description()));
        PossibleValuesParser::new(names)
            .try_map(|name| Self::parse(&name).ok_or("there is no such scenario"))
    }
}

/// Lets things go wrong, one at a time.
pub(super) struct Stage {
    fleet: Arc<Fleet>,
    /// Where the live fleet hears of its outages.
    outages: mpsc::Sender<Outage>,
    broker: Arc<Mutex<Mosquitto>>,
    clock: Arc<dyn Clock>,
    playing: Mutex<Option<(Story, Instant)>>,
}

impl Stage {
    pub(super) fn new(
        fleet: Arc<Fleet>,
        outages: mpsc::Sender<Outage>,
        broker: Arc<Mutex<Mosquitto>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            fleet,
            outages,
            broker,
            clock,
            playing: Mutex::new(None),
        }
    }

    /// Lets something go wrong from now on. Returns what to say about it.
    ///
    /// # Errors
    /// When something else is going wrong at the moment, or nothing of the fleet can be hit.
    pub(super) async fn begin(&self, story: Story, lasts: Duration) -> Result<String, String> {
        let now = self.clock.now();
        let mut playing = self.playing.lock().await;
        if let Some((other, until)) = *playing
            && until > now
        {
            let name = other.name();
            return Err(format!("{name} is on until {}", shown(until)));
        }
        let until = now + TimeDelta::from_std(lasts).map_err(|error| error.to_string())?;
        let what = match story {
            Story::Fleet(scenario) => {
                let outage = self.fleet.stage(scenario, now, lasts);
                let outage = outage.ok_or("there is nobody in the fleet whom that could hit")?;
                let what = format!("{} falls silent", who(&outage.affected));
                let told = self.outages.send(outage).await;
                told.map_err(|_| "the fleet has ended".to_owned())?;
                what
            }
            Story::Broker => {
                let broker = Arc::clone(&self.broker);
                let stopped = blocking(move || Ok(broker.blocking_lock().stop()?)).await;
                stopped.map_err(|error| format!("{error:#}"))?;
                "our own broker is down".to_owned()
            }
        };
        *playing = Some((story, until));
        let name = story.name();
        Ok(format!(
            "{}  {name}: {what} until {}",
            shown(now),
            shown(until)
        ))
    }

    /// Ends what is over by now. Returns what to say about it.
    pub(super) async fn end_what_is_over(&self) -> Option<String> {
        let now = self.clock.now();
        let mut playing = self.playing.lock().await;
        let (story, _) = playing.filter(|(_, until)| *until <= now)?;
        if story == Story::Broker {
            let broker = Arc::clone(&self.broker);
            let back = blocking(move || Ok(broker.blocking_lock().restart()?)).await;
            if let Err(error) = back {
                // Somebody may have taken its port meanwhile; they may give it back.
                *playing = Some((story, now + BROKER_RETRY));
                let again = shown(now + BROKER_RETRY);
                return Some(format!(
                    "{}  broker: {error:#}; tried again at {again}",
                    shown(now)
                ));
            }
        }
        *playing = None;
        let name = story.name();
        Some(format!("{}  {name}: over", shown(now)))
    }
}

/// When the `number`th outage begins. In the middle of a minute: counts are of whole minutes, so
/// half of those who fall silent are missing two and a half minutes later, the rest a minute after.
pub(super) fn begins_at(started_at: Instant, number: i32) -> Instant {
    let due = started_at + FIRST_AFTER + EVERY * number;
    let half = TimeDelta::seconds(30);
    let minute = (due - half)
        .duration_round_up(TimeDelta::minutes(1))
        .unwrap_or(due);
    minute + half
}

/// Who is hit, in the words of the page.
fn who(affected: &Affected) -> String {
    match affected {
        Affected::Carrier(segment) => format!("carrier {segment}"),
        Affected::CarrierInRegion { carrier, region } => {
            format!("carrier {carrier} in {}", region.name)
        }
        Affected::Region(region) => region.name.to_owned(),
        Affected::Firmware(version) => format!("firmware {version}"),
    }
}

/// The time of day by this machine's clock.
fn shown(at: Instant) -> String {
    at.with_timezone(&chrono::Local)
        .format("%H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_begin_in_the_middle_of_a_minute_and_never_early() {
        for second in 0..120 {
            let started_at: Instant = "2026-11-21T02:20:00Z".parse().unwrap();
            let started_at = started_at + TimeDelta::seconds(second);
            let first = begins_at(started_at, 0);
            assert!((0..60).contains(&(first - started_at - FIRST_AFTER).num_seconds()));
            assert_eq!(first.timestamp() % 60, 30);
            assert_eq!(begins_at(started_at, 3) - first, EVERY * 3);
        }
    }

    #[test]
    fn every_story_has_a_name_of_its_own() {
        for story in Story::all() {
            assert_eq!(Story::parse(story.name()), Some(story));
        }
        assert_eq!(Story::parse("steady"), None);
        assert!(ORDER.iter().all(|story| Story::all().any(|s| s == *story)));
    }
}
