//! A look at the data that shares nothing with headcount and is quick: `psql`, started once.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A `psql` that waits for statements.
pub struct Inspector {
    process: Child,
    statements: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Inspector {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no `psql`.
    #[must_use]
    pub fn start(database_url: &str) -> Self {
        let psql = devstack::find_program("psql").unwrap();
        let mut process = Command::new(psql)
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", database_url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            statements: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    /// The one line that a statement answers, read as JSON.
    ///
    /// # Panics
    /// When it answers something else, or the database is away.
    pub fn ask(&mut self, statement: &str) -> serde_json::Value {
        tokio::task::block_in_place(|| {
            writeln!(self.statements, "{statement};").unwrap();
            self.statements.flush().unwrap();
            let mut answer = String::new();
            self.answers.read_line(&mut answer).unwrap();
            serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{statement}: {answer}"))
        })
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        // It may have ended with the database.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
