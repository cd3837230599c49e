//! What every bench prints first: which machine, which commit. A figure without them says nothing,
//! and only ratios measured in one run are compared.

use std::process::Command;

/// Machine and commit, in one line each.
#[must_use]
pub fn header() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name)
        .to_owned();
    let commit = said("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    let postgres = said("postgres", &["--version"]);
    format!("machine: {model}, {cores} cores; {postgres}\ncommit:  {commit}")
}

fn said(program: &str, arguments: &[&str]) -> String {
    let program = devstack::find_program(program).unwrap_or_else(|_| program.into());
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
