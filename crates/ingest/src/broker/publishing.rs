//! For clients that only publish: simulators, bridges, tests. Any MQTT client will do there, so
//! they use the library's own.

use std::path::Path;

use rumqttc::Transport;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, MqttOptions, StateError};

use super::{BrokerError, BrokerUrl, tls_config};

/// How long making a connection may take.
const CONNECT_TIMEOUT_SECS: u64 = 10;

impl BrokerUrl {
    /// The options of a client that only publishes to this broker.
    ///
    /// # Errors
    /// When the trusted authorities cannot be read.
    pub fn options(&self, client_id: &str, ca_file: Option<&Path>) -> anyhow::Result<MqttOptions> {
        let mut options = MqttOptions::new(client_id, &self.host, self.port);
        options.set_connection_timeout(CONNECT_TIMEOUT_SECS);
        if let Some(login) = &self.login {
            options.set_credentials(&login.user, &login.password);
        }
        if self.tls {
            let config = tls_config(ca_file)?;
            options.set_transport(Transport::tls_with_config(config.into()));
        }
        Ok(options)
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
            error => Self::Connection(error.to_string()),
        }
    }
}
