//! Which country and carrier a network code means.
//!
//! The tables are data, in this crate's `data` folder, and compiled in. What an installation knows
//! better is laid over them at start: see [`Catalogue::with_networks`] and
//! [`Catalogue::with_countries`].

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono_tz::Tz;

use crate::{Carrier, Country, Mcc, Plmn, QuickMap, Segment};

const NETWORKS: &str = include_str!("../data/networks.csv");
const COUNTRIES: &str = include_str!("../data/countries.csv");
const MCCS: &str = include_str!("../data/mccs.csv");

const NETWORKS_HEADER: [&str; 4] = ["plmn", "country", "carrier", "brand"];
const COUNTRIES_HEADER: [&str; 4] = ["country", "name_en", "name_ja", "time_zone"];
const MCCS_HEADER: [&str; 2] = ["mcc", "country"];

/// The most characters a display name may have.
pub const NAME_MAX_CHARS: usize = 60;

/// Countries, their carriers, and the network codes that name both.
///
/// Make one at start and share it: a lookup is one probe of a hash table and allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    networks: QuickMap<Plmn, Network>,
    mccs: QuickMap<Mcc, Country>,
    countries: BTreeMap<Country, CountryInfo>,
    carriers: HashMap<Segment, String>,
}

/// What a network code means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The country the network is in, and the carrier that runs it.
    pub segment: Segment,
    /// The carrier's display name; the same on all networks of one segment.
    pub brand: String,
}

/// A country as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountryInfo {
    /// Its code.
    pub country: Country,
    /// Its everyday name in English.
    pub name_en: String,
    /// Its everyday name in Japanese.
    pub name_ja: String,
    /// Its one reporting time zone: the clock by which its hours are counted.
    pub time_zone: Tz,
}

/// A line of an override file is wrong; nothing of the file was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CatalogueError {
    /// The line in the text, counted from 1, comments and empty lines included.
    pub line: usize,
    /// What is wrong with it.
    pub reason: RowError,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The first line that is no comment does not name the columns.
    #[error("the first line must be `{expected}`")]
    Header {
        /// The line that belongs there.
        expected: String,
    },
    /// Too many or too few cells.
    #[error("{found} columns where there must be {expected}")]
    Columns {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A quotation mark opens a cell and none closes it.
    #[error("a quotation mark is not closed")]
    Quote,
    /// The key of the line is on an earlier line too.
    #[error("`{0}` is on an earlier line too")]
    Duplicate(String),
    /// Not a network code.
    #[error("`{0}` is no network code: three digits, `-`, and two or three digits, as in `515-02`")]
    Plmn(String),
    /// MCC 901: satellites and global SIM cards.
    #[error("`{0}` belongs to no country: MCC 901 is shared by satellites and global SIM cards")]
    International(String),
    /// Not a mobile country code.
    #[error("`{0}` is no mobile country code: three digits")]
    Mcc(String),
    /// Not two letters, or `zz`.
    #[error("`{0}` is no country: two letters, as in ISO 3166-1 alpha-2")]
    Country(String),
    /// Two letters that the catalogue does not know.
    #[error("`{0}` is not a country in the catalogue")]
    UnknownCountry(Country),
    /// Not a slug.
    #[error("`{0}` is no carrier: lower-case a-z, 0-9 and single hyphens, at most {max} characters", max = Carrier::MAX_LEN)]
    Carrier(String),
    /// `unknown` and `other` are not carriers, but say that there is none to name.
    #[error("`{0}` is reserved")]
    Reserved(Carrier),
    /// A display name that cannot be displayed.
    #[error("`{0}` is no name: 1 to {NAME_MAX_CHARS} characters that can be printed")]
    Name(String),
    /// One carrier, two display names.
    #[error("{segment} is called `{earlier}` on an earlier line")]
    OtherName {
        /// The carrier.
        segment: Segment,
        /// Its name there.
        earlier: String,
    },
    /// Not a zone of the tz database.
    #[error("`{0}` is no time zone: an IANA name, as in `Asia/Manila`")]
    TimeZone(String),
}

