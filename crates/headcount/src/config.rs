//! Configuration: defaults, then `headcount.toml`, then the environment, then flags.
//!
//! One struct per section of the file. A key nobody knows is an error, so that a typing mistake
//! does not silently leave a default in force. Secrets may come from files: a variable with
//! `_FILE` at its end names one.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use figment::value::{Dict, Value};
use ingest::broker::BrokerUrl;
use ingest::topic::TopicFilter;
use model::{Catalogue, Country};
use serde::{Deserialize, Serialize};
use store::Retention;
use store::countries::CountrySettings;

/// The file that is read where none is named, if it exists.
pub(crate) const DEFAULT_FILE: &str = "headcount.toml";

/// The variables that other programs have named before us, and what they set here.
const WELL_KNOWN_VARIABLES: [(&str, &str); 5] = [
    ("DATABASE_URL", "database.url"),
    ("DD_DOGSTATSD_URL", "datadog.url"),
    ("DD_ENV", "datadog.env"),
    ("DD_SERVICE", "datadog.service"),
    ("DD_VERSION", "datadog.version"),
];

/// A mistake in the configuration: the key, and what to do. Never a value that may be secret.
#[derive(Debug, thiserror::Error)]
#[error("configuration: `{key}`: {problem}")]
pub(crate) struct ConfigError {
    /// The key, with its section.
    pub(crate) key: String,
    /// What is wrong, and how to mend it.
    pub(crate) problem: String,
}

fn wrong(key: &str, problem: impl std::fmt::Display) -> ConfigError {
    ConfigError {
        key: key.to_owned(),
        problem: problem.to_string(),
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) database: Database,
    pub(crate) mqtt: Mqtt,
    pub(crate) ingest: Ingest,
    pub(crate) registry: Registry,
    pub(crate) placing: Placing,
    pub(crate) retention: RetentionDays,
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
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) client_id: String,
    pub(crate) topic_filter: String,
    pub(crate) session_expiry_secs: u64,
    pub(crate) receive_maximum: u16,
    pub(crate) keep_alive_secs: u64,
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
            ca_file: None,
            client_id: "headcount-main".to_owned(),
            topic_filter: "devices/+/heartbeat".to_owned(),
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
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            slot: "main".to_owned(),
            batch_max_age_millis: 50,
            batch_max_messages: 8192,
            probe_interval_secs: 5,
            lease_secs: 15,
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
    pub(crate) max_series: usize,
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
            max_series: 100,
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
    pub(crate) insecure_open: bool,
    pub(crate) public_url: Option<String>,
    pub(crate) request_timeout_secs: u64,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            insecure_open: false,
            public_url: None,
            request_timeout_secs: 10,
        }
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

impl File {
    /// Reads the configuration. `variables` are the process's environment, `overrides` come from
    /// flags, as keys with their sections.
    ///
    /// # Errors
    /// With the key that is wrong, or the file that cannot be read.
    pub(crate) fn read(
        path: Option<&Path>,
        variables: &HashMap<String, String>,
        overrides: &[(&str, Value)],
    ) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        let path = path.unwrap_or_else(|| Path::new(DEFAULT_FILE));
        if path.exists() {
            figment = figment.merge(Toml::file_exact(path));
        } else if path != Path::new(DEFAULT_FILE) {
            return Err(wrong(
                "--config",
                format!("there is no file {}", path.display()),
            ));
        }
        figment = figment.merge(Serialized::globals(environment(variables)?));
        for (key, value) in overrides {
            figment = figment.merge(Serialized::global(key, value));
        }
        figment.extract().map_err(|error| {
            let key = error.path.join(".");
            let key = if key.is_empty() {
                path.display().to_string()
            } else {
                key
            };
            wrong(&key, error.kind)
        })
    }
}

