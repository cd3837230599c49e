//! `headcount datadog assets`: files for Datadog, made from the countries in use.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use chrono_tz::Tz;
use clap::Args;
use model::{Clock as _, Country};

use super::{dashboard, folder, monitors, terraform};
use crate::app::App;
use crate::config::ConfigError;

/// What the help adds to the arguments.
const HELP: &str = "\
Writes monitors/*.json (bodies for Datadog's API), dashboard.json, service_checks.json and \
headcount.tf, which holds the same as Terraform. Run again, it writes the same, or what has become of \
it; a file that it did not write, or that was changed since, stops it before anything is written.

Links in the monitors' messages start with api.public_url. Nothing is sent to Datadog.";

/// What `datadog assets` is told.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct AssetsArgs {
    /// Where to write; the folder is made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only this country of those in use, as two letters; may be given several times
    #[arg(long, value_name = "COUNTRY", conflicts_with = "countries")]
    country: Vec<String>,
    /// These countries, without asking the database; separated by commas
    #[arg(long, value_name = "COUNTRIES", value_delimiter = ',')]
    countries: Vec<String>,
    /// Whom the monitors tell, such as @slack-fleet-alerts; may be given several times
    #[arg(long, value_name = "HANDLE", value_parser = handle)]
    notify: Vec<String>,
    /// The devices below which a country is certainly not well, such as ph=1200 [default: 1]
    #[arg(long, value_name = "COUNTRY=DEVICES", value_parser = floor)]
    floor: Vec<(Country, u32)>,
    /// Write over files that were changed, or that were not made by this command
    #[arg(long)]
    force: bool,
}

/// A country to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watched {
    /// Its code.
    pub(super) country: Country,
    /// Its English name.
    pub(super) name: String,
    /// The clock by which its weeks repeat.
    pub(super) time_zone: Tz,
    /// Below so many reachable devices it is certainly not well.
    pub(super) floor_devices: u32,
}

/// Everything that the files are made from.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What metric names start with.
    pub(super) prefix: String,
    /// The `env` tag of all counts, if there is one.
    pub(super) env: Option<String>,
    /// What links to the page start with, without a slash at the end.
    pub(super) public_url: String,
    /// Whom monitors tell.
    pub(super) handles: Vec<String>,
    /// Sorted by code.
    pub(super) countries: Vec<Watched>,
}

/// The longest a handle may be.
const MAX_HANDLE_CHARS: usize = 200;

fn handle(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@._-+".contains(c);
    let name = text.strip_prefix('@').unwrap_or_default();
    if name.is_empty() || text.len() > MAX_HANDLE_CHARS || !text.chars().all(is_plain) {
        return Err("it begins with @ and has no blanks, such as @slack-fleet-alerts".to_owned());
    }
    Ok(text.to_owned())
}

fn floor(text: &str) -> Result<(Country, u32), String> {
    let wanted = "it names a country and its devices, such as ph=1200";
    let (country, devices) = text.split_once('=').ok_or(wanted)?;
    let country = Country::parse(country).map_err(|error| error.to_string())?;
    let devices = devices.parse().ok().filter(|devices| *devices > 0);
    Ok((country, devices.ok_or(wanted)?))
}

/// Writes the files, and says which.
pub(crate) async fn assets(args: &AssetsArgs, app: &App) -> anyhow::Result<()> {
    let public_url = public_url(app)?;
    let zones = if args.countries.is_empty() {
        zones_in_use(&args.country, app).await?
    } else {
        zones_named(&args.countries, app)?
    };
    let floors: BTreeMap<Country, u32> = args.floor.iter().copied().collect();
    if let Some(country) = floors.keys().find(|country| !zones.contains_key(country)) {
        bail!("--floor {country}: there is no such country among those that are watched");
    }
    let countries = zones
        .into_iter()
        .map(|(country, time_zone)| {
            let info = app.catalogue.country(country);
            Watched {
                country,
                name: info.map_or_else(|| country.to_string(), |info| info.name_en.clone()),
                time_zone,
                floor_devices: floors.get(&country).copied().unwrap_or(1),
            }
        })
        .collect();
    let datadog = &app.config.file.datadog;
    let plan = Plan {
        prefix: datadog.prefix.clone(),
        env: app
            .config
            .exporter()
            .env
            .map(|env| exporter::dogstatsd::line::tag_value(&env)),
        public_url,
        handles: args.notify.clone(),
        countries,
    };
    let written = folder::write(&args.out, &files(&plan)?, args.force)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}: {} countries, {} files written, {} unchanged, {} removed",
        args.out.display(),
        plan.countries.len(),
        written.written,
        written.unchanged,
        written.removed
    )?;
    Ok(())
}

