//! The world the fleet lives in: countries, their carriers, regions and partners.
//!
//! Countries, carriers and network codes are real; a test holds them against the catalogue. The
//! partners are made up.

use std::sync::LazyLock;

use chrono_tz::Tz;
use model::{Carrier, Country, Plmn, Segment};

/// Serving cell areas of one network in one region.
pub(crate) const AREAS_PER_REGION: u16 = 3;

/// The code of the first area of a network's first region, and from one region to the next.
const AREA_CODES: (u16, u16) = (0x1A00, 0x10);

/// A part of a country.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    /// Its ISO 3166-2 code, as in `PH-00`.
    pub code: &'static str,
    /// What people call it, in English.
    pub name: &'static str,
    /// Its part of the country's devices.
    weight: u32,
}

impl Region {
    /// Its part of the country's devices.
    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }
}

/// A country with devices in it.
#[derive(Debug)]
pub(crate) struct Land {
    /// Its code.
    pub(crate) code: &'static str,
    /// By whose clock its devices sleep.
    pub(crate) zone: Tz,
    /// Its part of the fleet.
    pub(crate) weight: u32,
    /// Who carries its devices' messages.
    carriers: &'static [Listed],
    /// Where in it the devices are.
    pub(crate) regions: &'static [Region],
    /// Finance companies whose cars the devices are in.
    pub(crate) partners: &'static [&'static str],
}

/// A carrier's network, as it is written below.
#[derive(Debug)]
struct Listed {
    plmn: &'static str,
    carrier: &'static str,
    weight: u32,
}

/// A carrier's network.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// Its code.
    pub(crate) plmn: Plmn,
    /// Its carrier.
    pub(crate) segment: Segment,
    /// Its part of the country's devices.
    pub(crate) weight: u32,
}

impl Land {
    /// Its networks; there are as many as are listed below, a test says.
    pub(crate) fn networks(&self) -> &'static [Network] {
        static NETWORKS: LazyLock<Vec<(&'static str, Vec<Network>)>> = LazyLock::new(|| {
            let networks = |land: &Land| {
                let read = |listed| read(land.code, listed);
                (land.code, land.carriers.iter().filter_map(read).collect())
            };
            LANDS.iter().map(networks).collect()
        });
        NETWORKS
            .iter()
            .find(|(code, _)| *code == self.code)
            .map_or(&[], |(_, networks)| networks)
    }

    /// The code of an area in its region with this number.
    pub(crate) fn area_code(region_number: u16, area: u16) -> u16 {
        AREA_CODES.0 + region_number * AREA_CODES.1 + area
    }
}

fn read(country: &str, listed: &Listed) -> Option<Network> {
    Some(Network {
        plmn: Plmn::parse(listed.plmn)?,
        segment: Segment {
            country: Country::parse(country).ok()?,
            carrier: Carrier::slug(listed.carrier),
        },
        weight: listed.weight,
    })
}

const fn network(plmn: &'static str, carrier: &'static str, weight: u32) -> Listed {
    Listed {
        plmn,
        carrier,
        weight,
    }
}

const fn region(code: &'static str, name: &'static str, weight: u32) -> Region {
    Region { code, name, weight }
}

