//! MQTT 5 and 3.1.1 in bytes. The only file of ingest that knows the MQTT library, of which it
//! takes the packets and nothing else: see `docs/adr/0012-our-own-connection-loop.md`.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::{self as five, v5};
use rumqttc::{mqttbytes as four, v5::mqttbytes::v5::RetainForwardRule};

use super::{BrokerError, Login, Message, SessionOptions};

/// The largest packet we take. Payloads that are too large for a heartbeat still have to come in
/// to be set aside with a reason; the broker should refuse what is larger than this on its own.
pub(super) const MAX_PACKET_BYTES: u32 = 1024 * 1024;

/// What is kept of the payload of a packet that is larger: more than any heartbeat may have.
const KEPT_OF_LARGE: usize = 8 * 1024;

/// The version of the protocol that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 5: the window, the session's expiry and the largest packet are asked for.
    V5,
    /// MQTT 3.1.1: all three are the broker's configuration.
    V311,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V5 => "5",
            Self::V311 => "3.1.1",
        })
    }
}

/// What the broker sends.
#[derive(Debug)]
pub(super) enum Incoming {
    Connected {
        session_present: bool,
        /// The broker may ask for more frequent pings than we offered.
        keep_alive_secs: Option<u16>,
        /// Messages of ours that it takes at a time.
        receive_maximum: Option<u16>,
    },
    Subscribed {
        id: u16,
        refused: Option<String>,
    },
    Published {
        refused: Option<String>,
    },
    Message(Message),
    Other,
}

impl Protocol {
    /// Reads one packet off the front, if it is there whole.
    pub(super) fn decode(self, stream: &mut BytesMut) -> Result<Option<Incoming>, BrokerError> {
        match self {
            Self::V5 => decode_v5(stream),
            Self::V311 => decode_v311(stream),
        }
    }

    /// Of a message too large to be taken: its topic, its packet id and the beginning of its
    /// payload, and how long its packet is; `None` if not so much has come yet.
    ///
    /// # Errors
    /// When it is no message.
    pub(super) fn head_of_large(
        self,
        stream: &[u8],
    ) -> Result<Option<(Message, usize)>, BrokerError> {
        let (Some(first), Some(length)) = (stream.first(), remaining_length(stream)) else {
            return Ok(None);
        };
        if first >> 4 != PUBLISH {
            return Err(BrokerError::TooLarge);
        }
        let (header_bytes, remaining) = length;
        let mut rest = &stream[header_bytes..];
        let Some(topic) = rest
            .split_off(..2)
            .map(|length| usize::from(u16::from_be_bytes([length[0], length[1]])))
            .and_then(|length| rest.split_off(..length))
        else {
            return Ok(None);
        };
        let has_id = first & 0b0110 != 0;
        let id = if has_id {
            rest.split_off(..2)
        } else {
            Some(&[][..])
        };
        let (Some(id), Some(payload)) = (id, rest.get(..KEPT_OF_LARGE)) else {
            return Ok(None);
        };
        let message = Message {
            packet_id: has_id.then(|| u16::from_be_bytes([id[0], id[1]])),
            redelivered: first & 0b1000 != 0,
            retained: first & 1 != 0,
            topic: Bytes::copy_from_slice(topic),
            // In MQTT 5 properties come first; it is too long either way.
            payload: Bytes::copy_from_slice(payload),
        };
        Ok(Some((message, header_bytes + remaining)))
    }

    /// The packet that opens a connection.
    pub(super) fn connect(self, session: &SessionOptions, login: Option<&Login>) -> BytesMut {
        let keep_alive = u16::try_from(session.keep_alive.as_secs().max(1)).unwrap_or(u16::MAX);
        let client_id = session.client_id.clone();
        let mut bytes = BytesMut::new();
        let written = match self {
            Self::V5 => {
                let properties = v5::ConnectProperties {
                    session_expiry_interval: Some(
                        u32::try_from(session.expiry.as_secs()).unwrap_or(u32::MAX),
                    ),
                    receive_maximum: Some(session.receive_maximum),
                    max_packet_size: Some(MAX_PACKET_BYTES),
                    ..v5::ConnectProperties::new()
                };
                let connect = v5::Connect {
                    keep_alive,
                    client_id,
                    clean_start: false,
                    properties: Some(properties),
                };
                let login = login.map(|login| v5::Login {
                    username: login.user.clone(),
                    password: login.password.clone(),
                });
                v5::Packet::Connect(connect, None, login)
                    .write(&mut bytes, None)
                    .is_ok()
            }
            Self::V311 => {
                let mut connect = v4::Connect::new(client_id);
                connect.keep_alive = keep_alive;
                connect.clean_session = false;
                connect.login = login.map(|login| v4::Login::new(&login.user, &login.password));
                connect.write(&mut bytes).is_ok()
            }
        };
        debug_assert!(written, "a packet of ours is never too large");
        bytes
    }

