//! Why the old count of an hour is another than ours.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;
use model::{Country, Hour, Instant};
use store::parity::Comparison;

use super::OLD_HOUR;

/// Devices that are looked up in one question.
const CHUNK_DEVICES: usize = 10_000;

/// The most devices that are named with a reason.
const MAX_NAMED: usize = 20;

/// How far before and after an hour a device may have been heard that the other side counts in it.
const NEIGHBOURHOOD: TimeDelta = TimeDelta::hours(2);

/// What may make counts differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Late,
    Duplicate,
    Roamer,
    Zone,
    Gap,
    Unknown,
}

impl Cause {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::Roamer => "roamer",
            Self::Zone => "zone",
            Self::Gap => "gap",
            Self::Unknown => "unknown",
        }
    }
}

/// A part of a difference, and what made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) cause: Cause,
    /// By how much it makes the old count larger; below 0, ours.
    pub(super) devices: i64,
    /// Whether single devices prove it, or it is only possible.
    pub(super) is_proven: bool,
    /// What happened, in words.
    pub(super) detail: &'static str,
    /// Some of the devices.
    pub(super) examples: Vec<String>,
}

impl Reason {
    fn possible(cause: Cause, devices: i64, detail: &'static str) -> Self {
        Self {
            cause,
            devices,
            is_proven: false,
            detail,
            examples: Vec::new(),
        }
    }

    /// We have no count to compare with.
    pub(super) fn not_counted(old: i64) -> Self {
        Self::possible(Cause::Unknown, old, "not counted here")
    }

    /// The old job has none.
    pub(super) fn not_listed(ours: i64) -> Self {
        Self::possible(Cause::Unknown, -ours, "the old job has no count")
    }
}

/// Our count of an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) hour: Hour,
    pub(super) devices: i64,
    /// Whether the count is exact, or a lower bound.
    pub(super) is_complete: bool,
}

/// What the old job counted in an hour.
#[derive(Debug, Default)]
struct ListedHour {
    rows: i64,
    devices: HashSet<String>,
}

/// What the old job counted, by country and the start of its hour.
#[derive(Debug, Default)]
pub(super) struct Listed(HashMap<(Country, Instant), ListedHour>);

impl Listed {
    pub(super) fn add(&mut self, country: Country, start: Instant, device_id: &str) {
        let hour = self.0.entry((country, start)).or_default();
        hour.rows += 1;
        if !hour.devices.contains(device_id) {
            hour.devices.insert(device_id.to_owned());
        }
    }

    /// Whether the old job counted a device in another country at that time.
    fn is_elsewhere(&self, country: Country, start: Instant, device_id: &str) -> bool {
        self.0.iter().any(|((other, at), hour)| {
            *other != country && (*at - start).abs() < OLD_HOUR && hour.devices.contains(device_id)
        })
    }

    /// Whether it counted a device in the same country in an hour close by.
    fn is_close_by(&self, country: Country, start: Instant, device_id: &str) -> bool {
        self.0.iter().any(|((other, at), hour)| {
            *other == country
                && *at != start
                && (*at - start).abs() < NEIGHBOURHOOD
                && hour.devices.contains(device_id)
        })
    }
}

/// Devices by what makes them differ and what happened to them.
type Sorted<'d> = BTreeMap<(Cause, &'static str), BTreeSet<&'d str>>;

fn sum_up(sorted: Sorted<'_>, sign: i64, reasons: &mut Vec<Reason>) {
    for ((cause, detail), devices) in sorted {
        reasons.push(Reason {
            cause,
            devices: sign * i64::try_from(devices.len()).unwrap_or(i64::MAX),
            is_proven: cause != Cause::Unknown && cause != Cause::Gap,
            detail,
            examples: devices
                .into_iter()
                .take(MAX_NAMED)
                .map(str::to_owned)
                .collect(),
        });
    }
}

