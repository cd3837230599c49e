//! What must hold for any bytes that a stranger sends.
//!
//! The fuzz targets call these with bytes that libFuzzer makes up, and a test of `ingest` calls them
//! with the seeds in `corpus/`, so that neither the checks nor the seeds go stale.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use ingest::decode::{Decoded, FieldPaths, MAX_ENTRIES, MAX_PAYLOAD_BYTES, decode, decode_at};
use ingest::topic::TopicFilter;
use model::{DeviceId, Heartbeat, Instant, Reason};
use serde_json::{Map, Value, json};

/// The longest texts and codes that a heartbeat may keep, in bytes.
const MAX_TEXT_BYTES: usize = 64;
const MAX_CODE_BYTES: usize = 16;

/// The years that RFC 3339 can write, as microseconds since 1970.
const WRITABLE_MICROS: RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

/// Seconds in a week, the longest heartbeat interval.
const MAX_INTERVAL_SECS: i32 = 604_800;

/// Any payload gives a fault and nothing else, or heartbeats that are within all bounds; and what was
/// understood is understood again when it is written down.
pub fn payload(bytes: &[u8]) {
    let decoded = read(bytes);
    assert_eq!(decoded, read(bytes), "the same twice");
    assert_sensible(bytes, &decoded);
    assert_sensible(bytes, &decode_at(&ELSEWHERE, &device(), bytes));
    if decoded.fault.is_none() {
        // What was understood is understood the same where another fleet has it.
        let moved = Value::Object(ELSEWHERE.arrange(written(&decoded.heartbeat)));
        for bytes in [moved.to_string().into_bytes(), cbor(&moved)] {
            let again = decode_at(&ELSEWHERE, &device(), &bytes);
            assert_eq!(again.heartbeat, decoded.heartbeat);
            assert_eq!((again.fault, again.dropped_fields), (None, 0));
        }
    }
}

fn assert_sensible(bytes: &[u8], decoded: &Decoded) {
    if bytes.len() > MAX_PAYLOAD_BYTES {
        assert_eq!(decoded.fault, Some(Reason::Size));
    }
    if decoded.fault.is_some() {
        let nothing_else = Decoded {
            fault: decoded.fault,
            ..Decoded::default()
        };
        assert_eq!(*decoded, nothing_else);
        return;
    }
    assert!(decoded.older.len() < MAX_ENTRIES);
    let newest = decoded.heartbeat.sent_at;
    assert!(decoded.older.iter().all(|entry| entry.sent_at <= newest));
    for heartbeat in decoded.older.iter().chain([&decoded.heartbeat]) {
        assert_in_bounds(heartbeat);
        let expected = Decoded {
            heartbeat: heartbeat.clone(),
            ..Decoded::default()
        };
        let written = Value::Object(written(heartbeat));
        assert_eq!(read(written.to_string().as_bytes()), expected);
        assert_eq!(read(&cbor(&written)), expected);
    }
}

/// A map, or an array, says the same in JSON and in CBOR.
pub fn same_in_json_and_cbor(bytes: &[u8]) {
    let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_slice(bytes) else {
        return;
    };
    let text = value.to_string();
    let cbor = cbor(&value);
    // A number that the parser rounds says one thing in digits and another in bits.
    let is_stable = serde_json::from_str::<Value>(&text).is_ok_and(|again| again == value);
    let fits = text.len() <= MAX_PAYLOAD_BYTES && cbor.len() <= MAX_PAYLOAD_BYTES;
    if is_stable && fits {
        assert_eq!(read(text.as_bytes()), read(&cbor), "{text}");
    }
    payload(text.as_bytes());
    payload(&cbor);
}

/// A time is one that can be written, and is read again as what was written.
pub fn timestamp(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let value = json!({ "sent_at": text });
    let decoded = read(value.to_string().as_bytes());
    if decoded.fault.is_some() {
        // The escapes made it too long.
        assert_eq!(decoded.fault, Some(Reason::Size));
        return;
    }
    let instant = decoded.heartbeat.sent_at;
    let is_dropped = instant.is_none() && !text.is_empty();
    assert_eq!(decoded.dropped_fields, u16::from(is_dropped), "{text:?}");
    assert_eq!(sent_at(&json!(text)), instant, "the same in CBOR");
    if let Some(instant) = instant {
        assert!(WRITABLE_MICROS.contains(&instant.timestamp_micros()));
        assert_eq!(sent_at(&json!(instant.to_rfc3339())), Some(instant));
    }
    if let Ok(number) = text.parse::<i64>() {
        assert_eq!(sent_at(&json!(number)), instant, "{number}");
    }
}

/// A filter has one level for the device, and a topic names a device exactly where the device's id
/// in that level makes the topic.
pub fn topic(bytes: &[u8]) {
    let Some((filter, topic)) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.split_once('\n'))
    else {
        return;
    };
    let Ok(filter) = TopicFilter::parse(filter) else {
        return;
    };
    let subscription = filter.subscription();
    assert_eq!(subscription.matches('+').count(), 1);
    assert!(!subscription.contains(['#', '\0']) && !subscription.starts_with('$'));
    assert_eq!(
        TopicFilter::parse(subscription).as_ref(),
        Ok(&filter),
        "what is subscribed means the same"
    );
    let device = device();
    let own = subscription.replace('+', device.as_str());
    assert_eq!(filter.device_id(&own).as_ref(), Ok(&device));
    match filter.device_id(topic) {
        Ok(id) => {
            assert_eq!(subscription.replace('+', id.as_str()), topic);
            assert_eq!(DeviceId::parse(id.as_str()).as_ref(), Ok(&id));
        }
        Err(Reason::DeviceId) => {
            assert_eq!(
                subscription.matches('/').count(),
                topic.matches('/').count()
            );
        }
        Err(reason) => assert_eq!(reason, Reason::Topic),
    }
}

