//! What a command that works through rows tells its user.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Bad rows that are reported in full; of the others only the number.
const SHOWN_ROWS: u64 = 20;

/// How often a bar moves on its own.
const TICK: Duration = Duration::from_millis(200);

/// A bar on the terminal, if there is one: by bytes where their number is known.
pub(super) fn bar(bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{bar:30} {bytes}/{total_bytes}  {eta} left  {msg}",
        ),
        None => (ProgressBar::no_length(), "{spinner} {bytes} read  {msg}"),
    };
    // The templates are ours and are read in a test; a bar in the default style would do as well.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    bar
}

/// Counts rows, and says of the bad ones which and why.
pub(super) struct Report {
    bar: ProgressBar,
    out: Box<dyn Write + Send>,
    /// Good rows so far.
    pub(super) done: u64,
    skipped: u64,
}

impl Report {
    /// A report that goes beside the bar, to standard error.
    pub(super) fn new(bar: ProgressBar) -> Self {
        Self::to(bar, Box::new(io::stderr()))
    }

    /// A report that goes elsewhere.
    pub(super) fn to(bar: ProgressBar, out: Box<dyn Write + Send>) -> Self {
        Self {
            bar,
            out,
            done: 0,
            skipped: 0,
        }
    }

    /// A row is bad.
    pub(super) fn bad(&mut self, line: u64, reason: &str) {
        self.skipped += 1;
        if self.skipped <= SHOWN_ROWS {
            self.write(&format!("line {line}: {reason}"));
        }
    }

    fn write(&mut self, text: &str) {
        let Self { bar, out, .. } = self;
        // Nowhere left to say that standard error is closed.
        bar.suspend(|| drop(writeln!(out, "{text}")));
    }

    /// Ends the bar and sums up.
    pub(super) fn finish(mut self, verb: &'static str, notes: Vec<String>) -> Summary {
        let more = self.skipped.saturating_sub(SHOWN_ROWS);
        if more > 0 {
            self.write(&format!("and {more} more bad rows"));
        }
        self.bar.finish_and_clear();
        Summary {
            verb,
            done: self.done,
            skipped: self.skipped,
            failed: 0,
            notes,
        }
    }
}

/// What became of a file's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    verb: &'static str,
    /// Good rows.
    pub(crate) done: u64,
    /// Bad rows.
    pub(crate) skipped: u64,
    /// Good rows of which it is not certain that they arrived.
    pub(crate) failed: u64,
    /// What else is worth knowing.
    pub(crate) notes: Vec<String>,
}

impl Summary {
    /// Sets how many good rows may not have arrived.
    pub(super) fn with_failed(mut self, failed: u64) -> Self {
        self.failed = failed;
        self
    }

    /// Whether every row was good and arrived.
    pub(crate) fn is_clean(&self) -> bool {
        self.skipped == 0 && self.failed == 0
    }

    /// 0 when every row was good and arrived, 1 otherwise.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        write!(f, "{} {}, skipped {}", self.verb, self.done, self.skipped)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Collects what is written.
    #[derive(Clone, Default)]
    pub(in super::super) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(in super::super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        pub(in super::super) fn report(&self) -> Report {
            Report::to(ProgressBar::hidden(), Box::new(self.clone()))
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn twenty_bad_rows_are_told_in_full() {
        let paper = Paper::default();
        let mut report = paper.report();
        for line in 2..30 {
            report.bad(line, "no `device_id`");
        }
        report.done = 3;
        let summary = report.finish("loaded", vec!["A note.".to_owned()]);
        assert_eq!(summary.to_string(), "A note.\nloaded 3, skipped 28");
        assert!(!summary.is_clean());
        let text = paper.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 21);
        assert_eq!(lines[0], "line 2: no `device_id`");
        assert_eq!(lines[20], "and 8 more bad rows");
    }

    #[test]
    fn templates_can_be_read() {
        for bytes in [None, Some(10)] {
            bar(bytes).finish_and_clear();
        }
        for template in [
            "{bar:30} {bytes}/{total_bytes}  {eta} left  {msg}",
            "{spinner} {bytes} read  {msg}",
        ] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
