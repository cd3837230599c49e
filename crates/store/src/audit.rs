//! Who looked at single devices, and who changed what.

use model::Instant;

use crate::{Error, Result, Store};

/// What somebody did that is to be known later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// When.
    pub at: Instant,
    /// Who: the name of an account.
    pub actor: String,
    /// What: a word such as `device.look`.
    pub action: &'static str,
    /// With what: a device id, a country.
    pub subject: String,
}

/// A deed as it was noted.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct NotedDeed {
    /// Its number: later ones are higher.
    #[sqlx(rename = "audit_no")]
    pub number: i64,
    /// When.
    #[sqlx(rename = "noted_at")]
    pub at: Instant,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// With what.
    pub subject: String,
    /// What else is known.
    pub detail: serde_json::Value,
}

impl Store {
    /// Notes what somebody looked at; it is shown to them after this succeeded. Changes are noted by
    /// what makes them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_deed(&self, deed: &Deed) -> Result<()> {
        let done = sqlx::query(
            "insert into audit (noted_at, actor, action, subject) values ($1, $2, $3, $4)",
        )
        .bind(deed.at)
        .bind(&deed.actor)
        .bind(deed.action)
        .bind(&deed.subject)
        .execute(&self.pool)
        .await;
        Error::at("note a deed", done).map(drop)
    }

    /// What was done, newest first: at most `limit`, and only what was noted before the deed with
    /// the number `before`, where one is given.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn deeds(&self, before: Option<i64>, limit: u32) -> Result<Vec<NotedDeed>> {
        Error::at(
            "deeds",
            sqlx::query_as(
                "select audit_no, noted_at, actor, action, subject, detail from audit
                 where $1::bigint is null or audit_no < $1
                 order by audit_no desc limit $2",
            )
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await,
        )
    }
}