    /// Asks for topics at QoS 1, in MQTT 5 without what the broker has retained. In 3.1.1 that
    /// comes too, and is marked.
    pub(super) fn subscribe(self, id: u16, topics: &[&str], bytes: &mut BytesMut) {
        self.subscribe_as(id, topics, true, bytes);
    }

    /// Asks for topics at QoS 0 with what the broker has retained: for news that are not worth
    /// keeping while we are away.
    pub(super) fn subscribe_to_news(self, id: u16, topics: &[&str], bytes: &mut BytesMut) {
        self.subscribe_as(id, topics, false, bytes);
    }

    fn subscribe_as(self, id: u16, topics: &[&str], is_kept: bool, bytes: &mut BytesMut) {
        let written = match self {
            Self::V5 => {
                let filters = topics.iter().map(|topic| {
                    let (qos, retained) = if is_kept {
                        (five::QoS::AtLeastOnce, RetainForwardRule::Never)
                    } else {
                        (five::QoS::AtMostOnce, RetainForwardRule::OnEverySubscribe)
                    };
                    let mut filter = v5::Filter::new(*topic, qos);
                    filter.retain_forward_rule = retained;
                    filter
                });
                let mut packet = v5::Subscribe::new_many(filters, None);
                packet.pkid = id;
                packet.write(bytes).is_ok()
            }
            Self::V311 => {
                let filters = topics.iter().map(|topic| {
                    let qos = if is_kept {
                        four::QoS::AtLeastOnce
                    } else {
                        four::QoS::AtMostOnce
                    };
                    v4::SubscribeFilter::new((*topic).to_owned(), qos)
                });
                let mut packet = v4::Subscribe::new_many(filters);
                packet.pkid = id;
                packet.write(bytes).is_ok()
            }
        };
        debug_assert!(written, "a packet of ours is never too large");
    }

    /// Gives a topic up.
    pub(super) fn unsubscribe(self, id: u16, topic: &str, bytes: &mut BytesMut) {
        let written = match self {
            Self::V5 => {
                let mut packet = v5::Unsubscribe::new(topic, None);
                packet.pkid = id;
                packet.write(bytes).is_ok()
            }
            Self::V311 => {
                let mut packet = v4::Unsubscribe::new(topic);
                packet.pkid = id;
                packet.write(bytes).is_ok()
            }
        };
        debug_assert!(written, "a packet of ours is never too large");
    }

    /// Publishes at QoS 1.
    pub(super) fn publish(self, id: u16, topic: &str, payload: Vec<u8>, bytes: &mut BytesMut) {
        let written = match self {
            Self::V5 => {
                let mut packet = v5::Publish::new(topic, five::QoS::AtLeastOnce, payload, None);
                packet.pkid = id;
                packet.write(bytes).is_ok()
            }
            Self::V311 => {
                let mut packet = v4::Publish::new(topic, four::QoS::AtLeastOnce, payload);
                packet.pkid = id;
                packet.write(bytes).is_ok()
            }
        };
        debug_assert!(written, "a packet of ours is never too large");
    }

    /// Leaves; the broker keeps the session.
    pub(super) fn disconnect(self, bytes: &mut BytesMut) {
        let written = match self {
            Self::V5 => v5::Disconnect::new(v5::DisconnectReasonCode::NormalDisconnection)
                .write(bytes)
                .is_ok(),
            Self::V311 => v4::Disconnect.write(bytes).is_ok(),
        };
        debug_assert!(written, "a packet of ours is never too large");
    }
}

/// The first byte of a farewell, and its reason when another client has our session.
const DISCONNECT: u8 = 0xE0;
const SESSION_TAKEN_OVER: u8 = 0x8E;

/// A message, in the upper half of a packet's first byte.
const PUBLISH: u8 = 3;

