//! The monitors: what is asked of Datadog, as its API describes it.
//!
//! Where each field and argument is documented stands in `docs/datadog.md`.

use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::assets::{Plan, Watched};

/// The window of the anomaly monitors, in minutes: the shortest that Datadog offers.
const ANOMALY_WINDOW_MINS: u32 = 15;

/// The rollup of the anomaly monitors, in seconds: as often as *reachable now* is sent. It may be a
/// fifth of the window at most.
const ANOMALY_INTERVAL_SECS: u32 = 60;

/// How much of the past a notification's graph shows.
const ANOMALY_QUERY_WINDOW: &str = "last_4h";

/// The width of what is usual, in deviations: 2 or 3 is what Datadog recommends.
const ANOMALY_DEVIATIONS: u32 = 3;

/// The share of the window's points that must be unusual, so that one late point hides nothing.
const ANOMALY_SHARE: f64 = 0.8;

/// How long a country must stay below its floor, in minutes.
const FLOOR_WINDOW_MINS: u32 = 5;

/// The window of the monitors of missing data, in minutes.
const MISSING_WINDOW_MINS: u32 = 10;

/// After how many minutes without data it is told; twice the window at least. A country that is
/// unknown because headcount is blind is told by the monitor of that first.
const MISSING_AFTER_MINS: u32 = 30;

/// How long headcount may be blind before it is told, in minutes.
const BLIND_WINDOW_MINS: u32 = 10;

/// How long hours must be overdue before it is told, in minutes; they are 20 minutes late by then.
const OVERDUE_WINDOW_MINS: u32 = 5;

/// How long series must be refused before it is told, in minutes.
const REFUSED_WINDOW_MINS: u32 = 30;

/// How many bad results of the service check in a row are told; there is one a minute.
const CHECKS_UNTIL_ALERT: u32 = 5;

/// How many good results in a row end that.
const CHECKS_UNTIL_OK: u32 = 2;

/// Minutes until an alert that lasts is told again.
const RENOTIFY_MINS: u32 = 240;

/// How far before an alert a link begins, and how far behind it ends, as Datadog calculates it.
const LINK_FROM: &str = r#"{{eval "last_triggered_at_epoch-3*60*60*1000"}}"#;
const LINK_TO: &str = r#"{{eval "last_triggered_at_epoch+30*60*1000"}}"#;

/// The value that set a monitor off, without a fraction.
const WHOLE_VALUE: &str = r#"{{eval "int(value)"}}"#;

/// What kind of monitor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Metric,
    ServiceCheck,
}

impl Kind {
    /// As Datadog writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "query alert",
            Self::ServiceCheck => "service check",
        }
    }
}

/// A monitor.
#[derive(Debug, Clone)]
pub(super) struct Monitor {
    /// The name of its file and of its Terraform resource: lower-case letters and `_`.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) query: String,
    /// Several lines, without one at the end.
    pub(super) message: String,
    /// 1 is the most urgent, 5 the least.
    pub(super) priority: u8,
    pub(super) tags: Vec<String>,
    pub(super) thresholds: Vec<(&'static str, f64)>,
    /// The window that triggers and ends an anomaly monitor.
    pub(super) window: Option<String>,
    /// After how many minutes without data it is told, if at all.
    pub(super) missing_after_mins: Option<u32>,
}

/// A number as people write it: 1 and 0.8.
pub(super) fn decimal(number: f64) -> String {
    format!("{number}")
}

impl Monitor {
    /// The options that hold for each of them.
    pub(super) fn options(&self) -> Vec<(&'static str, Value)> {
        let mut options = vec![
            ("include_tags", json!(false)),
            ("notify_audit", json!(false)),
            ("notify_no_data", json!(self.missing_after_mins.is_some())),
        ];
        if let Some(minutes) = self.missing_after_mins {
            options.push(("no_data_timeframe", json!(minutes)));
        }
        options.push(("renotify_interval", json!(RENOTIFY_MINS)));
        if self.kind == Kind::Metric {
            options.push(("require_full_window", json!(false)));
        }
        options
    }

