//! What can go wrong with a private server.

use std::io;
use std::path::PathBuf;

use crate::MissingProgram;

/// Why a server could not be started, stopped or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error(transparent)]
    MissingProgram(#[from] MissingProgram),
    /// The operating system refused something.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was attempted, as in "cannot ...".
        doing: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Started by root, the servers run as another user, and that user cannot get at the folder.
    #[error(
        "the servers run as user {user}, who cannot enter {} (mode {mode:04o}): \
         choose a folder that every user can reach, or start this as an ordinary user",
        blocked_by.display()
    )]
    Unreachable {
        /// The user who runs the servers.
        user: String,
        /// The folder on the way that lets this user not through.
        blocked_by: PathBuf,
        /// That folder's permission bits.
        mode: u32,
    },
    /// Started by root, and there is no ordinary user to run the servers as.
    #[error("Postgres refuses to run as root, and there is neither a user postgres nor nobody")]
    NoServerUser,
    /// Another process, or another server of this one, uses the folder.
    #[error("{} is in use by another process", folder.display())]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder's path leaves no room for the name of a Unix socket below it.
    #[error("no folder for temporary files is reachable with a path short enough for a socket")]
    NoTemporaryFolder,
    /// The server ended, or was not ready in time.
    #[error("{server} did not start ({why}); its log {} ends with:\n{log_tail}", log_path.display())]
    DidNotStart {
        /// The server's name.
        server: &'static str,
        /// Whether it ended or took too long.
        why: String,
        /// The whole log.
        log_path: PathBuf,
        /// The last lines of the log.
        log_tail: String,
    },
    /// The server is not running, so it can be neither asked nor paused.
    #[error("{server} is not running")]
    NotRunning {
        /// The server's name.
        server: &'static str,
    },
    /// The server outlived even SIGKILL: a process in an uninterruptible wait.
    #[error("{server} (process {pid}) does not end")]
    DoesNotEnd {
        /// The server's name.
        server: &'static str,
        /// Its process id.
        pid: u32,
    },
    /// A helper program reported failure.
    #[error("{program} failed: {output}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// What it printed on standard error.
        output: String,
    },
}

/// Says what was attempted when the operating system refuses.
pub(crate) trait Doing<T> {
    /// Completes the sentence "cannot ...".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            doing: what(),
            source,
        })
    }
}
