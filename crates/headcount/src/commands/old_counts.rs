//! Hourly counts of another system: how it names countries and hours.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::NaiveDateTime;
use model::{Catalogue, Country, Instant, ZoneHistory};

use super::rows::{instant, shown};

/// How a date and time without an offset may be written; seconds may have a fraction.
const FORMATS: [&str; 4] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
];

/// What stands behind a time by UTC where SQL engines write it.
const UTC_SUFFIX: &str = " UTC";

/// Countries by their code, their English name, or the name that the old metric had for them.
#[derive(Debug)]
pub(crate) struct CountryNames {
    catalogue: Arc<Catalogue>,
    by_name: BTreeMap<String, Country>,
}

impl CountryNames {
    /// The names of the catalogue, and those of the old metric, which win.
    pub(crate) fn new(catalogue: Arc<Catalogue>, legacy: Option<&exporter::Legacy>) -> Self {
        let mut by_name: BTreeMap<String, Country> = catalogue
            .countries()
            .map(|info| (plain(&info.name_en), info.country))
            .collect();
        let no_names = HashMap::new();
        let own = legacy.map_or(&no_names, |legacy| &legacy.countries);
        by_name.extend(own.iter().map(|(country, name)| (plain(name), *country)));
        Self { catalogue, by_name }
    }

    /// The country that a text names.
    pub(super) fn country(&self, text: &str) -> Result<Country, String> {
        let by_code = Country::parse(text)
            .ok()
            .filter(|country| self.catalogue.country(*country).is_some());
        by_code
            .or_else(|| self.by_name.get(&plain(text)).copied())
            .ok_or_else(|| {
                format!(
                    "`country` is {}: neither a code nor an English name",
                    shown(text)
                )
            })
    }
}

/// A name without the differences that tags make: `South Korea`, `south_korea`, `south-korea`.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', '-'], " ")
}

/// The instant at which an hour starts, written with an offset or by the country's clock.
pub(super) fn hour_start(
    text: &str,
    country: Country,
    zones: &ZoneHistory,
) -> Result<Instant, String> {
    if let Some(start) = instant(text) {
        return Ok(start);
    }
    let read = |text: &str| {
        FORMATS
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    };
    if let Some(by_utc) = text.strip_suffix(UTC_SUFFIX).and_then(read) {
        return Ok(by_utc.and_utc());
    }
    let local = read(text);
    let Some(local) = local else {
        return Err(format!(
            "`hour` is {}: RFC 3339, or local date and time as in `2026-11-21T10:00`",
            shown(text)
        ));
    };
    zones.instant_of(local).ok_or_else(|| {
        format!(
            "`hour` is {}: the clock of `{country}` skips that time",
            shown(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_local_unless_they_say_otherwise() {
        let ph = Country::parse("ph").unwrap();
        let zones = ZoneHistory::always(chrono_tz::Tz::Asia__Manila);
        let start = |text: &str| hour_start(text, ph, &zones);
        let ten: Instant = "2026-11-21T02:00:00Z".parse().unwrap();
        for text in [
            "2026-11-21T10:00",
            "2026-11-21 10:00",
            "2026-11-21T10:00:00",
            "2026-11-21 10:00:00.000",
            "2026-11-21 02:00:00.000 UTC",
            "2026-11-21T02:00:00.000Z",
            "2026-11-21T10:00:00+08:00",
            "1795226400",
        ] {
            assert_eq!(start(text), Ok(ten), "{text}");
        }
        for text in ["", "10:00", "2026-11-21 10:00 Asia/Manila", "UTC", " UTC"] {
            assert!(start(text).is_err(), "{text}");
        }
    }

    #[test]
    fn countries_go_by_code_by_name_and_by_the_old_metrics_name() {
        let ph = Country::parse("ph").unwrap();
        let kr = Country::parse("kr").unwrap();
        let legacy = exporter::Legacy {
            metric: "old".to_owned(),
            countries: HashMap::from([(ph, "Pilipinas".to_owned())]),
        };
        let names = CountryNames::new(Arc::new(Catalogue::builtin()), Some(&legacy));
        for text in ["ph", "PH", "Philippines", "philippines", "pilipinas"] {
            assert_eq!(names.country(text).unwrap(), ph, "{text}");
        }
        for text in ["South Korea", "south_korea", "south-korea"] {
            assert_eq!(names.country(text).unwrap(), kr, "{text}");
        }
        for text in ["", "qq", "Atlantis"] {
            assert!(names.country(text).is_err(), "{text}");
        }
    }
}
