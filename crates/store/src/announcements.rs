//! What was announced, once for ever.

use model::Instant;

use crate::{Error, Result, Store};

impl Store {
    /// What was announced about a topic so far.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn announced(&self, topic: &str) -> Result<Vec<String>> {
        Error::at(
            "announced",
            sqlx::query_scalar("select subject from announcements where topic = $1")
                .bind(topic)
                .fetch_all(&self.pool)
                .await,
        )
    }

    /// Notes what was announced. What is noted already stays as it is.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn note_announced(
        &self,
        topic: &str,
        subjects: &[String],
        now: Instant,
    ) -> Result<()> {
        let done = sqlx::query(
            "insert into announcements (topic, subject, announced_at)
             select $1, unnest($2::text[]), $3 on conflict do nothing",
        )
        .bind(topic)
        .bind(subjects)
        .bind(now)
        .execute(&self.pool)
        .await;
        Error::at("note_announced", done).map(drop)
    }
}
