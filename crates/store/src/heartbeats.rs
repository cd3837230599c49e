//! Raw heartbeats: the evidence, kept for a few days.

use std::time::Duration;

use model::plmn::PlmnText;
use model::{Carrier, CarrierBit, Country, DeviceId, DeviceNo, Heartbeat, Instant, Segment};
use sqlx::PgConnection;

use crate::copy::Rows;
use crate::countries::read_country;
use crate::{Error, Result, Store};

/// Bytes a row takes in a COPY stream, on average: only sizes the buffer.
const TYPICAL_ROW_BYTES: usize = 260;

/// One row of evidence.
#[derive(Debug, Clone)]
pub struct HeartbeatRow<'a> {
    /// When it arrived here.
    pub received_at: Instant,
    /// When it counts; `None` for evidence only.
    pub heard_at: Option<Instant>,
    /// Who sent it.
    pub device_no: DeviceNo,
    /// Where it was placed.
    pub country: Country,
    /// The carrier's bit in that country.
    pub carrier_bit: CarrierBit,
    /// The region it was in.
    pub region: Option<&'a str>,
    /// What identifies a redelivery; `None` for older entries of a buffered flush.
    pub delivery: Option<Delivery>,
    /// What it said.
    pub heartbeat: &'a Heartbeat,
}

/// What a message and its redelivery have in common: the broker sends it again under the same
/// packet id, with the same topic and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// The broker's packet id.
    pub packet_id: u16,
    /// Hash of topic and payload.
    pub fingerprint: i64,
}

pub(crate) async fn copy_in(
    connection: &mut PgConnection,
    slot: &str,
    rows: &[HeartbeatRow<'_>],
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let stream = encode(rows, slot);
    let mut copy = Error::at("copy heartbeats", connection.copy_in_raw(COPY).await)?;
    Error::at("copy heartbeats", copy.send(stream).await.map(drop))?;
    Error::at("copy heartbeats", copy.finish().await).map(drop)
}

const COPY: &str = "copy heartbeats (received_at, heard_at, sent_at, seq, fingerprint, device_no,
        packet_id, battery_mv, interval_secs, rsrp_dbm, carrier_bit, older_entry, slot, country,
        plmn, region, boot_id, rat, tac, cell, fw, model)
     from stdin with (format binary)";

fn encode(rows: &[HeartbeatRow<'_>], slot: &str) -> Vec<u8> {
    let mut out = Rows::new(22, rows.len() * TYPICAL_ROW_BYTES);
    for row in rows {
        let beat = row.heartbeat;
        out.start_row();
        out.timestamp(Some(row.received_at));
        out.timestamp(row.heard_at);
        out.timestamp(beat.sent_at);
        out.bigint(beat.seq);
        out.bigint(row.delivery.map(|delivery| delivery.fingerprint));
        out.integer(Some(row.device_no.0));
        out.integer(row.delivery.map(|delivery| delivery.packet_id.into()));
        out.integer(beat.battery_mv);
        out.integer(beat.interval_secs);
        out.smallint(beat.rsrp_dbm);
        out.smallint(Some(row.carrier_bit.index()));
        out.boolean(row.delivery.is_none());
        out.text(Some(slot));
        out.text(Some(row.country.as_str()));
        let plmn = beat.plmn().map(model::Plmn::text);
        out.text(plmn.as_ref().map(PlmnText::as_str));
        out.text(row.region);
        out.text(beat.boot_id.as_deref());
        out.text(beat.rat.as_deref());
        out.text(beat.tac.as_deref());
        out.text(beat.cell.as_deref());
        out.text(beat.fw.as_deref());
        out.text(beat.model.as_deref());
    }
    out.finish()
}

/// What came through a slot within a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Arrivals {
    /// How many messages were kept as evidence.
    pub messages: i64,
    /// When the first of them came.
    pub first: Instant,
    /// When the last one came.
    pub last: Instant,
}

/// A heartbeat as evidence shows it.
#[derive(Debug, Clone)]
pub struct KeptHeartbeat {
    /// When it arrived here.
    pub received_at: Instant,
    /// When it counts; `None` for evidence only.
    pub heard_at: Option<Instant>,
    /// When the device says that it sent it.
    pub sent_at: Option<Instant>,
    /// Where it was placed.
    pub segment: Segment,
    /// Whether it is an older entry of a buffered flush.
    pub older_entry: bool,
    /// The slot it came through.
    pub slot: String,
    /// The device's own number for it.
    pub seq: Option<i64>,
    /// The device's name for its run since it was switched on.
    pub boot_id: Option<String>,
    /// Serving network.
    pub plmn: Option<String>,
    /// Region it was in.
    pub region: Option<String>,
    /// Serving tracking area.
    pub tac: Option<String>,
    /// Serving cell.
    pub cell: Option<String>,
    /// Radio access technology.
    pub rat: Option<String>,
    /// Signal in dBm.
    pub rsrp_dbm: Option<i16>,
    /// Battery in millivolts.
    pub battery_mv: Option<i32>,
    /// Firmware.
    pub fw: Option<String>,
}

