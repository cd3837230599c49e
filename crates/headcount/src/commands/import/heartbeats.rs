//! Past heartbeats.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use ingest::place::place;
use model::{CarrierBit, CarrierSet, Country, DeviceId, DeviceNo, Heartbeat, Hour, Instant, Plmn};
use store::batch::Writer;
use store::devices::DeviceRecord;
use store::last_heard::{LastHeardRow, RowBefore};
use store::presence::PresenceRow;

use super::atlas::Atlas;
use super::{ImportContext, Loader};
use crate::commands::heartbeat_row;
use crate::commands::rows::{OneOf, Row, shown};

/// Rows of one write.
const CHUNK_ROWS: usize = 20_000;

/// The columns that say when a heartbeat was heard; the first that has something in it wins.
const TIMES: OneOf = &["heard_at", "received_at", "sent_at", "ts"];

/// How far ahead of our clock a time may be.
const FUTURE: TimeDelta = TimeDelta::minutes(5);

/// Older than this is a broken clock.
const PAST: TimeDelta = TimeDelta::days(3653);

/// How often a write is tried that another one got in the way of.
const ATTEMPTS: usize = 5;

/// A row on its way into the database.
struct Beat {
    device_id: DeviceId,
    heard_at: Instant,
    heartbeat: Heartbeat,
}

/// What the rows of one chunk come to.
#[derive(Default)]
struct Chunk {
    presence: HashMap<(Hour, Country, DeviceNo), CarrierSet>,
    newest: HashMap<(DeviceNo, Country, CarrierBit), LastHeardRow<'static>>,
}

/// Loads past heartbeats: their times are trusted.
pub(super) struct Heartbeats {
    context: ImportContext,
    writer: Writer,
    atlas: Atlas,
    /// Every device of the file so far. Its last segment is what the file says, not the database:
    /// otherwise a file would be placed differently when it is loaded again.
    devices: HashMap<DeviceId, DeviceRecord>,
    regions: HashMap<Plmn, HashMap<String, Box<str>>>,
    beats: Vec<Beat>,
}

impl Heartbeats {
    pub(super) async fn new(context: ImportContext) -> anyhow::Result<Self> {
        let mut regions: HashMap<Plmn, HashMap<String, Box<str>>> = HashMap::new();
        for ((plmn, tac), region) in context.store.cell_regions().await? {
            if let Some(plmn) = Plmn::parse(&plmn) {
                regions.entry(plmn).or_default().insert(tac, region);
            }
        }
        Ok(Self {
            writer: context.store.writer(),
            atlas: Atlas::read(&context).await?,
            devices: HashMap::new(),
            regions,
            beats: Vec::new(),
            context,
        })
    }

    fn read(&self, row: &Row) -> Result<Beat, String> {
        let heard_at = heard_at(row, self.context.clock.now())?;
        let read = heartbeat_row::read(row)?;
        if let Some(text) = &read.heartbeat.country {
            let country = Country::parse(text).ok();
            let is_known =
                country.is_some_and(|code| self.context.catalogue.country(code).is_some());
            if !is_known {
                return Err(format!(
                    "`country` is {}: no country of that code",
                    shown(text)
                ));
            }
        }
        Ok(Beat {
            device_id: read.device_id,
            heard_at,
            heartbeat: read.heartbeat,
        })
    }

    /// Gets to know all devices of the chunk; those that nobody knew are registered.
    async fn meet_devices(&mut self, now: Instant) -> store::Result<()> {
        let unmet: HashSet<&DeviceId> = self
            .beats
            .iter()
            .map(|beat| &beat.device_id)
            .filter(|id| !self.devices.contains_key(*id))
            .collect();
        let mut unmet: Vec<&str> = unmet.into_iter().map(DeviceId::as_str).collect();
        // The second round finds those that the first one registered.
        for _ in 0..2 {
            if unmet.is_empty() {
                break;
            }
            let found = self.writer.find_devices(&unmet, &self.atlas.bits).await?;
            unmet.retain(|id| DeviceId::parse(id).is_ok_and(|id| !found.contains_key(&id)));
            self.devices.extend(found.into_iter().map(|(id, record)| {
                let record = DeviceRecord {
                    last: None,
                    ..record
                };
                (id, record)
            }));
            if !unmet.is_empty() {
                self.writer.register_devices(&mut unmet, now).await?;
            }
        }
        Ok(())
    }

    fn region(&self, heartbeat: &Heartbeat) -> Option<&str> {
        let areas = self.regions.get(&heartbeat.plmn()?)?;
        areas.get(heartbeat.tac.as_deref()?).map(|region| &**region)
    }

