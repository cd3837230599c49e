//! The dashboard, as Datadog's API describes it.

use serde_json::{Value, json};

use super::assets::Plan;

/// A line that shows what a query gives.
fn lines(query: &str, display_type: &str, formula: &str, alias: Option<&str>) -> Value {
    let mut shown = json!({ "formula": formula });
    if let Some(alias) = alias {
        shown["alias"] = json!(alias);
    }
    json!({
        "display_type": display_type,
        "response_format": "timeseries",
        "queries": [{ "data_source": "metrics", "name": "query1", "query": query }],
        "formulas": [shown],
    })
}

fn timeseries(title: &str, requests: &[Value]) -> Value {
    json!({ "definition": {
        "type": "timeseries",
        "title": title,
        "show_legend": true,
        "requests": requests,
    }})
}

fn group(title: &str, widgets: &[Value]) -> Value {
    json!({ "definition": {
        "type": "group",
        "layout_type": "ordered",
        "title": title,
        "widgets": widgets,
    }})
}

/// The whole dashboard. Its template variables choose countries and carriers.
pub(super) fn dashboard(plan: &Plan) -> Value {
    let Plan {
        prefix,
        public_url,
        countries,
        ..
    } = plan;
    let now = format!("avg:{prefix}.now.devices{{$env,$country}} by {{country}}");
    let hours = format!("avg:{prefix}.hour.devices{{$env,$country}} by {{country}}");
    let carriers = format!(
        "avg:{prefix}.hour.carrier_devices{{$env,$country,$carrier}} by {{country,carrier}}"
    );
    let reachable = [
        timeseries(
            "Reachable now, by country",
            &[lines(&now, "line", "query1", None)],
        ),
        timeseries(
            "Reachable now, all countries",
            &[
                lines(
                    &format!("sum:{prefix}.now.devices{{$env,$country}}"),
                    "line",
                    "query1",
                    Some("now"),
                ),
                lines(
                    &format!("sum:{prefix}.now.devices{{$env,$country}}"),
                    "line",
                    "week_before(query1)",
                    Some("a week before"),
                ),
            ],
        ),
    ];
    let usual: Vec<_> = countries
        .iter()
        .map(|watched| {
            let query = format!(
                "avg:{prefix}.now.devices{{$env,country:{}}}",
                watched.country
            );
            timeseries(
                &format!("{}: reachable now, and what is usual", watched.name),
                &[lines(
                    &query,
                    "line",
                    "anomalies(query1, 'robust', 3)",
                    Some(&watched.name),
                )],
            )
        })
        .collect();
    let hourly = [
        timeseries(
            "Distinct devices in the hour, by country",
            &[lines(&hours, "bars", "query1", None)],
        ),
        timeseries(
            "Distinct devices in the hour, by carrier (a device counts in each carrier it used)",
            &[lines(&carriers, "bars", "query1", None)],
        ),
    ];
    let own = |title: &str, metrics: &[&str]| {
        let requests: Vec<_> = metrics
            .iter()
            .map(|metric| {
                let query = format!("max:{prefix}.pipeline.{metric}{{$env}}");
                lines(&query, "line", "query1", Some(metric))
            })
            .collect();
        timeseries(title, &requests)
    };
    let pipeline = [
        json!({ "definition": {
            "type": "check_status",
            "title": "Can headcount count?",
            "check": format!("{prefix}.pipeline.can_count"),
            "grouping": "cluster",
            "group_by": [],
            "tags": ["$env"],
        }}),
        own("Blind: 1 while a count is unknown", &["blind"]),
        own(
            "Seconds since: all stored, newest heartbeat, last close",
            &[
                "watermark_lag_secs",
                "newest_heartbeat_age_secs",
                "last_close_age_secs",
            ],
        ),
        own(
            "Hours: overdue, incomplete, late, unsent",
            &[
                "hours_overdue",
                "hours_incomplete",
                "hours_late",
                "hours_unsent",
            ],
        ),
        own(
            "Countries and carriers sent, and refused",
            &["series", "series_refused"],
        ),
        timeseries(
            "Messages set aside in the last hour, by reason",
            &[lines(
                &format!("max:{prefix}.pipeline.quarantined{{$env}} by {{reason}}"),
                "line",
                "query1",
                None,
            )],
        ),
    ];
    let codes: Vec<_> = countries
        .iter()
        .map(|watched| watched.country.to_string())
        .collect();
    json!({
        "title": "Device connections",
        "description": format!(
            "Made by `headcount datadog assets`: changes made here are lost with the next run. The \
             page that needs no account with Datadog: {public_url}/"
        ),
        "layout_type": "ordered",
        "template_variables": [
            { "name": "env", "prefix": "env", "available_values": [], "defaults": ["*"] },
            { "name": "country", "prefix": "country", "available_values": codes, "defaults": ["*"] },
            { "name": "carrier", "prefix": "carrier", "available_values": [], "defaults": ["*"] },
        ],
        "widgets": [
            group("Reachable now", &reachable),
            group("Usual?", &usual),
            group("Each hour", &hourly),
            group("headcount itself", &pipeline),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::super::assets::tests::example;
    use super::*;

    /// The fields that Datadog's API describes, by where they stand.
    const DASHBOARD: &[&str] = &[
        "description",
        "is_read_only",
        "layout_type",
        "notify_list",
        "reflow_type",
        "restricted_roles",
        "tags",
        "template_variable_presets",
        "template_variables",
        "title",
        "widgets",
    ];
    const VARIABLE: &[&str] = &["available_values", "default", "defaults", "name", "prefix"];
    const WIDGET: &[&str] = &["definition", "id", "layout"];
    const GROUP: &[&str] = &[
        "background_color",
        "banner_img",
        "layout_type",
        "show_title",
        "title",
        "title_align",
        "type",
        "widgets",
    ];
    const TIMESERIES: &[&str] = &[
        "custom_links",
        "events",
        "legend_columns",
        "legend_layout",
        "legend_size",
        "markers",
        "requests",
        "right_yaxis",
        "show_legend",
        "time",
        "title",
        "title_align",
        "title_size",
        "type",
        "yaxis",
    ];
    const REQUEST: &[&str] = &[
        "display_type",
        "formulas",
        "metadata",
        "on_right_yaxis",
        "q",
        "queries",
        "response_format",
        "style",
    ];
    const FORMULA: &[&str] = &[
        "alias",
        "cell_display_mode",
        "conditional_formats",
        "formula",
        "limit",
        "number_format",
        "style",
    ];
    const QUERY: &[&str] = &[
        "aggregator",
        "cross_org_uuids",
        "data_source",
        "name",
        "query",
    ];
    const CHECK_STATUS: &[&str] = &[
        "check",
        "group",
        "group_by",
        "grouping",
        "tags",
        "time",
        "title",
        "title_align",
        "title_size",
        "type",
    ];

    fn only(allowed: &[&str], value: &Value) {
        for (name, _) in value.as_object().unwrap() {
            assert!(allowed.contains(&name.as_str()), "unknown field {name}");
        }
    }

    fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
        value[name].as_array().unwrap()
    }

    fn check_widget(widget: &Value) -> usize {
        only(WIDGET, widget);
        let definition = &widget["definition"];
        match definition["type"].as_str().unwrap() {
            "group" => {
                only(GROUP, definition);
                items(definition, "widgets").iter().map(check_widget).sum()
            }
            "timeseries" => {
                only(TIMESERIES, definition);
                for request in items(definition, "requests") {
                    only(REQUEST, request);
                    items(request, "formulas")
                        .iter()
                        .for_each(|f| only(FORMULA, f));
                    items(request, "queries")
                        .iter()
                        .for_each(|q| only(QUERY, q));
                }
                1
            }
            "check_status" => {
                only(CHECK_STATUS, definition);
                1
            }
            other => panic!("unknown widget {other}"),
        }
    }

    #[test]
    fn fields_are_those_that_datadog_publishes() {
        let plan = example();
        let dashboard = dashboard(&plan);
        only(DASHBOARD, &dashboard);
        for variable in items(&dashboard, "template_variables") {
            only(VARIABLE, variable);
        }
        let widgets: usize = items(&dashboard, "widgets").iter().map(check_widget).sum();
        assert_eq!(widgets, 2 + plan.countries.len() + 2 + 6);
    }
}
