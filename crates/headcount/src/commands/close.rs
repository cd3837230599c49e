//! `headcount close`: counts hours once more and has them sent anew.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use exporter::close::{ClosedByHand, close_by_hand};
use model::{Country, Instant};

use crate::app::App;
use crate::commands::count::instant;

/// The most hours of one call: a month. The exporter sends them a few at a time.
const MAX_HOURS: usize = 31 * 24;

/// Close an hour, or close it again, and send it anew
///
/// Several with --from and --to. Says for each what was counted, whether it is sent, and if not, why.
#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// The country, as two letters
    #[arg(long)]
    country: String,
    /// A time within the hour: local (`2026-11-21T10:00`) or RFC 3339
    #[arg(long, required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    hour: Option<String>,
    /// A time within the first of several hours
    #[arg(long, requires = "to")]
    from: Option<String>,
    /// Hours that start before this time
    #[arg(long, requires = "from")]
    to: Option<String>,
}

/// Closes hours as new revisions. The running exporter sends them, if they are not too old. An hour
/// that cannot be closed keeps none of the others from it, and makes the command fail.
pub(crate) async fn close(args: &CloseArgs, app: &App) -> anyhow::Result<()> {
    let country = Country::parse(&args.country)?;
    let countries = app.store.countries().await?;
    let zones = countries
        .get(&country)
        .map(|row| row.zones.clone())
        .ok_or(exporter::close::CloseError::UnknownCountry(country))?;
    let starts: Vec<Instant> = match (&args.hour, &args.from, &args.to) {
        (_, Some(from), Some(to)) => {
            let from = zones.hour_at(instant("--from", from, &zones)?).start;
            let hours = zones.hours(from, instant("--to", to, &zones)?);
            hours.map(|hour| hour.start).take(MAX_HOURS + 1).collect()
        }
        (hour, ..) => vec![instant(
            "--hour",
            hour.as_deref().unwrap_or_default(),
            &zones,
        )?],
    };
    if starts.is_empty() {
        bail!("no hour starts between --from and --to");
    }
    if starts.len() > MAX_HOURS {
        bail!("these are more than {MAX_HOURS} hours: close them in parts");
    }
    let context = exporter::Context {
        store: app.store.clone(),
        clock: app.clock.clone(),
        catalogue: Arc::clone(&app.catalogue),
        health: app.health.clone(),
        shutdown: app.shutdown.clone(),
    };
    let historical = app.config.exporter().historical_metrics;
    let local = |instant: Instant| {
        let zone = zones.zone_at(instant);
        instant.with_timezone(&zone).to_rfc3339()
    };
    let mut out = std::io::stdout();
    let mut failed = Vec::new();
    for start in &starts {
        match close_by_hand(&context, country, *start, historical).await {
            Ok(ClosedByHand {
                hour,
                revision,
                devices,
                sending,
            }) => writeln!(
                out,
                "{country}: the hour from {} is closed as revision {revision}: {devices} devices; \
                 {sending}",
                local(hour.start)
            )?,
            Err(error) if starts.len() == 1 => return Err(error.into()),
            Err(error) => failed.push(format!("{}: {error}", local(*start))),
        }
    }
    if !failed.is_empty() {
        bail!(
            "{} of {} hours were not closed:\n{}",
            failed.len(),
            starts.len(),
            failed.join("\n")
        );
    }
    Ok(())
}
