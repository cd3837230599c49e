//! The fields of a heartbeat, and what each of them accepts.

use std::ops::RangeInclusive;

use model::{DeviceId, Heartbeat, Instant, Mcc, Mnc};

use super::timestamp;

/// The longest text kept from a payload, in bytes.
const MAX_TEXT_BYTES: usize = 64;
/// The longest radio technology, area code or cell, in bytes.
const MAX_CODE_BYTES: usize = 16;
/// Signal power that a receiver may report, in dBm; LTE itself reports -156 to -44.
const RSRP_DBM: RangeInclusive<i64> = -200..=0;
/// Battery voltages of anything on wheels, in millivolts.
const BATTERY_MV: RangeInclusive<i64> = 0..=100_000;
/// Heartbeat intervals, in seconds: up to a week.
const INTERVAL_SECS: RangeInclusive<i64> = 1..=7 * 24 * 3600;

/// Makes the fields from one list, so that none is missing anywhere.
macro_rules! fields {
    ($($variant:ident = $name:literal,)+) => {
        /// A field that is read. All others are skipped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Field {
            $($variant,)+
        }

        impl Field {
            /// All of them.
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name under which it stands in a payload, unless configured otherwise.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            pub(super) fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

fields! {
    DeviceId = "device_id",
    SentAt = "sent_at",
    Ts = "ts",
    Mcc = "mcc",
    Mnc = "mnc",
    Country = "country",
    Carrier = "carrier",
    Seq = "seq",
    BootId = "boot_id",
    Rat = "rat",
    Rsrp = "rsrp",
    Tac = "tac",
    Cell = "cell",
    BatteryMv = "battery_mv",
    Fw = "fw",
    Model = "model",
    IntervalSecs = "interval_secs",
}

impl Field {
    /// All names, for people.
    pub(super) fn names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|field| field.name()).collect();
        names.join(", ")
    }
}

/// A value as it stands in the payload.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    /// `null`, and CBOR's `undefined`.
    Absent,
    Text(&'a str),
    Integer(i64),
    Float(f64),
    /// What no field takes: booleans, bytes, maps, arrays, integers of more than 64 bits.
    Unusable,
}

impl Scalar<'_> {
    /// Whether it says nothing. An empty text says as little as null: firmware sends it for what it
    /// does not know.
    pub(super) fn is_absent(self) -> bool {
        matches!(self, Self::Absent | Self::Text(""))
    }
}

/// One map of a payload while it is read.
pub(super) struct Entry<'id> {
    device_id: &'id DeviceId,
    heartbeat: Heartbeat,
    /// `ts`, the other name of `sent_at`, kept apart because `sent_at` wins in either order.
    ts: Option<Instant>,
    /// One bit for each [`Field`] that came.
    seen: u32,
    dropped_fields: u16,
    foreign_id: bool,
}

impl<'id> Entry<'id> {
    /// An entry of the device that the topic names.
    pub(super) fn new(device_id: &'id DeviceId) -> Self {
        Self {
            device_id,
            heartbeat: Heartbeat::default(),
            ts: None,
            seen: 0,
            dropped_fields: 0,
            foreign_id: false,
        }
    }

    /// Takes the value of a field. A name that comes again replaces what came before.
    pub(super) fn set(&mut self, field: Field, scalar: Scalar<'_>) {
        let bit = 1_u32 << field as u32;
        if self.seen & bit != 0 {
            self.drop_field();
        }
        self.seen |= bit;

        let heartbeat = &mut self.heartbeat;
        let is_understood = match field {
            Field::DeviceId => {
                self.foreign_id |= match scalar {
                    Scalar::Absent => false,
                    Scalar::Text(id) => id != self.device_id.as_str(),
                    _ => true,
                };
                true
            }
            Field::SentAt => put(&mut heartbeat.sent_at, timestamp::read(scalar)),
            Field::Ts => put(&mut self.ts, timestamp::read(scalar)),
            Field::Mcc => put(&mut heartbeat.mcc, mcc(scalar)),
            Field::Mnc => put(&mut heartbeat.mnc, mnc(scalar)),
            Field::Country => put(&mut heartbeat.country, text(scalar, MAX_TEXT_BYTES)),
            Field::Carrier => put(&mut heartbeat.carrier, carrier(scalar)),
            Field::Seq => put(&mut heartbeat.seq, whole(scalar, 0..=i64::MAX)),
            Field::BootId => put(&mut heartbeat.boot_id, text(scalar, MAX_TEXT_BYTES)),
            Field::Rat => put(&mut heartbeat.rat, lower_case(text(scalar, MAX_CODE_BYTES))),
            Field::Rsrp => put(&mut heartbeat.rsrp_dbm, measured(scalar, RSRP_DBM)),
            Field::Tac => put(&mut heartbeat.tac, text(scalar, MAX_CODE_BYTES)),
            Field::Cell => put(&mut heartbeat.cell, text(scalar, MAX_CODE_BYTES)),
            Field::BatteryMv => put(&mut heartbeat.battery_mv, measured(scalar, BATTERY_MV)),
            Field::Fw => put(&mut heartbeat.fw, text(scalar, MAX_TEXT_BYTES)),
            Field::Model => put(&mut heartbeat.model, text(scalar, MAX_TEXT_BYTES)),
            Field::IntervalSecs => put(&mut heartbeat.interval_secs, whole(scalar, INTERVAL_SECS)),
        };
        if !is_understood && !scalar.is_absent() {
            self.drop_field();
        }
    }

