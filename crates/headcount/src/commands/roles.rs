//! Running roles until the process is asked to end.

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use model::{Clock, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock::LARGE_OFFSET;

/// How long roles may take to end in order.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// What a process can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Ingest,
    Exporter,
    Api,
}

/// Runs roles until SIGTERM, SIGINT, or until one of them fails; that is an error.
pub(crate) async fn run(app: App, roles: &[Role], migrate: bool) -> anyhow::Result<ExitCode> {
    end_on_signal(&app.shutdown);
    let listener = match roles.contains(&Role::Api) {
        true => Some(headcount_api::bind(&app.config.api)?),
        false => None,
    };
    work(app, roles, listener, migrate).await
}

/// Runs roles until the end is asked for, or until one of them fails; that is an error. The API is
/// among them where there is a listener for it.
pub(crate) async fn work(
    app: App,
    roles: &[Role],
    listener: Option<TcpListener>,
    migrate: bool,
) -> anyhow::Result<ExitCode> {
    let mut tasks: JoinSet<(&'static str, anyhow::Result<()>)> = JoinSet::new();
    let clock: Arc<dyn Clock> = app.clock.clone();
    let App {
        store,
        catalogue,
        health,
        shutdown,
        ..
    } = &app;
    // What answers over HTTP comes first: it can say that the database is away.
    let context = headcount_api::Context::new(
        store.clone(),
        Arc::clone(&clock),
        Arc::clone(catalogue),
        health.clone(),
    );
    if let Some(listener) = listener {
        let api = headcount_api::run(listener, app.config.api.clone(), context, shutdown.clone());
        tasks.spawn(async move { ("api", api.await) });
    } else if let Some(listen) = app.config.probes {
        let probes = headcount_api::run_probes(listen, context, shutdown.clone());
        tasks.spawn(async move { ("probes", probes.await) });
    }
    let keeper = Arc::clone(&app.clock).keep_anchored(store.clone(), shutdown.clone());
    tasks.spawn(async move {
        keeper.await;
        ("clock", Ok(()))
    });
    if roles.contains(&Role::Ingest) {
        health.expect("broker");
    }
    let prepared = tokio::select! {
        prepared = prepare(&app, migrate) => prepared,
        failed = tasks.join_next() => {
            let Some(Ok((name, outcome))) = failed else { return Ok(ExitCode::FAILURE) };
            outcome.map_err(|error| error.context(format!("the role `{name}` failed")))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    if prepared && roles.contains(&Role::Ingest) {
        let context = ingest::Context {
            store: store.clone(),
            clock: Arc::clone(&clock),
            catalogue: Arc::clone(catalogue),
            health: health.clone(),
            shutdown: shutdown.clone(),
        };
        let config = app.config.ingest();
        tasks.spawn(async move { ("ingest", ingest::run(config, context).await) });
    }
    if prepared && roles.contains(&Role::Exporter) {
        let context = exporter::Context {
            store: store.clone(),
            clock: Arc::clone(&clock),
            catalogue: Arc::clone(catalogue),
            health: health.clone(),
            shutdown: shutdown.clone(),
        };
        let config = app.config.exporter();
        tasks.spawn(async move { ("exporter", exporter::run(config, context).await) });
    }
    let outcome = wait(&mut tasks, shutdown).await;
    store.close().await;
    tracing::info!("ended");
    outcome
}

/// Waits until the database is there with the right schema, and brings the countries in use in
/// line with the configuration. Returns whether the roles may start.
async fn prepare(app: &App, migrate: bool) -> bool {
    let mut said: Option<String> = None;
    while !app.shutdown.is_cancelled() {
        match try_prepare(app, migrate).await {
            Ok(()) => {
                app.health.ready("database");
                return true;
            }
            Err(error) => {
                let message = format!("{error:#}");
                app.health.not_ready("database", message.clone());
                if said.as_ref() != Some(&message) {
                    tracing::warn!("waiting for the database: {message}");
                    said = Some(message);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = app.shutdown.cancelled() => {}
        }
    }
    false
}

async fn try_prepare(app: &App, migrate: bool) -> anyhow::Result<()> {
    if migrate {
        app.store.migrate().await?;
    } else {
        app.store.reach().await?;
        app.store.check_schema().await?;
    }
    let measured = app.clock.anchor(&app.store).await?;
    let measured = measured.context("the database took too long to say what time it is")?;
    if measured.from_local.abs() > LARGE_OFFSET {
        tracing::warn!(
            offset_millis = measured.from_local.num_milliseconds(),
            "this machine's clock is far from the database's; the latter counts"
        );
    }
    let now: Instant = app.clock.now();
    for row in app.store.countries().await?.into_values() {
        let settings = app.config.country_settings(row.country, &app.catalogue);
        // Only what a person configured changes the zone of a country in use; a new version of the
        // catalogue does not.
        let configured = app
            .config
            .countries
            .get(&row.country)
            .and_then(|c| c.time_zone);
        let settings = store::countries::CountrySettings {
            time_zone: configured.unwrap_or_else(|| row.zones.zone_at(now)),
            ..settings
        };
        if let Some(from) = app.store.update_country(&row, settings, now).await? {
            tracing::info!(
                country = %row.country, zone = %settings.time_zone, %from,
                "the reporting zone changes at the next common boundary of both clocks"
            );
        }
    }
    Ok(())
}

/// Waits for all roles. The first that fails ends the others.
async fn wait(
    tasks: &mut JoinSet<(&'static str, anyhow::Result<()>)>,
    shutdown: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let mut outcome = Ok(ExitCode::SUCCESS);
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
    };
    tokio::pin!(overdue);
    loop {
        let ended = tokio::select! {
            ended = tasks.join_next() => ended,
            () = &mut overdue => {
                tracing::warn!("some roles did not end in time");
                break;
            }
        };
        let Some(ended) = ended else { break };
        let failure = match ended {
            Ok((_, Ok(()))) => None,
            Ok((name, Err(error))) => Some(error.context(format!("the role `{name}` failed"))),
            Err(panic) => Some(anyhow::anyhow!("a role ended in a panic: {panic}")),
        };
        if let Some(failure) = failure {
            shutdown.cancel();
            outcome = outcome.and(Err(failure));
        }
    }
    outcome
}

/// Asks for an orderly end at the first SIGTERM or SIGINT; the second ends at once.
pub(crate) fn end_on_signal(shutdown: &CancellationToken) {
    let shutdown = shutdown.clone();
    let listen = async move {
        let (Ok(mut term), Ok(mut interrupt)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) else {
            return;
        };
        for asked_before in [false, true] {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            if asked_before {
                std::process::exit(1);
            }
            tracing::info!("ending in order; once more ends at once");
            shutdown.cancel();
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "it has nothing to return and ends with the process"
    )]
    drop(tokio::spawn(listen));
}
