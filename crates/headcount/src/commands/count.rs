//! `headcount count`: exact counts as a table, JSON or CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::{Context as _, bail};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use clap::{Args, ValueEnum};
use model::{Carrier, Clock as _, Country, Instant, ZoneHistory};
use store::presence::Counts;

use crate::app::App;

/// Print exact counts
#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    /// The country, as two letters
    #[arg(long)]
    country: String,
    /// From this time on: local (`2026-11-21` or `2026-11-21T10:00`) or RFC 3339
    #[arg(long)]
    from: String,
    /// Up to this time, itself excluded [default: now]
    #[arg(long)]
    to: Option<String>,
    /// One column per carrier as well
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Distinct devices in every hour, in every local day, or in the window as a whole
    #[arg(long, value_enum, default_value_t = Per::Hour)]
    per: Per,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Carrier,
}

#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
enum Per {
    Hour,
    Day,
    Window,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

/// Counts straight from presence: what was heard, whether the hours are closed or not.
pub(crate) async fn count(args: &CountArgs, app: &App) -> anyhow::Result<()> {
    let country = Country::parse(&args.country)?;
    let countries = app.store.countries().await?;
    let Some(row) = countries.get(&country) else {
        let mut known: Vec<_> = countries.keys().map(ToString::to_string).collect();
        known.sort_unstable();
        bail!(
            "--country {country}: nothing was ever heard there; in use are: {}",
            known.join(", ")
        );
    };
    let zones = &row.zones;
    let from = zones.hour_at(instant("--from", &args.from, zones)?).start;
    let to = match &args.to {
        Some(to) => instant("--to", to, zones)?,
        None => app.clock.now(),
    };
    if from >= to {
        bail!("--from ({from}) must lie before --to ({to})");
    }
    let rows = match args.per {
        Per::Hour => app.store.distinct_by_hour(country, from, to).await?,
        Per::Day => by_day(app, country, zones, from, to).await?,
        Per::Window => BTreeMap::from([(from, app.store.distinct(country, from, to).await?)]),
    };
    let table = Table::new(country, zones, rows, args.by.is_some());
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Table => table.write_text(&mut out)?,
        Format::Json => table.write_json(&mut out)?,
        Format::Csv => table.write_csv(out)?,
    }
    Ok(())
}

async fn by_day(
    app: &App,
    country: Country,
    zones: &ZoneHistory,
    from: Instant,
    to: Instant,
) -> anyhow::Result<BTreeMap<Instant, Counts>> {
    let mut days = BTreeMap::new();
    let mut start = from;
    while start < to {
        let local = start.with_timezone(&zones.zone_at(start)).date_naive();
        let tomorrow = local.succ_opt().context("--to is too far ahead")?;
        // Where the clock skips midnight the day begins an hour later.
        let end = zones
            .instant_of(tomorrow.and_time(NaiveTime::MIN))
            .unwrap_or(start + TimeDelta::days(1))
            .min(to);
        days.insert(start, app.store.distinct(country, start, end).await?);
        start = end;
    }
    Ok(days)
}

/// Reads a time given on the command line: RFC 3339, or local to the country.
pub(crate) fn instant(flag: &str, text: &str, zones: &ZoneHistory) -> anyhow::Result<Instant> {
    if let Ok(instant) = text.parse::<Instant>() {
        return Ok(instant);
    }
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
        .or_else(|_| text.parse::<NaiveDateTime>())
        .or_else(|_| {
            text.parse::<NaiveDate>()
                .map(|day| day.and_time(NaiveTime::MIN))
        });
    let Ok(local) = local else {
        bail!(
            "{flag} {text}: a time looks like 2026-11-21T10:00 (local) or 2026-11-21T10:00:00+08:00"
        );
    };
    zones
        .instant_of(local)
        .with_context(|| format!("{flag} {text}: the country's clock skips that time"))
}

struct Table {
    carriers: Vec<Carrier>,
    rows: Vec<(String, Counts)>,
    country: Country,
}

impl Table {
    fn new(
        country: Country,
        zones: &ZoneHistory,
        rows: BTreeMap<Instant, Counts>,
        by_carrier: bool,
    ) -> Self {
        let carriers: BTreeSet<Carrier> = rows
            .values()
            .flat_map(|counts| counts.carriers.keys().cloned())
            .filter(|_| by_carrier)
            .collect();
        let rows = rows
            .into_iter()
            .map(|(start, counts)| {
                (
                    start.with_timezone(&zones.zone_at(start)).to_rfc3339(),
                    counts,
                )
            })
            .collect();
        Self {
            carriers: carriers.into_iter().collect(),
            rows,
            country,
        }
    }

    fn cells<'a>(&'a self, counts: &'a Counts) -> impl Iterator<Item = i64> + 'a {
        let by_carrier = self
            .carriers
            .iter()
            .map(|carrier| counts.carriers.get(carrier).copied().unwrap_or(0));
        std::iter::once(counts.devices).chain(by_carrier)
    }

    fn write_text(&self, out: &mut impl Write) -> anyhow::Result<()> {
        write!(out, "{:<27}{:>10}", "start", "devices")?;
        for carrier in &self.carriers {
            write!(
                out,
                "{:>width$}",
                carrier.as_str(),
                width = column_width(carrier)
            )?;
        }
        writeln!(out)?;
        for (start, counts) in &self.rows {
            write!(out, "{start:<27}{:>10}", counts.devices)?;
            for carrier in &self.carriers {
                let devices = counts.carriers.get(carrier).copied().unwrap_or(0);
                write!(out, "{devices:>width$}", width = column_width(carrier))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let items: Vec<_> = self
            .rows
            .iter()
            .map(|(start, counts)| {
                let mut item = serde_json::json!({ "start": start, "devices": counts.devices });
                if !self.carriers.is_empty() {
                    item["carriers"] = serde_json::json!(counts.carriers);
                }
                item
            })
            .collect();
        let answer = serde_json::json!({ "country": self.country, "items": items });
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        Ok(())
    }

    fn write_csv(&self, out: impl Write) -> anyhow::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        let carriers = self.carriers.iter().map(Carrier::as_str);
        csv.write_record(["start", "devices"].into_iter().chain(carriers))?;
        for (start, counts) in &self.rows {
            let cells = self.cells(counts).map(|devices| devices.to_string());
            csv.write_record(std::iter::once(start.clone()).chain(cells))?;
        }
        csv.flush()?;
        Ok(())
    }
}

fn column_width(carrier: &Carrier) -> usize {
    carrier.as_str().len().max(8) + 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;

    #[test]
    fn times_are_local_to_the_country_or_carry_their_offset() {
        let manila = ZoneHistory::always(Tz::Asia__Manila);
        let ten: Instant = "2026-11-21T02:00:00Z".parse().unwrap();
        for text in [
            "2026-11-21T10:00",
            "2026-11-21T10:00:00",
            "2026-11-21T02:00:00Z",
            "2026-11-21T10:00:00+08:00",
        ] {
            assert_eq!(instant("--from", text, &manila).unwrap(), ten, "{text}");
        }
        let midnight = instant("--from", "2026-11-21", &manila).unwrap();
        assert_eq!(midnight, "2026-11-20T16:00:00Z".parse::<Instant>().unwrap());
        let error = instant("--from", "yesterday", &manila)
            .unwrap_err()
            .to_string();
        assert!(error.contains("--from yesterday"), "{error}");
    }
}
