//! The binary: command line, configuration, wall clock, shutdown. The only place that reads
//! arguments, the environment and the time of day.

mod app;
mod cli;
mod clock;
mod commands;
mod config;

use std::process::ExitCode;

use clap::Parser as _;

/// Wrong usage or configuration, as clap also says it.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli::run(cli) {
        Ok(code) => code,
        Err(error) => {
            let code = if error.downcast_ref::<config::ConfigError>().is_some() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::FAILURE
            };
            complain(&error);
            code
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("headcount: {error:#}");
}