fn device() -> DeviceId {
    #[expect(clippy::unwrap_used, reason = "this one is an id")]
    DeviceId::parse("ph-0001").unwrap()
}

/// A layout that the seeds know, too.
static ELSEWHERE: LazyLock<FieldPaths> = LazyLock::new(|| {
    let paths = [
        ("sent_at", "data.time"),
        ("mcc", "radio.plmn.mcc"),
        ("mnc", "radio.plmn.mnc"),
        ("rsrp", "radio.rsrp"),
        ("device_id", "data.device_id"),
        ("fw", "a.b.c.d.e.f.g.h"),
    ];
    #[expect(clippy::unwrap_used, reason = "these fit together")]
    FieldPaths::new(paths).unwrap()
});

fn read(payload: &[u8]) -> Decoded {
    decode(&device(), payload)
}

/// A value in CBOR, by an encoder that shares nothing with the decoder.
fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_cbor(value, &mut bytes);
    bytes
}

fn write_cbor(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(0xf6),
        Value::Bool(truth) => bytes.push(0xf4 | u8::from(*truth)),
        Value::Number(number) => {
            if let Some(number) = number.as_u64() {
                write_head(0, number, bytes);
            } else if let Some(number) = number.as_i64() {
                write_head(1, !number.cast_unsigned(), bytes);
            } else if let Some(number) = number.as_f64() {
                bytes.push(0xfb);
                bytes.extend(number.to_be_bytes());
            }
        }
        Value::String(text) => {
            write_head(3, text.len() as u64, bytes);
            bytes.extend(text.bytes());
        }
        Value::Array(items) => {
            write_head(4, items.len() as u64, bytes);
            items.iter().for_each(|item| write_cbor(item, bytes));
        }
        Value::Object(map) => {
            write_head(5, map.len() as u64, bytes);
            for (name, item) in map {
                write_head(3, name.len() as u64, bytes);
                bytes.extend(name.bytes());
                write_cbor(item, bytes);
            }
        }
    }
}

/// The first bytes of an item: its major type, and its value, length or count.
fn write_head(major: u8, argument: u64, bytes: &mut Vec<u8>) {
    let all = argument.to_be_bytes();
    let (short, rest) = match argument {
        0..24 => (all[7], &all[8..]),
        24..0x100 => (24, &all[7..]),
        0x100..0x1_0000 => (25, &all[6..]),
        0x1_0000..0x1_0000_0000 => (26, &all[4..]),
        _ => (27, &all[..]),
    };
    bytes.push(major << 5 | short);
    bytes.extend(rest);
}

fn sent_at(value: &Value) -> Option<Instant> {
    read(&cbor(&json!({ "sent_at": value }))).heartbeat.sent_at
}

fn assert_in_bounds(heartbeat: &Heartbeat) {
    let is_text = |text: &Option<Box<str>>, max_bytes: usize| {
        text.as_deref().is_none_or(|text| {
            (1..=max_bytes).contains(&text.len()) && !text.contains(char::is_control)
        })
    };
    let Heartbeat {
        sent_at,
        mcc: _,
        mnc: _,
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
    assert!(sent_at.is_none_or(|instant| WRITABLE_MICROS.contains(&instant.timestamp_micros())));
    for text in [country, carrier, boot_id, fw, model] {
        assert!(is_text(text, MAX_TEXT_BYTES), "{text:?}");
    }
    for code in [rat, tac, cell] {
        assert!(is_text(code, MAX_CODE_BYTES), "{code:?}");
    }
    assert!(seq.is_none_or(|seq| seq >= 0));
    assert!(rsrp_dbm.is_none_or(|dbm| (-200..=0).contains(&dbm)));
    assert!(battery_mv.is_none_or(|millivolts| (0..=100_000).contains(&millivolts)));
    assert!(interval_secs.is_none_or(|secs| (1..=MAX_INTERVAL_SECS).contains(&secs)));
}

/// A heartbeat as a device would write it.
fn written(heartbeat: &Heartbeat) -> Map<String, Value> {
    let text = |text: &Option<Box<str>>| text.as_deref().map(Value::from);
    let fields = [
        (
            "sent_at",
            heartbeat.sent_at.map(|instant| json!(instant.to_rfc3339())),
        ),
        ("mcc", heartbeat.mcc.map(|mcc| json!(mcc.to_string()))),
        ("mnc", heartbeat.mnc.map(|mnc| json!(mnc.to_string()))),
        ("country", text(&heartbeat.country)),
        ("carrier", text(&heartbeat.carrier)),
        ("seq", heartbeat.seq.map(Value::from)),
        ("boot_id", text(&heartbeat.boot_id)),
        ("rat", text(&heartbeat.rat)),
        ("rsrp", heartbeat.rsrp_dbm.map(Value::from)),
        ("tac", text(&heartbeat.tac)),
        ("cell", text(&heartbeat.cell)),
        ("battery_mv", heartbeat.battery_mv.map(Value::from)),
        ("fw", text(&heartbeat.fw)),
        ("model", text(&heartbeat.model)),
        ("interval_secs", heartbeat.interval_secs.map(Value::from)),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}