    /// The body that creates it.
    pub(super) fn to_json(&self) -> Value {
        let mut options: Map<String, Value> = self
            .options()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let thresholds: Map<String, Value> = self
            .thresholds
            .iter()
            .map(|(name, number)| {
                let text = decimal(*number);
                let value = text.parse::<i64>().map_or(json!(number), Value::from);
                ((*name).to_owned(), value)
            })
            .collect();
        options.insert("thresholds".to_owned(), thresholds.into());
        if let Some(window) = &self.window {
            let windows = json!({ "trigger_window": window, "recovery_window": window });
            options.insert("threshold_windows".to_owned(), windows);
        }
        json!({
            "name": self.name,
            "type": self.kind.as_str(),
            "query": self.query,
            "message": self.message,
            "priority": self.priority,
            "tags": self.tags,
            "options": options,
        })
    }
}

/// All monitors: three per country, one of all countries, and those of headcount itself.
pub(super) fn monitors(plan: &Plan) -> Vec<Monitor> {
    let mut monitors: Vec<_> = plan
        .countries
        .iter()
        .flat_map(|watched| {
            [
                anomaly(plan, watched),
                floor(plan, watched),
                missing(plan, watched),
            ]
        })
        .collect();
    monitors.extend([
        total(plan),
        can_count(plan),
        blind(plan),
        overdue(plan),
        refused(plan),
    ]);
    monitors
}

/// What of a metric is looked at: its tags, in braces.
fn scope(plan: &Plan, country: Option<&Watched>) -> String {
    let env = plan.env.as_ref().map(|env| format!("env:{env}"));
    let country = country.map(|watched| format!("country:{}", watched.country));
    let tags: Vec<_> = env.into_iter().chain(country).collect();
    if tags.is_empty() {
        return "{*}".to_owned();
    }
    format!("{{{}}}", tags.join(","))
}

fn tags(plan: &Plan, country: Option<&Watched>) -> Vec<String> {
    let env = plan.env.as_ref().map(|env| format!("env:{env}"));
    let country = country.map(|watched| format!("country:{}", watched.country));
    let mut tags: Vec<_> = ["service:headcount".to_owned()]
        .into_iter()
        .chain(env)
        .chain(country)
        .collect();
    tags.sort_unstable();
    tags
}

/// The query of an anomaly monitor, argument by argument.
fn anomalies(metric: &str, time_zone: Option<Tz>) -> String {
    let zone = time_zone
        .map(|zone| format!(", timezone='{}'", zone.name()))
        .unwrap_or_default();
    format!(
        "avg({ANOMALY_QUERY_WINDOW}):anomalies({metric}, 'robust', {ANOMALY_DEVIATIONS}, \
         direction='below', alert_window='last_{ANOMALY_WINDOW_MINS}m', \
         interval={ANOMALY_INTERVAL_SECS}, count_default_zero='false', \
         seasonality='weekly'{zone}) >= {}",
        decimal(ANOMALY_SHARE)
    )
}

/// What a message is made of.
struct Text<'a> {
    /// What is the matter.
    alert: String,
    /// What is the matter when data are missing, where that is told.
    missing: Option<String>,
    /// What it was.
    recovery: String,
    /// What to do or to know.
    advice: &'a str,
    /// The page's path.
    path: String,
    /// The clock in which times are told.
    time_zone: Option<Tz>,
}

fn message(plan: &Plan, text: Text<'_>) -> String {
    let zone = text.time_zone.map_or("UTC", |zone| zone.name());
    let mut lines = vec![format!("{{{{#is_alert}}}}{}{{{{/is_alert}}}}", text.alert)];
    if let Some(missing) = text.missing {
        lines.push(format!("{{{{#is_no_data}}}}{missing}{{{{/is_no_data}}}}"));
    }
    lines.push(format!(
        "{{{{#is_recovery}}}}{}{{{{/is_recovery}}}}",
        text.recovery
    ));
    lines.extend([
        String::new(),
        format!("Since {{{{local_time 'last_triggered_at' '{zone}'}}}} ({zone})."),
        text.advice.to_owned(),
        String::new(),
        format!(
            "{}{}?tz={zone}&from={LINK_FROM}&to={LINK_TO}",
            plan.public_url, text.path
        ),
    ]);
    if !plan.handles.is_empty() {
        lines.extend([String::new(), plan.handles.join(" ")]);
    }
    lines.join("\n")
}

