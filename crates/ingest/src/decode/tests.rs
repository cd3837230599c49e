//! The whole decoder, from bytes to heartbeat.

use chrono::DateTime;
use model::{Mcc, Mnc};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const CANONICAL: &str = r#"{"sent_at":"2026-11-21T01:02:03Z","mcc":"515","mnc":"02","seq":4711,
    "boot_id":"a1","rat":"lte","rsrp":-98,"tac":"1A2B","cell":"0012F3A1","battery_mv":12350,
    "fw":"2.4.1","model":"mccs-4g","interval_secs":300}"#;

fn device() -> DeviceId {
    DeviceId::parse("ph-0001").unwrap()
}

fn decode_text(payload: &str) -> Decoded {
    decode(&device(), payload.as_bytes())
}

fn cbor(value: &Value) -> Vec<u8> {
    cbor4ii::serde::to_vec(Vec::new(), value).unwrap()
}

/// The bytes that hex digits, apart from blanks, name.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn seconds(unix_secs: i64) -> Option<model::Instant> {
    DateTime::from_timestamp(unix_secs, 0)
}

fn canonical() -> Heartbeat {
    Heartbeat {
        sent_at: seconds(1_795_222_923),
        mcc: Mcc::parse("515"),
        mnc: Mnc::parse("02"),
        country: None,
        carrier: None,
        seq: Some(4711),
        boot_id: Some("a1".into()),
        rat: Some("lte".into()),
        rsrp_dbm: Some(-98),
        tac: Some("1A2B".into()),
        cell: Some("0012F3A1".into()),
        battery_mv: Some(12_350),
        fw: Some("2.4.1".into()),
        model: Some("mccs-4g".into()),
        interval_secs: Some(300),
    }
}

fn heard(heartbeat: Heartbeat) -> Decoded {
    Decoded {
        heartbeat,
        ..Decoded::default()
    }
}

fn set_aside(fault: Reason) -> Decoded {
    Decoded {
        fault: Some(fault),
        ..Decoded::default()
    }
}

fn dropped(count: u16) -> Decoded {
    Decoded {
        dropped_fields: count,
        ..Decoded::default()
    }
}

#[test]
fn the_canonical_payload_is_the_same_in_json_and_cbor() {
    assert_eq!(decode_text(CANONICAL), heard(canonical()));
    let value: Value = serde_json::from_str(CANONICAL).unwrap();
    assert_eq!(decode(&device(), &cbor(&value)), heard(canonical()));
    let described = [&bytes("d9d9f7")[..], &cbor(&value)].concat();
    assert_eq!(decode(&device(), &described), heard(canonical()));
}

#[test]
fn a_payload_that_cannot_be_read_is_set_aside_with_its_reason() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let padded = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    let deep_field = |depth: usize| format!(r#"{{"x":{}}}"#, nested(depth - 1));
    let cases: Vec<(&str, Vec<u8>, Decoded)> = vec![
        ("empty", b"".to_vec(), Decoded::default()),
        ("blanks", b" \r\n\t".to_vec(), Decoded::default()),
        ("empty map", b" {} ".to_vec(), Decoded::default()),
        ("exactly 4 KiB", padded(4096).into(), Decoded::default()),
        ("4 KiB + 1", padded(4097).into(), set_aside(Reason::Size)),
        (
            "4 KiB + 1 of blanks",
            vec![b' '; 4097],
            set_aside(Reason::Size),
        ),
        ("11 KiB", vec![b'{'; 11 << 10], set_aside(Reason::Size)),
        (
            "invalid UTF-8 in a field",
            b"{\"fw\":\"\xff\"}".to_vec(),
            set_aside(Reason::Encoding),
        ),
        (
            "invalid UTF-8 elsewhere",
            b"{\"x\":\"\xc3\"}".to_vec(),
            set_aside(Reason::Encoding),
        ),
        (
            "truncated",
            b"{\"fw\":\"2.4".to_vec(),
            set_aside(Reason::Syntax),
        ),
        ("two values", b"{}{}".to_vec(), set_aside(Reason::Syntax)),
        (
            "trailing comma",
            b"{\"seq\":1,}".to_vec(),
            set_aside(Reason::Syntax),
        ),
        (
            "leading zero",
            b"{\"seq\":01}".to_vec(),
            set_aside(Reason::Syntax),
        ),
        ("UTF-16", b"{\0}\0".to_vec(), set_aside(Reason::Syntax)),
        ("depth 16", deep_field(16).into(), Decoded::default()),
        ("depth 17", deep_field(17).into(), set_aside(Reason::Depth)),
        (
            "depth 2,000",
            nested(2_000).into(),
            set_aside(Reason::Depth),
        ),
        (
            "depth 4,000 and no end",
            vec![b'['; 4_000],
            set_aside(Reason::Depth),
        ),
        (
            "gzip",
            bytes("1f8b 0800 0000 0000 0003"),
            set_aside(Reason::Encoding),
        ),
        ("zstd", bytes("28b5 2ffd"), set_aside(Reason::Encoding)),
        ("words", b"hello".to_vec(), set_aside(Reason::Encoding)),
        ("XML", b"<hb/>".to_vec(), set_aside(Reason::Encoding)),
        ("NUL", b"\0".to_vec(), set_aside(Reason::Encoding)),
        ("lone text", b"\"x\"".to_vec(), set_aside(Reason::Field)),
        ("lone number", b" 42 ".to_vec(), set_aside(Reason::Field)),
        ("null", b"null".to_vec(), set_aside(Reason::Field)),
        (
            "array of numbers",
            b"[1,2]".to_vec(),
            set_aside(Reason::Field),
        ),
        (
            "array of arrays",
            b"[[{}]]".to_vec(),
            set_aside(Reason::Field),
        ),
        ("empty array", b"[]".to_vec(), Decoded::default()),
        (
            "10,000 entries",
            format!("[{}0]", "0,".repeat(9_999)).into(),
            set_aside(Reason::Size),
        ),
    ];
    for (name, payload, expected) in cases {
        assert_eq!(decode(&device(), &payload), expected, "{name}");
    }
}