/// How long a packet's fixed header is, and how much comes after it.
fn remaining_length(stream: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (place, byte) in stream.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((place + 2, length));
        }
    }
    None
}

/// Acknowledges a message; the same bytes in both versions.
pub(super) fn acknowledge(packet_id: u16, bytes: &mut BytesMut) {
    let [high, low] = packet_id.to_be_bytes();
    bytes.extend_from_slice(&[0x40, 2, high, low]);
}

/// Asks for a sign of life; the same bytes in both versions.
pub(super) fn ping(bytes: &mut BytesMut) {
    bytes.extend_from_slice(&[0xC0, 0]);
}

fn decode_v5(stream: &mut BytesMut) -> Result<Option<Incoming>, BrokerError> {
    // A broker that knows only 3.1.1 refuses in its own words, which are no MQTT 5.
    if matches!(stream[..], [0x20, 2, _, 1, ..]) {
        return Err(BrokerError::ProtocolVersion);
    }
    // The shortest farewells are whole packets that the library takes for parts of one.
    match stream[..] {
        [DISCONNECT, 0, ..] => return Err(BrokerError::Closed),
        [DISCONNECT, 1, SESSION_TAKEN_OVER, ..] => return Err(BrokerError::TakenOver),
        [DISCONNECT, 1, reason, ..] => {
            return Err(BrokerError::Dismissed(format!("reason {reason:#x}")));
        }
        _ => {}
    }
    let before = stream.len();
    let packet = match v5::Packet::read(stream, Some(MAX_PACKET_BYTES)) {
        Ok(packet) => packet,
        Err(five::Error::InsufficientBytes(_)) if stream.len() == before => return Ok(None),
        Err(five::Error::PayloadSizeLimitExceeded { .. }) => return Err(BrokerError::TooLarge),
        Err(error) => return Err(BrokerError::Malformed(error.to_string())),
    };
    Ok(Some(match packet {
        v5::Packet::ConnAck(ack) => {
            refusal_v5(ack.code)?;
            Incoming::Connected {
                session_present: ack.session_present,
                keep_alive_secs: ack
                    .properties
                    .as_ref()
                    .and_then(|all| all.server_keep_alive),
                receive_maximum: ack.properties.and_then(|all| all.receive_max),
            }
        }
        v5::Packet::SubAck(ack) => {
            // At QoS 0 nothing would be sent again that got lost on the way.
            let refused = |code: &&v5::SubscribeReasonCode| {
                let granted = v5::SubscribeReasonCode::Success(five::QoS::AtLeastOnce);
                **code != granted
            };
            let refused = ack.return_codes.iter().find(refused);
            Incoming::Subscribed {
                id: ack.pkid,
                refused: refused.map(|code| format!("{code:?}")),
            }
        }
        v5::Packet::PubAck(ack) => Incoming::Published {
            refused: match ack.reason {
                v5::PubAckReason::Success | v5::PubAckReason::NoMatchingSubscribers => None,
                reason => Some(format!("{reason:?}")),
            },
        },
        v5::Packet::Publish(publish) => Incoming::Message(Message {
            packet_id: (publish.qos != five::QoS::AtMostOnce).then_some(publish.pkid),
            redelivered: publish.dup,
            retained: publish.retain,
            topic: publish.topic,
            payload: publish.payload,
        }),
        v5::Packet::Disconnect(packet) => {
            return Err(match packet.reason_code {
                v5::DisconnectReasonCode::SessionTakenOver => BrokerError::TakenOver,
                code => BrokerError::Dismissed(format!("{code:?}")),
            });
        }
        _ => Incoming::Other,
    }))
}

fn refusal_v5(code: v5::ConnectReturnCode) -> Result<(), BrokerError> {
    use v5::ConnectReturnCode as Code;
    match code {
        Code::Success => Ok(()),
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => {
            Err(BrokerError::ProtocolVersion)
        }
        Code::BadUserNamePassword | Code::NotAuthorized => Err(BrokerError::wrong_login()),
        code => Err(BrokerError::Refused(format!("{code:?}"))),
    }
}

