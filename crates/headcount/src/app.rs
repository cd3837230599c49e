//! What every command works with.

use std::sync::Arc;

use model::{Catalogue, Clock as _};
use store::Store;
use telemetry::Health;
use tokio_util::sync::CancellationToken;

use crate::clock::AnchoredClock;
use crate::commands::old_counts::CountryNames;
use crate::config::Config;

/// The configuration, and what was made from it. Nothing is connected yet.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) clock: Arc<AnchoredClock>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
}

impl App {
    pub(crate) fn new(config: Config, role: &str) -> anyhow::Result<Self> {
        let store = Store::new(&config.store(role))?;
        let catalogue = Arc::new(config.catalogue()?);
        Ok(Self {
            store,
            clock: Arc::default(),
            catalogue,
            health: Health::default(),
            shutdown: CancellationToken::new(),
            config,
        })
    }

    /// What countries are called elsewhere.
    pub(crate) fn country_names(&self) -> Arc<CountryNames> {
        let legacy = self.config.legacy.as_ref();
        Arc::new(CountryNames::new(Arc::clone(&self.catalogue), legacy))
    }

    /// Makes sure that the database is there, with the schema we know, and that our clock agrees
    /// with its: what commands that read or write counts need at once.
    pub(crate) async fn anchor(&self) -> anyhow::Result<()> {
        self.store.reach().await?;
        self.store.check_schema().await?;
        self.clock.anchor(&self.store).await?;
        tracing::debug!(now = %self.clock.now(), "clock anchored");
        Ok(())
    }
}
