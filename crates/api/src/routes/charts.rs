//! `/api/v1/countries/{cc}/hours` and `…/now` as pictures.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use chrono::TimeDelta;
use chrono_tz::Tz;
use model::{Carrier, Country, Instant, Segment};
use serde::Deserialize;
use store::countries::CountryRow;

use super::countries::{carrier_names, names, shown};
use super::hours::{HourItem, HoursQuery, Question as HoursQuestion};
use super::now::{NowQuery, Question as NowQuestion};
use crate::Context;
use crate::charts::series::{
    A_WEEK_DAYS, DROP_TO_NOTE, Hour, Known, Point, Since, a_week_later, below_since, change,
    hour_line, missing_hours, near, newest, unknown_stretches, within,
};
use crate::charts::{
    Chart, Counted, DESIGN_HEIGHT, DESIGN_WIDTH, Format, Headline, Kind, Language, Look, Theme,
    days_later, nights,
};
use crate::extract::{InPath, InQuery};
use crate::problem::{Problem, ProblemDetails, quoted};
use crate::range::Range;

/// Sizes of a picture, in pixels.
const WIDTHS: std::ops::RangeInclusive<u32> = 200..=2_400;
const HEIGHTS: std::ops::RangeInclusive<u32> = 100..=1_600;

/// The hours of a chart where none are asked for: those of the page.
const HOURS_LENGTH: TimeDelta = TimeDelta::days(7);

/// Of longer ranges last week is shown only when it is asked for: it would lie over its own past.
const COMPARED_LENGTH: TimeDelta = TimeDelta::days(14);

/// How far back the minutes are looked at for the beginning of a drop.
const DROP_LENGTH: TimeDelta = TimeDelta::hours(3);

/// An hour that has ended is counted within this; until then nothing is wrong with it.
const CLOSING: TimeDelta = TimeDelta::minutes(10);

/// A range that ends so shortly before this moment ends now.
const JUST_NOW: TimeDelta = TimeDelta::minutes(2);

/// From so many steps without a count on, what is reachable is not known.
const STEPS_TO_MISS: i32 = 3;

/// Which hours, and how they are drawn.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HoursChartQuery {
    /// The first instant: hours that start at or after it. RFC 3339 with offset, or a date or a
    /// date and time by the country's clock. Seven days before `to` when left out.
    #[param(example = "2026-11-14T10:00:00+08:00")]
    from: Option<String>,
    /// The first instant beyond: hours that start before it. Now when left out; at most 92 days
    /// after `from`.
    #[param(example = "2026-11-21T10:00:00+08:00")]
    to: Option<String>,
    /// Only this carrier of the country, by its slug.
    #[param(example = "globe")]
    carrier: Option<String>,
    /// Whether the week before is drawn, dotted, and compared with. When left out, up to 14 days.
    #[param(value_type = Option<bool>, example = true)]
    last_week: Option<String>,
    /// The width in pixels: 1,200 when left out.
    #[param(value_type = Option<u32>, example = 1200, minimum = 200, maximum = 2400)]
    w: Option<String>,
    /// The height in pixels: 630 when left out.
    #[param(value_type = Option<u32>, example = 630, minimum = 100, maximum = 1600)]
    h: Option<String>,
    /// The language: `en` or `ja`. The reader's (`Accept-Language`) when left out.
    #[param(example = "ja")]
    lang: Option<String>,
    /// The zone of all times in the picture, by its IANA name. The country's when left out.
    #[param(example = "Asia/Tokyo")]
    tz: Option<String>,
    /// The colours: `light` (when left out) or `dark`.
    #[param(example = "dark")]
    theme: Option<String>,
}

