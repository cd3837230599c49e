//! Sending closed hours, by plan.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use model::{Carrier, Country, Instant};
use store::hours::{Emission, HourlyCount};
use telemetry::{Counter, Gauge};

use crate::dogstatsd::{Agent, Kind, Line, tag_value};
use crate::schedule::{LAST_SEND, step_due};
use crate::series::CarrierSeries;
use crate::{Config, Context};

/// The longest an hour of a local clock can be, with room to spare.
const LONGEST_HOUR: TimeDelta = TimeDelta::hours(3);

/// A series: a country, or a carrier in it.
type Series = (Country, Option<Carrier>);

/// Sends lines, and keeps count of the series it makes.
pub(crate) struct Emitter {
    agent: Agent,
    max_series: usize,
    admitted: BTreeSet<Series>,
    refused: BTreeSet<Series>,
}

impl Emitter {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            agent: Agent::new(config.agent.clone(), &config.prefix),
            max_series: config.max_series,
            admitted: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// Sends every closed hour whose next step is due.
    pub(crate) async fn send_due(
        &mut self,
        config: &Config,
        context: &Context,
    ) -> store::Result<()> {
        let now = context.clock.now();
        let hours = context.store.hours_ended_since(now - LAST_SEND).await?;
        if hours.is_empty() {
            return Ok(());
        }
        let emissions = context
            .store
            .emissions_since(now - LAST_SEND - LONGEST_HOUR)
            .await?;
        let mut sent: BTreeMap<(Country, Instant, i32), Vec<i16>> = BTreeMap::new();
        for emission in emissions {
            sent.entry((emission.country, emission.hour, emission.revision))
                .or_default()
                .push(emission.step);
        }
        let mut due = Vec::new();
        for hour in hours.iter().filter(|hour| is_sent(hour)) {
            let key = (hour.country, hour.hour.start, hour.revision);
            let done = sent.get(&key).map_or(&[][..], Vec::as_slice);
            if let Some(step) = step_due(hour.hour.end, done, now) {
                due.push((hour, step));
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let series = CarrierSeries::read(config, &context.store, now).await?;
        for (hour, step) in due {
            if self.send_hour(config, hour, &series) {
                let emission = Emission {
                    country: hour.country,
                    hour: hour.hour.start,
                    revision: hour.revision,
                    step,
                };
                context.store.note_emission(emission, now).await?;
            }
            self.send_legacy(config, context, hour, now).await?;
        }
        Gauge::Series.set(i64::try_from(self.admitted.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Sends the lines of one hour. Returns whether the socket took all of them.
    fn send_hour(&mut self, config: &Config, hour: &HourlyCount, series: &CarrierSeries) -> bool {
        // The last second of the hour: its first would be too old for Datadog by the time at which
        // the hour can be counted.
        let kind = Kind::GaugeAt(hour.hour.end - TimeDelta::seconds(1));
        let mut lines = vec![(hour.country, None, hour.counts.devices)];
        let carriers = hour.counts.carriers.iter();
        for (carrier, devices) in carriers.filter(|(name, _)| series.has(hour.country, name)) {
            lines.push((hour.country, Some(carrier), *devices));
        }
        let mut all_taken = true;
        for (country, carrier, devices) in lines {
            let name = if carrier.is_some() {
                "hour.carrier_devices"
            } else {
                "hour.devices"
            };
            all_taken &= self.send_count(config, name, kind, country, carrier, devices);
        }
        all_taken
    }

    /// Sends one count, unless it would be a series too many. Returns whether it is done with.
    pub(crate) fn send_count(
        &mut self,
        config: &Config,
        name: &str,
        kind: Kind,
        country: Country,
        carrier: Option<&Carrier>,
        devices: i64,
    ) -> bool {
        if !self.admit((country, carrier.cloned())) {
            return true;
        }
        let mut tags = Vec::with_capacity(4);
        tags.extend(config.env.as_deref().map(|env| ("env", tag_value(env))));
        tags.push(("country", country.to_string()));
        tags.extend(carrier.map(|carrier| ("carrier", carrier.to_string())));
        tags.push(("host", tag_value(&config.host)));
        self.agent.send(&Line {
            name: name.to_owned(),
            value: devices,
            kind,
            tags,
        })
    }

    /// Sends one of headcount's own metrics.
    pub(crate) fn send_own(&mut self, config: &Config, name: &str, value: i64) {
        let mut tags = Vec::with_capacity(3);
        tags.extend(config.env.as_deref().map(|env| ("env", tag_value(env))));
        tags.extend(
            config
                .service
                .as_deref()
                .map(|service| ("service", tag_value(service))),
        );
        tags.extend(
            config
                .version
                .as_deref()
                .map(|version| ("version", tag_value(version))),
        );
        let name = format!("pipeline.{name}");
        self.agent.send(&Line {
            name,
            value,
            kind: Kind::Gauge,
            tags,
        });
    }

    fn admit(&mut self, series: Series) -> bool {
        if self.admitted.contains(&series) {
            return true;
        }
        if self.admitted.len() < self.max_series {
            self.admitted.insert(series);
            return true;
        }
        Counter::SeriesRefused.add(1);
        if self.refused.insert(series.clone()) {
            let (country, carrier) = series;
            tracing::warn!(
                %country, ?carrier, max_series = self.max_series,
                "a series is not sent: there would be more than datadog.max_series"
            );
        }
        false
    }

    /// Sends what the old job sent, once: two values of a distribution would add up.
    async fn send_legacy(
        &mut self,
        config: &Config,
        context: &Context,
        hour: &HourlyCount,
        now: Instant,
    ) -> store::Result<()> {
        let Some(legacy) = &config.legacy else {
            return Ok(());
        };
        if !context
            .store
            .claim_legacy_emission(hour.country, hour.hour.start, now)
            .await?
        {
            return Ok(());
        }
        let name = legacy
            .countries
            .get(&hour.country)
            .cloned()
            .or_else(|| Some(context.catalogue.country(hour.country)?.name_en.clone()))
            .unwrap_or_else(|| hour.country.to_string());
        let mut tags = vec![("country", tag_value(&name))];
        tags.extend(config.env.as_deref().map(|env| ("env", tag_value(env))));
        self.agent.send(&Line {
            name: legacy.metric.clone(),
            value: hour.counts.devices,
            kind: Kind::Distribution,
            tags,
        });
        Ok(())
    }
}

/// A lower bound is not a count, an imported number is not ours, and a country of which nothing
/// was heard for a week is no news.
fn is_sent(hour: &HourlyCount) -> bool {
    hour.complete && !hour.imported && !hour.counts.carriers.is_empty()
}
