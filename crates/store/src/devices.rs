//! Devices: their numbers, their registered home, and where they were last heard.

use std::collections::HashMap;

use chrono::TimeDelta;
use model::{Carrier, CarrierBit, Country, DeviceId, DeviceNo, DeviceStatus, Instant, Segment};
use sqlx::PgConnection;

use crate::carriers::CarrierBits;
use crate::countries::read_country;
use crate::{Error, Result, Store};

/// How long a device's last segment still places a heartbeat that does not say where it is.
pub const LAST_SEGMENT_TRUSTED: TimeDelta = TimeDelta::hours(24);

/// What placing needs to know about a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Its number.
    pub device_no: DeviceNo,
    /// Country and carrier it is registered in.
    pub home: Option<Segment>,
    /// Region it is registered in.
    pub region: Option<Box<str>>,
    /// The segment it was heard in last, and when.
    pub last: Option<(Segment, Instant)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    device_id: String,
    device_no: i32,
    country: Option<String>,
    carrier: Option<String>,
    region: Option<String>,
    last_country: Option<String>,
    last_bit: Option<i16>,
    last_at: Option<Instant>,
}

/// Looks up devices by id; those unknown are missing from the answer.
pub(crate) async fn find(
    connection: &mut PgConnection,
    ids: &[&str],
    bits: &CarrierBits,
) -> Result<HashMap<DeviceId, DeviceRecord>> {
    let rows: Vec<Row> = Error::at(
        "find devices",
        sqlx::query_as(
            "select d.device_id, d.device_no, d.country, d.carrier, d.region,
                    l.country as last_country, l.carrier_bit as last_bit, l.heard_at as last_at
             from unnest($1::text[]) as wanted (device_id)
             join devices d using (device_id)
             left join lateral (
                 select country, carrier_bit, heard_at from last_heard
                 where device_no = d.device_no order by heard_at desc limit 1
             ) l on true",
        )
        .bind(ids)
        .fetch_all(connection)
        .await,
    )?;
    rows.into_iter().map(|row| read(row, bits)).collect()
}

fn read(row: Row, bits: &CarrierBits) -> Result<(DeviceId, DeviceRecord)> {
    let id = DeviceId::parse(&row.device_id).map_err(|_| Error::Corrupt {
        what: "device id",
        value: row.device_id.clone(),
    })?;
    let home = match row.country {
        Some(country) => Some(Segment {
            country: read_country(&country)?,
            carrier: row
                .carrier
                .as_deref()
                .map_or_else(Carrier::unknown, Carrier::slug),
        }),
        None => None,
    };
    let last = match (
        row.last_country,
        row.last_bit.and_then(CarrierBit::new),
        row.last_at,
    ) {
        (Some(country), Some(bit), Some(heard_at)) => {
            let country = read_country(&country)?;
            Some((
                Segment {
                    country,
                    carrier: bits.carrier(country, bit),
                },
                heard_at,
            ))
        }
        _ => None,
    };
    let record = DeviceRecord {
        device_no: DeviceNo(row.device_no),
        home,
        region: row.region.map(Into::into),
        last,
    };
    Ok((id, record))
}

/// Registers devices that nobody knew, in the order of their ids so that two processes which meet
/// the same new devices cannot block each other.
///
/// Called for unknown devices only: an insert that conflicts still uses up a number, and at a
/// fleet's rate the numbers would run out within a week.
pub(crate) async fn register(
    connection: &mut PgConnection,
    ids: &mut [&str],
    now: Instant,
) -> Result<()> {
    ids.sort_unstable();
    let done = sqlx::query(
        "insert into devices (device_id, first_seen_at)
         select device_id, $2 from unnest($1::text[]) with ordinality as new (device_id, position)
         order by position
         on conflict (device_id) do nothing",
    )
    .bind(&*ids)
    .bind(now)
    .execute(connection)
    .await;
    Error::at("register devices", done).map(drop)
}

pub(crate) async fn highest_no(connection: &mut PgConnection) -> Result<DeviceNo> {
    let highest: Option<i32> = Error::at(
        "highest device number",
        sqlx::query_scalar("select max(device_no) from devices")
            .fetch_one(connection)
            .await,
    )?;
    Ok(DeviceNo(highest.unwrap_or(0)))
}

/// One device as the API shows it.
#[derive(Debug, Clone)]
pub struct DeviceDetail {
    /// Its id.
    pub device_id: DeviceId,
    /// Its registered status.
    pub status: DeviceStatus,
    /// Its registered home.
    pub home: Option<Segment>,
    /// The finance company whose car it is in.
    pub partner: Option<String>,
    /// Registered region.
    pub region: Option<String>,
    /// Registered model.
    pub model: Option<String>,
    /// A person's name for it.
    pub label: Option<String>,
    /// When it was first heard or imported.
    pub first_seen_at: Instant,
    /// Where it was heard, most recent first.
    pub segments: Vec<HeardSegment>,
}

