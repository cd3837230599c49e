//! From placed heartbeats to the rows of one transaction. Pure.

use std::borrow::Cow;
use std::collections::hash_map::Entry;

use model::{
    CarrierBit, CarrierSet, Cause, Country, DeviceNo, Heard, Heartbeat, Hour, Instant, QuickMap,
};
use store::batch::Batch;
use store::gaps::GapChange;
use store::heartbeats::HeartbeatRow;
use store::last_heard::{LastHeardRow, RowBefore};
use store::presence::PresenceRow;
use store::quarantine::QuarantineRow;

use crate::present::Present;
use crate::quarantine::SetAside;
use crate::subscriber::Arrival;

/// A message on its way into a transaction.
pub struct Placed {
    /// When it arrived.
    pub received_at: Instant,
    /// The watermark that stood then.
    pub watermark: Instant,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a message.
pub enum Verdict {
    /// It is a heartbeat of this device.
    Heartbeat(Beat),
    /// Its device was counted when it came; what it says is kept as evidence.
    Evidence(Beat),
    /// It counts for nothing.
    Rejected(SetAside),
}

/// A heartbeat with everything known about it.
pub struct Beat {
    /// What arrived.
    pub arrival: Box<Arrival>,
    /// The device's number.
    pub device_no: DeviceNo,
    /// Where it was.
    pub country: Country,
    /// The carrier's bit in that country.
    pub carrier_bit: CarrierBit,
    /// The region it was in.
    pub region: Option<Box<str>>,
    /// When it counts.
    pub heard: Heard,
    /// The hour it counts in, unless it is of unknown time.
    pub hour: Option<Hour>,
    /// What is known of the device's last state in this segment, if it needs writing.
    pub newest: Option<RowBefore>,
    /// Whether the device was in another segment before.
    pub moved: bool,
}

/// Builds the rows for a run of messages.
pub(crate) fn assemble<'a>(messages: &'a [Placed], present: &Present, now: Instant) -> Batch<'a> {
    let mut batch = Batch::default();
    let mut presence: QuickMap<(Hour, Country, DeviceNo), CarrierSet> = QuickMap::default();
    let mut newest: QuickMap<(DeviceNo, Country, CarrierBit), LastHeardRow<'a>> =
        QuickMap::default();
    let mut unknown_time: QuickMap<(Country, Instant), Instant> = QuickMap::default();
    for message in messages {
        match &message.verdict {
            Verdict::Rejected(set_aside) => quarantine(&mut batch, message, set_aside),
            Verdict::Evidence(beat) => evidence(&mut batch, message, beat, None),
            Verdict::Heartbeat(beat) => {
                if let Some(set_aside) = &beat.arrival.set_aside {
                    quarantine(&mut batch, message, set_aside);
                }
                let heard_at = match beat.heard {
                    Heard::At(heard_at) => Some(heard_at),
                    Heard::SomeTimeSince(_) => None,
                };
                evidence(&mut batch, message, beat, heard_at);
                match (beat.heard, beat.hour) {
                    (Heard::At(heard_at), Some(hour)) => {
                        let carrier = CarrierSet::of(beat.carrier_bit);
                        if !present.holds(hour, beat.country, beat.device_no, carrier) {
                            let carriers = presence
                                .entry((hour, beat.country, beat.device_no))
                                .or_default();
                            *carriers = carriers.union(carrier);
                        }
                        if let Some(before) = beat.newest {
                            keep_newest(&mut newest, beat, heard_at, before);
                        }
                        if beat.moved {
                            batch.moved.push(beat.device_no);
                        }
                    }
                    (Heard::SomeTimeSince(from), _) => {
                        let to = unknown_time.entry((beat.country, from)).or_insert(from);
                        *to = message.received_at.max(*to);
                    }
                    (Heard::At(_), None) => {}
                }
            }
        }
    }
    for ((hour, country, device_no), carriers) in presence {
        let row = PresenceRow {
            hour,
            country,
            device_no,
            carriers,
        };
        if hour.end <= now {
            &mut batch.late_presence
        } else {
            &mut batch.presence
        }
        .push(row);
    }
    batch.last_heard = newest.into_values().collect();
    for ((country, from), to) in unknown_time {
        batch.gaps.push(GapChange::Over {
            country: Some(country),
            cause: Cause::UnknownTime,
            from,
            to,
            detail: "heartbeats that waited while we were away do not say when they were sent"
                .to_owned(),
        });
    }
    batch
}

fn quarantine(batch: &mut Batch<'_>, message: &Placed, set_aside: &SetAside) {
    let minute = model::hour::minute(message.received_at);
    *batch
        .quarantine_counts
        .entry((minute, set_aside.reason))
        .or_default() += 1;
    if let Some(evidence) = &set_aside.evidence {
        batch.quarantine.push(QuarantineRow {
            received_at: message.received_at,
            watermark: message.watermark,
            reason: set_aside.reason,
            topic: evidence.topic.clone(),
            payload: evidence.payload.clone(),
            payload_bytes: evidence.payload_bytes,
            detail: evidence.detail.clone(),
        });
    }
}

fn evidence<'a>(
    batch: &mut Batch<'a>,
    message: &Placed,
    beat: &'a Beat,
    heard_at: Option<Instant>,
) {
    let row = |heartbeat: &'a Heartbeat| HeartbeatRow {
        received_at: message.received_at,
        heard_at: None,
        device_no: beat.device_no,
        country: beat.country,
        carrier_bit: beat.carrier_bit,
        region: beat.region.as_deref(),
        delivery: None,
        heartbeat,
    };
    batch.heartbeats.extend(beat.arrival.older.iter().map(row));
    batch.heartbeats.push(HeartbeatRow {
        heard_at,
        delivery: Some(beat.arrival.delivery),
        ..row(&beat.arrival.heartbeat)
    });
}

fn keep_newest<'a>(
    newest: &mut QuickMap<(DeviceNo, Country, CarrierBit), LastHeardRow<'a>>,
    beat: &'a Beat,
    heard_at: Instant,
    before: RowBefore,
) {
    let row = LastHeardRow {
        device_no: beat.device_no,
        country: beat.country,
        carrier_bit: beat.carrier_bit,
        heard_at,
        region: beat.region.as_deref().map(Cow::Borrowed),
        heartbeat: Cow::Borrowed(&beat.arrival.heartbeat),
        before,
    };
    match newest.entry((beat.device_no, beat.country, beat.carrier_bit)) {
        Entry::Vacant(entry) => {
            entry.insert(row);
        }
        Entry::Occupied(mut entry) if entry.get().heard_at < heard_at => {
            let before = entry.get().before.then(before);
            entry.insert(LastHeardRow { before, ..row });
        }
        Entry::Occupied(_) => {}
    }
}
