//! Counting what was set aside, once what kept it out is mended.
//!
//! A message that was kept is read, placed and judged as it would have been when it came: by the
//! time of its arrival and the watermark that stood then, never by today's. What still cannot be
//! counted stays set aside. It runs beside live ingest and needs no lease: presence takes a row
//! twice without harm, and a message is marked as replayed in the transaction that counts it.
//!
//! Where only the payload was set aside its device was counted when the message came. If the
//! payload can be read now, what it says is kept as evidence and counts for nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::Days;
use model::{Country, Heard, Hour, Instant, Reason};
use store::batch::Writer as StoreWriter;
use store::heartbeats::Delivery;
use store::last_heard::RowBefore;
use store::quarantine::{KeptMessage, Replay, Selection};

use crate::assemble::{Placed, Verdict, assemble};
use crate::decode::{FieldPaths, decode_at};
use crate::placer::{Placer, Taken};
use crate::present::Present;
use crate::subscriber::{Arrival, Content};
use crate::tail::fingerprint;
use crate::topic::TopicFilter;
use crate::{Config, Context};

/// Messages of one transaction, at most: few enough that live ingest never waits long for a row.
const CHUNK_MESSAGES: u32 = 500;

/// Messages that stay set aside and are named one by one; the rest is only counted.
const MAX_NAMED: usize = 20;

/// How often a transaction is tried that another one got in the way of, and the pause between.
const ATTEMPTS: usize = 5;
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// What became of the messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Heartbeats that now count.
    pub counted: u64,
    /// Messages whose device had been counted when they came; what they say is kept.
    pub evidence: u64,
    /// Heartbeats of which nothing says in which hour they came: kept as evidence, and the hours
    /// they may belong to are incomplete.
    pub of_unknown_time: u64,
    /// Why messages stay set aside, and how many.
    pub still_set_aside: BTreeMap<String, u64>,
    /// The first of them by number, with why.
    pub named: Vec<(i64, String)>,
}

impl Outcome {
    fn leave(&mut self, number: i64, why: String) {
        if self.named.len() < MAX_NAMED {
            self.named.push((number, why.clone()));
        }
        *self.still_set_aside.entry(why).or_default() += 1;
    }
}

/// Why replaying ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Somebody else replays the same messages.
    #[error("somebody else is replaying the same messages; what was counted so far stays counted")]
    Elsewhere,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Counts the selected messages that can be counted now. Doing it twice adds nothing.
///
/// Ends early, with all it has done committed, when the end is asked for.
///
/// # Errors
/// When the database is away, or somebody else does the same. What was counted stays counted; do
/// it again for the rest.
pub async fn replay(
    config: &Config,
    context: &Context,
    selection: &Selection,
) -> Result<Outcome, ReplayError> {
    let mut placer = Placer::new(config, context);
    placer.refresh().await;
    let filters = context
        .store
        .slot_details()
        .await?
        .into_iter()
        .filter(|slot| slot.slot != config.slot)
        .filter_map(|slot| Some((slot.slot, TopicFilter::parse(&slot.topic_filter).ok()?)))
        .collect();
    let mut replayer = Replayer {
        config,
        filters,
        context,
        placer,
        database: context.store.writer(),
        outcome: Outcome::default(),
    };
    // What live ingest sets aside meanwhile is left for the next time, so that there is an end.
    let newest = context.store.newest_quarantined().await?;
    let mut after = None;
    while !context.shutdown.is_cancelled() {
        let messages = context
            .store
            .set_aside(selection, after, newest, CHUNK_MESSAGES)
            .await?;
        let Some(last) = messages.last() else { break };
        after = Some((last.row.received_at, last.number));
        let mut by_slot: BTreeMap<String, Vec<KeptMessage>> = BTreeMap::new();
        for message in messages {
            by_slot
                .entry(message.slot.clone())
                .or_default()
                .push(message);
        }
        for (slot, messages) in by_slot {
            replayer.replay_chunk(&slot, messages).await?;
        }
    }
    Ok(replayer.outcome)
}

struct Replayer<'a> {
    config: &'a Config,
    /// The filters of the slots that are not ours.
    filters: HashMap<String, TopicFilter>,
    context: &'a Context,
    placer: Placer<'a>,
    database: StoreWriter,
    outcome: Outcome,
}

/// How a message counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counted,
    Evidence,
    UnknownTime,
}

