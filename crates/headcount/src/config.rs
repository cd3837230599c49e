//! Configuration: defaults, then `headcount.toml`, then the environment, then flags.
//!
//! One struct per section of the file. A key nobody knows is an error, so that a typing mistake
//! does not silently leave a default in force. Values may come from files, as secrets should: a
//! variable with `_FILE` at its end names one.

mod environment;
mod file;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use chrono_tz::Tz;
use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use figment::value::Value;
use headcount_api::{
    Access, Account, BasicAuth, Members, Oidc, OidcError, OidcSettings, PublicUrl, SigningKey,
    TrustedProxy, TrustedProxyError, Ways,
};
use ingest::broker::BrokerUrl;
use ingest::decode::FieldPaths;
use ingest::tls::TlsFiles;
use ingest::topic::TopicFilter;
use model::{Catalogue, Country};
use store::Retention;
use store::countries::CountrySettings;

use file::{Datadog, RegistryMode, Secret};
pub(crate) use file::{File, Text};

/// How long a session may last, in seconds: from a minute to a week.
const MIN_SESSION_SECS: u64 = 60;
const MAX_SESSION_SECS: u64 = 7 * 24 * 3600;

/// The file that is read where none is named, if it exists.
pub(crate) const DEFAULT_FILE: &str = "headcount.toml";

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
        figment = figment.merge(Serialized::globals(environment::environment(variables)?));
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

