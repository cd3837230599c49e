//! Payloads in CBOR (RFC 8949).
//!
//! The parser gets only what [`check`] has walked to its end: well-formed, not too deep, every
//! declared length backed by bytes. So no length and no nesting can make it allocate or recurse
//! beyond the payload's own size.

use std::borrow::Cow;

use cbor4ii::core::utils::SliceReader;
use cbor4ii::serde::Deserializer;
use model::{DeviceId, Reason};

use super::patch::Patch;
use super::paths::FieldPaths;
use super::visit::{self, Tally};
use super::{Decoded, MAX_DEPTH};

/// The tag that says "what follows is CBOR".
const SELF_DESCRIBED: [u8; 3] = [0xd9, 0xd9, 0xf7];

/// Heads of arrays (0x80 to 0x9f) and maps (0xa0 to 0xbf).
const ARRAY_AND_MAP_HEADS: std::ops::RangeInclusive<u8> = 0x80..=0xbf;

/// An empty array: stands in for values that CBOR has not assigned, which the parser would refuse.
/// No field takes an array, so the field is dropped and counted like any value of a wrong type.
const UNUSABLE: &[u8] = &[0x80];

/// Whether the payload starts like a CBOR map or array.
pub(super) fn is_map_or_array(payload: &[u8]) -> bool {
    let value = payload.strip_prefix(&SELF_DESCRIBED).unwrap_or(payload);
    value
        .first()
        .is_some_and(|head| ARRAY_AND_MAP_HEADS.contains(head))
}

/// Reads a payload that starts like a CBOR map or array.
pub(super) fn read(
    device_id: &DeviceId,
    paths: &FieldPaths,
    payload: &[u8],
) -> Result<Decoded, Reason> {
    let readable = check(payload)?;
    let mut tally = Tally::new(device_id, paths);
    let mut deserializer = Deserializer::new(SliceReader::new(&readable));
    visit::payload(&mut deserializer, &mut tally)
        .map_err(|_| Reason::Syntax)
        .and_then(|contents| tally.finish(contents))
}

/// What the first byte of an item says besides its major type.
#[derive(Clone, Copy)]
enum Argument {
    /// A number: the value itself, a length, a count or a tag.
    Number(u64),
    /// The length or count is not given; a break ends the item.
    Indefinite,
}

/// A map or an array that is not at its end yet.
#[derive(Clone, Copy)]
enum Open {
    /// So many items are to come; a map's keys and values are counted each.
    Counted(u64),
    /// A break ends it.
    Array,
    /// A break ends it, but not between a key and its value.
    Map { awaits_value: bool },
}

