# Made by `headcount datadog assets`: do not change it here, run that again.

terraform {
  required_providers {
    datadog = {
      source  = "DataDog/datadog"
      version = ">= 3.0"
    }
  }
}

resource "datadog_dashboard_json" "headcount" {
  dashboard = file("${path.module}/dashboard.json")
}

resource "datadog_monitor" "in_anomaly" {
  name     = "India: fewer devices reachable than usual"
  type     = "query alert"
  query    = "avg(last_4h):anomalies(avg:headcount.now.devices{env:prod,country:in}, 'robust', 3, direction='below', alert_window='last_15m', interval=60, count_default_zero='false', seasonality='weekly', timezone='Asia/Kolkata') >= 0.8"
  priority = 2
  tags     = ["country:in", "env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}India: fewer devices reachable than usual at this time of the week.{{/is_alert}}
    {{#is_recovery}}India: as many devices reachable as usual.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'Asia/Kolkata'}} (Asia/Kolkata).
    Which carrier, which region: see the page. It needs no account with Datadog.

    https://headcount.example.com/c/in?tz=Asia/Kolkata&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = false
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical          = 0.8
    critical_recovery = 0
  }

  monitor_threshold_windows {
    recovery_window = "last_15m"
    trigger_window  = "last_15m"
  }
}

resource "datadog_monitor" "in_floor" {
  name     = "India: hardly any device reachable"
  type     = "query alert"
  query    = "max(last_5m):avg:headcount.now.devices{env:prod,country:in} < 1"
  priority = 1
  tags     = ["country:in", "env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}India: {{eval "int(value)"}} devices reachable, of 1 at the least.{{/is_alert}}
    {{#is_recovery}}India: above its floor again.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'Asia/Kolkata'}} (Asia/Kolkata).
    The floor is a fixed number, which also holds while the anomaly monitor learns.

    https://headcount.example.com/c/in?tz=Asia/Kolkata&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = false
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical = 1
  }
}

resource "datadog_monitor" "in_no_data" {
  name     = "India: no count of devices"
  type     = "query alert"
  query    = "avg(last_10m):avg:headcount.now.devices{env:prod,country:in} < 0"
  priority = 3
  tags     = ["country:in", "env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}India: a count below 0 cannot be.{{/is_alert}}
    {{#is_no_data}}India: not counted any more. That is unknown, and not 0.{{/is_no_data}}
    {{#is_recovery}}India: counted again.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'Asia/Kolkata'}} (Asia/Kolkata).
    Either headcount cannot tell at present (then it is blind, which has a monitor of its own), or nobody was heard there for seven days.

    https://headcount.example.com/c/in?tz=Asia/Kolkata&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = true
  no_data_timeframe   = 30
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical = 0
  }
}

resource "datadog_monitor" "ph_anomaly" {
  name     = "Philippines: fewer devices reachable than usual"
  type     = "query alert"
  query    = "avg(last_4h):anomalies(avg:headcount.now.devices{env:prod,country:ph}, 'robust', 3, direction='below', alert_window='last_15m', interval=60, count_default_zero='false', seasonality='weekly', timezone='Asia/Manila') >= 0.8"
  priority = 2
  tags     = ["country:ph", "env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}Philippines: fewer devices reachable than usual at this time of the week.{{/is_alert}}
    {{#is_recovery}}Philippines: as many devices reachable as usual.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'Asia/Manila'}} (Asia/Manila).
    Which carrier, which region: see the page. It needs no account with Datadog.

    https://headcount.example.com/c/ph?tz=Asia/Manila&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = false
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical          = 0.8
    critical_recovery = 0
  }

  monitor_threshold_windows {
    recovery_window = "last_15m"
    trigger_window  = "last_15m"
  }
}

resource "datadog_monitor" "ph_floor" {
  name     = "Philippines: hardly any device reachable"
  type     = "query alert"
  query    = "max(last_5m):avg:headcount.now.devices{env:prod,country:ph} < 1200"
  priority = 1
  tags     = ["country:ph", "env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}Philippines: {{eval "int(value)"}} devices reachable, of 1200 at the least.{{/is_alert}}
    {{#is_recovery}}Philippines: above its floor again.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'Asia/Manila'}} (Asia/Manila).
    The floor is a fixed number, which also holds while the anomaly monitor learns.

    https://headcount.example.com/c/ph?tz=Asia/Manila&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = false
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical = 1200
  }
}

resource "datadog_monitor" "ph_no_data" {
  name     = "Philippines: no count of devices"
  type     = "query alert"
  query    = "avg(last_10m):avg:headcount.now.devices{env:prod,country:ph} < 0"
  priority = 3
  tags     = ["country:ph", "env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}Philippines: a count below 0 cannot be.{{/is_alert}}
    {{#is_no_data}}Philippines: not counted any more. That is unknown, and not 0.{{/is_no_data}}
    {{#is_recovery}}Philippines: counted again.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'Asia/Manila'}} (Asia/Manila).
    Either headcount cannot tell at present (then it is blind, which has a monitor of its own), or nobody was heard there for seven days.

    https://headcount.example.com/c/ph?tz=Asia/Manila&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = true
  no_data_timeframe   = 30
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical = 0
  }
}

resource "datadog_monitor" "total_anomaly" {
  name     = "All countries: fewer devices reachable than usual"
  type     = "query alert"
  query    = "avg(last_4h):anomalies(sum:headcount.now.devices{env:prod}, 'robust', 3, direction='below', alert_window='last_15m', interval=60, count_default_zero='false', seasonality='weekly') >= 0.8"
  priority = 1
  tags     = ["env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}All countries together: fewer devices reachable than usual at this time of the week.{{/is_alert}}
    {{#is_recovery}}All countries together: as many as usual.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'UTC'}} (UTC).
    Many countries at once are rarely their carriers' fault: look at the broker and at headcount itself first. A country that is unknown is missing here.

    https://headcount.example.com/?tz=UTC&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = false
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical          = 0.8
    critical_recovery = 0
  }

  monitor_threshold_windows {
    recovery_window = "last_15m"
    trigger_window  = "last_15m"
  }
}

resource "datadog_monitor" "pipeline_can_count" {
  name     = "headcount cannot count"
  type     = "service check"
  query    = "\"headcount.pipeline.can_count\".over(\"env:prod\").by(\"*\").last(6).count_by_status()"
  priority = 1
  tags     = ["env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}headcount cannot count: {{check_message}}{{/is_alert}}
    {{#is_no_data}}headcount's exporter is not heard any more.{{/is_no_data}}
    {{#is_recovery}}headcount can count again.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'UTC'}} (UTC).
    Until it can, missing counts are unknown, and not 0.

    https://headcount.example.com/status?tz=UTC&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags      = false
  notify_audit      = false
  notify_no_data    = true
  no_data_timeframe = 10
  renotify_interval = 240

  monitor_thresholds {
    critical = 5
    ok       = 2
    warning  = 5
  }
}

resource "datadog_monitor" "pipeline_blind" {
  name     = "headcount is blind"
  type     = "query alert"
  query    = "min(last_10m):max:headcount.pipeline.blind{env:prod} >= 1"
  priority = 2
  tags     = ["env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}headcount is blind: in one country at least nobody can tell how many devices are reachable.{{/is_alert}}
    {{#is_no_data}}headcount's exporter is not heard any more.{{/is_no_data}}
    {{#is_recovery}}headcount sees everything again.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'UTC'}} (UTC).
    Gaps and watermarks on the status page say why.

    https://headcount.example.com/status?tz=UTC&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = true
  no_data_timeframe   = 30
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical = 1
  }
}

resource "datadog_monitor" "pipeline_hours_overdue" {
  name     = "headcount closes hours late"
  type     = "query alert"
  query    = "min(last_5m):max:headcount.pipeline.hours_overdue{env:prod} >= 1"
  priority = 2
  tags     = ["env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}Hours of {{eval "int(value)"}} countries ended more than 20 minutes ago and are not closed.{{/is_alert}}
    {{#is_recovery}}All hours are closed.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'UTC'}} (UTC).
    Datadog takes an hour's count until 55 minutes after its end.

    https://headcount.example.com/status?tz=UTC&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = false
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical = 1
  }
}

resource "datadog_monitor" "pipeline_series_refused" {
  name     = "headcount sends less than there is"
  type     = "query alert"
  query    = "min(last_30m):max:headcount.pipeline.series_refused{env:prod} >= 1"
  priority = 4
  tags     = ["env:prod", "service:headcount"]

  message = <<-EOT
    {{#is_alert}}{{eval "int(value)"}} countries or carriers are not sent: there would be more than datadog.max_series.{{/is_alert}}
    {{#is_recovery}}All countries and carriers are sent.{{/is_recovery}}

    Since {{local_time 'last_triggered_at' 'UTC'}} (UTC).
    `headcount datadog cost` names them. Raise datadog.max_series, or datadog.min_carrier_devices.

    https://headcount.example.com/?tz=UTC&from={{eval "last_triggered_at_epoch-3*60*60*1000"}}&to={{eval "last_triggered_at_epoch+30*60*1000"}}

    @slack-fleet-alerts
  EOT

  include_tags        = false
  notify_audit        = false
  notify_no_data      = false
  renotify_interval   = 240
  require_full_window = false

  monitor_thresholds {
    critical = 1
  }
}
