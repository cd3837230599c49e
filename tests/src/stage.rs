//! Where things are made to fail: a world with servers of its own, each behind a network that can
//! fail too, a fleet that keeps accounts, and somebody who notes on the wire what headcount
//! acknowledges.

use std::sync::{Arc, Mutex};

use devstack::{DataDir, Mosquitto, MosquittoOptions, Postgres, PostgresOptions};

use crate::ledger::{Ledger, Plan};
use crate::mqtt::Acknowledged;
use crate::proxy::Proxy;
use crate::publisher::Publisher;
use crate::world::World;
use crate::{binary, eventually, ledger};

/// The database's name.
const DATABASE: &str = "headcount";

/// A server that can be broken from async code.
#[derive(Clone)]
pub struct Server<S>(Arc<Mutex<S>>);

impl<S: Send + 'static> Server<S> {
    /// Takes a server that runs.
    #[must_use]
    pub fn new(server: S) -> Self {
        Self(Arc::new(Mutex::new(server)))
    }

    /// Does something to the server, and waits until it is done.
    ///
    /// # Panics
    /// When it fails.
    pub async fn does<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut S) -> Result<T, devstack::Error> + Send + 'static,
    ) -> T {
        let server = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || what(&mut server.lock().unwrap()).unwrap())
            .await
            .unwrap()
    }
}

/// A world whose parts can fail.
pub struct Stage {
    /// The roles' view of it: both servers through the proxies.
    pub world: World,
    /// Its Postgres; none where the shared one is used.
    pub postgres: Option<Server<Postgres>>,
    /// Between the roles and Postgres.
    pub to_postgres: Proxy,
    /// Its broker.
    pub broker: Server<Mosquitto>,
    /// The port of the broker itself.
    pub broker_port: u16,
    /// Between the roles and the broker.
    pub to_broker: Proxy,
    /// What headcount acknowledged over that proxy.
    pub acknowledged: Arc<Acknowledged>,
}

/// For Postgres that is killed: a commit is on its way to the disk when it is answered, and what
/// the operating system has survives. Waiting for the disk itself would only matter to a machine
/// that loses its power.
#[must_use]
pub fn killable() -> PostgresOptions {
    PostgresOptions::fast()
        .with_setting("synchronous_commit", "on")
        .with_setting("full_page_writes", "on")
}

impl Stage {
    /// A broker of its own, the shared Postgres.
    pub async fn with_broker() -> Self {
        Self::new(None, MosquittoOptions::default()).await
    }

    /// Both servers of its own.
    pub async fn with_both() -> Self {
        let folder = DataDir::temporary().unwrap();
        Self::with_postgres_in(folder, killable(), MosquittoOptions::default()).await
    }

    /// Both servers of its own, Postgres in this folder.
    pub async fn with_postgres_in(
        folder: DataDir,
        options: PostgresOptions,
        broker: MosquittoOptions,
    ) -> Self {
        let postgres = tokio::task::spawn_blocking(move || {
            let postgres = Postgres::start(&folder, options).unwrap();
            postgres.create_database(DATABASE).unwrap();
            postgres
        })
        .await
        .unwrap();
        Self::new(Some(postgres), broker).await
    }

    async fn new(postgres: Option<Postgres>, options: MosquittoOptions) -> Self {
        let broker = tokio::task::spawn_blocking(move || {
            let folder = DataDir::temporary().unwrap();
            Mosquitto::start(&folder, options).unwrap()
        })
        .await
        .unwrap();
        let broker_port = broker.port();
        let acknowledged = Arc::new(Acknowledged::default());
        let to_broker = Proxy::tapped(broker_port, acknowledged.tap()).await;
        let broker_url = through(&broker.url(), broker_port, &to_broker);
        let now = &ledger::now().to_rfc3339();
        let (world, to_postgres) = match &postgres {
            Some(postgres) => {
                let url = postgres.url(DATABASE);
                let proxy = Proxy::to(postgres.port()).await;
                let proxied = through(&url, postgres.port(), &proxy);
                let world = World::with_servers(now, broker_url, proxied, url).await;
                (world, proxy)
            }
            None => {
                let mut world = World::with_broker(now, broker_url).await;
                let url = world.inspected_url.clone();
                let port = port_of(&url);
                let proxy = Proxy::to(port).await;
                world.database_url = through(&url, port, &proxy);
                (world, proxy)
            }
        };
        Self {
            world,
            postgres: postgres.map(Server::new),
            to_postgres,
            broker: Server::new(broker),
            broker_port,
            to_broker,
            acknowledged,
        }
    }

