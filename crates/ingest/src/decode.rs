//! From the bytes of a message to a [`Heartbeat`].
//!
//! A bad payload never silences a device: the topic already says who reached us, so a payload that
//! cannot be read is set aside with its [`Reason`] and the heartbeat counts as if it were empty. A
//! bad field costs that field alone. Only a payload that names *another* device rejects its
//! message.
//!
//! Payloads are JSON or the same map in CBOR, told apart by their first byte:
//!
//! 1. `json` and `cbor` look at the structure first, with no recursion and no memory: nesting,
//!    declared lengths, what follows the value. What a parser would choke on though it is only one
//!    bad value (`NaN`, `1e999`, a CBOR tag) is patched out (`patch`).
//! 2. `visit` walks the map or the array of maps through serde, the same for both formats.
//! 3. `fields` holds the rules of each field, `timestamp` those of times, and `paths` says where a
//!    field stands if not under its own name.
//!
//! This runs for every message on the task that reads the network. It builds no tree of values and
//! allocates only the texts it keeps.

use model::{DeviceId, Heartbeat, Reason};

mod cbor;
mod fields;
mod json;
mod patch;
mod paths;
mod timestamp;
mod visit;

#[cfg(test)]
mod tests;

pub use paths::{FieldPathError, FieldPathProblem, FieldPaths, MAX_PATH_LEVELS};

/// The largest payload that is read; a larger one is set aside as [`Reason::Size`].
pub const MAX_PAYLOAD_BYTES: usize = 4096;

/// The deepest nesting of maps and arrays that is read, counting the outermost as 1; a deeper one
/// is set aside as [`Reason::Depth`].
pub const MAX_DEPTH: usize = 16;

/// The most entries of a buffered flush that are read; a longer one is set aside as
/// [`Reason::Size`].
pub const MAX_ENTRIES: usize = 64;

/// What a payload says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// The heartbeat: of a buffered flush its newest entry. Empty where the payload is empty or
    /// set aside.
    pub heartbeat: Heartbeat,
    /// The other entries of a buffered flush in their order: evidence that counts for nothing.
    pub older: Vec<Heartbeat>,
    /// Why the payload is set aside: [`Reason::Size`], [`Reason::Encoding`], [`Reason::Syntax`],
    /// [`Reason::Depth`] or [`Reason::Field`]; or [`Reason::Identity`], which rejects the whole
    /// message. With a fault everything else here is empty.
    pub fault: Option<Reason>,
    /// Fields that were present but unusable, names that came again, and entries of a flush that
    /// are no maps. `null` and empty text are absent, not unusable.
    pub dropped_fields: u16,
}

/// Reads the payload of a message whose topic names `device_id`, with every field under its own
/// name.
///
/// Never fails: what is wrong is said in the answer. Takes time and memory in proportion to the
/// payload, whatever lengths and depths the payload claims to have.
#[must_use]
pub fn decode(device_id: &DeviceId, payload: &[u8]) -> Decoded {
    decode_at(&FieldPaths::default(), device_id, payload)
}

/// Reads a payload as [`decode`] does, with the fields at these paths.
#[must_use]
pub fn decode_at(paths: &FieldPaths, device_id: &DeviceId, payload: &[u8]) -> Decoded {
    match read(device_id, paths, payload) {
        Ok(decoded) => decoded,
        Err(fault) => Decoded {
            fault: Some(fault),
            ..Decoded::default()
        },
    }
}

fn read(device_id: &DeviceId, paths: &FieldPaths, payload: &[u8]) -> Result<Decoded, Reason> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(Reason::Size);
    }
    if cbor::is_map_or_array(payload) {
        return cbor::read(device_id, paths, payload);
    }
    match payload.iter().find(|byte| !json::is_blank(**byte)) {
        None => Ok(Decoded::default()),
        Some(b'{' | b'[') => json::read(device_id, paths, payload),
        Some(_) if json::is_lone_scalar(payload) => Err(Reason::Field),
        Some(_) => Err(Reason::Encoding),
    }
}
