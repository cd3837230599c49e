//! A slot: one broker session, held by one process at a time.
//!
//! The lease comes first. A process connects only while it holds the slot, because connecting
//! takes the session away from whoever has it; a process that was paused and wakes up after its
//! lease would otherwise fight its heir for the session for ever.

use std::sync::Arc;
use std::time::Duration;

use model::Instant;
use store::slots::SlotLease;
use tokio::sync::oneshot;

use crate::broker::{BrokerError, Connection, SessionOptions};
use crate::subscriber::{Ended, Item, listen};
use crate::tls;
use crate::topic::TopicFilter;
use crate::waiting;
use crate::writer::{LeaseAge, LeaseLost, Writer};
use crate::{Config, Context};

/// The pause before the broker is tried again, at first and at most.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Items that may wait for the writer beyond a window: control items and QoS 0 messages. While a
/// broker empties its queue it may send more than a window; that waits in the network.
const SPARE_ITEMS: usize = 1024;

/// Days that are over are looked after this often.
const INDEX_INTERVAL: Duration = Duration::from_secs(3600);

/// How long the writer may take to commit what it has when the process ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs an ingest role until it is asked to end: stands by until the slot is free, takes it,
/// listens and commits, and stands by again when it is taken away.
///
/// # Errors
/// When the configuration cannot work at all. A database or a broker that is away is waited for.
pub async fn run(config: Config, context: Context) -> anyhow::Result<()> {
    context.health.expect("broker");
    context.health.expect("database");
    let owner = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
    let mut waiting_said = false;
    while !context.shutdown.is_cancelled() {
        let asked_at = std::time::Instant::now();
        match take_slot(&config, &context, &owner).await {
            Ok(Some(lease)) => {
                waiting_said = false;
                tracing::info!(slot = %lease.slot, term = lease.term, "the slot is ours");
                hold(&config, &context, &lease, asked_at).await?;
                if let Err(error) = context.store.release_slot(&lease).await {
                    tracing::debug!(%error, "the lease was not given back; it runs out by itself");
                }
            }
            Ok(None) => {
                if !waiting_said {
                    tracing::info!(slot = %config.slot, "standing by: another process holds the slot");
                    waiting_said = true;
                }
                // A standby is as healthy as can be.
                context.health.ready("database");
                context.health.ready("broker");
                context.health.ready("probes");
                pause(&context, config.lease / 4).await;
            }
            Err(error @ store::Error::FilterOverlap { .. }) => {
                if !waiting_said {
                    tracing::error!(%error, "the slot cannot be taken");
                    waiting_said = true;
                }
                context.health.ready("database");
                context.health.not_ready("broker", error.to_string());
                pause(&context, config.lease / 4).await;
            }
            Err(error) => {
                tracing::warn!(%error, "waiting for the database");
                context.health.not_ready("database", error.to_string());
                pause(&context, Duration::from_secs(1)).await;
            }
        }
    }
    Ok(())
}

async fn pause(context: &Context, duration: Duration) {
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        () = context.shutdown.cancelled() => {}
    }
}

async fn take_slot(
    config: &Config,
    context: &Context,
    owner: &str,
) -> store::Result<Option<SlotLease>> {
    let Context { store, .. } = context;
    store.check_schema().await?;
    let filter = config.topic_filter.subscription();
    let now = context.clock.now();
    let lease = store
        .acquire_slot(
            &config.slot,
            owner,
            &config.client_id,
            filter,
            config.lease,
            now,
        )
        .await?;
    if lease.is_some() {
        store
            .maintain(context.clock.now(), config.retention)
            .await?;
        context.health.ready("database");
    }
    Ok(lease)
}

/// Works while the slot is ours. Returns when it is not any more, or when asked to end.
async fn hold(
    config: &Config,
    context: &Context,
    lease: &SlotLease,
    asked_at: std::time::Instant,
) -> anyhow::Result<()> {
    let (items, taken) = waiting::queue(usize::from(config.receive_maximum) + SPARE_ITEMS);
    let age = Arc::new(LeaseAge::of(asked_at));
    let writer = Writer::new(config, context, lease, Arc::clone(&age));
    let connecting = connect_again_and_again(config, context, lease, &age, items);
    tokio::select! {
        written = writer.run(taken) => {
            if let Err(LeaseLost) = written {
                tracing::warn!(slot = %lease.slot, "{LeaseLost}; standing by");
            }
            Ok(())
        }
        connected = connecting => connected,
        never = Box::pin(keep_indexed(context)) => match never {},
    }
}

