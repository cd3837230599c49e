//! `headcount close`: counts an hour once more and has it sent anew.

use std::io::Write as _;
use std::sync::Arc;

use clap::Args;
use model::Country;

use crate::app::App;
use crate::commands::count::instant;

/// Close an hour, or close it again, and send it anew
#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// The country, as two letters
    #[arg(long)]
    country: String,
    /// A time within the hour: local (`2026-11-21T10:00`) or RFC 3339
    #[arg(long)]
    hour: String,
}

/// Closes one hour as a new revision. The running exporter sends it, if it is not too old.
pub(crate) async fn close(args: &CloseArgs, app: &App) -> anyhow::Result<()> {
    let country = Country::parse(&args.country)?;
    let countries = app.store.countries().await?;
    let zones = countries
        .get(&country)
        .map(|row| row.zones.clone())
        .ok_or(exporter::close::CloseError::UnknownCountry(country))?;
    let instant = instant("--hour", &args.hour, &zones)?;
    let context = exporter::Context {
        store: app.store.clone(),
        clock: app.clock.clone(),
        catalogue: Arc::clone(&app.catalogue),
        health: app.health.clone(),
        shutdown: app.shutdown.clone(),
    };
    let (hour, revision) = exporter::close::close_by_hand(&context, country, instant).await?;
    let local = hour.start.with_timezone(&zones.zone_at(hour.start));
    writeln!(
        std::io::stdout(),
        "{country}: the hour from {} is closed as revision {revision}",
        local.to_rfc3339()
    )?;
    Ok(())
}
