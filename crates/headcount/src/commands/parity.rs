//! `headcount parity`: another system's hourly counts beside ours, and why they differ.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use chrono::TimeDelta;
use clap::{Args, ValueEnum};
use model::{Country, Hour, Instant, ZoneHistory};
use store::parity::Comparison;

use super::old_counts::{CountryNames, hour_start};
use super::report::{self, Report};
use super::rows::{Input, OneOf, Row, RowStream};
use crate::app::App;

mod explain;
mod print;

use explain::{Listed, Ours, Reason};

/// What the help adds to the arguments.
const HELP: &str = "\
OLD has the columns hour, country and count, as `import hours` takes them; its hours last an hour each, \
and need not be ours. DEVICES, if there is one, is what the old job counted: device_id, country and time. \
With it every difference is followed to single devices; without it a reason is only a possible one.

late: heard by us after the hour had ended, when the old job had counted. duplicate: the old job counted \
rows and not devices. roamer: counted in another country. zone: counted in the hour before or after, \
because the two cut time at other places. gap: our own count is a lower bound. unknown: none of these.

Exit code 0 when all counts are equal within the tolerance, 1 otherwise.";

/// What `parity` is told.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct ParityArgs {
    /// File with the old counts; `-` for standard input
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// File with the devices that the old job counted
    #[arg(long, value_name = "FILE")]
    devices: Option<PathBuf>,
    /// How much an hour may differ: devices (5), or a share of our count (2%)
    #[arg(long, default_value = "0")]
    tolerance: Tolerance,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

/// How much an hour may differ.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Tolerance {
    Devices(i64),
    /// Of our count.
    Percent(f64),
}

impl std::str::FromStr for Tolerance {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a number of devices, such as 5, or a share, such as 2%";
        match text.strip_suffix('%') {
            Some(percent) => match percent.parse() {
                Ok(percent @ 0.0..=100.0) => Ok(Self::Percent(percent)),
                _ => Err(wrong),
            },
            None => match text.parse() {
                Ok(devices @ 0..) => Ok(Self::Devices(devices)),
                _ => Err(wrong),
            },
        }
    }
}

impl Tolerance {
    fn allows(self, difference: i64, ours: i64) -> bool {
        match self {
            Self::Devices(devices) => difference.abs() <= devices,
            Self::Percent(percent) => difference.abs() as f64 <= ours as f64 * percent / 100.0,
        }
    }
}

/// The columns without which the old counts make no sense.
const OLD: &[OneOf] = &[&["hour"], &["country"], &["count"]];

/// The same for the list of devices.
const DEVICES: &[OneOf] = &[&["device_id"], &["country"], &["time"]];

/// How long an hour of the old job lasts.
const OLD_HOUR: TimeDelta = TimeDelta::hours(1);

/// The most rows of a list of devices; it is held in memory.
const MAX_LISTED: u64 = 20_000_000;

/// One hour of one country, by both.
#[derive(Debug)]
struct Compared {
    country: Country,
    /// When the old job's hour starts, or ours where it has none.
    start: Instant,
    /// For showing it by the country's clock.
    zones: ZoneHistory,
    old: Option<i64>,
    ours: Option<i64>,
    is_equal: bool,
    reasons: Vec<Reason>,
}

/// The old job's counts by country and start.
type OldCounts = BTreeMap<(Country, Instant), i64>;

