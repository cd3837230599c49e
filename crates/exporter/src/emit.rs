//! Sending closed hours, by plan.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use model::{Carrier, Country, Instant};
use store::hours::{Emission, HourlyCount};
use store::leases::Lease;
use telemetry::metrics::{CAN_COUNT, PipelineValue};
use telemetry::{Announcement, Count, Counter, Pipeline};

use crate::dogstatsd::Agent;
use crate::dogstatsd::line::{
    Alert, Event, Kind, Line, Metric, ServiceCheck, Status, Tags, tag_value,
};
use crate::pipeline::number;
use crate::schedule::{LAST_SEND, due_lines, is_too_old};
use crate::series::CarrierSeries;
use crate::{Config, Context};

/// A series: a country, or a carrier in it.
type Series = (Country, Option<Carrier>);

/// Sends lines, and keeps count of the series it makes.
pub(crate) struct Emitter {
    agent: Agent,
    max_series: usize,
    admitted: BTreeSet<Series>,
    refused: BTreeSet<Series>,
    /// What was announced so far, as far as it was asked for.
    announced: BTreeMap<Announcement, BTreeSet<String>>,
    /// Closed hours that are due and were not taken by the socket.
    unsent: usize,
}

/// The most subjects named in one event.
const MAX_NAMED: usize = 10;

