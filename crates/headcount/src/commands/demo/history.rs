//! Weeks of the fleet's past, as if somebody had listened.
//!
//! What a device was heard to do comes from the same description of its life as what it sends
//! live, so the two meet without a seam. Nothing is published for it: presence, minutely counts
//! and newest states are made here, and the store counts the hours from presence.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DurationRound as _, NaiveDate, TimeDelta};
use model::gap::SETTLE;
use model::{
    CarrierBit, CarrierSet, Clock as _, Country, DeviceId, DeviceNo, DeviceStatus, Heartbeat, Hour,
    Instant, Segment, ZoneHistory,
};
use simulator::{Device, Fleet, Outage, Scenario, Stretch};
use store::carriers::CarrierBits;
use store::history::MinuteRow;
use store::import::{CellImport, DeviceImport};
use store::last_heard::{LastHeardRow, RowBefore};
use store::presence::{Counts, PresenceRow};

use super::progress::Progress;
use super::servers::blocking;
use crate::app::App;

/// No hour is longer, and none begins so long before an instant in it.
const LONGEST_HOUR: TimeDelta = TimeDelta::hours(2);

/// A demo that has not run for so long begins anew: what it kept would be older than what it shows.
const LONGEST_ABSENCE: TimeDelta = TimeDelta::days(28);

/// Rows written at once where some may be there already.
const ROWS_AT_ONCE: usize = 50_000;

/// What went wrong in the past: which story, how long ago, and for how long.
const PAST_OUTAGES: [(Scenario, TimeDelta, Duration); 2] = [
    (
        Scenario::RegionalOutage,
        TimeDelta::hours(2 * 24 + 19),
        Duration::from_secs(3 * 3600),
    ),
    (
        Scenario::CarrierOutage,
        TimeDelta::hours(11 * 24 + 5),
        Duration::from_secs(2 * 3600),
    ),
];

/// Brings the database to this moment: `days` of history where there is none, else what the fleet
/// did since the last demo ended. Returns the instant up to which it goes.
///
/// The slot is written last. While there is none, whatever else is there was not loaded to its end,
/// and is loaded anew.
///
/// # Errors
/// When the database fails.
pub(super) async fn load(
    app: &App,
    fleet: Arc<Fleet>,
    days: TimeDelta,
    progress: &Progress,
) -> anyhow::Result<Instant> {
    let now = app.clock.now();
    // This process has the folder, so whoever held a lease in it is gone.
    app.store.free_leases().await?;
    let heard_until = app.store.heard_until().await?;
    let heard_until = heard_until.filter(|until| *until > now - LONGEST_ABSENCE);
    let from = heard_until.unwrap_or(now - days);
    let is_new = heard_until.is_none();
    if is_new {
        app.store.forget_past().await?;
    }
    let what = if is_new {
        format!("loading {} days of history", days.num_days())
    } else {
        format!("filling in the {} since the last time", spoken(now - from))
    };
    progress.part(&what, 0);

    let outages: Vec<Outage> = PAST_OUTAGES
        .into_iter()
        .filter(|_| is_new)
        .filter_map(|(scenario, ago, lasts)| fleet.stage(scenario, now - ago, lasts))
        .collect();
    let atlas = Atlas::read(app, &fleet, from).await?;
    let (past, atlas) = {
        let fleet = Arc::clone(&fleet);
        blocking(move || {
            let past = Past::of(&fleet, &atlas, from, now, &outages)?;
            Ok((past, atlas))
        })
        .await?
    };
    progress.part(&what, 15);
    write(app, past, &atlas, (from, now), is_new, |percent| {
        progress.part(&what, percent);
    })
    .await?;

    // Loading took a while: what the fleet did meanwhile is little, and quickly added.
    let until = app.clock.now();
    let atlas = Atlas::read(app, &fleet, now).await?;
    let (past, atlas) = blocking(move || {
        let past = Past::of(&fleet, &atlas, now, until, &[])?;
        Ok((past, atlas))
    })
    .await?;
    write(app, past, &atlas, (now, until), false, |_| {}).await?;

    let config = app.config.ingest();
    app.store
        .add_heard_slot(
            &config.slot,
            &config.client_id,
            config.topic_filter.subscription(),
            from,
            until,
        )
        .await?;
    Ok(until)
}