impl Catalogue {
    /// The catalogue as shipped. Parses the embedded tables, so call it once.
    #[must_use]
    pub fn builtin() -> Self {
        // A line that does not parse would be left out rather than stop the service; a test proves
        // that there is none.
        Self::load(COUNTRIES, MCCS, NETWORKS).0
    }

    /// Lays network codes over the catalogue: CSV with the columns `plmn,country,carrier,brand`.
    ///
    /// Lines that start with `#` are comments. A code that is known already gets the new meaning.
    /// A carrier that is known already gets the new display name on all of its networks.
    ///
    /// # Errors
    /// With the first line that is wrong, and why. Also when a code is there twice, or one carrier
    /// has two names.
    pub fn with_networks(mut self, csv_text: &str) -> Result<Self, CatalogueError> {
        for row in self.network_rows(csv_text) {
            let (plmn, network) = row?;
            self.insert_network(plmn, network);
        }
        for network in self.networks.values_mut() {
            if let Some(name) = self.carriers.get(&network.segment)
                && network.brand != *name
            {
                network.brand.clone_from(name);
            }
        }
        Ok(self)
    }

    /// Lays countries over the catalogue: CSV with the columns
    /// `country,name_en,name_ja,time_zone`.
    ///
    /// Meant for another reporting zone or another name. A code that the catalogue does not know is
    /// added, so that networks can be placed in it.
    ///
    /// # Errors
    /// With the first line that is wrong, and why.
    pub fn with_countries(mut self, csv_text: &str) -> Result<Self, CatalogueError> {
        for row in country_rows(csv_text) {
            let info = row?;
            self.countries.insert(info.country, info);
        }
        Ok(self)
    }

    /// The country and carrier of a network, if its code is known. `02` and `002` are different.
    #[must_use]
    pub fn network(&self, plmn: Plmn) -> Option<&Network> {
        self.networks.get(&plmn)
    }

    /// The country of a mobile country code; of a shared one, the largest country that uses it.
    /// None for 901 and for codes that are not in use.
    #[must_use]
    pub fn country_of_mcc(&self, mcc: Mcc) -> Option<Country> {
        self.mccs.get(&mcc).copied()
    }

    /// Names and zone of a country. None for [`Country::UNPLACEABLE`] and for letters that ISO
    /// has not assigned.
    #[must_use]
    pub fn country(&self, country: Country) -> Option<&CountryInfo> {
        self.countries.get(&country)
    }

    /// All countries, in the order of their codes.
    pub fn countries(&self) -> impl Iterator<Item = &CountryInfo> {
        self.countries.values()
    }

    /// The display name of a carrier: `Globe` for `ph/globe`. None for carriers without a network
    /// in the catalogue, and for `unknown` and `other`.
    #[must_use]
    pub fn carrier_name(&self, segment: &Segment) -> Option<&str> {
        self.carriers.get(segment).map(String::as_str)
    }

    /// Reads all three tables: the lines that are right, and what is wrong with the others.
    fn load(countries: &str, mccs: &str, networks: &str) -> (Self, Vec<CatalogueError>) {
        let mut catalogue = Self::default();
        let mut errors = Vec::new();
        for row in country_rows(countries) {
            match row {
                Ok(info) => drop(catalogue.countries.insert(info.country, info)),
                Err(error) => errors.push(error),
            }
        }
        for row in catalogue.mcc_rows(mccs) {
            match row {
                Ok((mcc, country)) => drop(catalogue.mccs.insert(mcc, country)),
                Err(error) => errors.push(error),
            }
        }
        for row in catalogue.network_rows(networks) {
            match row {
                Ok((plmn, network)) => catalogue.insert_network(plmn, network),
                Err(error) => errors.push(error),
            }
        }
        (catalogue, errors)
    }

    fn insert_network(&mut self, plmn: Plmn, network: Network) {
        self.carriers
            .insert(network.segment.clone(), network.brand.clone());
        self.networks.insert(plmn, network);
    }

