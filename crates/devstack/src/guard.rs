//! A server under its guard: see the crate's documentation, and `guard.sh` beside this file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Doing;
use crate::process::{self, POLL, Signal};
use crate::{DataDir, Error};

const SCRIPT: &str = include_str!("guard.sh");

/// How long a server may take to end after this process is gone, before its guard kills it.
/// Postgres itself kills what does not end within 5 s.
const GRACE_SECS: u32 = 10;

/// How long a new server waits for the guard of an earlier one, whose parent was killed, to finish
/// in the same folder.
const PREDECESSOR_TIMEOUT: Duration = Duration::from_secs(GRACE_SECS as u64 + 5);

/// How long the kernel may take to end a process that was sent SIGKILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of a log an error message shows.
const TAIL_LINES: usize = 20;

/// The guard writes the server's process id here, and removes it when the server has ended.
const PID_FILE: &str = "server.pid";

/// What a guard runs.
#[derive(Debug)]
pub(crate) struct Plan {
    /// For messages: Postgres or Mosquitto.
    pub(crate) server: &'static str,
    /// Where all of it lies.
    pub(crate) data_dir: DataDir,
    /// The server's own folder.
    pub(crate) folder: PathBuf,
    /// What the server prints.
    pub(crate) log_path: PathBuf,
    /// Stops the server at once when nobody is left who could use it.
    pub(crate) last_signal: Signal,
}

impl Plan {
    /// Creates the server's folder. Nothing is started yet.
    pub(crate) fn new(
        server: &'static str,
        data_dir: &DataDir,
        last_signal: Signal,
    ) -> Result<Self, Error> {
        let folder = data_dir.server_folder(&server.to_lowercase())?;
        let log_path = folder.join("log");
        Ok(Self {
            server,
            data_dir: data_dir.clone(),
            folder,
            log_path,
            last_signal,
        })
    }

    /// A command that runs a program as the servers' user.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        if let Some(user) = self.data_dir.server_user() {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// Starts the server and says where its log begins. The server may end again at once: see
    /// [`Guarded::wait_until_ready`].
    pub(crate) fn spawn(&self, server_command: &[OsString]) -> Result<Guarded, Error> {
        let log_start = fs::metadata(&self.log_path).map_or(0, |log| log.len());
        let leftovers = if self.data_dir.is_temporary() {
            "remove"
        } else {
            "keep"
        };
        let mut guard = self
            .command(Path::new("/bin/sh"))
            .arg("-c")
            .arg(SCRIPT)
            .arg("guard")
            .args([&self.folder, &self.log_path])
            .arg(self.last_signal.name())
            .arg(GRACE_SECS.to_string())
            .arg(leftovers)
            .args(server_command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .doing(|| format!("start the guard of {}", self.server))?;
        let lifeline = guard.stdin.take();
        let mut line = String::new();
        if let Some(mut stdout) = guard.stdout.take() {
            stdout
                .read_to_string(&mut line)
                .doing(|| format!("read the process id of {}", self.server))?;
        }
        let Ok(pid) = line.trim().parse() else {
            return Err(self.did_not_start("its guard failed", log_start));
        };
        tracing::debug!(server = self.server, pid, "started");
        Ok(Guarded {
            server: self.server,
            guard,
            _lifeline: lifeline,
            pid,
            log_start,
        })
    }

    /// A server whose parent was killed a moment ago may still be ending, and hold its port and its
    /// files. To be called before one of them is wanted.
    pub(crate) fn wait_for_predecessor(&self) -> Result<(), Error> {
        let pid_path = self.folder.join(PID_FILE);
        let deadline = Instant::now() + PREDECESSOR_TIMEOUT;
        loop {
            let pid = fs::read_to_string(&pid_path)
                .ok()
                .and_then(|pid| pid.trim().parse().ok());
            // Without a living process the file is what a power failure left behind.
            if !pid.is_some_and(process::is_alive) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::FolderInUse {
                    folder: self.folder.clone(),
                });
            }
            thread::sleep(POLL);
        }
    }

    /// What the server printed since a position in its log.
    pub(crate) fn log_since(&self, start: u64) -> String {
        let read = || {
            let mut log = File::open(&self.log_path)?;
            log.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            log.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    pub(crate) fn did_not_start(&self, why: &str, log_start: u64) -> Error {
        let log = self.log_since(log_start);
        let lines: Vec<&str> = log.lines().collect();
        let log_tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        let log_path = self.log_path.clone();
        Error::DidNotStart {
            server: self.server,
            why: why.to_owned(),
            log_path,
            log_tail,
        }
    }

    /// Whether the server ended because somebody else had taken its port.
    pub(crate) fn lost_its_port(&self, log_start: u64) -> bool {
        self.log_since(log_start).contains("Address already in use")
    }
}

/// A server and its guard.
#[derive(Debug)]
pub(crate) struct Guarded {
    server: &'static str,
    guard: Child,
    /// Closed when this process ends, however it ends.
    _lifeline: Option<ChildStdin>,
    pid: u32,
    log_start: u64,
}

/// How a start went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The server takes connections.
    Ready,
    /// The server has ended.
    Ended,
    /// The server takes too long.
    TimedOut,
}