#[derive(sqlx::FromRow)]
struct KeptRow {
    received_at: Instant,
    heard_at: Option<Instant>,
    sent_at: Option<Instant>,
    country: String,
    carrier_bit: i16,
    older_entry: bool,
    slot: String,
    seq: Option<i64>,
    boot_id: Option<String>,
    plmn: Option<String>,
    region: Option<String>,
    tac: Option<String>,
    cell: Option<String>,
    rat: Option<String>,
    rsrp_dbm: Option<i16>,
    battery_mv: Option<i32>,
    fw: Option<String>,
}

/// How long it may take to find the heartbeats of one device among all of an hour or two: today's have
/// no index by device yet.
const HEARTBEATS_OF_PATIENCE: Duration = Duration::from_secs(3);

impl Store {
    /// The newest heartbeats of a device that arrived in `[from, to)`, newest first. On the day that
    /// runs, evidence has no index by device, so the stretch should be short.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn heartbeats_of(
        &self,
        id: &DeviceId,
        from: Instant,
        to: Instant,
        limit: u32,
    ) -> Result<Vec<KeptHeartbeat>> {
        // A limit of its own, below that of any request: whoever asks goes without them then.
        let patience = HEARTBEATS_OF_PATIENCE.as_millis().to_string();
        let options = self.options.clone();
        let options = options.options([("statement_timeout", patience)]);
        let mut connection = Error::at("connect", crate::connect(&options).await)?;
        let rows: Vec<KeptRow> = Error::at(
            "heartbeats_of",
            sqlx::query_as(
                "select received_at, heard_at, sent_at, country, carrier_bit, older_entry, slot,
                        seq, boot_id, plmn, region, tac, cell, rat, rsrp_dbm, battery_mv, fw
                 from heartbeats
                 where received_at >= $2 and received_at < $3
                   and device_no = (select device_no from devices where device_id = $1)
                 order by received_at desc, older_entry, sent_at desc nulls last limit $4",
            )
            .bind(id.as_str())
            .bind(from)
            .bind(to)
            .bind(i64::from(limit))
            .fetch_all(&mut connection)
            .await,
        )?;
        let bits = self.carrier_bits().await?;
        rows.into_iter()
            .map(|row| {
                let country = read_country(&row.country)?;
                let carrier = CarrierBit::new(row.carrier_bit)
                    .map_or_else(Carrier::unknown, |bit| bits.carrier(country, bit));
                Ok(KeptHeartbeat {
                    received_at: row.received_at,
                    heard_at: row.heard_at,
                    sent_at: row.sent_at,
                    segment: Segment { country, carrier },
                    older_entry: row.older_entry,
                    slot: row.slot,
                    seq: row.seq,
                    boot_id: row.boot_id,
                    plmn: row.plmn,
                    region: row.region,
                    tac: row.tac,
                    cell: row.cell,
                    rat: row.rat,
                    rsrp_dbm: row.rsrp_dbm,
                    battery_mv: row.battery_mv,
                    fw: row.fw,
                })
            })
            .collect()
    }

    /// What came through a slot since an instant; `None` if nothing did.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed ([`Error::is_too_slow`]).
    pub async fn arrivals_since(&self, slot: &str, since: Instant) -> Result<Option<Arrivals>> {
        Error::at(
            "arrivals_since",
            sqlx::query_as(
                "select count(*) as messages, min(received_at) as first, max(received_at) as last
                 from heartbeats
                 where received_at >= $2 and slot = $1 and not older_entry
                 having count(*) > 0",
            )
            .bind(slot)
            .bind(since)
            .fetch_optional(&self.pool)
            .await,
        )
    }

    /// The deliveries of a slot that were committed since `from`, in order: those the broker may
    /// send again
    /// because it had not heard our acknowledgement.
    ///
    /// Takes as long as it takes: a quiet slot beside busy ones has few rows among many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn deliveries_since(&self, slot: &str, from: Instant) -> Result<Vec<Delivery>> {
        let options = self.options.clone().options([("statement_timeout", "0")]);
        let mut connection = Error::at("connect", crate::connect(&options).await)?;
        let rows: Vec<(i32, i64)> = Error::at(
            "deliveries_since",
            sqlx::query_as(
                "select packet_id, fingerprint from heartbeats
                 where received_at >= $2 and slot = $1
                   and packet_id is not null and fingerprint is not null
                 order by received_at",
            )
            .bind(slot)
            .bind(from)
            .fetch_all(&mut connection)
            .await,
        )?;
        Ok(rows
            .into_iter()
            .filter_map(|(packet_id, fingerprint)| {
                Some(Delivery {
                    packet_id: u16::try_from(packet_id).ok()?,
                    fingerprint,
                })
            })
            .collect())
    }
}
