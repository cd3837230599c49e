//! When a device says it sent something.

use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDate};
use model::Instant;

use super::fields::Scalar;

/// From this magnitude on a number counts milliseconds, below it seconds: as milliseconds it is
/// March 1973, as seconds the year 5138.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// The instants that RFC 3339 can write, the years 0 to 9999, in microseconds since 1970. Whatever
/// lies outside is a broken clock, and neither Postgres nor the API could give it back.
const WRITABLE_MICROS: RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_MILLISECOND: i64 = 1_000;

/// Where RFC 3339 has its first `-`, behind the year.
const YEAR_DIGITS: usize = 4;

/// Reads RFC 3339 with an offset, or Unix seconds or milliseconds as a number or as text.
///
/// A local time without offset is nothing: the sender's zone is not known. A leap second counts as
/// the second after it.
pub(super) fn read(scalar: Scalar<'_>) -> Option<Instant> {
    match scalar {
        Scalar::Integer(number) => from_integer(number),
        Scalar::Float(number) => from_float(number),
        Scalar::Text(text) => from_text(text),
        Scalar::Absent | Scalar::Unusable => None,
    }
}

fn from_text(text: &str) -> Option<Instant> {
    if let Some(instant) = from_plain_text(text.as_bytes()) {
        return Some(instant);
    }
    if text.as_bytes().get(YEAR_DIGITS) == Some(&b'-') {
        let instant = DateTime::parse_from_rfc3339(text).ok()?;
        return from_micros(instant.timestamp_micros());
    }
    match text.parse() {
        Ok(number) => from_integer(number),
        Err(_) => from_float(text.parse().ok()?),
    }
}

/// Reads the form that most devices write, `2026-11-21T01:02:03Z`: the general parser takes ten times
/// as long, and is asked about everything else.
fn from_plain_text(text: &[u8]) -> Option<Instant> {
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        mo1,
        mo2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        mi1,
        mi2,
        b':',
        s1,
        s2,
        b'Z',
    ] = text
    else {
        return None;
    };
    let year = number([y1, y2])? * 100 + number([y3, y4])?;
    let date = NaiveDate::from_ymd_opt(
        year.try_into().ok()?,
        number([mo1, mo2])?,
        number([d1, d2])?,
    )?;
    let time = date.and_hms_opt(number([h1, h2])?, number([mi1, mi2])?, number([s1, s2])?)?;
    Some(time.and_utc())
}

fn number(digits: [u8; 2]) -> Option<u32> {
    let [tens, ones] = digits.map(|digit| char::from(digit).to_digit(10));
    Some(tens? * 10 + ones?)
}

fn from_integer(number: i64) -> Option<Instant> {
    let micros_per_unit = if number.unsigned_abs() >= MILLISECONDS_FROM {
        MICROS_PER_MILLISECOND
    } else {
        MICROS_PER_SECOND
    };
    from_micros(number.checked_mul(micros_per_unit)?)
}

fn from_float(number: f64) -> Option<Instant> {
    if !number.is_finite() {
        return None;
    }
    let micros_per_unit = if number.abs() >= MILLISECONDS_FROM as f64 {
        MICROS_PER_MILLISECOND
    } else {
        MICROS_PER_SECOND
    };
    // Rounded, because a float keeps .123 as .12299999; the conversion stops at the largest
    // number, which lies outside the range.
    from_micros((number * micros_per_unit as f64).round() as i64)
}