#[test]
fn cbor_is_read_within_its_bytes() {
    let deep = |depth: usize| [vec![0x81; depth - 1], vec![0x80]].concat();
    let deep_field = |depth: usize| [bytes("a1 6178"), deep(depth - 1)].concat();
    let seq = |value| {
        heard(Heartbeat {
            seq: Some(value),
            ..Heartbeat::default()
        })
    };
    let rsrp = heard(Heartbeat {
        rsrp_dbm: Some(-98),
        ..Heartbeat::default()
    });
    let firmware = |text: &str| {
        heard(Heartbeat {
            fw: Some(text.into()),
            ..Heartbeat::default()
        })
    };
    let sent = heard(Heartbeat {
        sent_at: seconds(1),
        ..Heartbeat::default()
    });
    let cases: Vec<(&str, Vec<u8>, Decoded)> = vec![
        ("empty map", bytes("a0"), Decoded::default()),
        ("empty array", bytes("80"), Decoded::default()),
        ("empty indefinite map", bytes("bf ff"), Decoded::default()),
        ("indefinite map", bytes("bf 63736571 07 ff"), seq(7)),
        ("indefinite array", bytes("9f a1 63736571 07 ff"), seq(7)),
        (
            "indefinite text",
            bytes("a1 626677 7f 61 31 62 2e32 ff"),
            firmware("1.2"),
        ),
        (
            "indefinite key",
            bytes("a1 7f 61 66 61 77 ff 61 31"),
            firmware("1"),
        ),
        (
            "map of 2^32",
            bytes("ba ffffffff 63736571 07"),
            set_aside(Reason::Syntax),
        ),
        (
            "array of 2^32",
            bytes("9b 0000000100000000 a0"),
            set_aside(Reason::Syntax),
        ),
        (
            "map of 2^64 - 1",
            bytes("bb ffffffffffffffff"),
            set_aside(Reason::Syntax),
        ),
        (
            "text of 2^32",
            bytes("a1 626677 7b 0000000100000000"),
            set_aside(Reason::Syntax),
        ),
        (
            "bytes of 2^64 - 1",
            bytes("a1 6178 5b ffffffffffffffff"),
            set_aside(Reason::Syntax),
        ),
        ("reserved length", bytes("bc"), set_aside(Reason::Syntax)),
        ("break alone", bytes("81 ff"), set_aside(Reason::Syntax)),
        (
            "break after a key",
            bytes("bf 63736571 ff"),
            set_aside(Reason::Syntax),
        ),
        (
            "break after a tag",
            bytes("9f c1 ff"),
            set_aside(Reason::Syntax),
        ),
        (
            "no break",
            bytes("bf 63736571 07"),
            set_aside(Reason::Syntax),
        ),
        (
            "piece of another type",
            bytes("a1 626677 7f 41 31 ff"),
            set_aside(Reason::Syntax),
        ),
        (
            "pieces within pieces",
            bytes("a1 626677 7f 7f ff ff"),
            set_aside(Reason::Syntax),
        ),
        ("two values", bytes("a0 a0"), set_aside(Reason::Syntax)),
        (
            "tag and no value",
            bytes("81 c1"),
            set_aside(Reason::Syntax),
        ),
        (
            "invalid UTF-8",
            bytes("a1 6178 61 ff"),
            set_aside(Reason::Encoding),
        ),
        ("depth 16", deep_field(16), Decoded::default()),
        ("depth 17", deep_field(17), set_aside(Reason::Depth)),
        ("depth 2,000", deep(2_000), set_aside(Reason::Depth)),
        (
            "depth 4,000, indefinite",
            vec![0x9f; 4_000],
            set_aside(Reason::Depth),
        ),
        (
            "4,000 tags",
            [bytes("81"), vec![0xc1; 4_000]].concat(),
            set_aside(Reason::Syntax),
        ),
        (
            "array of numbers",
            bytes("82 01 02"),
            set_aside(Reason::Field),
        ),
        ("lone number", bytes("01"), set_aside(Reason::Encoding)),
        ("integer keys", bytes("a2 01 02 63736571 07"), seq(7)),
        (
            "keys of any type",
            bytes("a5 f6 01 80 01 a0 01 41ff 01 63736571 07"),
            seq(7),
        ),
        ("half float", bytes("a1 6472737270 f9 d620"), rsrp.clone()),
        ("single float", bytes("a1 6472737270 fa c2c40000"), rsrp),
        ("float NaN", bytes("a1 6472737270 f9 7e00"), dropped(1)),
        (
            "time tag, text",
            [bytes("a1 627473 c0 74"), b"1970-01-01T00:00:01Z".into()].concat(),
            sent.clone(),
        ),
        ("time tag, number", bytes("a1 627473 c1 01"), sent),
        (
            "tags everywhere",
            bytes("d9d9f7 d9d9f7 a1 d820 63736571 d820 07"),
            set_aside(Reason::Encoding),
        ),
        (
            "tags on keys and values",
            bytes("d9d9f7 a1 d820 63736571 d820 07"),
            seq(7),
        ),
        ("bignum", bytes("a1 63736571 c2 41 07"), dropped(1)),
        (
            "below i64",
            bytes("a1 63736571 3b ffffffffffffffff"),
            dropped(1),
        ),
        (
            "above i64",
            bytes("a1 63736571 1b ffffffffffffffff"),
            dropped(1),
        ),
        ("bytes for text", bytes("a1 626677 41 31"), dropped(1)),
        ("undefined", bytes("a1 626677 f7"), Decoded::default()),
        (
            "unassigned simple value",
            bytes("a2 626677 e0 6178 f8 ff"),
            dropped(1),
        ),
        (
            "malformed simple value",
            bytes("a1 626677 f8 10"),
            set_aside(Reason::Syntax),
        ),
    ];
    for (name, payload, expected) in cases {
        assert_eq!(decode(&device(), &payload), expected, "{name}");
    }
}

