//! The sections and keys of `headcount.toml`, with their defaults. What they mean is said once, in
//! the file that `headcount init` writes (`commands/init.toml`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) database: Database,
    pub(crate) mqtt: Mqtt,
    pub(crate) ingest: Ingest,
    pub(crate) registry: Registry,
    pub(crate) placing: Placing,
    pub(crate) retention: RetentionDays,
    pub(crate) exporter: Exporter,
    pub(crate) datadog: Datadog,
    pub(crate) api: Api,
    pub(crate) log: Log,
    /// Seconds after its last heartbeat for which a device counts as reachable; three heartbeat
    /// intervals.
    pub(crate) reach_window_secs: u64,
    pub(crate) countries: BTreeMap<String, CountryFile>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            database: Database::default(),
            mqtt: Mqtt::default(),
            ingest: Ingest::default(),
            registry: Registry::default(),
            placing: Placing::default(),
            retention: RetentionDays::default(),
            exporter: Exporter::default(),
            datadog: Datadog::default(),
            api: Api::default(),
            log: Log::default(),
            reach_window_secs: 900,
            countries: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) max_connections: u32,
    pub(crate) statement_timeout_secs: u64,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: "postgres://headcount@127.0.0.1:5432/headcount".to_owned(),
            max_connections: 16,
            statement_timeout_secs: 10,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mqtt {
    pub(crate) url: String,
    pub(crate) version: MqttVersion,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) client_certificate_file: Option<PathBuf>,
    pub(crate) client_key_file: Option<PathBuf>,
    pub(crate) client_id: String,
    pub(crate) topic_filter: String,
    pub(crate) dropped_topic: String,
    pub(crate) uptime_topic: String,
    pub(crate) session_expiry_secs: u64,
    pub(crate) receive_maximum: u16,
    pub(crate) keep_alive_secs: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MqttVersion {
    /// 5, and 3.1.1 where the broker says that it lacks 5.
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "5")]
    V5,
    #[serde(rename = "3.1.1")]
    V311,
}

impl From<MqttVersion> for Option<ingest::broker::Protocol> {
    fn from(version: MqttVersion) -> Self {
        match version {
            MqttVersion::Auto => None,
            MqttVersion::V5 => Some(ingest::broker::Protocol::V5),
            MqttVersion::V311 => Some(ingest::broker::Protocol::V311),
        }
    }
}

