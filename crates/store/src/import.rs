//! Backfill: what comes from files instead of the broker.

use std::collections::BTreeSet;

use chrono_tz::Tz;
use model::{Country, DeviceId, DeviceStatus, Hour, Instant};

use crate::last_heard::LastHeardRow;
use crate::presence::PresenceRow;
use crate::{Error, Result, Store, last_heard, presence};

/// One line of the device registry.
#[derive(Debug, Clone)]
pub struct DeviceImport {
    /// The device.
    pub device_id: DeviceId,
    /// Its status; `None` keeps what is there.
    pub status: Option<DeviceStatus>,
    /// Home country.
    pub country: Option<Country>,
    /// Home carrier, as a slug.
    pub carrier: Option<String>,
    /// The finance company whose car it is in.
    pub partner: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// A person's name for it.
    pub label: Option<String>,
}

/// One line of the cells table.
#[derive(Debug, Clone)]
pub struct CellImport {
    /// Network code, as `515-02`.
    pub plmn: String,
    /// Tracking area code.
    pub tac: String,
    /// Region.
    pub region: String,
    /// Local zone, for display.
    pub time_zone: Option<Tz>,
}

/// An hourly count from elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct HourImport {
    /// The country.
    pub country: Country,
    /// The hour.
    pub hour: Hour,
    /// Its count.
    pub devices: i32,
}

impl Store {
    /// Writes presence and newest states from a file. The hours that change and have ended are
    /// counted again. Doing it twice changes nothing.
    ///
    /// # Errors
    /// When the database is away; nothing of this call is written then.
    pub async fn import_presence(
        &self,
        now: Instant,
        running: &mut [PresenceRow],
        ended: &mut [PresenceRow],
        last_heard: &mut [LastHeardRow<'_>],
    ) -> Result<()> {
        let starts = || running.iter().chain(ended.iter()).map(|row| row.hour.start);
        if let (Some(from), Some(to)) = (starts().min(), starts().max()) {
            self.make_presence_partitions(from, to).await?;
        }
        let mut transaction = Error::at("import presence", self.pool.begin().await)?;
        presence::upsert(&mut transaction, running, None).await?;
        presence::upsert(&mut transaction, ended, Some(now)).await?;
        // Any of them may have been elsewhere before.
        let mut moved = last_heard.iter().map(|row| row.device_no).collect();
        last_heard::upsert(&mut transaction, last_heard, &mut moved).await?;
        Error::at("import presence", transaction.commit().await)
    }

    /// Adds or updates devices of the registry. Fields that are not given keep their value.
    ///
    /// # Errors
    /// When the database is away; nothing of this call is written then.
    pub async fn import_devices(&self, rows: &[DeviceImport], now: Instant) -> Result<()> {
        let mut transaction = Error::at("import devices", self.pool.begin().await)?;
        // Only rows that are new draw a number; see `devices::register`.
        let ids: BTreeSet<&str> = rows.iter().map(|row| row.device_id.as_str()).collect();
        let known: Vec<String> = Error::at(
            "import devices",
            sqlx::query_scalar("select device_id from devices where device_id = any($1)")
                .bind(ids.iter().copied().collect::<Vec<_>>())
                .fetch_all(&mut *transaction)
                .await,
        )?;
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        let mut fresh: Vec<&str> = ids.difference(&known).copied().collect();
        crate::devices::register(&mut transaction, &mut fresh, now).await?;
        let done = sqlx::query(
            "update devices d
             set status = coalesce(n.status, d.status), country = coalesce(n.country, d.country),
                 carrier = coalesce(n.carrier, d.carrier), partner = coalesce(n.partner, d.partner),
                 region = coalesce(n.region, d.region), model = coalesce(n.model, d.model),
                 label = coalesce(n.label, d.label), registered = true
             from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                         $7::text[], $8::text[])
                 as n (device_id, status, country, carrier, partner, region, model, label)
             where d.device_id = n.device_id",
        )
        .bind(
            rows.iter()
                .map(|row| row.device_id.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.status.map(DeviceStatus::as_str))
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.country.map(|c| c.to_string()))
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.carrier.as_deref())
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.partner.as_deref())
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.region.as_deref())
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.model.as_deref())
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|row| row.label.as_deref())
                .collect::<Vec<_>>(),
        )
        .execute(&mut *transaction)
        .await;
        Error::at("import devices", done)?;
        move_registry_revision(&mut transaction).await?;
        Error::at("import devices", transaction.commit().await)
    }

    /// Adds or replaces serving cell areas.
    ///
    /// # Errors
    /// When the database is away; nothing of this call is written then.
    pub async fn import_cells(&self, rows: &[CellImport]) -> Result<()> {
        let mut transaction = Error::at("import cells", self.pool.begin().await)?;
        for row in rows {
            let done = sqlx::query(
                "insert into cells (plmn, tac, region, time_zone) values ($1, $2, $3, $4)
                 on conflict (plmn, tac) do update
                 set region = excluded.region, time_zone = excluded.time_zone",
            )
            .bind(&row.plmn)
            .bind(&row.tac)
            .bind(&row.region)
            .bind(row.time_zone.map(|zone| zone.name()))
            .execute(&mut *transaction)
            .await;
            Error::at("import cells", done)?;
        }
        move_registry_revision(&mut transaction).await?;
        Error::at("import cells", transaction.commit().await)
    }

    /// Takes over hourly counts from elsewhere. Hours that were counted here keep their count.
    /// Returns how many were taken.
    ///
    /// # Errors
    /// When the database is away; nothing of this call is written then.
    pub async fn import_hours(&self, rows: &[HourImport], now: Instant) -> Result<u64> {
        let done = sqlx::query(
            "insert into hourly_counts as h (country, hour, hour_end, devices, carriers, complete,
                                             revision, imported, closed_at)
             select distinct on (country, hour) country, hour, hour_end, devices, '{}', true, 1,
                    true, $5::timestamptz
             from unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[])
                 as n (country, hour, hour_end, devices)
             on conflict (country, hour) do update
             set devices = excluded.devices, closed_at = excluded.closed_at,
                 revision = h.revision + (h.devices <> excluded.devices)::int
             where h.imported",
        )
        .bind(
            rows.iter()
                .map(|row| row.country.to_string())
                .collect::<Vec<_>>(),
        )
        .bind(rows.iter().map(|row| row.hour.start).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.hour.end).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.devices).collect::<Vec<_>>())
        .bind(now)
        .execute(&self.pool)
        .await;
        Ok(Error::at("import hours", done)?.rows_affected())
    }
}

async fn move_registry_revision(connection: &mut sqlx::PgConnection) -> Result<()> {
    let done = sqlx::query("update registry_revision set revision = revision + 1")
        .execute(connection)
        .await;
    Error::at("move registry revision", done).map(drop)
}
