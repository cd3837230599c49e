//! What stands in a chart, in the languages of the page. The words are those of the glossary.

use axum::http::{HeaderMap, header};
use chrono::{DateTime, Datelike as _, Offset as _, TimeDelta, Weekday};
use chrono_tz::Tz;
use model::Instant;

/// What stands for a number that nobody knows. Never 0.
const UNKNOWN: &str = "—";

/// A minus sign as wide as those of most fonts: that of Unicode is not in all of them.
const MINUS: char = '–';

/// From so many percent on, a tenth of a percent is of no interest.
const WHOLE_PERCENTS_FROM: f64 = 9.95;

/// A language of the charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

use Language::{En, Ja};

impl Language {
    /// The first language of a reader (`Accept-Language`) that we speak; English when there is none.
    /// Readers' programs list them in their order.
    pub(crate) fn of_reader(headers: &HeaderMap) -> Self {
        headers
            .get_all(header::ACCEPT_LANGUAGE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(|range| match range.trim().get(..2)? {
                first if first.eq_ignore_ascii_case("ja") => Some(Ja),
                first if first.eq_ignore_ascii_case("en") => Some(En),
                _ => None,
            })
            .unwrap_or(En)
    }

    /// Its code, as XML and HTML have it.
    pub(super) fn code(self) -> &'static str {
        match self {
            En => "en",
            Ja => "ja",
        }
    }