/// The environment as a tree of sections and keys.
fn environment(variables: &HashMap<String, String>) -> Result<Dict, ConfigError> {
    let mut tree = Dict::new();
    // The Agent's host and port are two variables for one setting.
    if let Some(host) = variables
        .get("DD_AGENT_HOST")
        .filter(|host| !host.is_empty())
    {
        let port = variables
            .get("DD_DOGSTATSD_PORT")
            .map_or("8125", String::as_str);
        set(&mut tree, "datadog.url", &format!("udp://{host}:{port}"));
    } else if let Some(port) = variables.get("DD_DOGSTATSD_PORT") {
        set(&mut tree, "datadog.url", &format!("udp://127.0.0.1:{port}"));
    }
    let mut settings: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for (variable, key) in WELL_KNOWN_VARIABLES {
        let file = format!("{variable}_FILE");
        for (name, value) in variables
            .iter()
            .filter(|(name, _)| **name == variable || **name == file)
        {
            settings.insert(key.to_owned(), (name, value));
        }
    }
    // Our own names come after those, and so win.
    let ours: BTreeMap<_, _> = variables.iter().collect();
    for (name, value) in ours {
        let Some(key) = name.strip_prefix("HEADCOUNT_") else {
            continue;
        };
        let key = key
            .strip_suffix("_FILE")
            .filter(|_| names_a_secret(key))
            .unwrap_or(key);
        settings.insert(key.to_ascii_lowercase().replace("__", "."), (name, value));
    }
    for (key, (name, value)) in settings {
        if name.ends_with("_FILE") && (names_a_secret(name) || !name.starts_with("HEADCOUNT_")) {
            let text = std::fs::read_to_string(value)
                .map_err(|error| wrong(name, format!("the file cannot be read: {error}")))?;
            set(&mut tree, &key, text.trim_end());
        } else {
            set(&mut tree, &key, value);
        }
    }
    Ok(tree)
}

/// Whether a variable is `…URL_FILE`: only URLs hold secrets, while `CA_FILE` is a key of its own.
fn names_a_secret(name: &str) -> bool {
    name.ends_with("URL_FILE")
}

fn set(tree: &mut Dict, key: &str, text: &str) {
    // Parsed as the library parses variables: `true`, numbers and lists are what they look like.
    let value = text.parse().unwrap_or_else(|never| match never {});
    let mut tree = tree;
    let mut sections = key.split('.').collect::<Vec<_>>();
    let Some(last) = sections.pop() else { return };
    for section in sections {
        let entry = tree
            .entry(section.to_owned())
            .or_insert_with(|| Value::from(Dict::new()));
        if !matches!(entry, Value::Dict(..)) {
            *entry = Value::from(Dict::new());
        }
        let Value::Dict(_, inner) = entry else { return };
        tree = inner;
    }
    tree.insert(last.to_owned(), value);
}

