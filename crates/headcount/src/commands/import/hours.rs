//! Hourly counts from elsewhere.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use model::{Country, Hour, Instant, ZoneHistory};
use store::import::HourImport;

use super::atlas::Atlas;
use super::{ImportContext, Loader};
use crate::commands::old_counts::hour_start;
use crate::commands::rows::{OneOf, Row, shown};

/// Hours of one write.
const CHUNK_HOURS: usize = 10_000;

/// Loads hourly counts.
pub(super) struct Hours {
    context: ImportContext,
    atlas: Atlas,
    hours: BTreeMap<(Country, Hour), i32>,
    kept: u64,
}

impl Hours {
    pub(super) async fn new(context: ImportContext) -> anyhow::Result<Self> {
        Ok(Self {
            atlas: Atlas::read(&context).await?,
            hours: BTreeMap::new(),
            kept: 0,
            context,
        })
    }
}

/// The hour that a text names by its start.
fn hour(text: &str, country: Country, zones: &ZoneHistory, now: Instant) -> Result<Hour, String> {
    let start = hour_start(text, country, zones)?;
    let hour = zones.hour_at(start);
    if hour.start != start {
        let boundary = hour.start.with_timezone(&zones.zone_at(hour.start));
        return Err(format!(
            "`hour` is {}: in `{country}` that hour starts at {}",
            shown(text),
            boundary.to_rfc3339_opts(SecondsFormat::Secs, true)
        ));
    }
    if hour.end > now {
        return Err(format!(
            "`hour` is {}: that hour has not ended yet",
            shown(text)
        ));
    }
    Ok(hour)
}

impl Loader for Hours {
    const REQUIRED: &'static [OneOf] = &[&["hour"], &["country"], &["count"]];

    async fn take(&mut self, row: &Row) -> anyhow::Result<Result<(), String>> {
        let read = || -> Result<_, String> {
            let country = self.context.names.country(&row.required_text("country")?)?;
            let count = row.count("count")?.ok_or("no `count`")?;
            Ok((country, row.required_text("hour")?, count))
        };
        let (country, text, count) = match read() {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let now = self.context.clock.now();
        let zones = self.atlas.zones(country, now).await?;
        Ok(hour(&text, country, &zones, now).map(|hour| {
            // Of an hour that comes twice, the later row holds.
            self.hours.insert((country, hour), count);
        }))
    }

    fn is_full(&self) -> bool {
        self.hours.len() >= CHUNK_HOURS
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let rows: Vec<_> = std::mem::take(&mut self.hours)
            .into_iter()
            .map(|((country, hour), devices)| HourImport {
                country,
                hour,
                devices,
            })
            .collect();
        if !rows.is_empty() {
            let now = self.context.clock.now();
            let taken = self.context.store.import_hours(&rows, now).await?;
            self.kept += (rows.len() as u64).saturating_sub(taken);
        }
        Ok(())
    }

    fn notes(self) -> Vec<String> {
        let note = || {
            format!(
                "{} of the hours were counted here already and keep that count.",
                self.kept
            )
        };
        (self.kept > 0).then(note).into_iter().collect()
    }
}
