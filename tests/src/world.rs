//! One test's world: its database, its broker, its clock, and the roles in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use devstack::{DataDir, Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
use ingest::broker::BrokerUrl;
use ingest::decode::FieldPaths;
use ingest::tls::TlsFiles;
use ingest::topic::TopicFilter;
use model::{Catalogue, Clock, Instant, ManualClock};
use store::{Retention, Store};
use telemetry::Health;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::eventually;

/// The servers of this test binary.
struct Servers {
    postgres: Mutex<Postgres>,
    broker: Mosquitto,
}

static SERVERS: OnceLock<Servers> = OnceLock::new();
static TESTS: AtomicU32 = AtomicU32::new(0);

/// The template that every test's database is a copy of.
const TEMPLATE: &str = "migrated";

fn servers() -> &'static Servers {
    SERVERS.get_or_init(|| {
        if let Some(filter) = std::env::var_os("HEADCOUNT_TEST_LOGS") {
            telemetry::logs::init(filter.to_str().unwrap()).unwrap();
        }
        let folder = DataDir::temporary().unwrap();
        let postgres = Postgres::start(&folder, PostgresOptions::fast()).unwrap();
        let broker = Mosquitto::start(&folder, MosquittoOptions::default()).unwrap();
        postgres.create_database(TEMPLATE).unwrap();
        let url = postgres.url(TEMPLATE);
        let migrated = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let store = open(&url);
                store.migrate().await.unwrap();
                store.close().await;
            });
        });
        migrated.join().unwrap();
        Servers {
            postgres: Mutex::new(postgres),
            broker,
        }
    })
}

fn open(url: &str) -> Store {
    Store::new(&store::Settings {
        url: url.to_owned(),
        max_connections: 8,
        statement_timeout: Duration::from_secs(20),
        application_name: "test".to_owned(),
    })
    .unwrap()
}

/// A test's world.
pub struct World {
    /// A number that no other test of this binary has.
    pub number: u32,
    /// The test's database, as the roles reach it.
    pub database_url: String,
    /// The same, as the test looks at it: not through anything that is made to fail.
    pub inspected_url: String,
    /// The same, opened.
    pub store: Store,
    /// Where the broker is.
    pub broker_url: String,
    /// The clock of the roles in this process.
    pub clock: Arc<ManualClock>,
    /// The Agent that hears them.
    pub agent: Agent,
    /// Networks and countries.
    pub catalogue: Arc<Catalogue>,
    /// How the roles are.
    pub health: Health,
}

/// Roles at work. [`Roles::end`] lets them finish, [`Roles::kill`] does not.
pub struct Roles {
    tasks: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
    /// Where the API listens, if it does.
    pub api: Option<std::net::SocketAddr>,
}

impl Roles {
    /// Asks the roles to end and waits for them.
    ///
    /// # Panics
    /// When one of them failed.
    pub async fn end(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    /// Ends the roles like a killed process, and waits until nothing of them is left: on a busy machine
    /// a task may live on for a moment after it was asked to end.
    pub async fn kill(mut self) {
        self.tasks.shutdown().await;
    }
}

impl World {
    /// A world with the shared broker, whose clock stands at `now`.
    pub async fn at(now: &str) -> Self {
        let url = tokio::task::spawn_blocking(|| servers().broker.url())
            .await
            .unwrap();
        Self::with_broker(now, url).await
    }

    /// A world with a broker of its own.
    pub async fn with_broker(now: &str, broker_url: String) -> Self {
        let number = TESTS.fetch_add(1, Ordering::Relaxed);
        let database_url = tokio::task::spawn_blocking(move || {
            let postgres = servers().postgres.lock().unwrap();
            let name = format!("test_{number}");
            postgres
                .create_database_from_template(&name, TEMPLATE)
                .unwrap();
            postgres.url(&name)
        })
        .await
        .unwrap();
        Self::of(number, now, broker_url, database_url.clone(), database_url)
    }

    /// A world with a broker and a database of its own, which is migrated here. The roles reach it
    /// through `database_url`, the test by `inspected_url`.
    pub async fn with_servers(
        now: &str,
        broker_url: String,
        database_url: String,
        inspected_url: String,
    ) -> Self {
        let number = TESTS.fetch_add(1, Ordering::Relaxed);
        let store = open(&inspected_url);
        store.migrate().await.unwrap();
        store.close().await;
        Self::of(number, now, broker_url, database_url, inspected_url)
    }

    fn of(
        number: u32,
        now: &str,
        broker_url: String,
        database_url: String,
        inspected_url: String,
    ) -> Self {
        Self {
            number,
            store: open(&database_url),
            database_url,
            inspected_url,
            broker_url,
            clock: Arc::new(ManualClock::at(now.parse().unwrap())),
            agent: Agent::listen(),
            catalogue: Arc::new(Catalogue::builtin()),
            health: Health::default(),
        }
    }

    /// The topic filter of this test.
    #[must_use]
    pub fn filter(&self) -> String {
        format!("test{}/+/heartbeat", self.number)
    }

    /// The topic of a device in this test.
    #[must_use]
    pub fn topic(&self, device: &str) -> String {
        format!("test{}/{device}/heartbeat", self.number)
    }

    /// The slot of this test; its name is part of the probe's topic.
    #[must_use]
    pub fn slot(&self) -> String {
        format!("test-{}-{}", std::process::id(), self.number)
    }

