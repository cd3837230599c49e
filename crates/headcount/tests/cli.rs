//! The command line, as far as it needs no servers: exit codes, and messages that name the key.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use std::process::{Command, Output};

fn headcount(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_command_explains_itself() {
    let help = headcount(&["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    for command in [
        "run",
        "ingest",
        "exporter",
        "api",
        "migrate",
        "init",
        "validate",
        "health",
        "simulate",
        "publish",
        "import",
        "count",
        "datadog",
        "parity",
        "quarantine",
        "close",
    ] {
        assert!(
            text.contains(&format!("\n  {command} ")),
            "{command} is missing:\n{text}"
        );
        let help = headcount(&[command, "--help"], &[]);
        assert_eq!(help.status.code(), Some(0), "{command} --help");
    }
}

#[test]
fn wrong_usage_and_wrong_configuration_exit_with_2_and_name_the_key() {
    type Case = (
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let cases: [Case; 6] = [
        (&["bogus"], &[], "bogus"),
        (&["count"], &[], "--country"),
        (&["run", "--config", "missing.toml"], &[], "missing.toml"),
        (
            &["run"],
            &[("HEADCOUNT_API__LISTEN", "0.0.0.0:8080")],
            "api.listen",
        ),
        (
            &["ingest"],
            &[("HEADCOUNT_MQTT__URL", "tcp://u:hunter2@b")],
            "mqtt.url",
        ),
        (
            &["validate"],
            &[("HEADCOUNT_DATABASE__POOL", "5")],
            "database.pool",
        ),
    ];
    for (arguments, variables, key) in cases {
        let output = headcount(arguments, variables);
        let message = error(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(key), "{arguments:?}: {message}");
        assert!(
            !message.contains("hunter2"),
            "a secret was printed: {message}"
        );
    }
}

#[test]
fn a_database_that_is_away_exits_with_1_and_says_so() {
    let away = [("DATABASE_URL", "postgres://nobody:hunter2@127.0.0.1:1/none")];
    for arguments in [
        &["migrate"][..],
        &["count", "--country", "ph", "--from", "2026-11-21"][..],
        &["close", "--country", "ph", "--hour", "2026-11-21T10:00"][..],
        &["quarantine", "list"][..],
        &["slots", "list"][..],
        &["datadog", "cost"][..],
        &["parity", "old.csv"][..],
    ] {
        let output = headcount(arguments, &away);
        let message = error(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(
            message.to_lowercase().contains("refused"),
            "{arguments:?}: {message}"
        );
        assert!(
            !message.contains("hunter2"),
            "a secret was printed: {message}"
        );
    }
}
