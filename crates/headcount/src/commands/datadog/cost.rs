//! `headcount datadog cost`: custom metrics in Datadog and disk in Postgres, before they are paid for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use chrono::TimeDelta;
use clap::{Args, ValueEnum};
use model::quarantine::Reason;
use model::{Carrier, Clock as _, Country};
use serde_json::json;
use store::now::ALIVE_DAYS;
use store::series::Series;
use telemetry::Pipeline;

use crate::app::App;

/// What the help adds to the arguments.
const HELP: &str = "\
A custom metric is one combination of a metric's name and its tags. Countries and carriers are those \
heard in the last seven days; which carriers are of a size, datadog.min_carrier_devices says. New is \
what was not sent in these seven days. Nothing is sent, and nothing is asked of Datadog: what a custom \
metric costs stands in your contract.";

/// What `datadog cost` is told.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct CostArgs {
    /// Reckon with so many devices [default: those heard in the last seven days]
    #[arg(long, value_name = "DEVICES")]
    devices: Option<u32>,
    /// Seconds between two heartbeats of a device [default: a third of reach_window_secs]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    interval_secs: Option<u32>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Custom metrics that a distribution makes of each combination of tags: count, sum, min, max, avg.
const METRICS_PER_DISTRIBUTION: usize = 5;

/// Custom metrics that come with each infrastructure host, by plan.
const INCLUDED_PER_HOST: [(&str, usize); 2] = [("Pro", 100), ("Enterprise", 200)];

/// headcount's own metrics; one process sends them. One that is divided by the reason of a quarantine has
/// as many as there are reasons, at most.
fn pipeline_metrics() -> usize {
    let each = |metric: &Pipeline| metric.tag().map_or(1, |_| Reason::ALL.len());
    Pipeline::ALL.iter().map(each).sum()
}

/// What a row takes on Postgres' disk with its share of indexes, in bytes: measured, see the test
/// `rows_take_as_much_room_as_the_cost_says`.
const HEARTBEAT_ROW_BYTES: u64 = 184;
const PRESENCE_ROW_BYTES: u64 = 94;

const SECS_PER_DAY: u64 = 86_400;
const HOURS_PER_DAY: u64 = 24;

/// Everything that is reckoned from.
#[derive(Debug)]
struct Facts {
    prefix: String,
    carrier_now: bool,
    min_carrier_devices: u32,
    max_series: usize,
    legacy_metric: Option<String>,
    /// Countries in use, with their carriers: those of a size, and how many smaller ones.
    countries: BTreeMap<Country, (BTreeSet<Carrier>, usize)>,
    /// What was sent in the last days.
    sent: BTreeSet<Series>,
    devices: u64,
    interval_secs: u64,
    heartbeats_days: u64,
    heartbeats_max_bytes: u64,
    presence_days: u64,
}

/// A metric, and what it makes.
#[derive(Debug, PartialEq, Eq)]
struct MetricCost {
    metric: String,
    custom_metrics: usize,
    note: String,
}

/// A table, and what it takes.
#[derive(Debug, PartialEq, Eq)]
struct TableCost {
    table: &'static str,
    rows_per_day: u64,
    bytes_per_day: u64,
    days: u64,
    /// What is kept, once it is full.
    bytes_kept: u64,
}

/// The answer.
#[derive(Debug)]
struct Cost {
    metrics: Vec<MetricCost>,
    custom_metrics: usize,
    /// Countries and carriers that are sent.
    series: usize,
    /// Those that `max_series` refuses.
    refused: Vec<Series>,
    /// Those sent that were not sent before.
    new: Vec<Series>,
    tables: Vec<TableCost>,
}