    fn pick(self, en: &'static str, ja: &'static str) -> &'static str {
        match self {
            En => en,
            Ja => ja,
        }
    }

    pub(super) fn reachable(self) -> &'static str {
        self.pick("Reachable", "接続台数")
    }

    pub(super) fn per_hour(self) -> &'static str {
        self.pick("Hourly count", "接続台数(時)")
    }

    pub(super) fn last_week(self) -> &'static str {
        self.pick("Last week", "前週")
    }

    pub(super) fn night(self) -> &'static str {
        self.pick("Night there", "現地の夜間")
    }

    pub(super) fn running(self) -> &'static str {
        self.pick("Running", "集計中")
    }

    pub(super) fn at_least(self) -> &'static str {
        self.pick("At least", "この値以上")
    }

    pub(super) fn unseen(self) -> &'static str {
        self.pick("Unknown", "計測不能")
    }

    pub(super) fn no_count(self) -> &'static str {
        self.pick(
            "We could not see enough to count",
            "十分に計測できませんでした",
        )
    }

    pub(super) fn not_the_devices(self) -> &'static str {
        self.pick(
            "This says nothing about the devices",
            "端末の状態を示すものではありません",
        )
    }

    pub(super) fn nothing_to_show(self) -> &'static str {
        self.pick("Nothing is known of this time", "この期間の値は不明です")
    }

    pub(super) fn axis_starts_at(self, value: i64) -> String {
        let value = count(value);
        match self {
            En => format!("Axis from {value}"),
            Ja => format!("縦軸は{value}から"),
        }
    }

    /// What was reachable at an instant.
    pub(super) fn reachable_at(self, at: Instant, zone: Tz) -> String {
        let at = self.day_and_clock(at, zone);
        match self {
            En => format!("Reachable as of {at}"),
            Ja => format!("{at}現在の接続台数"),
        }
    }

    /// What was connected in the hour that ends at an instant.
    pub(super) fn in_the_hour_to(self, end: Instant, zone: Tz) -> String {
        let end = self.day_and_clock(end, zone);
        match self {
            En => format!("In the hour to {end}"),
            Ja => format!("{end}までの1時間の接続台数"),
        }
    }

    /// `vs. a week ago`, with the share.
    pub(super) fn against_last_week(self, share: f64) -> String {
        let share = self.percent(share);
        match self {
            En => format!("{share} vs. last week"),
            Ja => format!("前週比 {share}"),
        }
    }

    /// Since when, and for how long until `until`.
    pub(super) fn since(self, at: Instant, until: Instant, zone: Tz) -> String {
        let local = |at: Instant| at.with_timezone(&zone).date_naive();
        let time = if local(at) == local(until) {
            clock(at, zone)
        } else {
            self.day_and_clock(at, zone)
        };
        let lasting = self.duration(until - at);
        match self {
            En => format!("since {time}, for {lasting}"),
            Ja => format!("{time}から{lasting}"),
        }
    }

    /// It was so already at the beginning of what is shown.
    pub(super) fn since_before(self, at: Instant, zone: Tz) -> String {
        let time = self.day_and_clock(at, zone);
        match self {
            En => format!("since before {time}"),
            Ja => format!("{time}以前から"),
        }
    }

    /// `1 h 46 min`, `3 days`: two units below a day, one above.
    fn duration(self, length: TimeDelta) -> String {
        let mins = length.num_minutes().max(0);
        let (days, hours, rest) = (mins / (24 * 60), mins / 60, mins % 60);
        match self {
            En if days >= 2 => format!("{days} days"),
            Ja if days >= 2 => format!("{days}日"),
            En if hours > 0 && rest > 0 => format!("{hours} h {rest} min"),
            Ja if hours > 0 && rest > 0 => format!("{hours}時間{rest}分"),
            En if hours > 0 => format!("{hours} h"),
            Ja if hours > 0 => format!("{hours}時間"),
            En => format!("{mins} min"),
            Ja => format!("{mins}分"),
        }
    }

    /// `–12 %`, `+1.3 %`. Japanese sets no space before the sign.
    fn percent(self, share: f64) -> String {
        let percent = share * 100.0;
        let digits = usize::from(percent.abs() < WHOLE_PERCENTS_FROM);
        let size = format!("{:.digits$}", percent.abs());
        let is_zero = size.trim_matches(['0', '.']).is_empty();
        let sign = match percent {
            _ if is_zero => String::new(),
            less if less < 0.0 => MINUS.to_string(),
            _ => "+".to_owned(),
        };
        let space = self.pick("\u{a0}", "");
        format!("{sign}{size}{space}%")
    }

    /// `Sat 21 Nov` or `11/21(土)`.
    pub(super) fn day(self, at: Instant, zone: Tz) -> String {
        let local = at.with_timezone(&zone);
        match self {
            En => local.format("%a %-d %b").to_string(),
            Ja => format!(
                "{}({})",
                local.format("%-m/%-d"),
                weekday_ja(local.weekday())
            ),
        }
    }

    /// `Sat 21` or `21(土)`.
    pub(super) fn short_day(self, at: Instant, zone: Tz) -> String {
        let local = at.with_timezone(&zone);
        match self {
            En => local.format("%a %-d").to_string(),
            Ja => format!("{}({})", local.day(), weekday_ja(local.weekday())),
        }
    }

    /// `21 Nov` or `11/21`.
    pub(super) fn date(self, at: Instant, zone: Tz) -> String {
        let local = at.with_timezone(&zone);
        local.format(self.pick("%-d %b", "%-m/%-d")).to_string()
    }

    fn day_and_clock(self, at: Instant, zone: Tz) -> String {
        let (day, clock) = (self.day(at, zone), clock(at, zone));
        match self {
            En => format!("{day}, {clock}"),
            Ja => format!("{day} {clock}"),
        }
    }

    /// `Manila, UTC+8`: "PST" is Manila to one reader and California to the next. Where the clock
    /// is changed in between, both offsets.
    pub(super) fn zone(self, zone: Tz, from: Instant, to: Instant) -> String {
        let before = offset(from.with_timezone(&zone));
        let after = offset(to.with_timezone(&zone));
        let place = self.place(zone);
        let comma = self.pick(", ", "、");
        match self {
            _ if place == "UTC" => place.into_owned(),
            _ if before == after => format!("{place}{comma}{after}"),
            En => format!("{place}, {before}, then {after}"),
            Ja => format!("{place}、{before}のち{after}"),
        }
    }

    /// The place that a zone is named after.
    fn place(self, zone: Tz) -> std::borrow::Cow<'static, str> {
        let name = zone.name();
        if [
            "UTC", "Etc/UTC", "Etc/GMT", "GMT", "Etc/UCT", "Zulu", "Etc/Zulu",
        ]
        .contains(&name)
        {
            return "UTC".into();
        }
        let japanese = PLACES_JA.iter().find(|(zone, _)| *zone == name);
        match (self, japanese) {
            (Ja, Some((_, place))) => (*place).into(),
            _ => {
                let place = name.rsplit('/').next().unwrap_or(name);
                place.replace('_', " ").into()
            }
        }
    }
}

