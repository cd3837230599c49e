//! `headcount demo`: everything on this machine, with nothing set up.
//!
//! A private Postgres and a private Mosquitto, weeks of simulated history, a live simulated fleet
//! over real MQTT, all roles, and outages to look at. The page is up first and shows how far the
//! rest is. What the data folder holds is gone on with at the next start.

mod control;
mod folder;
mod history;
mod live;
mod progress;
mod servers;
mod stage;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use model::Clock as _;
use simulator::{Fleet, FleetOptions};
use telemetry::Health;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock::AnchoredClock;
use crate::commands::roles;
use crate::commands::simulate::parse_duration;
use crate::config::{Config, File};
use folder::Folder;
use progress::Progress;
use servers::Servers;
use stage::{MAX_LASTS, Story};

/// What is logged unless something else is asked for: the demo says itself what a newcomer wants
/// to know, and weeks of history take longer than statements should.
pub(crate) const LOG_FILTER: &str = "warn,sqlx=error";

/// A device counts as reachable for so many of its intervals.
const INTERVALS_PER_WINDOW: u32 = 3;

/// What `demo` is told.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DemoArgs {
    #[command(subcommand)]
    command: Option<DemoCommand>,
    #[command(flatten)]
    folder: FolderArgs,
    /// The page's port; another one is taken if somebody has it
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    port: u16,
    /// The broker's port; another one is taken if somebody has it
    #[arg(long, default_value_t = 1883, value_name = "PORT")]
    broker_port: u16,
    /// How many devices; their history is made in memory
    #[arg(long, default_value_t = 5000, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=50_000))]
    devices: u32,
    /// The same seed makes the same fleet
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// Between two heartbeats of a device; it is reachable for three of them, in whole minutes
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "DURATION")]
    interval: Duration,
    /// Days of history that a new folder is given
    #[arg(long, default_value_t = 28, value_name = "DAYS",
        value_parser = clap::value_parser!(u16).range(1..=28))]
    days: u16,
    /// Stage no outages but those asked for with `demo stage`
    #[arg(long)]
    steady: bool,
}

/// Where demos keep their data.
#[derive(Debug, Clone, clap::Args)]
struct FolderArgs {
    /// Where the data is kept [default: `headcount/demo` among the user's data, or
    /// /var/lib/headcount-demo for root]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum DemoCommand {
    /// Let something go wrong in the demo that runs
    Stage(StageArgs),
    /// Remove what demos have kept
    Clean(FolderArgs),
}

#[derive(Debug, Clone, clap::Args)]
struct StageArgs {
    /// What
    #[arg(value_parser = Story::parser(), value_name = "SCENARIO")]
    story: Story,
    /// How long it lasts
    #[arg(long, default_value = "4m", value_parser = parse_lasts, value_name = "DURATION")]
    lasts: Duration,
    #[command(flatten)]
    folder: FolderArgs,
}

fn parse_lasts(text: &str) -> Result<Duration, String> {
    let lasts = parse_duration(text)?;
    if lasts > MAX_LASTS {
        return Err("at most 24 hours".to_owned());
    }
    Ok(lasts)
}

