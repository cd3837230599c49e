//! Secrets that headcount makes for itself and keeps for all its processes.

use crate::{Error, Result, Store};

impl Store {
    /// The secret of this name: the one that is kept, or else `made`, which is kept from now on. All
    /// who ask get the same.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn keep_secret(&self, name: &str, made: &[u8]) -> Result<Vec<u8>> {
        let kept = sqlx::query(
            "insert into secrets (name, value) values ($1, $2) on conflict (name) do nothing",
        )
        .bind(name)
        .bind(made)
        .execute(&self.pool)
        .await;
        Error::at("keep_secret", kept)?;
        Error::at(
            "keep_secret",
            sqlx::query_scalar("select value from secrets where name = $1")
                .bind(name)
                .fetch_one(&self.pool)
                .await,
        )
    }
}