/// Walks the one item that the payload must be. Gives the payload back without its tags, which
/// mark how a value is meant (a time, a decimal): here its field says that.
fn check(payload: &[u8]) -> Result<Cow<'_, [u8]>, Reason> {
    let mut patch = Patch::new(payload);
    let mut input = Input {
        payload,
        position: 0,
    };
    let mut open = [Open::Array; MAX_DEPTH];
    let mut depth = 0;
    let mut is_tagged = false;

    loop {
        let start = input.position;
        let head = input.byte()?;
        if head == BREAK {
            match innermost(&mut open, depth) {
                Some(
                    Open::Array
                    | Open::Map {
                        awaits_value: false,
                    },
                ) if !is_tagged => depth -= 1,
                _ => return Err(Reason::Syntax),
            }
        } else {
            let argument = input.argument(head)?;
            if let (TAG, Argument::Number(_)) = (head >> 5, argument) {
                is_tagged = true;
                patch.replace(start..input.position, &[]);
                continue;
            }
            is_tagged = false;
            match innermost(&mut open, depth) {
                Some(Open::Counted(left)) => *left = left.saturating_sub(1),
                Some(Open::Map { awaits_value }) => *awaits_value = !*awaits_value,
                Some(Open::Array) | None => {}
            }
            let opened = match (head >> 5, argument) {
                (UNSIGNED | NEGATIVE, Argument::Number(_)) => None,
                (BYTES | TEXT, argument) => {
                    input.string(head >> 5, argument)?;
                    None
                }
                (ARRAY, Argument::Number(count)) => Some(Open::Counted(count)),
                (ARRAY, Argument::Indefinite) => Some(Open::Array),
                (MAP, Argument::Number(count)) => {
                    Some(Open::Counted(count.checked_mul(2).ok_or(Reason::Syntax)?))
                }
                (MAP, Argument::Indefinite) => Some(Open::Map {
                    awaits_value: false,
                }),
                (SIMPLE, Argument::Number(value)) => {
                    if head == SIMPLE_IN_NEXT_BYTE && value < FIRST_SIMPLE_IN_NEXT_BYTE {
                        return Err(Reason::Syntax);
                    }
                    if head < FALSE || head == SIMPLE_IN_NEXT_BYTE {
                        patch.replace(start..input.position, UNUSABLE);
                    }
                    None
                }
                _ => return Err(Reason::Syntax),
            };
            if let Some(opened) = opened {
                *open.get_mut(depth).ok_or(Reason::Depth)? = opened;
                depth += 1;
            }
        }
        while let Some(Open::Counted(0)) = innermost(&mut open, depth) {
            depth -= 1;
        }
        if depth == 0 {
            break;
        }
    }
    if input.position == payload.len() {
        Ok(patch.finish())
    } else {
        Err(Reason::Syntax)
    }
}

fn innermost(open: &mut [Open], depth: usize) -> Option<&mut Open> {
    open.get_mut(depth.checked_sub(1)?)
}

// Major types: the upper three bits of an item's first byte.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;

const BREAK: u8 = 0xff;
/// The first simple value that has a meaning; those below are not assigned.
const FALSE: u8 = 0xf4;
/// A simple value of 32 or more, none of which is assigned.
const SIMPLE_IN_NEXT_BYTE: u8 = 0xf8;
const FIRST_SIMPLE_IN_NEXT_BYTE: u64 = 32;

/// The payload, and how far it is read.
struct Input<'a> {
    payload: &'a [u8],
    position: usize,
}

impl<'a> Input<'a> {
    fn bytes(&mut self, count: u64) -> Result<&'a [u8], Reason> {
        let rest = self.payload.get(self.position..).ok_or(Reason::Syntax)?;
        let count = usize::try_from(count).map_err(|_| Reason::Syntax)?;
        let bytes = rest.get(..count).ok_or(Reason::Syntax)?;
        self.position += count;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Reason> {
        let byte = *self.payload.get(self.position).ok_or(Reason::Syntax)?;
        self.position += 1;
        Ok(byte)
    }

    /// The argument of `head`, which was just read.
    fn argument(&mut self, head: u8) -> Result<Argument, Reason> {
        let byte_count = match head & 0x1f {
            small @ 0..=23 => return Ok(Argument::Number(small.into())),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            31 => return Ok(Argument::Indefinite),
            _ => return Err(Reason::Syntax),
        };
        let bytes = self.bytes(byte_count)?;
        Ok(Argument::Number(
            bytes
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        ))
    }

    /// Walks over the contents of a byte or text string, in one piece or in several.
    fn string(&mut self, major: u8, argument: Argument) -> Result<(), Reason> {
        if let Argument::Number(byte_count) = argument {
            return self.piece(major, byte_count);
        }
        loop {
            match self.byte()? {
                BREAK => return Ok(()),
                head if head >> 5 == major => match self.argument(head)? {
                    Argument::Number(byte_count) => self.piece(major, byte_count)?,
                    Argument::Indefinite => return Err(Reason::Syntax),
                },
                _ => return Err(Reason::Syntax),
            }
        }
    }

    fn piece(&mut self, major: u8, byte_count: u64) -> Result<(), Reason> {
        let bytes = self.bytes(byte_count)?;
        if major == TEXT && std::str::from_utf8(bytes).is_err() {
            return Err(Reason::Encoding);
        }
        Ok(())
    }
}