impl Emitter {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            agent: Agent::new(config.agent.clone(), &config.prefix),
            max_series: config.max_series,
            admitted: BTreeSet::new(),
            refused: BTreeSet::new(),
            announced: BTreeMap::new(),
            unsent: 0,
        }
    }

    /// Sends every closed hour whose next step is due.
    pub(crate) async fn send_due(
        &mut self,
        config: &Config,
        context: &Context,
        lease: &Lease,
    ) -> store::Result<()> {
        let now = context.clock.now();
        self.unsent = 0;
        let mut hours = context.store.hours_ended_since(now - LAST_SEND).await?;
        if config.historical_metrics {
            let older = context.store.hours_counted_late(now - LAST_SEND);
            hours.extend(older.await?);
        }
        let Some(earliest) = hours.iter().map(|hour| hour.hour.start).min() else {
            return Ok(());
        };
        let emissions = context.store.emissions_since(earliest).await?;
        let due = due_lines(&hours, &emissions, config.historical_metrics, now);
        if due.is_empty() {
            return Ok(());
        }
        let series = CarrierSeries::read(config, &context.store, now).await?;
        for (hour, step) in due {
            // A datagram cannot be fenced. Whoever was paused since `now` finds out here, with
            // nothing to wait for before it is sent.
            context.store.confirm_lease(lease).await?;
            if !config.historical_metrics && is_too_old(hour.hour, context.clock.now()) {
                continue;
            }
            let lines = self.hour(config, hour, &series);
            // What the socket did not take is due again at the next tick, as a whole: repeating a
            // value with a timestamp changes nothing.
            let taken = self.agent.send(&lines)
                && self.send_legacy(config, context, lease, hour, now).await?;
            if taken {
                let emission = Emission {
                    country: hour.country,
                    hour: hour.hour.start,
                    revision: hour.revision,
                    step,
                };
                context.store.note_emission(lease, emission, now).await?;
            } else {
                self.unsent += 1;
            }
        }
        Ok(())
    }

    /// Hands lines to the Agent's socket. Those that it does not take are lost: they are about
    /// this minute only.
    pub(crate) fn send(&mut self, lines: &[Line]) {
        self.agent.send(lines);
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
            Count::HourDevices,
            kind,
            country,
            None,
            hour.counts.devices,
        ));
        for (carrier, devices) in &hour.counts.carriers {
            if series.has(country, carrier) {
                let metric = Count::HourCarrierDevices;
                lines.extend(self.count(config, metric, kind, country, Some(carrier), *devices));
            }
        }
        lines
    }

    /// The line of one count, unless it would be a series too many.
    pub(crate) fn count(
        &mut self,
        config: &Config,
        metric: Count,
        kind: Kind,
        country: Country,
        carrier: Option<&Carrier>,
        devices: i64,
    ) -> Option<Line> {
        if !self.admit((country, carrier.cloned())) {
            return None;
        }
        let mut own: Tags = vec![("country", country.to_string())];
        own.extend(carrier.map(|carrier| ("carrier", carrier.to_string())));
        let tags = fixed_tags(config, own);
        Some(Line::Metric(Metric {
            name: metric.name().to_owned(),
            value: devices,
            kind,
            tags,
        }))
    }

    /// The lines that say how the pipeline is. What they say is shown by this process, too.
    pub(crate) fn pipeline(&self, config: &Config, mut values: Vec<PipelineValue>) -> Vec<Line> {
        values.extend([
            (Pipeline::HoursUnsent, None, number(self.unsent)),
            (Pipeline::Series, None, number(self.admitted.len())),
            (Pipeline::SeriesRefused, None, number(self.refused.len())),
        ]);
        Pipeline::tell(values.iter().copied());
        let line = |(metric, tag, value): PipelineValue| {
            let mut own = Tags::new();
            let set = [("service", &config.service), ("version", &config.version)];
            own.extend(
                set.into_iter()
                    .filter_map(|(key, text)| Some((key, tag_value(text.as_deref()?)))),
            );
            let tag = metric.tag().zip(tag);
            own.extend(tag.map(|(key, value)| (key, value.to_owned())));
            Line::Metric(Metric {
                name: metric.full_name(),
                value,
                kind: Kind::Gauge,
                tags: fixed_tags(config, own),
            })
        };
        values.into_iter().map(line).collect()
    }

    /// The service check: whether headcount can count, and why not.
    pub(crate) fn can_count(config: &Config, at: Instant, status: Status, message: String) -> Line {
        Line::Check(ServiceCheck {
            name: CAN_COUNT,
            status,
            at,
            message,
            tags: fixed_tags(config, Tags::new()),
        })
    }

    /// Announces countries that are counted for the first time.
    pub(crate) async fn announce_countries(
        &mut self,
        config: &Config,
        context: &Context,
        countries: impl Iterator<Item = &Country>,
    ) -> store::Result<()> {
        for country in countries {
            let about = Announcement::NewCountry;
            let subjects = vec![country.to_string()];
            if self
                .news(context, about, subjects.clone())
                .await?
                .is_empty()
            {
                continue;
            }
            let known = context.catalogue.country(*country);
            let name = known.map_or("an unknown country", |known| known.name_en.as_str());
            let text = format!(
                "The first devices are counted there. Its series, with country:{country}, begin \
                 now. If nobody expects devices there, look at the networks that they report."
            );
            let event = Event {
                title: format!("Devices in {name} ({country}) are counted"),
                text,
                at: context.clock.now(),
                aggregation_key: about.key(country.as_str()),
                alert: Alert::Info,
                tags: fixed_tags(config, vec![("country", country.to_string())]),
            };
            self.announce(context, about, event, subjects).await?;
        }
        Ok(())
    }

    /// Announces series that are refused.
    pub(crate) async fn announce_refused(
        &mut self,
        config: &Config,
        context: &Context,
    ) -> store::Result<()> {
        let name = |(country, carrier): &Series| match carrier {
            Some(carrier) => format!("{country}/{carrier}"),
            None => country.to_string(),
        };
        let about = Announcement::SeriesRefused;
        let refused = self.refused.iter().map(name).collect();
        let news = self.news(context, about, refused).await?;
        if news.is_empty() {
            return Ok(());
        }
        let named = news.len().min(MAX_NAMED);
        let mut text = news[..named].join(", ");
        if news.len() > named {
            text.push_str(&format!(" and {} more", news.len() - named));
        }
        text.push_str(&format!(
            " would be more than the {} series of datadog.max_series. They are counted, and the \
             API and the page have them; Datadog does not.",
            self.max_series
        ));
        let event = Event {
            title: format!("{} series are not sent", news.len()),
            text,
            at: context.clock.now(),
            aggregation_key: about.key(""),
            alert: Alert::Warning,
            tags: fixed_tags(config, Tags::new()),
        };
        self.announce(context, about, event, news).await
    }

    /// Which of these subjects were not announced yet.
    async fn news(
        &mut self,
        context: &Context,
        about: Announcement,
        mut subjects: Vec<String>,
    ) -> store::Result<Vec<String>> {
        let is_news = |announced: Option<&BTreeSet<String>>, subject: &String| {
            announced.is_none_or(|announced| !announced.contains(subject))
        };
        subjects.retain(|subject| is_news(self.announced.get(&about), subject));
        if !subjects.is_empty() {
            // Another process may have announced them.
            let announced = context.store.announced(about.name()).await?;
            self.announced
                .insert(about, announced.into_iter().collect());
            subjects.retain(|subject| is_news(self.announced.get(&about), subject));
        }
        Ok(subjects)
    }

    /// Sends an event, and remembers what it announced if the socket took it.
    async fn announce(
        &mut self,
        context: &Context,
        about: Announcement,
        event: Event,
        subjects: Vec<String>,
    ) -> store::Result<()> {
        let at = event.at;
        if self.agent.send(&[Line::Event(event)]) {
            context
                .store
                .note_announced(about.name(), &subjects, at)
                .await?;
            self.announced.entry(about).or_default().extend(subjects);
        }
        Ok(())
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
        lease: &Lease,
        hour: &HourlyCount,
        now: Instant,
    ) -> store::Result<bool> {
        let Some(legacy) = &config.legacy else {
            return Ok(true);
        };
        // It has no timestamp: an old hour would look like the present one.
        if is_too_old(hour.hour, context.clock.now()) {
            return Ok(true);
        }
        let (store, country, start) = (&context.store, hour.country, hour.hour.start);
        if !store
            .claim_legacy_emission(lease, country, start, now)
            .await?
        {
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

/// The tags of everything that is sent: `env`, what belongs to the line, and `host`, which is
/// always there. Without it the Agent would add its own, and each would make series of its own.
fn fixed_tags(config: &Config, own: Tags) -> Tags {
    let mut tags = Tags::with_capacity(own.len() + 2);
    tags.extend(config.env.as_deref().map(|env| ("env", tag_value(env))));
    tags.extend(own);
    tags.push(("host", tag_value(&config.host)));
    tags
}