/// Which minutes, and how they are drawn.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NowChartQuery {
    /// The first instant. RFC 3339 with offset, or a date or a date and time by the country's
    /// clock. Three hours before `to` when left out.
    #[param(example = "2026-11-21T07:00:00+08:00")]
    from: Option<String>,
    /// The first instant beyond. Now when left out; at most 92 days after `from`.
    #[param(example = "2026-11-21T10:00:00+08:00")]
    to: Option<String>,
    /// Only this carrier of the country, by its slug.
    #[param(example = "globe")]
    carrier: Option<String>,
    /// Minutes from one point to the next, each the lowest of its step: a divisor of 60. As many
    /// as the picture can show when left out.
    #[param(example = 10, minimum = 1, maximum = 60)]
    step: Option<u16>,
    /// Whether the week before is drawn, dotted, and compared with. When left out, up to 14 days.
    #[param(value_type = Option<bool>, example = true)]
    last_week: Option<String>,
    /// The width in pixels: 1,200 when left out.
    #[param(value_type = Option<u32>, example = 1200, minimum = 200, maximum = 2400)]
    w: Option<String>,
    /// The height in pixels: 630 when left out.
    #[param(value_type = Option<u32>, example = 630, minimum = 100, maximum = 1600)]
    h: Option<String>,
    /// The language: `en` or `ja`. The reader's (`Accept-Language`) when left out.
    #[param(example = "ja")]
    lang: Option<String>,
    /// The zone of all times in the picture, by its IANA name. The country's when left out.
    #[param(example = "Asia/Tokyo")]
    tz: Option<String>,
    /// The colours: `light` (when left out) or `dark`.
    #[param(example = "dark")]
    theme: Option<String>,
}

