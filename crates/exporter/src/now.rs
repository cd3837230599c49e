//! *Reachable now*, every minute.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use model::horizon::now_is_known;
use model::{Country, Gap, Horizon, Instant};
use store::countries::CountryRow;
use store::leases::Lease;
use store::overdue::Overdue;
use telemetry::Count;

use crate::dogstatsd::line::Kind;
use crate::emit::Emitter;
use crate::pipeline::{self, Present};
use crate::series::CarrierSeries;
use crate::{Config, Context};

/// Counts the devices reachable at the start of this minute, keeps and sends the counts. A country
/// of which we cannot tell is left out of both, and `pipeline.blind` is 1. Sends with them how the
/// pipeline is. Returns the hours that should have been closed by now.
pub(crate) async fn count(
    config: &Config,
    context: &Context,
    emitter: &mut Emitter,
    lease: &Lease,
    minute: Instant,
) -> store::Result<Overdue> {
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
    emitter
        .announce_countries(config, context, counts.keys())
        .await?;
    emitter.announce_refused(config, context).await?;
    let present = Present {
        now: context.clock.now(),
        slots,
        gaps: records,
        horizon,
        unknown,
        newest_heard_at,
    };
    let overdue = store.overdue(present.now).await?;
    let (values, status, message) = pipeline::look(context, &present, &overdue).await?;
    lines.extend(emitter.pipeline(config, values));
    lines.push(Emitter::can_count(config, present.now, status, message));
    emitter.send(&lines);
    Ok(overdue)
}
