//! A private Mosquitto.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Doing;
use crate::guard::{Guarded, Plan, Start};
use crate::port::{Port, candidates};
use crate::process::Signal;
use crate::{DataDir, Error, find_program};

const SERVER: &str = "Mosquitto";

/// How often sessions and queues are saved. What arrived since the last time is lost when the
/// broker is killed.
const AUTOSAVE_INTERVAL_SECS: u32 = 1;

/// How long a start may take: a large store is read first.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a broker may take to save its store.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// How often a restart tries its port again when somebody else has it.
const PORT_ATTEMPTS: usize = 10;

/// The store, in the broker's folder.
const STORE_FILE: &str = "mosquitto.db";

/// How a private Mosquitto runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MosquittoOptions {
    /// Whether sessions and queues are saved every second and survive a restart.
    pub persistence: bool,
    /// The port to listen on if it is free; another one otherwise, as without.
    pub port: Option<u16>,
    /// A file of users as `mosquitto_passwd` writes it. Given, nobody gets in without a password.
    /// The broker reads a copy, made when it starts.
    pub password_file: Option<PathBuf>,
    /// A file of who may publish and read what (`acl_file` in Mosquitto's manual). The broker
    /// reads a copy, made when it starts.
    pub acl_file: Option<PathBuf>,
    /// The largest payload accepted, in bytes; `None` for the protocol's limit.
    pub message_size_limit_bytes: Option<u32>,
    /// A whole configuration file in place of ours: how another broker is set up, tried here. In it
    /// [`MosquittoOptions::ADDRESS`] becomes the port and address to listen on, and
    /// [`MosquittoOptions::FOLDER`] the broker's folder, where the copies are called `passwords` and
    /// `acl`. All else that stands here is ignored, but for [`MosquittoOptions::extra`].
    pub configuration: Option<String>,
    /// Files that are laid into the broker's folder when it starts, by the names they get there:
    /// certificates, keys, and what else the configuration names.
    pub files: Vec<(String, Vec<u8>)>,
    /// Listeners beyond the first, each on a port of its own: in the configuration and in
    /// [`MosquittoOptions::extra`] they listen on [`MosquittoOptions::further_address`].
    pub further_listeners: usize,
    /// Further lines of the configuration file. Settings that come twice count as written last.
    pub extra: Vec<String>,
}

impl Default for MosquittoOptions {
    fn default() -> Self {
        Self {
            persistence: true,
            port: None,
            password_file: None,
            acl_file: None,
            message_size_limit_bytes: None,
            configuration: None,
            files: Vec::new(),
            further_listeners: 0,
            extra: Vec::new(),
        }
    }
}

impl MosquittoOptions {
    /// Stands for the port and address, as `listener` takes them.
    pub const ADDRESS: &str = "{address}";
    /// Stands for the broker's folder.
    pub const FOLDER: &str = "{folder}";

    /// Stands for the port and address of a further listener, counted from 0.
    #[must_use]
    pub fn further_address(number: usize) -> String {
        format!("{{address-{number}}}")
    }
}

/// A private Mosquitto broker, listening on 127.0.0.1. Stopped when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    plan: Plan,
    options: MosquittoOptions,
    program: PathBuf,
    port: Port,
    further_ports: Vec<Port>,
    running: Option<Guarded>,
    pid: u32,
}

impl Mosquitto {
    /// Starts the broker and waits until it takes connections.
    ///
    /// # Errors
    /// When Mosquitto is not installed, the folder or a given file cannot be used, or the broker
    /// does not start; then the error shows the end of its log.
    pub fn start(data_dir: &DataDir, options: MosquittoOptions) -> Result<Self, Error> {
        let program = find_program("mosquitto")?;
        // SIGTERM: the store is saved first.
        let plan = Plan::new(SERVER, data_dir, Signal::Terminate)?;
        let mut broker = Self {
            plan,
            options,
            program,
            port: Port::default(),
            further_ports: Vec::new(),
            running: None,
            pid: 0,
        };
        broker.plan.wait_for_predecessor()?;
        for port in candidates(broker.options.port) {
            broker.port = port;
            let further = candidates(None).take(broker.options.further_listeners);
            broker.further_ports = further.collect();
            broker.write_configuration()?;
            if broker.launch()? {
                return Ok(broker);
            }
        }
        Err(broker
            .plan
            .did_not_start("every port was taken by others", 0))
    }

    /// The address for a client.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port())
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The TCP port of a further listener, counted from 0; `None` if there is no such listener.
    #[must_use]
    pub fn further_port(&self, number: usize) -> Option<u16> {
        self.further_ports.get(number).map(Port::number)
    }