/// `1,203`, in both languages.
pub(super) fn count(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    if value < 0 {
        text.push(MINUS);
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count, or what stands for one that nobody knows.
pub(super) fn count_or_unknown(value: Option<i64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), count)
}

/// `10:31` by the clock of a zone.
pub(super) fn clock(at: Instant, zone: Tz) -> String {
    at.with_timezone(&zone).format("%H:%M").to_string()
}

/// `UTC+8`, `UTC+5:30`, `UTC–3:30`, `UTC`.
fn offset(local: DateTime<Tz>) -> String {
    let mins = local.offset().fix().local_minus_utc() / 60;
    let (hours, rest) = (mins.abs() / 60, mins.abs() % 60);
    let sign = match mins {
        0 => return "UTC".to_owned(),
        west if west < 0 => MINUS,
        _ => '+',
    };
    if rest == 0 {
        format!("UTC{sign}{hours}")
    } else {
        format!("UTC{sign}{hours}:{rest:02}")
    }
}

fn weekday_ja(day: Weekday) -> char {
    match day {
        Weekday::Mon => '月',
        Weekday::Tue => '火',
        Weekday::Wed => '水',
        Weekday::Thu => '木',
        Weekday::Fri => '金',
        Weekday::Sat => '土',
        Weekday::Sun => '日',
    }
}