/// The configuration, read and found to make sense: what the roles are made from.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) file: File,
    pub(crate) broker: BrokerUrl,
    pub(crate) topic_filter: TopicFilter,
    pub(crate) agent: exporter::dogstatsd::Address,
    pub(crate) legacy: Option<exporter::Legacy>,
    pub(crate) countries: HashMap<Country, ingest::CountryOverride>,
    pub(crate) api: headcount_api::Config,
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// With the first key that is wrong.
    pub(crate) fn check(file: File) -> Result<Self, ConfigError> {
        let broker = BrokerUrl::parse(&file.mqtt.url).map_err(|e| wrong("mqtt.url", e))?;
        let topic_filter = TopicFilter::parse(&file.mqtt.topic_filter)
            .map_err(|e| wrong("mqtt.topic_filter", e))?;
        let agent = exporter::dogstatsd::Address::parse(&file.datadog.url)
            .map_err(|e| wrong("datadog.url", e))?;
        store::Store::check_url(&file.database.url).map_err(|e| wrong("database.url", e))?;
        let countries = countries(&file)?;
        let legacy = legacy(&file)?;
        let api = api(&file)?;
        ranges(&file)?;
        Ok(Self {
            broker,
            topic_filter,
            agent,
            legacy,
            countries,
            api,
            file,
        })
    }

    /// What holds for a country.
    pub(crate) fn country_settings(
        &self,
        country: Country,
        catalogue: &Catalogue,
    ) -> CountrySettings {
        self.ingest().country_settings(country, catalogue)
    }

    pub(crate) fn ingest(&self) -> ingest::Config {
        let File {
            mqtt,
            ingest,
            registry,
            retention,
            ..
        } = &self.file;
        ingest::Config {
            slot: ingest.slot.clone(),
            broker: self.broker.clone(),
            ca_file: mqtt.ca_file.clone(),
            client_id: mqtt.client_id.clone(),
            topic_filter: self.topic_filter.clone(),
            session_expiry: Duration::from_secs(mqtt.session_expiry_secs),
            receive_maximum: mqtt.receive_maximum,
            batch_max_age: Duration::from_millis(ingest.batch_max_age_millis),
            batch_max_messages: ingest.batch_max_messages,
            probe_interval: Duration::from_secs(ingest.probe_interval_secs),
            lease: Duration::from_secs(ingest.lease_secs),
            keep_alive: Duration::from_secs(mqtt.keep_alive_secs),
            registry: match registry.mode {
                RegistryMode::Open => ingest::Registry::Open {
                    max_devices: registry.max_devices,
                },
                RegistryMode::Closed => ingest::Registry::Closed,
            },
            countries: self.countries.clone(),
            reach_window: Duration::from_secs(self.file.reach_window_secs),
            retention: Retention {
                heartbeats_days: retention.heartbeats_days,
                heartbeats_max_bytes: u64::from(retention.heartbeats_max_gb) * 1_000_000_000,
                presence_days: retention.presence_days,
                quarantine_days: retention.quarantine_days,
            },
        }
    }

    pub(crate) fn exporter(&self) -> exporter::Config {
        let Datadog {
            prefix,
            env,
            host,
            service,
            version,
            carrier_now,
            max_series,
            ..
        } = &self.file.datadog;
        exporter::Config {
            agent: self.agent.clone(),
            prefix: prefix.clone(),
            env: env.clone().map(String::from),
            host: host.clone().into(),
            service: service.clone().map(String::from),
            version: version.clone().map(String::from),
            carrier_now: *carrier_now,
            max_series: *max_series,
            legacy: self.legacy.clone(),
            tick: Duration::from_secs(1),
            lease: Duration::from_secs(self.file.ingest.lease_secs),
        }
    }

    pub(crate) fn store(&self, role: &str) -> store::Settings {
        store::Settings {
            url: self.file.database.url.clone(),
            max_connections: self.file.database.max_connections,
            statement_timeout: Duration::from_secs(self.file.database.statement_timeout_secs),
            application_name: format!("headcount-{role}"),
        }
    }

    /// Networks and countries, with the overrides of the configuration.
    ///
    /// # Errors
    /// When the file of networks cannot be read.
    pub(crate) fn catalogue(&self) -> Result<Catalogue, ConfigError> {
        let catalogue = Catalogue::builtin();
        let Some(path) = &self.file.placing.networks_file else {
            return Ok(catalogue);
        };
        let key = "placing.networks_file";
        let text = std::fs::read_to_string(path)
            .map_err(|error| wrong(key, format!("{}: {error}", path.display())))?;
        catalogue
            .with_networks(&text)
            .map_err(|error| wrong(key, format!("{}: {error}", path.display())))
    }
}

fn countries(file: &File) -> Result<HashMap<Country, ingest::CountryOverride>, ConfigError> {
    let mut countries = HashMap::new();
    for (code, settings) in &file.countries {
        let key = format!("countries.{code}");
        let country = Country::parse(code).map_err(|error| wrong(&key, error))?;
        let zone = |name: &String| {
            name.parse::<Tz>().map_err(|_| {
                let hint = "is no IANA zone; zones look like `Asia/Manila`";
                wrong(&format!("{key}.time_zone"), format!("`{name}` {hint}"))
            })
        };
        let time_zone = settings.time_zone.as_ref().map(zone).transpose()?;
        if let Some(secs) = settings.reach_window_secs {
            reach_window(&format!("{key}.reach_window_secs"), secs)?;
        }
        let reach_window = settings.reach_window_secs.map(Duration::from_secs);
        countries.insert(
            country,
            ingest::CountryOverride {
                time_zone,
                reach_window,
            },
        );
    }
    Ok(countries)
}