    /// Its own Postgres.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn postgres(&self) -> &Server<Postgres> {
        self.postgres.as_ref().unwrap()
    }

    /// Starts the real binary as ingest and waits until it listens for the first time.
    ///
    /// # Panics
    /// When it never does.
    pub async fn start_ingest(&self) -> binary::Running {
        let ingest = binary::Running::start(binary::command(&self.world, &["ingest"]));
        self.listens().await;
        ingest
    }

    /// Waits until the slot has been listened to.
    ///
    /// # Panics
    /// When that never happens.
    pub async fn listens(&self) {
        eventually("the first start", async || {
            let started = "select count(*) from ingest_slots where watermark is not null";
            (self.world.try_sql(started).await? == "1").then_some(())
        })
        .await;
    }

    /// Starts a fleet that publishes straight to the broker, until it is finished.
    #[must_use]
    pub fn fleet(&self, per_sec: u32) -> Ledger {
        self.fleet_of(Plan {
            devices: 500,
            messages: u32::MAX,
            per_sec,
        })
    }

    /// Starts a fleet by plan.
    #[must_use]
    pub fn fleet_of(&self, plan: Plan) -> Ledger {
        Ledger::start(&self.world, self.broker_port, plan)
    }

    /// Waits until so many messages more are stored.
    ///
    /// # Panics
    /// When they are not.
    pub async fn stores_more(&self, messages: u32) {
        let count = "select count(*) from heartbeats";
        let stored = async || -> Option<u32> { self.world.try_sql(count).await?.parse().ok() };
        let before = eventually("the database answers", stored).await;
        eventually("more is stored", async || {
            (stored().await? >= before + messages).then_some(())
        })
        .await;
    }

    /// Waits until everything that has reached the broker so far is stored, or was lost by it: a
    /// message published now comes behind all others.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn drained(&self) {
        let device = format!("last-{:016x}", fastrand::u64(..));
        let mut publisher = Publisher::new(&format!("mqtt://127.0.0.1:{}", self.broker_port));
        let message = (self.world.topic(&device), Vec::new());
        publisher.publish([message]).await;
        let found = format!("select count(*) from v_presence where device_id = '{device}'");
        eventually("the last message is stored", async || {
            (self.world.try_sql(&found).await? != "0").then_some(())
        })
        .await;
    }

    /// Ends the fleet and waits until the database has every message that it published.
    ///
    /// # Panics
    /// When one is missing, or something is counted that was not sent.
    pub async fn nothing_is_lost(&self, fleet: Ledger) {
        let book = fleet.finish().await;
        ledger::settled(&self.world, &book).await;
        self.kept_its_word().await;
    }

    /// The same, and what the broker sent twice is stored once.
    ///
    /// # Panics
    /// When one is missing or stored twice, or something is counted that was not sent.
    pub async fn nothing_is_lost_or_stored_twice(&self, fleet: Ledger) {
        let book = fleet.finish().await;
        let audit = ledger::settled(&self.world, &book).await;
        audit.must_store_once(&book);
        self.kept_its_word().await;
    }

    /// Checks what holds whatever the broker does: what headcount acknowledged is stored.
    ///
    /// # Panics
    /// When it is not.
    pub async fn kept_its_word(&self) {
        let acknowledged = self.acknowledged.seqs();
        let stored = ledger::stored(&self.world).await;
        let lost = acknowledged.difference(&stored).count();
        assert_eq!(lost, 0, "acknowledged to the broker and not stored");
        assert!(!acknowledged.is_empty(), "nothing was acknowledged at all");
        assert_eq!(self.acknowledged.unfounded(), 0);
    }

    /// The causes of the gaps so far, in order, `…` after one that lasts.
    pub async fn gaps(&self) -> String {
        let gaps =
            "select coalesce(string_agg(cause || case when to_at is null then '…' else '' end,
                 ' ' order by gap_no), '') from gaps";
        self.world.try_sql(gaps).await.unwrap_or_default()
    }

    /// Waits until the list of gaps is as expected.
    ///
    /// # Panics
    /// When it never is.
    pub async fn gaps_are(&self, expected: &str) {
        eventually(&format!("gaps {expected}"), async || {
            (self.gaps().await == expected).then_some(())
        })
        .await;
    }
}

fn port_of(url: &str) -> u16 {
    let (_, address) = url.rsplit_once(':').unwrap();
    let (port, _) = address.split_once('/').unwrap();
    port.parse().unwrap()
}

/// The same address by way of a proxy.
fn through(url: &str, port: u16, proxy: &Proxy) -> String {
    url.replace(&format!(":{port}"), &format!(":{}", proxy.port()))
}