/// The last state of a device in one segment.
#[derive(Debug, Clone)]
pub struct HeardSegment {
    /// Where.
    pub segment: Segment,
    /// When, to the minute.
    pub heard_at: Instant,
    /// Its own heartbeat interval.
    pub interval_secs: Option<i32>,
    /// Battery in millivolts.
    pub battery_mv: Option<i32>,
    /// Signal in dBm.
    pub rsrp_dbm: Option<i16>,
    /// Serving network.
    pub plmn: Option<String>,
    /// Region it was in.
    pub region: Option<String>,
    /// Radio access technology.
    pub rat: Option<String>,
    /// Firmware.
    pub fw: Option<String>,
    /// Hardware model.
    pub model: Option<String>,
}

#[derive(sqlx::FromRow)]
struct DetailRow {
    device_no: i32,
    status: String,
    country: Option<String>,
    carrier: Option<String>,
    partner: Option<String>,
    region: Option<String>,
    model: Option<String>,
    label: Option<String>,
    first_seen_at: Instant,
}

#[derive(sqlx::FromRow)]
struct HeardRow {
    country: String,
    carrier_bit: i16,
    heard_at: Instant,
    interval_secs: Option<i32>,
    battery_mv: Option<i32>,
    rsrp_dbm: Option<i16>,
    plmn: Option<String>,
    region: Option<String>,
    rat: Option<String>,
    fw: Option<String>,
    model: Option<String>,
}

impl Store {
    /// One device with all the segments it was heard in, or `None`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn device(&self, id: &DeviceId) -> Result<Option<DeviceDetail>> {
        let row: Option<DetailRow> = Error::at(
            "device",
            sqlx::query_as(
                "select device_no, status, country, carrier, partner, region, model, label,
                        first_seen_at
                 from devices where device_id = $1",
            )
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await,
        )?;
        let Some(row) = row else { return Ok(None) };
        let heard: Vec<HeardRow> = Error::at(
            "device",
            sqlx::query_as(
                "select country, carrier_bit, heard_at, interval_secs, battery_mv, rsrp_dbm, plmn,
                        region, rat, fw, model
                 from last_heard where device_no = $1 order by heard_at desc",
            )
            .bind(row.device_no)
            .fetch_all(&self.pool)
            .await,
        )?;
        let bits = self.carrier_bits().await?;
        let segments = heard
            .into_iter()
            .map(|heard| {
                let country = read_country(&heard.country)?;
                let carrier = CarrierBit::new(heard.carrier_bit)
                    .map_or_else(Carrier::unknown, |bit| bits.carrier(country, bit));
                Ok(HeardSegment {
                    segment: Segment { country, carrier },
                    heard_at: heard.heard_at,
                    interval_secs: heard.interval_secs,
                    battery_mv: heard.battery_mv,
                    rsrp_dbm: heard.rsrp_dbm,
                    plmn: heard.plmn,
                    region: heard.region,
                    rat: heard.rat,
                    fw: heard.fw,
                    model: heard.model,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let home = match row.country.as_deref() {
            Some(country) => Some(Segment {
                country: read_country(country)?,
                carrier: row
                    .carrier
                    .as_deref()
                    .map_or_else(Carrier::unknown, Carrier::slug),
            }),
            None => None,
        };
        Ok(Some(DeviceDetail {
            device_id: id.clone(),
            status: DeviceStatus::parse(&row.status).unwrap_or_default(),
            home,
            partner: row.partner,
            region: row.region,
            model: row.model,
            label: row.label,
            first_seen_at: row.first_seen_at,
            segments,
        }))
    }

    /// A number that moves with every import into the registry or the cells table.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn registry_revision(&self) -> Result<i64> {
        Error::at(
            "registry_revision",
            sqlx::query_scalar("select revision from registry_revision")
                .fetch_one(&self.pool)
                .await,
        )
    }

    /// The region of every known serving cell area, by network code and tracking area.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn cell_regions(&self) -> Result<HashMap<(String, String), Box<str>>> {
        let rows: Vec<(String, String, String)> = Error::at(
            "cell_regions",
            sqlx::query_as("select plmn, tac, region from cells")
                .fetch_all(&self.pool)
                .await,
        )?;
        Ok(rows
            .into_iter()
            .map(|(plmn, tac, region)| ((plmn, tac), region.into()))
            .collect())
    }

    /// How many active devices each country has by registered home, falling back on where a
    /// device was last heard; and how many of them are silent.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn silent_devices(&self, now: Instant) -> Result<HashMap<Country, i64>> {
        let rows: Vec<(String, i64)> = Error::at(
            "silent_devices",
            sqlx::query_as(
                "select country, count(*) from (
                     select d.device_no, coalesce(l.country, d.country) as country
                     from devices d
                     left join last_heard l
                         on l.device_no = d.device_no
                        and l.heard_at = (select max(heard_at) from last_heard m
                                          where m.device_no = d.device_no)
                     where d.status = 'active'
                       and coalesce(l.heard_at, d.first_seen_at)
                           < $1 - greatest(interval '24 hours',
                                           3 * coalesce(l.interval_secs, 0) * interval '1 second')
                     group by 1, 2
                 ) silent
                 where country is not null group by country",
            )
            .bind(now)
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter()
            .map(|(country, n)| Ok((read_country(&country)?, n)))
            .collect()
    }
}
