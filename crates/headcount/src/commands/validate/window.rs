//! Whether the broker hands over enough messages per commit for the fleet.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ingest::broker::{BrokerError, BrokerEvent, Connection, SessionOptions};
use ingest::window::{Pace, Verdict};
use model::Clock as _;
use store::heartbeats::Arrivals;

use super::Report;
use crate::app::App;

/// Messages that are sent to ourselves to see how many the broker hands over. More than the
/// defaults of common brokers (10 to 100); whoever hands over all of them has no window to mind.
const TRIED_MESSAGES: u16 = 500;

/// Messages of ours that the broker may have to take at a time; brokers allow 20 or more.
const MAX_UNTAKEN: u16 = 10;

/// When nothing has come for so long, the broker waits for us.
const QUIET: Duration = Duration::from_secs(1);

/// How long all of it may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Arrivals are taken from so far back.
const LOOK_BACK: TimeDelta = TimeDelta::hours(1);

/// Arrivals within less than this say nothing about a rate.
const SHORTEST_SPAN: TimeDelta = TimeDelta::seconds(60);

/// Compares the window of the broker with what arrives.
pub(super) async fn check(app: &App, report: &mut Report) {
    let config = app.config.ingest();
    let batch_max_messages = u32::try_from(config.batch_max_messages).unwrap_or(u32::MAX);
    if u32::from(config.receive_maximum) < batch_max_messages {
        report.line(
            "note",
            "window",
            &format!(
                "mqtt.receive_maximum ({}) is below ingest.batch_max_messages ({batch_max_messages}): no \
                 batch gets that large",
                config.receive_maximum
            ),
        );
    }
    let HandedOver {
        messages: handed_over,
        round_trip,
    } = match tokio::time::timeout(TIMEOUT, handed_over(app)).await {
        Ok(Ok(handed_over)) => handed_over,
        Ok(Err(error)) => return unknown(report, &error.to_string()),
        Err(_) => return unknown(report, "the broker did not hand anything over in time"),
    };
    let receive_maximum = config.receive_maximum.into();
    let is_bounded = handed_over < u32::from(tried_messages(config.receive_maximum));
    let window = window_in_words(handed_over, is_bounded, receive_maximum);
    let window_messages = if is_bounded {
        handed_over
    } else {
        receive_maximum
    };
    if window_messages >= batch_max_messages {
        return report.fine("window", format!("{window}: it is no limit"));
    }
    let commit = match app.store.commit_round_trip().await {
        Ok(commit) => commit,
        Err(error) => {
            let text = format!("{window}; what that allows per second cannot be told: {error}");
            report.line("note", "window", &text);
            return;
        }
    };
    let pace = Pace {
        window_messages,
        receive_maximum,
        batch_max_messages,
        batch_age: config.batch_max_age,
        commit: commit + round_trip,
    };
    let since = app.clock.now() - LOOK_BACK;
    let arrivals = app.store.arrivals_since(&config.slot, since).await;
    let rate = match arrivals {
        Ok(arrivals) => arrivals.and_then(per_second),
        Err(error) => {
            report.line("note", "window", &format!("arrivals: {error}"));
            None
        }
    };
    let window = format!(
        "{window}; a commit takes {:.1} ms and the way to the broker and back {:.1} ms",
        millis(commit),
        millis(round_trip)
    );
    say(report, &pace, &window, rate);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn unknown(report: &mut Report, why: &str) {
    report.line("note", "window", &format!("cannot be told: {why}"));
}

/// Messages per second; `None` where too few came to tell.
fn per_second(arrivals: Arrivals) -> Option<f64> {
    let span = arrivals.last - arrivals.first;
    (span >= SHORTEST_SPAN).then(|| arrivals.messages as f64 / span.as_seconds_f64())
}

/// How many messages are sent to ourselves.
fn tried_messages(receive_maximum: u16) -> u16 {
    receive_maximum.min(TRIED_MESSAGES)
}

fn window_in_words(handed_over: u32, is_bounded: bool, receive_maximum: u32) -> String {
    let more = match (is_bounded, handed_over == receive_maximum) {
        (true, _) => "",
        (false, true) => ", as many as mqtt.receive_maximum allows,",
        (false, false) => " or more",
    };
    format!("the broker hands over {handed_over} messages{more} before it waits")
}

fn say(report: &mut Report, pace: &Pace, window: &str, rate: Option<f64>) {
    let limit = format!(
        "{window}: at best {:.0} messages per second",
        pace.limit_per_second()
    );
    let Some(rate) = rate else {
        report.fine(
            "window",
            format!("{limit} (nothing to compare with came in the last hour)"),
        );
        return;
    };
    let text = format!("{limit}; in the last hour came {rate:.1}");
    match pace.judge(rate) {
        Verdict::Wide => report.fine("window", text),
        Verdict::Narrow | Verdict::TooNarrow => {
            report.problem("window", text, &pace.advice(rate));
        }
    }
}

/// What the broker does with messages that nobody acknowledges.
struct HandedOver {
    /// How many of them it hands over.
    messages: u32,
    /// How long it took for the first of them to come back.
    round_trip: Duration,
}

/// Sends messages to ourselves, acknowledges none, and counts how many come.
async fn handed_over(app: &App) -> Result<HandedOver, BrokerError> {
    let mqtt = &app.config.file.mqtt;
    let slot = format!("validate-window-{:08x}", std::process::id());
    let tried = tried_messages(mqtt.receive_maximum);
    let session = SessionOptions {
        client_id: format!("headcount-{slot}"),
        expiry: Duration::ZERO,
        receive_maximum: mqtt.receive_maximum,
        keep_alive: Duration::from_secs(mqtt.keep_alive_secs),
    };
    let target = app
        .config
        .broker
        .target(&app.config.tls)
        .map_err(|error| BrokerError::Connection(error.to_string()))?;
    let Connection {
        mut incoming,
        mut outgoing,
        sender,
        ..
    } = Connection::open(&target, mqtt.version.into(), &session).await?;
    let topic = ingest::probe::topic(&slot);
    sender.subscribe(&[&topic]);
    let trial = async {
        let (mut published, mut taken, mut came) = (0, 0, 0);
        let mut is_subscribed = false;
        let (mut sent_at, mut round_trip) = (None, None);
        while came < u32::from(tried) {
            let event = match tokio::time::timeout(QUIET, incoming.next()).await {
                Err(_) if is_subscribed && came > 0 => break,
                Err(_) => continue,
                Ok(event) => event?,
            };
            match event {
                BrokerEvent::Subscribed => is_subscribed = true,
                BrokerEvent::Published | BrokerEvent::PublicationRefused(_) => taken += 1,
                BrokerEvent::Message(message) if message.topic == topic => {
                    came += 1;
                    round_trip = round_trip.or(sent_at.map(|at: Instant| at.elapsed()));
                }
                BrokerEvent::Message(_) | BrokerEvent::Nothing => {}
            }
            while is_subscribed && published < tried && published - taken < MAX_UNTAKEN {
                sender.publish(&topic, b"window".to_vec());
                published += 1;
                sent_at.get_or_insert_with(Instant::now);
            }
        }
        sender.disconnect();
        // The connection goes with it, and with that the session and what waits for it.
        let leaving = async { while incoming.next().await.is_ok() {} };
        let _gone_either_way = tokio::time::timeout(QUIET, leaving).await;
        Ok((came, round_trip))
    };
    let (came, round_trip) = tokio::select! {
        tried = trial => tried,
        error = outgoing.run() => Err(error),
    }?;
    Ok(HandedOver {
        messages: came,
        round_trip: round_trip.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_a_minute_of_messages() {
        let at = |text: &str| format!("2026-11-21T{text}Z").parse().unwrap();
        let arrivals = |last| Arrivals {
            messages: 1200,
            first: at("01:00:00"),
            last: at(last),
        };
        assert_eq!(per_second(arrivals("01:02:00")), Some(10.0));
        assert_eq!(per_second(arrivals("01:00:59")), None);
    }

    #[test]
    fn a_narrow_window_is_a_problem_only_for_a_fleet_that_fills_it() {
        let pace = Pace {
            window_messages: 20,
            receive_maximum: 65_535,
            batch_max_messages: 8192,
            batch_age: Duration::from_millis(50),
            commit: Duration::from_millis(5),
        };
        for (rate, problems) in [(None, 0), (Some(10.0), 0), (Some(350.0), 1)] {
            let mut report = Report::default();
            say(&mut report, &pace, &window_in_words(20, true, 65_535), rate);
            assert_eq!(report.problems, problems, "{rate:?}");
        }
    }
}