    fn mcc_rows(&self, text: &str) -> Vec<Result<(Mcc, Country), CatalogueError>> {
        let mut seen = HashSet::new();
        read(text, MCCS_HEADER, |[mcc_text, country]| {
            let Some(mcc) = Mcc::parse(&mcc_text) else {
                return Err(RowError::Mcc(mcc_text));
            };
            if mcc.is_international() {
                return Err(RowError::International(mcc_text));
            }
            if !seen.insert(mcc) {
                return Err(RowError::Duplicate(mcc_text));
            }
            Ok((mcc, self.known_country(country)?))
        })
    }

    fn network_rows(&self, text: &str) -> Vec<Result<(Plmn, Network), CatalogueError>> {
        let mut seen = HashSet::new();
        let mut names: HashMap<Segment, String> = HashMap::new();
        read(
            text,
            NETWORKS_HEADER,
            |[plmn_text, country, carrier, brand]| {
                let Some(plmn) = Plmn::parse(&plmn_text) else {
                    return Err(RowError::Plmn(plmn_text));
                };
                if plmn.mcc.is_international() {
                    return Err(RowError::International(plmn_text));
                }
                if !seen.insert(plmn) {
                    return Err(RowError::Duplicate(plmn_text));
                }
                let country = self.known_country(country)?;
                let segment = Segment {
                    country,
                    carrier: carrier_slug(carrier)?,
                };
                let brand = name(brand)?;
                match names.get(&segment) {
                    Some(earlier) if *earlier != brand => {
                        return Err(RowError::OtherName {
                            segment,
                            earlier: earlier.clone(),
                        });
                    }
                    Some(_) => {}
                    None => drop(names.insert(segment.clone(), brand.clone())),
                }
                Ok((plmn, Network { segment, brand }))
            },
        )
    }

    fn known_country(&self, text: String) -> Result<Country, RowError> {
        let country = any_country(text)?;
        if self.countries.contains_key(&country) {
            Ok(country)
        } else {
            Err(RowError::UnknownCountry(country))
        }
    }
}

fn country_rows(text: &str) -> Vec<Result<CountryInfo, CatalogueError>> {
    let mut seen = HashSet::new();
    read(
        text,
        COUNTRIES_HEADER,
        |[country, name_en, name_ja, zone]| {
            let country = any_country(country)?;
            if !seen.insert(country) {
                return Err(RowError::Duplicate(country.as_str().to_owned()));
            }
            let Ok(time_zone) = zone.parse() else {
                return Err(RowError::TimeZone(zone));
            };
            Ok(CountryInfo {
                country,
                name_en: name(name_en)?,
                name_ja: name(name_ja)?,
                time_zone,
            })
        },
    )
}

fn any_country(text: String) -> Result<Country, RowError> {
    match Country::parse(&text) {
        Ok(country) if country != Country::UNPLACEABLE => Ok(country),
        _ => Err(RowError::Country(text)),
    }
}

fn carrier_slug(text: String) -> Result<Carrier, RowError> {
    let carrier = Carrier::slug(&text);
    if carrier.as_str() != text {
        return Err(RowError::Carrier(text));
    }
    if carrier == Carrier::unknown() || carrier == Carrier::other() {
        return Err(RowError::Reserved(carrier));
    }
    Ok(carrier)
}

fn name(text: String) -> Result<String, RowError> {
    let printable = !text.is_empty() && !text.contains(char::is_control);
    if printable && text.chars().count() <= NAME_MAX_CHARS {
        Ok(text)
    } else {
        Err(RowError::Name(text))
    }
}

/// Reads CSV with a header, comments and empty lines, one result per line.
fn read<const N: usize, T>(
    text: &str,
    header: [&str; N],
    mut parse: impl FnMut([String; N]) -> Result<T, RowError>,
) -> Vec<Result<T, CatalogueError>> {
    // Spreadsheets put a byte order mark in front of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let (header_line, found) = lines.next().unwrap_or((1, ""));
    if cells(found)
        .as_ref()
        .map(|cells| cells.each_ref().map(String::as_str))
        != Ok(header)
    {
        let reason = RowError::Header {
            expected: header.join(","),
        };
        return vec![Err(CatalogueError {
            line: header_line,
            reason,
        })];
    }
    lines
        .map(|(line, text)| {
            cells(text)
                .and_then(&mut parse)
                .map_err(|reason| CatalogueError { line, reason })
        })
        .collect()
}

