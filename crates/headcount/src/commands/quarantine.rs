//! `headcount quarantine`: what was set aside, why, and counting it after all.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use chrono::{SecondsFormat, TimeDelta};
use clap::{Args, Subcommand, ValueEnum};
use ingest::replay::Outcome;
use model::{Clock as _, Instant, Reason, ZoneHistory};
use serde_json::json;
use store::quarantine::{KeptMessage, QuarantineMinute, Selection};

use crate::app::App;
use crate::commands::count::instant;

/// How far back `list` looks without `--since`.
const LOOK_BACK: TimeDelta = TimeDelta::hours(24);

/// Numbers of messages shown per line of the table; JSON has all of them.
const MAX_NUMBERS_SHOWN: usize = 5;

/// As much of a payload or a topic as is shown, in bytes.
const MAX_SHOWN_BYTES: usize = 1024;

/// Bytes per line of the hexadecimal view.
const HEX_LINE_BYTES: usize = 16;

/// Look at what was set aside, and count it after all
#[derive(Debug, Args)]
pub(crate) struct QuarantineArgs {
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, Subcommand)]
enum QuarantineCommand {
    /// List what was set aside, by minute and reason, newest first
    List(ListArgs),
    /// Show one message: topic, reason, times, and the payload as text and in hexadecimal
    Show(ShowArgs),
    /// Count messages after all, at the time they came, once what kept them out is mended
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// From this time on: RFC 3339, or `2026-11-21T10:00` in UTC [default: 24 hours ago]
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only this reason, such as `syntax`; may be given several times
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Vec<Reason>,
    /// At most so many lines
    #[arg(long, value_name = "LINES", default_value_t = 100)]
    limit: u32,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The message's number, from `list`
    #[arg(value_name = "ID")]
    number: i64,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What the help of `replay` adds to the arguments.
const REPLAY_HELP: &str = "\
Each message is read with today's topic filter, placed with today's registry, and counted at the \
time it came and by the watermark that stood then, as if it came now for the first time. Hours that \
have ended are counted again by the running exporter. A message is counted once, however often it \
is replayed. Where only the payload was set aside (size, encoding, syntax, depth, field) the device \
was counted when the message came: if the payload can be read now, it is kept as evidence and \
counts for nothing.

Only what was kept can be replayed: 200 messages per minute and reason, for \
retention.quarantine_days. Exit code 0 also when messages stay set aside; they are named.";

#[derive(Debug, Args)]
#[command(after_long_help = REPLAY_HELP)]
struct ReplayArgs {
    /// Only messages with this reason; may be given several times
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Vec<Reason>,
    /// Only messages that came since then: RFC 3339, or `2026-11-21T10:00` in UTC
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only these messages, by their numbers; without any restriction, all
    #[arg(value_name = "ID")]
    numbers: Vec<i64>,
    /// How to print what became of them
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::parse(text).ok_or_else(|| {
        let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("the reasons are {}", known.join(", "))
    })
}

/// A time on the command line. No country is meant, so a time without an offset is UTC.
fn since(text: Option<&str>) -> anyhow::Result<Option<Instant>> {
    let utc = ZoneHistory::always(chrono_tz::Tz::UTC);
    text.map(|text| instant("--since", text, &utc)).transpose()
}

/// Does what was asked for.
pub(crate) async fn quarantine(args: QuarantineArgs, app: &App) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match args.command {
        QuarantineCommand::List(args) => {
            let from = since(args.since.as_deref())?.unwrap_or(app.clock.now() - LOOK_BACK);
            let minutes = app
                .store
                .quarantine_minutes(from, &args.reason, args.limit)
                .await?;
            match args.format {
                Format::Table => list_text(&minutes, &mut out)?,
                Format::Json => json_text(&list_json(&minutes), &mut out)?,
            }
        }
        QuarantineCommand::Show(args) => {
            let message = app.store.quarantined_message(args.number).await?;
            let message = message.with_context(|| {
                format!(
                    "no message {} is kept; `headcount quarantine list` has the numbers",
                    args.number
                )
            })?;
            match args.format {
                Format::Table => out.write_all(show_text(&message).as_bytes())?,
                Format::Json => json_text(&show_json(&message), &mut out)?,
            }
        }
        QuarantineCommand::Replay(args) => {
            let selection = Selection {
                reasons: args.reason,
                since: since(args.since.as_deref())?,
                numbers: args.numbers,
            };
            for number in &selection.numbers {
                if app.store.quarantined_message(*number).await?.is_none() {
                    bail!("no message {number} is kept; nothing was replayed");
                }
            }
            let outcome = replay(app, &selection).await?;
            match args.format {
                Format::Table => out.write_all(outcome_text(&outcome).as_bytes())?,
                Format::Json => json_text(&outcome_json(&outcome), &mut out)?,
            }
            if app.shutdown.is_cancelled() {
                bail!("interrupted: the rest is as it was, and can be replayed later");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(app: &App, selection: &Selection) -> anyhow::Result<Outcome> {
    let context = ingest::Context {
        store: app.store.clone(),
        clock: app.clock.clone(),
        catalogue: Arc::clone(&app.catalogue),
        health: app.health.clone(),
        shutdown: app.shutdown.clone(),
    };
    Ok(ingest::replay::replay(&app.config.ingest(), &context, selection).await?)
}

fn json_text(value: &serde_json::Value, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(value)?)?;
    Ok(())
}

fn written(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn list_text(minutes: &[QuarantineMinute], out: &mut impl Write) -> anyhow::Result<()> {
    if minutes.is_empty() {
        writeln!(out, "nothing was set aside in that time")?;
        return Ok(());
    }
    writeln!(
        out,
        "{:<22}{:<17}{:>10}{:>8}{:>10}  ids",
        "minute", "reason", "messages", "kept", "replayed"
    )?;
    for row in minutes {
        let shown = row.numbers.iter().take(MAX_NUMBERS_SHOWN);
        let mut numbers = shown.map(i64::to_string).collect::<Vec<_>>().join(" ");
        if row.numbers.len() > MAX_NUMBERS_SHOWN {
            numbers.push_str(" …");
        }
        writeln!(
            out,
            "{:<22}{:<17}{:>10}{:>8}{:>10}  {numbers}",
            written(row.minute),
            row.reason.as_str(),
            row.messages,
            row.numbers.len(),
            row.replayed,
        )?;
    }
    let messages: i64 = minutes.iter().map(|row| row.messages).sum();
    let kept: usize = minutes.iter().map(|row| row.numbers.len()).sum();
    let replayed: i64 = minutes.iter().map(|row| row.replayed).sum();
    writeln!(out, "{:<39}{messages:>10}{kept:>8}{replayed:>10}", "sum")?;
    Ok(())
}

fn list_json(minutes: &[QuarantineMinute]) -> serde_json::Value {
    let items: Vec<_> = minutes
        .iter()
        .map(|row| {
            json!({
                "minute": written(row.minute), "reason": row.reason.as_str(),
                "messages": row.messages, "kept": row.numbers.len(), "replayed": row.replayed,
                "ids": row.numbers,
            })
        })
        .collect();
    json!({ "items": items })
}

fn show_text(message: &KeptMessage) -> String {
    let row = &message.row;
    let lag = row.received_at - row.watermark;
    let replayed = message
        .replayed_at
        .map_or_else(|| "not yet".to_owned(), written);
    let mut text = String::new();
    for (name, value) in [
        ("id", message.number.to_string()),
        (
            "reason",
            format!("{}: {}", row.reason.as_str(), row.reason.in_words()),
        ),
        ("topic", readable(row.topic.as_bytes())),
        ("received_at", written(row.received_at)),
        (
            "watermark",
            format!(
                "{} ({} s before)",
                written(row.watermark),
                lag.num_seconds()
            ),
        ),
        ("slot", message.slot.clone()),
        ("replayed", replayed),
        (
            "detail",
            readable(row.detail.as_deref().unwrap_or("none").as_bytes()),
        ),
        ("payload", size(row.payload_bytes, row.payload.len())),
        ("text", readable(&row.payload)),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<13}{value}");
    }
    let shown = &row.payload[..row.payload.len().min(MAX_SHOWN_BYTES)];
    for (n, line) in shown.chunks(HEX_LINE_BYTES).enumerate() {
        let name = if n == 0 { "hex" } else { "" };
        let bytes: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let at = n * HEX_LINE_BYTES;
        let _ = writeln!(text, "{name:<13}{at:04x}  {}", bytes.join(" "));
    }
    text
}

fn size(whole_bytes: usize, kept_bytes: usize) -> String {
    let mut text = format!("{whole_bytes} bytes");
    if kept_bytes < whole_bytes {
        let _ = write!(text, ", of which the first {kept_bytes} are kept");
    }
    if kept_bytes > MAX_SHOWN_BYTES {
        let _ = write!(text, "; the first {MAX_SHOWN_BYTES} are shown");
    }
    text
}

fn show_json(message: &KeptMessage) -> serde_json::Value {
    let row = &message.row;
    let mut hex = String::with_capacity(2 * row.payload.len());
    for byte in &row.payload {
        let _ = write!(hex, "{byte:02x}");
    }
    json!({
        "id": message.number, "reason": row.reason.as_str(), "topic": row.topic,
        "received_at": written(row.received_at), "watermark": written(row.watermark),
        "slot": message.slot, "replayed_at": message.replayed_at.map(written),
        "detail": row.detail, "payload_bytes": row.payload_bytes,
        "payload_text": std::str::from_utf8(&row.payload).ok(), "payload_hex": hex,
    })
}

/// Bytes from outside as text that a terminal can be shown: what is not printable is written as an
/// escape, and there is an end.
fn readable(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(MAX_SHOWN_BYTES)];
    let mut text = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\'' => text.push(character),
                _ => text.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if shown.len() < bytes.len() {
        let _ = write!(text, " … and {} bytes more", bytes.len() - shown.len());
    }
    text
}

fn outcome_text(outcome: &Outcome) -> String {
    let left: u64 = outcome.still_set_aside.values().sum();
    let mut text = String::new();
    for (messages, what) in [
        (outcome.counted, "counted at the time they came"),
        (
            outcome.evidence,
            "kept as evidence: their devices were counted when they came",
        ),
        (
            outcome.of_unknown_time,
            "of unknown time: kept as evidence, and their hours are incomplete",
        ),
        (left, "still set aside"),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{messages:>8}  {what}");
    }
    for (why, messages) in &outcome.still_set_aside {
        let _ = writeln!(text, "{messages:>8}    because {why}");
    }
    let named = outcome.named.iter().map(|(number, _)| number.to_string());
    let named: Vec<_> = named.collect();
    if !named.is_empty() {
        let first = if usize::try_from(left) == Ok(named.len()) {
            "ids"
        } else {
            "the first ids"
        };
        let _ = writeln!(text, "{:>8}    {first}: {}", "", named.join(" "));
    }
    if outcome.counted > 0 {
        text.push_str("Hours that have ended are counted again by the running exporter.\n");
    }
    text
}

fn outcome_json(outcome: &Outcome) -> serde_json::Value {
    let named: Vec<_> = outcome
        .named
        .iter()
        .map(|(number, why)| json!({ "id": number, "why": why }))
        .collect();
    json!({
        "counted": outcome.counted, "evidence": outcome.evidence,
        "of_unknown_time": outcome.of_unknown_time,
        "still_set_aside": outcome.still_set_aside, "first_still_set_aside": named,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_payload_can_steer_the_terminal() {
        assert_eq!(
            readable("a\u{1b}[2J\n\u{202e}端末 \"x\"\\".as_bytes()),
            "a\\u{1b}[2J\\n\\u{202e}端末 \"x\"\\\\"
        );
        assert_eq!(readable(b"\xff\x00ok"), "\\xff\\0ok");
        let long = readable(&vec![b'x'; MAX_SHOWN_BYTES + 7]);
        assert!(long.ends_with("x … and 7 bytes more"), "{long}");
    }

    #[test]
    fn reasons_are_words_and_mistakes_are_told_all_of_them() {
        assert_eq!(reason("closed_registry"), Ok(Reason::ClosedRegistry));
        let error = reason("late").unwrap_err();
        assert!(error.contains("syntax, depth"), "{error}");
    }

    #[test]
    fn the_size_says_what_is_missing() {
        assert_eq!(size(12, 12), "12 bytes");
        assert_eq!(
            size(20_000, 16_384),
            "20000 bytes, of which the first 16384 are kept; the first 1024 are shown"
        );
    }
}