    async fn place(&mut self, beat: Beat, now: Instant, chunk: &mut Chunk) -> anyhow::Result<()> {
        let Beat {
            device_id,
            heard_at,
            heartbeat,
        } = beat;
        let region: Option<Box<str>> = self.region(&heartbeat).map(Into::into);
        let Some(device) = self.devices.get_mut(&device_id) else {
            anyhow::bail!("the device {device_id} was registered and is gone again");
        };
        let segment = place(
            &heartbeat,
            || device.last.clone(),
            device.home.as_ref(),
            &self.context.catalogue,
            heard_at,
        );
        if device.last.as_ref().is_none_or(|(_, at)| *at <= heard_at) {
            device.last = Some((segment.clone(), heard_at));
        }
        let device_no = device.device_no;
        let region = region.or_else(|| device.region.clone());
        if self.atlas.known(&segment).is_none() {
            self.atlas.add(&segment, now).await?;
        }
        let Some((zones, bit)) = self.atlas.known(&segment) else {
            anyhow::bail!("{segment} was taken into use and is gone again");
        };
        let country = segment.country;
        let carriers = chunk
            .presence
            .entry((zones.hour_at(heard_at), country, device_no))
            .or_default();
        *carriers = carriers.union(CarrierSet::of(bit));
        let row = LastHeardRow {
            device_no,
            country,
            carrier_bit: bit,
            heard_at,
            region: region.map(|region| region.into_string().into()),
            heartbeat: Cow::Owned(heartbeat),
            before: RowBefore::Absent,
        };
        match chunk.newest.entry((device_no, country, bit)) {
            Entry::Vacant(entry) => drop(entry.insert(row)),
            Entry::Occupied(mut entry) if entry.get().heard_at < heard_at => {
                drop(entry.insert(row));
            }
            Entry::Occupied(_) => {}
        }
        Ok(())
    }
}

impl Loader for Heartbeats {
    const REQUIRED: &'static [OneOf] = &[&["device_id"], TIMES];

    async fn take(&mut self, row: &Row) -> anyhow::Result<Result<(), String>> {
        Ok(self.read(row).map(|beat| self.beats.push(beat)))
    }

    fn is_full(&self) -> bool {
        self.beats.len() >= CHUNK_ROWS
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        if self.beats.is_empty() {
            return Ok(());
        }
        let now = self.context.clock.now();
        self.meet_devices(now).await?;
        let mut chunk = Chunk::default();
        for beat in std::mem::take(&mut self.beats) {
            self.place(beat, now, &mut chunk).await?;
        }
        let presence = chunk
            .presence
            .into_iter()
            .map(|((hour, country, device_no), carriers)| PresenceRow {
                hour,
                country,
                device_no,
                carriers,
            });
        let mut last_heard: Vec<_> = chunk.newest.into_values().collect();
        for run in runs_of_days(presence.collect()) {
            let (mut ended, mut running): (Vec<_>, Vec<_>) =
                run.into_iter().partition(|row| row.hour.end <= now);
            self.write_presence(now, &mut running, &mut ended, &mut [])
                .await?;
        }
        // Last, so that a device whose last state is known has been counted.
        self.write_presence(now, &mut [], &mut [], &mut last_heard)
            .await
    }

    fn notes(self) -> Vec<String> {
        Vec::new()
    }
}

impl Heartbeats {
    async fn write_presence(
        &self,
        now: Instant,
        running: &mut [PresenceRow],
        ended: &mut [PresenceRow],
        last_heard: &mut [LastHeardRow<'_>],
    ) -> anyhow::Result<()> {
        let store = &self.context.store;
        let mut attempt = 1;
        loop {
            match store.import_presence(now, running, ended, last_heard).await {
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => attempt += 1,
                outcome => return Ok(outcome?),
            }
        }
    }
}

/// When a heartbeat was heard, as the file says.
fn heard_at(row: &Row, now: Instant) -> Result<Instant, String> {
    for name in TIMES {
        let Some(heard_at) = row.instant(name)? else {
            continue;
        };
        if heard_at > now + FUTURE {
            return Err(format!("`{name}` is in the future: {heard_at}"));
        }
        if heard_at < now - PAST {
            return Err(format!("`{name}` is more than ten years ago: {heard_at}"));
        }
        return Ok(heard_at);
    }
    Err("no time: neither `heard_at` nor `received_at`, `sent_at` or `ts`".to_owned())
}

/// Cuts rows into runs of adjacent days: the store makes partitions for all days from a run's
/// first to its last, which would be thousands for a file with one stray date.
fn runs_of_days(mut rows: Vec<PresenceRow>) -> Vec<Vec<PresenceRow>> {
    rows.sort_unstable_by_key(|row| row.hour.start);
    let day = |row: &PresenceRow| row.hour.start.date_naive();
    rows.chunk_by(|a, b| (day(b) - day(a)).num_days() <= 1)
        .map(<[PresenceRow]>::to_vec)
        .collect()
}
