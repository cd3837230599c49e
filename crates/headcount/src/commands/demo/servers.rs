//! The demo's private servers, and something that takes what Datadog's Agent would.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;

use anyhow::Context as _;
use devstack::{DataDir, Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
use tokio::sync::Mutex;

/// The demo's database.
const DATABASE: &str = "headcount";

/// Room for weeks of history in one go, so that loading does not wait for checkpoints.
const MAX_WAL_SIZE: &str = "4GB";

/// PostgreSQL, Mosquitto, and an address where an Agent might be. Stopped when dropped.
#[derive(Debug)]
pub(super) struct Servers {
    postgres: Postgres,
    broker: Arc<Mutex<Mosquitto>>,
    broker_port: u16,
    /// What would go to an Agent ends here: one that runs on this machine would send simulated
    /// counts to somebody's real account.
    agent: UdpSocket,
}

impl Servers {
    /// Starts them, on what the folder holds already.
    ///
    /// # Errors
    /// When a program is missing, the folder cannot be used, or one of them does not start.
    pub(super) async fn start(data_dir: DataDir, broker_port: u16) -> anyhow::Result<Self> {
        let start = move || -> anyhow::Result<Self> {
            // Both are named at once when both are missing.
            let missing: Vec<_> = ["initdb", "mosquitto"]
                .into_iter()
                .filter_map(|program| devstack::find_program(program).err())
                .map(|missing| missing.to_string())
                .collect();
            anyhow::ensure!(missing.is_empty(), "{}", missing.join("\n"));
            let (postgres, broker) = std::thread::scope(|scope| {
                let broker = scope.spawn(|| start_broker(&data_dir, broker_port));
                (start_postgres(&data_dir), broker.join())
            });
            let broker = broker.map_err(|_| anyhow::anyhow!("starting Mosquitto panicked"))??;
            let agent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open a port")?;
            Ok(Self {
                postgres: postgres?,
                broker_port: broker.port(),
                broker: Arc::new(Mutex::new(broker)),
                agent,
            })
        };
        blocking(start).await
    }

    pub(super) fn database_url(&self) -> String {
        self.postgres.url(DATABASE)
    }

    pub(super) fn broker_url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.broker_port)
    }

    pub(super) fn broker_port(&self) -> u16 {
        self.broker_port
    }

    pub(super) fn agent_url(&self) -> anyhow::Result<String> {
        let address = self.agent.local_addr().context("cannot tell a port")?;
        Ok(format!("udp://{address}"))
    }

    /// The broker, to be stopped and started again.
    pub(super) fn broker(&self) -> Arc<Mutex<Mosquitto>> {
        Arc::clone(&self.broker)
    }

    /// Stops all of them.
    ///
    /// # Errors
    /// When one does not end.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        blocking(move || {
            self.broker.blocking_lock().stop()?;
            self.postgres.stop()?;
            Ok(())
        })
        .await
    }
}

fn start_postgres(data_dir: &DataDir) -> anyhow::Result<Postgres> {
    // A killed machine may lose the last seconds of a simulation; loading it is much faster so.
    let options = PostgresOptions::durable()
        .with_setting("synchronous_commit", "off")
        .with_setting("max_wal_size", MAX_WAL_SIZE);
    let postgres = Postgres::start(data_dir, options)?;
    if !postgres.has_database(DATABASE)? {
        postgres.create_database(DATABASE)?;
    }
    Ok(postgres)
}

fn start_broker(data_dir: &DataDir, port: u16) -> anyhow::Result<Mosquitto> {
    let options = MosquittoOptions {
        port: Some(port),
        ..MosquittoOptions::default()
    };
    Ok(Mosquitto::start(data_dir, options)?)
}

/// Runs what blocks beside the async tasks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("a part of the demo panicked")?
}
