//! The only SQL of headcount.
//!
//! One file per noun. What goes in and comes out are the types of [`model`] and plain structs;
//! no query text, no `sqlx` type and no table name leaves this crate. Functions that belong
//! together in one transaction are one function here ([`batch::Writer::commit`],
//! [`closing::Closing`]).
//!
//! Every statement runs against a real Postgres in `tests/`.

mod announcements;
pub mod audit;
pub mod batch;
pub mod carriers;
pub mod closing;
mod copy;
pub mod countries;
pub mod devices;
mod error;
pub mod gaps;
pub mod heartbeats;
pub mod history;
pub mod hours;
pub mod import;
pub mod job_runs;
pub mod last_heard;
pub mod leases;
pub mod marks;
pub mod now;
pub mod overdue;
pub mod parity;
mod partitions;
pub mod presence;
pub mod quarantine;
pub mod secrets;
pub mod series;
pub mod silent;
pub mod slots;
pub mod splits;

use std::str::FromStr;
use std::time::Duration;

use model::Instant;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub use error::{Error, Result};
pub use partitions::Retention;

/// The schema, embedded.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// How long a request waits for a free connection before it is refused.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// The same for work for which nobody waits at the other end.
const PATIENT_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(60);

/// Commits that are measured to tell how long one takes.
const MEASURED_COMMITS: usize = 9;

/// Where the database is, and how a role uses it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `postgres://user:password@host:port/database`. Never logged.
    pub url: String,
    /// Connections this process may open.
    pub max_connections: u32,
    /// The server ends a statement that runs longer.
    pub statement_timeout: Duration,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
}

/// What a server says about itself.
#[derive(Debug, Clone, Default)]
pub struct ServerSettings {
    /// For people, such as `15.18`.
    pub version: String,
    /// For comparing, such as `150018`.
    pub version_number: i32,
    /// The settings without which a commit may be lost, by name: `on` or `off`.
    pub durability: Vec<(String, String)>,
}

/// The database as the roles see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
}

impl Store {
    /// Prepares to use a database. Connects when it is first needed, so a database that is away
    /// at the start is waited for like one that goes away later.
    ///
    /// # Errors
    /// [`Error::Url`] when the URL cannot be read.
    pub fn new(settings: &Settings) -> Result<Self> {
        let timeout = settings.statement_timeout.as_millis().to_string();
        let options = PgConnectOptions::from_str(&settings.url)
            .map_err(|_| Error::Url)?
            .application_name(&settings.application_name)
            .options([
                ("TimeZone", "UTC"),
                ("statement_timeout", timeout.as_str()),
                // A process that is paused inside a transaction must not keep its locks for ever.
                ("idle_in_transaction_session_timeout", "10s"),
                ("lock_timeout", "5s"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options.clone());
        Ok(Self { pool, options })
    }

    /// The same database over connections of its own, for bulk work: it waits for a minute for one
    /// of them where a request is refused after two seconds.
    #[must_use]
    pub fn patient(&self) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(self.pool.options().get_max_connections())
            .acquire_timeout(PATIENT_ACQUIRE_TIMEOUT)
            .connect_lazy_with(self.options.clone());
        Self {
            pool,
            options: self.options.clone(),
        }
    }

    /// Whether a URL can be read at all, without connecting.
    ///
    /// # Errors
    /// [`Error::Url`] when it cannot.
    pub fn check_url(url: &str) -> Result<()> {
        let known_scheme = url.starts_with("postgres://") || url.starts_with("postgresql://");
        if !known_scheme || PgConnectOptions::from_str(url).is_err() {
            return Err(Error::Url);
        }
        Ok(())
    }

    /// The settings of the server that our promises rest on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn server_settings(&self) -> Result<ServerSettings> {
        let rows: Vec<(String, String)> = Error::at(
            "server_settings",
            sqlx::query_as(
                "select name, setting from pg_settings where name in ('server_version',
                     'server_version_num', 'fsync', 'full_page_writes', 'synchronous_commit')
                 order by name",
            )
            .fetch_all(&self.pool)
            .await,
        )?;
        let mut settings = ServerSettings::default();
        for (name, value) in rows {
            match name.as_str() {
                "server_version" => settings.version = value,
                "server_version_num" => settings.version_number = value.parse().unwrap_or(0),
                _ => settings.durability.push((name, value)),
            }
        }
        Ok(settings)
    }

    /// Brings the schema up to date. Safe from many processes at once.
    ///
    /// # Errors
    /// When the database is away, or holds a schema that is newer or was edited.
    pub async fn migrate(&self) -> Result<()> {
        // Migrations may run longer than a statement is otherwise allowed to.
        let options = self.options.clone().options([("statement_timeout", "0")]);
        let mut connection = Error::at("connect", connect(&options).await)?;
        MIGRATOR
            .run(&mut connection)
            .await
            .map_err(Error::Migration)
    }

    /// Whether the schema is the one this binary was built with.
    ///
    /// # Errors
    /// [`Error::Schema`] says what is missing; [`Error::Database`] when the database is away.
    pub async fn check_schema(&self) -> Result<()> {
        let newest = MIGRATOR.iter().map(|m| m.version).max().unwrap_or(0);
        let exists: bool = Error::at(
            "check_schema",
            sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
                .fetch_one(&self.pool)
                .await,
        )?;
        if !exists {
            return Err(Error::Schema {
                found: 0,
                wanted: newest,
            });
        }
        let found: Option<i64> = Error::at(
            "check_schema",
            sqlx::query_scalar("select max(version) from _sqlx_migrations where success")
                .fetch_one(&self.pool)
                .await,
        )?;
        // A newer schema is fine: migrations expand before they contract.
        match found {
            Some(found) if found >= newest => Ok(()),
            found => Err(Error::Schema {
                found: found.unwrap_or(0),
                wanted: newest,
            }),
        }
    }

    /// Whether the database lets us in. Unlike everything that goes through the pool, it says at
    /// once why not.
    ///
    /// # Errors
    /// With what the network or the server said.
    pub async fn reach(&self) -> Result<()> {
        let connection = Error::at("connect", connect(&self.options).await)?;
        Error::at("connect", sqlx::Connection::close(connection).await)
    }

    /// The database's clock, which all roles agree on.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn clock(&self) -> Result<Instant> {
        Error::at(
            "clock",
            sqlx::query_scalar("select clock_timestamp()")
                .fetch_one(&self.pool)
                .await,
        )
    }

    /// How long a commit takes that makes the server write to its disk, though it changes no
    /// table: the middle one of some.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn commit_round_trip(&self) -> Result<Duration> {
        let mut connection = Error::at("measure commit", self.pool.acquire().await)?;
        let mut taken = [Duration::ZERO; MEASURED_COMMITS];
        for taken in &mut taken {
            let mut transaction = Error::at(
                "measure commit",
                sqlx::Connection::begin(&mut *connection).await,
            )?;
            // An empty transaction would not be written at all.
            let marked = sqlx::query("select pg_logical_emit_message(true, 'headcount', '')")
                .execute(&mut *transaction)
                .await;
            Error::at("measure commit", marked)?;
            let asked_at = std::time::Instant::now();
            Error::at("measure commit", transaction.commit().await)?;
            *taken = asked_at.elapsed();
        }
        taken.sort_unstable();
        Ok(taken[MEASURED_COMMITS / 2])
    }

    /// Ends all connections of this process.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Opens one connection outside the pool.
async fn connect(options: &PgConnectOptions) -> sqlx::Result<sqlx::PgConnection> {
    use sqlx::ConnectOptions as _;
    options.connect().await
}