impl Guarded {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Where the log of this run begins.
    pub(crate) fn log_start(&self) -> u64 {
        self.log_start
    }

    /// Whether the server has ended. Its guard outlives it by a moment and takes notice of it, so
    /// that its process id is not somebody else's as long as this is false.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.guard.try_wait(), Ok(None))
    }

    /// Waits until the server is ready or has ended.
    pub(crate) fn wait_until_ready(
        &mut self,
        timeout: Duration,
        is_ready: impl Fn(&Self) -> bool,
    ) -> Start {
        let deadline = Instant::now() + timeout;
        loop {
            if self.has_ended() {
                return Start::Ended;
            }
            if is_ready(self) {
                return Start::Ready;
            }
            if Instant::now() >= deadline {
                return Start::TimedOut;
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until the server and its guard have ended, and says whether that came true in time.
    fn wait_until_ended(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.has_ended() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    /// Sends a signal to the server unless it has ended.
    ///
    /// # Errors
    /// When it has.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if self.has_ended() || !process::signal(signal, &[self.pid]) {
            return Err(Error::NotRunning {
                server: self.server,
            });
        }
        Ok(())
    }

    /// Asks the server to end, first politely, then less so; last, kills it.
    pub(crate) fn stop(&mut self, requests: &[(Signal, Duration)]) -> Result<(), Error> {
        for &(signal, patience) in requests {
            if self.has_ended() {
                return Ok(());
            }
            process::signal(signal, &[self.pid]);
            if self.wait_until_ended(patience) {
                tracing::debug!(server = self.server, pid = self.pid, "stopped");
                return Ok(());
            }
            tracing::warn!(
                server = self.server,
                pid = self.pid,
                signal = signal.name(),
                "ignored"
            );
        }
        self.kill()
    }

    /// Ends the server and all its processes as a power failure would: without a chance to write
    /// anything.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        if self.has_ended() {
            return Ok(());
        }
        // Paused, it starts no more processes that would be missed.
        if let Err(error) = self.pause() {
            // It may have ended by itself a moment ago, and its guard is about to.
            return if self.wait_until_ended(KILL_TIMEOUT) {
                Ok(())
            } else {
                Err(error)
            };
        }
        let mut family = process::children(self.pid);
        family.push(self.pid);
        process::signal(Signal::Kill, &family);
        if process::wait_until_ended(&family, KILL_TIMEOUT) && self.wait_until_ended(KILL_TIMEOUT) {
            return Ok(());
        }
        Err(Error::DoesNotEnd {
            server: self.server,
            pid: self.pid,
        })
    }

    /// Stops the server's time: it keeps its connections and answers nothing.
    ///
    /// Not by signalling the process group: Postgres puts each of its processes into one of its
    /// own, and the guard must stay awake.
    pub(crate) fn pause(&mut self) -> Result<(), Error> {
        self.signal(Signal::Stop)?;
        // A process started while the signal was on its way is found the second time.
        let mut paused = Vec::new();
        loop {
            let children = process::children(self.pid);
            if children.iter().all(|child| paused.contains(child)) {
                return Ok(());
            }
            process::signal(Signal::Stop, &children);
            paused = children;
        }
    }

    /// Lets the server's time go on.
    pub(crate) fn resume(&mut self) -> Result<(), Error> {
        process::signal(Signal::Continue, &process::children(self.pid));
        self.signal(Signal::Continue)
    }
}