/// Japanese names of the places that zones are named after, those of the page. Others are shown as
/// the zone has them.
const PLACES_JA: [(&str, &str); 37] = [
    ("Asia/Bangkok", "バンコク"),
    ("Asia/Calcutta", "コルカタ"),
    ("Asia/Colombo", "コロンボ"),
    ("Asia/Dhaka", "ダッカ"),
    ("Asia/Ho_Chi_Minh", "ホーチミン"),
    ("Asia/Hong_Kong", "香港"),
    ("Asia/Jakarta", "ジャカルタ"),
    ("Asia/Jayapura", "ジャヤプラ"),
    ("Asia/Karachi", "カラチ"),
    ("Asia/Kathmandu", "カトマンズ"),
    ("Asia/Katmandu", "カトマンズ"),
    ("Asia/Kolkata", "コルカタ"),
    ("Asia/Kuala_Lumpur", "クアラルンプール"),
    ("Asia/Makassar", "マカッサル"),
    ("Asia/Manila", "マニラ"),
    ("Asia/Phnom_Penh", "プノンペン"),
    ("Asia/Rangoon", "ヤンゴン"),
    ("Asia/Saigon", "ホーチミン"),
    ("Asia/Seoul", "ソウル"),
    ("Asia/Shanghai", "上海"),
    ("Asia/Singapore", "シンガポール"),
    ("Asia/Taipei", "台北"),
    ("Asia/Tokyo", "東京"),
    ("Asia/Vientiane", "ビエンチャン"),
    ("Asia/Yangon", "ヤンゴン"),
    ("Africa/Cairo", "カイロ"),
    ("Africa/Johannesburg", "ヨハネスブルグ"),
    ("Africa/Lagos", "ラゴス"),
    ("Africa/Nairobi", "ナイロビ"),
    ("America/Los_Angeles", "ロサンゼルス"),
    ("America/Mexico_City", "メキシコシティ"),
    ("America/New_York", "ニューヨーク"),
    ("America/Sao_Paulo", "サンパウロ"),
    ("Australia/Sydney", "シドニー"),
    ("Europe/Berlin", "ベルリン"),
    ("Europe/London", "ロンドン"),
    ("Europe/Paris", "パリ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn zones_are_named_by_place_and_offset() {
        let now = at("2026-11-21T02:20:00Z");
        for (zone, en, ja) in [
            (Tz::Asia__Manila, "Manila, UTC+8", "マニラ、UTC+8"),
            (Tz::Asia__Kolkata, "Kolkata, UTC+5:30", "コルカタ、UTC+5:30"),
            (
                Tz::America__St_Johns,
                "St Johns, UTC–3:30",
                "St Johns、UTC–3:30",
            ),
            (Tz::Europe__London, "London, UTC", "ロンドン、UTC"),
            (Tz::Etc__UTC, "UTC", "UTC"),
            (
                Tz::America__Argentina__Buenos_Aires,
                "Buenos Aires, UTC–3",
                "Buenos Aires、UTC–3",
            ),
        ] {
            assert_eq!(En.zone(zone, now, now), en);
            assert_eq!(Ja.zone(zone, now, now), ja);
        }
        let change = (at("2026-10-30T00:00:00Z"), at("2026-11-03T00:00:00Z"));
        assert_eq!(
            En.zone(Tz::America__New_York, change.0, change.1),
            "New York, UTC–4, then UTC–5"
        );
    }

    #[test]
    fn numbers_and_times_read_as_on_the_page() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1_203, "1,203"),
            (-1_234_567, "–1,234,567"),
        ] {
            assert_eq!(count(value), text);
        }
        assert_eq!(count_or_unknown(None), "—");
        for (share, en, ja) in [
            (-0.123, "–12\u{a0}%", "–12%"),
            (0.0131, "+1.3\u{a0}%", "+1.3%"),
            (0.0, "0.0\u{a0}%", "0.0%"),
            (-0.0001, "0.0\u{a0}%", "0.0%"),
            (-1.0, "–100\u{a0}%", "–100%"),
        ] {
            assert_eq!(En.percent(share), en);
            assert_eq!(Ja.percent(share), ja);
        }
        let now = at("2026-11-21T02:20:00Z");
        let manila = Tz::Asia__Manila;
        assert_eq!(
            En.reachable_at(now, manila),
            "Reachable as of Sat 21 Nov, 10:20"
        );
        assert_eq!(
            Ja.reachable_at(now, manila),
            "11/21(土) 10:20現在の接続台数"
        );
        let since = at("2026-11-21T00:35:00Z");
        assert_eq!(En.since(since, now, manila), "since 08:35, for 1 h 45 min");
        assert_eq!(Ja.since(since, now, manila), "08:35から1時間45分");
        let yesterday = at("2026-11-20T02:20:00Z");
        assert_eq!(
            En.since(yesterday, now, manila),
            "since Fri 20 Nov, 10:20, for 24 h"
        );
        assert_eq!(En.duration(TimeDelta::days(3)), "3 days");
    }

    #[test]
    fn the_reader_chooses_the_language() {
        for (accepted, language) in [
            (None, En),
            (Some("ja-JP,ja;q=0.9,en;q=0.8"), Ja),
            (Some("th, JA;q=0.5, en"), Ja),
            (Some("en-GB,ja"), En),
            (Some("端末"), En),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accepted) = accepted {
                headers.insert(
                    header::ACCEPT_LANGUAGE,
                    header::HeaderValue::from_bytes(accepted.as_bytes()).unwrap(),
                );
            }
            assert_eq!(Language::of_reader(&headers), language, "{accepted:?}");
        }
    }

    #[test]
    fn every_place_is_a_zone() {
        for (zone, _) in PLACES_JA {
            assert!(zone.parse::<Tz>().is_ok(), "{zone}");
        }
    }
}
