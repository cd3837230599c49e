//! A private Postgres.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::data_dir::MAX_SOCKET_PATH_BYTES;
use crate::error::Doing;
use crate::guard::{Guarded, Plan, Start};
use crate::port::{Port, candidates};
use crate::process::Signal;
use crate::program::is_executable;
use crate::{DataDir, Error, MissingProgram, find_program};

const SERVER: &str = "Postgres";

/// The role that owns everything. No password: the server listens on loopback only.
const USER: &str = "postgres";

/// The database that is always there.
const MAINTENANCE_DATABASE: &str = "postgres";

/// Enough for a test binary's threads with a pool each.
const MAX_CONNECTIONS: u32 = 200;

/// How long a start may take: a server that was killed first replays its log.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a server may take to write everything to disk before it is stopped without.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// How long a server that was told to end at once may take.
const QUIT_PATIENCE: Duration = Duration::from_secs(10);

/// How the folder of a cluster begins that is not whole yet.
const UNFINISHED: &str = "data.unfinished";

/// How often a restart tries its port again when somebody else has it.
const PORT_ATTEMPTS: usize = 10;

/// What a server may forget when the machine loses its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is waited for: several times faster, and a killed *machine* loses data. A killed
    /// server process does not lose what reached the operating system, but may lose the last
    /// commits.
    Fast,
    /// Postgres' own defaults: what is committed stays.
    Durable,
}

/// How a private Postgres runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Whether commits are waited for.
    pub durability: Durability,
    /// The port to listen on if it is free; another one otherwise, as without.
    pub port: Option<u16>,
    /// Further settings (`-c name=value`); they win over those that are made here.
    pub settings: Vec<(String, String)>,
}

impl PostgresOptions {
    /// For tests that do not kill the server.
    #[must_use]
    pub fn fast() -> Self {
        Self {
            durability: Durability::Fast,
            port: None,
            settings: Vec::new(),
        }
    }

    /// For the demo, benches and tests that kill the server.
    #[must_use]
    pub fn durable() -> Self {
        Self {
            durability: Durability::Durable,
            port: None,
            settings: Vec::new(),
        }
    }

    /// Adds a setting.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A private Postgres server, listening on 127.0.0.1 and on a Unix socket in its folder. Stopped
/// when dropped.
#[derive(Debug)]
pub struct Postgres {
    plan: Plan,
    options: PostgresOptions,
    /// The folder of the installed version's programs: `initdb` and `postgres` must be of one kind.
    programs: PathBuf,
    port: Port,
    running: Option<Guarded>,
    pid: u32,
}

impl Postgres {
    /// Creates the cluster if the folder has none, starts the server and waits until it takes
    /// connections.
    ///
    /// # Errors
    /// When Postgres is not installed, the folder cannot be used, or the server does not start;
    /// then the error shows the end of its log.
    pub fn start(data_dir: &DataDir, options: PostgresOptions) -> Result<Self, Error> {
        let initdb = find_program("initdb")?;
        let programs = initdb
            .canonicalize()
            .doing(|| format!("find {}", initdb.display()))?;
        let programs = programs.parent().unwrap_or(Path::new("/")).to_owned();
        // SIGQUIT: leave at once, the log is replayed next time.
        let plan = Plan::new(SERVER, data_dir, Signal::Quit)?;
        let mut server = Self {
            plan,
            options,
            programs,
            port: Port::default(),
            running: None,
            pid: 0,
        };
        server.plan.wait_for_predecessor()?;
        server.create_cluster()?;
        for port in candidates(server.options.port) {
            server.port = port;
            if server.launch()? {
                return Ok(server);
            }
        }
        Err(server
            .plan
            .did_not_start("every port was taken by others", 0))
    }

    /// The address of a database, for a client that speaks TCP.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port())
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder with the Unix socket; `None` where its path would be too long for one.
    #[must_use]
    pub fn socket_folder(&self) -> Option<&Path> {
        let socket_bytes = format!("/.s.PGSQL.{}", self.port()).len();
        let folder = &self.plan.folder;
        (folder.as_os_str().len() + socket_bytes < MAX_SOCKET_PATH_BYTES).then_some(folder)
    }

    /// The process id of the server, also after it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What the server prints.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.plan.log_path
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// When the server refuses, for example because the database exists.
    pub fn create_database(&self, name: &str) -> Result<(), Error> {
        self.createdb(&["--", name])
    }

    /// Whether there is a database of this name.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn has_database(&self, name: &str) -> Result<bool, Error> {
        let mut command = Command::new(self.client("psql")?);
        command
            .args([
                "--no-psqlrc",
                "--no-password",
                "--tuples-only",
                "--no-align",
            ])
            .args([
                "--host=127.0.0.1",
                "--command=select datname from pg_database",
            ])
            .arg(format!("--port={}", self.port()))
            .arg(format!("--username={USER}"))
            .arg(format!("--dbname={MAINTENANCE_DATABASE}"));
        let names = run("psql", command)?;
        Ok(names.lines().any(|line| line == name))
    }

