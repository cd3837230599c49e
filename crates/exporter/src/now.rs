//! *Reachable now*, every minute.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use model::horizon::now_is_known;
use model::{Country, Gap, Horizon, Instant};
use store::countries::CountryRow;
use telemetry::Gauge;

use crate::dogstatsd::line::Kind;
use crate::emit::Emitter;
use crate::series::CarrierSeries;
use crate::{Config, Context};

/// Counts the devices reachable at the start of this minute, keeps and sends the counts. A country
/// of which we cannot tell is left out of both, and `pipeline.blind` is 1.
pub(crate) async fn count(
    config: &Config,
    context: &Context,
    emitter: &mut Emitter,
    minute: Instant,
) -> store::Result<()> {
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
    let gaps: Vec<Gap> = store
        .gaps_since(since)
        .await?
        .into_iter()
        .map(|record| record.gap)
        .collect();

    let mut counts: BTreeMap<_, _> = store
        .count_now(minute)
        .await?
        .into_iter()
        .map(|(country, reachable)| (country, reachable.counts))
        .collect();
    let known = |country: &Country, row: Option<&CountryRow>| {
        row.is_some_and(|row| now_is_known(*country, row.reach_window, &gaps, horizon, minute))
    };
    let in_use = counts.len();
    counts.retain(|country, _| known(country, countries.get(country)));
    let blind = counts.len() < in_use || horizon.is_none();
    store.keep_now(minute, &counts).await?;

    let series = if config.carrier_now {
        Some(CarrierSeries::read(config, store, minute).await?)
    } else {
        None
    };
    let mut lines = Vec::new();
    for (country, count) in &counts {
        let devices = count.devices;
        lines.extend(emitter.count(config, "now.devices", Kind::Gauge, *country, None, devices));
        for (carrier, devices) in &count.carriers {
            if series
                .as_ref()
                .is_some_and(|series| series.has(*country, carrier))
            {
                let name = "now.carrier_devices";
                let (country, carrier) = (*country, Some(carrier));
                lines.extend(emitter.count(config, name, Kind::Gauge, country, carrier, *devices));
            }
        }
    }
    Gauge::Blind.set(blind.into());
    lines.push(Emitter::own(config, "blind", blind.into()));
    if let Some(horizon) = horizon {
        let lag_secs = (context.clock.now() - horizon.watermark).num_seconds();
        lines.push(Emitter::own(config, "watermark_lag_secs", lag_secs.max(0)));
    }
    emitter.send(&lines);
    Ok(())
}
