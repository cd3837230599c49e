//! What is written about metrics is made from the catalogue, and is up to date.

#![expect(clippy::unwrap_used, reason = "a test that cannot read has failed")]

use std::fmt::Write as _;
use std::path::Path;

use telemetry::metrics::{CAN_COUNT, Unit};
use telemetry::{Announcement, Count, Counter, Gauge, Pipeline};

/// The prefix of everything in Datadog, unless `datadog.prefix` is set.
const PREFIX: &str = "headcount";

const INTRODUCTION: &str = "\
<!-- Made from crates/telemetry/src/metrics.rs by
     UPDATE_METRICS=1 cargo test -p telemetry --test catalogue -->

# Metrics

Everything that headcount measures, by name. What is counted how is in [Counting](counting.md); which
of it to watch, in [Operations](operations.md#metrics). `headcount.` is `datadog.prefix`.

Three kinds are kept apart. *Counts* are numbers of devices. *The pipeline* is about headcount as a
whole, as Postgres knows it; of several exporters, the one that closes hours tells it. *Processes*
each count for themselves, since their start.
";

const COUNTS: &str = "
## Counts, in Datadog

Gauges. `env` is left out if it is not configured; `host` is `datadog.host`, the same from every
replica. An hour's value has the timestamp of its last second.

| name | unit | tags | sent | meaning |
|---|---|---|---|---|
";

const LEGACY: &str = "
With `[datadog.legacy]` a distribution of the name given there is sent once per country and complete
hour, with the tags `env` and `country`, the country's name.
";

const PIPELINE: &str = "
## The pipeline, in Datadog and on `/metrics`

Gauges, every 60 s, with the tags `env`, `service`, `version` (each if configured) and `host`
(`datadog.host`). On `/metrics` the same are `headcount_pipeline_…`, in the process that closes hours;
there none is missing while the Agent is.

| name | unit | meaning |
|---|---|---|
";

const CHECK: &str = "
The **service check** `{name}` says every 60 s whether headcount can
count, with the tags `env` and `host`, and in its message why not:

| status | when |
|---|---|
| OK | every country can be counted, and no hour is overdue |
| WARNING | *reachable now* is unknown in some countries, although everything runs: a gap is too young |
| CRITICAL | no ingest runs, the broker is away, a watermark is more than 60 s old, an hour is not closed 20 minutes after its end, or the database does not answer |
| UNKNOWN | nothing was ever heard |

When it does not come at all, no exporter runs, or the Agent is away: let its monitor notify on
missing data.

**Events**, each once, with the tags `env` and `host`, and `country` where it is about one:

| aggregation key | meaning |
|---|---|
";

const PROCESSES: &str = "
## Processes, on `/metrics`

In the OpenMetrics text format, without tags.

| name | type | unit | meaning |
|---|---|---|---|
";

fn unit(unit: Unit) -> &'static str {
    match unit.name() {
        "" => "–",
        name => name,
    }
}

fn document() -> String {
    let mut text = INTRODUCTION.to_owned() + COUNTS;
    for count in Count::ALL {
        let tags: Vec<_> = ["env"]
            .iter()
            .chain(count.tags())
            .chain(&["host"])
            .map(|tag| format!("`{tag}`"))
            .collect();
        writeln!(
            text,
            "| `{PREFIX}.{}` | {} | {} | {} | {} |",
            count.name(),
            unit(count.unit()),
            tags.join(", "),
            count.sent(),
            count.help()
        )
        .unwrap();
    }
    text += LEGACY;
    text += PIPELINE;
    for metric in Pipeline::ALL {
        let name = metric.full_name();
        writeln!(
            text,
            "| `{PREFIX}.{name}` | {} | {} |",
            unit(metric.unit()),
            metric.help()
        )
        .unwrap();
    }
    text += &CHECK.replace("{name}", &format!("{PREFIX}.{CAN_COUNT}"));
    for announcement in Announcement::ALL {
        let key = announcement.key("ph");
        writeln!(text, "| `{key}` | {} |", announcement.help()).unwrap();
    }
    text += PROCESSES;
    for counter in Counter::ALL {
        writeln!(
            text,
            "| `headcount_{}_total` | counter | {} | {} |",
            counter.name(),
            unit(counter.unit()),
            counter.help()
        )
        .unwrap();
    }
    for gauge in Gauge::ALL {
        writeln!(
            text,
            "| `headcount_{}` | gauge | {} | {} |",
            gauge.name(),
            unit(gauge.unit()),
            gauge.help()
        )
        .unwrap();
    }
    text
}

/// What Datadog is told about each metric, in the columns that its integrations have.
fn metadata() -> String {
    let mut text = "metric_name,metric_type,interval,unit_name,per_unit_name,description,\
                    orientation,integration,short_name,curated_metric\n"
        .to_owned();
    let mut row = |name: &str, unit: Unit, help: &str, orientation: i8| {
        let description: String = help.chars().filter(|c| !['`', '*'].contains(c)).collect();
        let short_name = name.replace(['.', '_'], " ");
        writeln!(
            text,
            "{PREFIX}.{name},gauge,,{},,\"{description}\",{orientation},{PREFIX},{short_name},",
            unit.name()
        )
        .unwrap();
    };
    for count in Count::ALL {
        row(count.name(), count.unit(), count.help(), 1);
    }
    for metric in Pipeline::ALL {
        // Whether more is better (1), worse (-1), or neither.
        let orientation = match metric {
            Pipeline::BrokerConnected => 1,
            Pipeline::Series => 0,
            _ => -1,
        };
        row(
            &metric.full_name(),
            metric.unit(),
            metric.help(),
            orientation,
        );
    }
    text
}

#[test]
fn what_is_written_about_metrics_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, made) in [
        ("docs/metrics.md", document()),
        ("deploy/datadog/metadata.csv", metadata()),
    ] {
        let file = root.join(path);
        if std::env::var_os("UPDATE_METRICS").is_some() {
            std::fs::write(&file, &made).unwrap();
            continue;
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == made,
            "{path} differs from the catalogue; refresh it with\n\n    \
             UPDATE_METRICS=1 cargo test -p telemetry --test catalogue\n"
        );
    }
}

#[test]
fn metrics_are_named_once_and_explained_in_sentences() {
    let mut names: Vec<String> = Vec::new();
    let mut check = |name: String, help: &str| {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c);
        assert!(name.chars().all(good), "{name}");
        assert!(help.ends_with('.') && !help.contains('"'), "{name}: {help}");
        assert!(!names.contains(&name), "{name} twice");
        names.push(name);
    };
    for metric in Counter::ALL {
        check(metric.name().to_owned(), metric.help());
    }
    for metric in Gauge::ALL {
        check(metric.name().to_owned(), metric.help());
    }
    for metric in Pipeline::ALL {
        check(metric.full_name(), metric.help());
    }
    for metric in Count::ALL {
        check(metric.name().to_owned(), metric.help());
    }
    for announcement in Announcement::ALL {
        check(announcement.name().to_owned(), announcement.help());
    }
}
