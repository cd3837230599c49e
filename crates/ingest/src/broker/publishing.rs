//! For clients that only publish: simulators, bridges, tests. Any MQTT client will do there, so
//! they use the library's own.

use std::sync::Arc;

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, MqttOptions, StateError};
use rumqttc::{TlsConfiguration, Transport};

use super::{BrokerError, BrokerUrl};
use crate::tls::{self, TlsFiles};

/// How long making a connection may take.
const CONNECT_TIMEOUT_SECS: u64 = 10;

impl BrokerUrl {
    /// The options of a client that only publishes to this broker.
    ///
    /// # Errors
    /// When a file that TLS needs cannot be read ([`tls::client_config`]).
    pub fn options(&self, client_id: &str, files: &TlsFiles) -> anyhow::Result<MqttOptions> {
        let tls = self.tls.then(|| tls::client_config(files)).transpose()?;
        Ok(self.options_with(client_id, tls))
    }

    /// The same, with TLS where there is a configuration for it, as a [`tls::Watch`] holds it.
    #[must_use]
    pub fn options_with(
        &self,
        client_id: &str,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> MqttOptions {
        let mut options = MqttOptions::new(client_id, &self.host, self.port);
        options.set_connection_timeout(CONNECT_TIMEOUT_SECS);
        if let Some(login) = &self.login {
            options.set_credentials(&login.user, &login.password);
        }
        if let Some(config) = tls {
            let config = TlsConfiguration::Rustls(config);
            options.set_transport(Transport::tls_with_config(config));
        }
        options
    }
}

impl From<ConnectionError> for BrokerError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            }) => Self::TakenOver,
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => Self::wrong_login(),
            ConnectionError::ConnectionRefused(code) => Self::Refused(format!("{code:?}")),
            error => {
                // The library does not name this one as its error's source.
                let source: &(dyn std::error::Error + 'static) = match &error {
                    ConnectionError::MqttState(StateError::Deserialization(source)) => source,
                    error => error,
                };
                tls::explain(source).map_or_else(|| Self::Connection(error.to_string()), Self::Tls)
            }
        }
    }
}
