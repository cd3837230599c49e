//! `headcount import`: rows of a file into the database.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use model::{Catalogue, Clock, Country};
use store::Store;
use store::countries::CountrySettings;

use super::old_counts::CountryNames;
use super::report::{self, Report, Summary};
use super::rows::{Format, Input, OneOf, Row, RowStream};

mod atlas;
mod cells;
mod devices;
mod heartbeats;
mod hours;
#[cfg(test)]
mod tests;

/// What the help adds to the arguments.
const HELP: &str = "\
Columns may come in any order, and others are ignored. The times of heartbeats are trusted: RFC \
3339 with an offset, or Unix seconds or milliseconds. Hours are RFC 3339 or local date and time, \
and countries are codes or, for hours, English names.

Bad rows are listed with their line and the reason, and the others are loaded. Repeating an import \
changes nothing. Exit code 0 when every row was loaded, 1 when rows were bad or the database failed.";

/// What `import` is told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct ImportArgs {
    /// What the rows are
    #[arg(value_enum, value_name = "WHAT")]
    pub(crate) what: What,
    /// File with the rows; `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How it is written; told from its name or its first character if not given
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
}

/// What rows can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Past heartbeats: device_id, heard_at (or received_at, sent_at, ts), mcc and mnc (or
    /// country and carrier), and what else a heartbeat says
    Heartbeats,
    /// The registry: device_id, country, carrier, partner, region, model, label, status
    Devices,
    /// Serving cell areas: plmn, tac, region, zone
    Cells,
    /// Hourly counts from elsewhere: hour, country, count
    Hours,
}

/// What an import works with.
#[derive(Clone)]
pub(crate) struct ImportContext {
    /// The database.
    pub(crate) store: Store,
    /// Networks and countries.
    pub(crate) catalogue: Arc<Catalogue>,
    /// What countries are called elsewhere.
    pub(crate) names: Arc<CountryNames>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// What holds for a country that comes into use.
    pub(crate) settings: Arc<dyn Fn(Country) -> CountrySettings + Send + Sync>,
}

/// Takes rows of one kind and writes them in chunks.
trait Loader {
    /// The columns without which a file makes no sense.
    const REQUIRED: &'static [OneOf];

    /// Takes a row, or says what is wrong with it.
    ///
    /// # Errors
    /// When the database is needed for that and fails.
    async fn take(&mut self, row: &Row) -> anyhow::Result<Result<(), String>>;

    /// Whether there is a chunk to be written.
    fn is_full(&self) -> bool;

    /// Writes what was taken and not yet written.
    ///
    /// # Errors
    /// When the database fails; nothing of the chunk counts as loaded then.
    async fn write(&mut self) -> anyhow::Result<()>;

    /// What is worth knowing besides the numbers.
    fn notes(self) -> Vec<String>;
}

/// Loads a file. Bad rows are reported on standard error as they come, the summary on standard
/// output at the end.
///
/// # Errors
/// When the file cannot be read or lacks a column that is needed (nothing is loaded then), or when
/// the database fails; running it again then loads the rest.
pub(crate) async fn import(args: ImportArgs, context: ImportContext) -> anyhow::Result<Summary> {
    let ImportArgs { what, file, format } = args;
    let input = Input { file, format };
    let bar = report::bar(input.bytes());
    let report = Report::new(bar.clone());
    let summary = import_rows(what, input, context, &bar, report).await?;
    // Nowhere left to say that standard output is closed.
    let _closed = writeln!(std::io::stdout(), "{summary}");
    Ok(summary)
}

async fn import_rows(
    what: What,
    input: Input,
    context: ImportContext,
    bar: &indicatif::ProgressBar,
    report: Report,
) -> anyhow::Result<Summary> {
    match what {
        What::Heartbeats => {
            let loader = heartbeats::Heartbeats::new(context).await?;
            Box::pin(load(loader, input, bar, report)).await
        }
        What::Devices => load(devices::Devices::new(context), input, bar, report).await,
        What::Cells => load(cells::Cells::new(context), input, bar, report).await,
        What::Hours => {
            let loader = hours::Hours::new(context).await?;
            Box::pin(load(loader, input, bar, report)).await
        }
    }
}

async fn load<L: Loader>(
    mut loader: L,
    input: Input,
    bar: &indicatif::ProgressBar,
    mut report: Report,
) -> anyhow::Result<Summary> {
    let mut rows = RowStream::start(input, L::REQUIRED, bar.clone())?;
    let mut taken: u64 = 0;
    while let Some(line) = rows.next().await? {
        let outcome = match line.row {
            Ok(row) => loader.take(&row).await?,
            Err(reason) => Err(reason),
        };
        match outcome {
            Ok(()) => taken += 1,
            Err(reason) => report.bad(line.number, &reason),
        }
        if loader.is_full() {
            write(&mut loader, &mut report, &mut taken).await?;
        }
    }
    write(&mut loader, &mut report, &mut taken).await?;
    Ok(report.finish("loaded", loader.notes()))
}

async fn write<L: Loader>(
    loader: &mut L,
    report: &mut Report,
    taken: &mut u64,
) -> anyhow::Result<()> {
    let done = report.done;
    let written = loader.write().await;
    written.with_context(|| {
        format!("loaded {done} rows and then failed; run it again, nothing counts twice")
    })?;
    report.done += std::mem::take(taken);
    Ok(())
}