/// Writes a past from `from` to `to`.
async fn write(
    app: &App,
    mut past: Past,
    atlas: &Atlas,
    (from, to): (Instant, Instant),
    is_new: bool,
    told: impl Fn(u8),
) -> anyhow::Result<()> {
    let store = &app.store;
    let days = past.presence.len().max(1);
    let done = AtomicUsize::new(0);
    let add = async |rows: Vec<Vec<PresenceRow>>| {
        for mut rows in rows {
            let at_once = if is_new { usize::MAX } else { ROWS_AT_ONCE };
            for rows in rows.chunks_mut(at_once) {
                store.add_presence(rows, is_new).await?;
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            told(u8::try_from(15 + 60 * done / days).unwrap_or(75));
        }
        Ok::<(), store::Error>(())
    };
    // Two at a time: a day is one partition, and the server has more than one core.
    let (mut even, mut odd) = (Vec::new(), Vec::new());
    for rows in past.presence.into_values() {
        even.push(rows);
        std::mem::swap(&mut even, &mut odd);
    }
    tokio::try_join!(add(even), add(odd), store.add_minutes(&past.minutes))?;
    told(80);
    for rows in past.last_heard.chunks_mut(ROWS_AT_ONCE) {
        store.import_presence(to, &mut [], &mut [], rows).await?;
    }
    told(90);
    if is_new {
        // Before this nobody closed hours. From here on the exporter does, in order, and it knows
        // of gaps in the hours in which somebody listened.
        let hours: Vec<(Country, Hour)> = atlas
            .hours
            .iter()
            .flat_map(|(country, hours)| hours.iter().map(|hour| (*country, *hour)))
            .filter(|(_, hour)| hour.start >= from && hour.end + SETTLE <= to)
            .collect();
        store.count_hours(&hours, to).await?;
    }
    told(100);
    Ok(())
}

/// `3 days`, `40 minutes`: roughly how long.
fn spoken(time: TimeDelta) -> String {
    match (time.num_days(), time.num_hours(), time.num_minutes()) {
        (days @ 2.., _, _) => format!("{days} days"),
        (_, hours @ 2.., _) => format!("{hours} hours"),
        (_, _, minutes @ 2..) => format!("{minutes} minutes"),
        _ => format!("{} seconds", time.num_seconds().max(1)),
    }
}

/// What the database calls devices, carriers and hours.
struct Atlas {
    numbers: HashMap<DeviceId, DeviceNo>,
    bits: CarrierBits,
    /// The hours of each country that the past may touch, in order.
    hours: BTreeMap<Country, Vec<Hour>>,
    windows: HashMap<Country, TimeDelta>,
}

impl Atlas {
    /// Registers the fleet and takes its countries and carriers into use, where that is not so yet.
    async fn read(app: &App, fleet: &Fleet, from: Instant) -> anyhow::Result<Self> {
        let (store, now) = (&app.store, app.clock.now());
        let mut countries = store.countries().await?;
        let mut bits = store.carrier_bits().await?;
        // A device may come to any of them.
        let segments: BTreeSet<&Segment> = simulator::cells()
            .iter()
            .filter_map(|cell| app.catalogue.network(cell.plmn))
            .map(|network| &network.segment)
            .collect();
        for segment in segments {
            if !countries.contains_key(&segment.country) {
                let settings = app.config.country_settings(segment.country, &app.catalogue);
                store.add_country(segment.country, settings, from).await?;
                countries = store.countries().await?;
            }
            if bits.bit(segment).is_none() {
                bits = store.add_carrier(segment, from).await?;
            }
        }
        let ids: Vec<&str> = fleet.devices().iter().map(|d| d.id.as_str()).collect();
        let mut writer = store.writer();
        let mut known = writer.find_devices(&ids, &bits).await?;
        if known.len() < ids.len() {
            register(app, fleet, from).await?;
            known = writer.find_devices(&ids, &bits).await?;
        }
        let hours = |zones: &ZoneHistory| {
            zones
                .hours(from - LONGEST_HOUR, now + LONGEST_HOUR)
                .collect()
        };
        Ok(Self {
            numbers: known
                .into_iter()
                .map(|(id, record)| (id, record.device_no))
                .collect(),
            bits,
            hours: countries
                .iter()
                .map(|(country, row)| (*country, hours(&row.zones)))
                .collect(),
            windows: countries
                .iter()
                .map(|(country, row)| {
                    let window = TimeDelta::from_std(row.reach_window);
                    (*country, window.unwrap_or(TimeDelta::MAX))
                })
                .collect(),
        })
    }

    /// The hours that touch `[first, last]`.
    fn hours_of(&self, country: Country, first: Instant, last: Instant) -> &[Hour] {
        let hours = self.hours.get(&country).map_or(&[][..], Vec::as_slice);
        let begin = hours.partition_point(|hour| hour.end <= first);
        let end = hours.partition_point(|hour| hour.start <= last);
        hours.get(begin..end).unwrap_or_default()
    }
}

async fn register(app: &App, fleet: &Fleet, from: Instant) -> anyhow::Result<()> {
    let devices = fleet
        .devices()
        .iter()
        .map(|device| {
            Ok(DeviceImport {
                device_id: device_id(device)?,
                status: Some(DeviceStatus::Active),
                country: Some(device.home.country),
                carrier: Some(device.home.carrier.to_string()),
                partner: Some(device.partner.to_owned()),
                region: None,
                model: Some(device.model.to_owned()),
                label: None,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let cells: Vec<_> = simulator::cells()
        .into_iter()
        .map(|cell| CellImport {
            plmn: cell.plmn.to_string(),
            tac: cell.tac.to_string(),
            region: cell.region.code.to_owned(),
            time_zone: None,
        })
        .collect();
    // The devices last: they say that the registry is whole.
    app.store.import_cells(&cells).await?;
    Ok(app.store.import_devices(&devices, from).await?)
}

fn device_id(device: &Device) -> anyhow::Result<DeviceId> {
    DeviceId::parse(&device.id).map_err(|error| anyhow::anyhow!("{}: {error}", device.id))
}

/// What would have been written, had somebody listened.
#[derive(Default)]
struct Past {
    /// Presence by day, each day in one partition.
    presence: BTreeMap<NaiveDate, Vec<PresenceRow>>,
    minutes: Vec<MinuteRow>,
    last_heard: Vec<LastHeardRow<'static>>,
}

impl Past {
    fn of(
        fleet: &Fleet,
        atlas: &Atlas,
        from: Instant,
        to: Instant,
        outages: &[Outage],
    ) -> anyhow::Result<Self> {
        let mut past = Self::default();
        let mut reach = Reach::new(from, to);
        for device in fleet.devices() {
            let Some(device_no) = atlas.numbers.get(&device_id(device)?) else {
                continue;
            };
            let mut own = OneDevice::new(*device_no);
            // Who was heard shortly before is reachable in the first minutes.
            let since = from - longest(atlas);
            for stretch in fleet.stretches(device, since, to, outages) {
                own.heard(atlas, &stretch, from, &mut reach);
            }
            for row in own.presence {
                past.presence
                    .entry(row.hour.start.date_naive())
                    .or_default()
                    .push(row);
            }
            past.last_heard.extend(own.last_heard.into_values());
        }
        past.minutes = reach.into_rows(atlas);
        Ok(past)
    }
}

fn longest(atlas: &Atlas) -> TimeDelta {
    atlas
        .windows
        .values()
        .max()
        .copied()
        .unwrap_or(TimeDelta::zero())
}

/// What is known of one device while its stretches are gone through.
struct OneDevice {
    device_no: DeviceNo,
    presence: Vec<PresenceRow>,
    last_heard: BTreeMap<(Country, CarrierBit), LastHeardRow<'static>>,
    /// The minute from which on it is not yet counted, in each country and segment it was in.
    uncounted: HashMap<Counted, Instant>,
}

/// What a count is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Counted {
    Country(Country),
    Segment(Segment),
}

impl OneDevice {
    fn new(device_no: DeviceNo) -> Self {
        Self {
            device_no,
            presence: Vec::new(),
            last_heard: BTreeMap::new(),
            uncounted: HashMap::new(),
        }
    }

    fn heard(&mut self, atlas: &Atlas, stretch: &Stretch<'_>, from: Instant, reach: &mut Reach) {
        let segment = stretch.place.segment;
        let country = segment.country;
        let Some(bit) = atlas.bits.bit(segment) else {
            return;
        };
        if stretch.last >= from {
            let first = stretch.first.max(from);
            for hour in atlas.hours_of(country, first, stretch.last) {
                self.present(*hour, country, CarrierSet::of(bit));
            }
            self.last_heard
                .insert((country, bit), last_heard(self.device_no, bit, stretch));
        }
        // Counts are as of full minutes: it is in all of them from the first after its first
        // heartbeat to the last within the window after its last one.
        let window = atlas.windows.get(&country).copied().unwrap_or_default();
        let minute = TimeDelta::minutes(1);
        let (Ok(begin), Ok(end)) = (
            stretch.first.duration_round_up(minute),
            (stretch.last + window).duration_trunc(minute),
        ) else {
            return;
        };
        for counted in [Counted::Country(country), Counted::Segment(segment.clone())] {
            let uncounted = self.uncounted.get(&counted).copied();
            let begin = uncounted.map_or(begin, |uncounted| uncounted.max(begin));
            if begin <= end {
                reach.add(&counted, begin, end);
                self.uncounted.insert(counted, end + minute);
            }
        }
    }

    fn present(&mut self, hour: Hour, country: Country, carriers: CarrierSet) {
        let rows = self.presence.iter_mut().rev();
        let mut same_hour = rows.take_while(|row| row.hour.end > hour.start);
        if let Some(row) = same_hour.find(|row| row.hour == hour && row.country == country) {
            row.carriers = row.carriers.union(carriers);
            return;
        }
        self.presence.push(PresenceRow {
            hour,
            country,
            device_no: self.device_no,
            carriers,
        });
    }
}

fn last_heard(
    device_no: DeviceNo,
    carrier_bit: CarrierBit,
    stretch: &Stretch<'_>,
) -> LastHeardRow<'static> {
    let report = stretch.last_report();
    let place = &stretch.place;
    LastHeardRow {
        device_no,
        country: place.segment.country,
        carrier_bit,
        heard_at: stretch.last,
        region: Some(place.region.code.into()),
        heartbeat: Cow::Owned(Heartbeat {
            sent_at: Some(stretch.last),
            mcc: Some(place.plmn.mcc),
            mnc: Some(place.plmn.mnc),
            rat: Some(report.rat.into()),
            rsrp_dbm: Some(report.rsrp_dbm),
            tac: Some(place.tac.to_string().into()),
            cell: Some(report.cell.into()),
            battery_mv: Some(report.battery_mv),
            fw: Some(report.firmware.to_string().into()),
            model: Some(stretch.device.model.into()),
            interval_secs: i32::try_from(report.interval_secs).ok(),
            ..Heartbeat::default()
        }),
        before: RowBefore::Absent,
    }
}

/// How many devices were reachable in each minute, kept as the changes from one to the next.
struct Reach {
    /// The first minute.
    first: Instant,
    minutes: usize,
    changes: BTreeMap<Counted, Vec<i32>>,
}

impl Reach {
    /// For the minutes in `(from, to]`; that of `from` was counted by whoever was there then.
    fn new(from: Instant, to: Instant) -> Self {
        let minute = TimeDelta::minutes(1);
        let first = from.duration_trunc(minute).unwrap_or(from) + minute;
        let minutes = usize::try_from((to - first).num_minutes() + 1).unwrap_or(0);
        Self {
            first,
            minutes: if to < first { 0 } else { minutes },
            changes: BTreeMap::new(),
        }
    }

    /// Adds a device to the minutes from `begin` to `end`.
    fn add(&mut self, counted: &Counted, begin: Instant, end: Instant) {
        let index = |at: Instant| {
            let minutes = (at - self.first).num_minutes().max(0);
            usize::try_from(minutes).unwrap_or(0).min(self.minutes)
        };
        if end < self.first {
            return;
        }
        let (begin, end) = (index(begin), index(end + TimeDelta::minutes(1)));
        let minutes = self.minutes;
        let changes = self
            .changes
            .entry(counted.clone())
            .or_insert_with(|| vec![0; minutes + 1]);
        if let Some(change) = changes.get_mut(begin) {
            *change += 1;
        }
        if let Some(change) = changes.get_mut(end) {
            *change -= 1;
        }
    }

    fn into_rows(self, atlas: &Atlas) -> Vec<MinuteRow> {
        let mut by_country: BTreeMap<Country, Vec<Counts>> = atlas
            .hours
            .keys()
            .map(|country| (*country, vec![Counts::default(); self.minutes]))
            .collect();
        for (counted, changes) in self.changes {
            let country = match &counted {
                Counted::Country(country) => *country,
                Counted::Segment(segment) => segment.country,
            };
            let Some(minutes) = by_country.get_mut(&country) else {
                continue;
            };
            let mut devices = 0;
            for (counts, change) in minutes.iter_mut().zip(changes) {
                devices += i64::from(change);
                match &counted {
                    Counted::Country(_) => counts.devices = devices,
                    Counted::Segment(segment) => {
                        counts.carriers.insert(segment.carrier.clone(), devices);
                    }
                }
            }
        }
        let first = self.first;
        by_country
            .into_iter()
            .flat_map(|(country, minutes)| {
                (0..).zip(minutes).map(move |(number, counts)| MinuteRow {
                    minute: first + TimeDelta::minutes(number),
                    country,
                    counts,
                })
            })
            .collect()
    }
}
