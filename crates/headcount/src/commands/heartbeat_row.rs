//! From a row to a heartbeat.

use ingest::decode::{FieldPaths, MAX_PAYLOAD_BYTES, decode, decode_at};
use model::{Country, DeviceId, Heartbeat};
use serde_json::{Map, Value};

use super::rows::{Cell, Row, shown};

/// The fields of the canonical payload, and whether they are numbers.
const FIELDS: [(&str, bool); 16] = [
    ("sent_at", false),
    ("ts", false),
    ("mcc", false),
    ("mnc", false),
    ("country", false),
    ("carrier", false),
    ("seq", true),
    ("boot_id", false),
    ("rat", false),
    ("rsrp", true),
    ("tac", false),
    ("cell", false),
    ("battery_mv", true),
    ("fw", false),
    ("model", false),
    ("interval_secs", true),
];

/// A row understood as a heartbeat.
#[derive(Debug)]
pub(super) struct HeartbeatRow {
    /// Who sent it.
    pub(super) device_id: DeviceId,
    /// The payload in JSON.
    pub(super) payload: Vec<u8>,
    /// What ingest will read in it.
    pub(super) heartbeat: Heartbeat,
}

/// Reads a row. A field that ingest would drop makes the whole row bad: whoever sends a file can
/// mend it, and a heartbeat that is counted without its network is easily overlooked.
pub(super) fn read(row: &Row) -> Result<HeartbeatRow, String> {
    read_for(row, &FieldPaths::default())
}

/// The same, with a payload whose fields stand at these paths.
pub(super) fn read_for(row: &Row, paths: &FieldPaths) -> Result<HeartbeatRow, String> {
    let device_id = row.device_id()?;
    let mut fields = Map::new();
    for (name, is_number) in FIELDS {
        let value = match row.cell(name) {
            None => continue,
            Some(Cell::Text(text)) if is_number => number(text),
            Some(Cell::Text(text)) => text.into(),
            Some(Cell::Json(value)) => value.clone(),
        };
        fields.insert(name.to_owned(), value);
    }
    if let Some(Value::String(country)) = fields.get("country") {
        Country::parse(country)
            .map_err(|error| format!("`country` is {}: {error}", shown(country)))?;
    }
    let payload = written(&paths.arrange(fields.clone()));
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(format!(
            "the payload has {} bytes; at most {MAX_PAYLOAD_BYTES} are read",
            payload.len()
        ));
    }
    let decoded = decode_at(paths, &device_id, &payload);
    if decoded.fault.is_some() || decoded.dropped_fields > 0 {
        return Err(culprit(&device_id, fields));
    }
    Ok(HeartbeatRow {
        device_id,
        payload,
        heartbeat: decoded.heartbeat,
    })
}

fn written(fields: &Map<String, Value>) -> Vec<u8> {
    // JSON values can always be written.
    serde_json::to_vec(fields).unwrap_or_default()
}

/// A number, if the text is one.
fn number(text: &str) -> Value {
    let whole = text.parse::<i64>().ok().map(Value::from);
    let number = whole.or_else(|| text.parse::<f64>().ok().map(Value::from));
    // What is not finite becomes null, which would say that there is nothing.
    number
        .filter(|value| !value.is_null())
        .unwrap_or_else(|| text.into())
}