    /// Counts a value that cannot be used.
    pub(super) fn drop_field(&mut self) {
        self.dropped_fields = self.dropped_fields.saturating_add(1);
    }

    /// How many values so far were unusable or replaced.
    pub(super) fn dropped_fields(&self) -> u16 {
        self.dropped_fields
    }

    /// Whether any `device_id` was not the topic's, or not even a text.
    pub(super) fn names_another_device(&self) -> bool {
        self.foreign_id
    }

    /// The finished heartbeat.
    pub(super) fn into_heartbeat(self) -> Heartbeat {
        Heartbeat {
            sent_at: self.heartbeat.sent_at.or(self.ts),
            ..self.heartbeat
        }
    }
}

/// Stores what was read, also when that is nothing. True if it is something.
fn put<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    slot.is_some()
}

/// Three digits. A number is as good: no country's code starts with a zero that it could lose.
fn mcc(scalar: Scalar<'_>) -> Option<Mcc> {
    match scalar {
        Scalar::Text(digits) => Mcc::parse(digits),
        Scalar::Integer(number) => Mcc::parse(&number.to_string()),
        _ => None,
    }
}

/// Two or three digits as text. A number is refused: 2 may mean `02` or `002`, and those are
/// different networks.
fn mnc(scalar: Scalar<'_>) -> Option<Mnc> {
    match scalar {
        Scalar::Text(digits) => Mnc::parse(digits),
        _ => None,
    }
}

/// Text that can be stored and shown. NUL cannot be stored in Postgres; other control characters
/// have no place in a name and could steer a terminal.
fn text(scalar: Scalar<'_>, max_bytes: usize) -> Option<Box<str>> {
    match scalar {
        Scalar::Text(text) if text.is_empty() || text.len() > max_bytes => None,
        Scalar::Text(text) if text.chars().any(char::is_control) => None,
        Scalar::Text(text) => Some(text.into()),
        _ => None,
    }
}

/// Text whose control characters become blanks: a name that arrives with a line's end is still that
/// name once it is made a slug. NUL means that something other than a name was sent.
fn carrier(scalar: Scalar<'_>) -> Option<Box<str>> {
    match scalar {
        Scalar::Text(name) if !name.contains('\0') && name.contains(char::is_control) => text(
            Scalar::Text(&name.replace(char::is_control, " ")),
            MAX_TEXT_BYTES,
        ),
        _ => text(scalar, MAX_TEXT_BYTES),
    }
}

fn lower_case(text: Option<Box<str>>) -> Option<Box<str>> {
    text.map(|mut text| {
        text.make_ascii_lowercase();
        text
    })
}

/// A number without a fraction; `300.0` is one, as some encoders know floats only.
fn whole<T: TryFrom<i64>>(scalar: Scalar<'_>, range: RangeInclusive<i64>) -> Option<T> {
    match scalar {
        Scalar::Float(number) if number.fract() != 0.0 => None,
        _ => measured(scalar, range),
    }
}

/// A number, rounded: a fraction of a millivolt or of a dBm says nothing.
fn measured<T: TryFrom<i64>>(scalar: Scalar<'_>, range: RangeInclusive<i64>) -> Option<T> {
    let number = match scalar {
        Scalar::Integer(number) => number,
        // The guard also keeps out NaN, and floats that the conversion would clip to `i64::MAX`.
        Scalar::Float(number) if number.abs() < i64::MAX as f64 => number.round() as i64,
        _ => return None,
    };
    if range.contains(&number) {
        T::try_from(number).ok()
    } else {
        None
    }
}