/// Follows a difference to single devices.
pub(super) async fn proven(
    comparison: &mut Comparison,
    country: Country,
    start: Instant,
    old: i64,
    ours: &Ours,
    listed: &Listed,
) -> anyhow::Result<Vec<Reason>> {
    let nobody = ListedHour::default();
    let theirs = listed.0.get(&(country, start)).unwrap_or(&nobody);
    let heard = comparison.devices_in(country, ours.hour).await?;
    let late = comparison.late_in(country, ours.hour).await?;
    let mut only_old: Vec<&str> = theirs
        .devices
        .iter()
        .filter(|id| !heard.contains(*id))
        .map(String::as_str)
        .collect();
    only_old.sort_unstable();
    let elsewhere = where_heard(comparison, &only_old, ours.hour).await?;

    let mut reasons = Vec::new();
    let mut sorted = Sorted::new();
    for id in only_old {
        sorted
            .entry(counted_by_them(country, ours, elsewhere.get(id)))
            .or_default()
            .insert(id);
    }
    sum_up(sorted, 1, &mut reasons);

    let mut sorted = Sorted::new();
    for id in heard.iter().filter(|id| !theirs.devices.contains(*id)) {
        let why = if late.contains(id) {
            (Cause::Late, "reached us after the hour's end")
        } else if listed.is_elsewhere(country, start, id) {
            (Cause::Roamer, "counted in another country by the old job")
        } else if listed.is_close_by(country, start, id) {
            (
                Cause::Zone,
                "counted in the hour before or after by the old job",
            )
        } else {
            (Cause::Unknown, "heard here, and not in the old job's list")
        };
        sorted.entry(why).or_default().insert(id);
    }
    sum_up(sorted, -1, &mut reasons);
    add_rest(&mut reasons, old, ours, theirs);
    Ok(reasons)
}

/// What is left of a difference once its devices are accounted for: rows that the old job counted
/// twice, and what its list does not say.
fn add_rest(reasons: &mut Vec<Reason>, old: i64, ours: &Ours, theirs: &ListedHour) {
    let distinct = i64::try_from(theirs.devices.len()).unwrap_or(i64::MAX);
    if old > distinct && old <= theirs.rows {
        reasons.push(Reason {
            is_proven: true,
            ..Reason::possible(
                Cause::Duplicate,
                old - distinct,
                "the old job counted rows, and its list has fewer devices",
            )
        });
    }
    let explained: i64 = reasons.iter().map(|reason| reason.devices).sum();
    let rest = old - ours.devices - explained;
    if rest != 0 {
        reasons.push(Reason::possible(
            Cause::Unknown,
            rest,
            "the list of devices and the counts do not agree",
        ));
    }
}

/// Where devices were heard, by id.
async fn where_heard(
    comparison: &mut Comparison,
    ids: &[&str],
    hour: Hour,
) -> anyhow::Result<HashMap<String, Vec<(Country, Instant)>>> {
    let (from, to) = (hour.start - NEIGHBOURHOOD, hour.end + NEIGHBOURHOOD);
    let mut heard: HashMap<String, Vec<(Country, Instant)>> = HashMap::new();
    for ids in ids.chunks(CHUNK_DEVICES) {
        for row in comparison.where_heard(ids, from, to).await? {
            let places = heard.entry(row.device_id).or_default();
            places.push((row.country, row.hour));
        }
    }
    Ok(heard)
}

/// Why the old job has a device in an hour in which we have not.
fn counted_by_them(
    country: Country,
    ours: &Ours,
    heard: Option<&Vec<(Country, Instant)>>,
) -> (Cause, &'static str) {
    let heard = heard.map_or(&[][..], Vec::as_slice);
    let same_time = |at: &Instant| *at > ours.hour.start - OLD_HOUR && *at < ours.hour.end;
    if heard
        .iter()
        .any(|(other, at)| *other != country && same_time(at))
    {
        (Cause::Roamer, "counted in another country by us")
    } else if heard.iter().any(|(other, _)| *other == country) {
        (Cause::Zone, "counted in the hour before or after by us")
    } else if !ours.is_complete {
        (Cause::Gap, "our count is a lower bound")
    } else {
        (Cause::Unknown, "never heard here around that time")
    }
}

