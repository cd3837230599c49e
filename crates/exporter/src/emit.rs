//! Sending closed hours, by plan.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use model::{Carrier, Country, Instant};
use store::hours::{Emission, HourlyCount};
use telemetry::{Counter, Gauge};

use crate::dogstatsd::Agent;
use crate::dogstatsd::line::{Kind, Line, Metric, Tags, tag_value};
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
            let lines = self.hour(config, hour, &series);
            // What the socket did not take is due again at the next tick, as a whole: repeating a
            // value with a timestamp changes nothing.
            let taken =
                self.agent.send(&lines) && self.send_legacy(config, context, hour, now).await?;
            if taken {
                let emission = Emission {
                    country: hour.country,
                    hour: hour.hour.start,
                    revision: hour.revision,
                    step,
                };
                context.store.note_emission(emission, now).await?;
            }
        }
        Gauge::Series.set(i64::try_from(self.admitted.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Hands lines to the Agent's socket. Returns whether it took all of them.
    pub(crate) fn send(&mut self, lines: &[Line]) -> bool {
        self.agent.send(lines)
    }

    /// The lines of one hour.
    fn hour(&mut self, config: &Config, hour: &HourlyCount, series: &CarrierSeries) -> Vec<Line> {
        // The last second of the hour: its first would be too old for Datadog by the time at which
        // the hour can be counted.
        let kind = Kind::GaugeAt(hour.hour.end - TimeDelta::seconds(1));
        let country = hour.country;
        let mut lines = Vec::with_capacity(1 + hour.counts.carriers.len());
        lines.extend(self.count(
            config,
            "hour.devices",
            kind,
            country,
            None,
            hour.counts.devices,
        ));
        for (carrier, devices) in &hour.counts.carriers {
            if series.has(country, carrier) {
                let name = "hour.carrier_devices";
                lines.extend(self.count(config, name, kind, country, Some(carrier), *devices));
            }
        }
        lines
    }

    /// The line of one count, unless it would be a series too many.
    pub(crate) fn count(
        &mut self,
        config: &Config,
        name: &str,
        kind: Kind,
        country: Country,
        carrier: Option<&Carrier>,
        devices: i64,
    ) -> Option<Line> {
        if !self.admit((country, carrier.cloned())) {
            return None;
        }
        let mut tags = Tags::with_capacity(5);
        tags.extend(config.env.as_deref().map(|env| ("env", tag_value(env))));
        tags.push(("country", country.to_string()));
        tags.extend(carrier.map(|carrier| ("carrier", carrier.to_string())));
        tags.push(("host", tag_value(&config.host)));
        Some(Line::Metric(Metric {
            name: name.to_owned(),
            value: devices,
            kind,
            tags,
        }))
    }

    /// The line of one of headcount's own metrics.
    pub(crate) fn own(config: &Config, name: &str, value: i64) -> Line {
        let mut tags = Tags::with_capacity(4);
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
        Line::Metric(Metric {
            name: format!("pipeline.{name}"),
            value,
            kind: Kind::Gauge,
            tags,
        })
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

    /// Sends what the old job sent, once: two values of a distribution would add up. Returns
    /// whether it is done with.
    async fn send_legacy(
        &mut self,
        config: &Config,
        context: &Context,
        hour: &HourlyCount,
        now: Instant,
    ) -> store::Result<bool> {
        let Some(legacy) = &config.legacy else {
            return Ok(true);
        };
        let (store, country, start) = (&context.store, hour.country, hour.hour.start);
        if !store.claim_legacy_emission(country, start, now).await? {
            return Ok(true);
        }
        let name = legacy
            .countries
            .get(&country)
            .cloned()
            .or_else(|| Some(context.catalogue.country(country)?.name_en.clone()))
            .unwrap_or_else(|| country.to_string());
        let mut tags = vec![("country", tag_value(&name))];
        tags.extend(config.env.as_deref().map(|env| ("env", tag_value(env))));
        let taken = self.agent.send(&[Line::Metric(Metric {
            name: legacy.metric.clone(),
            value: hour.counts.devices,
            kind: Kind::Distribution,
            tags,
        })]);
        if !taken {
            store.give_back_legacy_emission(country, start).await?;
        }
        Ok(taken)
    }
}

/// A lower bound is not a count, an imported number is not ours, and a country of which nothing
/// was heard for a week is no news.
fn is_sent(hour: &HourlyCount) -> bool {
    hour.complete && !hour.imported && !hour.counts.carriers.is_empty()
}
