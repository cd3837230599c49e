//! The demo once everything is there: roles, the live fleet, and what goes wrong.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use ingest::broker::{BrokerEvent, BrokerUrl, Connection, SessionOptions};
use ingest::tls::TlsFiles;
use model::{Clock, Instant};
use simulator::{Fleet, Outage};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::control::Control;
use super::folder::Folder;
use super::servers::Servers;
use super::stage::{LASTS, ORDER, Stage, begins_at};
use super::{DemoArgs, say};
use crate::app::App;
use crate::commands::publisher::{MAX_IN_FLIGHT, Patience, Publisher, Tally};
use crate::commands::roles::{self, Role};
use crate::commands::simulate;

/// How often it is looked whether something is to begin or to end.
const TICK: Duration = Duration::from_millis(250);

/// Outages that may wait for the fleet to take notice.
const MAX_WAITING_OUTAGES: usize = 16;

/// A demo that plays.
pub(super) struct Play<'a> {
    pub(super) args: &'a DemoArgs,
    pub(super) fleet: Arc<Fleet>,
    pub(super) servers: &'a Servers,
    pub(super) folder: &'a Folder,
    /// When the page came up.
    pub(super) started_at: Instant,
    /// Where the live fleet goes on.
    pub(super) history_until: Instant,
}

impl Play<'_> {
    /// Plays until the end is asked for, or until a part fails.
    pub(super) async fn run(self, app: App, listener: TcpListener) -> anyhow::Result<ExitCode> {
        let clock: Arc<dyn Clock> = app.clock.clone();
        let shutdown = app.shutdown.clone();
        let (outages, staged) = mpsc::channel(MAX_WAITING_OUTAGES);
        let stage = Stage::new(
            Arc::clone(&self.fleet),
            outages,
            self.servers.broker(),
            Arc::clone(&clock),
        );
        open_session(&app.config.ingest()).await?;
        let control = Control::open(self.folder).await?;
        let (broker, filter) = (app.config.broker.clone(), app.config.topic_filter.clone());
        let publish = self.publish(&broker, &filter, &*clock, staged, &shutdown);
        let plot = self.plot(&stage, &*clock);
        let side = async {
            let outcome = tokio::select! {
                published = publish => published,
                () = plot => Ok(()),
                () = control.serve(&stage, say) => Ok(()),
                () = shutdown.cancelled() => Ok(()),
            };
            shutdown.cancel();
            outcome
        };
        let roles = [Role::Ingest, Role::Exporter, Role::Api];
        let work = async {
            let worked = roles::work(app, &roles, Some(listener), false).await;
            // The fleet has nobody left to send to.
            shutdown.cancel();
            worked
        };
        let (worked, sided) = tokio::join!(work, side);
        sided.and(worked)
    }

    /// Lets the fleet send, from where the history ends.
    async fn publish(
        &self,
        broker: &BrokerUrl,
        filter: &ingest::topic::TopicFilter,
        clock: &dyn Clock,
        staged: mpsc::Receiver<Outage>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut publisher = Publisher::new(broker, &TlsFiles::default(), "demo", Patience::Wait)?;
        let tally = Tally::default();
        let (sender, source) = mpsc::channel(usize::from(MAX_IN_FLIGHT));
        let to = clock.now() + simulate::FOR_EVER;
        let beats = self.fleet.beats(self.history_until, to, &[]);
        let send = async {
            tokio::select! {
                _missed = simulate::send(beats, staged, filter, clock, sender) => {}
                () = shutdown.cancelled() => {}
            }
        };
        let (outcome, ()) = tokio::join!(publisher.run(source, &tally, shutdown), send);
        outcome.map(drop)
    }

    /// Lets things go wrong by plan, and be over.
    async fn plot(&self, stage: &Stage, clock: &dyn Clock) {
        let mut number = 0;
        loop {
            tokio::time::sleep(TICK).await;
            if let Some(over) = stage.end_what_is_over().await {
                say(&over);
            }
            if self.args.steady || clock.now() < begins_at(self.started_at, number) {
                continue;
            }
            let index = usize::try_from(number).unwrap_or(0) % ORDER.len();
            if let Some(story) = ORDER.get(index) {
                // While a person has something else go wrong, the plan waits for the next time.
                if let Ok(said) = stage.begin(*story, LASTS).await {
                    say(&said);
                }
            }
            number += 1;
            // After a pause of the machine, what was missed is not made up for.
            while begins_at(self.started_at, number) + TimeDelta::minutes(1) < clock.now() {
                number += 1;
            }
        }
    }
}

/// Opens the session that ingest will find, where the broker has none: a history up to this moment
/// and a session that was lost before it began would contradict each other.
async fn open_session(config: &ingest::Config) -> anyhow::Result<()> {
    let target = config.broker.target(&config.tls)?;
    let session = SessionOptions {
        client_id: config.client_id.clone(),
        expiry: config.session_expiry,
        receive_maximum: 1,
        keep_alive: config.keep_alive,
    };
    let Connection {
        mut incoming,
        mut outgoing,
        sender,
        session_present,
        ..
    } = Connection::open(&target, None, &session)
        .await
        .context("the demo's broker")?;
    let probes = ingest::probe::topic(&config.slot);
    let talk = async {
        if !session_present {
            sender.subscribe(&[config.topic_filter.subscription(), &probes]);
            while !matches!(incoming.next().await?, BrokerEvent::Subscribed) {}
        }
        sender.disconnect();
        while incoming.next().await.is_ok() {}
        Ok(())
    };
    let talked = tokio::select! {
        talked = talk => talked,
        error = outgoing.run() => Err(error),
    };
    talked.context("the demo's broker")
}
