//! One count, split by what devices have in common.

use model::{Carrier, Country, Instant, Segment};

use crate::{Error, Result, Store};

/// What devices are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// Where they were when they were heard last.
    Region,
    /// The finance company whose cars they are in.
    Partner,
    /// The firmware they said last.
    Firmware,
    /// The radio access technology they said last.
    Rat,
    /// How strong a signal they had when they were heard last, by [`SIGNAL_BANDS_DBM`].
    Signal,
}

/// The lower bounds of the bands of signal (reference signal received power), strongest first; what
/// is below the last is a band of its own.
pub const SIGNAL_BANDS_DBM: [i16; 3] = [-90, -105, -115];

/// The devices that have one value in common.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SplitRow {
    /// The value; `None` where it is not known. For [`Dimension::Signal`] the number of the band,
    /// from 0.
    pub value: Option<String>,
    /// Distinct devices counted.
    pub devices: i64,
    /// Distinct devices with this value that were heard within the longer time asked for: what
    /// `devices` is a part of. `None` where no longer time was asked for.
    pub alive: Option<i64>,
}

impl Dimension {
    /// The expression that reads it from `last_heard l` and `devices d`.
    fn of_last_heard(self) -> String {
        match self {
            Self::Region => "l.region".to_owned(),
            Self::Partner => "d.partner".to_owned(),
            Self::Firmware => "l.fw".to_owned(),
            Self::Rat => "l.rat".to_owned(),
            Self::Signal => {
                let bands = SIGNAL_BANDS_DBM.iter().enumerate();
                let bands: String = bands
                    .map(|(band, least)| format!(" when l.rsrp_dbm >= {least} then '{band}'"))
                    .collect();
                let weakest = SIGNAL_BANDS_DBM.len();
                format!("case when l.rsrp_dbm is null then null{bands} else '{weakest}' end")
            }
        }
    }
}

impl Store {
    /// The devices of a country that were heard since `since`, split. Each is counted once, by what
    /// it said last; with a carrier, those heard through it.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn split_now(
        &self,
        country: Country,
        carrier: Option<&Carrier>,
        dimension: Dimension,
        since: Instant,
        alive_since: Instant,
    ) -> Result<Vec<SplitRow>> {
        let Some(bit) = self.bit_asked_for(country, carrier).await? else {
            return Ok(Vec::new());
        };
        let value = dimension.of_last_heard();
        let statement = format!(
            "select {value} as value, count(*) filter (where l.heard_at >= $3) as devices,
                    count(*) as alive
             from last_heard l join devices d using (device_no)
             where l.country = $1 and l.heard_at >= $4
               and case when $2::smallint is null then l.latest else l.carrier_bit = $2 end
             group by 1 order by 2 desc, 3 desc, 1 nulls last"
        );
        Error::at(
            "split_now",
            // The expressions above are ours, not input.
            sqlx::query_as(sqlx::AssertSqlSafe(statement))
                .bind(country.as_str())
                .bind(bit)
                .bind(since)
                .bind(alive_since)
                .fetch_all(&self.pool)
                .await,
        )
    }

    /// The devices heard in the hour of a country that starts at `hour`, split by partner: that is
    /// what presence and the registry can tell, for as long as presence is kept.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn split_hour_by_partner(
        &self,
        country: Country,
        carrier: Option<&Carrier>,
        hour: Instant,
    ) -> Result<Vec<SplitRow>> {
        let Some(bit) = self.bit_asked_for(country, carrier).await? else {
            return Ok(Vec::new());
        };
        Error::at(
            "split_hour_by_partner",
            sqlx::query_as(
                "select d.partner as value, count(*) as devices, null::bigint as alive
                 from presence p join devices d using (device_no)
                 where p.country = $1 and p.hour = $2
                   and ($3::smallint is null or (p.carriers >> $3) & 1 = 1)
                 group by 1 order by 2 desc, 1 nulls last",
            )
            .bind(country.as_str())
            .bind(hour)
            .bind(bit)
            .fetch_all(&self.pool)
            .await,
        )
    }

    /// `Some(None)` where no carrier is named; `None` where the country never had it.
    async fn bit_asked_for(
        &self,
        country: Country,
        carrier: Option<&Carrier>,
    ) -> Result<Option<Option<i16>>> {
        let Some(carrier) = carrier else {
            return Ok(Some(None));
        };
        let segment = Segment {
            country,
            carrier: carrier.clone(),
        };
        let bit = self.carrier_bits().await?.bit(&segment);
        Ok(bit.map(|bit| Some(bit.index())))
    }
}