fn legacy(file: &File) -> Result<Option<exporter::Legacy>, ConfigError> {
    let Some(legacy) = &file.datadog.legacy else {
        return Ok(None);
    };
    let countries = legacy
        .countries
        .iter()
        .map(|(code, name)| {
            let country = Country::parse(code)
                .map_err(|error| wrong(&format!("datadog.legacy.countries.{code}"), error))?;
            Ok((country, name.clone()))
        })
        .collect::<Result<_, _>>()?;
    Ok(Some(exporter::Legacy {
        metric: legacy.metric.clone(),
        countries,
    }))
}

fn api(file: &File) -> Result<headcount_api::Config, ConfigError> {
    let listen = file.api.listen.parse().map_err(|_| {
        wrong(
            "api.listen",
            "it is an address and a port, such as 127.0.0.1:8080",
        )
    })?;
    let api = headcount_api::Config {
        listen,
        insecure_open: file.api.insecure_open,
        request_timeout: Duration::from_secs(file.api.request_timeout_secs),
    };
    api.check().map_err(|error| wrong("api.listen", error))?;
    Ok(api)
}

fn reach_window(key: &str, secs: u64) -> Result<(), ConfigError> {
    if (60..=604_800).contains(&secs) && secs.is_multiple_of(60) {
        return Ok(());
    }
    Err(wrong(
        key,
        format!("{secs} is not a whole number of minutes from 60 to 604800 seconds"),
    ))
}

