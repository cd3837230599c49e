//! A fleet's side of the broker: publishes at QoS 1 and knows what the broker has taken.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

use ingest::broker::BrokerUrl;
use ingest::tls::TlsFiles;

/// Messages on their way to the broker at once.
const IN_FLIGHT: u16 = 500;

/// A client that publishes.
pub struct Publisher {
    client: AsyncClient,
    events: EventLoop,
}

impl Publisher {
    /// Prepares a client under a name no other has.
    ///
    /// # Panics
    /// When the URL is none.
    #[must_use]
    pub fn new(broker_url: &str) -> Self {
        let name = format!("publisher-{:016x}", fastrand::u64(..));
        let mut options: MqttOptions = BrokerUrl::parse(broker_url)
            .unwrap()
            .options(&name, &TlsFiles::default())
            .unwrap();
        options.set_keep_alive(Duration::from_secs(30));
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
        let (client, events) = AsyncClient::new(options, usize::from(IN_FLIGHT));
        Self { client, events }
    }

    /// Publishes messages and waits until the broker has acknowledged all of them.
    ///
    /// # Panics
    /// When the broker refuses or goes away.
    pub async fn publish(&mut self, messages: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let mut messages = messages.into_iter().fuse();
        let mut next = messages.next();
        let mut owed = 0_usize;
        while next.is_some() || owed > 0 {
            while owed < usize::from(IN_FLIGHT)
                && let Some((topic, payload)) = next.take()
            {
                self.client
                    .try_publish(topic, QoS::AtLeastOnce, false, payload)
                    .unwrap();
                owed += 1;
                next = messages.next();
            }
            if let Event::Incoming(Packet::PubAck(ack)) = self.events.poll().await.unwrap() {
                let taken = matches!(
                    ack.reason,
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                );
                assert!(taken, "the broker refused a message: {:?}", ack.reason);
                owed -= 1;
            }
        }
    }

    /// Hands over messages at QoS 0. They go out before those that are published next.
    ///
    /// # Panics
    /// When there are more than a client keeps.
    pub fn publish_at_most_once(&mut self, messages: impl IntoIterator<Item = (String, Vec<u8>)>) {
        for (topic, payload) in messages {
            self.client
                .try_publish(topic, QoS::AtMostOnce, false, payload)
                .unwrap();
        }
    }
}