/// Compares, prints and judges.
pub(crate) async fn parity(args: ParityArgs, app: &App) -> anyhow::Result<ExitCode> {
    let names = app.country_names();
    let zones: HashMap<Country, ZoneHistory> = app
        .store
        .countries()
        .await?
        .into_iter()
        .map(|(country, row)| (country, row.zones))
        .collect();
    let zones_of = |country: Country| {
        zones.get(&country).cloned().unwrap_or_else(|| {
            let settings = app.config.country_settings(country, &app.catalogue);
            ZoneHistory::always(settings.time_zone)
        })
    };
    let (old, mut is_clean) = read_old(args.old, &names, &zones_of).await?;
    if old.is_empty() {
        bail!("there are no counts to compare with: the input has no row that can be used");
    }
    let listed = match args.devices {
        None => None,
        Some(file) => {
            let (listed, clean) = read_listed(file, &names, &old).await?;
            is_clean &= clean;
            Some(listed)
        }
    };
    let mut comparison = app.store.begin_comparison().await?;
    let mut compared = Vec::new();
    for ((country, start), count) in &old {
        let zones = zones_of(*country);
        let ours = ours(app, &mut comparison, *country, *start, &zones).await?;
        let difference = ours.as_ref().map(|ours| count - ours.devices);
        let is_equal = match (&ours, difference) {
            (Some(ours), Some(difference)) => args.tolerance.allows(difference, ours.devices),
            _ => false,
        };
        let reasons = match (&ours, &listed) {
            (None, _) => vec![Reason::not_counted(*count)],
            // Two counts may be the same number of different devices.
            (Some(ours), Some(listed)) => {
                explain::proven(&mut comparison, *country, *start, *count, ours, listed).await?
            }
            (Some(_), None) if difference == Some(0) => Vec::new(),
            (Some(ours), None) => {
                explain::possible(&mut comparison, *country, *start, *count, ours).await?
            }
        };
        compared.push(Compared {
            country: *country,
            start: *start,
            zones,
            old: Some(*count),
            ours: ours.map(|ours| ours.devices),
            is_equal,
            reasons,
        });
    }
    compared.extend(only_ours(app, &old, &zones_of).await?);
    compared.sort_by_key(|hour| (hour.country, hour.start));
    let text = match args.format {
        Format::Table => print::table(&compared),
        Format::Json => print::json(&compared)?,
        Format::Csv => print::csv(&compared)?,
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    let all_equal = compared.iter().all(|hour| hour.is_equal);
    Ok(if all_equal && is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Goes through a file's rows. Bad ones are told, and whether there were none is returned.
async fn read_rows(
    file: PathBuf,
    required: &'static [OneOf],
    mut take: impl FnMut(&Row) -> Result<(), String>,
) -> anyhow::Result<bool> {
    let input = Input { file, format: None };
    let bar = report::bar(input.bytes());
    let mut report = Report::new(bar.clone());
    let mut rows = RowStream::start(input, required, bar)?;
    while let Some(line) = rows.next().await? {
        match line.row.and_then(|row| take(&row)) {
            Ok(()) => report.done += 1,
            Err(reason) => report.bad(line.number, &reason),
        }
        if report.done > MAX_LISTED {
            bail!("more than {MAX_LISTED} rows: compare one day after the other");
        }
    }
    Ok(report.finish("read", Vec::new()).is_clean())
}

async fn read_old(
    file: PathBuf,
    names: &CountryNames,
    zones_of: &impl Fn(Country) -> ZoneHistory,
) -> anyhow::Result<(OldCounts, bool)> {
    let mut old = OldCounts::new();
    let is_clean = read_rows(file, OLD, |row| {
        let country = names.country(&row.required_text("country")?)?;
        let count = row.count("count")?.ok_or("no `count`")?;
        let text = row.required_text("hour")?;
        let start = hour_start(&text, country, &zones_of(country))?;
        // Of an hour that comes twice, the later row holds, as with `import hours`.
        old.insert((country, start), count.into());
        Ok(())
    })
    .await?;
    Ok((old, is_clean))
}

/// The devices that the old job counted, by its hours. A row outside of them belongs to none.
async fn read_listed(
    file: PathBuf,
    names: &CountryNames,
    old: &OldCounts,
) -> anyhow::Result<(Listed, bool)> {
    let mut listed = Listed::default();
    let is_clean = read_rows(file, DEVICES, |row| {
        let country = names.country(&row.required_text("country")?)?;
        let time = row.instant("time")?.ok_or("no `time`")?;
        let id = row.device_id()?;
        let hours = old.range((country, Instant::MIN_UTC)..=(country, time));
        if let Some(((_, start), _)) = hours
            .last()
            .filter(|((_, start), _)| time - start < OLD_HOUR)
        {
            listed.add(country, *start, id.as_str());
        }
        Ok(())
    })
    .await?;
    Ok((listed, is_clean))
}

/// Our hour that an hour of the old job is compared with, and its count. Where the two do not begin
/// together it is the one in which the middle of the other lies.
async fn ours(
    app: &App,
    comparison: &mut Comparison,
    country: Country,
    start: Instant,
    zones: &ZoneHistory,
) -> anyhow::Result<Option<Ours>> {
    let same = zones.hour_at(start);
    let hour = if same.start == start {
        same
    } else {
        zones.hour_at(start + OLD_HOUR / 2)
    };
    let rows = app
        .store
        .hourly_counts(country, hour.start, hour.end)
        .await?;
    // An imported number is the old job's own.
    if let Some(row) = rows.into_iter().find(|row| !row.imported) {
        return Ok(Some(Ours {
            hour,
            devices: row.counts.devices,
            is_complete: row.complete,
        }));
    }
    let heard = comparison.devices_in(country, hour).await?.len();
    Ok((heard > 0).then(|| Ours {
        hour,
        devices: i64::try_from(heard).unwrap_or(i64::MAX),
        // Not closed yet, or closed as imported: more may have been heard of it elsewhere.
        is_complete: false,
    }))
}

/// Hours that we have between the first and the last of the old job, and it has not. Where it cuts
/// time elsewhere than we do, that cannot be said.
async fn only_ours(
    app: &App,
    old: &OldCounts,
    zones_of: &impl Fn(Country) -> ZoneHistory,
) -> anyhow::Result<Vec<Compared>> {
    let countries: BTreeSet<Country> = old.keys().map(|(country, _)| *country).collect();
    let mut missing = Vec::new();
    for country in countries {
        let zones = zones_of(country);
        let starts: BTreeSet<Instant> = old
            .range((country, Instant::MIN_UTC)..=(country, Instant::MAX_UTC))
            .map(|((_, start), _)| *start)
            .collect();
        let (Some(first), Some(last)) = (starts.first(), starts.last()) else {
            continue;
        };
        let is_aligned = |start: &Instant| zones.hour_at(*start).start == *start;
        if !starts.iter().all(is_aligned) {
            continue;
        }
        let rows = app.store.hourly_counts(country, *first, *last).await?;
        for row in rows {
            let Hour { start, .. } = row.hour;
            if row.imported || starts.contains(&start) {
                continue;
            }
            missing.push(Compared {
                country,
                start,
                zones: zones.clone(),
                old: None,
                ours: Some(row.counts.devices),
                is_equal: false,
                reasons: vec![Reason::not_listed(row.counts.devices)],
            });
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_are_devices_or_a_share() {
        let tolerance = |text: &str| text.parse::<Tolerance>();
        assert_eq!(tolerance("5").unwrap(), Tolerance::Devices(5));
        assert_eq!(tolerance("2.5%").unwrap(), Tolerance::Percent(2.5));
        for text in ["", "-1", "x", "%", "-1%", "101%", "NaN%"] {
            assert!(tolerance(text).is_err(), "{text}");
        }
        assert!(tolerance("5").unwrap().allows(-5, 0));
        assert!(!tolerance("5").unwrap().allows(6, 1000));
        assert!(tolerance("2%").unwrap().allows(-20, 1000));
        assert!(!tolerance("2%").unwrap().allows(21, 1000));
        assert!(tolerance("0%").unwrap().allows(0, 0));
    }
}