fn ranges(file: &File) -> Result<(), ConfigError> {
    let File {
        database,
        mqtt,
        ingest,
        registry,
        retention,
        datadog,
        api,
        ..
    } = file;
    reach_window("reach_window_secs", file.reach_window_secs)?;
    let at_least = |key: &str, value: u64, least: u64| {
        if value >= least {
            return Ok(());
        }
        Err(wrong(
            key,
            format!("{value} is too little; at least {least}"),
        ))
    };
    at_least(
        "database.max_connections",
        database.max_connections.into(),
        4,
    )?;
    at_least(
        "database.statement_timeout_secs",
        database.statement_timeout_secs,
        1,
    )?;
    at_least("mqtt.receive_maximum", mqtt.receive_maximum.into(), 1)?;
    at_least("mqtt.keep_alive_secs", mqtt.keep_alive_secs, 5)?;
    at_least("mqtt.session_expiry_secs", mqtt.session_expiry_secs, 3600)?;
    at_least(
        "ingest.batch_max_age_millis",
        ingest.batch_max_age_millis,
        1,
    )?;
    at_least(
        "ingest.batch_max_messages",
        ingest.batch_max_messages as u64,
        1,
    )?;
    at_least("ingest.probe_interval_secs", ingest.probe_interval_secs, 1)?;
    at_least("ingest.lease_secs", ingest.lease_secs, 6)?;
    at_least(
        "registry.max_devices",
        u64::try_from(registry.max_devices).unwrap_or(0),
        1,
    )?;
    at_least(
        "retention.heartbeats_days",
        retention.heartbeats_days.into(),
        1,
    )?;
    at_least(
        "retention.heartbeats_max_gb",
        retention.heartbeats_max_gb.into(),
        1,
    )?;
    at_least("retention.presence_days", retention.presence_days.into(), 4)?;
    at_least(
        "retention.quarantine_days",
        retention.quarantine_days.into(),
        1,
    )?;
    at_least("datadog.max_series", datadog.max_series as u64, 1)?;
    at_least("api.request_timeout_secs", api.request_timeout_secs, 1)?;
    if ingest.slot.is_empty() || ingest.slot.contains(['/', '+', '#']) {
        return Err(wrong(
            "ingest.slot",
            "a slot's name is part of a topic: no /, + or #",
        ));
    }
    if mqtt.client_id.is_empty() {
        return Err(wrong(
            "mqtt.client_id",
            "the broker keeps our messages under it; name one",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.toml");
        std::fs::write(&path, toml).unwrap();
        let variables = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        File::read(Some(&path), &variables, &[]).and_then(Config::check)
    }

    #[test]
    fn defaults_then_file_then_environment() {
        let config = read("", &[]).unwrap();
        assert_eq!(config.broker.address(), "127.0.0.1:1883");
        let toml = "[mqtt]\nurl = 'mqtt://a:1'\n[countries.ph]\nreach_window_secs = 600";
        let config = read(toml, &[]).unwrap();
        assert_eq!(config.broker.address(), "a:1");
        let ph = Country::parse("ph").unwrap();
        assert_eq!(
            config.countries[&ph].reach_window,
            Some(Duration::from_secs(600))
        );
        let environment = [
            ("HEADCOUNT_MQTT__URL", "mqtt://u:12345@b:2"),
            ("HEADCOUNT_MQTT__RECEIVE_MAXIMUM", "100"),
            ("HEADCOUNT_COUNTRIES__IN__TIME_ZONE", "Asia/Kolkata"),
            ("DD_AGENT_HOST", "agent"),
            ("DD_VERSION", "7"),
            ("PATH", "/bin"),
        ];
        let config = read(toml, &environment).unwrap();
        assert_eq!(config.broker.address(), "b:2");
        assert_eq!(config.file.mqtt.receive_maximum, 100);
        assert_eq!(config.agent.to_string(), "udp://agent:8125");
        assert_eq!(config.file.datadog.version, Some(Text("7".into())));
        let india = Country::parse("in").unwrap();
        assert_eq!(config.countries[&india].time_zone, Some(Tz::Asia__Kolkata));
    }

    #[test]
    fn our_own_variables_win_over_those_of_others() {
        let config = read(
            "",
            &[
                ("DATABASE_URL", "postgres://a/x"),
                ("HEADCOUNT_DATABASE__URL", "postgres://b/y"),
                ("DD_DOGSTATSD_URL", "unix:///var/run/dsd.socket"),
                ("DD_AGENT_HOST", "agent"),
            ],
        )
        .unwrap();
        assert_eq!(config.file.database.url, "postgres://b/y");
        assert_eq!(config.agent.to_string(), "unix:///var/run/dsd.socket");
    }

    #[test]
    fn secrets_may_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "postgres://u:secret@db/headcount\n").unwrap();
        for variable in ["DATABASE_URL_FILE", "HEADCOUNT_DATABASE__URL_FILE"] {
            let config = read("", &[(variable, path.to_str().unwrap())]).unwrap();
            assert_eq!(config.file.database.url, "postgres://u:secret@db/headcount");
        }
        let error = read("", &[("DATABASE_URL_FILE", "/nonexistent")]).unwrap_err();
        assert!(error.to_string().contains("DATABASE_URL_FILE"), "{error}");
    }

    #[test]
    fn a_mistake_names_its_key_and_never_a_secret() {
        let cases = [
            ("[mqtt]\nulr = 'x'", "mqtt.ulr"),
            ("[nothing]\nx = 1", "nothing"),
            ("[mqtt]\nurl = 'http://u:hunter2@b'", "mqtt.url"),
            ("[database]\nurl = 'mysql://u:hunter2@b'", "database.url"),
            ("[mqtt]\ntopic_filter = 'devices/#'", "mqtt.topic_filter"),
            ("[mqtt]\nreceive_maximum = 70000", "mqtt.receive_maximum"),
            (
                "[retention]\nheartbeats_days = 0",
                "retention.heartbeats_days",
            ),
            ("[ingest]\nlease_secs = 1", "ingest.lease_secs"),
            (
                "[countries.phl]\ntime_zone = 'Asia/Manila'",
                "countries.phl",
            ),
            (
                "[countries.ph]\ntime_zone = 'Manila'",
                "countries.ph.time_zone",
            ),
            ("reach_window_secs = 61", "reach_window_secs"),
            ("[api]\nlisten = '0.0.0.0:8080'", "api.listen"),
            ("[datadog]\nurl = 'agent'", "datadog.url"),
            ("[registry]\nmode = 'ajar'", "registry.mode"),
            ("[datadog.legacy]\nname = 'x'", "datadog.legacy"),
            ("[api", "test.toml"),
        ];
        for (toml, key) in cases {
            let message = read(toml, &[]).unwrap_err().to_string();
            assert!(message.contains(key), "{toml:?}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        let error = read("", &[("HEADCOUNT_API__LISTN", "x")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("api.listn"), "{error}");
    }
}