/// Builds the index on days that are over. Beside the writer, because it takes minutes where many
/// devices were heard.
async fn keep_indexed(context: &Context) -> std::convert::Infallible {
    let mut ticks = tokio::time::interval(INDEX_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = context.clock.now();
        if let Err(error) = context.store.index_past_days(now).await {
            tracing::warn!(%error, "days that are over cannot be indexed now; trying again later");
        }
    }
}

/// Keeps a connection to the broker while the slot is ours.
async fn connect_again_and_again(
    config: &Config,
    context: &Context,
    lease: &SlotLease,
    age: &LeaseAge,
    items: waiting::Sender,
) -> anyhow::Result<()> {
    let session = SessionOptions {
        client_id: config.client_id.clone(),
        expiry: config.session_expiry,
        receive_maximum: config.receive_maximum,
        keep_alive: config.keep_alive,
    };
    let previous = TopicFilter::parse(&lease.topic_filter)
        .ok()
        .filter(|previous| *previous != config.topic_filter);
    let mut attempts: u32 = 0;
    let mut away_since: Option<Instant> = None;
    let mut taken_over_at = None;
    let mut in_doubt = false;
    let mut watch = tls::Watch::start(&config.broker, &config.tls, tls::POLL_INTERVAL)?;
    while !context.shutdown.is_cancelled() {
        if !may_connect(config, age, taken_over_at) {
            pause(context, Duration::from_millis(50)).await;
            continue;
        }
        if !in_doubt && !put_in_doubt(context, &items).await {
            break;
        }
        in_doubt = true;
        let target = config.broker.target_with(watch.config());
        let tried_at = context.clock.now();
        let ended = match Connection::open(&target, config.protocol, &session).await {
            Ok(connection) => {
                in_doubt = false;
                listen(
                    connection,
                    config,
                    context,
                    previous.as_ref(),
                    &mut watch,
                    &items,
                )
                .await
            }
            Err(error) => Ended::Failed {
                error,
                subscribed: false,
                last_sign_at: None,
            },
        };
        let (error, subscribed, last_sign_at) = match ended {
            Ended::Drained => return Ok(()),
            Ended::Renewed => continue,
            Ended::Failed {
                error,
                subscribed,
                last_sign_at,
            } => (error, subscribed, last_sign_at),
        };
        if subscribed {
            attempts = 0;
            away_since = None;
        }
        taken_over_at = matches!(error, BrokerError::TakenOver).then(std::time::Instant::now);
        let from = *away_since.get_or_insert_with(|| last_sign_at.unwrap_or(tried_at));
        report(config, context, attempts, &error);
        let detail = error.to_string();
        if items.send(Item::Away { from, detail }).await.is_err() {
            return Ok(()); // the writer has ended, and with it the lease
        }
        let backoff = BACKOFF_MIN
            .saturating_mul(2_u32.saturating_pow(attempts))
            .min(BACKOFF_MAX);
        attempts += 1;
        pause(context, backoff.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
    drain(&items).await;
    Ok(())
}

/// Has it committed that the session is in doubt. The broker says only once that it has forgotten us: if
/// we end before that is committed, the next owner finds a session and must know that it may be new.
/// Returns false when the writer or the process ends first.
async fn put_in_doubt(context: &Context, items: &waiting::Sender) -> bool {
    let (done, is_done) = oneshot::channel();
    let committed =
        async { items.send(Item::Connecting(done)).await.is_ok() && is_done.await.is_ok() };
    tokio::select! {
        committed = committed => committed,
        () = context.shutdown.cancelled() => false,
    }
}

/// Whether the slot is certainly ours, also after somebody took our session.
fn may_connect(config: &Config, age: &LeaseAge, taken_over_at: Option<std::time::Instant>) -> bool {
    let renewed_at = age.renewed_at();
    renewed_at.elapsed() < config.lease && taken_over_at.is_none_or(|at| renewed_at > at)
}

fn report(config: &Config, context: &Context, attempts: u32, error: &BrokerError) {
    context.health.not_ready("broker", error.to_string());
    let (slot, broker) = (&config.slot, &config.broker);
    if attempts == 0 {
        tracing::warn!(%slot, ?broker, %error, "the broker is away; trying again until it is back");
    } else {
        tracing::debug!(%slot, ?broker, %error, attempts, "the broker is still away");
    }
}

async fn drain(items: &waiting::Sender) {
    let (done, is_done) = oneshot::channel();
    let draining = async {
        if items.send(Item::Drain(done)).await.is_ok() {
            // An error means that the writer has ended; then there is nothing to wait for.
            let _ = is_done.await;
        }
    };
    if tokio::time::timeout(DRAIN_TIMEOUT, draining).await.is_err() {
        tracing::warn!(
            "gave up waiting for the last commit; the broker keeps what was not acknowledged"
        );
    }
}
