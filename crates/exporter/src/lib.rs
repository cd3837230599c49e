//! Closes hours and tells Datadog.
//!
//! 1. [`schedule`] says, from watermarks and the clock alone, which hours can be closed, which
//!    lines are due and what is known about *now*. Pure.
//! 2. [`close`] counts hours in one snapshot and writes them.
//! 3. [`emit`] sends what was written, again and again for most of an hour: the way to the Agent
//!    may lose a datagram without a word.
//! 4. [`now`] counts reachable devices every minute, and `pipeline` says how headcount itself is.
//! 5. `series` says which carriers have series of their own.
//! 6. [`dogstatsd`] puts it into bytes.
//! 7. [`dead_man`] tells somebody outside that hours are closed.

pub mod close;
pub mod dead_man;
pub mod dogstatsd;
pub mod emit;
#[cfg(test)]
mod model_test;
pub mod now;
mod pipeline;
pub mod schedule;
mod series;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use model::{Catalogue, Clock, Country, Instant};
use store::Store;
use store::leases::{EXPORTER, Lease};
use store::overdue::Overdue;
use telemetry::{Health, Pipeline};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use dogstatsd::line::Status;
use emit::Emitter;

/// Everything an exporter is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the Datadog Agent listens.
    pub agent: dogstatsd::Address,
    /// What metric names start with.
    pub prefix: String,
    /// The `env` tag.
    pub env: Option<String>,
    /// The `host` tag of all counts: fixed, so that no deploy and no replica makes new series.
    pub host: String,
    /// The `service` tag of headcount's own metrics.
    pub service: Option<String>,
    /// The `version` tag of headcount's own metrics.
    pub version: Option<String>,
    /// Whether *reachable now* is sent per carrier too.
    pub carrier_now: bool,
    /// The fewest devices that a carrier must have had in one of the closed hours of the last seven
    /// days to be sent as a series of its own; 1 sends every carrier.
    pub min_carrier_devices: u32,
    /// The most series; further ones are refused.
    pub max_series: usize,
    /// Whether the Datadog account takes points of any age: then hours that are counted late are
    /// sent, too.
    pub historical_metrics: bool,
    /// The metric that was there before headcount, if it is to be sent as well.
    pub legacy: Option<Legacy>,
    /// Who hears of each run that closed hours, if anybody.
    pub dead_man: Option<dead_man::Url>,
    /// How often to look for something to do.
    pub tick: Duration,
    /// How long the exporter's lease lasts after each tick.
    pub lease: Duration,
}

/// A distribution with the old name, so that old monitors keep working while new ones learn.
#[derive(Debug, Clone)]
pub struct Legacy {
    /// Its name, without prefix.
    pub metric: String,
    /// What the `country` tag held; for countries not named here, their English name.
    pub countries: HashMap<Country, String>,
}

/// What an exporter works with.
#[derive(Clone)]
pub struct Context {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Names of countries.
    pub catalogue: Arc<Catalogue>,
    /// Where to say whether it works.
    pub health: Health,
    /// Asks to end.
    pub shutdown: CancellationToken,
}

/// Runs an exporter until it is asked to end. Of several, the one with the lease works and the
/// others stand by.
///
/// # Errors
/// When a part of it panics. A database or an Agent that is away is waited for.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    context.health.expect("exporter");
    let owner = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
    let due = Arc::new(Notify::new());
    let mut telling = JoinSet::new();
    if let Some(url) = config.dead_man.clone() {
        let shutdown = context.shutdown.clone();
        telling.spawn(dead_man::run(url, Arc::clone(&due), shutdown));
    }
    let mut exporter = Exporter::new(config, context, due);
    let mut held: Option<Lease> = None;
    let mut ticks = tokio::time::interval(exporter.config.tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = exporter.context.shutdown.cancelled() => break,
            Some(ended) = telling.join_next() => ended.context("telling the dead man's switch")?,
        }
        let Exporter {
            context, config, ..
        } = &exporter;
        match context
            .store
            .acquire_lease(EXPORTER, &owner, config.lease)
            .await
        {
            Ok(Some(lease)) => {
                if held.as_ref() != Some(&lease) {
                    tracing::info!(term = lease.term, "this exporter closes the hours now");
                }
                exporter.tick(&lease).await;
                held = Some(lease);
            }
            Ok(None) => {
                if held.take().is_some() {
                    Pipeline::tell([]);
                    tracing::warn!("another exporter has taken over; standing by");
                }
                context.health.ready("exporter");
            }
            Err(error) => {
                exporter.trouble(&error);
                if held.is_some() {
                    exporter.say_database_is_away();
                }
            }
        }
    }
    if let Some(lease) = held
        && let Err(error) = exporter.context.store.release_lease(&lease).await
    {
        tracing::debug!(%error, "the lease was not given back; it runs out by itself");
    }
    Ok(())
}

