//! `/api/v1/stream`: what changes, as it changes, as server-sent events.
//!
//! Whoever follows asks nobody: each follower looks at what was read for all of them
//! ([`crate::live`]), once a second, and sends what is new. So it costs the database the same
//! however many follow, and a follower who goes away leaves nothing behind.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use chrono::{DateTime, DurationRound as _, FixedOffset, TimeDelta};
use futures_util::stream::{self, Stream};
use model::{Country, Instant, ZoneHistory};
use serde::Serialize;
use store::hours::HourlyCount;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;
use utoipa::ToSchema;

use super::countries::{CountryItem, country_item};
use crate::extract::{InQuery, NoParameters};
use crate::live::MAX_CLOSINGS;
use crate::problem::{Problem, Refusals, quoted};
use crate::{Context, time};

/// The most who follow at once.
pub(crate) const MAX_FOLLOWERS: usize = 256;

/// How often is looked for something new.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A comment is sent after so long without an event, so that nobody on the way takes the connection
/// for dead.
const SAY_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// When a browser that was cut off comes back.
const COME_BACK_AFTER: Duration = Duration::from_secs(5);

/// How far back a follower who comes back is told what it missed.
const MAX_MISSED: TimeDelta = TimeDelta::hours(24);

/// Where a follower says what it had last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The event `counts`: what is reachable in every country, once a minute.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountsEvent {
    /// Every country in use, as in `/api/v1/countries`.
    items: Vec<CountryItem>,
}

/// The event `hour`: an hour was closed, or counted again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourEvent {
    /// The country.
    #[schema(example = "ph")]
    country: String,
    /// The IANA time zone by which its hours are counted.
    #[schema(example = "Asia/Manila")]
    time_zone: String,
    /// When it starts, by the country's clock.
    #[schema(example = "2026-11-21T09:00:00+08:00")]
    start: DateTime<FixedOffset>,
    /// When the next one starts.
    #[schema(example = "2026-11-21T10:00:00+08:00")]
    end: DateTime<FixedOffset>,
    /// Distinct devices heard in it; a lower bound where `complete` is false.
    #[schema(example = 1210)]
    devices: i64,
    /// The same per carrier.
    #[schema(example = json!({"globe": 705, "smart": 531}))]
    carriers: BTreeMap<String, i64>,
    /// Whether the count is exact.
    #[schema(example = true)]
    complete: bool,
    /// Grows with every recount that changed something.
    #[schema(example = 1)]
    revision: i32,
}