fn of_country(
    plan: &Plan,
    watched: &Watched,
    alert: &str,
    recovery: &str,
    missing: Option<&str>,
    advice: &str,
) -> String {
    let name = &watched.name;
    message(
        plan,
        Text {
            alert: format!("{name}: {alert}"),
            missing: missing.map(|missing| format!("{name}: {missing}")),
            recovery: format!("{name}: {recovery}"),
            advice,
            path: format!("/c/{}", watched.country),
            time_zone: Some(watched.time_zone),
        },
    )
}

fn anomaly(plan: &Plan, watched: &Watched) -> Monitor {
    let metric = format!(
        "avg:{}.now.devices{}",
        plan.prefix,
        scope(plan, Some(watched))
    );
    let window = format!("last_{ANOMALY_WINDOW_MINS}m");
    Monitor {
        key: format!("{}_anomaly", watched.country),
        name: format!("{}: fewer devices reachable than usual", watched.name),
        kind: Kind::Metric,
        query: anomalies(&metric, Some(watched.time_zone)),
        message: of_country(
            plan,
            watched,
            "fewer devices reachable than usual at this time of the week.",
            "as many devices reachable as usual.",
            None,
            "Which carrier, which region: see the page. It needs no account with Datadog.",
        ),
        priority: 2,
        tags: tags(plan, Some(watched)),
        thresholds: vec![("critical", ANOMALY_SHARE), ("critical_recovery", 0.0)],
        window: Some(window),
        missing_after_mins: None,
    }
}

fn floor(plan: &Plan, watched: &Watched) -> Monitor {
    let Watched { floor_devices, .. } = watched;
    let scope = scope(plan, Some(watched));
    let alert = format!("{WHOLE_VALUE} devices reachable, of {floor_devices} at the least.");
    Monitor {
        key: format!("{}_floor", watched.country),
        name: format!("{}: hardly any device reachable", watched.name),
        kind: Kind::Metric,
        query: format!(
            "max(last_{FLOOR_WINDOW_MINS}m):avg:{}.now.devices{scope} < {floor_devices}",
            plan.prefix
        ),
        message: of_country(
            plan,
            watched,
            &alert,
            "above its floor again.",
            None,
            "The floor is a fixed number, which also holds while the anomaly monitor learns.",
        ),
        priority: 1,
        tags: tags(plan, Some(watched)),
        thresholds: vec![("critical", f64::from(*floor_devices))],
        window: None,
        missing_after_mins: None,
    }
}

fn missing(plan: &Plan, watched: &Watched) -> Monitor {
    let scope = scope(plan, Some(watched));
    Monitor {
        key: format!("{}_no_data", watched.country),
        name: format!("{}: no count of devices", watched.name),
        kind: Kind::Metric,
        // A count is never below 0: this is told for missing data only.
        query: format!(
            "avg(last_{MISSING_WINDOW_MINS}m):avg:{}.now.devices{scope} < 0",
            plan.prefix
        ),
        message: of_country(
            plan,
            watched,
            "a count below 0 cannot be.",
            "counted again.",
            Some("not counted any more. That is unknown, and not 0."),
            "Either headcount cannot tell at present (then it is blind, which has a monitor of its \
             own), or nobody was heard there for seven days.",
        ),
        priority: 3,
        tags: tags(plan, Some(watched)),
        thresholds: vec![("critical", 0.0)],
        window: None,
        missing_after_mins: Some(MISSING_AFTER_MINS),
    }
}

