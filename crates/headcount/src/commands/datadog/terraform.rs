//! The same as Terraform, in the layout that `terraform fmt` keeps.

use serde_json::Value;

use super::monitors::{Kind, Monitor, decimal};

/// What the file begins with. The provider's version is the first with these arguments.
const HEAD: &str = r#"# Made by `headcount datadog assets`: do not change it here, run that again.

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
"#;

/// A whole module: the dashboard and the monitors.
pub(super) fn module(monitors: &[Monitor]) -> String {
    let mut text = HEAD.to_owned();
    for monitor in monitors {
        text.push('\n');
        text.push_str(&resource(monitor));
    }
    text
}

fn resource(monitor: &Monitor) -> String {
    let mut text = format!("resource \"datadog_monitor\" \"{}\" {{\n", monitor.key);
    let mut first = vec![
        ("name", quoted(&monitor.name)),
        ("type", quoted(monitor.kind.as_str())),
        ("query", quoted(&monitor.query)),
        ("priority", monitor.priority.to_string()),
    ];
    let tags: Vec<_> = monitor.tags.iter().map(|tag| quoted(tag)).collect();
    first.push(("tags", format!("[{}]", tags.join(", "))));
    attributes(&mut text, 1, &first);
    text.push('\n');
    text.push_str("  message = <<-EOT\n");
    for line in monitor.message.lines() {
        if !line.is_empty() {
            text.push_str("    ");
            text.push_str(&escaped_template(line));
        }
        text.push('\n');
    }
    text.push_str("  EOT\n\n");
    let options: Vec<_> = monitor
        .options()
        .into_iter()
        .map(|(name, value)| (name, literal(&value)))
        .collect();
    attributes(&mut text, 1, &options);
    let thresholds: Vec<_> = monitor
        .thresholds
        .iter()
        .map(|(name, number)| (*name, decimal(*number)))
        .collect();
    block(&mut text, "monitor_thresholds", &thresholds);
    if let (Kind::Metric, Some(window)) = (monitor.kind, &monitor.window) {
        let windows = [
            ("recovery_window", quoted(window)),
            ("trigger_window", quoted(window)),
        ];
        block(&mut text, "monitor_threshold_windows", &windows);
    }
    text.push_str("}\n");
    text
}

/// Attributes below each other, with their equals signs in one column.
fn attributes(text: &mut String, depth: usize, attributes: &[(&str, String)]) {
    let width = attributes.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or(0);
    let indent = "  ".repeat(depth);
    for (name, value) in attributes {
        text.push_str(&format!("{indent}{name:<width$} = {value}\n"));
    }
}

fn block(text: &mut String, name: &str, inside: &[(&str, String)]) {
    text.push_str(&format!("\n  {name} {{\n"));
    attributes(text, 2, inside);
    text.push_str("  }\n");
}

/// A number or a truth is written in Terraform as in JSON.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        value => value.to_string(),
    }
}

/// Text in quotation marks.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in escaped_template(text).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Text in which `${` and `%{` begin nothing.
fn escaped_template(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::assets::tests::example;
    use super::super::monitors::monitors;
    use super::*;

    #[test]
    fn texts_are_escaped() {
        for (text, expected) in [
            ("plain", r#""plain""#),
            (r#"a "b" \c"#, r#""a \"b\" \\c""#),
            ("two\nlines\tand\rmore", r#""two\nlines\tand\rmore""#),
            ("${x} %{y} $x %", r#""$${x} %%{y} $x %""#),
            ("{{value}}", r#""{{value}}""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    /// The rules of `terraform fmt` that matter for what is written here: two blanks per level, and
    /// equals signs in one column where attributes follow each other. Says what breaks them.
    fn breach(text: &str) -> Option<String> {
        let mut depth = 0_usize;
        let mut column = None;
        let mut in_text = false;
        for (number, line) in text.lines().enumerate() {
            let wrong = |rule: &str| Some(format!("line {}: {rule}: {line}", number + 1));
            if line.ends_with(' ') {
                return wrong("blanks at the end");
            }
            if in_text {
                in_text = line.trim() != "EOT";
                continue;
            }
            if line.is_empty() || line.starts_with('#') {
                column = None;
                continue;
            }
            if line.trim() == "}" {
                depth = depth.saturating_sub(1);
            }
            let indent = line.len() - line.trim_start().len();
            if indent != 2 * depth {
                return wrong("not two blanks per level");
            }
            if line.ends_with('{') {
                depth += 1;
                column = None;
            } else if line.trim() == "}" {
                column = None;
            } else {
                let at = line.find(" = ")?;
                if column.is_some_and(|column| column != at) {
                    return wrong("equals signs are not in one column");
                }
                column = Some(at);
                in_text = line.ends_with("<<-EOT");
            }
        }
        (depth != 0 || in_text || !text.ends_with("}\n")).then(|| "not closed".to_owned())
    }

    #[test]
    fn our_own_rules_find_what_breaks_them() {
        let sound = "a \"b\" {\n  x   = 1\n  yyy = 2\n\n  z = <<-EOT\n    t = {\n  EOT\n\n  c {\n    \
                     d = 1\n  }\n}\n";
        assert_eq!(breach(sound), None);
        for (from, to) in [
            ("  x   = 1", "  x = 1"),
            ("  c {", "   c {"),
            ("= 1\n  }", "= 1\n}"),
            ("yyy = 2", "yyy = 2 "),
            ("}\n}\n", "}\n"),
        ] {
            let broken = sound.replace(from, to);
            assert_ne!(broken, sound);
            assert!(breach(&broken).is_some(), "{broken}");
        }
    }

    #[test]
    fn terraform_would_not_format_it_otherwise() {
        let text = module(&monitors(&example()));
        assert_eq!(breach(&text), None);
        // Where Terraform is installed, it has the last word.
        let Ok(version) = Command::new("terraform").arg("version").output() else {
            return;
        };
        assert!(version.status.success());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("headcount.tf"), &text).unwrap();
        let output = Command::new("terraform")
            .args(["fmt", "-check", "-diff", "headcount.tf"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let diff = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{diff}");
    }

    #[test]
    fn every_monitor_is_a_resource_with_its_message() {
        let monitors = monitors(&example());
        let text = module(&monitors);
        for monitor in &monitors {
            let resource = format!("resource \"datadog_monitor\" \"{}\" {{\n", monitor.key);
            assert_eq!(text.matches(&resource).count(), 1, "{}", monitor.key);
            for line in monitor.message.lines().filter(|line| !line.is_empty()) {
                assert!(text.contains(&format!("\n    {line}\n")), "{line}");
            }
        }
    }
}