impl Replayer<'_> {
    async fn replay_chunk(
        &mut self,
        slot: &str,
        messages: Vec<KeptMessage>,
    ) -> Result<(), ReplayError> {
        let mut read_ones = Vec::with_capacity(messages.len());
        let mut taken = Vec::with_capacity(messages.len());
        let filter = self.filters.get(slot).unwrap_or(&self.config.topic_filter);
        for message in messages {
            match read(&self.config.field_paths, &message, filter) {
                Ok(arrival) => {
                    taken.push(Taken {
                        received_at: message.row.received_at,
                        watermark: message.row.watermark,
                        content: Content::Heartbeat(Box::new(arrival)),
                    });
                    read_ones.push((message.number, message.row.reason));
                }
                Err(why) => self.outcome.leave(message.number, why),
            }
        }
        let placed = self.placer.place_all(&mut self.database, taken).await;
        let mut numbers = Vec::with_capacity(placed.len());
        let mut countable = Vec::with_capacity(placed.len());
        for ((number, reason), placed) in read_ones.into_iter().zip(placed) {
            match self.judge(placed, reason) {
                Ok(placed) => {
                    numbers.push(number);
                    countable.push(placed);
                }
                Err(why) => self.outcome.leave(number, why),
            }
        }
        self.commit_all(slot, &numbers, &countable).await
    }

    /// Whether a placed message can be counted, and as what; otherwise why not.
    fn judge(&self, placed: Placed, reason: Reason) -> Result<Placed, String> {
        let verdict = match placed.verdict {
            Verdict::Rejected(set_aside) => return Err(set_aside.reason.in_words().to_owned()),
            Verdict::Evidence(beat) => Verdict::Evidence(beat),
            Verdict::Heartbeat(beat) if !reason.rejects_message() => Verdict::Evidence(beat),
            Verdict::Heartbeat(mut beat) => {
                let kept_days = u64::from(self.config.retention.presence_days);
                let today = self.context.clock.now().date_naive();
                let oldest = today.checked_sub_days(Days::new(kept_days));
                let day = beat.hour.map(|hour| hour.start.date_naive());
                if day.is_some_and(|day| oldest.is_some_and(|oldest| day < oldest)) {
                    return Err("its hour is past retention.presence_days".to_owned());
                }
                // What this process remembers of a device is not what live ingest has written
                // meanwhile: the database finds out whether this state is newer.
                beat.newest = beat.newest.or(Some(RowBefore::Present));
                beat.moved = true;
                Verdict::Heartbeat(beat)
            }
        };
        Ok(Placed { verdict, ..placed })
    }

    /// Commits messages. Where the database refuses a row for what it holds, the run is halved
    /// until the message stands alone, and that one stays set aside.
    async fn commit_all(
        &mut self,
        slot: &str,
        numbers: &[i64],
        messages: &[Placed],
    ) -> Result<(), ReplayError> {
        let whole = 0..messages.len();
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            let (numbers, messages) = (&numbers[part.clone()], &messages[part.clone()]);
            if messages.is_empty() {
                continue;
            }
            match self.commit(slot, numbers, messages).await {
                Ok(true) => messages.iter().for_each(|message| self.note(message)),
                Ok(false) => return Err(ReplayError::Elsewhere),
                Err(error) if error.is_content() && messages.len() > 1 => {
                    let middle = part.start + messages.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                Err(error) if error.is_content() => {
                    let why = format!("the database still refuses it: {error}");
                    self.outcome.leave(numbers[0], why);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn commit(
        &self,
        slot: &str,
        numbers: &[i64],
        messages: &[Placed],
    ) -> store::Result<bool> {
        let mut attempt = 1;
        loop {
            let now = self.context.clock.now();
            let mut replay = Replay {
                slot,
                numbers: numbers.to_vec(),
                batch: assemble(messages, &Present::default(), now),
                touched: self.touched(messages, now),
            };
            match self.context.store.replay(&mut replay, now).await {
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// The hours, over by now, that heartbeats of unknown time may belong to. Live ingest need not
    /// name them: it moves the watermark beyond such a message only afterwards.
    fn touched(&self, messages: &[Placed], now: Instant) -> Vec<(Country, Hour)> {
        let mut touched = Vec::new();
        for message in messages {
            let Verdict::Heartbeat(beat) = &message.verdict else {
                continue;
            };
            let (Heard::SomeTimeSince(from), Some(zones)) =
                (beat.heard, self.placer.zones(beat.country))
            else {
                continue;
            };
            let hours = zones.hours(zones.hour_at(from).start, message.received_at);
            let ended = hours.take_while(|hour| hour.end <= now);
            touched.extend(ended.map(|hour| (beat.country, hour)));
        }
        touched.sort_unstable_by_key(|(country, hour)| (*country, hour.start));
        touched.dedup();
        touched
    }

    fn note(&mut self, message: &Placed) {
        match kind(&message.verdict) {
            Kind::Counted => self.outcome.counted += 1,
            Kind::Evidence => self.outcome.evidence += 1,
            Kind::UnknownTime => self.outcome.of_unknown_time += 1,
        }
    }
}

fn kind(verdict: &Verdict) -> Kind {
    match verdict {
        Verdict::Heartbeat(beat) => match beat.heard {
            Heard::At(_) => Kind::Counted,
            Heard::SomeTimeSince(_) => Kind::UnknownTime,
        },
        Verdict::Evidence(_) | Verdict::Rejected(_) => Kind::Evidence,
    }
}

/// Reads a message that was kept, as it would be read if it came now; or says why it cannot be.
fn read(
    paths: &FieldPaths,
    message: &KeptMessage,
    filter: &TopicFilter,
) -> Result<Arrival, String> {
    let row = &message.row;
    // What was read before it was set aside is kept as we write it, whatever the fleet's layout.
    let ours = FieldPaths::default();
    let paths = match row.reason {
        Reason::Refused | Reason::ClosedRegistry | Reason::Cardinality => &ours,
        _ => paths,
    };
    let device_id = filter
        .device_id(&row.topic)
        .map_err(|reason| reason.in_words().to_owned())?;
    let decoded = decode_at(paths, &device_id, &row.payload);
    match decoded.fault {
        // The device was counted when the message came; what it says cannot be read now either.
        Some(fault) if fault.rejects_message() || !row.reason.rejects_message() => {
            return Err(fault.in_words().to_owned());
        }
        _ => {}
    }
    Ok(Arrival {
        device_id,
        heartbeat: decoded.heartbeat,
        older: decoded.older,
        set_aside: None,
        delivery: Delivery {
            // No redelivery has this packet id, so this is never taken for the first copy of one.
            packet_id: 0,
            fingerprint: fingerprint(row.topic.as_bytes(), &row.payload),
        },
        redelivered: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::quarantine::QuarantineRow;

    fn kept(reason: Reason, topic: &str, payload: &[u8]) -> KeptMessage {
        let received_at: Instant = "2026-11-21T01:02:03Z".parse().unwrap();
        KeptMessage {
            number: 1,
            slot: "default".to_owned(),
            replayed_at: None,
            row: QuarantineRow {
                received_at,
                watermark: received_at,
                reason,
                topic: topic.to_owned(),
                payload: payload.to_vec(),
                payload_bytes: payload.len(),
                detail: None,
            },
        }
    }

    #[test]
    fn what_could_not_be_read_then_is_read_by_todays_filter_and_rules() {
        let filter = TopicFilter::parse("devices/+/heartbeat").unwrap();
        let read = |reason, topic: &str, payload: &[u8]| {
            read(
                &FieldPaths::default(),
                &kept(reason, topic, payload),
                &filter,
            )
            .map(|arrival| (arrival.device_id.to_string(), arrival.heartbeat.seq))
        };
        let ours = "devices/ph-1/heartbeat";
        assert_eq!(
            read(Reason::Topic, ours, br#"{"seq":7}"#),
            Ok(("ph-1".to_owned(), Some(7)))
        );
        // a payload that cannot be read does not silence a device now either
        assert_eq!(
            read(Reason::ClosedRegistry, ours, b"{"),
            Ok(("ph-1".to_owned(), None))
        );
        // the device was counted, so only a payload that can be read is news
        assert_eq!(
            read(Reason::Syntax, ours, b"{}"),
            Ok(("ph-1".to_owned(), None))
        );
        for (reason, topic, payload, still) in [
            (
                Reason::Topic,
                "other/ph-1/heartbeat",
                &b""[..],
                Reason::Topic,
            ),
            (
                Reason::DeviceId,
                "devices/ /heartbeat",
                b"",
                Reason::DeviceId,
            ),
            (Reason::Syntax, ours, b"{", Reason::Syntax),
            (
                Reason::Identity,
                ours,
                br#"{"device_id":"x"}"#,
                Reason::Identity,
            ),
            (
                Reason::Syntax,
                ours,
                br#"{"device_id":"x"}"#,
                Reason::Identity,
            ),
        ] {
            let why = still.in_words().to_owned();
            assert_eq!(read(reason, topic, payload), Err(why), "{topic}");
        }
    }

    #[test]
    fn of_what_stays_only_the_first_are_named() {
        let mut outcome = Outcome::default();
        for number in 0..30 {
            outcome.leave(number, "why".to_owned());
        }
        assert_eq!(outcome.still_set_aside["why"], 30);
        assert_eq!(outcome.named.len(), MAX_NAMED);
    }
}