fn total(plan: &Plan) -> Monitor {
    let metric = format!("sum:{}.now.devices{}", plan.prefix, scope(plan, None));
    Monitor {
        key: "total_anomaly".to_owned(),
        name: "All countries: fewer devices reachable than usual".to_owned(),
        kind: Kind::Metric,
        query: anomalies(&metric, None),
        message: message(
            plan,
            Text {
                alert:
                    "All countries together: fewer devices reachable than usual at this time of \
                        the week."
                        .to_owned(),
                missing: None,
                recovery: "All countries together: as many as usual.".to_owned(),
                advice: "Many countries at once are rarely their carriers' fault: look at the broker \
                         and at headcount itself first. A country that is unknown is missing here.",
                path: "/".to_owned(),
                time_zone: None,
            },
        ),
        priority: 1,
        tags: tags(plan, None),
        thresholds: vec![("critical", ANOMALY_SHARE), ("critical_recovery", 0.0)],
        window: Some(format!("last_{ANOMALY_WINDOW_MINS}m")),
        missing_after_mins: None,
    }
}

fn can_count(plan: &Plan) -> Monitor {
    let over = plan
        .env
        .as_ref()
        .map_or_else(|| "\"*\"".to_owned(), |env| format!("\"env:{env}\""));
    Monitor {
        key: "pipeline_can_count".to_owned(),
        name: "headcount cannot count".to_owned(),
        kind: Kind::ServiceCheck,
        query: format!(
            "\"{}.pipeline.can_count\".over({over}).by(\"*\").last({}).count_by_status()",
            plan.prefix,
            CHECKS_UNTIL_ALERT + 1
        ),
        message: message(
            plan,
            Text {
                alert: "headcount cannot count: {{check_message}}".to_owned(),
                missing: Some("headcount's exporter is not heard any more.".to_owned()),
                recovery: "headcount can count again.".to_owned(),
                advice: "Until it can, missing counts are unknown, and not 0.",
                path: "/status".to_owned(),
                time_zone: None,
            },
        ),
        priority: 1,
        tags: tags(plan, None),
        thresholds: vec![
            ("critical", f64::from(CHECKS_UNTIL_ALERT)),
            ("ok", f64::from(CHECKS_UNTIL_OK)),
            ("warning", f64::from(CHECKS_UNTIL_ALERT)),
        ],
        window: None,
        missing_after_mins: Some(MISSING_WINDOW_MINS),
    }
}

/// A metric of headcount itself that must be 0, and is not throughout the window.
fn pipeline(
    plan: &Plan,
    metric: &str,
    window_mins: u32,
    priority: u8,
    name: &str,
    text: Text<'_>,
) -> Monitor {
    Monitor {
        key: format!("pipeline_{metric}"),
        name: name.to_owned(),
        kind: Kind::Metric,
        query: format!(
            "min(last_{window_mins}m):max:{}.pipeline.{metric}{} >= 1",
            plan.prefix,
            scope(plan, None)
        ),
        missing_after_mins: text.missing.is_some().then_some(MISSING_AFTER_MINS),
        message: message(plan, text),
        priority,
        tags: tags(plan, None),
        thresholds: vec![("critical", 1.0)],
        window: None,
    }
}

fn blind(plan: &Plan) -> Monitor {
    let text = Text {
        alert: "headcount is blind: in one country at least nobody can tell how many devices are \
                reachable."
            .to_owned(),
        missing: Some("headcount's exporter is not heard any more.".to_owned()),
        recovery: "headcount sees everything again.".to_owned(),
        advice: "Gaps and watermarks on the status page say why.",
        path: "/status".to_owned(),
        time_zone: None,
    };
    let name = "headcount is blind";
    pipeline(plan, "blind", BLIND_WINDOW_MINS, 2, name, text)
}

fn overdue(plan: &Plan) -> Monitor {
    let text = Text {
        alert: format!(
            "Hours of {WHOLE_VALUE} countries ended more than 20 minutes ago and are not closed."
        ),
        missing: None,
        recovery: "All hours are closed.".to_owned(),
        advice: "Datadog takes an hour's count until 55 minutes after its end.",
        path: "/status".to_owned(),
        time_zone: None,
    };
    let name = "headcount closes hours late";
    pipeline(plan, "hours_overdue", OVERDUE_WINDOW_MINS, 2, name, text)
}

