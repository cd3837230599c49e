//! Placing: which country and carrier a heartbeat came through.

use model::{Carrier, Catalogue, Country, Heartbeat, Instant, Segment};
use store::devices::LAST_SEGMENT_TRUSTED;

/// Places a heartbeat. The first rule that can tell decides:
///
/// 1. the serving network, by its code (never the SIM's: a roamer counts where it is);
/// 2. the serving network's country alone, with the carrier `unknown`;
/// 3. country and carrier in the sender's words;
/// 4. the segment the device was heard in last, if that is less than a day ago;
/// 5. the segment the device is registered in;
/// 6. `zz/unknown`.
///
/// `last` says in which segment the device was heard last, and when; `home` where it is registered.
#[must_use]
pub fn place(
    heartbeat: &Heartbeat,
    last: impl FnOnce() -> Option<(Segment, Instant)>,
    home: Option<&Segment>,
    catalogue: &Catalogue,
    received_at: Instant,
) -> Segment {
    let by_network = || {
        catalogue
            .network(heartbeat.plmn()?)
            .map(|network| network.segment.clone())
    };
    let by_country_code = || {
        let country = catalogue.country_of_mcc(heartbeat.mcc?)?;
        Some(Segment {
            country,
            carrier: Carrier::unknown(),
        })
    };
    let by_words = || {
        let country = Country::parse(heartbeat.country.as_deref()?).ok()?;
        catalogue.country(country)?;
        let carrier = heartbeat
            .carrier
            .as_deref()
            .map_or_else(Carrier::unknown, Carrier::slug);
        Some(Segment { country, carrier })
    };
    let by_last = || {
        let (segment, heard_at) = last()?;
        let age = received_at - heard_at;
        (age < LAST_SEGMENT_TRUSTED && age > -LAST_SEGMENT_TRUSTED).then_some(segment)
    };
    by_network()
        .or_else(by_country_code)
        .or_else(by_words)
        .or_else(by_last)
        .or_else(|| home.cloned())
        .unwrap_or_else(Segment::unplaceable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use model::{Mcc, Mnc};

    fn segment(country: &str, carrier: &str) -> Segment {
        Segment {
            country: Country::parse(country).unwrap(),
            carrier: Carrier::slug(carrier),
        }
    }

    #[test]
    fn the_first_rule_that_can_tell_decides() {
        let catalogue = Catalogue::builtin();
        let now: Instant = "2026-11-21T12:00:00Z".parse().unwrap();
        let beat = |mcc: &str, mnc: &str, country: &str, carrier: &str| Heartbeat {
            mcc: Mcc::parse(mcc),
            mnc: Mnc::parse(mnc),
            country: Some(country)
                .filter(|text| !text.is_empty())
                .map(Into::into),
            carrier: Some(carrier)
                .filter(|text| !text.is_empty())
                .map(Into::into),
            ..Heartbeat::default()
        };
        let home = Some(segment("jp", "docomo"));
        let recently = Some((segment("th", "ais"), now - TimeDelta::hours(23)));
        let long_ago = Some((segment("th", "ais"), now - TimeDelta::hours(25)));
        let cases = [
            (
                beat("515", "02", "jp", "x"),
                home.clone(),
                recently.clone(),
                "ph/globe",
            ),
            // the same digits as another network: two- and three-digit codes are kept apart
            (
                beat("515", "002", "jp", "x"),
                home.clone(),
                None,
                "ph/unknown",
            ),
            (
                beat("515", "", "jp", "x"),
                home.clone(),
                recently.clone(),
                "ph/unknown",
            ),
            // 901 is shared by satellites and says nothing about a country
            (
                beat("901", "01", "kh", "Smart"),
                home.clone(),
                recently.clone(),
                "kh/smart",
            ),
            (
                beat("", "", "ID", "Tel|kom:sel"),
                home.clone(),
                recently.clone(),
                "id/tel-kom-sel",
            ),
            (
                beat("", "", "id", ""),
                home.clone(),
                recently.clone(),
                "id/unknown",
            ),
            // no country of that name: the next rule
            (
                beat("", "", "zz", "x"),
                home.clone(),
                recently.clone(),
                "th/ais",
            ),
            (
                beat("", "", "uk", "x"),
                home.clone(),
                recently.clone(),
                "th/ais",
            ),
            (beat("", "", "🇵🇭", "x"), home.clone(), recently, "th/ais"),
            (beat("", "", "", "x"), home, long_ago.clone(), "jp/docomo"),
            (beat("", "", "", ""), None, long_ago, "zz/unknown"),
        ];
        for (heartbeat, home, last, expected) in cases {
            let placed = place(&heartbeat, || last.clone(), home.as_ref(), &catalogue, now);
            assert_eq!(
                placed.to_string(),
                expected,
                "{heartbeat:?} {home:?} {last:?}"
            );
        }
    }
}