impl std::fmt::Debug for Mqtt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mqtt")
            .field("client_id", &self.client_id)
            .field("topic_filter", &self.topic_filter)
            .finish_non_exhaustive()
    }
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            url: "mqtt://127.0.0.1:1883".to_owned(),
            version: MqttVersion::Auto,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            client_id: "headcount-main".to_owned(),
            topic_filter: "devices/+/heartbeat".to_owned(),
            dropped_topic: "$SYS/broker/publish/messages/dropped".to_owned(),
            uptime_topic: "$SYS/broker/uptime".to_owned(),
            session_expiry_secs: 7 * 24 * 3600,
            receive_maximum: u16::MAX,
            keep_alive_secs: 5,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ingest {
    pub(crate) slot: String,
    pub(crate) batch_max_age_millis: u64,
    pub(crate) batch_max_messages: usize,
    pub(crate) probe_interval_secs: u64,
    pub(crate) lease_secs: u64,
    /// Fields by name, with the path at which each stands in a payload.
    pub(crate) fields: BTreeMap<String, Text>,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            slot: "main".to_owned(),
            batch_max_age_millis: 50,
            batch_max_messages: 8192,
            probe_interval_secs: 5,
            lease_secs: 15,
            fields: BTreeMap::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Registry {
    pub(crate) mode: RegistryMode,
    pub(crate) max_devices: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RegistryMode {
    Open,
    Closed,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            mode: RegistryMode::Open,
            max_devices: 5_000_000,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Placing {
    pub(crate) networks_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetentionDays {
    pub(crate) heartbeats_days: u32,
    pub(crate) heartbeats_max_gb: u32,
    pub(crate) presence_days: u32,
    pub(crate) quarantine_days: u32,
}

impl Default for RetentionDays {
    fn default() -> Self {
        Self {
            heartbeats_days: 2,
            heartbeats_max_gb: 20,
            presence_days: 35,
            quarantine_days: 7,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exporter {
    pub(crate) dead_man_url: Option<Secret>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Datadog {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) env: Option<Text>,
    pub(crate) host: Text,
    pub(crate) service: Option<Text>,
    pub(crate) version: Option<Text>,
    pub(crate) carrier_now: bool,
    pub(crate) min_carrier_devices: u32,
    pub(crate) max_series: usize,
    pub(crate) historical_metrics: bool,
    pub(crate) legacy: Option<Legacy>,
}

impl Default for Datadog {
    fn default() -> Self {
        Self {
            url: "udp://127.0.0.1:8125".to_owned(),
            prefix: "headcount".to_owned(),
            env: None,
            host: Text(String::new()),
            service: None,
            version: None,
            carrier_now: false,
            min_carrier_devices: 20,
            max_series: 100,
            historical_metrics: false,
            legacy: None,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Legacy {
    pub(crate) metric: String,
    #[serde(default)]
    pub(crate) countries: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    pub(crate) listen: String,
    pub(crate) basic_auth: Option<BasicAuth>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) oidc: Option<OidcFile>,
    pub(crate) signing_key: Option<Secret>,
    pub(crate) insecure_open: bool,
    pub(crate) probes_listen: Option<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) request_timeout_secs: u64,
    pub(crate) requests_per_second: u32,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            basic_auth: None,
            proxy: None,
            oidc: None,
            signing_key: None,
            insecure_open: false,
            probes_listen: None,
            public_url: None,
            request_timeout_secs: 10,
            requests_per_second: 100,
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BasicAuth {
    pub(crate) viewer: Option<Secret>,
    pub(crate) operator: Option<Secret>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Proxy {
    pub(crate) peers: Vec<String>,
    pub(crate) email_header: String,
    pub(crate) groups_header: String,
    pub(crate) viewer_email_domains: Vec<String>,
    pub(crate) viewer_groups: Vec<Text>,
    pub(crate) operator_emails: Vec<String>,
    pub(crate) operator_groups: Vec<Text>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            peers: Vec::new(),
            email_header: "X-Auth-Request-Email".to_owned(),
            groups_header: "X-Auth-Request-Groups".to_owned(),
            viewer_email_domains: Vec::new(),
            viewer_groups: Vec::new(),
            operator_emails: Vec::new(),
            operator_groups: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OidcFile {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) scopes: Vec<String>,
    pub(crate) groups_claim: String,
    pub(crate) session_secs: u64,
    pub(crate) viewer_email_domains: Vec<String>,
    pub(crate) viewer_groups: Vec<Text>,
    pub(crate) operator_emails: Vec<String>,
    pub(crate) operator_groups: Vec<Text>,
}

impl Default for OidcFile {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            scopes: vec!["email".to_owned()],
            groups_claim: "groups".to_owned(),
            session_secs: 8 * 3600,
            viewer_email_domains: Vec::new(),
            viewer_groups: Vec::new(),
            operator_emails: Vec::new(),
            operator_groups: Vec::new(),
        }
    }
}

/// Text that is never shown, not even when it is of a wrong kind.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Scalar", into = "String")]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl TryFrom<Scalar> for Secret {
    type Error = &'static str;

    fn try_from(scalar: Scalar) -> Result<Self, Self::Error> {
        match scalar {
            Scalar::Text(text) => Ok(Self(text)),
            Scalar::Integer(_) | Scalar::Number(_) | Scalar::Truth(_) => {
                Err("it is text, in quotation marks")
            }
        }
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CountryFile {
    pub(crate) time_zone: Option<String>,
    pub(crate) reach_window_secs: Option<u64>,
}

/// Text that may look like a number: `DD_VERSION=7` is no mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Scalar", into = "String")]
pub(crate) struct Text(pub(crate) String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Integer(i64),
    Number(f64),
    Truth(bool),
}

impl From<Scalar> for Text {
    fn from(scalar: Scalar) -> Self {
        Self(match scalar {
            Scalar::Text(text) => text,
            Scalar::Integer(integer) => integer.to_string(),
            Scalar::Number(number) => number.to_string(),
            Scalar::Truth(truth) => truth.to_string(),
        })
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}