/// Prints what it will cost.
pub(crate) async fn cost(args: &CostArgs, app: &App) -> anyhow::Result<()> {
    app.anchor().await?;
    let facts = facts(args, app).await?;
    let cost = reckon(&facts);
    let text = match args.format {
        Format::Table => text(&facts, &cost),
        Format::Json => serde_json::to_string_pretty(&as_json(&facts, &cost))? + "\n",
    };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

async fn facts(args: &CostArgs, app: &App) -> anyhow::Result<Facts> {
    let now = app.clock.now();
    let since = now - TimeDelta::days(ALIVE_DAYS.into());
    let config = app.config.exporter();
    let least = config.min_carrier_devices;
    let of_size = app.store.segments_of_size(least.max(1), since).await?;
    let mut countries: BTreeMap<Country, (BTreeSet<Carrier>, usize)> = BTreeMap::new();
    for (country, reachable) in app.store.count_now(now).await? {
        let (sent, small) = countries.entry(country).or_default();
        for carrier in reachable.counts.carriers.into_keys() {
            let segment = model::Segment { country, carrier };
            if least <= 1 || of_size.contains(&segment) {
                sent.insert(segment.carrier);
            } else {
                *small += 1;
            }
        }
    }
    let file = &app.config.file;
    let devices = match args.devices {
        Some(devices) => devices.into(),
        None => u64::try_from(app.store.devices_heard_since(since).await?).unwrap_or(0),
    };
    Ok(Facts {
        prefix: config.prefix,
        carrier_now: config.carrier_now,
        min_carrier_devices: least,
        max_series: config.max_series,
        legacy_metric: config.legacy.map(|legacy| legacy.metric),
        countries,
        sent: app.store.sent_series(least, since).await?,
        devices,
        // The window is meant to be three heartbeats long.
        interval_secs: args
            .interval_secs
            .map_or(file.reach_window_secs / 3, u64::from)
            .max(1),
        heartbeats_days: file.retention.heartbeats_days.into(),
        heartbeats_max_bytes: u64::from(file.retention.heartbeats_max_gb) * GB,
        presence_days: file.retention.presence_days.into(),
    })
}

fn reckon(facts: &Facts) -> Cost {
    let all: Vec<Series> = facts
        .countries
        .iter()
        .flat_map(|(country, (carriers, _))| {
            let country = *country;
            let carriers = carriers.iter().cloned().map(Some);
            std::iter::once(None)
                .chain(carriers)
                .map(move |carrier| (country, carrier))
        })
        .collect();
    let (sent, refused) = all.split_at(all.len().min(facts.max_series));
    let countries = sent.iter().filter(|(_, carrier)| carrier.is_none()).count();
    let carriers = sent.len() - countries;
    let small: usize = facts.countries.values().map(|(_, small)| small).sum();
    let carrier_note = if small > 0 {
        format!(
            "{small} carriers of fewer than {} devices are in their country's count only",
            facts.min_carrier_devices
        )
    } else {
        String::new()
    };
    let metric = |name: &str, custom_metrics, note: String| MetricCost {
        metric: format!("{}.{name}", facts.prefix),
        custom_metrics,
        note,
    };
    let mut metrics = vec![
        metric("hour.devices", countries, String::new()),
        metric("hour.carrier_devices", carriers, carrier_note),
        metric("now.devices", countries, String::new()),
        if facts.carrier_now {
            metric("now.carrier_devices", carriers, String::new())
        } else {
            metric(
                "now.carrier_devices",
                0,
                "datadog.carrier_now is off".to_owned(),
            )
        },
        metric(
            "pipeline.*",
            pipeline_metrics(),
            "at most; `quarantined` has one for each reason that occurs".to_owned(),
        ),
    ];
    if let Some(name) = &facts.legacy_metric {
        metrics.push(MetricCost {
            metric: name.clone(),
            custom_metrics: facts.countries.len() * METRICS_PER_DISTRIBUTION,
            note: format!("a distribution: {METRICS_PER_DISTRIBUTION} for each country"),
        });
    }
    Cost {
        custom_metrics: metrics.iter().map(|metric| metric.custom_metrics).sum(),
        metrics,
        series: sent.len(),
        refused: refused.to_vec(),
        new: sent
            .iter()
            .filter(|series| !facts.sent.contains(series))
            .cloned()
            .collect(),
        tables: tables(facts),
    }
}

fn tables(facts: &Facts) -> Vec<TableCost> {
    let table = |table, rows_per_day, row_bytes, days, most: Option<u64>| {
        let bytes_per_day = rows_per_day * row_bytes;
        let bytes_kept = bytes_per_day * days;
        TableCost {
            table,
            rows_per_day,
            bytes_per_day,
            days,
            // Today's are kept in any case.
            bytes_kept: most.map_or(bytes_kept, |most| bytes_kept.min(most.max(bytes_per_day))),
        }
    };
    vec![
        table(
            "heartbeats",
            facts.devices * SECS_PER_DAY / facts.interval_secs,
            HEARTBEAT_ROW_BYTES,
            facts.heartbeats_days,
            Some(facts.heartbeats_max_bytes),
        ),
        // A device that sends less often than every hour is in fewer of them.
        table(
            "presence",
            facts.devices * HOURS_PER_DAY.min(SECS_PER_DAY / facts.interval_secs),
            PRESENCE_ROW_BYTES,
            facts.presence_days,
            None,
        ),
    ]
}

fn named((country, carrier): &Series) -> String {
    match carrier {
        Some(carrier) => format!("{country}/{carrier}"),
        None => country.to_string(),
    }
}

fn names(series: &[Series]) -> String {
    series.iter().map(named).collect::<Vec<_>>().join(", ")
}

const GB: u64 = 1_000_000_000;

/// Gigabytes with one place behind the point; less in megabytes.
fn size(bytes: u64) -> String {
    if bytes >= GB {
        let tenths = (bytes + GB / 20) / (GB / 10);
        return format!("{}.{} GB", tenths / 10, tenths % 10);
    }
    format!("{} MB", bytes.div_ceil(1_000_000))
}

fn text(facts: &Facts, cost: &Cost) -> String {
    let mut text = String::from("Custom metrics in Datadog\n");
    let metrics = cost.metrics.iter().map(|metric| metric.metric.len());
    let width = metrics.max().unwrap_or(0);
    let mut line = |name: &str, count: usize, note: &str| {
        let row = format!("  {name:<width$}  {count:>6}  {note}");
        text.push_str(row.trim_end());
        text.push('\n');
    };
    for metric in &cost.metrics {
        line(&metric.metric, metric.custom_metrics, &metric.note);
    }
    line("together", cost.custom_metrics, "");
    let _infallible = write_rest(&mut text, facts, cost);
    text
}

fn write_rest(text: &mut String, facts: &Facts, cost: &Cost) -> std::fmt::Result {
    let [(pro, of_pro), (enterprise, of_enterprise)] = INCLUDED_PER_HOST;
    writeln!(
        text,
        "\nWith each infrastructure host come {of_pro} ({pro}) or {of_enterprise} ({enterprise}). The \
         Agent needs one host, if there is none on the machine yet."
    )?;
    writeln!(
        text,
        "Countries and carriers sent: {} of at most {} (datadog.max_series).",
        cost.series, facts.max_series
    )?;
    if !cost.refused.is_empty() {
        writeln!(text, "Refused, as there are more: {}", names(&cost.refused))?;
    }
    if cost.new.is_empty() {
        writeln!(text, "New: none; all of them are being sent.")?;
    } else {
        writeln!(
            text,
            "New, not sent in the last {ALIVE_DAYS} days: {}",
            names(&cost.new)
        )?;
    }
    writeln!(
        text,
        "\nDisk of Postgres, for {} devices that send every {} seconds",
        facts.devices, facts.interval_secs
    )?;
    for table in &cost.tables {
        writeln!(
            text,
            "  {:<10}  {:>13} rows and {:>8} a day; {} kept for {} days",
            table.table,
            table.rows_per_day,
            size(table.bytes_per_day),
            size(table.bytes_kept),
            table.days
        )?;
    }
    Ok(())
}

fn as_json(facts: &Facts, cost: &Cost) -> serde_json::Value {
    let list = |series: &[Series]| series.iter().map(named).collect::<Vec<_>>();
    let included: BTreeMap<_, _> = INCLUDED_PER_HOST
        .iter()
        .map(|(plan, count)| (plan.to_lowercase(), count))
        .collect();
    json!({
        "custom_metrics": cost.custom_metrics,
        "metrics": cost.metrics.iter().map(|metric| json!({
            "metric": metric.metric, "custom_metrics": metric.custom_metrics,
        })).collect::<Vec<_>>(),
        "included_per_host": included,
        "series": cost.series,
        "max_series": facts.max_series,
        "refused": list(&cost.refused),
        "new": list(&cost.new),
        "devices": facts.devices,
        "interval_secs": facts.interval_secs,
        "tables": cost.tables.iter().map(|table| json!({
            "table": table.table, "rows_per_day": table.rows_per_day,
            "bytes_per_day": table.bytes_per_day, "days": table.days,
            "bytes_kept": table.bytes_kept,
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let country = |code: &str| Country::parse(code).unwrap();
        let carriers = |names: &[&str]| names.iter().map(|name| Carrier::slug(name)).collect();
        let (ph, jp) = (country("ph"), country("jp"));
        Facts {
            prefix: "headcount".to_owned(),
            carrier_now: false,
            min_carrier_devices: 20,
            max_series: 100,
            legacy_metric: Some("mccs.connection.hour.count".to_owned()),
            countries: BTreeMap::from([
                (ph, (carriers(&["globe", "smart", "dito"]), 2)),
                (jp, (carriers(&["docomo"]), 0)),
            ]),
            sent: BTreeSet::from([(ph, None), (ph, Some(Carrier::slug("globe")))]),
            devices: 1_000_000,
            interval_secs: 300,
            heartbeats_days: 2,
            heartbeats_max_bytes: 60 * GB,
            presence_days: 35,
        }
    }

    fn of(cost: &Cost) -> Vec<usize> {
        cost.metrics.iter().map(|m| m.custom_metrics).collect()
    }

    #[test]
    fn each_metric_is_counted_with_its_tags() {
        let cost = reckon(&facts());
        assert_eq!(of(&cost), [2, 4, 2, 0, 23, 10]);
        assert_eq!((cost.custom_metrics, cost.series), (41, 6));
        assert_eq!(names(&cost.new), "jp, jp/docomo, ph/dito, ph/smart");
        let more = Facts {
            carrier_now: true,
            legacy_metric: None,
            ..facts()
        };
        assert_eq!(of(&reckon(&more)), [2, 4, 2, 4, 23]);
    }

    #[test]
    fn beyond_the_limit_nothing_is_sent() {
        let limited = Facts {
            max_series: 4,
            ..facts()
        };
        let cost = reckon(&limited);
        assert_eq!(of(&cost), [2, 2, 2, 0, 23, 10]);
        assert_eq!(names(&cost.refused), "ph/globe, ph/smart");
        let text = text(&limited, &cost);
        assert!(text.contains("sent: 4 of at most 4"), "{text}");
        assert!(
            text.contains("Refused, as there are more: ph/globe, ph/smart"),
            "{text}"
        );
    }

    #[test]
    fn disk_follows_from_devices_interval_and_retention() {
        let cost = reckon(&facts());
        let [heartbeats, presence] = &cost.tables[..] else {
            panic!("{:?}", cost.tables);
        };
        assert_eq!(heartbeats.rows_per_day, 288_000_000);
        assert_eq!(heartbeats.bytes_per_day, 288_000_000 * HEARTBEAT_ROW_BYTES);
        assert_eq!(heartbeats.bytes_kept, 60 * GB, "by size, before by days");
        assert_eq!(presence.rows_per_day, 24_000_000);
        assert_eq!(presence.bytes_kept, 35 * presence.bytes_per_day);
        let rare = Facts {
            interval_secs: 6 * 3600,
            heartbeats_max_bytes: 0,
            ..facts()
        };
        let cost = reckon(&rare);
        assert_eq!(cost.tables[1].rows_per_day, 4_000_000);
        assert_eq!(cost.tables[0].bytes_kept, cost.tables[0].bytes_per_day);
    }

    #[test]
    fn sizes_are_rounded() {
        for (bytes, expected) in [
            (0, "0 MB"),
            (1, "1 MB"),
            (999_000_001, "1000 MB"),
            (1_250_000_000, "1.3 GB"),
            (54_144_000_000, "54.1 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn all_is_said_in_both_formats() {
        let (facts, cost) = (facts(), reckon(&facts()));
        let text = text(&facts, &cost);
        for part in [
            "headcount.hour.carrier_devices       4  2 carriers of fewer than 20 devices",
            "mccs.connection.hour.count          10  a distribution: 5 for each country",
            "together                            41\n",
            "100 (Pro) or 200 (Enterprise)",
            "for 1000000 devices that send every 300 seconds",
        ] {
            assert!(text.contains(part), "`{part}`:\n{text}");
        }
        let json = as_json(&facts, &cost);
        assert_eq!(json["custom_metrics"], 41);
        assert_eq!(json["metrics"][5]["custom_metrics"], 10);
        assert_eq!(json["new"][1], "jp/docomo");
        assert_eq!(json["included_per_host"]["pro"], 100);
        assert_eq!(json["tables"][1]["table"], "presence");
    }
}