/// Runs the demo until the end is asked for; or tells one that runs what to do.
///
/// # Errors
/// When a program is missing, the folder cannot be used, or a part of the demo fails.
pub(crate) async fn demo(args: DemoArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        None => Box::pin(play(args)).await,
        Some(DemoCommand::Stage(StageArgs {
            story,
            lasts,
            folder,
        })) => {
            let folder = Folder::named(folder.data_dir)?;
            say(&control::ask(&folder, story, lasts).await?);
            Ok(ExitCode::SUCCESS)
        }
        Some(DemoCommand::Clean(args)) => {
            say(&Folder::named(args.data_dir)?.remove()?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn play(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let shutdown = CancellationToken::new();
    roles::end_on_signal(&shutdown);
    let fleet = Arc::new(Fleet::new(&FleetOptions {
        devices: args.devices,
        seed: args.seed,
        interval: args.interval,
        countries: Vec::new(),
    })?);
    let folder = Folder::named(args.folder.data_dir.clone())?;

    // The page comes first, and says how far the rest is.
    let listener = listen(args.port)?;
    let page = listener
        .local_addr()
        .context("cannot tell the page's address")?;
    let started_at = AnchoredClock::default().now();
    say(&greeting(page, &args, &folder));
    let health = Health::default();
    let progress = Progress::new(health.clone());
    let prepared = CancellationToken::new();
    let file = configuration(page, args.interval);
    let mut page_task = JoinSet::new();
    page_task.spawn(headcount_api::run_preparing(
        listener.try_clone().context("cannot share the listener")?,
        Config::check(file.clone())?.api,
        Arc::new(AnchoredClock::default()),
        health.clone(),
        prepared.clone(),
    ));

    let prepare = prepare(&args, &folder, file, &fleet, &progress);
    let ready = tokio::select! {
        ready = prepare => ready?,
        () = shutdown.cancelled() => {
            progress.clear();
            say("ended while getting ready; nothing is left running");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let Ready {
        mut app,
        servers,
        history_until,
    } = ready;
    progress.clear();
    prepared.cancel();
    app.health = health;
    app.shutdown = shutdown;
    say(&instructions(&args, &servers, &app, started_at));
    let stage = live::Play {
        args: &args,
        fleet,
        servers: &servers,
        folder: &folder,
        started_at,
        history_until,
    };
    let outcome = Box::pin(stage.run(app, listener)).await;
    servers.stop().await?;
    let code = outcome?;
    say("ended; nothing is left running, and the next start goes on from here");
    Ok(code)
}

/// What is there once the demo can begin.
struct Ready {
    app: App,
    servers: Servers,
    /// Until when the history goes; the live fleet goes on from there.
    history_until: model::Instant,
}

async fn prepare(
    args: &DemoArgs,
    folder: &Folder,
    mut file: File,
    fleet: &Arc<Fleet>,
    progress: &Progress,
) -> anyhow::Result<Ready> {
    progress.step("starting PostgreSQL and Mosquitto");
    let data_dir = folder.take()?;
    folder.keep_fleet(args)?;
    let servers = Servers::start(data_dir, args.broker_port).await?;
    file.database.url = servers.database_url();
    file.mqtt.url = servers.broker_url();
    file.datadog.url = servers.agent_url()?;
    let config = Config::check(file)?;
    let mut loader = App::new(config.clone(), "demo-history")?;
    // Whatever else the machine does, nothing is given up.
    loader.store = loader.store.patient();
    progress.step("creating the schema");
    loader.store.migrate().await?;
    loader.anchor().await?;
    let days = TimeDelta::days(args.days.into());
    let history_until = history::load(&loader, Arc::clone(fleet), days, progress).await?;
    loader.store.close().await;
    let app = App::new(config, "demo")?;
    app.anchor().await?;
    Ok(Ready {
        app,
        servers,
        history_until,
    })
}

/// The configuration of the demo's roles. Neither a file nor the environment has a say in it: what
/// is set up there is somebody's real system.
fn configuration(page: SocketAddr, interval: Duration) -> File {
    let mut file = File::default();
    file.api.listen = page.to_string();
    file.datadog.env = Some(crate::config::Text("demo".to_owned()));
    file.datadog.carrier_now = true;
    let window_mins = (interval * INTERVALS_PER_WINDOW).as_secs().div_ceil(60);
    file.reach_window_secs = window_mins * 60;
    file
}

/// The port asked for, or any other.
fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .or_else(|_taken| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("cannot listen on 127.0.0.1")?;
    listener
        .set_nonblocking(true)
        .context("cannot listen on 127.0.0.1")?;
    Ok(listener)
}

/// Says which port was taken by somebody else, if one was.
fn replaced(asked: u16, given: u16) -> String {
    if asked == given || asked == 0 {
        String::new()
    } else {
        format!("  (port {asked} is taken, so {given})")
    }
}

/// How to call this demo again: the program, and its folder where one was named.
fn called(args: &DemoArgs) -> (String, String) {
    let folder = match &args.folder.data_dir {
        Some(folder) => format!(" --data-dir {}", folder.display()),
        None => String::new(),
    };
    (std::env::args().next().unwrap_or_default(), folder)
}

fn greeting(page: SocketAddr, args: &DemoArgs, folder: &Folder) -> String {
    let (program, data_dir) = called(args);
    format!(
        "\n  Device connections of a simulated fleet\n\n  \
         page    http://{page}/{}\n  \
         data    {}\n          kept for the next start; `{program} demo clean{data_dir}` removes it\n",
        replaced(args.port, page.port()),
        folder.path().display(),
    )
}

fn instructions(
    args: &DemoArgs,
    servers: &Servers,
    app: &App,
    started_at: model::Instant,
) -> String {
    let took = app.clock.now() - started_at;
    let (program, folder) = called(args);
    let port = servers.broker_port();
    format!(
        "  ready after {:.1} s: {} devices send a heartbeat every {} s{}\n\n  \
         In another terminal:\n    \
         be a device     mosquitto_pub -p {port} -q 1 -t devices/my-car/heartbeat \
         -m '{{\"mcc\":\"525\",\"mnc\":\"01\"}}'\n    \
         break something {program} demo stage carrier-outage{folder}\n    \
         look inside     psql {}\n\n  \
         Ctrl-C ends everything.\n",
        took.as_seconds_f64(),
        args.devices,
        args.interval.as_secs(),
        replaced(args.broker_port, port),
        servers.database_url(),
    )
}

/// Tells the person at the terminal.
fn say(text: &str) {
    // Nowhere left to say that standard output is closed.
    let _closed = writeln!(std::io::stdout(), "{text}");
}
