//! Payloads in JSON.

use std::borrow::Cow;

use model::{DeviceId, Reason};
use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::patch::Patch;
use super::paths::FieldPaths;
use super::visit::{self, Tally};
use super::{Decoded, MAX_DEPTH};

/// Stands in for a number that no parser accepts: no field takes an array, so the field is dropped
/// and counted like any value of a wrong type.
const UNUSABLE: &[u8] = b"[]";

/// Whether JSON allows `byte` between values.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether the payload is JSON, but a single text, number, boolean or `null`.
pub(super) fn is_lone_scalar(payload: &[u8]) -> bool {
    std::str::from_utf8(payload).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Reads a payload that starts like a JSON object or array.
pub(super) fn read(
    device_id: &DeviceId,
    paths: &FieldPaths,
    payload: &[u8],
) -> Result<Decoded, Reason> {
    // Checked here for the whole payload, because the parser looks only at texts it keeps.
    let text = std::str::from_utf8(payload).map_err(|_| Reason::Encoding)?;
    if is_too_deep(payload) {
        return Err(Reason::Depth);
    }
    let first = parse(device_id, paths, Deserializer::from_str(text));
    if first != Err(Reason::Syntax) {
        return first;
    }
    match without_unreadable_numbers(text) {
        Cow::Owned(patched) => parse(device_id, paths, Deserializer::from_slice(&patched)),
        Cow::Borrowed(_) => first,
    }
}

fn parse<'de, R: serde_json::de::Read<'de>>(
    device_id: &DeviceId,
    paths: &FieldPaths,
    mut deserializer: Deserializer<R>,
) -> Result<Decoded, Reason> {
    let mut tally = Tally::new(device_id, paths);
    visit::payload(&mut deserializer, &mut tally)
        .and_then(|contents| deserializer.end().map(|()| contents))
        .map_err(|_| Reason::Syntax)
        .and_then(|contents| tally.finish(contents))
}

/// Whether objects and arrays are nested deeper than [`MAX_DEPTH`].
fn is_too_deep(payload: &[u8]) -> bool {
    // A payload with few brackets cannot be deep, wherever they stand. Counted in bytes by chunks
    // that no byte overflows, this is a few vector instructions, and it spares nearly every
    // message the walk below.
    let opening: usize = payload
        .chunks(usize::from(u8::MAX))
        .map(|chunk| {
            usize::from(
                chunk
                    .iter()
                    .map(|byte| u8::from(is_opening(*byte)))
                    .sum::<u8>(),
            )
        })
        .sum();
    if opening <= MAX_DEPTH {
        return false;
    }
    let mut depth = 0_usize;
    let mut bytes = payload.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            _ if is_opening(*byte) => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_text(&mut bytes),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

fn is_opening(byte: u8) -> bool {
    matches!(byte, b'{' | b'[')
}

/// Moves behind the quote that ends the text in which `bytes` stands.
fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// `text` with [`UNUSABLE`] in place of `NaN`, `Infinity` and numbers beyond any float such as
/// `1e999`. Common firmware libraries print them, and then the rest of the payload is good. Asked
/// for only after the payload failed to parse.
fn without_unreadable_numbers(text: &str) -> Cow<'_, [u8]> {
    let payload = text.as_bytes();
    let mut patch = Patch::new(payload);
    let mut bytes = payload.iter();
    let mut word_start = 0;
    loop {
        let here = payload.len() - bytes.as_slice().len();
        let byte = bytes.next();
        let inside_word = byte.is_some_and(|byte| {
            !is_blank(*byte) && !matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',' | b'"')
        });
        if inside_word {
            continue;
        }
        let word = text.get(word_start..here).unwrap_or_default();
        // Rust's own parser reads `nan`, `inf` and `infinity` in any case, and 1e999 as infinite.
        if word.parse().is_ok_and(|number: f64| !number.is_finite()) {
            patch.replace(word_start..here, UNUSABLE);
        }
        match byte {
            None => return patch.finish(),
            Some(b'"') => skip_text(&mut bytes),
            Some(_) => {}
        }
        word_start = payload.len() - bytes.as_slice().len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_texts_only() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!is_too_deep(nested(MAX_DEPTH).as_bytes()));
        assert!(is_too_deep(nested(MAX_DEPTH + 1).as_bytes()));
        assert!(is_too_deep(nested(2_000).as_bytes()));
        assert!(is_too_deep("[".repeat(2_000).as_bytes()));
        assert!(!is_too_deep("[]".repeat(100).as_bytes()));
        assert!(!is_too_deep(
            format!(r#"{{"a":"\"{}"}}"#, "[".repeat(100)).as_bytes()
        ));
        assert!(is_too_deep(
            format!(r#"{{"a":"\\"{}"}}"#, "[".repeat(100)).as_bytes()
        ));
        assert!(!is_too_deep(
            "]]]]]]]]]]]]]]]]]]]]]]]]]][".repeat(20).as_bytes()
        ));
    }

    #[test]
    fn only_unreadable_numbers_are_replaced() {
        let cases = [
            (r#"{"a":NaN}"#, r#"{"a":[]}"#),
            (r#"{"a": -Infinity , "b":nan}"#, r#"{"a": [] , "b":[]}"#),
            (
                r#"{"a":1e999,"b":-1E+400,"c":1e308}"#,
                r#"{"a":[],"b":[],"c":1e308}"#,
            ),
            (r#"["NaN",1e-999]"#, r#"["NaN",1e-999]"#),
            (r#"{"a":"\"NaN","b":"NaN"#, r#"{"a":"\"NaN","b":"NaN"#),
            ("[NaN", "[[]"),
            (
                "{\"\u{65e5}\u{672c}\":\u{2212}NaN",
                "{\"\u{65e5}\u{672c}\":\u{2212}NaN",
            ),
            ("", ""),
        ];
        for (text, patched) in cases {
            assert_eq!(
                without_unreadable_numbers(text),
                patched.as_bytes(),
                "{text}"
            );
        }
    }
}