/// Hours of a country as SVG
///
/// Connected devices per hour as a line, last week's dotted: lower bounds are dashed, the running
/// hour is hatched, what is not known is a hole. Above stand how many are reachable now, how that
/// differs from last week, and since when.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/hours.svg",
    operation_id = "drawHoursAsSvg",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        HoursChartQuery
    ),
    responses(
        (status = 200, description = "The picture.", body = String,
            content_type = "image/svg+xml", headers(
            ("ETag" = String, description = "Changes with the picture; send it as `If-None-Match`."))),
        (status = 304, description = "The picture is still the one with this `ETag`."),
        (status = 400, description = "A parameter is wrong; the detail names it and the fix.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "A country that is not in use; the detail says which are.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The database is away, or too many pictures are being drawn.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 504, description = "It took too long; ask for a shorter range.",
            body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn hours_svg(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<HoursChartQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    hours(&context, &code, query, &headers, Format::Svg).await
}

/// Hours of a country as PNG
///
/// The same picture as `/api/v1/countries/{cc}/hours.svg`, for chats and mails.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/hours.png",
    operation_id = "drawHoursAsPng",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        HoursChartQuery
    ),
    responses(
        (status = 200, description = "The picture.", body = Vec<u8>, content_type = "image/png",
            headers(
            ("ETag" = String, description = "Changes with the picture; send it as `If-None-Match`."))),
        (status = 304, description = "The picture is still the one with this `ETag`."),
        (status = 400, description = "A parameter is wrong; the detail names it and the fix.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "A country that is not in use; the detail says which are.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The database is away, or too many pictures are being drawn.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 504, description = "It took too long; ask for a shorter range.",
            body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn hours_png(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<HoursChartQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    hours(&context, &code, query, &headers, Format::Png).await
}

/// Reachable minute by minute as SVG
///
/// Devices reachable in every minute as a line, last week's dotted; what is not known is a hole.
/// Above stand the newest number, how it differs from last week, and since when.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/now.svg",
    operation_id = "drawNowAsSvg",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        NowChartQuery
    ),
    responses(
        (status = 200, description = "The picture.", body = String,
            content_type = "image/svg+xml", headers(
            ("ETag" = String, description = "Changes with the picture; send it as `If-None-Match`."))),
        (status = 304, description = "The picture is still the one with this `ETag`."),
        (status = 400, description = "A parameter is wrong; the detail names it and the fix.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "A country that is not in use; the detail says which are.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The database is away, or too many pictures are being drawn.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 504, description = "It took too long; ask for a shorter range.",
            body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn now_svg(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<NowChartQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    minutes(&context, &code, query, &headers, Format::Svg).await
}

/// Reachable minute by minute as PNG
///
/// The same picture as `/api/v1/countries/{cc}/now.svg`, for chats and mails.
#[utoipa::path(
    get,
    path = "/api/v1/countries/{cc}/now.png",
    operation_id = "drawNowAsPng",
    tag = "counts",
    params(
        ("cc" = String, Path, example = "ph",
            description = "The country: two letters, as in ISO 3166-1 alpha-2."),
        NowChartQuery
    ),
    responses(
        (status = 200, description = "The picture.", body = Vec<u8>, content_type = "image/png",
            headers(
            ("ETag" = String, description = "Changes with the picture; send it as `If-None-Match`."))),
        (status = 304, description = "The picture is still the one with this `ETag`."),
        (status = 400, description = "A parameter is wrong; the detail names it and the fix.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "A country that is not in use; the detail says which are.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The database is away, or too many pictures are being drawn.",
            body = ProblemDetails, content_type = "application/problem+json"),
        (status = 504, description = "It took too long; ask for a shorter range.",
            body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn now_png(
    State(context): State<Context>,
    InPath(code): InPath,
    InQuery(query): InQuery<NowChartQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    minutes(&context, &code, query, &headers, Format::Png).await
}

async fn hours(
    context: &Context,
    code: &str,
    query: HoursChartQuery,
    headers: &HeaderMap,
    format: Format,
) -> Result<Response, Problem> {
    let wishes = Wishes {
        last_week: query.last_week,
        w: query.w,
        h: query.h,
        lang: query.lang,
        tz: query.tz,
        theme: query.theme,
    };
    let wishes = wishes.read(headers)?;
    let query = HoursQuery {
        from: query.from,
        to: query.to,
        carrier: query.carrier,
        version: None,
    };
    let question = HoursQuestion::read_with(context, code, &query, HOURS_LENGTH).await?;
    let chart = hours_chart(context, &question, &wishes).await?;
    wishes.answer(context, headers, chart, format).await
}

async fn minutes(
    context: &Context,
    code: &str,
    query: NowChartQuery,
    headers: &HeaderMap,
    format: Format,
) -> Result<Response, Problem> {
    let wishes = Wishes {
        last_week: query.last_week,
        w: query.w,
        h: query.h,
        lang: query.lang,
        tz: query.tz,
        theme: query.theme,
    };
    let wishes = wishes.read(headers)?;
    let query = NowQuery {
        from: query.from,
        to: query.to,
        carrier: query.carrier,
        step: query.step,
    };
    let question = NowQuestion::read_to_draw(context, code, &query).await?;
    let chart = minutes_chart(context, &question, &wishes).await?;
    wishes.answer(context, headers, chart, format).await
}

/// How a chart is to be drawn, as it was asked.
struct Wishes {
    last_week: Option<String>,
    w: Option<String>,
    h: Option<String>,
    lang: Option<String>,
    tz: Option<String>,
    theme: Option<String>,
}

/// The same, understood.
struct Drawn {
    look: Look,
    zone: Option<Tz>,
    last_week: Option<bool>,
    /// Nobody asked for a language, so it is the reader's.
    follows_reader: bool,
}

impl Wishes {
    fn read(self, headers: &HeaderMap) -> Result<Drawn, Problem> {
        let language = one_of(
            "lang",
            self.lang.as_deref(),
            &[("en", Language::En), ("ja", Language::Ja)],
        )?;
        let theme = one_of(
            "theme",
            self.theme.as_deref(),
            &[("light", Theme::Light), ("dark", Theme::Dark)],
        )?;
        let last_week = one_of(
            "last_week",
            self.last_week.as_deref(),
            &[("true", true), ("false", false)],
        )?;
        let zone = self.tz.as_deref().map(|name| {
            name.parse().map_err(|_unknown| {
                let detail = format!(
                    "`tz` {} is no time zone: write an IANA name such as `Asia/Manila` or `UTC`",
                    quoted(name)
                );
                Problem::bad_parameter("tz", detail)
            })
        });
        Ok(Drawn {
            look: Look {
                width: pixels("w", self.w.as_deref(), WIDTHS)?.unwrap_or(DESIGN_WIDTH),
                height: pixels("h", self.h.as_deref(), HEIGHTS)?.unwrap_or(DESIGN_HEIGHT),
                language: language.unwrap_or_else(|| Language::of_reader(headers)),
                theme: theme.unwrap_or_default(),
            },
            zone: zone.transpose()?,
            last_week,
            follows_reader: language.is_none(),
        })
    }
}

impl Drawn {
    fn compares(&self, range: Range) -> bool {
        let is_short = range.to - range.from <= COMPARED_LENGTH;
        self.last_week.unwrap_or(is_short)
    }

    async fn answer(
        self,
        context: &Context,
        headers: &HeaderMap,
        chart: Chart,
        format: Format,
    ) -> Result<Response, Problem> {
        let answer = context.studio.answer(headers, chart, self.look, format);
        let mut response = answer.await?;
        if self.follows_reader {
            let vary = HeaderValue::from_name(header::ACCEPT_LANGUAGE);
            response.headers_mut().append(header::VARY, vary);
        }
        Ok(response)
    }

    /// The chart, without what depends on the kind.
    fn chart(
        &self,
        context: &Context,
        subject: &Subject<'_>,
        headline: Headline,
        kind: Kind,
    ) -> Chart {
        let Subject { row, carrier, now } = *subject;
        let pick = |(en, ja): (String, String)| match self.look.language {
            Language::En => en,
            Language::Ja => ja,
        };
        Chart {
            title: pick(names(context, row.country)),
            carrier: carrier.map(|carrier| {
                let segment = Segment {
                    country: row.country,
                    carrier: carrier.clone(),
                };
                pick(carrier_names(context, &segment))
            }),
            headline,
            from: now,
            to: now,
            zone: self.zone.unwrap_or_else(|| row.zones.zone_at(now)),
            nights: Vec::new(),
            line: Vec::new(),
            last_week: Vec::new(),
            unknown: Vec::new(),
            kind,
        }
    }
}

/// What a chart is about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    row: &'a CountryRow,
    carrier: Option<&'a Carrier>,
    now: Instant,
}

impl Subject<'_> {
    fn zone(&self) -> Tz {
        self.row.zones.zone_at(self.now)
    }

    /// The minutes of a range, and those of a week before, moved to it.
    async fn minutes(
        &self,
        context: &Context,
        range: Range,
        step: TimeDelta,
        compares: bool,
    ) -> Result<(Vec<Point>, Vec<Point>), Problem> {
        let this_week = self.minutes_of(context, range, step).await?;
        if !compares {
            return Ok((this_week, Vec::new()));
        }
        let zone = self.zone();
        let before = Range {
            from: days_later(zone, range.from, -A_WEEK_DAYS),
            to: days_later(zone, range.to, -A_WEEK_DAYS),
        };
        let before = self.minutes_of(context, before, step).await?;
        let last_week = within(&a_week_later(zone, &before), range.from, range.to);
        Ok((this_week, last_week))
    }

    async fn minutes_of(
        &self,
        context: &Context,
        range: Range,
        step: TimeDelta,
    ) -> Result<Vec<Point>, Problem> {
        let question = NowQuestion {
            row: self.row.clone(),
            range,
            step,
            carrier: self.carrier.cloned(),
            now: self.now,
        };
        let answer = question.answer(context).await?;
        let point = |item: &super::now::NowItem| (item.at.to_utc(), item.devices);
        Ok(answer.items.iter().map(point).collect())
    }
}

async fn minutes_chart(
    context: &Context,
    question: &NowQuestion,
    drawn: &Drawn,
) -> Result<Chart, Problem> {
    let NowQuestion {
        row,
        range,
        step,
        carrier,
        now,
    } = question;
    let subject = Subject {
        row,
        carrier: carrier.as_ref(),
        now: *now,
    };
    let compares = drawn.compares(*range);
    let (line, last_week) = subject.minutes(context, *range, *step, compares).await?;
    let end = range.to.min(*now);
    let newest = newest(&line).filter(|(at, _)| end - *at <= *step * STEPS_TO_MISS);
    let (at, value) = newest.map_or((model::hour::minute(end), None), |(at, value)| {
        (at, Some(value))
    });
    let change = change(value, near(&last_week, at, *step));
    let headline = Headline {
        value,
        counted: Counted::Reachable,
        at,
        change,
        since: is_drop(change)
            .then(|| below_since(&line, &last_week, *step))
            .flatten(),
    };
    let chart = drawn.chart(context, &subject, headline, Kind::Minutes);
    Ok(Chart {
        from: range.from,
        to: range.to,
        unknown: unknown_stretches(&line, range.from, range.to, *step),
        line,
        last_week,
        ..chart
    })
}

async fn hours_chart(
    context: &Context,
    question: &HoursQuestion,
    drawn: &Drawn,
) -> Result<Chart, Problem> {
    let HoursQuestion {
        row,
        range,
        carrier,
        now,
    } = question;
    let subject = Subject {
        row,
        carrier: carrier.as_ref(),
        now: *now,
    };
    let items = question.answer(context).await?.items;
    let hours: Vec<Hour> = items.iter().map(|item| hour_of(item, *now)).collect();
    let line = hour_line(&hours);
    let last_week = if drawn.compares(*range) {
        hours_last_week(context, question, subject.zone()).await?
    } else {
        Vec::new()
    };
    // From the start of the first hour to the end of the last that has begun, counted or not.
    let tiles = || row.zones.hours(range.from, range.to.min(*now));
    let from = tiles().next().map_or(range.from, |hour| hour.start);
    let to = tiles().last().map_or(range.to, |hour| hour.end);
    let last_week = within(&last_week, from, to);
    let half_an_hour = TimeDelta::minutes(30);
    let below = below_since(&line, &last_week, half_an_hour).map(|since| Since {
        at: row.zones.hour_at(since.at).start,
        ..since
    });
    let headline = if *now - range.to <= JUST_NOW {
        headline_now(context, &subject, below).await?
    } else {
        let newest = newest(&line);
        let value = newest.map(|(_, value)| value);
        let week_ago = newest.and_then(|(at, _)| near(&last_week, at, half_an_hour));
        let change = change(value, week_ago);
        Headline {
            value,
            counted: Counted::InTheHour,
            at: newest.map_or(to, |(at, _)| row.zones.hour_at(at).end),
            change,
            since: below.filter(|_| is_drop(change)),
        }
    };
    let mut unknown = missing_hours(&hours);
    // Before there was a country nobody listened; hours missing at the end are not known.
    if let Some(last) = hours.last().filter(|last| last.end < to) {
        unknown.push((last.end, to));
    }
    let nights = if row.country == Country::UNPLACEABLE {
        Vec::new()
    } else {
        nights(subject.zone(), from, to)
    };
    let chart = drawn.chart(context, &subject, headline, Kind::Hours(hours));
    Ok(Chart {
        from,
        to,
        nights,
        line,
        last_week,
        unknown,
        ..chart
    })
}

/// The whole hours of the week before a question's range, moved to it.
async fn hours_last_week(
    context: &Context,
    question: &HoursQuestion,
    zone: Tz,
) -> Result<Vec<Point>, Problem> {
    let before = HoursQuestion {
        row: question.row.clone(),
        range: Range {
            from: days_later(zone, question.range.from, -A_WEEK_DAYS) - TimeDelta::hours(1),
            to: days_later(zone, question.range.to, -A_WEEK_DAYS) + TimeDelta::hours(1),
        },
        carrier: question.carrier.clone(),
        now: question.now,
    };
    let items = before.answer(context).await?.items;
    let hours: Vec<Hour> = items
        .iter()
        .map(|item| hour_of(item, question.now))
        .collect();
    Ok(a_week_later(zone, &hour_line(&hours)))
}

/// What is reachable at this moment, as the page says it. The minutes tell since when it is bad,
/// and the hours where that is longer ago.
async fn headline_now(
    context: &Context,
    subject: &Subject<'_>,
    below: Option<Since>,
) -> Result<Headline, Problem> {
    let Subject { row, carrier, now } = *subject;
    let reading = context.live().await?;
    let of = |counts: &store::presence::Counts| shown(counts, carrier).0;
    let value = reading.reachable(row).as_ref().map(of);
    let change = change(value, reading.week_ago(row.country).map(of));
    let at = model::hour::minute(now);
    let since = if is_drop(change) {
        let range = Range {
            from: at - DROP_LENGTH,
            to: at + TimeDelta::minutes(1),
        };
        let minute = TimeDelta::minutes(1);
        let (line, last_week) = subject.minutes(context, range, minute, true).await?;
        match below_since(&line, &last_week, minute) {
            Some(since) if !since.before => Some(since),
            since => below.or(since),
        }
    } else {
        None
    };
    Ok(Headline {
        value,
        counted: Counted::Reachable,
        at,
        change,
        since,
    })
}

fn is_drop(change: Option<f64>) -> bool {
    change.is_some_and(|share| share <= DROP_TO_NOTE)
}

fn hour_of(item: &HourItem, now: Instant) -> Hour {
    let end = item.end.to_utc();
    let unseen = item.gap_secs.unwrap_or(0) > 0
        || item
            .causes
            .as_ref()
            .is_some_and(|causes| !causes.is_empty());
    let known = if item.open {
        Known::Running
    } else if item.complete || (!unseen && now - end < CLOSING) {
        Known::Whole
    } else {
        Known::AtLeast
    };
    Hour {
        start: item.start.to_utc(),
        end,
        devices: item.devices,
        known,
    }
}

/// A parameter that is one of a few words.
fn one_of<T: Copy>(
    name: &'static str,
    asked: Option<&str>,
    words: &[(&str, T)],
) -> Result<Option<T>, Problem> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    let found = words.iter().find(|(word, _)| *word == asked);
    found.map(|(_, value)| Some(*value)).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let detail = format!(
            "`{name}` is {}; it is {}",
            quoted(asked),
            words.join(" or ")
        );
        Problem::bad_parameter(name, detail)
    })
}

/// A parameter that is a size in pixels.
fn pixels(
    name: &'static str,
    asked: Option<&str>,
    sizes: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, Problem> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    let size = asked.parse().ok().filter(|size| sizes.contains(size));
    size.map(Some).ok_or_else(|| {
        let (least, most) = sizes.into_inner();
        let detail = format!(
            "`{name}` is {}; it is a number of pixels from {least} to {most}",
            quoted(asked)
        );
        Problem::bad_parameter(name, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_named_when_they_are_wrong() {
        for (size, read) in [("200", 200), ("2400", 2_400)] {
            assert_eq!(pixels("w", Some(size), WIDTHS).unwrap(), Some(read));
        }
        assert_eq!(pixels("w", None, WIDTHS).unwrap(), None);
        for wrong in ["199", "2401", "-1", "", "1e3", "12px", "4294967297"] {
            let problem = format!("{:?}", pixels("w", Some(wrong), WIDTHS).unwrap_err());
            assert!(problem.contains("from 200 to 2400"), "{problem}");
        }
        let words = [("light", 1), ("dark", 2)];
        assert_eq!(one_of("theme", Some("dark"), &words).unwrap(), Some(2));
        let problem = format!("{:?}", one_of("theme", Some("DARK"), &words).unwrap_err());
        assert!(problem.contains("`light` or `dark`"), "{problem}");
    }
}
