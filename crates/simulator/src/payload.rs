//! What a device says.

use chrono::SecondsFormat;
use serde::Serialize;

use crate::beats::{Beat, Buffered};

/// The canonical payload, as devices send it.
#[derive(Serialize)]
struct Payload<'b> {
    sent_at: String,
    mcc: String,
    mnc: String,
    seq: u64,
    boot_id: &'b str,
    rat: &'static str,
    rsrp: i16,
    tac: String,
    cell: String,
    battery_mv: i32,
    fw: String,
    model: &'static str,
    interval_secs: u64,
}

/// What a device keeps of a heartbeat that it could not send.
#[derive(Serialize)]
struct Kept {
    sent_at: String,
    seq: u64,
    battery_mv: i32,
}

/// One entry of a flush.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'b> {
    Kept(Kept),
    Newest(Payload<'b>),
}

/// The payload of a heartbeat: a map, or after an outage an array with the newest entry last.
pub(crate) fn bytes(beat: &Beat<'_>) -> Vec<u8> {
    let newest = newest(beat);
    let written = if beat.buffered.is_empty() {
        serde_json::to_vec(&newest)
    } else {
        let mut entries: Vec<_> = beat.buffered.iter().map(kept).map(Entry::Kept).collect();
        entries.push(Entry::Newest(newest));
        serde_json::to_vec(&entries)
    };
    // Texts and numbers can always be written; an empty payload would be a heartbeat all the same.
    written.unwrap_or_default()
}

fn written(at: model::Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn kept(buffered: &Buffered) -> Kept {
    Kept {
        sent_at: written(buffered.at),
        seq: buffered.seq,
        battery_mv: buffered.battery_mv,
    }
}

fn newest<'b>(beat: &'b Beat<'_>) -> Payload<'b> {
    let device = beat.device;
    Payload {
        sent_at: written(beat.at),
        mcc: beat.place.plmn.mcc.to_string(),
        mnc: beat.place.plmn.mnc.to_string(),
        seq: beat.seq,
        boot_id: &beat.boot_id,
        rat: beat.rat,
        rsrp: beat.rsrp_dbm,
        tac: beat.place.tac.to_string(),
        cell: device.cell(&beat.place),
        battery_mv: beat.battery_mv,
        fw: beat.firmware.to_string(),
        model: device.model,
        interval_secs: beat.interval_secs,
    }
}