/// Which field it is that is not understood.
fn culprit(device_id: &DeviceId, fields: Map<String, Value>) -> String {
    for (name, value) in fields {
        let is_text = value.is_string();
        let text = match &value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let alone = written(&Map::from_iter([(name.clone(), value)]));
        let decoded = decode(device_id, &alone);
        if decoded.fault.is_none() && decoded.dropped_fields == 0 {
            continue;
        }
        let wanted = match name.as_str() {
            "sent_at" | "ts" => "RFC 3339 with an offset, or Unix seconds or milliseconds",
            "mcc" => "three digits",
            "mnc" if is_text => "two or three digits; leading zeros count",
            "mnc" => "a text of two or three digits, because leading zeros count",
            "seq" | "rsrp" | "battery_mv" | "interval_secs" => "a number in a sensible range",
            _ => "a short text that can be printed",
        };
        return format!("`{name}` is {}: {wanted}", shown(&text));
    }
    "the payload cannot be read".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::rows::Rows;

    fn rows(text: &str) -> Vec<Result<HeartbeatRow, String>> {
        Rows::new(text.as_bytes(), None)
            .unwrap()
            .map(|line| read(&line.unwrap().row.unwrap()))
            .collect()
    }

    fn payloads(text: &str) -> Vec<String> {
        rows(text)
            .into_iter()
            .map(|row| String::from_utf8(row.unwrap().payload).unwrap())
            .collect()
    }

    fn reason(text: &str) -> String {
        rows(text).remove(0).unwrap_err()
    }

    #[test]
    fn a_csv_row_becomes_the_canonical_payload() {
        let csv = "mnc,device_id,mcc,rsrp,seq,battery_mv,interval_secs,fw,speed,sent_at,tac\n\
                   02,a,515,-98,7,12350.4,300,2.10,88,2026-11-21T09:02:03+08:00,1A2B\n\
                   ,b,,,,,,,,1795222923,\n";
        let mut read = rows(csv);
        let second = read.pop().unwrap().unwrap();
        let first = read.pop().unwrap().unwrap();
        assert_eq!(
            String::from_utf8(first.payload).unwrap(),
            r#"{"battery_mv":12350.4,"fw":"2.10","interval_secs":300,"mcc":"515","mnc":"02","rsrp":-98,"sent_at":"2026-11-21T09:02:03+08:00","seq":7,"tac":"1A2B"}"#
        );
        assert_eq!(first.heartbeat.battery_mv, Some(12350));
        assert_eq!(first.heartbeat.plmn().unwrap().to_string(), "515-02");
        assert_eq!(second.device_id.as_str(), "b");
        assert_eq!(second.payload, br#"{"sent_at":"1795222923"}"#);
        assert_eq!(second.heartbeat.sent_at, first.heartbeat.sent_at);
    }

    #[test]
    fn a_fleet_with_another_layout_gets_its_own() {
        let paths = [("sent_at", "data.time"), ("mcc", "radio.plmn.mcc")];
        let paths = FieldPaths::new(paths).unwrap();
        let rows = Rows::new(
            &b"device_id,ts,sent_at,mcc,fw\na,1,2,515,3\nb,,,x,\n"[..],
            None,
        );
        let mut read = rows
            .unwrap()
            .map(|line| read_for(&line.unwrap().row.unwrap(), &paths));
        let first = read.next().unwrap().unwrap();
        assert_eq!(
            String::from_utf8(first.payload).unwrap(),
            r#"{"data":{"time":"2"},"fw":"3","radio":{"plmn":{"mcc":"515"}},"ts":"1"}"#
        );
        assert_eq!(first.heartbeat.mcc, model::Mcc::parse("515"));
        let reason = read.next().unwrap().unwrap_err();
        assert!(reason.contains("`mcc`"), "{reason}");
    }

    #[test]
    fn an_ndjson_row_may_be_a_payload_with_its_device_inside() {
        let line = r#"{"device_id":"a","sent_at":1795222923,"mcc":"515","mnc":"02","seq":"9","odd":[1],"fw":null}"#;
        assert_eq!(
            payloads(line),
            [r#"{"mcc":"515","mnc":"02","sent_at":1795222923,"seq":9}"#]
        );
        assert_eq!(payloads(r#"{"device_id":"a"}"#), ["{}"]);
    }

    #[test]
    fn a_field_that_cannot_be_understood_is_named() {
        let cases = [
            ("device_id,mnc\n,02\n", "no `device_id`"),
            (
                "device_id,mnc\na/b,02\n",
                "`device_id` is `a/b`: a device id has only the characters A-Z a-z 0-9 . _ : -",
            ),
            (
                "device_id,mcc,mnc\na,515,2\n",
                "`mnc` is `2`: two or three digits; leading zeros count",
            ),
            (
                r#"{"device_id":"a","mcc":"515","mnc":2}"#,
                "`mnc` is `2`: a text of two or three digits, because leading zeros count",
            ),
            ("device_id,mcc\na,51\n", "`mcc` is `51`: three digits"),
            (
                "device_id,rsrp\na,weak\n",
                "`rsrp` is `weak`: a number in a sensible range",
            ),
            (
                "device_id,battery_mv\na,NaN\n",
                "`battery_mv` is `NaN`: a number in a sensible range",
            ),
            (
                "device_id,ts\na,2026-11-21 09:00\n",
                "`ts` is `2026-11-21 09:00`: RFC 3339 with an offset, or Unix seconds or milliseconds",
            ),
            (
                "device_id,country\na,Philippines\n",
                "`country` is `Philippines`: a country is two letters, as in ISO 3166-1 alpha-2: `ph`, `jp`",
            ),
            (
                r#"{"device_id":"a","fw":{"x":1}}"#,
                "`fw` is `{\\\"x\\\":1}`: a short text that can be printed",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(reason(text), expected, "{text}");
        }
        let long = format!("device_id,fw\na,{}\n", "x".repeat(5000));
        assert!(reason(&long).starts_with("the payload has "));
    }
}
