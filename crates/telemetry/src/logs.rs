//! Logs: readable sentences with fields, on standard error.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Turns logging on for this process. `filter` is a level (`info`) or targets with levels
/// (`info,ingest=debug`).
///
/// # Errors
/// When the filter cannot be read. Logging twice is not an error; the first call stands.
pub fn init(filter: &str) -> Result<(), FilterError> {
    let targets: Targets = filter.parse().map_err(|_| FilterError(filter.to_owned()))?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(ansi)
        .with_writer(std::io::stderr);
    // A second call in one process (tests) finds the first one's subscriber in place.
    let _already_set = tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init();
    Ok(())
}

/// A log filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no log filter; try `info` or `info,ingest=debug`")]
pub struct FilterError(String);