    /// What ingest is told, with everything quick.
    #[must_use]
    pub fn ingest_config(&self) -> ingest::Config {
        ingest::Config {
            slot: self.slot(),
            broker: BrokerUrl::parse(&self.broker_url).unwrap(),
            protocol: None,
            tls: TlsFiles::default(),
            client_id: format!("headcount-{}", self.slot()),
            topic_filter: TopicFilter::parse(&self.filter()).unwrap(),
            field_paths: FieldPaths::default(),
            dropped_topic: None,
            uptime_topic: None,
            session_expiry: Duration::from_secs(3600),
            receive_maximum: u16::MAX,
            batch_max_age: Duration::from_millis(20),
            batch_max_messages: 8192,
            probe_interval: Duration::from_millis(100),
            lease: Duration::from_secs(6),
            keep_alive: Duration::from_secs(5),
            registry: ingest::Registry::Open {
                max_devices: 1_000_000,
            },
            countries: HashMap::new(),
            reach_window: Duration::from_secs(900),
            retention: Retention {
                heartbeats_days: 7,
                heartbeats_max_bytes: 10_000_000_000,
                presence_days: 35,
                quarantine_days: 7,
            },
        }
    }

    /// What the exporter is told, with everything quick.
    #[must_use]
    pub fn exporter_config(&self) -> exporter::Config {
        exporter::Config {
            agent: exporter::dogstatsd::Address::parse(&self.agent.url()).unwrap(),
            prefix: "headcount".to_owned(),
            env: Some("test".to_owned()),
            host: String::new(),
            service: None,
            version: None,
            carrier_now: false,
            // The fleets of tests are small.
            min_carrier_devices: 1,
            max_series: 1000,
            historical_metrics: false,
            dead_man: None,
            legacy: Some(exporter::Legacy {
                metric: "mccs.connection.hour.count".to_owned(),
                countries: HashMap::new(),
            }),
            tick: Duration::from_millis(50),
            lease: Duration::from_secs(6),
        }
    }

    /// Starts all roles.
    pub async fn run(&self) -> Roles {
        self.run_with(Some(self.ingest_config()), Some(self.exporter_config()))
            .await
    }

    /// Starts ingest alone.
    pub async fn run_ingest(&self) -> Roles {
        self.run_with(Some(self.ingest_config()), None).await
    }

    /// Starts the roles that are configured, and the API.
    pub async fn run_with(
        &self,
        ingest: Option<ingest::Config>,
        exporter: Option<exporter::Config>,
    ) -> Roles {
        let mut tasks = JoinSet::new();
        let shutdown = CancellationToken::new();
        let clock: Arc<dyn Clock> = self.clock.clone();
        if let Some(config) = ingest {
            let context = ingest::Context {
                store: self.store.clone(),
                clock: clock.clone(),
                catalogue: self.catalogue.clone(),
                health: self.health.clone(),
                shutdown: shutdown.clone(),
            };
            tasks.spawn(ingest::run(config, context));
        }
        if let Some(config) = exporter {
            let context = exporter::Context {
                store: self.store.clone(),
                clock: clock.clone(),
                catalogue: self.catalogue.clone(),
                health: self.health.clone(),
                shutdown: shutdown.clone(),
            };
            tasks.spawn(exporter::run(config, context));
        }
        let config = headcount_api::Config {
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
            access: headcount_api::Access::Unasked,
            public_url: None,
            signing_key: None,
            insecure_open: false,
            request_timeout: Duration::from_secs(10),
            limits: headcount_api::Limits::default(),
        };
        let context = headcount_api::Context::new(
            self.store.clone(),
            clock,
            self.catalogue.clone(),
            self.health.clone(),
        );
        let listener = headcount_api::bind(&config).unwrap();
        let listen = listener.local_addr().unwrap();
        tasks.spawn(headcount_api::run(
            listener,
            config,
            context,
            shutdown.clone(),
        ));
        eventually("the API answers", async || {
            tokio::net::TcpStream::connect(listen).await.ok()
        })
        .await;
        Roles {
            tasks,
            shutdown,
            api: Some(listen),
        }
    }

    /// The slot's watermark.
    pub async fn watermark(&self) -> Option<Instant> {
        let slots = self.store.slots().await.unwrap();
        slots
            .into_iter()
            .find(|slot| slot.slot == self.slot())?
            .watermark
    }

    /// Waits until everything that reached the broker before now is committed: the clock moves a
    /// touch, and a probe sent after that is back.
    pub async fn caught_up(&self) {
        self.clock.advance(Duration::from_millis(1));
        let now = self.clock.now();
        eventually("the watermark reaches the clock", async || {
            self.watermark().await.filter(|watermark| *watermark >= now)
        })
        .await;
    }

    /// Moves the clock and waits until ingest has noticed.
    pub async fn go_to(&self, now: &str) {
        self.clock.set(now.parse().unwrap());
        self.caught_up().await;
    }

    /// Runs one statement by `psql` and gives its output, fields separated by `|`: a way to look
    /// at the data that shares nothing with headcount.
    ///
    /// # Panics
    /// When the database refuses or is away.
    pub async fn sql(&self, statement: &str) -> String {
        self.psql(statement)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// The same, where the database may be away.
    pub async fn try_sql(&self, statement: &str) -> Option<String> {
        self.psql(statement).await.ok()
    }

    async fn psql(&self, statement: &str) -> Result<String, String> {
        let psql = devstack::find_program("psql").unwrap();
        let mut command = std::process::Command::new(psql);
        command.args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
            &self.inspected_url,
        ]);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        Ok(text.trim_end().to_owned())
    }
}

/// An address on which nobody listens.
#[must_use]
pub fn free_address() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
