//! The walk through a payload, the same for JSON and CBOR.

use std::fmt;

use model::{DeviceId, Heartbeat, Reason};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fields::{Entry, Field, Scalar};
use super::paths::{FieldPaths, Place, Places};
use super::{Decoded, MAX_ENTRIES};

/// The heartbeats of a payload: the newest, and the others in their order.
type Contents = (Heartbeat, Vec<Heartbeat>);

/// What was noticed on the walk.
pub(super) struct Tally<'id> {
    device_id: &'id DeviceId,
    /// Where the fields stand, unless under their own names.
    places: Option<&'id Places>,
    dropped_fields: u16,
    foreign_id: bool,
    too_many_entries: bool,
    no_map: bool,
}

impl<'id> Tally<'id> {
    pub(super) fn new(device_id: &'id DeviceId, paths: &'id FieldPaths) -> Self {
        Self {
            device_id,
            places: paths.places(),
            dropped_fields: 0,
            foreign_id: false,
            too_many_entries: false,
            no_map: false,
        }
    }

    /// The verdict on a payload that was read to its end. Another device's id weighs most,
    /// because it rejects the message and not just the payload.
    pub(super) fn finish(self, (heartbeat, older): Contents) -> Result<Decoded, Reason> {
        if self.foreign_id {
            Err(Reason::Identity)
        } else if self.too_many_entries {
            Err(Reason::Size)
        } else if self.no_map {
            Err(Reason::Field)
        } else {
            Ok(Decoded {
                heartbeat,
                older,
                fault: None,
                dropped_fields: self.dropped_fields,
            })
        }
    }

    fn drop_fields(&mut self, count: u16) {
        self.dropped_fields = self.dropped_fields.saturating_add(count);
    }

    fn read_entry<'de, A: MapAccess<'de>>(&mut self, map: A) -> Result<Heartbeat, A::Error> {
        let mut entry = Entry::new(self.device_id);
        match self.places {
            None => read_fields(map, &mut entry)?,
            Some(places) => read_places(map, places, &mut entry)?,
        }
        self.drop_fields(entry.dropped_fields());
        self.foreign_id |= entry.names_another_device();
        Ok(entry.into_heartbeat())
    }
}

