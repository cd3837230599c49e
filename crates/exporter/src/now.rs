//! *Reachable now*, every minute.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use model::horizon::now_is_known;
use model::{Country, Gap, Horizon, Instant};
use store::countries::CountryRow;
use store::leases::Lease;
use store::overdue::Overdue;
use telemetry::Count;
use telemetry::metrics::PipelineValue;

use crate::dogstatsd::line::{Kind, Status};
use crate::emit::Emitter;
use crate::pipeline::{self, Present};
use crate::series::CarrierSeries;
use crate::{Config, Context};

/// Counts the devices reachable at the start of this minute, keeps and sends the counts. A country
/// of which we cannot tell is left out of both. Returns what is known about the minute.
pub(crate) async fn count(
    config: &Config,
    context: &Context,
    emitter: &mut Emitter,
    lease: &Lease,
    minute: Instant,
) -> store::Result<Present> {
    let Context { store, .. } = context;
    let slots = store.slots().await?;
    let horizon = Horizon::of(slots.iter().map(|slot| (slot.started_at, slot.watermark)));
    let countries = store.countries().await?;
    let longest = countries
        .values()
        .map(|row| row.reach_window)
        .max()
        .unwrap_or_default();
    let longest = TimeDelta::from_std(longest).unwrap_or(TimeDelta::MAX);
    let since = minute.checked_sub_signed(longest).unwrap_or(minute);
    let records = store.gaps_since(since).await?;
    let gaps: Vec<Gap> = records.iter().map(|record| record.gap.clone()).collect();

    let reachable = store.count_now(minute).await?;
    let heard = reachable.values().flat_map(|r| r.last_heard_at.values());
    let newest_heard_at = heard.max().copied();
    let mut counts: BTreeMap<_, _> = reachable
        .into_iter()
        .map(|(country, reachable)| (country, reachable.counts))
        .collect();
    let known = |country: &Country, row: Option<&CountryRow>| {
        row.is_some_and(|row| now_is_known(*country, row.reach_window, &gaps, horizon, minute))
    };
    let mut unknown = Vec::new();
    counts.retain(|country, _| {
        let known = known(country, countries.get(country));
        if !known {
            unknown.push(*country);
        }
        known
    });
    store.keep_now(lease, minute, &counts).await?;

    let series = if config.carrier_now {
        Some(CarrierSeries::read(config, store, minute).await?)
    } else {
        None
    };
    let mut lines = Vec::new();
    for (country, count) in &counts {
        let mut line = |metric, carrier, devices| {
            emitter.count(config, metric, Kind::Gauge, *country, carrier, devices)
        };
        lines.extend(line(Count::NowDevices, None, count.devices));
        for (carrier, devices) in &count.carriers {
            if series
                .as_ref()
                .is_some_and(|series| series.has(*country, carrier))
            {
                lines.extend(line(Count::NowCarrierDevices, Some(carrier), *devices));
            }
        }
    }
    // These lines have no timestamp: whoever was paused since the minute began must not send them.
    store.confirm_lease(lease).await?;
    if model::hour::minute(context.clock.now()) == minute {
        emitter.send(&lines);
    }
    Ok(Present {
        now: context.clock.now(),
        slots,
        gaps: records,
        horizon,
        counted: counts.into_keys().collect(),
        unknown,
        newest_heard_at,
    })
}

/// Tells how the pipeline is, and what is new in Datadog. Returns the hours that should have been closed
/// by now.
pub(crate) async fn tell(
    config: &Config,
    context: &Context,
    emitter: &mut Emitter,
    lease: &Lease,
    present: &Present,
) -> store::Result<Overdue> {
    let looked = look(config, context, emitter, present).await;
    let (overdue, values, status, message) = match looked {
        Ok(found) => found,
        Err(error) => {
            // What is known without another question is told all the same.
            let why = format!("the database does not tell all of it: {error}");
            let values = vec![pipeline::blind(present)];
            context.store.confirm_lease(lease).await?;
            let mut lines = emitter.pipeline(config, values);
            let critical = Status::Critical;
            lines.push(Emitter::can_count(config, present.now, critical, why));
            emitter.send(&lines);
            return Err(error);
        }
    };
    context.store.confirm_lease(lease).await?;
    let mut lines = emitter.pipeline(config, values);
    lines.push(Emitter::can_count(config, present.now, status, message));
    emitter.send(&lines);
    Ok(overdue)
}

async fn look(
    config: &Config,
    context: &Context,
    emitter: &mut Emitter,
    present: &Present,
) -> store::Result<(Overdue, Vec<PipelineValue>, Status, String)> {
    emitter
        .announce_countries(config, context, present.counted.iter())
        .await?;
    emitter.announce_refused(config, context).await?;
    let overdue = context.store.overdue(present.now).await?;
    let (values, status, message) = pipeline::look(context, present, &overdue).await?;
    Ok((overdue, values, status, message))
}
