//! Devices that fell silent, one by one.

use chrono::TimeDelta;
use model::{Carrier, CarrierBit, Country, DeviceId, Instant, Segment};

use crate::countries::read_country;
use crate::{Error, Result, Store};

/// An active device that was not heard for three of its intervals, and a day at least.
#[derive(Debug, Clone)]
pub struct SilentDevice {
    /// Its id.
    pub device_id: DeviceId,
    /// Where it was heard last; its registered home if it never was.
    pub segment: Segment,
    /// When it was heard last; `None` if it never was.
    pub heard_at: Option<Instant>,
    /// From when on it counts as having said nothing: when it was heard last, or first known.
    pub since: Instant,
    /// Its own heartbeat interval.
    pub interval: Option<TimeDelta>,
    /// The finance company whose car it is in.
    pub partner: Option<String>,
    /// The region it was in last, or is registered in.
    pub region: Option<String>,
    /// Hardware model.
    pub model: Option<String>,
    /// A person's name for it.
    pub label: Option<String>,
    /// Battery in millivolts when it was heard last.
    pub battery_mv: Option<i32>,
    /// Signal in dBm when it was heard last.
    pub rsrp_dbm: Option<i16>,
    /// Firmware when it was heard last.
    pub fw: Option<String>,
}

/// Which silent devices are asked for.
#[derive(Debug, Clone, Copy)]
pub struct SilentSelection<'a> {
    /// The country they were heard in last.
    pub country: Country,
    /// Only those heard last through this carrier.
    pub carrier: Option<&'a Carrier>,
    /// Only those in cars of this finance company.
    pub partner: Option<&'a str>,
    /// Those after this one in the order of the answer.
    pub after: Option<(Instant, &'a DeviceId)>,
    /// At most so many.
    pub limit: u32,
}

#[derive(sqlx::FromRow)]
struct Row {
    device_id: String,
    country: String,
    carrier: Option<String>,
    carrier_bit: Option<i16>,
    heard_at: Option<Instant>,
    since: Instant,
    interval_secs: Option<i32>,
    partner: Option<String>,
    region: Option<String>,
    model: Option<String>,
    label: Option<String>,
    battery_mv: Option<i32>,
    rsrp_dbm: Option<i16>,
    fw: Option<String>,
}

impl Store {
    /// Silent devices of a country, those that fell silent last first.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn silent_page(
        &self,
        now: Instant,
        selection: SilentSelection<'_>,
    ) -> Result<Vec<SilentDevice>> {
        let bits = self.carrier_bits().await?;
        let bit = selection.carrier.map(|carrier| {
            let segment = Segment {
                country: selection.country,
                carrier: carrier.clone(),
            };
            bits.bit(&segment).map(CarrierBit::index)
        });
        // A carrier that the country never had has no silent devices.
        if bit == Some(None) {
            return Ok(Vec::new());
        }
        let (after_since, after_id) = selection.after.unzip();
        let rows: Vec<Row> = Error::at(
            "silent_page",
            sqlx::query_as(
                "select * from (
                     select d.device_id, coalesce(l.country, d.country) as country,
                            d.carrier, l.carrier_bit, l.heard_at,
                            coalesce(l.heard_at, d.first_seen_at) as since, l.interval_secs,
                            d.partner, coalesce(l.region, d.region) as region,
                            coalesce(d.model, l.model) as model, d.label, l.battery_mv,
                            l.rsrp_dbm, l.fw
                     from devices d
                     left join lateral (
                         select * from last_heard l where l.device_no = d.device_no
                         order by heard_at desc, latest desc, country, carrier_bit limit 1
                     ) l on true
                     where d.status = 'active'
                 ) d
                 where country = $2
                   and since < $1 - greatest(interval '24 hours',
                                             3 * coalesce(interval_secs, 0) * interval '1 second')
                   and ($3::smallint is null or carrier_bit = $3)
                   and ($4::text is null or partner = $4)
                   and ($5::timestamptz is null or since < $5
                        or (since = $5 and device_id collate \"C\" > $6))
                 order by since desc, device_id collate \"C\" limit $7",
            )
            .bind(now)
            .bind(selection.country.as_str())
            .bind(bit.flatten())
            .bind(selection.partner)
            .bind(after_since)
            .bind(after_id.map(DeviceId::as_str))
            .bind(i64::from(selection.limit))
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter()
            .map(|row| {
                let country = read_country(&row.country)?;
                let carrier = match row.carrier_bit.and_then(CarrierBit::new) {
                    Some(bit) => bits.carrier(country, bit),
                    None => row
                        .carrier
                        .as_deref()
                        .map_or_else(Carrier::unknown, Carrier::slug),
                };
                let device_id = DeviceId::parse(&row.device_id).map_err(|_| Error::Corrupt {
                    what: "device id",
                    value: row.device_id.clone(),
                })?;
                Ok(SilentDevice {
                    device_id,
                    segment: Segment { country, carrier },
                    heard_at: row.heard_at,
                    since: row.since,
                    interval: row
                        .interval_secs
                        .map(|secs| TimeDelta::seconds(secs.into())),
                    partner: row.partner,
                    region: row.region,
                    model: row.model,
                    label: row.label,
                    battery_mv: row.battery_mv,
                    rsrp_dbm: row.rsrp_dbm,
                    fw: row.fw,
                })
            })
            .collect()
    }
}
