//! The world the fleet lives in: countries, their carriers, regions and partners.
//!
//! Countries, carriers and network codes are real; a test holds them against the catalogue. The
//! partners are made up.

use chrono_tz::Tz;

/// A country with devices in it.
#[derive(Debug)]
pub(crate) struct Land {
    /// Its code.
    pub(crate) country: &'static str,
    /// By whose clock its devices sleep.
    pub(crate) zone: Tz,
    /// Its part of the fleet.
    pub(crate) weight: u32,
    /// Who carries its devices' messages.
    pub(crate) networks: &'static [Network],
    /// ISO 3166-2 codes, with their parts of the country's devices.
    pub(crate) regions: &'static [(&'static str, u32)],
    /// Finance companies whose cars the devices are in.
    pub(crate) partners: &'static [&'static str],
}

/// A carrier's network.
#[derive(Debug)]
pub(crate) struct Network {
    /// Its code.
    pub(crate) plmn: &'static str,
    /// Its carrier, as a slug.
    pub(crate) carrier: &'static str,
    /// Its part of the country's devices.
    pub(crate) weight: u32,
}

const fn network(plmn: &'static str, carrier: &'static str, weight: u32) -> Network {
    Network {
        plmn,
        carrier,
        weight,
    }
}

pub(crate) const LANDS: &[Land] = &[
    Land {
        country: "ph",
        zone: Tz::Asia__Manila,
        weight: 32,
        networks: &[
            network("515-02", "globe", 46),
            network("515-03", "smart", 42),
            network("515-66", "dito", 12),
        ],
        regions: &[
            ("PH-00", 38),
            ("PH-40", 22),
            ("PH-03", 16),
            ("PH-07", 14),
            ("PH-11", 10),
        ],
        partners: &[
            "Bayani Auto Finance",
            "Luzon Mobility Credit",
            "Isla Leasing",
        ],
    },
    Land {
        country: "id",
        zone: Tz::Asia__Jakarta,
        weight: 18,
        networks: &[
            network("510-10", "telkomsel", 50),
            network("510-01", "indosat", 27),
            network("510-11", "xlsmart", 23),
        ],
        regions: &[("ID-JK", 35), ("ID-JB", 30), ("ID-JI", 20), ("ID-SU", 15)],
        partners: &["Nusantara Kredit", "Garuda Multi Guna"],
    },
    Land {
        country: "in",
        zone: Tz::Asia__Kolkata,
        weight: 12,
        networks: &[
            network("405-857", "jio", 42),
            network("404-10", "airtel", 36),
            network("404-11", "vi", 16),
            network("404-34", "bsnl", 6),
        ],
        regions: &[("IN-DL", 30), ("IN-MH", 30), ("IN-KA", 22), ("IN-TN", 18)],
        partners: &["Deccan Vehicle Loans", "Sindhu Finserve"],
    },
    Land {
        country: "kh",
        zone: Tz::Asia__Phnom_Penh,
        weight: 10,
        networks: &[
            network("456-02", "smart", 45),
            network("456-01", "cellcard", 30),
            network("456-08", "metfone", 25),
        ],
        regions: &[("KH-12", 60), ("KH-17", 22), ("KH-2", 18)],
        partners: &["Tonle Microfinance"],
    },
    Land {
        country: "th",
        zone: Tz::Asia__Bangkok,
        weight: 10,
        networks: &[network("520-03", "ais", 52), network("520-04", "true", 48)],
        regions: &[("TH-10", 50), ("TH-50", 20), ("TH-20", 18), ("TH-83", 12)],
        partners: &["Chao Phraya Leasing", "Lanna Auto Credit"],
    },
    Land {
        country: "jp",
        zone: Tz::Asia__Tokyo,
        weight: 9,
        networks: &[
            network("440-10", "docomo", 40),
            network("440-51", "kddi", 30),
            network("440-20", "softbank", 22),
            network("440-11", "rakuten", 8),
        ],
        regions: &[("JP-13", 45), ("JP-27", 30), ("JP-23", 25)],
        partners: &["Minato Auto Lease"],
    },
    Land {
        country: "vn",
        zone: Tz::Asia__Ho_Chi_Minh,
        weight: 9,
        networks: &[
            network("452-04", "viettel", 54),
            network("452-02", "vinaphone", 26),
            network("452-01", "mobifone", 20),
        ],
        regions: &[("VN-SG", 50), ("VN-HN", 36), ("VN-DN", 14)],
        partners: &["Mekong Consumer Finance"],
    },
];

/// Hardware models, with their parts of the fleet.
pub(crate) const MODELS: &[(&str, u32)] =
    &[("mccs-4g", 60), ("mccs-4g-mini", 30), ("mccs-4g-s2", 10)];

/// Firmware versions from old to new, with their parts of the fleet.
pub(crate) const FIRMWARE: &[(&str, u32)] =
    &[("2.3.7", 18), ("2.4.0", 25), ("2.4.1", 45), ("2.5.0", 12)];

/// Picks by weight; `None` of an empty list.
pub(crate) fn pick<'a, T>(
    rng: &mut fastrand::Rng,
    items: &'a [T],
    weight: impl Fn(&T) -> u32,
) -> Option<&'a T> {
    let total: u32 = items.iter().map(&weight).sum();
    if total == 0 {
        return None;
    }
    let mut rest = rng.u32(0..total);
    items
        .iter()
        .find(|item| match rest.checked_sub(weight(item)) {
            Some(less) => {
                rest = less;
                false
            }
            None => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Catalogue, Country, Plmn};

    #[test]
    fn countries_and_networks_are_those_of_the_catalogue() {
        let catalogue = Catalogue::builtin();
        let mut carriers = 0;
        for land in LANDS {
            let country = Country::parse(land.country).unwrap();
            assert_eq!(catalogue.country(country).unwrap().time_zone, land.zone);
            for network in land.networks {
                carriers += 1;
                let plmn = Plmn::parse(network.plmn).unwrap();
                let segment = &catalogue.network(plmn).unwrap().segment;
                assert_eq!(
                    segment.to_string(),
                    format!("{}/{}", land.country, network.carrier)
                );
            }
        }
        assert!(LANDS.len() >= 6);
        assert!(carriers >= 14);
    }

    #[test]
    fn a_pick_follows_the_weights() {
        let mut rng = fastrand::Rng::with_seed(1);
        let items = [("never", 0), ("often", 3), ("seldom", 1)];
        let often = (0..1000)
            .filter(|_| pick(&mut rng, &items, |item| item.1).unwrap().0 == "often")
            .count();
        assert!((650..850).contains(&often), "{often}");
        assert_eq!(pick(&mut rng, &items[..1], |item| item.1), None);
    }
}
