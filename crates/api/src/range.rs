//! The stretch of time that a query asks about.

use chrono::TimeDelta;
use model::{Instant, ZoneHistory};

use crate::problem::{Problem, quoted};
use crate::time;

/// The instants asked about: `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// How long a range is when none is asked for, and at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths {
    pub(crate) default: TimeDelta,
    pub(crate) max: TimeDelta,
}

impl Range {
    /// Reads `from` and `to` as [`time::parse`] does. Without `to` it ends now; without `from` it
    /// begins the default length before its end.
    pub(crate) fn read(
        from: Option<&str>,
        to: Option<&str>,
        lengths: Lengths,
        zones: &ZoneHistory,
        now: Instant,
    ) -> Result<Self, Problem> {
        let instant = |name: &'static str, text: Option<&str>| {
            let parsed = text.map(|text| {
                time::parse(text, zones).map_err(|error| {
                    Problem::bad_parameter(name, format!("`{name}` {} {error}", quoted(text)))
                })
            });
            parsed.transpose()
        };
        let given_to = instant("to", to)?;
        let to = given_to.unwrap_or(now);
        let from = instant("from", from)?.unwrap_or(to - lengths.default);
        let shown = |instant| time::text(time::local(instant, zones));
        let end = match given_to {
            Some(to) => format!("`to` ({})", shown(to)),
            None => format!("`to` (now, {}, as none is given)", shown(to)),
        };
        if from > to {
            let detail = format!("`from` ({}) is after {end}: swap them", shown(from));
            return Err(Problem::bad_parameter("from", detail));
        }
        if to - from > lengths.max {
            let detail = format!(
                "from `from` ({}) to {end} are more than {} days: ask for them in parts",
                shown(from),
                lengths.max.num_days()
            );
            return Err(Problem::bad_parameter("from", detail));
        }
        Ok(Self { from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: Lengths = Lengths {
        default: TimeDelta::hours(24),
        max: TimeDelta::days(92),
    };

    fn range(from: Option<&str>, to: Option<&str>) -> Result<Range, String> {
        let zones = ZoneHistory::always(chrono_tz::Tz::Asia__Manila);
        let now = "2026-11-21T02:20:00Z".parse().unwrap();
        Range::read(from, to, LENGTHS, &zones, now).map_err(|problem| format!("{problem:?}"))
    }

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_has_defaults_and_limits() {
        let last_day = range(None, None).unwrap();
        assert_eq!(last_day.to, at("2026-11-21T02:20:00Z"));
        assert_eq!(last_day.to - last_day.from, LENGTHS.default);
        let until = range(None, Some("2026-11-20")).unwrap();
        assert_eq!(until.from, at("2026-11-18T16:00:00Z"));
        assert!(
            range(Some("2026-08-01"), Some("2026-11-01")).is_ok(),
            "92 days"
        );

        let swapped = range(Some("2026-11-21"), Some("2026-11-20")).unwrap_err();
        for word in [
            "`from` (2026-11-21T00:00:00+08:00)",
            "`to` (2026-11-20T00:00:00+08:00)",
        ] {
            assert!(swapped.contains(word), "{swapped}");
        }
        let future = range(Some("2026-12-01"), None).unwrap_err();
        assert!(future.contains("as none is given"), "{future}");
        let decade = range(Some("2016-11-21"), None).unwrap_err();
        assert!(decade.contains("92 days"), "{decade}");
        let nonsense = range(Some("tomorrow"), None).unwrap_err();
        assert!(
            nonsense.contains("`from` `tomorrow` is no time"),
            "{nonsense}"
        );
    }
}