/// What changes, as it changes
///
/// Server-sent events, for `EventSource` in a browser or `curl -N`:
///
/// - `counts`: what is reachable in every country (`CountsEvent`), at once and then once a minute;
/// - `hour`: an hour was closed or counted again (`HourEvent`). It has an `id`: who comes back with it
///   as `Last-Event-ID`, as browsers do by themselves, is told what was closed since, up to 24 hours
///   back. An hour may come twice; `country`, `start` and `revision` together name it.
///
/// A comment is sent every 15 seconds without an event. At most 256 follow at once; further ones get
/// 503 and may ask `/api/v1/countries` instead. The stream ends when the server does; come back then.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    operation_id = "follow",
    tag = "counts",
    params(("Last-Event-ID" = Option<String>, Header, example = "1795227723000000",
        description = "`id` of the last event that was seen.")),
    responses(
        (status = 200, description = "The events.", body = String,
            content_type = "text/event-stream",
            example = "event: hour\nid: 1795227723000000\ndata: {\"country\":\"ph\",\
                \"time_zone\":\"Asia/Manila\",\"start\":\"2026-11-21T09:00:00+08:00\",\
                \"end\":\"2026-11-21T10:00:00+08:00\",\"devices\":1210,\
                \"carriers\":{\"globe\":705,\"smart\":531},\"complete\":true,\"revision\":1}\n\n"),
        Refusals
    )
)]
pub(crate) async fn follow(
    State(context): State<Context>,
    InQuery(NoParameters {}): InQuery<NoParameters>,
    headers: HeaderMap,
) -> Result<
    (
        [(HeaderName, &'static str); 2],
        Sse<impl Stream<Item = Result<Event, Infallible>>>,
    ),
    Problem,
> {
    let last_seen = headers.get(LAST_EVENT_ID).map(|id| {
        let text = id.to_str().unwrap_or_default();
        let instant = text.parse().ok().and_then(DateTime::from_timestamp_micros);
        instant.ok_or_else(|| {
            let detail = format!("{} is not the `id` of an event", quoted(text));
            Problem::bad_parameter("Last-Event-ID", detail)
        })
    });
    let place = Arc::clone(&context.followers)
        .try_acquire_owned()
        .map_err(|_| Problem::too_busy())?;
    let follower = Follower::new(context, place, last_seen.transpose()?).await?;
    let events = stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    let alive = KeepAlive::new().interval(SAY_ALIVE_EVERY);
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        // A proxy that collects the answer before it hands it on would hold the events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Sse::new(events).keep_alive(alive)))
}

/// One who follows.
struct Follower {
    context: Context,
    /// Given back when they go away.
    _place: OwnedSemaphorePermit,
    ticks: tokio::time::Interval,
    waiting: VecDeque<Event>,
    /// The minute whose counts were sent last.
    minute: Option<Instant>,
    /// The closings of the last minutes that were sent, or were there already.
    sent: HashSet<(Country, Instant, i32)>,
}

impl Follower {
    async fn new(
        context: Context,
        place: OwnedSemaphorePermit,
        last_seen: Option<Instant>,
    ) -> Result<Self, Problem> {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting = VecDeque::from([Event::default().retry(COME_BACK_AFTER)]);
        let mut sent = HashSet::new();
        let recent = context
            .live
            .closings(&context.store, &*context.clock)
            .await?;
        if let Some(last_seen) = last_seen {
            let since = last_seen.max(context.clock.now() - MAX_MISSED);
            let missed = context
                .store
                .hours_closed_since(since, MAX_CLOSINGS)
                .await?;
            let countries = context.store.countries().await?;
            for hour in &missed {
                if let Some(row) = countries.get(&hour.country) {
                    waiting.push_back(hour_event(hour, &row.zones));
                }
            }
            sent.extend(missed.iter().map(key));
            // What was closed before was seen; what was closed meanwhile is yet to be sent.
            sent.extend(
                recent
                    .iter()
                    .filter(|hour| hour.closed_at <= last_seen)
                    .map(key),
            );
        } else {
            sent.extend(recent.iter().map(key));
        }
        Ok(Self {
            context,
            _place: place,
            ticks,
            waiting,
            minute: None,
            sent,
        })
    }

    /// The next event; `None` when the server ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let ended = self.context.ended.clone();
            tokio::select! {
                () = ended.cancelled() => return None,
                _ = self.ticks.tick() => {}
            }
            if let Err(error) = self.look().await {
                // Whoever follows sees that `as_of` stands still; the status says why.
                tracing::debug!(%error, "nothing new can be read for those who follow");
            }
        }
    }

    async fn look(&mut self) -> store::Result<()> {
        let Self { context, .. } = self;
        let reading = context.live().await?;
        let minute = reading
            .at
            .duration_trunc(TimeDelta::minutes(1))
            .unwrap_or(reading.at);
        if self.minute != Some(minute) {
            self.minute = Some(minute);
            let rows = reading.countries.values();
            let items = rows
                .map(|row| country_item(context, &reading, row))
                .collect();
            self.waiting
                .push_back(event("counts", &CountsEvent { items }));
        }
        let closings = context
            .live
            .closings(&context.store, &*context.clock)
            .await?;
        for hour in closings
            .iter()
            .filter(|hour| !self.sent.contains(&key(hour)))
        {
            if let Some(row) = reading.countries.get(&hour.country) {
                self.waiting.push_back(hour_event(hour, &row.zones));
            }
        }
        self.sent = closings.iter().map(key).collect();
        Ok(())
    }
}

/// What names a closing.
fn key(hour: &HourlyCount) -> (Country, Instant, i32) {
    (hour.country, hour.hour.start, hour.revision)
}

fn hour_event(hour: &HourlyCount, zones: &ZoneHistory) -> Event {
    let carriers = hour.counts.carriers.iter();
    let data = HourEvent {
        country: hour.country.to_string(),
        time_zone: zones.zone_at(hour.hour.start).name().to_owned(),
        start: time::local(hour.hour.start, zones),
        end: time::local(hour.hour.end, zones),
        devices: hour.counts.devices,
        carriers: carriers
            .map(|(carrier, n)| (carrier.to_string(), *n))
            .collect(),
        complete: hour.complete,
        revision: hour.revision,
    };
    event("hour", &data).id(hour.closed_at.timestamp_micros().to_string())
}

/// An event of this name. JSON has no line ends outside of texts, so it is one line of data.
fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}