fn decode_v311(stream: &mut BytesMut) -> Result<Option<Incoming>, BrokerError> {
    let packet = match v4::Packet::read(stream, MAX_PACKET_BYTES as usize) {
        Ok(packet) => packet,
        Err(four::Error::InsufficientBytes(_)) => return Ok(None),
        Err(four::Error::PayloadSizeLimitExceeded(_)) => return Err(BrokerError::TooLarge),
        Err(error) => return Err(BrokerError::Malformed(error.to_string())),
    };
    Ok(Some(match packet {
        v4::Packet::ConnAck(ack) => {
            use v4::ConnectReturnCode as Code;
            match ack.code {
                Code::Success => Incoming::Connected {
                    session_present: ack.session_present,
                    keep_alive_secs: None,
                    receive_maximum: None,
                },
                Code::RefusedProtocolVersion => return Err(BrokerError::ProtocolVersion),
                Code::BadUserNamePassword | Code::NotAuthorized => {
                    return Err(BrokerError::wrong_login());
                }
                code => return Err(BrokerError::Refused(format!("{code:?}"))),
            }
        }
        v4::Packet::SubAck(ack) => {
            let granted = v4::SubscribeReasonCode::Success(four::QoS::AtLeastOnce);
            let refused = ack.return_codes.iter().find(|code| **code != granted);
            Incoming::Subscribed {
                id: ack.pkid,
                refused: refused.map(|code| format!("{code:?}")),
            }
        }
        v4::Packet::PubAck(_) => Incoming::Published { refused: None },
        v4::Packet::Publish(publish) => Incoming::Message(Message {
            packet_id: (publish.qos != four::QoS::AtMostOnce).then_some(publish.pkid),
            redelivered: publish.dup,
            retained: publish.retain,
            topic: Bytes::from(publish.topic),
            payload: publish.payload,
        }),
        _ => Incoming::Other,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn session() -> SessionOptions {
        SessionOptions {
            client_id: "headcount-main".to_owned(),
            expiry: Duration::from_secs(3600),
            receive_maximum: 1000,
            keep_alive: Duration::from_secs(5),
        }
    }

    #[test]
    fn opening_says_who_we_are_and_what_we_can_take() {
        let login = Login {
            user: "u".to_owned(),
            password: "p".to_owned(),
        };
        let mut bytes = Protocol::V5.connect(&session(), Some(&login));
        let v5::Packet::Connect(connect, None, Some(_)) =
            v5::Packet::read(&mut bytes, None).unwrap()
        else {
            panic!("no CONNECT")
        };
        let properties = connect.properties.unwrap();
        assert!(!connect.clean_start);
        assert_eq!(properties.receive_maximum, Some(1000));
        assert_eq!(properties.session_expiry_interval, Some(3600));
        assert_eq!(properties.max_packet_size, Some(MAX_PACKET_BYTES));

        let mut bytes = Protocol::V311.connect(&session(), None);
        let v4::Packet::Connect(connect) = v4::Packet::read(&mut bytes, 1000).unwrap() else {
            panic!("no CONNECT")
        };
        assert!(!connect.clean_session && connect.login.is_none());
        assert_eq!(connect.client_id, "headcount-main");
    }

    #[test]
    fn acknowledgements_and_pings_are_what_both_versions_read() {
        let mut bytes = BytesMut::new();
        acknowledge(0x1234, &mut bytes);
        assert_eq!(
            v5::Packet::read(&mut bytes.clone(), None).unwrap(),
            v5::Packet::PubAck(v5::PubAck::new(0x1234, None))
        );
        assert_eq!(
            v4::Packet::read(&mut bytes, 100).unwrap(),
            v4::Packet::PubAck(v4::PubAck::new(0x1234))
        );
        ping(&mut bytes);
        assert_eq!(
            v4::Packet::read(&mut bytes.clone(), 100).unwrap(),
            v4::Packet::PingReq
        );
        assert!(matches!(
            v5::Packet::read(&mut bytes, None).unwrap(),
            v5::Packet::PingReq(_)
        ));
    }

    #[test]
    fn of_a_message_too_large_the_head_is_read() {
        let payload = vec![b'x'; MAX_PACKET_BYTES as usize];
        let mut packet = v4::Publish::new("devices/a/heartbeat", four::QoS::AtLeastOnce, payload);
        packet.pkid = 7;
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes).unwrap();
        for come in [0, 1, 3, 10, 30, 1000] {
            assert!(
                Protocol::V311
                    .head_of_large(&bytes[..come])
                    .unwrap()
                    .is_none()
            );
        }
        let refused = Protocol::V311.decode(&mut bytes.clone());
        assert!(matches!(refused, Err(BrokerError::TooLarge)));
        let (message, length) = Protocol::V311.head_of_large(&bytes).unwrap().unwrap();
        assert_eq!(length, bytes.len());
        assert_eq!(message.packet_id, Some(7));
        assert_eq!(&message.topic[..], b"devices/a/heartbeat");
        assert!(message.payload.len() > crate::decode::MAX_PAYLOAD_BYTES);
        // a large packet of another kind is a broker gone wrong
        let mut bytes = bytes.to_vec();
        bytes[0] = 0x90;
        assert!(Protocol::V311.head_of_large(&bytes).is_err());
    }

    /// One thing that a broker can say, and what we make of it.
    type Case<'a> = (
        Protocol,
        &'a [u8],
        fn(&Result<Option<Incoming>, BrokerError>) -> bool,
    );

    #[test]
    fn what_brokers_say_is_understood_in_both_versions() {
        use Protocol::{V5, V311};
        let cases: [Case<'_>; 17] = [
            (V5, &[], |said| matches!(said, Ok(None))),
            (V5, &[0x30, 100, 0, 1], |said| matches!(said, Ok(None))),
            // a broker without MQTT 5 answers in 3.1.1
            (V5, &[0x20, 2, 0, 1], |said| {
                matches!(said, Err(BrokerError::ProtocolVersion))
            }),
            (V5, &[0x20, 3, 0, 0x84, 0], |said| {
                matches!(said, Err(BrokerError::ProtocolVersion))
            }),
            (
                V5,
                &[0x20, 3, 0, 0x87, 0],
                |said| matches!(said, Err(BrokerError::Refused(why)) if why.contains("mqtt.url")),
            ),
            (V5, &[0x20, 3, 1, 0, 0], |said| {
                matches!(
                    said,
                    Ok(Some(Incoming::Connected {
                        session_present: true,
                        ..
                    }))
                )
            }),
            (V311, &[0x20, 2, 1, 0], |said| {
                matches!(
                    said,
                    Ok(Some(Incoming::Connected {
                        session_present: true,
                        ..
                    }))
                )
            }),
            (
                V311,
                &[0x20, 2, 0, 5],
                |said| matches!(said, Err(BrokerError::Refused(why)) if why.contains("mqtt.url")),
            ),
            (V5, &[0xE0, 2, 0x8E, 0], |said| {
                matches!(said, Err(BrokerError::TakenOver))
            }),
            (V5, &[0xE0, 1, 0x8E], |said| {
                matches!(said, Err(BrokerError::TakenOver))
            }),
            (V5, &[0xE0, 0], |said| {
                matches!(said, Err(BrokerError::Closed))
            }),
            // a whole packet with a length inside that leads out of it
            (V5, &[0x40, 4, 0, 1, 0, 9], |said| {
                matches!(said, Err(BrokerError::Malformed(_)))
            }),
            // granted, but without acknowledgements
            (V5, &[0x90, 4, 0, 1, 0, 0], |said| {
                matches!(
                    said,
                    Ok(Some(Incoming::Subscribed {
                        id: 1,
                        refused: Some(_)
                    }))
                )
            }),
            (V5, &[0x90, 4, 0, 1, 0, 1], |said| {
                matches!(
                    said,
                    Ok(Some(Incoming::Subscribed {
                        id: 1,
                        refused: None
                    }))
                )
            }),
            (V5, &[0x90, 4, 0, 1, 0, 0x87], |said| {
                matches!(
                    said,
                    Ok(Some(Incoming::Subscribed {
                        id: 1,
                        refused: Some(_)
                    }))
                )
            }),
            (V311, &[0x90, 3, 0, 1, 0x80], |said| {
                matches!(
                    said,
                    Ok(Some(Incoming::Subscribed {
                        id: 1,
                        refused: Some(_)
                    }))
                )
            }),
            (V311, &[0x30, 0xFF, 0xFF, 0x7F], |said| {
                matches!(said, Err(BrokerError::TooLarge))
            }),
        ];
        for (protocol, bytes, expected) in cases {
            let said = protocol.decode(&mut BytesMut::from(bytes));
            assert!(expected(&said), "MQTT {protocol} {bytes:x?}: {said:?}");
        }
    }
}
