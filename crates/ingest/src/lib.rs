//! MQTT in, presence out.
//!
//! The way of a heartbeat through this crate, one file per stage:
//!
//! 1. [`subscriber`] takes it from the broker and, with [`topic`] and [`decode`], reads it.
//! 2. [`writer`], from a bounded queue ([`waiting`]), gathers what has come into a batch, in order,
//! 3. `placer` gives its device a number (from the [`roster`]), and by the rules of [`place`] a
//!    country and a carrier,
//! 4. [`assemble`] turns the batch into rows, judging when each was heard,
//! 5. the store commits them, and only then does the broker get its acknowledgement.
//!
//! [`slot`] holds the lease under which all this happens, [`probe`] moves the watermark, and
//! [`tail`] recognises what the broker sends twice. What was set aside goes the same way later, when
//! a person asks for it ([`replay`]).

pub mod assemble;
pub mod broker;
pub mod decode;
mod encode;
pub mod place;
mod placer;
mod present;
pub mod probe;
mod quarantine;
pub mod replay;
mod retry;
pub mod roster;
pub mod slot;
pub mod subscriber;
pub mod tail;
pub mod tls;
pub mod topic;
pub mod waiting;
pub mod window;
pub mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Catalogue, Clock, Country};
use store::countries::CountrySettings;
use store::{Retention, Store};
use telemetry::Health;
use tokio_util::sync::CancellationToken;

pub use slot::run;

/// Everything an ingest role is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The slot's name.
    pub slot: String,
    /// Where the broker is.
    pub broker: broker::BrokerUrl,
    /// The version of MQTT to speak; without it 5, and 3.1.1 where the broker lacks 5.
    pub protocol: Option<broker::Protocol>,
    /// Whom to trust there, and who we are, where it speaks TLS.
    pub tls: tls::TlsFiles,
    /// The client id of the session; keep it, the broker keeps messages under it.
    pub client_id: String,
    /// Which topics carry heartbeats.
    pub topic_filter: topic::TopicFilter,
    /// Where the fields stand in a payload.
    pub field_paths: decode::FieldPaths,
    /// The topic on which the broker says how many messages it has dropped, if it does.
    pub dropped_topic: Option<String>,
    /// The topic on which the broker says for how many seconds it has been running, if it does.
    pub uptime_topic: Option<String>,
    /// How long the broker keeps the session, and what arrives for it, while we are away.
    pub session_expiry: Duration,
    /// Messages the broker may hand over before it waits for an acknowledgement.
    pub receive_maximum: u16,
    /// A batch is committed when it is this old …
    pub batch_max_age: Duration,
    /// … or has this many messages.
    pub batch_max_messages: usize,
    /// How often a probe is sent to move the watermark.
    pub probe_interval: Duration,
    /// How long the slot is ours after each commit.
    pub lease: Duration,
    /// Pings go out this often; a broker silent for two and a half times as long is given up.
    pub keep_alive: Duration,
    /// Whether devices nobody imported are taken in.
    pub registry: Registry,
    /// Zones and reach windows that differ from the catalogue's.
    pub countries: HashMap<Country, CountryOverride>,
    /// The reach window of countries without one of their own.
    pub reach_window: Duration,
    /// How long what is kept.
    pub retention: Retention,
}

/// Who may be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// Anyone: unknown devices are registered when first heard, up to this many in all.
    Open {
        /// The most devices there may be.
        max_devices: i32,
    },
    /// Only devices that were imported.
    Closed,
}

/// What configuration says about a country.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountryOverride {
    /// Its reporting zone.
    pub time_zone: Option<chrono_tz::Tz>,
    /// How long after its last heartbeat a device counts as reachable.
    pub reach_window: Option<Duration>,
}

impl Config {
    /// What holds for a country: configuration before the catalogue, and UTC for what is neither.
    #[must_use]
    pub fn country_settings(&self, country: Country, catalogue: &Catalogue) -> CountrySettings {
        let overrides = self.countries.get(&country).copied().unwrap_or_default();
        let zone = overrides
            .time_zone
            .or_else(|| catalogue.country(country).map(|info| info.time_zone))
            .unwrap_or(chrono_tz::Tz::UTC);
        CountrySettings {
            time_zone: zone,
            reach_window: overrides.reach_window.unwrap_or(self.reach_window),
        }
    }
}

/// What an ingest role works with.
#[derive(Clone)]
pub struct Context {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Networks and countries.
    pub catalogue: Arc<Catalogue>,
    /// Where to say whether it works.
    pub health: Health,
    /// Asks to end: commit, acknowledge, leave the broker, give the lease back.
    pub shutdown: CancellationToken,
}
