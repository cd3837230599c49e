//! What can go wrong at the database, as far as a caller would act on it.

/// The result of everything that talks to the database.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure at the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is not one of a Postgres database. The URL itself may hold a password and is not
    /// repeated.
    #[error(
        "the database URL cannot be read; it looks like postgres://user:password@host:5432/headcount"
    )]
    Url,
    /// The lease is held by another process, or ran out and was taken over.
    #[error("the lease `{0}` is no longer ours")]
    LeaseLost(String),
    /// Another slot hears some of the same topics.
    #[error(
        "the slot `{slot}` would hear `{filter}`, which overlaps with `{other_filter}` of the slot \
         `{other}`: messages would reach both. Give them filters without a common topic \
         (mqtt.topic_filter), or, if `{other}` is not run any more, `headcount slots retire {other}`"
    )]
    FilterOverlap {
        /// The slot that was to be taken.
        slot: String,
        /// Its filter.
        filter: String,
        /// The slot in its way.
        other: String,
        /// The filter of that one.
        other_filter: String,
    },
    /// The schema is older than this binary.
    #[error(
        "the database schema is at version {found}, this binary needs {wanted}: run `headcount migrate`"
    )]
    Schema {
        /// The newest migration found.
        found: i64,
        /// The newest migration known.
        wanted: i64,
    },
    /// A migration failed.
    #[error("migration failed: {0}")]
    Migration(sqlx::migrate::MigrateError),
    /// The database did not answer in time and the connection was given up.
    #[error("the database did not answer within {0} s")]
    Stalled(u64),
    /// Anything else, with what was being done.
    #[error("{doing}: {}", reason(.cause))]
    Database {
        /// The operation.
        doing: &'static str,
        /// What the database or the network said. Part of the message, so not a source of its own.
        cause: sqlx::Error,
    },
    /// What the database holds cannot be understood.
    #[error("the database holds a {what} that cannot be read: {value}")]
    Corrupt {
        /// The kind of value.
        what: &'static str,
        /// The value.
        value: String,
    },
}

/// The pool says that it waited, not why; the two reasons there can be are said instead.
fn reason(cause: &sqlx::Error) -> String {
    match cause {
        sqlx::Error::PoolTimedOut => {
            "no connection in time: the database is away, or all connections are busy".to_owned()
        }
        cause => cause.to_string(),
    }
}

impl Error {
    pub(crate) fn at<T>(doing: &'static str, result: sqlx::Result<T>) -> Result<T> {
        result.map_err(|cause| Self::Database { doing, cause })
    }

    fn sqlstate(&self) -> Option<String> {
        let Self::Database {
            cause: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return None;
        };
        error.code().map(|code| code.into_owned())
    }

    /// Whether a row was refused for what it holds, so that trying again cannot help: SQLSTATE
    /// class 22 (data) and 23 (constraint), except a missing partition.
    #[must_use]
    pub fn is_content(&self) -> bool {
        let Some(state) = self.sqlstate() else {
            return false;
        };
        (state.starts_with("22") || state.starts_with("23")) && !self.is_missing_partition()
    }

    /// Whether a row had no partition to go to. Postgres reports it as a violated check, but
    /// names no constraint.
    #[must_use]
    pub fn is_missing_partition(&self) -> bool {
        let Self::Database {
            cause: sqlx::Error::Database(error),
            ..
        } = self
        else {
            return false;
        };
        error.code().as_deref() == Some("23514") && error.constraint().is_none()
    }

    /// Whether two snapshots collided and the same work, done again, will succeed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self.sqlstate().as_deref(), Some("40001" | "40P01"))
    }

    /// Whether the server ended the statement because it ran longer than allowed.
    #[must_use]
    pub fn is_too_slow(&self) -> bool {
        self.sqlstate().as_deref() == Some("57014")
    }

    /// Whether no connection could be had in time.
    #[must_use]
    pub fn is_pool_exhausted(&self) -> bool {
        matches!(
            self,
            Self::Database {
                cause: sqlx::Error::PoolTimedOut,
                ..
            }
        )
    }

    /// Whether the database cannot be reached at all.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Stalled(_) => true,
            Self::Database { cause, .. } => match cause {
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
                // 57P01–57P03: shutting down, crashed, starting up.
                sqlx::Error::Database(error) => {
                    error.code().is_some_and(|code| code.starts_with("57P"))
                }
                _ => false,
            },
            _ => false,
        }
    }
}