/// All files, by their path in the folder.
fn files(plan: &Plan) -> anyhow::Result<BTreeMap<String, String>> {
    let monitors = monitors::monitors(plan);
    let mut files = BTreeMap::new();
    for monitor in &monitors {
        let name = format!("monitors/{}.json", monitor.key);
        files.insert(name, pretty(&monitor.to_json())?);
    }
    let dashboard = dashboard::dashboard(plan);
    files.insert("dashboard.json".to_owned(), pretty(&dashboard)?);
    let checks = monitors::service_checks(plan);
    files.insert("service_checks.json".to_owned(), pretty(&checks)?);
    files.insert("headcount.tf".to_owned(), terraform::module(&monitors));
    Ok(files)
}

fn pretty(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn public_url(app: &App) -> Result<String, ConfigError> {
    let wrong = |problem: &str| ConfigError {
        key: "api.public_url".to_owned(),
        problem: problem.to_owned(),
    };
    let url = app.config.file.api.public_url.as_deref();
    let url = url.ok_or_else(|| {
        wrong("links in alerts start with it: set it to what people open the page with")
    })?;
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]@%".contains(c);
    if !is_web || !url.chars().all(is_plain) {
        return Err(wrong(
            "it looks like https://headcount.example.com, with no query and no blanks",
        ));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// The countries in use and their zones, or those of them that were asked for. What cannot be placed
/// has no clock and no rhythm, and is not watched.
async fn zones_in_use(wanted: &[String], app: &App) -> anyhow::Result<BTreeMap<Country, Tz>> {
    app.anchor().await?;
    let now = app.clock.now();
    let mut in_use: BTreeMap<Country, Tz> = app
        .store
        .countries()
        .await?
        .into_iter()
        .filter(|(country, _)| *country != Country::UNPLACEABLE)
        .map(|(country, row)| (country, row.zones.zone_at(now)))
        .collect();
    if in_use.is_empty() {
        bail!("nothing was heard yet: name the countries with --countries ph,id");
    }
    let wanted = wanted
        .iter()
        .map(|text| Country::parse(text))
        .collect::<Result<BTreeSet<_>, _>>()?;
    if let Some(country) = wanted.iter().find(|country| !in_use.contains_key(country)) {
        let known: Vec<_> = in_use.keys().map(ToString::to_string).collect();
        let known = known.join(", ");
        bail!("--country {country}: nothing was ever heard there; in use are: {known}");
    }
    if !wanted.is_empty() {
        in_use.retain(|country, _| wanted.contains(country));
    }
    Ok(in_use)
}

/// Countries by name, with their zones by configuration and catalogue.
fn zones_named(names: &[String], app: &App) -> anyhow::Result<BTreeMap<Country, Tz>> {
    let mut zones = BTreeMap::new();
    for name in names {
        let country = Country::parse(name.trim())?;
        if app.catalogue.country(country).is_none() {
            bail!("--countries {country}: there is no such country");
        }
        let settings = app.config.country_settings(country, &app.catalogue);
        zones.insert(country, settings.time_zone);
    }
    Ok(zones)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What the example in the repository is made from.
    pub(in super::super) fn example() -> Plan {
        let watched = |code: &str, name: &str, time_zone, floor_devices| Watched {
            country: Country::parse(code).unwrap(),
            name: name.to_owned(),
            time_zone,
            floor_devices,
        };
        Plan {
            prefix: "headcount".to_owned(),
            env: Some("prod".to_owned()),
            public_url: "https://headcount.example.com".to_owned(),
            handles: vec!["@slack-fleet-alerts".to_owned()],
            countries: vec![
                watched("in", "India", Tz::Asia__Kolkata, 1),
                watched("ph", "Philippines", Tz::Asia__Manila, 1200),
            ],
        }
    }

    /// Kept in the repository, so that a change shows and people can look before they run anything.
    #[test]
    fn the_example_in_the_repository_is_up_to_date() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/datadog/example");
        let files = files(&example()).unwrap();
        if std::env::var_os("UPDATE_DATADOG_EXAMPLE").is_some() {
            folder::write(&folder, &files, true).unwrap();
        }
        for (name, text) in &files {
            let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(
                committed == *text,
                "deploy/datadog/example/{name} differs; if the change is meant, refresh it with\n\n    \
                 UPDATE_DATADOG_EXAMPLE=1 cargo test -p headcount --bin headcount datadog\n"
            );
        }
        let again = folder::write(&folder, &files, false).unwrap();
        assert_eq!((again.written, again.removed), (0, 0));
    }

    #[test]
    fn handles_and_floors_are_checked() {
        assert_eq!(handle("@slack-fleet").unwrap(), "@slack-fleet");
        assert_eq!(handle("@a.b+c@example.com").unwrap(), "@a.b+c@example.com");
        for text in ["slack", "@", "@slack fleet", "@{{x}}", "@a\n@b"] {
            assert!(handle(text).is_err(), "{text}");
        }
        let ph = Country::parse("ph").unwrap();
        assert_eq!(floor("ph=1200").unwrap(), (ph, 1200));
        for text in ["ph", "ph=", "ph=0", "phl=3", "ph=-1", "=3"] {
            assert!(floor(text).is_err(), "{text}");
        }
    }
}
