//! `headcount slots`: the sessions with the broker, and giving one up for good.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::process::ExitCode;

use anyhow::bail;
use chrono::SecondsFormat;
use clap::{Args, Subcommand, ValueEnum};
use model::{Clock as _, Instant};
use serde_json::json;
use store::slots::{RetireError, SlotDetail};

use crate::app::App;

/// List ingest slots, and retire one that is no longer run
#[derive(Debug, Args)]
pub(crate) struct SlotsArgs {
    #[command(subcommand)]
    command: SlotsCommand,
}

#[derive(Debug, Subcommand)]
enum SlotsCommand {
    /// List all slots: their filter, session, owner, lease and watermark
    List(ListArgs),
    /// Stop waiting for a slot that is no longer run
    Retire(RetireArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// What the help of `retire` adds to the arguments.
const RETIRE_HELP: &str = "\
An hour closes when every slot has heard beyond its end. A slot that nobody runs any more keeps all \
hours open and all live counts unknown. Once it is retired nothing waits for it. What may have been \
lost with it, from its watermark until now, becomes a gap, and the hours it touches are incomplete, \
unless --drained says that nothing was.

The broker keeps the slot's session until it expires; remove it there, or it fills up. An ingest \
that starts under the slot's name takes it into use again, with a gap.";

#[derive(Debug, Args)]
#[command(after_long_help = RETIRE_HELP)]
struct RetireArgs {
    /// The slot's name
    #[arg(value_name = "SLOT")]
    slot: String,
    /// Nothing was lost: the broker held nothing for the slot any more, and its devices had moved
    /// to the topics of another slot. No gap is recorded
    #[arg(long)]
    drained: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Does what was asked for.
pub(crate) async fn slots(args: SlotsArgs, app: &App) -> anyhow::Result<ExitCode> {
    let slots = app.store.slot_details().await?;
    let now = app.clock.now();
    let mut out = std::io::stdout().lock();
    match args.command {
        SlotsCommand::List(args) => match args.format {
            Format::Table => out.write_all(list_text(&slots, now).as_bytes())?,
            Format::Json => {
                let list = serde_json::to_string_pretty(&list_json(&slots, now))?;
                writeln!(out, "{list}")?;
            }
        },
        SlotsCommand::Retire(args) => {
            let slot = retirable(&slots, &args.slot)?;
            out.write_all(meaning(slot, &slots, args.drained, now).as_bytes())?;
            out.flush()?;
            if !args.yes && !agreed(&mut out)? {
                writeln!(out, "nothing was changed")?;
                return Ok(ExitCode::FAILURE);
            }
            app.store
                .retire_slot(&args.slot, args.drained, app.clock.now())
                .await?;
            writeln!(out, "the slot `{}` is retired", args.slot)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The slot of that name, if it can be retired.
fn retirable<'s>(slots: &'s [SlotDetail], name: &str) -> Result<&'s SlotDetail, RetireError> {
    let slot = slots
        .iter()
        .find(|slot| slot.slot == name)
        .ok_or_else(|| RetireError::Unknown(name.to_owned()))?;
    if let Some(owner) = slot.owner.clone() {
        let slot = name.to_owned();
        return Err(RetireError::Held { slot, owner });
    }
    if slot.retired_at.is_some() {
        return Err(RetireError::Already(name.to_owned()));
    }
    Ok(slot)
}

/// Asks on the terminal.
fn agreed(out: &mut impl Write) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask on: add --yes to retire it; nothing was changed");
    }
    write!(out, "Retire it? Type yes: ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// What retiring a slot brings about, in words.
fn meaning(slot: &SlotDetail, all: &[SlotDetail], drained: bool, now: Instant) -> String {
    let SlotDetail {
        slot: name,
        topic_filter,
        client_id,
        watermark,
        ..
    } = slot;
    let until = watermark.map_or_else(
        || "it has never heard anything".to_owned(),
        |watermark| {
            format!(
                "it has heard everything until {} ({} ago)",
                written(watermark),
                age(watermark, now)
            )
        },
    );
    let mut text = format!(
        "Retiring the slot `{name}` ({topic_filter}); {until}.\n\
         - Hours and live counts wait for it no longer.\n"
    );
    text.push_str(match (watermark, drained) {
        (None, _) => "- Nothing is lost with it.\n",
        (Some(_), true) => {
            "- No gap is recorded: you say that the broker held nothing for it any more, and that\n  \
             its devices send to another slot.\n"
        }
        (Some(_), false) => {
            "- The time since then becomes a gap: what the broker still holds for it is lost, and\n  \
             hours touched for more than five minutes are incomplete.\n"
        }
    });
    text.push_str(&format!(
        "- The broker keeps the session `{client_id}` until it expires: remove it there.\n\
         - An ingest with ingest.slot = \"{name}\" takes it into use again, with a gap.\n"
    ));
    let others = all
        .iter()
        .any(|other| other.slot != *name && other.retired_at.is_none());
    if !others {
        text.push_str(
            "- It is the only slot in use: until an ingest starts nothing can be counted.\n",
        );
    }
    text
}

fn written(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// How long ago an instant was, in its two largest units.
fn age(at: Instant, now: Instant) -> String {
    let secs = (now - at).num_seconds().max(0);
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => format!("{minutes} min {} s", secs % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// How the slot's session with the broker is, as far as the database knows.
fn session(slot: &SlotDetail) -> String {
    match (slot.retired_at, &slot.owner, slot.away_since) {
        (Some(at), _, _) => format!("retired {}", written(at)),
        (None, None, _) => "not run".to_owned(),
        (None, Some(_), Some(since)) => format!("broker away since {}", written(since)),
        (None, Some(_), None) if slot.started_at.is_none() => "connecting".to_owned(),
        (None, Some(_), None) => "connected".to_owned(),
    }
}

fn list_text(slots: &[SlotDetail], now: Instant) -> String {
    if slots.is_empty() {
        return "no slot yet: an ingest makes its own when it starts\n".to_owned();
    }
    let none = || "-".to_owned();
    let header = [
        "slot",
        "filter",
        "client id",
        "owner",
        "term",
        "lease left",
        "watermark",
        "age",
        "session",
    ]
    .map(str::to_owned);
    let rows = slots.iter().map(|slot| {
        [
            slot.slot.clone(),
            slot.topic_filter.clone(),
            slot.client_id.clone(),
            slot.owner.clone().unwrap_or_else(none),
            slot.term.to_string(),
            slot.lease_left_secs
                .map_or_else(none, |secs| format!("{secs:.0} s")),
            slot.watermark.map_or_else(none, written),
            slot.watermark.map_or_else(none, |at| age(at, now)),
            session(slot),
        ]
    });
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let widths = rows.iter().map(|row| row[column].chars().count());
            let width = widths.max().unwrap_or(0) + 2;
            line.push_str(&format!("{cell:<width$}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn list_json(slots: &[SlotDetail], now: Instant) -> serde_json::Value {
    let items: Vec<_> = slots
        .iter()
        .map(|slot| {
            json!({
                "slot": slot.slot, "topic_filter": slot.topic_filter,
                "client_id": slot.client_id, "owner": slot.owner, "term": slot.term,
                "lease_left_secs": slot.lease_left_secs.map(f64::round),
                "started_at": slot.started_at.map(written),
                "watermark": slot.watermark.map(written),
                "watermark_lag_secs": slot.watermark.map(|at| (now - at).num_seconds()),
                "session": session(slot), "retired_at": slot.retired_at.map(written),
            })
        })
        .collect();
    json!({ "items": items })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        format!("2026-11-21T{text}Z").parse().unwrap()
    }

    fn slot(name: &str) -> SlotDetail {
        SlotDetail {
            slot: name.to_owned(),
            topic_filter: format!("{name}/+/heartbeat"),
            client_id: format!("headcount-{name}"),
            owner: None,
            term: 3,
            lease_left_secs: None,
            started_at: Some(at("01:00:00")),
            watermark: Some(at("02:00:00")),
            retired_at: None,
            away_since: None,
        }
    }

    #[test]
    fn a_slot_is_shown_with_what_becomes_of_it() {
        let held = SlotDetail {
            owner: Some("7-ab".to_owned()),
            lease_left_secs: Some(11.6),
            ..slot("ph")
        };
        let away = SlotDetail {
            away_since: Some(at("02:00:00")),
            ..held.clone()
        };
        let retired = SlotDetail {
            retired_at: Some(at("03:00:00")),
            ..slot("old")
        };
        assert_eq!(session(&held), "connected");
        assert_eq!(session(&away), "broker away since 2026-11-21T02:00:00Z");
        assert_eq!(session(&slot("x")), "not run");
        assert_eq!(
            list_text(&[held, retired], at("02:01:05")),
            "slot  filter           client id      owner  term  lease left  watermark             \
             age        session\n\
             ph    ph/+/heartbeat   headcount-ph   7-ab   3     12 s        2026-11-21T02:00:00Z  \
             1 min 5 s  connected\n\
             old   old/+/heartbeat  headcount-old  -      3     -           2026-11-21T02:00:00Z  \
             1 min 5 s  retired 2026-11-21T03:00:00Z\n"
        );
    }

    #[test]
    fn what_retiring_means_is_said_before() {
        let two = [slot("ph"), slot("jp")];
        let now = at("05:30:00");
        let text = meaning(&two[0], &two, false, now);
        for part in ["3 h 30 min ago", "becomes a gap", "`headcount-ph`"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("only slot"), "{text}");
        let text = meaning(&two[0], &two[..1], true, now);
        assert!(
            text.contains("No gap") && text.contains("only slot"),
            "{text}"
        );
    }

    #[test]
    fn only_a_slot_that_nobody_runs_can_be_retired() {
        let mut slots = [slot("ph"), slot("jp"), slot("kh")];
        slots[1].owner = Some("7-ab".to_owned());
        slots[2].retired_at = Some(at("03:00:00"));
        assert!(retirable(&slots, "ph").is_ok());
        for (name, part) in [("jp", "held by 7-ab"), ("kh", "already"), ("xx", "no slot")] {
            let error = retirable(&slots, name).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn ages_are_short() {
        let now = at("12:00:00");
        for (then, text) in [
            ("12:00:01", "0 s"),
            ("11:59:01", "59 s"),
            ("11:00:01", "59 min 59 s"),
            ("00:59:00", "11 h 1 min"),
        ] {
            assert_eq!(age(at(then), now), text);
        }
        assert_eq!(age(now - chrono::TimeDelta::hours(49), now), "2 d 1 h");
    }
}
