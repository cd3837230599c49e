//! A comparison as a table, JSON or CSV.

use serde_json::json;

use super::Compared;
use super::explain::Reason;

impl Compared {
    /// The hour's start by the country's clock.
    fn local_start(&self) -> String {
        let zone = self.zones.zone_at(self.start);
        self.start.with_timezone(&zone).to_rfc3339()
    }

    /// By how much the old count is larger.
    fn difference(&self) -> i64 {
        self.old.unwrap_or(0) - self.ours.unwrap_or(0)
    }
}

/// A count, or that there is none.
fn count(count: Option<i64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

fn reason(reason: &Reason) -> String {
    let sure = if reason.is_proven { "" } else { "?" };
    format!("{}{sure} {:+}", reason.cause.as_str(), reason.devices)
}

/// Only hours that differ, and what all of it comes to.
pub(super) fn table(compared: &[Compared]) -> String {
    let mut text = format!(
        "{:<8} {:<27}{:>10}{:>10}{:>10}  reasons (+ the old count is larger; ? possible, not proven)\n",
        "country", "start", "old", "ours", "old-ours"
    );
    for hour in compared
        .iter()
        .filter(|hour| !hour.is_equal || !hour.reasons.is_empty())
    {
        let reasons: Vec<_> = hour.reasons.iter().map(reason).collect();
        let within = if hour.is_equal {
            "  (within the tolerance)"
        } else {
            ""
        };
        text.push_str(&format!(
            "{:<8} {:<27}{:>10}{:>10}{:>+10}  {}{within}\n",
            hour.country.as_str(),
            hour.local_start(),
            count(hour.old),
            count(hour.ours),
            hour.difference(),
            reasons.join(", "),
        ));
    }
    let equal = compared.iter().filter(|hour| hour.is_equal).count();
    text.push_str(&format!(
        "{} hours compared, {equal} equal, {} different\n",
        compared.len(),
        compared.len() - equal
    ));
    text
}

/// All hours, with some devices for each reason.
pub(super) fn json(compared: &[Compared]) -> anyhow::Result<String> {
    let items: Vec<_> = compared
        .iter()
        .map(|hour| {
            let reasons: Vec<_> = hour
                .reasons
                .iter()
                .map(|reason| {
                    json!({
                        "reason": reason.cause.as_str(), "devices": reason.devices,
                        "proven": reason.is_proven, "detail": reason.detail,
                        "examples": reason.examples,
                    })
                })
                .collect();
            json!({
                "country": hour.country, "start": hour.local_start(), "old": hour.old,
                "ours": hour.ours, "difference": hour.difference(), "equal": hour.is_equal,
                "reasons": reasons,
            })
        })
        .collect();
    let equal = compared.iter().filter(|hour| hour.is_equal).count();
    let answer = json!({ "hours": compared.len(), "equal": equal, "items": items });
    Ok(serde_json::to_string_pretty(&answer)? + "\n")
}

/// A row for every reason; hours that do not differ have one row without.
pub(super) fn csv(compared: &[Compared]) -> anyhow::Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([
        "country",
        "start",
        "old",
        "ours",
        "difference",
        "equal",
        "reason",
        "devices",
        "proven",
        "detail",
    ])?;
    for hour in compared {
        let number = |count: Option<i64>| count.map(|count| count.to_string()).unwrap_or_default();
        let cells = [
            hour.country.to_string(),
            hour.local_start(),
            number(hour.old),
            number(hour.ours),
            hour.difference().to_string(),
            hour.is_equal.to_string(),
        ];
        let none = [const { String::new() }; 4];
        let mut write = |reason: [String; 4]| csv.write_record(cells.iter().chain(&reason));
        if hour.reasons.is_empty() {
            write(none)?;
        }
        for reason in &hour.reasons {
            write([
                reason.cause.as_str().to_owned(),
                reason.devices.to_string(),
                reason.is_proven.to_string(),
                reason.detail.to_owned(),
            ])?;
        }
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}
