//! `headcount datadog`: what belongs into Datadog, and what it costs.

use clap::{Args, Subcommand};

use crate::app::App;

mod assets;
mod cost;
mod dashboard;
mod folder;
mod monitors;
mod terraform;

/// Make monitors and a dashboard, and reckon what they cost
#[derive(Debug, Args)]
pub(crate) struct DatadogArgs {
    #[command(subcommand)]
    command: DatadogCommand,
}

#[derive(Debug, Subcommand)]
enum DatadogCommand {
    /// Write monitors and a dashboard for the countries in use, as JSON for Datadog's API and as
    /// Terraform
    Assets(assets::AssetsArgs),
    /// Say how many custom metrics headcount makes, and how much disk it takes
    Cost(cost::CostArgs),
}

/// Does what was asked for.
pub(crate) async fn datadog(args: DatadogArgs, app: &App) -> anyhow::Result<()> {
    match args.command {
        DatadogCommand::Assets(args) => assets::assets(&args, app).await,
        DatadogCommand::Cost(args) => cost::cost(&args, app).await,
    }
}
