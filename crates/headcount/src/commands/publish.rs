//! `headcount publish`: rows of a file as heartbeats to the broker.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ingest::broker::BrokerUrl;
use ingest::decode::FieldPaths;
use ingest::tls::TlsFiles;
use ingest::topic::TopicFilter;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::heartbeat_row;
use super::publisher::{MAX_IN_FLIGHT, Message, Patience, Publisher, Tally};
use super::report::{self, Report, Summary};
use super::rows::{Format, Input, OneOf, RowStream};

#[cfg(test)]
mod tests;

const REQUIRED: &[OneOf] = &[&["device_id"]];

/// What the help adds to the arguments.
const HELP: &str = "\
The bridge for fleets that speak HTTP, Kinesis or S3 today: each row becomes one heartbeat. The \
column device_id makes the topic; sent_at (or ts), mcc, mnc, country, carrier, seq, boot_id, rat, \
rsrp, tac, cell, battery_mv, fw, model and interval_secs make the payload; other columns are \
ignored.

Ends when the broker has acknowledged everything. Exit code 0 when every row was published, 1 when \
rows were bad (they are listed, and the others are published) or the broker failed.";

/// What `publish` is told.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct PublishArgs {
    /// File with the rows; `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How it is written; told from its name or its first character if not given
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Publish at most so many heartbeats per second
    #[arg(long, value_name = "PER_SECOND")]
    pub(crate) rate: Option<NonZeroU32>,
}

/// Publishes each row of a file as a heartbeat, at QoS 1, and waits until the broker has
/// acknowledged all of them. Bad rows are reported on standard error as they come, the summary on
/// standard output at the end.
///
/// # Errors
/// When the file cannot be read, lacks the column `device_id`, or the broker refuses us or cannot
/// be reached. A broker that goes away later is waited for.
pub(crate) async fn publish(
    args: PublishArgs,
    broker: &BrokerUrl,
    tls: &TlsFiles,
    filter: &TopicFilter,
    paths: &FieldPaths,
    shutdown: CancellationToken,
) -> anyhow::Result<Summary> {
    let input = Input {
        file: args.file,
        format: args.format,
    };
    let bar = report::bar(input.bytes());
    let rows = RowStream::start(input, REQUIRED, bar.clone())?;
    let mut publisher = Publisher::new(broker, tls, "publish", Patience::GiveUp)?;
    let summary = publish_rows(
        rows,
        args.rate,
        &mut publisher,
        filter,
        paths,
        Report::new(bar),
        shutdown,
    )
    .await?;
    // Nowhere left to say that standard output is closed.
    let _closed = writeln!(std::io::stdout(), "{summary}");
    Ok(summary)
}

async fn publish_rows(
    mut rows: RowStream,
    rate: Option<NonZeroU32>,
    publisher: &mut Publisher,
    filter: &TopicFilter,
    paths: &FieldPaths,
    mut report: Report,
    shutdown: CancellationToken,
) -> anyhow::Result<Summary> {
    let (sender, source) = mpsc::channel(usize::from(MAX_IN_FLIGHT));
    let tally = Tally::default();
    let (read, unacknowledged) = {
        let read = read(
            &mut rows,
            rate,
            filter,
            paths,
            &mut report,
            sender,
            &shutdown,
        );
        let delivered = publisher.run(source, &tally, &shutdown);
        tokio::pin!(read, delivered);
        let mut outcome = None;
        // Not a join: when the broker refuses us, nobody should have to wait for a pipe's end.
        loop {
            tokio::select! {
                read = &mut read, if outcome.is_none() => outcome = Some(read),
                delivered = &mut delivered => break (outcome.unwrap_or(Ok(())), delivered?),
            }
        }
    };
    read?;
    report.done = tally.acknowledged();
    let mut notes = Vec::new();
    if tally.unheard() > 0 {
        notes.push(format!(
            "{} were taken by the broker, but nobody has subscribed to them: is `headcount run` or \
             `headcount ingest` set up with this broker and topic?",
            tally.unheard()
        ));
    }
    if tally.refused() > 0 {
        notes.push(format!("{} were refused by the broker.", tally.refused()));
    }
    let unacknowledged = u64::try_from(unacknowledged).unwrap_or(u64::MAX);
    if unacknowledged > 0 {
        notes.push(format!(
            "{unacknowledged} were not acknowledged by the broker before the end."
        ));
    }
    if shutdown.is_cancelled() {
        notes.push("Interrupted: what came after was not read.".to_owned());
    }
    let failed = unacknowledged + tally.refused() + u64::from(shutdown.is_cancelled());
    Ok(report.finish("published", notes).with_failed(failed))
}

/// Reads rows and hands them on as messages, until the last one or the end is asked for.
async fn read(
    rows: &mut RowStream,
    rate: Option<NonZeroU32>,
    filter: &TopicFilter,
    paths: &FieldPaths,
    report: &mut Report,
    messages: mpsc::Sender<Message>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let pause = rate.map(|rate| Duration::from_secs(1) / rate.get());
    let mut due = Instant::now();
    loop {
        let line = tokio::select! {
            line = rows.next() => line?,
            () = shutdown.cancelled() => return Ok(()),
        };
        let Some(line) = line else {
            return Ok(());
        };
        let row = match line
            .row
            .and_then(|row| heartbeat_row::read_for(&row, paths))
        {
            Ok(row) => row,
            Err(reason) => {
                report.bad(line.number, &reason);
                continue;
            }
        };
        if let Some(pause) = pause {
            // Time that was lost waiting for rows is not made up for.
            due = due.max(Instant::now());
            tokio::select! {
                () = tokio::time::sleep_until(due) => due += pause,
                () = shutdown.cancelled() => return Ok(()),
            }
        }
        let message = Message {
            topic: filter
                .subscription()
                .replacen('+', row.device_id.as_str(), 1),
            payload: row.payload,
        };
        if messages.send(message).await.is_err() {
            // The publisher has ended and says why.
            return Ok(());
        }
    }
}