/// Reads a map in which each field stands under its own name.
fn read_fields<'de, A: MapAccess<'de>>(mut map: A, entry: &mut Entry<'_>) -> Result<(), A::Error> {
    while let Some(field) = map.next_key_seed(Lenient(Key))? {
        match field {
            Some(field) => map.next_value_seed(Lenient(Value { entry, field }))?,
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(())
}

/// Reads a map in which fields stand elsewhere. Calls itself as deep as the paths are, at most.
fn read_places<'de, A: MapAccess<'de>>(
    mut map: A,
    places: &Places,
    entry: &mut Entry<'_>,
) -> Result<(), A::Error> {
    while let Some(place) = map.next_key_seed(Lenient(PlaceKey(places)))? {
        match place {
            Some(Place::Field(field)) => map.next_value_seed(Lenient(Value {
                entry,
                field: *field,
            }))?,
            Some(Place::Inside(places)) => {
                map.next_value_seed(Lenient(Inside { entry, places }))?;
            }
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(())
}

/// Reads one value from `deserializer`: a map, or an array of maps.
///
/// # Errors
/// Only those of the format itself. What is wrong with the contents goes into `tally`.
pub(super) fn payload<'de, D: Deserializer<'de>>(
    deserializer: D,
    tally: &mut Tally<'_>,
) -> Result<Contents, D::Error> {
    Lenient(Payload(tally)).deserialize(deserializer)
}

/// Takes a value of any type. What is neither handled nor a scalar is skipped to its end.
trait Take: Sized {
    type Taken;

    fn scalar(self, scalar: Scalar<'_>) -> Self::Taken;

    fn map<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Taken, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.scalar(Scalar::Unusable))
    }

    fn seq<'de, A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Taken, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.scalar(Scalar::Unusable))
    }
}

/// The name of a field; none if it is unknown or not a text.
struct Key;

impl Take for Key {
    type Taken = Option<Field>;

    fn scalar(self, scalar: Scalar<'_>) -> Option<Field> {
        match scalar {
            Scalar::Text(name) => Field::from_name(name),
            _ => None,
        }
    }
}

/// The value of a known field.
struct Value<'entry, 'id> {
    entry: &'entry mut Entry<'id>,
    field: Field,
}

impl Take for Value<'_, '_> {
    type Taken = ();

    fn scalar(self, scalar: Scalar<'_>) {
        self.entry.set(self.field, scalar);
    }
}

/// The key of a map in which fields stand elsewhere; none if nothing is read under it.
struct PlaceKey<'places>(&'places Places);

impl<'places> Take for PlaceKey<'places> {
    type Taken = Option<&'places Place>;

    fn scalar(self, scalar: Scalar<'_>) -> Option<&'places Place> {
        match scalar {
            Scalar::Text(key) => self.0.get(key),
            _ => None,
        }
    }
}

/// The value of a key on the way to fields. Anything but a map is unusable, as one field.
struct Inside<'entry, 'id> {
    entry: &'entry mut Entry<'id>,
    places: &'entry Places,
}

impl Take for Inside<'_, '_> {
    type Taken = ();

    fn scalar(self, scalar: Scalar<'_>) {
        if !scalar.is_absent() {
            self.entry.drop_field();
        }
    }

    fn map<'de, A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        read_places(map, self.places, self.entry)
    }
}

/// An entry of a buffered flush; none if it is not a map.
struct Element<'tally, 'id>(&'tally mut Tally<'id>);

impl Take for Element<'_, '_> {
    type Taken = Option<Heartbeat>;

    fn scalar(self, _: Scalar<'_>) -> Option<Heartbeat> {
        None
    }

    fn map<'de, A: MapAccess<'de>>(self, map: A) -> Result<Option<Heartbeat>, A::Error> {
        self.0.read_entry(map).map(Some)
    }
}

/// The payload as a whole.
struct Payload<'tally, 'id>(&'tally mut Tally<'id>);

impl Take for Payload<'_, '_> {
    type Taken = Contents;

    fn scalar(self, _: Scalar<'_>) -> Contents {
        self.0.no_map = true;
        Contents::default()
    }

    fn map<'de, A: MapAccess<'de>>(self, map: A) -> Result<Contents, A::Error> {
        Ok((self.0.read_entry(map)?, Vec::new()))
    }

    fn seq<'de, A: SeqAccess<'de>>(self, mut seq: A) -> Result<Contents, A::Error> {
        let tally = self.0;
        let mut entries = Vec::new();
        let mut entry_count = 0;
        let mut skipped_count = 0;
        while let Some(entry) = seq.next_element_seed(Lenient(Element(tally)))? {
            entry_count += 1;
            if entry_count > MAX_ENTRIES {
                // The payload is refused, but read on: it may still break or name another device.
                tally.too_many_entries = true;
                continue;
            }
            match entry {
                Some(heartbeat) => entries.push(heartbeat),
                None => skipped_count += 1,
            }
        }
        tally.drop_fields(skipped_count);
        tally.no_map = entries.is_empty() && skipped_count > 0;
        Ok(newest_first(entries))
    }
}

/// Takes the newest entry out. An entry without a time is older than any with one; of equals the
/// one further back is the newest.
fn newest_first(mut entries: Vec<Heartbeat>) -> Contents {
    let newest = entries
        .iter()
        .enumerate()
        .max_by_key(|(_, entry)| entry.sent_at);
    match newest.map(|(index, _)| index) {
        Some(index) => (entries.remove(index), entries),
        None => Contents::default(),
    }
}

/// Drives a [`Take`] through serde.
struct Lenient<T>(T);

impl<'de, T: Take> DeserializeSeed<'de> for Lenient<T> {
    type Value = T::Taken;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Taken, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Take> Visitor<'de> for Lenient<T> {
    type Value = T::Taken;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<T::Taken, E> {
        Ok(self.0.scalar(Scalar::Unusable))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T::Taken, E> {
        Ok(self.0.scalar(Scalar::Integer(number)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T::Taken, E> {
        Ok(self
            .0
            .scalar(i64::try_from(number).map_or(Scalar::Unusable, Scalar::Integer)))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<T::Taken, E> {
        Ok(self.0.scalar(Scalar::Unusable))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T::Taken, E> {
        Ok(self.0.scalar(Scalar::Float(number)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T::Taken, E> {
        Ok(self.0.scalar(Scalar::Text(text)))
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<T::Taken, E> {
        Ok(self.0.scalar(Scalar::Unusable))
    }

    fn visit_none<E: de::Error>(self) -> Result<T::Taken, E> {
        Ok(self.0.scalar(Scalar::Absent))
    }

    fn visit_unit<E: de::Error>(self) -> Result<T::Taken, E> {
        Ok(self.0.scalar(Scalar::Absent))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T::Taken, A::Error> {
        self.0.map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T::Taken, A::Error> {
        self.0.seq(seq)
    }
}