    /// Creates a database as a copy of another, which nobody may be connected to meanwhile.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database_from_template(&self, name: &str, template: &str) -> Result<(), Error> {
        self.createdb(&["--template", template, "--", name])
    }

    /// Ends the server in order: clients are disconnected, everything is written to disk.
    ///
    /// # Errors
    /// When the server does not end, even killed.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.end(|running| {
            // Paused, it would not hear of it.
            let _has_ended = running.resume();
            let requests = [
                (Signal::Interrupt, STOP_PATIENCE),
                (Signal::Quit, QUIT_PATIENCE),
            ];
            running.stop(&requests)
        })
    }

    /// Kills the server and all its processes with SIGKILL, as a power failure would.
    ///
    /// # Errors
    /// When one of them does not end.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.end(Guarded::kill)
    }

    /// Stops the server's time: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When the server is not running.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.running
            .as_mut()
            .ok_or(Error::NotRunning { server: SERVER })?
            .pause()
    }

    /// Lets the server's time go on.
    ///
    /// # Errors
    /// When the server is not running.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.running
            .as_mut()
            .ok_or(Error::NotRunning { server: SERVER })?
            .resume()
    }

    /// Starts the server again, on the same port with the same data, and stops it first if it is
    /// running.
    ///
    /// # Errors
    /// When it does not stop or does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        for _ in 0..PORT_ATTEMPTS {
            if self.launch()? {
                return Ok(());
            }
        }
        Err(self.plan.did_not_start("its port was taken by others", 0))
    }

    fn end(&mut self, how: impl FnOnce(&mut Guarded) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(running) = &mut self.running {
            how(running)?;
            self.running = None;
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.plan.folder.join("data")
    }

    /// Creates the cluster beside its place and moves it there when it is whole, so that an
    /// interrupted attempt is not taken for one.
    fn create_cluster(&self) -> Result<(), Error> {
        let data = self.data();
        if data.exists() {
            return Ok(());
        }
        // A name of its own: a program that was interrupted may still be writing to its one.
        let unfinished = format!("{UNFINISHED}-{}", std::process::id());
        let unfinished = self.plan.folder.join(unfinished);
        self.remove_unfinished_but(&unfinished);
        let mut initdb = self.plan.command(&self.programs.join("initdb"));
        initdb
            .args(["--encoding=UTF8", "--locale=C", "--auth=trust"])
            .arg(format!("--username={USER}"))
            .arg("--pgdata")
            .arg(&unfinished);
        if self.options.durability == Durability::Fast {
            initdb.arg("--no-sync");
        }
        run("initdb", initdb)?;
        fs::rename(&unfinished, &data).doing(|| format!("create {}", data.display()))
    }

    /// Removes what interrupted attempts to create a cluster have left; as far as it can be.
    fn remove_unfinished_but(&self, ours: &Path) {
        let entries = fs::read_dir(&self.plan.folder).into_iter().flatten();
        for entry in entries.flatten() {
            let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
            if is_unfinished && entry.path() != ours {
                let _in_use = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn server_command(&self) -> Vec<OsString> {
        let socket_folder = self.socket_folder().unwrap_or(Path::new(""));
        let mut settings: Vec<(&str, OsString)> = vec![
            ("listen_addresses", "127.0.0.1".into()),
            ("port", self.port().to_string().into()),
            ("unix_socket_directories", socket_folder.into()),
            ("max_connections", MAX_CONNECTIONS.to_string().into()),
            ("logging_collector", "off".into()),
            ("log_destination", "stderr".into()),
            ("timezone", "UTC".into()),
            ("log_timezone", "UTC".into()),
        ];
        if self.options.durability == Durability::Fast {
            for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                settings.push((name, "off".into()));
            }
        }
        let given = self
            .options
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.into()));
        settings.extend(given);

        let mut command = vec![self.programs.join("postgres").into(), "-D".into()];
        command.push(self.data().into());
        for (name, value) in settings {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            command.extend(["-c".into(), setting]);
        }
        command
    }

    /// Starts the server on its port. False when somebody else has the port.
    fn launch(&mut self) -> Result<bool, Error> {
        let mut running = self.plan.spawn(&self.server_command())?;
        let start = running.wait_until_ready(START_TIMEOUT, |running| self.is_ready(running.pid()));
        let log_start = running.log_start();
        match start {
            Start::Ready => {
                self.pid = running.pid();
                self.running = Some(running);
                Ok(true)
            }
            Start::Ended if self.plan.lost_its_port(log_start) => Ok(false),
            Start::Ended => Err(self.plan.did_not_start("it ended", log_start)),
            Start::TimedOut => {
                running.kill()?;
                Err(self.plan.did_not_start("it took too long", log_start))
            }
        }
    }

    /// Reads what the server says of itself: its process id in the first line of a file, and in
    /// the eighth whether it takes connections. Unlike an attempt to connect, this cannot mistake
    /// another server for ours.
    fn is_ready(&self, pid: u32) -> bool {
        let status = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = status.lines().map(str::trim).collect();
        lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    fn createdb(&self, arguments: &[&str]) -> Result<(), Error> {
        let mut command = Command::new(self.client("createdb")?);
        command
            .args(["--host=127.0.0.1", "--no-password"])
            .arg(format!("--port={}", self.port()))
            .arg(format!("--username={USER}"))
            .arg(format!("--maintenance-db={MAINTENANCE_DATABASE}"))
            .args(arguments);
        run("createdb", command).map(drop)
    }

    /// A client program, of the server's version where it has one.
    fn client(&self, name: &str) -> Result<PathBuf, MissingProgram> {
        let own = self.programs.join(name);
        if is_executable(&own) {
            Ok(own)
        } else {
            find_program(name)
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let is_temporary = self.plan.data_dir.is_temporary();
        let ended = if is_temporary {
            // Nobody will read the data again.
            self.end(|running| {
                let _has_ended = running.resume();
                running.stop(&[(Signal::Quit, QUIT_PATIENCE)])
            })
        } else {
            self.stop()
        };
        if let Err(error) = ended {
            tracing::warn!(%error, "Postgres was not stopped");
        }
    }
}

/// Runs a program to its end, away from whatever server the user's environment points to. Returns
/// what it prints.
fn run(program: &'static str, mut command: Command) -> Result<String, Error> {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("run the program {program}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Program { program, output })
}
