//! Trying again, while the database is away.

use std::time::Duration;

use crate::Context;

/// The pause before the next attempt, at first and at most.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Waits between attempts, longer each time, and says so once in a while.
pub(crate) struct Retry {
    doing: &'static str,
    attempts: u32,
}

impl Retry {
    pub(crate) fn new(doing: &'static str) -> Self {
        Self { doing, attempts: 0 }
    }

    /// Waits before the next attempt.
    pub(crate) async fn wait(&mut self, context: &Context, error: &store::Error) {
        if self.attempts == 0 {
            tracing::warn!(%error, "{}", self.doing);
        }
        context.health.not_ready("database", error.to_string());
        let pause = RETRY_MIN
            .saturating_mul(2_u32.saturating_pow(self.attempts))
            .min(RETRY_MAX);
        self.attempts += 1;
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }

    /// Says that an attempt succeeded.
    pub(crate) fn reset(&mut self, context: &Context) {
        if self.attempts > 0 {
            tracing::info!(attempts = self.attempts, "the database is back");
            self.attempts = 0;
        }
        context.health.ready("database");
    }
}
