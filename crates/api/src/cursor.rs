//! Where a list goes on: text that only we make and only we read.
//!
//! A cursor holds the last item's place, and a checksum over that, the list and what was asked of
//! it. So one that was cut, edited, or taken from another list is refused instead of answering a
//! question that nobody asked. It grants nothing, so it is not a secret and not signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use crate::problem::{Problem, quoted};

const CHECKSUM_BYTES: usize = 8;

/// Writes a cursor to the place `last` in `list`, which names the list and all that was asked of it.
pub(crate) fn write(list: &str, last: &impl Serialize) -> Result<String, Problem> {
    let place = serde_json::to_vec(last).map_err(|error| Problem::internal(&error))?;
    let mut bytes = checksum(list, &place).to_vec();
    bytes.extend(place);
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads a cursor that [`write`] made for the same list.
pub(crate) fn read<T: DeserializeOwned>(list: &str, cursor: &str) -> Result<T, Problem> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (sum, place) = bytes.split_at_checked(CHECKSUM_BYTES)?;
        if sum != checksum(list, place) {
            return None;
        }
        serde_json::from_slice(place).ok()
    };
    read().ok_or_else(|| {
        Problem::bad_parameter(
            "cursor",
            format!(
                "`cursor` {} is none of this list: take `next` of the page before, and leave the \
                 other parameters as they were",
                quoted(cursor)
            ),
        )
    })
}

fn checksum(list: &str, place: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut bytes = list.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(place);
    xxh3_64(&bytes).to_be_bytes()
}

/// How many items of a list are asked for, within bounds.
pub(crate) fn limit(asked: Option<i64>, default: u32, max: u32) -> Result<u32, Problem> {
    let Some(asked) = asked else {
        return Ok(default);
    };
    u32::try_from(asked)
        .ok()
        .filter(|limit| (1..=max).contains(limit))
        .ok_or_else(|| {
            let detail = format!("`limit` is {asked}; it is a number from 1 to {max}");
            Problem::bad_parameter("limit", detail)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_by_its_own_list_only() {
        let cursor = write("silent ph", &("2026-11-21", 7)).unwrap();
        let (day, number): (String, i64) = read("silent ph", &cursor).unwrap();
        assert_eq!((day.as_str(), number), ("2026-11-21", 7));
        assert!(read::<(String, i64)>("silent in", &cursor).is_err());
        for end in 0..cursor.len() {
            assert!(read::<(String, i64)>("silent ph", &cursor[..end]).is_err());
        }
        for at in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(read::<(String, i64)>("silent ph", &forged).is_err(), "{at}");
        }
        for forged in ["", "A", "端末", "%00", "' or 1=1 --"] {
            assert!(read::<(String, i64)>("silent ph", forged).is_err());
        }
    }

    #[test]
    fn a_limit_has_bounds() {
        assert_eq!(limit(None, 100, 1000), Ok(100));
        assert_eq!(limit(Some(1000), 100, 1000), Ok(1000));
        for wrong in [-1, 0, 1001, 1_000_000_000, i64::MAX] {
            assert!(limit(Some(wrong), 100, 1000).is_err(), "{wrong}");
        }
    }
}
