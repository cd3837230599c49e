//! Leases: one owner at a time, by terms on the database's clock.
//!
//! A lease is a row, not a lock. A process that was paused beyond its lease may wake up believing
//! that it still owns it; the term, which moves at every change of owner, stops it at its next
//! write. An advisory lock would stay with the paused process.

use std::time::Duration;

use crate::slots::fenced;
use crate::{Error, Result, Store};

/// The name of the exporter's lease.
pub const EXPORTER: &str = "exporter";

/// Proof of having owned a lease: good for as long as the term stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub name: String,
    /// The term that was granted.
    pub term: i64,
}

pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

impl Store {
    /// Tries to take a lease, or to renew one's own. `None` while somebody else holds it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn acquire_lease(
        &self,
        name: &str,
        owner: &str,
        lasts: Duration,
    ) -> Result<Option<Lease>> {
        let term: Option<i64> = Error::at(
            "acquire_lease",
            sqlx::query_scalar(
                "insert into leases as l (name, owner, term, lease_until)
                 values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
                 on conflict (name) do update
                 set owner = $2,
                     term = l.term + (l.owner <> $2)::int,
                     lease_until = clock_timestamp() + make_interval(secs => $3)
                 where l.owner = $2 or l.lease_until < clock_timestamp()
                 returning term",
            )
            .bind(name)
            .bind(owner)
            .bind(seconds(lasts))
            .fetch_optional(&self.pool)
            .await,
        )?;
        Ok(term.map(|term| Lease {
            name: name.to_owned(),
            term,
        }))
    }

    /// Makes sure that a lease is ours and has not run out: what is done right after this, and
    /// cannot be fenced, is done by its owner.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when it is not, or has; otherwise the database is away.
    pub async fn confirm_lease(&self, lease: &Lease) -> Result<()> {
        let held: bool = Error::at(
            "confirm_lease",
            sqlx::query_scalar(
                "select exists (select from leases where name = $1 and term = $2
                                and lease_until > clock_timestamp())",
            )
            .bind(&lease.name)
            .bind(lease.term)
            .fetch_one(&self.pool)
            .await,
        )?;
        fenced(held.into(), &lease.name)
    }

    /// Whether anybody holds a lease.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lease_is_held(&self, name: &str) -> Result<bool> {
        Error::at(
            "lease_is_held",
            sqlx::query_scalar(
                "select exists (select from leases where name = $1
                                and lease_until >= clock_timestamp())",
            )
            .bind(name)
            .fetch_one(&self.pool)
            .await,
        )
    }

    /// Gives a lease back, so that the next owner need not wait for its end.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let done = sqlx::query(
            "update leases set lease_until = '-infinity' where name = $1 and term = $2",
        )
        .bind(&lease.name)
        .bind(lease.term)
        .execute(&self.pool)
        .await;
        Error::at("release_lease", done).map(drop)
    }
}