pub(crate) static LANDS: &[Land] = &[
    Land {
        code: "ph",
        zone: Tz::Asia__Manila,
        weight: 32,
        carriers: &[
            network("515-02", "globe", 46),
            network("515-03", "smart", 42),
            network("515-66", "dito", 12),
        ],
        regions: &[
            region("PH-00", "Metro Manila", 38),
            region("PH-40", "Calabarzon", 22),
            region("PH-03", "Central Luzon", 16),
            region("PH-07", "Central Visayas", 14),
            region("PH-11", "Davao Region", 10),
        ],
        partners: &[
            "Bayani Auto Finance",
            "Luzon Mobility Credit",
            "Isla Leasing",
        ],
    },
    Land {
        code: "id",
        zone: Tz::Asia__Jakarta,
        weight: 18,
        carriers: &[
            network("510-10", "telkomsel", 50),
            network("510-01", "indosat", 27),
            network("510-11", "xlsmart", 23),
        ],
        regions: &[
            region("ID-JK", "Jakarta", 35),
            region("ID-JB", "West Java", 30),
            region("ID-JI", "East Java", 20),
            region("ID-SU", "North Sumatra", 15),
        ],
        partners: &["Nusantara Kredit", "Garuda Multi Guna"],
    },
    Land {
        code: "in",
        zone: Tz::Asia__Kolkata,
        weight: 12,
        carriers: &[
            network("405-857", "jio", 42),
            network("404-10", "airtel", 36),
            network("404-11", "vi", 16),
            network("404-34", "bsnl", 6),
        ],
        regions: &[
            region("IN-DL", "Delhi", 30),
            region("IN-MH", "Maharashtra", 30),
            region("IN-KA", "Karnataka", 22),
            region("IN-TN", "Tamil Nadu", 18),
        ],
        partners: &["Deccan Vehicle Loans", "Sindhu Finserve"],
    },
    Land {
        code: "kh",
        zone: Tz::Asia__Phnom_Penh,
        weight: 10,
        carriers: &[
            network("456-02", "smart", 45),
            network("456-01", "cellcard", 30),
            network("456-08", "metfone", 25),
        ],
        regions: &[
            region("KH-12", "Phnom Penh", 60),
            region("KH-17", "Siem Reap", 22),
            region("KH-2", "Battambang", 18),
        ],
        partners: &["Tonle Microfinance"],
    },
    Land {
        code: "th",
        zone: Tz::Asia__Bangkok,
        weight: 10,
        carriers: &[network("520-03", "ais", 52), network("520-04", "true", 48)],
        regions: &[
            region("TH-10", "Bangkok", 50),
            region("TH-50", "Chiang Mai", 20),
            region("TH-20", "Chon Buri", 18),
            region("TH-83", "Phuket", 12),
        ],
        partners: &["Chao Phraya Leasing", "Lanna Auto Credit"],
    },
    Land {
        code: "jp",
        zone: Tz::Asia__Tokyo,
        weight: 9,
        carriers: &[
            network("440-10", "docomo", 40),
            network("440-51", "kddi", 30),
            network("440-20", "softbank", 22),
            network("440-11", "rakuten", 8),
        ],
        regions: &[
            region("JP-13", "Tokyo", 45),
            region("JP-27", "Osaka", 30),
            region("JP-23", "Aichi", 25),
        ],
        partners: &["Minato Auto Lease"],
    },
    Land {
        code: "vn",
        zone: Tz::Asia__Ho_Chi_Minh,
        weight: 9,
        carriers: &[
            network("452-04", "viettel", 54),
            network("452-02", "vinaphone", 26),
            network("452-01", "mobifone", 20),
        ],
        regions: &[
            region("VN-SG", "Ho Chi Minh City", 50),
            region("VN-HN", "Hanoi", 36),
            region("VN-DN", "Da Nang", 14),
        ],
        partners: &["Mekong Consumer Finance"],
    },
];

/// Hardware models, with their parts of the fleet.
pub(crate) const MODELS: &[(&str, u32)] =
    &[("mccs-4g", 60), ("mccs-4g-mini", 30), ("mccs-4g-s2", 10)];

#[cfg(test)]
mod tests {
    use super::*;
    use model::Catalogue;

    #[test]
    fn countries_and_networks_are_those_of_the_catalogue() {
        let catalogue = Catalogue::builtin();
        let mut carriers = 0;
        for land in LANDS {
            let country = Country::parse(land.code).unwrap();
            assert_eq!(catalogue.country(country).unwrap().time_zone, land.zone);
            assert_eq!(land.networks().len(), land.carriers.len());
            for (network, listed) in land.networks().iter().zip(land.carriers) {
                carriers += 1;
                let segment = &catalogue.network(network.plmn).unwrap().segment;
                assert_eq!(*segment, network.segment);
                let written = format!("{}/{}", land.code, listed.carrier);
                assert_eq!(segment.to_string(), written);
            }
        }
        assert!(LANDS.len() >= 7);
        assert!(carriers >= 22);
    }

    #[test]
    fn a_region_has_a_code_of_its_country_and_a_name() {
        for land in LANDS {
            for region in land.regions {
                let country = region.code.split('-').next().unwrap();
                assert_eq!(country.to_ascii_lowercase(), land.code);
                assert!(!region.name.is_empty() && region.weight() > 0);
            }
        }
    }
}