/// The cells of one line: separated by commas, in quotation marks where a cell has a comma.
fn cells<const N: usize>(line: &str) -> Result<[String; N], RowError> {
    let mut cells = Vec::with_capacity(N);
    let mut cell = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // Two in a row inside a quoted cell stand for one.
            '"' if quoted && characters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            other => cell.push(other),
        }
    }
    if quoted {
        return Err(RowError::Quote);
    }
    cells.push(cell.trim().to_owned());
    let found = cells.len();
    cells
        .try_into()
        .map_err(|_| RowError::Columns { expected: N, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plmn(text: &str) -> Plmn {
        Plmn::parse(text).unwrap()
    }

    fn country(text: &str) -> Country {
        Country::parse(text).unwrap()
    }

    fn segment_of(catalogue: &Catalogue, text: &str) -> String {
        catalogue
            .network(plmn(text))
            .map_or("-".to_owned(), |network| network.segment.to_string())
    }

    fn line_and_reason(result: Result<Catalogue, CatalogueError>) -> (usize, RowError) {
        let error = result.unwrap_err();
        (error.line, error.reason)
    }

    #[test]
    fn every_shipped_line_is_right_and_there_once() {
        let (catalogue, errors) = Catalogue::load(COUNTRIES, MCCS, NETWORKS);
        assert_eq!(errors, []);
        let data_lines =
            |text: &str| text.lines().filter(|line| !line.starts_with('#')).count() - 1;
        assert_eq!(catalogue.networks.len(), data_lines(NETWORKS));
        assert_eq!(catalogue.mccs.len(), data_lines(MCCS));
        assert_eq!(catalogue.countries.len(), data_lines(COUNTRIES));
    }

    #[test]
    fn every_iso_country_has_two_names_and_a_zone() {
        let catalogue = Catalogue::builtin();
        assert_eq!(catalogue.countries().count(), 249);
        let mut names = HashSet::new();
        for info in catalogue.countries() {
            assert!(names.insert(info.name_en.clone()), "{info:?}");
            assert!(names.insert(info.name_ja.clone()), "{info:?}");
            assert!(!info.name_ja.is_ascii(), "{info:?}");
        }
        let philippines = catalogue.country(country("ph")).unwrap();
        assert_eq!(philippines.name_en, "Philippines");
        assert_eq!(philippines.name_ja, "フィリピン");
        assert_eq!(philippines.time_zone, Tz::Asia__Manila);
        assert_eq!(catalogue.country(Country::UNPLACEABLE), None);
        assert_eq!(catalogue.country(country("xx")), None);
    }

    #[test]
    fn countries_with_several_zones_report_in_the_one_of_most_people() {
        let catalogue = Catalogue::builtin();
        let cases = [
            ("au", "Australia/Sydney"),
            ("br", "America/Sao_Paulo"),
            ("cd", "Africa/Kinshasa"),
            ("cn", "Asia/Shanghai"),
            ("id", "Asia/Jakarta"),
            ("in", "Asia/Kolkata"),
            ("jp", "Asia/Tokyo"),
            ("kh", "Asia/Phnom_Penh"),
            ("mn", "Asia/Ulaanbaatar"),
            ("my", "Asia/Kuala_Lumpur"),
            ("np", "Asia/Kathmandu"),
            ("ru", "Europe/Moscow"),
            ("ua", "Europe/Kyiv"),
            ("us", "America/New_York"),
            ("vn", "Asia/Ho_Chi_Minh"),
        ];
        for (code, zone) in cases {
            assert_eq!(
                catalogue.country(country(code)).unwrap().time_zone.name(),
                zone,
                "{code}"
            );
        }
    }

    #[test]
    fn a_network_is_in_the_country_of_its_mcc_unless_the_mcc_is_shared() {
        // The country an MCC names, and the smaller ones that use it too.
        let shared = [
            ("gb", "gg"),
            ("gb", "im"),
            ("gb", "je"),
            ("il", "ps"),
            ("au", "nf"),
            ("us", "gu"),
        ];
        let catalogue = Catalogue::builtin();
        for (plmn, network) in &catalogue.networks {
            let named = catalogue.country_of_mcc(plmn.mcc).unwrap();
            let placed = network.segment.country;
            assert!(
                named == placed || shared.contains(&(named.as_str(), placed.as_str())),
                "{plmn}: {named}, {placed}"
            );
        }
    }

    #[test]
    fn every_carrier_has_one_name() {
        let catalogue = Catalogue::builtin();
        for network in catalogue.networks.values() {
            assert_eq!(
                catalogue.carrier_name(&network.segment),
                Some(network.brand.as_str())
            );
        }
        let globe = Segment {
            country: country("ph"),
            carrier: Carrier::slug("globe"),
        };
        assert_eq!(catalogue.carrier_name(&globe), Some("Globe"));
        for carrier in [Carrier::unknown(), Carrier::other()] {
            let segment = Segment {
                country: country("ph"),
                carrier,
            };
            assert_eq!(catalogue.carrier_name(&segment), None);
        }
    }

    #[test]
    fn every_country_has_fewer_carriers_than_a_carrier_set_holds() {
        let mut carriers: HashMap<Country, usize> = HashMap::new();
        for segment in Catalogue::builtin().carriers.keys() {
            *carriers.entry(segment.country).or_default() += 1;
        }
        for (country, count) in carriers {
            // One place is for `unknown`, one for `other`.
            assert!(count <= 62, "{country}: {count}");
        }
    }

    #[test]
    fn well_known_networks() {
        let catalogue = Catalogue::builtin();
        let cases = [
            ("515-01", "ph/globe"),
            ("515-02", "ph/globe"),
            ("515-03", "ph/smart"),
            ("515-05", "ph/smart"),
            ("515-66", "ph/dito"),
            ("510-01", "id/indosat"),
            ("510-08", "id/xlsmart"),
            ("510-09", "id/xlsmart"),
            ("510-10", "id/telkomsel"),
            ("510-11", "id/xlsmart"),
            ("510-21", "id/indosat"),
            ("510-28", "id/xlsmart"),
            ("510-89", "id/indosat"),
            ("456-01", "kh/cellcard"),
            ("456-02", "kh/smart"),
            ("456-05", "kh/smart"),
            ("456-06", "kh/smart"),
            ("456-08", "kh/metfone"),
            ("456-09", "kh/metfone"),
            ("456-18", "kh/cellcard"),
            ("404-04", "in/vi"),
            ("404-10", "in/airtel"),
            ("404-11", "in/vi"),
            ("404-20", "in/vi"),
            ("404-34", "in/bsnl"),
            ("404-45", "in/airtel"),
            ("404-68", "in/mtnl"),
            ("404-92", "in/airtel"),
            ("405-51", "in/airtel"),
            ("405-66", "in/vi"),
            ("405-799", "in/vi"),
            ("405-840", "in/jio"),
            ("405-854", "in/jio"),
            ("405-861", "in/jio"),
            ("405-874", "in/jio"),
            ("440-00", "jp/softbank"),
            ("440-10", "jp/docomo"),
            ("440-11", "jp/rakuten"),
            ("440-20", "jp/softbank"),
            ("440-21", "jp/softbank"),
            ("440-50", "jp/kddi"),
            ("440-51", "jp/kddi"),
            ("440-54", "jp/kddi"),
            ("450-02", "kr/kt"),
            ("450-05", "kr/skt"),
            ("450-06", "kr/lg-uplus"),
            ("450-08", "kr/kt"),
            ("520-00", "th/true"),
            ("520-01", "th/ais"),
            ("520-03", "th/ais"),
            ("520-04", "th/true"),
            ("520-05", "th/true"),
            ("520-15", "th/nt"),
            ("520-18", "th/true"),
            ("452-01", "vn/mobifone"),
            ("452-02", "vn/vinaphone"),
            ("452-04", "vn/viettel"),
            ("452-05", "vn/vietnamobile"),
            ("502-12", "my/maxis"),
            ("502-13", "my/celcomdigi"),
            ("502-16", "my/celcomdigi"),
            ("502-18", "my/u-mobile"),
            ("502-19", "my/celcomdigi"),
            ("502-152", "my/yes"),
            ("502-153", "my/unifi"),
            ("414-01", "mm/mpt"),
            ("414-05", "mm/ooredoo"),
            ("414-06", "mm/atom"),
            ("414-09", "mm/mytel"),
            ("429-01", "np/nepal-telecom"),
            ("429-02", "np/ncell"),
            ("525-01", "sg/singtel"),
            ("525-03", "sg/m1"),
            ("525-05", "sg/starhub"),
            ("525-10", "sg/simba"),
            ("457-03", "la/unitel"),
            ("470-07", "bd/robi"),
            ("413-02", "lk/dialog"),
            ("466-92", "tw/chunghwa"),
            ("454-12", "hk/china-mobile"),
            ("460-00", "cn/china-mobile"),
            ("410-04", "pk/zong"),
            ("428-99", "mn/mobicom"),
            ("505-01", "au/telstra"),
            ("425-05", "ps/jawwal"),
            ("234-58", "im/manx-telecom"),
        ];
        for (code, segment) in cases {
            assert_eq!(segment_of(&catalogue, code), segment, "{code}");
        }
    }

    #[test]
    fn two_and_three_digit_codes_are_kept_apart() {
        let catalogue = Catalogue::builtin();
        for absent in [
            "456-002", "515-002", "405-86", "405-054", "440-010", "405-75",
        ] {
            assert_eq!(catalogue.network(plmn(absent)), None, "{absent}");
        }
        assert_eq!(segment_of(&catalogue, "405-034"), "in/airtel");
        assert_eq!(segment_of(&catalogue, "405-03"), "in/reliance");
    }

    #[test]
    fn a_mobile_country_code_names_a_country() {
        let catalogue = Catalogue::builtin();
        let of = |text: &str| catalogue.country_of_mcc(Mcc::parse(text).unwrap());
        let cases = [
            ("515", "ph"),
            ("404", "in"),
            ("406", "in"),
            ("441", "jp"),
            ("340", "gp"),
        ];
        for (mcc, code) in cases {
            assert_eq!(of(mcc), Some(country(code)), "{mcc}");
        }
        // Shared by the world, for tests, for private networks, and never assigned.
        for none in ["901", "001", "999", "000", "800"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert!(
            catalogue
                .networks
                .keys()
                .all(|plmn| !plmn.mcc.is_international())
        );
    }

    #[test]
    fn an_override_wins_and_the_rest_stays() {
        let text = "\u{feff}# ours\r\nplmn,country,carrier,brand\r\n\r\n\
                    515-02,PH,globe-iot,\"Globe, \"\"IoT\"\"\"\r\n\
                    456-06,kh,smart,Smart Axiata\r\n99901,jp,campus,Campus 5G\r\n";
        let catalogue = Catalogue::builtin().with_networks(text).unwrap();
        assert_eq!(segment_of(&catalogue, "515-02"), "ph/globe-iot");
        assert_eq!(
            catalogue.network(plmn("515-02")).unwrap().brand,
            "Globe, \"IoT\""
        );
        assert_eq!(segment_of(&catalogue, "515-01"), "ph/globe");
        assert_eq!(segment_of(&catalogue, "999-01"), "jp/campus");
        // A carrier has one name: the new one, on the networks that were not named too.
        assert_eq!(
            catalogue.network(plmn("456-02")).unwrap().brand,
            "Smart Axiata"
        );
    }

    #[test]
    fn a_bad_override_is_named_by_its_line() {
        type Expected = fn(&RowError) -> bool;
        let cases: [(&str, Expected); 15] = [
            ("515-2,ph,globe,Globe", |e| matches!(e, RowError::Plmn(_))),
            ("901-28,ph,globe,Globe", |e| {
                matches!(e, RowError::International(_))
            }),
            ("515-02,phl,globe,Globe", |e| {
                matches!(e, RowError::Country(_))
            }),
            ("515-02,zz,globe,Globe", |e| {
                matches!(e, RowError::Country(_))
            }),
            ("515-02,xx,globe,Globe", |e| {
                matches!(e, RowError::UnknownCountry(_))
            }),
            ("515-02,ph,Globe,Globe", |e| {
                matches!(e, RowError::Carrier(_))
            }),
            ("515-02,ph,,Globe", |e| matches!(e, RowError::Carrier(_))),
            ("515-02,ph,unknown,Globe", |e| {
                matches!(e, RowError::Reserved(_))
            }),
            ("515-02,ph,other,Globe", |e| {
                matches!(e, RowError::Reserved(_))
            }),
            ("515-02,ph,globe,", |e| matches!(e, RowError::Name(_))),
            ("515-02,ph,globe,a\u{7}b", |e| {
                matches!(e, RowError::Name(_))
            }),
            ("515-02,ph,globe", |e| {
                matches!(
                    e,
                    RowError::Columns {
                        expected: 4,
                        found: 3
                    }
                )
            }),
            ("515-02,ph,globe,\"Globe", |e| matches!(e, RowError::Quote)),
            ("515-66,ph,globe,Globe", |e| {
                matches!(e, RowError::Duplicate(_))
            }),
            ("515-02,ph,dito,DITO Telecommunity", |e| {
                matches!(e, RowError::OtherName { .. })
            }),
        ];
        for (bad, expected) in cases {
            let text = format!("plmn,country,carrier,brand\n# fine\n515-66,ph,dito,DITO\n{bad}\n");
            let (line, reason) = line_and_reason(Catalogue::builtin().with_networks(&text));
            assert_eq!(line, 4, "{bad}");
            assert!(expected(&reason), "{bad}: {reason:?}");
        }
        let too_long = "x".repeat(NAME_MAX_CHARS + 1);
        let text = format!("plmn,country,carrier,brand\n515-02,ph,globe,{too_long}");
        let (line, _) = line_and_reason(Catalogue::builtin().with_networks(&text));
        assert_eq!(line, 2);
        let error = Catalogue::builtin()
            .with_networks("plmn,country,carrier,brand\n515-2,ph,globe,Globe")
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("line 2: `515-2` is no network code"),
            "{error}"
        );
    }

    #[test]
    fn an_override_without_its_header_is_refused() {
        for (text, line) in [
            ("", 1),
            ("515-02,ph,globe,Globe", 1),
            ("# ours\n\nplmn,brand", 3),
        ] {
            let (found, reason) = line_and_reason(Catalogue::builtin().with_networks(text));
            assert_eq!(found, line, "{text:?}");
            let expected = "plmn,country,carrier,brand".to_owned();
            assert_eq!(reason, RowError::Header { expected });
        }
    }

    #[test]
    fn a_country_can_be_changed_and_added() {
        let text = "country,name_en,name_ja,time_zone\n\
                    id,Indonesia,インドネシア,Asia/Makassar\n\
                    xk,Kosovo,コソボ,Europe/Belgrade\n";
        let catalogue = Catalogue::builtin().with_countries(text).unwrap();
        let indonesia = catalogue.country(country("id")).unwrap();
        assert_eq!(indonesia.time_zone, Tz::Asia__Makassar);
        let networks = "plmn,country,carrier,brand\n221-02,xk,ipko,IPKO";
        let catalogue = catalogue.with_networks(networks).unwrap();
        assert_eq!(segment_of(&catalogue, "221-02"), "xk/ipko");

        let cases = [
            ("zz,Nowhere,無,Etc/UTC", RowError::Country("zz".to_owned())),
            (
                "id,Indonesia,インドネシア,WIB",
                RowError::TimeZone("WIB".to_owned()),
            ),
            (
                "id,,インドネシア,Asia/Jakarta",
                RowError::Name(String::new()),
            ),
        ];
        for (bad, expected) in cases {
            let text = format!("country,name_en,name_ja,time_zone\n{bad}");
            let found = line_and_reason(Catalogue::builtin().with_countries(&text));
            assert_eq!(found, (2, expected));
        }
    }
}