/// What may have made a difference, as far as that can be told without single devices.
pub(super) async fn possible(
    comparison: &mut Comparison,
    country: Country,
    start: Instant,
    old: i64,
    ours: &Ours,
) -> anyhow::Result<Vec<Reason>> {
    let difference = old - ours.devices;
    if ours.hour.start != start {
        let detail = "the old job's hour does not begin with one of ours";
        return Ok(vec![Reason::possible(Cause::Zone, difference, detail)]);
    }
    let roamers = comparison.roamers_in(country, ours.hour).await?;
    let mut parts = Vec::new();
    if difference < 0 {
        let late = comparison.late_in(country, ours.hour).await?.len();
        let late = i64::try_from(late).unwrap_or(i64::MAX);
        parts.push((Cause::Late, late, "so many reached us after the hour's end"));
    } else if !ours.is_complete {
        let all = difference;
        parts.push((Cause::Gap, all, "our count is a lower bound"));
    }
    let both = "so many were heard in another country, too";
    parts.push((Cause::Roamer, roamers, both));
    parts.push((Cause::Unknown, i64::MAX, "nothing that we know explains it"));
    Ok(share_out(difference, &parts))
}

/// Gives each cause as much of a difference as it can explain, in order.
fn share_out(difference: i64, parts: &[(Cause, i64, &'static str)]) -> Vec<Reason> {
    let mut rest = difference.abs();
    let mut reasons = Vec::new();
    for (cause, at_most, detail) in parts {
        let part = rest.min(*at_most);
        if part > 0 {
            let devices = part * difference.signum();
            reasons.push(Reason::possible(*cause, devices, detail));
            rest -= part;
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}:00Z").parse().unwrap()
    }

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn ours(devices: i64) -> Ours {
        Ours {
            hour: Hour {
                start: at("10:00"),
                end: at("11:00"),
            },
            devices,
            is_complete: true,
        }
    }

    #[test]
    fn a_difference_is_shared_out_in_order_and_whole() {
        let parts = [
            (Cause::Late, 3, "late"),
            (Cause::Roamer, 2, "roamer"),
            (Cause::Unknown, i64::MAX, "unknown"),
        ];
        let shares = |difference| -> Vec<_> {
            share_out(difference, &parts)
                .iter()
                .map(|reason| (reason.cause, reason.devices))
                .collect()
        };
        assert_eq!(shares(-2), [(Cause::Late, -2)]);
        assert_eq!(shares(-5), [(Cause::Late, -3), (Cause::Roamer, -2)]);
        assert_eq!(
            shares(9),
            [(Cause::Late, 3), (Cause::Roamer, 2), (Cause::Unknown, 4)]
        );
    }

    #[test]
    fn what_a_list_does_not_explain_is_rows_counted_twice_or_unknown() {
        let mut listed = Listed::default();
        for id in ["a", "b", "b", "b"] {
            listed.add(country("ph"), at("10:00"), id);
        }
        let theirs = &listed.0[&(country("ph"), at("10:00"))];
        let rest = |old, ours_devices| {
            let mut reasons = Vec::new();
            add_rest(&mut reasons, old, &ours(ours_devices), theirs);
            reasons
                .iter()
                .map(|reason| (reason.cause, reason.devices))
                .collect::<Vec<_>>()
        };
        assert_eq!(rest(2, 2), []);
        assert_eq!(rest(4, 2), [(Cause::Duplicate, 2)]);
        assert_eq!(rest(9, 2), [(Cause::Unknown, 7)]);
        assert_eq!(rest(1, 2), [(Cause::Unknown, -1)]);
    }

    #[test]
    fn a_device_that_only_they_have_was_somewhere_or_nowhere() {
        let ph = country("ph");
        let cause = |heard: &[(&str, &str)]| {
            let heard: Vec<_> = heard
                .iter()
                .map(|(code, time)| (country(code), at(time)))
                .collect();
            counted_by_them(ph, &ours(0), Some(&heard)).0
        };
        assert_eq!(cause(&[("jp", "10:00"), ("ph", "11:00")]), Cause::Roamer);
        assert_eq!(cause(&[("in", "09:30")]), Cause::Roamer);
        assert_eq!(cause(&[("jp", "09:00"), ("ph", "09:00")]), Cause::Zone);
        assert_eq!(cause(&[("jp", "11:00")]), Cause::Unknown);
        assert_eq!(counted_by_them(ph, &ours(0), None).0, Cause::Unknown);
        let bound = Ours {
            is_complete: false,
            ..ours(0)
        };
        assert_eq!(counted_by_them(ph, &bound, None).0, Cause::Gap);
    }
}
