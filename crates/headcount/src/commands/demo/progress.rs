//! How far the demo is before it can begin: on the terminal, and on the page.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use telemetry::Health;

/// How often a bar moves while nothing is known.
const TICK: Duration = Duration::from_millis(100);

/// A bar on the terminal whose state the page shows too.
pub(super) struct Progress {
    bar: ProgressBar,
    health: Health,
}

impl Progress {
    pub(super) fn new(health: Health) -> Self {
        let bar = ProgressBar::new(100);
        bar.enable_steady_tick(TICK);
        let progress = Self { bar, health };
        progress.step("starting");
        progress
    }

    /// A piece of work begins that is over soon.
    pub(super) fn step(&self, what: &str) {
        self.style("  {spinner} {msg}");
        self.bar.set_message(what.to_owned());
        self.health.working(what, None);
    }

    /// So much of a piece of work is done, in percent.
    pub(super) fn part(&self, what: &str, percent: u8) {
        if self.bar.message() != what || self.bar.position() == 0 {
            self.style("  {msg} {wide_bar} {pos} % ");
            self.bar.set_message(what.to_owned());
        }
        self.bar.set_position(percent.into());
        self.health.working(what, Some(percent));
    }

    /// All is done.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }
}