struct Exporter {
    config: Config,
    context: Context,
    emitter: Emitter,
    /// Asks to tell the dead man's switch.
    closed_in_turn: Arc<Notify>,
    minute: Option<Instant>,
    /// The minute in which it was last said that the database is away.
    away_said: Option<Instant>,
    trouble_said: bool,
    overdue_said: bool,
}

impl Exporter {
    fn new(config: Config, context: Context, closed_in_turn: Arc<Notify>) -> Self {
        let emitter = Emitter::new(&config);
        Self {
            config,
            context,
            emitter,
            closed_in_turn,
            minute: None,
            away_said: None,
            trouble_said: false,
            overdue_said: false,
        }
    }

    /// Everything that is due, each part for itself: an hour that cannot be closed must not keep
    /// this minute's count from being sent.
    async fn tick(&mut self, lease: &Lease) {
        let closed = close::close_due(&self.context, lease, self.config.lease).await;
        if closed.as_ref().is_ok_and(|closed| closed.in_turn > 0) {
            self.closed_in_turn.notify_one();
        }
        let sent = self
            .emitter
            .send_due(&self.config, &self.context, lease)
            .await;
        let minute = model::hour::minute(self.context.clock.now());
        let counted = if self.minute == Some(minute) {
            Ok(())
        } else {
            let Self {
                config,
                context,
                emitter,
                ..
            } = self;
            let counted = now::count(config, context, emitter, lease, minute).await;
            let told = match counted {
                Ok(present) => {
                    self.minute = Some(minute);
                    now::tell(config, context, emitter, lease, &present).await
                }
                Err(error) => Err(error),
            };
            told.map(|overdue| self.say_overdue(&overdue))
        };
        match closed.map(drop).and(sent).and(counted) {
            Ok(()) => {
                self.trouble_said = false;
                self.context.health.ready("exporter");
            }
            Err(error) => self.trouble(&error),
        }
    }

    /// Without the database there is nothing to send but this, once a minute.
    fn say_database_is_away(&mut self) {
        let now = self.context.clock.now();
        let minute = model::hour::minute(now);
        if self.away_said.replace(minute) != Some(minute) {
            let blind = vec![(Pipeline::Blind, None, 1)];
            let mut lines = self.emitter.pipeline(&self.config, blind);
            let why = "the database does not answer".to_owned();
            lines.push(Emitter::can_count(&self.config, now, Status::Critical, why));
            self.emitter.send(&lines);
        }
    }

    /// Says once that hours are not closed in time, and once that they are again. This is no trouble
    /// of the exporter's own: it waits for what has not been heard.
    fn say_overdue(&mut self, overdue: &Overdue) {
        let Some((country, hour)) = overdue.oldest else {
            if std::mem::take(&mut self.overdue_said) {
                tracing::info!("no hour is overdue any more");
            }
            return;
        };
        if !std::mem::replace(&mut self.overdue_said, true) {
            tracing::warn!(
                %country, hour = %hour.start, hours = overdue.hours, why = overdue.why(),
                "hours are overdue: not closed 20 minutes after their end"
            );
        }
    }

    fn trouble(&mut self, error: &store::Error) {
        if !self.trouble_said {
            tracing::warn!(%error, "the exporter cannot do its work now; trying again");
            self.trouble_said = true;
        }
        self.context.health.not_ready("exporter", error.to_string());
    }
}
