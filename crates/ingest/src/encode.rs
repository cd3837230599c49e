//! From a heartbeat back to a payload.
//!
//! The bytes of a message are dropped as soon as they are read. A message that turns out later to
//! be one to set aside is written down again: not byte for byte, but so that it reads as the same
//! heartbeat.

use chrono::SecondsFormat;
use model::Heartbeat;
use serde_json::{Map, Value};

use crate::decode::MAX_PAYLOAD_BYTES;

/// A payload that [`decode`](crate::decode::decode) reads as this heartbeat and these older
/// entries. Older entries that no longer fit into a payload are left out, the first ones first:
/// they count for nothing.
pub(crate) fn encode(newest: &Heartbeat, older: &[Heartbeat]) -> Vec<u8> {
    let mut older = older;
    loop {
        let payload = write(newest, older);
        match older {
            [_, rest @ ..] if payload.len() > MAX_PAYLOAD_BYTES => older = rest,
            _ => return payload,
        }
    }
}

fn write(newest: &Heartbeat, older: &[Heartbeat]) -> Vec<u8> {
    let newest = fields(newest);
    if older.is_empty() && newest.is_empty() {
        return Vec::new();
    }
    let value = if older.is_empty() {
        Value::Object(newest)
    } else {
        // Of entries with the same time the last one is the newest.
        let entries = older.iter().map(fields).chain([newest]);
        entries.map(Value::Object).collect()
    };
    value.to_string().into_bytes()
}

fn fields(heartbeat: &Heartbeat) -> Map<String, Value> {
    let Heartbeat {
        sent_at,
        mcc,
        mnc,
        country,
        carrier,
        seq,
        boot_id,
        rat,
        rsrp_dbm,
        tac,
        cell,
        battery_mv,
        fw,
        model,
        interval_secs,
    } = heartbeat;
    let text = |text: &Option<Box<str>>| text.as_deref().map(Value::from);
    let fields = [
        (
            "sent_at",
            sent_at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()),
        ),
        ("mcc", mcc.map(|mcc| mcc.to_string().into())),
        ("mnc", mnc.map(|mnc| mnc.to_string().into())),
        ("country", text(country)),
        ("carrier", text(carrier)),
        ("seq", seq.map(Value::from)),
        ("boot_id", text(boot_id)),
        ("rat", text(rat)),
        ("rsrp", rsrp_dbm.map(Value::from)),
        ("tac", text(tac)),
        ("cell", text(cell)),
        ("battery_mv", battery_mv.map(Value::from)),
        ("fw", text(fw)),
        ("model", text(model)),
        ("interval_secs", interval_secs.map(Value::from)),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;
    use model::DeviceId;

    #[test]
    fn what_is_written_reads_as_the_same_heartbeat() {
        let device = DeviceId::parse("ph-0001").unwrap();
        for payload in [
            "",
            "{}",
            r#"{"nonsense":1}"#,
            r#"{"sent_at":"2026-11-21T01:02:03.123456+08:00","mcc":"515","mnc":"002","seq":4711,
                "boot_id":"a\"1","rat":"LTE","rsrp":-98,"tac":"1A2B","cell":"0012F3A1",
                "battery_mv":12350,"fw":"2.4.1","model":"端末","interval_secs":300}"#,
            r#"{"ts":1795222923,"country":"PH","carrier":"Globe\tTelecom"}"#,
            r#"[{"ts":1795222900},{"ts":1795222923,"seq":2},{"ts":1795222923,"seq":3},{"seq":9}]"#,
            "[{},{}]",
        ] {
            let read = decode(&device, payload.as_bytes());
            assert_eq!(read.fault, None, "{payload}");
            let again = decode(&device, &encode(&read.heartbeat, &read.older));
            assert_eq!(again.heartbeat, read.heartbeat, "{payload}");
            assert_eq!(again.older, read.older, "{payload}");
            assert_eq!((again.fault, again.dropped_fields), (None, 0), "{payload}");
        }
    }

    #[test]
    fn older_entries_give_way_where_not_all_fit() {
        let device = DeviceId::parse("ph-0001").unwrap();
        let entry = |seq: i64| Heartbeat {
            seq: Some(seq),
            fw: Some("x".repeat(64).into()),
            ..Heartbeat::default()
        };
        let older: Vec<_> = (0..63).map(entry).collect();
        let payload = encode(&entry(63), &older);
        assert!(payload.len() <= MAX_PAYLOAD_BYTES);
        let read = decode(&device, &payload);
        assert_eq!(read.fault, None);
        assert_eq!(read.heartbeat, entry(63));
        assert!(read.older.len() > 30 && older.ends_with(&read.older));
    }
}