fn from_micros(micros: i64) -> Option<Instant> {
    if WRITABLE_MICROS.contains(&micros) {
        DateTime::from_timestamp_micros(micros)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(scalar: Scalar<'_>) -> Option<String> {
        read(scalar).map(|instant| instant.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string())
    }

    #[test]
    fn the_plain_form_reads_as_the_general_parser_reads_it() {
        let mut read_as_plain = 0;
        for (place, _) in "2024-02-29T23:59:59Z".char_indices() {
            for byte in b' '..=b'~' {
                let mut text = b"2024-02-29T23:59:59Z".to_vec();
                text[place] = byte;
                let text = String::from_utf8(text).unwrap();
                let Some(instant) = from_plain_text(text.as_bytes()) else {
                    continue;
                };
                let general = DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc());
                assert_eq!(general, Ok(instant), "{text}");
                read_as_plain += 1;
            }
        }
        assert!(read_as_plain > 50, "{read_as_plain}");
        for other in [
            "2024-02-29T23:59:60Z",
            "2023-02-29T00:00:00Z",
            "2024-02-29T23:59:59.5Z",
        ] {
            assert_eq!(from_plain_text(other.as_bytes()), None);
        }
    }

    #[test]
    fn text_is_rfc_3339_with_an_offset_or_a_number() {
        let cases = [
            ("2026-11-21T01:02:03Z", Some("2026-11-21T01:02:03Z")),
            ("2026-11-21t01:02:03z", Some("2026-11-21T01:02:03Z")),
            ("2026-11-21 01:02:03+09:00", Some("2026-11-20T16:02:03Z")),
            (
                "2026-11-21T01:02:03.123456789-05:30",
                Some("2026-11-21T06:32:03.123456Z"),
            ),
            (
                "1969-12-31T23:59:59.9999999Z",
                Some("1969-12-31T23:59:59.999999Z"),
            ),
            ("2016-12-31T23:59:60Z", Some("2017-01-01T00:00:00Z")),
            ("2016-12-31T23:59:60.5Z", Some("2017-01-01T00:00:00.500Z")),
            ("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00Z")),
            ("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59Z")),
            ("9999-12-31T23:59:59-00:01", None),
            ("0000-01-01T00:00:00+00:01", None),
            ("2026-11-21T01:02:03", None),
            ("2026-11-21", None),
            ("2026-11-21T25:02:03Z", None),
            ("2026-02-29T01:02:03Z", None),
            ("2026-11-21T01:02:03Z ", None),
            ("1795222923", Some("2026-11-21T01:02:03Z")),
            ("1795222923123", Some("2026-11-21T01:02:03.123Z")),
            ("1795222923.25", Some("2026-11-21T01:02:03.250Z")),
            ("-1", Some("1969-12-31T23:59:59Z")),
            ("", None),
            ("now", None),
            ("NaN", None),
            ("inf", None),
            ("1e999", None),
            ("9223372036854775807", None),
            ("99999999999999999999", None),
            ("２０２６", None),
        ];
        for (text, expected) in cases {
            assert_eq!(written(Scalar::Text(text)).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_milliseconds_by_their_size() {
        let cases = [
            (Scalar::Integer(0), Some("1970-01-01T00:00:00Z")),
            (Scalar::Integer(1_795_222_923), Some("2026-11-21T01:02:03Z")),
            (
                Scalar::Integer(1_795_222_923_123),
                Some("2026-11-21T01:02:03.123Z"),
            ),
            (
                Scalar::Integer(99_999_999_999),
                Some("5138-11-16T09:46:39Z"),
            ),
            (
                Scalar::Integer(100_000_000_000),
                Some("1973-03-03T09:46:40Z"),
            ),
            (
                Scalar::Integer(-100_000_000_000),
                Some("1966-10-31T14:13:20Z"),
            ),
            (
                Scalar::Integer(253_402_300_799_999),
                Some("9999-12-31T23:59:59.999Z"),
            ),
            (Scalar::Integer(253_402_300_800_000), None),
            (Scalar::Integer(i64::MAX), None),
            (Scalar::Integer(i64::MIN), None),
            (
                Scalar::Float(1_795_222_923.123),
                Some("2026-11-21T01:02:03.123Z"),
            ),
            (
                Scalar::Float(1_795_222_923_123.5),
                Some("2026-11-21T01:02:03.123500Z"),
            ),
            (Scalar::Float(f64::NAN), None),
            (Scalar::Float(f64::INFINITY), None),
            (Scalar::Float(f64::MAX), None),
            (Scalar::Float(f64::MIN), None),
            (Scalar::Absent, None),
            (Scalar::Unusable, None),
        ];
        for (scalar, expected) in cases {
            assert_eq!(written(scalar).as_deref(), expected, "{scalar:?}");
        }
    }
}