/// The configuration, read and found to make sense: what the roles are made from.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) file: File,
    pub(crate) broker: BrokerUrl,
    pub(crate) tls: TlsFiles,
    pub(crate) topic_filter: TopicFilter,
    /// Where the fields stand in a payload.
    pub(crate) field_paths: FieldPaths,
    pub(crate) agent: exporter::dogstatsd::Address,
    pub(crate) legacy: Option<exporter::Legacy>,
    pub(crate) dead_man: Option<exporter::dead_man::Url>,
    pub(crate) countries: HashMap<Country, ingest::CountryOverride>,
    pub(crate) api: headcount_api::Config,
    /// Where a process without the API answers probes, if anywhere.
    pub(crate) probes: Option<std::net::SocketAddr>,
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// With the first key that is wrong.
    pub(crate) fn check(file: File) -> Result<Self, ConfigError> {
        let broker = BrokerUrl::parse(&file.mqtt.url).map_err(|e| wrong("mqtt.url", e))?;
        let tls = tls(&file, &broker)?;
        let topic_filter = TopicFilter::parse(&file.mqtt.topic_filter)
            .map_err(|e| wrong("mqtt.topic_filter", e))?;
        let field_paths = field_paths(&file)?;
        let agent = exporter::dogstatsd::Address::parse(&file.datadog.url)
            .map_err(|e| wrong("datadog.url", e))?;
        store::Store::check_url(&file.database.url).map_err(|e| wrong("database.url", e))?;
        let countries = countries(&file)?;
        let legacy = legacy(&file)?;
        let dead_man = dead_man(&file)?;
        let api = api(&file)?;
        let probes = file
            .api
            .probes_listen
            .as_deref()
            .map(|text| address("api.probes_listen", text))
            .transpose()?;
        ranges(&file)?;
        Ok(Self {
            broker,
            tls,
            topic_filter,
            field_paths,
            agent,
            legacy,
            dead_man,
            countries,
            api,
            probes,
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
            protocol: mqtt.version.into(),
            tls: self.tls.clone(),
            client_id: mqtt.client_id.clone(),
            topic_filter: self.topic_filter.clone(),
            field_paths: self.field_paths.clone(),
            dropped_topic: Some(mqtt.dropped_topic.clone()).filter(|topic| !topic.is_empty()),
            uptime_topic: Some(mqtt.uptime_topic.clone()).filter(|topic| !topic.is_empty()),
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
            min_carrier_devices,
            max_series,
            historical_metrics,
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
            min_carrier_devices: *min_carrier_devices,
            max_series: *max_series,
            historical_metrics: *historical_metrics,
            legacy: self.legacy.clone(),
            dead_man: self.dead_man.clone(),
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

fn field_paths(file: &File) -> Result<FieldPaths, ConfigError> {
    let paths = file.ingest.fields.iter();
    FieldPaths::new(paths.map(|(field, path)| (field.as_str(), path.0.as_str())))
        .map_err(|error| wrong(&format!("ingest.fields.{}", error.field), error))
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

fn dead_man(file: &File) -> Result<Option<exporter::dead_man::Url>, ConfigError> {
    let url = file.exporter.dead_man_url.as_ref();
    url.map(|secret| exporter::dead_man::Url::parse(&secret.0))
        .transpose()
        .map_err(|error| wrong("exporter.dead_man_url", error))
}

fn tls(file: &File, broker: &BrokerUrl) -> Result<TlsFiles, ConfigError> {
    let mqtt = &file.mqtt;
    let (certificate, key) = ("mqtt.client_certificate_file", "mqtt.client_key_file");
    let named = match (&mqtt.client_certificate_file, &mqtt.client_key_file) {
        (Some(_), None) => return Err(wrong(key, format!("{certificate} needs its key here"))),
        (None, Some(_)) => return Err(wrong(certificate, format!("{key} needs its certificate"))),
        (Some(_), Some(_)) => true,
        (None, None) => false,
    };
    if named && !broker.is_tls() {
        let problem = "a certificate is shown over TLS only: mqtt.url must begin with mqtts://";
        return Err(wrong(certificate, problem));
    }
    Ok(TlsFiles {
        ca_file: mqtt.ca_file.clone(),
        client_certificate_file: mqtt.client_certificate_file.clone(),
        client_key_file: mqtt.client_key_file.clone(),
    })
}

fn address(key: &str, text: &str) -> Result<std::net::SocketAddr, ConfigError> {
    text.parse()
        .map_err(|_| wrong(key, "it is an address and a port, such as 127.0.0.1:8080"))
}

fn access(file: &File, public_url: Option<&PublicUrl>) -> Result<Access, ConfigError> {
    let ways = Ways {
        basic: file.api.basic_auth.as_ref().map(basic_auth).transpose()?,
        proxy: file.api.proxy.as_ref().map(trusted_proxy).transpose()?,
        oidc: match &file.api.oidc {
            Some(section) => Some(oidc(section, public_url)?),
            None => None,
        },
    };
    Ok(match ways {
        Ways {
            basic: None,
            proxy: None,
            oidc: None,
        } => Access::Unasked,
        ways => ways.into(),
    })
}

fn basic_auth(accounts: &file::BasicAuth) -> Result<BasicAuth, ConfigError> {
    let account = |name: &str, secret: &Option<Secret>| {
        secret
            .as_ref()
            .map(|secret| Account::parse(&secret.0))
            .transpose()
            .map_err(|error| wrong(&format!("api.basic_auth.{name}"), error))
    };
    let accounts = BasicAuth::new(
        account("viewer", &accounts.viewer)?,
        account("operator", &accounts.operator)?,
    );
    accounts.map_err(|error| wrong("api.basic_auth", error))
}

fn trusted_proxy(proxy: &file::Proxy) -> Result<TrustedProxy, ConfigError> {
    let peers = proxy.peers.iter().map(|text| {
        text.parse()
            .map_err(|error| wrong("api.proxy.peers", format!("`{text}`: {error}")))
    });
    let members = members(
        "api.proxy",
        &proxy.viewer_email_domains,
        &proxy.viewer_groups,
        &proxy.operator_emails,
        &proxy.operator_groups,
    )?;
    let peers = peers.collect::<Result<_, _>>()?;
    TrustedProxy::new(peers, &proxy.email_header, &proxy.groups_header, members).map_err(|error| {
        let key = match error {
            TrustedProxyError::NoPeers => "api.proxy.peers",
            TrustedProxyError::EmailHeader => "api.proxy.email_header",
            TrustedProxyError::GroupsHeader | TrustedProxyError::SameHeader => {
                "api.proxy.groups_header"
            }
        };
        wrong(key, error)
    })
}

fn oidc(section: &file::OidcFile, public_url: Option<&PublicUrl>) -> Result<Oidc, ConfigError> {
    let Some(public_url) = public_url else {
        let problem =
            "signing in with `api.oidc` needs it: the identity provider sends people back there";
        return Err(wrong("api.public_url", problem));
    };
    if !(MIN_SESSION_SECS..=MAX_SESSION_SECS).contains(&section.session_secs) {
        let problem = format!("it is from {MIN_SESSION_SECS} to {MAX_SESSION_SECS} seconds");
        return Err(wrong("api.oidc.session_secs", problem));
    }
    let settings = OidcSettings {
        issuer: section.issuer.clone(),
        client_id: section.client_id.clone(),
        client_secret: section.client_secret.clone().map(String::from),
        scopes: section.scopes.clone(),
        groups_claim: section.groups_claim.clone(),
        members: members(
            "api.oidc",
            &section.viewer_email_domains,
            &section.viewer_groups,
            &section.operator_emails,
            &section.operator_groups,
        )?,
        session: Duration::from_secs(section.session_secs),
    };
    Oidc::new(settings, public_url.clone()).map_err(|error| {
        let key = match error {
            OidcError::Issuer => "api.oidc.issuer",
            OidcError::ClientId => "api.oidc.client_id",
            OidcError::PublicUrl => "api.public_url",
            OidcError::Nobody | OidcError::Tls => "api.oidc",
        };
        wrong(key, error)
    })
}

/// Who is what, as a section of the configuration says. What cannot be an address or a domain would
/// never let anybody in, and is a mistake.
fn members(
    section: &str,
    viewer_email_domains: &[String],
    viewer_groups: &[Text],
    operator_emails: &[String],
    operator_groups: &[Text],
) -> Result<Members, ConfigError> {
    for domain in viewer_email_domains {
        if domain.is_empty() || domain.contains(['@', '*', ' ']) {
            let problem = format!("`{domain}` is no domain such as example.com");
            return Err(wrong(&format!("{section}.viewer_email_domains"), problem));
        }
    }
    for email in operator_emails {
        let parts = email.rsplit_once('@');
        if !parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty()) {
            let problem = format!("`{email}` is no e-mail address");
            return Err(wrong(&format!("{section}.operator_emails"), problem));
        }
    }
    let groups = |key: &str, groups: &[Text]| {
        let groups: Vec<_> = groups.iter().map(|group| group.0.clone()).collect();
        if groups.iter().any(|group| group.trim().is_empty()) {
            return Err(wrong(&format!("{section}.{key}"), "a group needs a name"));
        }
        Ok(groups)
    };
    Ok(Members {
        viewer_email_domains: viewer_email_domains.to_vec(),
        viewer_groups: groups("viewer_groups", viewer_groups)?,
        operator_emails: operator_emails.to_vec(),
        operator_groups: groups("operator_groups", operator_groups)?,
    })
}

fn api(file: &File) -> Result<headcount_api::Config, ConfigError> {
    let listen = address("api.listen", &file.api.listen)?;
    let public_url = file.api.public_url.as_deref().map(PublicUrl::parse);
    let public_url = public_url
        .transpose()
        .map_err(|error| wrong("api.public_url", error))?;
    let secret = file.api.signing_key.as_ref();
    let signing_key = secret
        .map(|secret| SigningKey::new(secret.0.as_bytes()))
        .transpose();
    let api = headcount_api::Config {
        listen,
        access: access(file, public_url.as_ref())?,
        public_url,
        signing_key: signing_key.map_err(|error| wrong("api.signing_key", error))?,
        insecure_open: file.api.insecure_open,
        request_timeout: Duration::from_secs(file.api.request_timeout_secs),
        limits: headcount_api::Limits {
            requests_per_second: NonZeroU32::new(file.api.requests_per_second),
        },
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
    at_least("mqtt.keep_alive_secs", mqtt.keep_alive_secs, 1)?;
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
    at_least(
        "datadog.min_carrier_devices",
        datadog.min_carrier_devices.into(),
        1,
    )?;
    at_least("datadog.max_series", datadog.max_series as u64, 1)?;
    at_least("api.request_timeout_secs", api.request_timeout_secs, 1)?;
    if api.requests_per_second > 1_000_000 {
        let problem = "more than 1000000 is no limit; write 0 for none";
        return Err(wrong("api.requests_per_second", problem));
    }
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
            ("HEADCOUNT_INGEST__FIELDS__MCC", "radio.plmn.mcc"),
            ("DD_AGENT_HOST", "agent"),
            ("DD_VERSION", "7"),
            ("PATH", "/bin"),
            ("HEADCOUNT_IMAGE_TAG", "1.2"),
            ("HEADCOUNT_REACH_WINDOW_SECS", "600"),
        ];
        let config = read(toml, &environment).unwrap();
        assert_eq!(config.broker.address(), "b:2");
        assert_eq!(config.file.mqtt.receive_maximum, 100);
        let paths = FieldPaths::new([("mcc", "radio.plmn.mcc")]).unwrap();
        assert_eq!(config.ingest().field_paths, paths);
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
    }

    #[test]
    fn every_value_may_come_from_a_file_but_for_those_that_are_paths() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let url = file("url", b"mqtts://u:ends in a space @b:8883\r\n");
        let variables = [
            ("HEADCOUNT_MQTT__URL_FILE", url.as_str()),
            ("HEADCOUNT_MQTT__URL", ""),
            ("HEADCOUNT_MQTT__CA_FILE", "ca.pem"),
            ("HEADCOUNT_MQTT__CLIENT_CERTIFICATE_FILE", "client.pem"),
            ("HEADCOUNT_MQTT__CLIENT_KEY_FILE", "client.key"),
            ("HEADCOUNT_INGEST__SLOT_FILE", &file("slot", b"north\n")),
        ];
        let config = read("", &variables).unwrap();
        let expected = BrokerUrl::parse("mqtts://u:ends in a space @b:8883").unwrap();
        assert!(config.broker == expected);
        assert_eq!(config.file.ingest.slot, "north");
        let tls = config.ingest().tls;
        assert_eq!(tls.ca_file.unwrap(), Path::new("ca.pem"));
        assert_eq!(
            tls.client_certificate_file.unwrap(),
            Path::new("client.pem")
        );
        assert_eq!(tls.client_key_file.unwrap(), Path::new("client.key"));

        let binary = file("binary", b"hunter2\xff");
        let empty = file("empty", b"\n");
        let url = file("other", b"mysql://u:hunter2@b");
        for (variable, path, expected) in [
            ("DATABASE_URL_FILE", "/nonexistent", "/nonexistent"),
            ("DATABASE_URL_FILE", "/dev/zero", "more than"),
            ("HEADCOUNT_MQTT__URL_FILE", &binary, "binary"),
            ("HEADCOUNT_API__BASIC_AUTH__VIEWER_FILE", &empty, "is empty"),
        ] {
            let message = read("", &[(variable, path)]).unwrap_err().to_string();
            assert!(
                message.contains(variable) && message.contains(expected),
                "{message}"
            );
            assert!(!message.contains("hunter2"), "{message}");
        }
        let variables = [("DATABASE_URL_FILE", url.as_str())];
        let message = read("", &variables).unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn the_dead_mans_switch_comes_from_a_file_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "https://hc-ping.com/hunter2\n").unwrap();
        let variable = "HEADCOUNT_EXPORTER__DEAD_MAN_URL_FILE";
        let config = read("", &[(variable, path.to_str().unwrap())]).unwrap();
        let url = exporter::dead_man::Url::parse("https://hc-ping.com/hunter2").unwrap();
        assert!(config.exporter().dead_man == Some(url));
        let shown = format!("{config:?} {:?}", config.exporter());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_value_and_a_file_for_it_are_one_too_many() {
        for (value, file) in [
            ("DATABASE_URL", "DATABASE_URL_FILE"),
            ("HEADCOUNT_MQTT__URL", "HEADCOUNT_MQTT__URL_FILE"),
        ] {
            let variables = [(value, "mqtt://u:hunter2@b"), (file, "/nonexistent")];
            let message = read("", &variables).unwrap_err().to_string();
            assert!(
                message.contains(&format!("`{file}`")) && message.contains(&format!("{value} is")),
                "{message}"
            );
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn accounts_open_the_api_to_others_and_come_from_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator");
        std::fs::write(&path, "ops:{not = \"parsed\"}\n").unwrap();
        let environment = [
            ("HEADCOUNT_API__LISTEN", "0.0.0.0:8080"),
            ("HEADCOUNT_API__BASIC_AUTH__VIEWER", "[1]:[2, 3, 4, 5, 6]"),
            (
                "HEADCOUNT_API__BASIC_AUTH__OPERATOR_FILE",
                path.to_str().unwrap(),
            ),
        ];
        let config = read("", &environment).unwrap();
        assert!(config.api.access.asks());
        let shown = format!("{config:?}");
        assert!(
            shown.contains("ops") && !shown.contains("parsed") && !shown.contains("2, 3"),
            "{shown}"
        );
        let missing = [("HEADCOUNT_API__BASIC_AUTH__VIEWER_FILE", "/nonexistent")];
        let error = read("", &missing).unwrap_err().to_string();
        assert!(error.contains("BASIC_AUTH__VIEWER_FILE"), "{error}");
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
            ("[ingest.fields]\ntime = 'x'", "ingest.fields.time"),
            ("[ingest.fields]\nmcc = 'a..b'", "ingest.fields.mcc"),
            ("[ingest.fields]\nfw = 'model'", "ingest.fields.fw"),
            (
                "[ingest.fields]\nmcc = 'a'\nmnc = 'a.b'",
                "ingest.fields.mnc",
            ),
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
            (
                "[mqtt]\nurl = 'mqtts://b'\nclient_certificate_file = 'c'",
                "mqtt.client_key_file",
            ),
            (
                "[mqtt]\nurl = 'mqtts://b'\nclient_key_file = 'k'",
                "mqtt.client_certificate_file",
            ),
            (
                "[mqtt]\nclient_certificate_file = 'c'\nclient_key_file = 'k'",
                "mqtt.client_certificate_file",
            ),
            (
                "[api.basic_auth]\nviewer = 'hunter2'",
                "api.basic_auth.viewer",
            ),
            (
                "[api.basic_auth]\noperator = 'ops:hunter2'",
                "api.basic_auth.operator",
            ),
            ("[api.basic_auth]\nviewer = 5", "api.basic_auth.viewer"),
            ("[api.basic_auth]\n", "api.basic_auth"),
            (
                "[api.basic_auth]\nviewer = 'a:hunter2hunter2'\noperator = 'a:hunter2hunter2'",
                "api.basic_auth",
            ),
            (
                "[exporter]\ndead_man_url = 'https://u:hunter2@b/x'",
                "exporter.dead_man_url",
            ),
            (
                "[exporter]\ndead_man_url = 'b/hunter2'",
                "exporter.dead_man_url",
            ),
            (
                "[api]\nrequests_per_second = 1000001",
                "api.requests_per_second",
            ),
            ("[api]\npublic_url = 'headcount'", "api.public_url"),
            ("[api]\nsigning_key = 'hunter2'", "api.signing_key"),
            (
                "[api.oidc]\nissuer = 'https://a'\nclient_id = 'b'\nviewer_groups = ['c']",
                "api.public_url",
            ),
            (
                "[api]\npublic_url = 'https://a'\n[api.oidc]\nissuer = 'http://a'\nclient_secret = 'hunter2'",
                "api.oidc.issuer",
            ),
            (
                "[api]\npublic_url = 'https://a'\n[api.oidc]\nissuer = 'https://a'\nclient_id = 'b'",
                "api.oidc",
            ),
            (
                "[api]\npublic_url = 'https://a'\n[api.oidc]\nissuer = 'https://a'\nsession_secs = 1",
                "api.oidc.session_secs",
            ),
            ("[api.proxy]\n", "api.proxy.peers"),
            ("[api.proxy]\npeers = ['0.0.0.0/0']", "api.proxy.peers"),
            ("[api.proxy]\npeers = ['proxy']", "api.proxy.peers"),
            (
                "[api.proxy]\npeers = ['::1']\nemail_header = 'a b'",
                "api.proxy.email_header",
            ),
            (
                "[api.proxy]\npeers = ['::1']\ngroups_header = 'Cookie'",
                "api.proxy.groups_header",
            ),
            (
                "[api.proxy]\npeers = ['::1']\nviewer_email_domains = ['@a.b']",
                "api.proxy.viewer_email_domains",
            ),
            (
                "[api.proxy]\npeers = ['::1']\noperator_emails = ['a.b']",
                "api.proxy.operator_emails",
            ),
            (
                "[api.proxy]\npeers = ['::1']\noperator_groups = ['']",
                "api.proxy.operator_groups",
            ),
            ("[datadog]\nurl = 'agent'", "datadog.url"),
            (
                "[datadog]\nmin_carrier_devices = 0",
                "datadog.min_carrier_devices",
            ),
            ("[registry]\nmode = 'ajar'", "registry.mode"),
            ("[mqtt]\nversion = '4'", "mqtt.version"),
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