    /// The process id of the broker, also after it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What the broker prints.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.plan.log_path
    }

    /// Ends the broker in order: it saves its store first.
    ///
    /// # Errors
    /// When the broker does not end, even killed.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.end(|running| {
            // Paused, it would not hear of it.
            let _has_ended = running.resume();
            running.stop(&[(Signal::Terminate, STOP_PATIENCE)])
        })
    }

    /// Kills the broker with SIGKILL: what it had not saved is lost.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.end(Guarded::kill)
    }

    /// Stops the broker's time: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When the broker is not running.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.running
            .as_mut()
            .ok_or(Error::NotRunning { server: SERVER })?
            .pause()
    }

    /// Lets the broker's time go on.
    ///
    /// # Errors
    /// When the broker is not running.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.running
            .as_mut()
            .ok_or(Error::NotRunning { server: SERVER })?
            .resume()
    }

    /// Starts the broker again, on the same port with its saved store, and stops it first if it is
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

    /// Starts the broker again without its store: sessions, queues and retained messages are lost.
    ///
    /// # Errors
    /// When it does not stop or does not start.
    pub fn restart_without_persistence(&mut self) -> Result<(), Error> {
        self.stop()?;
        let store = self.plan.folder.join(STORE_FILE);
        match fs::remove_file(&store) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).doing(|| format!("remove {}", store.display()));
            }
            _ => {}
        }
        self.restart()
    }

    fn end(&mut self, how: impl FnOnce(&mut Guarded) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(running) = &mut self.running {
            how(running)?;
            self.running = None;
        }
        Ok(())
    }

    fn configuration_path(&self) -> PathBuf {
        self.plan.folder.join("mosquitto.conf")
    }

    fn write_configuration(&self) -> Result<(), Error> {
        let passwords = self.copy_of(self.options.password_file.as_deref(), "passwords")?;
        let acl = self.copy_of(self.options.acl_file.as_deref(), "acl")?;
        for (name, content) in &self.options.files {
            let path = self.plan.folder.join(name);
            self.plan.data_dir.write(&path, content)?;
        }
        let configuration = self.configuration(passwords.as_deref(), acl.as_deref());
        self.plan
            .data_dir
            .write(&self.configuration_path(), configuration.as_bytes())
    }

    /// Copies a file to where the servers' user can read it.
    fn copy_of(&self, file: Option<&Path>, name: &str) -> Result<Option<PathBuf>, Error> {
        let Some(file) = file else { return Ok(None) };
        let content = fs::read(file).doing(|| format!("read {}", file.display()))?;
        let copy = self.plan.folder.join(name);
        self.plan.data_dir.write(&copy, &content)?;
        Ok(Some(copy))
    }

    fn configuration(&self, passwords: Option<&Path>, acl: Option<&Path>) -> String {
        let address = format!("{} 127.0.0.1", self.port());
        let extra = self.options.extra.join("\n");
        if let Some(given) = &self.options.configuration {
            return self.filled_in(&format!("{given}\n{extra}\n"));
        }
        let mut lines = vec![
            format!("listener {address}"),
            "log_dest stderr".to_owned(),
            // Readable, and in UTC only if the machine is: the log is for people.
            "log_timestamp_format %Y-%m-%dT%H:%M:%S".to_owned(),
            // A queue with a bound drops messages and still acknowledges them.
            "max_queued_messages 0".to_owned(),
            // For MQTT 3.1.1; a client that speaks MQTT 5 names its own window.
            "max_inflight_messages 0".to_owned(),
            format!("allow_anonymous {}", passwords.is_none()),
            format!("persistence {}", self.options.persistence),
        ];
        if self.options.persistence {
            lines.push(format!(
                "persistence_location {}/",
                self.plan.folder.display()
            ));
            lines.push(format!("persistence_file {STORE_FILE}"));
            lines.push(format!("autosave_interval {AUTOSAVE_INTERVAL_SECS}"));
        }
        if let Some(passwords) = passwords {
            lines.push(format!("password_file {}", passwords.display()));
        }
        if let Some(acl) = acl {
            lines.push(format!("acl_file {}", acl.display()));
        }
        if let Some(limit) = self.options.message_size_limit_bytes {
            lines.push(format!("message_size_limit {limit}"));
        }
        lines.push(self.filled_in(&extra));
        lines.join("\n") + "\n"
    }

    /// Replaces what stands for addresses and the folder.
    fn filled_in(&self, text: &str) -> String {
        let folder = self.plan.folder.display().to_string();
        let address = |port: u16| format!("{port} 127.0.0.1");
        let text = text
            .replace(MosquittoOptions::ADDRESS, &address(self.port()))
            .replace(MosquittoOptions::FOLDER, &folder);
        let further = self.further_ports.iter().enumerate();
        further.fold(text, |text, (number, port)| {
            text.replace(
                &MosquittoOptions::further_address(number),
                &address(port.number()),
            )
        })
    }

    /// Starts the broker on its port. False when somebody else has the port.
    fn launch(&mut self) -> Result<bool, Error> {
        let command: [OsString; 3] = [
            self.program.clone().into(),
            "-c".into(),
            self.configuration_path().into(),
        ];
        let mut running = self.plan.spawn(&command)?;
        let start = running.wait_until_ready(START_TIMEOUT, |running| self.is_ready(running));
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

    /// Whether the broker says that it runs, which it does once it listens. An attempt to connect
    /// alone could mistake another server for ours.
    fn is_ready(&self, running: &Guarded) -> bool {
        let says_so = self
            .plan
            .log_since(running.log_start())
            .lines()
            .any(|line| line.contains("mosquitto version") && line.trim_end().ends_with("running"));
        says_so && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).is_ok()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "Mosquitto was not stopped");
        }
    }
}