#[test]
fn each_field_takes_what_it_can_use_and_drops_the_rest_alone() {
    let none = Heartbeat::default;
    let mcc = Heartbeat {
        mcc: Mcc::parse("515"),
        ..none()
    };
    let mnc = Heartbeat {
        mnc: Mnc::parse("02"),
        ..none()
    };
    let text = |text: &str| Some(Box::from(text));
    let cases: Vec<(&str, Heartbeat, u16)> = vec![
        (r#"{"mcc":"515"}"#, mcc.clone(), 0),
        (r#"{"mcc":515}"#, mcc.clone(), 0),
        (r#"{"mcc":"51"}"#, none(), 1),
        (r#"{"mcc":51}"#, none(), 1),
        (r#"{"mcc":-15}"#, none(), 1),
        (r#"{"mcc":"5150"}"#, none(), 1),
        (r#"{"mcc":"５１５"}"#, none(), 1),
        (r#"{"mnc":"02"}"#, mnc, 0),
        (
            r#"{"mnc":"002"}"#,
            Heartbeat {
                mnc: Mnc::parse("002"),
                ..none()
            },
            0,
        ),
        (r#"{"mnc":2}"#, none(), 1),
        (r#"{"mnc":10}"#, none(), 1),
        (
            r#"{"country":"PH"}"#,
            Heartbeat {
                country: text("PH"),
                ..none()
            },
            0,
        ),
        (
            r#"{"country":"🇵🇭"}"#,
            Heartbeat {
                country: text("🇵🇭"),
                ..none()
            },
            0,
        ),
        (
            r#"{"carrier":"a|#b:c"}"#,
            Heartbeat {
                carrier: text("a|#b:c"),
                ..none()
            },
            0,
        ),
        (
            r#"{"carrier":"<script>"}"#,
            Heartbeat {
                carrier: text("<script>"),
                ..none()
            },
            0,
        ),
        (
            r#"{"carrier":"a\nb\r\n"}"#,
            Heartbeat {
                carrier: text("a b  "),
                ..none()
            },
            0,
        ),
        (r#"{"carrier":"a\u0000b"}"#, none(), 1),
        (r#"{"fw":"a\nb"}"#, none(), 1),
        (r#"{"country":"a\u009bb"}"#, none(), 1),
        (r#"{"carrier":7}"#, none(), 1),
        (r#"{"carrier":{"name":"globe"}}"#, none(), 1),
        (
            r#"{"seq":0}"#,
            Heartbeat {
                seq: Some(0),
                ..none()
            },
            0,
        ),
        (
            r#"{"seq":7.0}"#,
            Heartbeat {
                seq: Some(7),
                ..none()
            },
            0,
        ),
        (
            r#"{"seq":9223372036854775807}"#,
            Heartbeat {
                seq: Some(i64::MAX),
                ..none()
            },
            0,
        ),
        (r#"{"seq":9223372036854775808}"#, none(), 1),
        (r#"{"seq":99999999999999999999}"#, none(), 1),
        (r#"{"seq":-1}"#, none(), 1),
        (r#"{"seq":7.5}"#, none(), 1),
        (r#"{"seq":"7"}"#, none(), 1),
        (
            r#"{"rat":"LTE"}"#,
            Heartbeat {
                rat: text("lte"),
                ..none()
            },
            0,
        ),
        (
            r#"{"rat":"a text too long"}"#,
            Heartbeat {
                rat: text("a text too long"),
                ..none()
            },
            0,
        ),
        (r#"{"rat":"a text, too long."}"#, none(), 1),
        (
            r#"{"rsrp":-98.4}"#,
            Heartbeat {
                rsrp_dbm: Some(-98),
                ..none()
            },
            0,
        ),
        (
            r#"{"rsrp":0}"#,
            Heartbeat {
                rsrp_dbm: Some(0),
                ..none()
            },
            0,
        ),
        (r#"{"rsrp":1}"#, none(), 1),
        (r#"{"rsrp":-201}"#, none(), 1),
        (r#"{"rsrp":NaN}"#, none(), 1),
        (
            r#"{"rsrp":1e999,"fw":"1"}"#,
            Heartbeat {
                fw: text("1"),
                ..none()
            },
            1,
        ),
        (
            r#"{"rsrp":-Infinity,"fw":"NaN"}"#,
            Heartbeat {
                fw: text("NaN"),
                ..none()
            },
            1,
        ),
        (r#"{"lat":1e999,"lon":NaN}"#, none(), 0),
        (
            r#"{"tac":"1A2B"}"#,
            Heartbeat {
                tac: text("1A2B"),
                ..none()
            },
            0,
        ),
        (r#"{"tac":6699,"cell":1242017}"#, none(), 2),
        (
            r#"{"battery_mv":100000}"#,
            Heartbeat {
                battery_mv: Some(100_000),
                ..none()
            },
            0,
        ),
        (r#"{"battery_mv":100001}"#, none(), 1),
        (r#"{"battery_mv":-1}"#, none(), 1),
        (
            r#"{"interval_secs":604800}"#,
            Heartbeat {
                interval_secs: Some(604_800),
                ..none()
            },
            0,
        ),
        (r#"{"interval_secs":604801}"#, none(), 1),
        (r#"{"interval_secs":0}"#, none(), 1),
        (
            r#"{"mcc":null,"fw":null,"sent_at":null,"device_id":null}"#,
            none(),
            0,
        ),
        (r#"{"fw":"","cell":"","sent_at":"","mcc":""}"#, none(), 0),
        (r#"{"mcc":true,"fw":[],"seq":{}}"#, none(), 3),
        (
            r#"{"lat":91,"extra":{"a":[1,{"b":null}]},"":"","FW":"1"}"#,
            none(),
            0,
        ),
        (r#"{"mcc":"440","mcc":"515"}"#, mcc.clone(), 1),
        (r#"{"mcc":"440","mcc":"515","mcc":"515"}"#, mcc.clone(), 2),
        (r#"{"mcc":"515","mcc":"x"}"#, none(), 2),
        (r#"{"mcc":"515","mcc":null}"#, none(), 1),
        (r#"{"x":1,"x":2}"#, none(), 0),
        (r#"{"\u006dcc":"515"}"#, mcc, 0),
        (r#"{"device_id":"ph-0001"}"#, none(), 0),
        (
            r#"{"sent_at":0}"#,
            Heartbeat {
                sent_at: seconds(0),
                ..none()
            },
            0,
        ),
        (
            r#"{"ts":1795222923}"#,
            Heartbeat {
                sent_at: seconds(1_795_222_923),
                ..none()
            },
            0,
        ),
        (
            r#"{"ts":1795222923000}"#,
            Heartbeat {
                sent_at: seconds(1_795_222_923),
                ..none()
            },
            0,
        ),
        (
            r#"{"sent_at":1,"ts":2}"#,
            Heartbeat {
                sent_at: seconds(1),
                ..none()
            },
            0,
        ),
        (
            r#"{"ts":2,"sent_at":1}"#,
            Heartbeat {
                sent_at: seconds(1),
                ..none()
            },
            0,
        ),
        (
            r#"{"ts":2,"sent_at":null}"#,
            Heartbeat {
                sent_at: seconds(2),
                ..none()
            },
            0,
        ),
        (
            r#"{"ts":2,"sent_at":"noon"}"#,
            Heartbeat {
                sent_at: seconds(2),
                ..none()
            },
            1,
        ),
        (r#"{"sent_at":9223372036854775807}"#, none(), 1),
        (r#"{"sent_at":"2026-11-21T01:02:03"}"#, none(), 1),
        (r#"{"sent_at":1e999}"#, none(), 1),
        (
            r#"{"sent_at":"2016-12-31T23:59:60Z"}"#,
            Heartbeat {
                sent_at: seconds(1_483_228_800),
                ..none()
            },
            0,
        ),
    ];
    for (payload, heartbeat, dropped_fields) in cases {
        let expected = Decoded {
            heartbeat,
            dropped_fields,
            ..Decoded::default()
        };
        assert_eq!(decode_text(payload), expected, "{payload}");
    }
    let longest = "x".repeat(64);
    assert_eq!(
        decode_text(&format!(r#"{{"fw":"{longest}"}}"#))
            .heartbeat
            .fw,
        text(&longest)
    );
    assert_eq!(
        decode_text(&format!(r#"{{"fw":"{longest}x"}}"#)),
        dropped(1)
    );
}

#[test]
fn a_payload_of_another_device_rejects_the_message() {
    for payload in [
        r#"{"device_id":"ph-0002"}"#,
        r#"{"device_id":"PH-0001"}"#,
        r#"{"device_id":""}"#,
        r#"{"device_id":1}"#,
        r#"{"device_id":["ph-0001"]}"#,
        r#"{"device_id":"ph-0002","device_id":"ph-0001"}"#,
        r#"{"device_id":"ph-0001","device_id":"ph-0002"}"#,
        r#"[{"seq":1},{"seq":2,"device_id":"ph-0002"},{"seq":3}]"#,
    ] {
        assert_eq!(
            decode_text(payload),
            set_aside(Reason::Identity),
            "{payload}"
        );
    }
    // Beyond the limit an entry still may not name another device.
    let many = format!(r#"[{}{{"device_id":"x"}}]"#, "{},".repeat(MAX_ENTRIES));
    assert_eq!(decode_text(&many), set_aside(Reason::Identity));
    // What cannot be read to its end claims nothing.
    assert_eq!(
        decode_text(r#"{"device_id":"ph-0002""#),
        set_aside(Reason::Syntax)
    );
}

#[test]
fn the_newest_entry_of_a_flush_is_the_heartbeat() {
    let cases: &[(&str, i64, &[i64])] = &[
        (
            r#"[{"seq":1,"ts":30},{"seq":2,"ts":50},{"seq":3,"ts":40}]"#,
            2,
            &[1, 3],
        ),
        (
            r#"[{"seq":1,"ts":50},{"seq":2,"ts":50},{"seq":3,"ts":40}]"#,
            2,
            &[1, 3],
        ),
        (r#"[{"seq":1},{"seq":2,"ts":-50},{"seq":3}]"#, 2, &[1, 3]),
        (r#"[{"seq":1},{"seq":2},{"seq":3}]"#, 3, &[1, 2]),
        (r#"[{"seq":1}]"#, 1, &[]),
    ];
    for (payload, newest, older) in cases {
        for decoded in [
            decode_text(payload),
            decode(&device(), &cbor(&serde_json::from_str(payload).unwrap())),
        ] {
            assert_eq!(decoded.heartbeat.seq, Some(*newest), "{payload}");
            let found: Vec<_> = decoded.older.iter().filter_map(|entry| entry.seq).collect();
            assert_eq!(found, *older, "{payload}");
            assert_eq!(
                (decoded.fault, decoded.dropped_fields),
                (None, 0),
                "{payload}"
            );
        }
    }
}

#[test]
fn a_flush_is_bounded_and_its_bad_entries_are_skipped() {
    let flush = |count: usize| format!("[{}{{}}]", "{},".repeat(count - 1));
    assert_eq!(
        decode_text(&flush(MAX_ENTRIES)).older.len(),
        MAX_ENTRIES - 1
    );
    assert_eq!(
        decode_text(&flush(MAX_ENTRIES + 1)),
        set_aside(Reason::Size)
    );
    assert_eq!(
        decode_text(r#"[1,{"seq":7,"mnc":1},null,[{}],NaN]"#),
        Decoded {
            heartbeat: Heartbeat {
                seq: Some(7),
                ..Heartbeat::default()
            },
            dropped_fields: 5,
            ..Decoded::default()
        }
    );
}

#[test]
fn a_payload_cut_anywhere_is_set_aside() {
    for end in 1..CANONICAL.len() {
        let cut = &CANONICAL[..end];
        assert_eq!(decode_text(cut), set_aside(Reason::Syntax), "{cut}");
    }
    let whole = cbor(&serde_json::from_str(CANONICAL).unwrap());
    for end in 1..whole.len() {
        assert_eq!(
            decode(&device(), &whole[..end]),
            set_aside(Reason::Syntax),
            "{end} bytes"
        );
    }
}

fn elsewhere() -> FieldPaths {
    FieldPaths::new([
        ("sent_at", "data.time"),
        ("mcc", "radio.plmn.mcc"),
        ("mnc", "radio.plmn.mnc"),
        ("rsrp", "radio.power"),
        ("device_id", "data.imei"),
        ("fw", "model"),
        ("model", "fw"),
    ])
    .unwrap()
}

#[test]
fn fields_are_read_where_the_fleet_has_them() {
    let nowhere = Heartbeat::default();
    let full = Heartbeat {
        sent_at: seconds(1_795_222_923),
        mcc: Mcc::parse("515"),
        mnc: Mnc::parse("02"),
        seq: Some(7),
        rsrp_dbm: Some(-98),
        ..nowhere.clone()
    };
    let mcc = Heartbeat {
        mcc: Mcc::parse("515"),
        ..nowhere.clone()
    };
    let cases: Vec<(&str, Heartbeat, u16)> = vec![
        (
            r#"{"data":{"time":1795222923,"lat":91},"seq":7,
                "radio":{"power":-98,"plmn":{"mcc":"515","mnc":"02"},"x":[{}]}}"#,
            full,
            0,
        ),
        (
            r#"{"fw":"ig-300","model":"2.7.1"}"#,
            Heartbeat {
                fw: Some("2.7.1".into()),
                model: Some("ig-300".into()),
                ..nowhere.clone()
            },
            0,
        ),
        // under its own name a field that was moved is unknown
        (
            r#"{"mcc":"515","sent_at":1,"device_id":"x"}"#,
            nowhere.clone(),
            0,
        ),
        // nor is it what stands at the end of another path
        (r#"{"plmn":{"mcc":"515"},"time":1}"#, nowhere.clone(), 0),
        (r#"{"radio":{"radio":{"power":-1}}}"#, nowhere.clone(), 0),
        // `ts` was not moved
        (
            r#"{"ts":1}"#,
            Heartbeat {
                sent_at: seconds(1),
                ..nowhere.clone()
            },
            0,
        ),
        // on the way there is nothing, or something else than a map
        (r#"{"radio":null,"data":""}"#, nowhere.clone(), 0),
        (r#"{"radio":7,"data":[{"time":1}]}"#, nowhere.clone(), 2),
        (r#"{"radio":{"plmn":"515-02"}}"#, nowhere.clone(), 1),
        (r#"{"radio":{"plmn":{"mcc":{}}}}"#, nowhere.clone(), 1),
        // a map that comes again is read on
        (
            r#"{"radio":{"plmn":{"mcc":"440"}},"radio":{"plmn":{"mcc":"515"}}}"#,
            mcc.clone(),
            1,
        ),
        (
            r#"{"radio":{"plmn":{"mcc":"515"},"power":NaN}}"#,
            mcc.clone(),
            1,
        ),
        (r#"{"data":{"imei":"ph-0001"}}"#, nowhere, 0),
    ];
    let paths = elsewhere();
    for (payload, heartbeat, dropped_fields) in cases {
        let expected = Decoded {
            heartbeat,
            dropped_fields,
            ..Decoded::default()
        };
        let decoded = decode_at(&paths, &device(), payload.as_bytes());
        assert_eq!(decoded, expected, "{payload}");
    }
    let faults: [(&[u8], Reason); 3] = [
        (br#"{"data":{"imei":"ph-0002"}}"#, Reason::Identity),
        (br#"[{},{"data":{"imei":7}}]"#, Reason::Identity),
        (br#"{"radio":{"plmn":"#, Reason::Syntax),
    ];
    for (payload, fault) in faults {
        let decoded = decode_at(&paths, &device(), payload);
        assert_eq!(decoded, set_aside(fault));
    }
    let flush = br#"[{"data":{"time":2},"seq":1},{"data":{"time":1},"seq":2}]"#;
    let decoded = decode_at(&paths, &device(), flush);
    assert_eq!(decoded.heartbeat.seq, Some(1));
    assert_eq!(decoded.older.len(), 1);
}

/// The heartbeat as a device would send it.
fn encoded(heartbeat: &Heartbeat) -> Value {
    let mut map = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    };
    let text = |text: &Option<Box<str>>| text.as_deref().map(Value::from);
    put(
        "sent_at",
        heartbeat.sent_at.map(|instant| json!(instant.to_rfc3339())),
    );
    put("mcc", heartbeat.mcc.map(|mcc| json!(mcc.to_string())));
    put("mnc", heartbeat.mnc.map(|mnc| json!(mnc.to_string())));
    put("country", text(&heartbeat.country));
    put("carrier", text(&heartbeat.carrier));
    put("seq", heartbeat.seq.map(Value::from));
    put("boot_id", text(&heartbeat.boot_id));
    put("rat", text(&heartbeat.rat));
    put("rsrp", heartbeat.rsrp_dbm.map(Value::from));
    put("tac", text(&heartbeat.tac));
    put("cell", text(&heartbeat.cell));
    put("battery_mv", heartbeat.battery_mv.map(Value::from));
    put("fw", text(&heartbeat.fw));
    put("model", text(&heartbeat.model));
    put("interval_secs", heartbeat.interval_secs.map(Value::from));
    Value::Object(map)
}

fn any_text(pattern: &'static str) -> impl Strategy<Value = Option<Box<str>>> {
    option::of(pattern.prop_map(String::into_boxed_str))
}

fn any_heartbeat() -> impl Strategy<Value = Heartbeat> {
    let instants = -62_167_219_200_000_000_i64..=253_402_300_799_999_999;
    let place = (
        option::of(instants.prop_filter_map("an instant", DateTime::from_timestamp_micros)),
        option::of("[0-9]{3}".prop_filter_map("three digits", |digits| Mcc::parse(&digits))),
        option::of("[0-9]{2,3}".prop_filter_map("digits", |digits| Mnc::parse(&digits))),
        any_text(r"[^\pC]{1,16}"),
        any_text(r"[^\pC]{1,16}"),
        option::of(0..=i64::MAX),
        any_text(r#"[ -~]{1,64}"#),
    );
    let radio = (
        any_text("[a-z0-9-]{1,16}"),
        option::of(-200..=0_i16),
        any_text("[0-9A-F]{1,16}"),
        any_text("[0-9A-F]{1,16}"),
        option::of(0..=100_000),
        any_text(r#"[ -~]{1,64}"#),
        any_text(r#"[ -~]{1,64}"#),
        option::of(1..=604_800),
    );
    (place, radio).prop_map(
        |(
            (sent_at, mcc, mnc, country, carrier, seq, boot_id),
            (rat, rsrp_dbm, tac, cell, battery_mv, fw, model, interval_secs),
        )| Heartbeat {
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
        },
    )
}

/// Paths of any fields, of few keys, so that they often share some of them.
fn any_paths() -> impl Strategy<Value = FieldPaths> {
    let names = prop::sample::subsequence(
        vec![
            "sent_at",
            "mcc",
            "mnc",
            "seq",
            "rsrp",
            "fw",
            "carrier",
            "interval_secs",
        ],
        0..8,
    );
    let keys = vec(prop::sample::select(vec!["a", "b", "data", "", "é"]), 0..5);
    names
        .prop_flat_map(move |names| {
            let count = names.len();
            (Just(names), vec(keys.clone(), count))
        })
        .prop_filter_map("paths that fit together", |(names, keys)| {
            // Each under a last key of its own.
            let paths: Vec<_> = names
                .iter()
                .zip(keys)
                .map(|(name, keys)| {
                    let mut keys: Vec<_> = keys.into_iter().filter(|key| !key.is_empty()).collect();
                    let last = format!("{name}!");
                    keys.push(&last);
                    (*name, keys.join("."))
                })
                .collect();
            FieldPaths::new(paths.iter().map(|(name, path)| (*name, path.as_str()))).ok()
        })
}

/// Bytes that get far: pieces of payloads in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let json = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"mcc\"",
        "\"sent_at\"",
        "\"device_id\"",
        "\"515\"",
        "1",
        "-",
        "NaN",
        "1e999",
        "null",
        "true",
        "\\",
        "\\ud800",
        "\u{0}",
        " ",
        "é",
        "\"x\":",
    ])
    .prop_map(|piece| piece.as_bytes().to_vec());
    let cbor = prop::sample::select(vec![
        "a0",
        "a1",
        "a2",
        "bf",
        "ff",
        "80",
        "81",
        "9f",
        "c1",
        "d9d9f7",
        "63736571",
        "636d6363",
        "7f",
        "5f",
        "61 31",
        "41 31",
        "f9 7e00",
        "f6",
        "f7",
        "e0",
        "f8 20",
        "1b ffffffffffffffff",
        "c2 41 01",
        "bb ffffffffffffffff",
        "69 6465766963655f6964",
        "3b ffffffffffffffff",
    ])
    .prop_map(bytes);
    prop_oneof![vec(json, 0..40), vec(cbor, 0..40)].prop_map(|pieces| pieces.concat())
}

fn assert_sensible(payload: &[u8]) {
    let decoded = decode(&device(), payload);
    if decoded.fault.is_some() {
        let nothing_else = Decoded {
            fault: decoded.fault,
            ..Decoded::default()
        };
        assert_eq!(decoded, nothing_else);
    }
    assert!(decoded.older.len() < MAX_ENTRIES);
}

proptest! {
    #[test]
    fn any_bytes_give_a_fault_or_a_heartbeat(payload in vec(any::<u8>(), 0..600)) {
        assert_sensible(&payload);
    }

    #[test]
    fn any_bytes_behind_a_cbor_head_do_too(
        head in 0x80..=0xbf_u8,
        payload in vec(any::<u8>(), 0..100),
    ) {
        assert_sensible(&[vec![head], payload].concat());
    }

    #[test]
    fn any_pieces_of_payloads_do_too(payload in pieces()) {
        assert_sensible(&payload);
    }

    #[test]
    fn one_changed_byte_does_too(
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        is_cbor in any::<bool>(),
    ) {
        let mut payload = CANONICAL.as_bytes().to_vec();
        if is_cbor {
            payload = cbor(&serde_json::from_slice(&payload).unwrap());
        }
        let place = place.index(payload.len());
        payload[place] = byte;
        assert_sensible(&payload);
    }

    #[test]
    fn what_a_device_sends_is_what_is_read(heartbeat in any_heartbeat()) {
        let value = encoded(&heartbeat);
        let expected = heard(heartbeat);
        prop_assert_eq!(&decode_text(&value.to_string()), &expected);
        prop_assert_eq!(&decode(&device(), &cbor(&value)), &expected);
    }

    #[test]
    fn a_flush_keeps_every_entry(heartbeats in vec(any_heartbeat(), 1..4)) {
        let value = Value::Array(heartbeats.iter().map(encoded).collect());
        let decoded = decode(&device(), &cbor(&value));
        prop_assert_eq!(&decoded, &decode_text(&value.to_string()));
        prop_assert_eq!(decoded.older.len() + 1, heartbeats.len());
        let newest = heartbeats.iter().filter_map(|heartbeat| heartbeat.sent_at).max();
        prop_assert_eq!(decoded.heartbeat.sent_at, newest);
    }

    #[test]
    fn fields_are_understood_the_same_wherever_they_stand(
        heartbeats in vec(any_heartbeat(), 1..4),
        paths in any_paths(),
    ) {
        let arranged = |heartbeat| match encoded(heartbeat) {
            Value::Object(map) => Value::Object(paths.arrange(map)),
            other => other,
        };
        let value: Vec<_> = heartbeats.iter().map(encoded).collect();
        let moved: Vec<_> = heartbeats.iter().map(arranged).collect();
        let expected = decode(&device(), &cbor(&Value::Array(value)));
        let moved = Value::Array(moved);
        let fits = moved.to_string().len() <= MAX_PAYLOAD_BYTES;
        prop_assume!(fits && expected.fault.is_none());
        let text = moved.to_string();
        prop_assert_eq!(&decode_at(&paths, &device(), text.as_bytes()), &expected);
        prop_assert_eq!(&decode_at(&paths, &device(), &cbor(&moved)), &expected);
    }

    #[test]
    fn any_pieces_of_payloads_are_sensible_at_other_paths(payload in pieces()) {
        let decoded = decode_at(&elsewhere(), &device(), &payload);
        prop_assert!(decoded.older.len() < MAX_ENTRIES);
        if decoded.fault.is_some() {
            prop_assert_eq!(&decoded.heartbeat, &Heartbeat::default());
        }
    }
}
