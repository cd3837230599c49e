//! The command line.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use figment::value::Value;

use crate::app::App;
use crate::commands;
use crate::config::{Config, ConfigError, File};

/// Counts, exactly, how many devices reached us in each hour, per country and carrier.
#[derive(Debug, Parser)]
#[command(name = "headcount", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The configuration file [default: headcount.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to log: a level, or targets with levels, such as `info,ingest=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// Serve the API off loopback although anybody could read it
    #[arg(long, global = true)]
    insecure_open: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try everything on this machine with nothing set up: private servers, a simulated fleet,
    /// all roles
    Demo(commands::demo::DemoArgs),
    /// Run all roles in one process
    Run(RunArgs),
    /// Run the role that hears heartbeats
    Ingest,
    /// Run the role that closes hours and tells Datadog
    Exporter,
    /// Run the role that answers over HTTP
    Api,
    /// Bring the database schema up to date; safe from many replicas at once
    Migrate,
    /// Write a commented headcount.toml
    Init(commands::init::InitArgs),
    /// Check configuration, Postgres, broker and Agent, and say what to change
    Validate,
    /// Ask a running process on this machine how it is: a container's health check
    Health(commands::health::HealthArgs),
    /// Publish a seeded fleet's heartbeats to the broker
    Simulate(commands::simulate::SimulateArgs),
    /// Publish rows of a file as heartbeats
    Publish(commands::publish::PublishArgs),
    /// Take over heartbeats, devices, cells or hourly counts from a file
    Import(commands::import::ImportArgs),
    /// Print exact counts
    Count(commands::count::CountArgs),
    /// Make monitors and a dashboard for Datadog, and reckon the cost
    Datadog(commands::datadog::DatadogArgs),
    /// Compare the hourly counts of another system with ours, and say why they differ
    Parity(commands::parity::ParityArgs),
    /// Look at what was set aside, and count it after all
    Quarantine(commands::quarantine::QuarantineArgs),
    /// List ingest slots, and retire one that is no longer run
    Slots(commands::slots::SlotsArgs),
    /// Close an hour, or close it again, and send it anew
    Close(commands::close::CloseArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Leave the schema as it is; without this, `run` brings it up to date first
    #[arg(long)]
    no_migrate: bool,
}

/// Runs a command.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Command::Init(args) = &cli.command {
        commands::init::init(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
    };
    if let Command::Demo(args) = cli.command {
        let filter = cli.log.as_deref().unwrap_or(commands::demo::LOG_FILTER);
        log_to(filter, "--log")?;
        let runtime = runtime()?;
        let code = runtime.block_on(commands::demo::demo(args));
        runtime.shutdown_background();
        return code;
    }
    let variables: HashMap<_, _> = std::env::vars().collect();
    let mut overrides: Vec<(&str, Value)> = Vec::new();
    if cli.insecure_open {
        overrides.push(("api.insecure_open", true.into()));
    }
    if let Some(filter) = &cli.log {
        overrides.push(("log.filter", filter.as_str().into()));
    }
    let file = File::read(cli.config.as_deref(), &variables, &overrides)?;
    log_to(&file.log.filter, "log.filter")?;
    let config = Config::check(file)?;
    let runtime = runtime()?;
    let code = runtime.block_on(dispatch(cli.command, config));
    // A role that hangs must not keep the process from ending.
    runtime.shutdown_background();
    code
}

fn log_to(filter: &str, key: &str) -> Result<(), ConfigError> {
    telemetry::logs::init(filter).map_err(|error| ConfigError {
        key: key.to_owned(),
        problem: error.to_string(),
    })
}

async fn dispatch(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    use commands::roles::{self, Role};
    match command {
        Command::Run(args) => {
            let app = App::new(config, "run")?;
            let migrate = !args.no_migrate;
            roles::run(app, &[Role::Ingest, Role::Exporter, Role::Api], migrate).await
        }
        Command::Ingest => roles::run(App::new(config, "ingest")?, &[Role::Ingest], false).await,
        Command::Exporter => {
            roles::run(App::new(config, "exporter")?, &[Role::Exporter], false).await
        }
        Command::Api => roles::run(App::new(config, "api")?, &[Role::Api], false).await,
        Command::Migrate => {
            App::new(config, "migrate")?.store.migrate().await?;
            tracing::info!("the schema is up to date");
            Ok(ExitCode::SUCCESS)
        }
        // Neither of them needs a configuration; `run` has carried them out.
        Command::Init(_) | Command::Demo(_) => Ok(ExitCode::SUCCESS),
        Command::Validate => commands::validate::validate(&App::new(config, "validate")?).await,
        Command::Health(args) => commands::health::health(&args, &config).await,
        Command::Simulate(args) => {
            let app = App::new(config, "simulate")?;
            roles::end_on_signal(&app.shutdown);
            let Config {
                broker,
                tls,
                topic_filter,
                ..
            } = &app.config;
            let clock = Arc::clone(&app.clock);
            commands::simulate::simulate(
                args,
                broker,
                tls,
                topic_filter,
                clock,
                app.shutdown.clone(),
            )
            .await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Publish(args) => {
            let app = App::new(config, "publish")?;
            roles::end_on_signal(&app.shutdown);
            let Config {
                broker,
                tls,
                topic_filter,
                field_paths,
                ..
            } = &app.config;
            let shutdown = app.shutdown.clone();
            let summary =
                commands::publish::publish(args, broker, tls, topic_filter, field_paths, shutdown)
                    .await?;
            Ok(summary.exit_code())
        }
        Command::Import(args) => {
            let app = App::new(config, "import")?;
            app.anchor().await?;
            let (catalogue, config) = (Arc::clone(&app.catalogue), app.config.clone());
            let context = commands::import::ImportContext {
                store: app.store.clone(),
                catalogue: Arc::clone(&app.catalogue),
                names: app.country_names(),
                clock: app.clock.clone(),
                settings: Arc::new(move |country| config.country_settings(country, &catalogue)),
            };
            let summary = commands::import::import(args, context).await?;
            Ok(summary.exit_code())
        }
        Command::Count(args) => {
            let app = App::new(config, "count")?;
            app.anchor().await?;
            commands::count::count(&args, &app).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Datadog(args) => {
            let app = App::new(config, "datadog")?;
            commands::datadog::datadog(args, &app).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Parity(args) => {
            let app = App::new(config, "parity")?;
            app.anchor().await?;
            commands::parity::parity(args, &app).await
        }
        Command::Quarantine(args) => {
            let app = App::new(config, "quarantine")?;
            app.anchor().await?;
            roles::end_on_signal(&app.shutdown);
            commands::quarantine::quarantine(args, &app).await
        }
        Command::Slots(args) => {
            let app = App::new(config, "slots")?;
            app.anchor().await?;
            commands::slots::slots(args, &app).await
        }
        Command::Close(args) => {
            let app = App::new(config, "close")?;
            app.anchor().await?;
            commands::close::close(&args, &app).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