fn refused(plan: &Plan) -> Monitor {
    let text = Text {
        alert: format!(
            "{WHOLE_VALUE} countries or carriers are not sent: there would be more than \
             datadog.max_series."
        ),
        missing: None,
        recovery: "All countries and carriers are sent.".to_owned(),
        advice: "`headcount datadog cost` names them. Raise datadog.max_series, or \
                 datadog.min_carrier_devices.",
        path: "/".to_owned(),
        time_zone: None,
    };
    let name = "headcount sends less than there is";
    pipeline(plan, "series_refused", REFUSED_WINDOW_MINS, 4, name, text)
}

/// The service check, described as integrations describe theirs.
pub(super) fn service_checks(plan: &Plan) -> Value {
    json!([{
        "agent_version": "7.40.0",
        "integration": "headcount",
        "check": format!("{}.pipeline.can_count", plan.prefix),
        "statuses": ["ok", "warning", "critical", "unknown"],
        "groups": [],
        "name": "Can count",
        "description": "Whether headcount can tell how many devices are reachable, and close hours. \
                        The message says why not.",
    }])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::assets::tests::example;
    use super::*;

    /// The fields of a monitor that Datadog's API describes.
    const MONITOR: &[&str] = &[
        "message",
        "multi",
        "name",
        "options",
        "priority",
        "query",
        "restricted_roles",
        "tags",
        "type",
    ];
    const OPTIONS: &[&str] = &[
        "aggregation",
        "enable_logs_sample",
        "escalation_message",
        "evaluation_delay",
        "group_retention_duration",
        "groupby_simple_monitor",
        "include_tags",
        "min_failure_duration",
        "min_location_failed",
        "new_group_delay",
        "no_data_timeframe",
        "notify_audit",
        "notify_no_data",
        "on_missing_data",
        "renotify_interval",
        "renotify_occurrences",
        "renotify_statuses",
        "require_full_window",
        "threshold_windows",
        "thresholds",
        "timeout_h",
        "variables",
    ];
    const THRESHOLDS: &[&str] = &[
        "critical",
        "critical_recovery",
        "ok",
        "unknown",
        "warning",
        "warning_recovery",
    ];
    const WINDOWS: &[&str] = &["recovery_window", "trigger_window"];

    /// The variables of messages that Datadog documents, as far as they are of use here.
    const VARIABLES: &[&str] = &[
        "#is_alert",
        "/is_alert",
        "#is_no_data",
        "/is_no_data",
        "#is_recovery",
        "/is_recovery",
        "eval \"int(value)\"",
        "check_message",
    ];

    fn only(allowed: &[&str], value: &Value) {
        for (name, _) in value.as_object().unwrap() {
            assert!(allowed.contains(&name.as_str()), "unknown field {name}");
        }
    }

    #[test]
    fn fields_are_those_that_datadog_publishes() {
        let monitors = monitors(&example());
        assert_eq!(monitors.len(), 2 * 3 + 5);
        for monitor in monitors {
            let body = monitor.to_json();
            only(MONITOR, &body);
            for field in ["name", "type", "query", "message", "options"] {
                assert!(!body[field].is_null(), "{}: no {field}", monitor.key);
            }
            let options = &body["options"];
            only(OPTIONS, options);
            only(THRESHOLDS, &options["thresholds"]);
            if !options["threshold_windows"].is_null() {
                only(WINDOWS, &options["threshold_windows"]);
            }
        }
        for check in service_checks(&example()).as_array().unwrap() {
            let fields = [
                "agent_version",
                "check",
                "description",
                "groups",
                "integration",
                "name",
                "statuses",
            ];
            only(&fields, check);
        }
    }

    /// Monitors of metrics that nobody sends stay silent for ever.
    #[test]
    fn monitors_of_headcount_itself_are_of_metrics_that_are_sent() {
        let names: Vec<_> = telemetry::Pipeline::ALL
            .iter()
            .map(|metric| metric.full_name())
            .chain([telemetry::metrics::CAN_COUNT.to_owned()])
            .collect();
        for monitor in monitors(&example()) {
            if let Some(metric) = monitor.key.strip_prefix("pipeline_") {
                assert!(names.contains(&format!("pipeline.{metric}")), "{metric}");
            }
        }
    }

    #[test]
    fn names_and_keys_are_unique() {
        let monitors = monitors(&example());
        let keys: BTreeSet<_> = monitors.iter().map(|monitor| &monitor.key).collect();
        let names: BTreeSet<_> = monitors.iter().map(|monitor| &monitor.name).collect();
        assert_eq!((keys.len(), names.len()), (monitors.len(), monitors.len()));
    }

    #[test]
    fn the_query_of_the_philippines() {
        let monitors = monitors(&example());
        let query = |key: &str| {
            let found = monitors.iter().find(|monitor| monitor.key == key);
            found.unwrap().query.as_str()
        };
        assert_eq!(
            query("ph_anomaly"),
            "avg(last_4h):anomalies(avg:headcount.now.devices{env:prod,country:ph}, 'robust', 3, \
             direction='below', alert_window='last_15m', interval=60, count_default_zero='false', \
             seasonality='weekly', timezone='Asia/Manila') >= 0.8"
        );
        // The document explains this very query.
        let document = include_str!("../../../../../docs/datadog.md");
        assert!(document.contains(&format!("\n{}\n", query("ph_anomaly"))));
        assert!(query("in_anomaly").contains("timezone='Asia/Kolkata'"));
        assert!(!query("total_anomaly").contains("timezone"));
        assert_eq!(
            query("ph_floor"),
            "max(last_5m):avg:headcount.now.devices{env:prod,country:ph} < 1200"
        );
        let open = Plan {
            env: None,
            ..example()
        };
        assert!(super::monitors(&open)[0].query.contains("{country:in}"));
    }

    /// What Datadog's documentation asks of windows, intervals and thresholds.
    #[test]
    fn windows_are_those_that_datadog_allows() {
        const {
            assert!(ANOMALY_WINDOW_MINS >= 15);
            assert!(ANOMALY_INTERVAL_SECS * 5 <= ANOMALY_WINDOW_MINS * 60);
            assert!(MISSING_AFTER_MINS >= 2 * MISSING_WINDOW_MINS);
            assert!(MISSING_AFTER_MINS >= 2 * BLIND_WINDOW_MINS);
            assert!(CHECKS_UNTIL_ALERT < 100);
            // The shortest time in which it may end again is 15 × (1 − 0.8) + 1 = 4 minutes.
            assert!(ANOMALY_SHARE > 0.0 && ANOMALY_SHARE <= 1.0);
        }
        for monitor in monitors(&example()) {
            let critical = monitor
                .thresholds
                .iter()
                .find(|(name, _)| *name == "critical")
                .unwrap();
            if monitor.kind == Kind::Metric {
                let (_, bound) = monitor.query.rsplit_once(' ').unwrap();
                assert_eq!(bound, decimal(critical.1), "{}", monitor.key);
            }
            if let Some(window) = &monitor.window {
                assert!(monitor.query.contains(&format!("alert_window='{window}'")));
            }
        }
    }

    #[test]
    fn messages_hold_the_link_the_handle_and_only_variables_that_exist() {
        for monitor in monitors(&example()) {
            let text = &monitor.message;
            assert!(text.contains("https://headcount.example.com/"), "{text}");
            assert!(text.ends_with("@slack-fleet-alerts"), "{text}");
            let mut open = BTreeSet::new();
            for part in text.split("{{").skip(1) {
                let (variable, _) = part.split_once("}}").unwrap();
                let known = VARIABLES.contains(&variable)
                    || variable.starts_with("local_time 'last_triggered_at' '")
                    || variable.starts_with("eval \"last_triggered_at_epoch");
                assert!(known, "{{{{{variable}}}}}");
                if let Some(block) = variable.strip_prefix('#') {
                    assert!(open.insert(block));
                }
                if let Some(block) = variable.strip_prefix('/') {
                    assert!(open.remove(block));
                }
            }
            assert!(open.is_empty(), "{open:?} is not closed: {text}");
            let tells_missing = text.contains("#is_no_data");
            assert_eq!(tells_missing, monitor.missing_after_mins.is_some());
        }
        let silent = Plan {
            handles: Vec::new(),
            ..example()
        };
        assert!(!monitors(&silent)[0].message.contains('@'));
    }
}
