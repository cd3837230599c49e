//! The real binary, as a process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::world::World;

/// The folder of what was built with the tests.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    folder.to_owned()
}

fn existing(path: PathBuf, build: &str) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing: run `{build}`",
        path.display()
    );
    path
}

/// Where the binary is: beside the tests, built with them.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn path() -> PathBuf {
    let path = profile_folder().join("headcount");
    existing(path, "cargo build -p headcount")
}

/// Where the binary is that is shipped.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn release_path() -> PathBuf {
    let path = profile_folder().with_file_name("release").join("headcount");
    existing(path, "cargo build --release -p headcount")
}

/// A command of the binary, told about a test's servers by its environment.
#[must_use]
pub fn command(world: &World, arguments: &[&str]) -> Command {
    command_of(&path(), world, arguments)
}

/// The same of another build of it.
#[must_use]
pub fn command_of(binary: &Path, world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DATABASE_URL", &world.database_url)
        .env("DD_DOGSTATSD_URL", world.agent.url())
        .env("DD_ENV", "test")
        .env("HEADCOUNT_MQTT__URL", &world.broker_url)
        .env(
            "HEADCOUNT_MQTT__CLIENT_ID",
            format!("headcount-{}", world.slot()),
        )
        .env("HEADCOUNT_MQTT__TOPIC_FILTER", world.filter())
        .env("HEADCOUNT_INGEST__SLOT", world.slot())
        .env("HEADCOUNT_INGEST__LEASE_SECS", "6")
        .env("HEADCOUNT_INGEST__PROBE_INTERVAL_SECS", "1");
    command
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started.
pub async fn run(world: &World, arguments: &[&str]) -> Output {
    let mut command = command(world, arguments);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

/// What a command printed; it must have succeeded.
///
/// # Panics
/// When it failed.
pub async fn stdout(world: &World, arguments: &[&str]) -> String {
    let output = run(world, arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A process that is killed when dropped.
pub struct Running(Child);

impl Running {
    /// Starts a command and lets it run. Its log is shown when `HEADCOUNT_TEST_LOGS` is set.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let log = match std::env::var_os("HEADCOUNT_TEST_LOGS") {
            Some(_) => Stdio::inherit(),
            None => Stdio::null(),
        };
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        )
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The memory it has in use, in bytes.
    ///
    /// # Panics
    /// When it has ended, or the system does not tell (it does on Linux).
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line
            .and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
            .unwrap();
        kib * 1024
    }

    /// Ends it at once, as SIGKILL does.
    ///
    /// # Panics
    /// When it has ended by itself.
    pub fn kill(&mut self) {
        assert!(
            self.0.try_wait().unwrap().is_none(),
            "it had ended by itself"
        );
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its end and gives its exit code.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn wait(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
