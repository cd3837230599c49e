//! The few packets of MQTT that tests write and read by themselves, and who looks at those that
//! pass.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use crate::proxy::{Direction, Tap};

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;

/// A CONNECT of MQTT 3.1.1, without pings.
#[must_use]
pub fn connect(client_id: &str, clean_session: bool) -> Vec<u8> {
    let mut body = vec![0, 4];
    body.extend_from_slice(b"MQTT");
    body.extend_from_slice(&[4, u8::from(clean_session) << 1, 0, 0]);
    text(&mut body, client_id);
    let mut packet = Vec::new();
    frame(&mut packet, CONNECT << 4, &body);
    packet
}

/// Appends a PUBLISH of MQTT 3.1.1 at QoS 1.
pub fn publish(out: &mut Vec<u8>, topic: &str, packet_id: u16, payload: &[u8]) {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    body.extend_from_slice(&packet_id.to_be_bytes());
    body.extend_from_slice(payload);
    frame(out, PUBLISH << 4 | 0b10, &body);
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn frame(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    out.push(first);
    let mut length = body.len();
    loop {
        let seven = u8::try_from(length % 128).unwrap();
        length /= 128;
        out.push(seven | u8::from(length > 0) << 7);
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
}

/// A packet, as far as tests care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The first packet of a connection, with the protocol's level.
    Connect {
        /// 4 is MQTT 3.1.1, 5 is MQTT 5.
        level: u8,
    },
    /// A message.
    Publish {
        /// None at QoS 0.
        packet_id: Option<u16>,
        /// What follows the packet id: the payload, in MQTT 5 with the properties before it.
        rest: Vec<u8>,
    },
    /// The acknowledgement of a message.
    PubAck {
        /// Of which.
        packet_id: u16,
    },
    /// Any other.
    Other,
}

/// Cuts a stream of bytes into packets.
#[derive(Debug, Default)]
pub struct Packets {
    bytes: Vec<u8>,
    /// How much of it has been read.
    start: usize,
}

impl Packets {
    /// Adds bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.start));
        self.bytes.extend_from_slice(bytes);
    }

    /// The next packet, if all of it is there.
    pub fn next_packet(&mut self) -> Option<Packet> {
        let bytes = &self.bytes[self.start..];
        let mut length = 0;
        let mut head = 1;
        loop {
            let byte = *bytes.get(head)?;
            length |= usize::from(byte & 0x7f) << (7 * (head - 1));
            head += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let body = bytes.get(head..head + length)?;
        let packet = read(bytes[0], body);
        self.start += head + length;
        Some(packet)
    }
}

fn read(first: u8, body: &[u8]) -> Packet {
    let number = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    match first >> 4 {
        CONNECT => Packet::Connect { level: body[6] },
        PUBACK => Packet::PubAck {
            packet_id: number(0),
        },
        PUBLISH => {
            let after_topic = 2 + usize::from(number(0));
            let at_least_once = first & 0b110 != 0;
            let rest = after_topic + if at_least_once { 2 } else { 0 };
            Packet::Publish {
                packet_id: at_least_once.then(|| number(after_topic)),
                rest: body[rest..].to_vec(),
            }
        }
        _ => Packet::Other,
    }
}

/// Which messages headcount has acknowledged to the broker, as seen on the wire.
#[derive(Default)]
pub struct Acknowledged {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: HashMap<usize, Connection>,
    seqs: HashSet<u32>,
    acks: u64,
    levels: Vec<u8>,
    /// Acknowledgements of what was not handed over on their connection.
    unfounded: u64,
}

#[derive(Default)]
struct Connection {
    up: Packets,
    down: Packets,
    /// Messages handed over and not acknowledged, by packet id. More than one may have the same:
    /// Mosquitto 2.0.11 goes round the numbers when it empties a queue of more than 65,535.
    owed: HashMap<u16, VecDeque<Option<u32>>>,
}

impl Acknowledged {
    /// Looks at what passes a proxy.
    #[must_use]
    pub fn tap(self: &Arc<Self>) -> Tap {
        let this = Arc::clone(self);
        Arc::new(move |connection, direction, bytes| {
            this.seen.lock().unwrap().take(connection, direction, bytes);
        })
    }

    /// The numbers (`seq`) of all messages acknowledged so far.
    #[must_use]
    pub fn seqs(&self) -> HashSet<u32> {
        self.seen.lock().unwrap().seqs.clone()
    }

    /// Acknowledgements so far, probes' included.
    #[must_use]
    pub fn acks(&self) -> u64 {
        self.seen.lock().unwrap().acks
    }

    /// Acknowledgements of messages that had not been handed over on the same connection: packet
    /// ids mean other messages there, and one that is not stored may be among them.
    #[must_use]
    pub fn unfounded(&self) -> u64 {
        self.seen.lock().unwrap().unfounded
    }

    /// The protocol levels of the connections so far: 4 is MQTT 3.1.1, 5 is MQTT 5.
    #[must_use]
    pub fn levels(&self) -> Vec<u8> {
        self.seen.lock().unwrap().levels.clone()
    }
}

impl Seen {
    fn take(&mut self, number: usize, direction: Direction, bytes: &[u8]) {
        let connection = self.connections.entry(number).or_default();
        match direction {
            Direction::Down => {
                connection.down.push(bytes);
                while let Some(packet) = connection.down.next_packet() {
                    if let Packet::Publish {
                        packet_id: Some(packet_id),
                        rest,
                    } = packet
                    {
                        let owed = connection.owed.entry(packet_id).or_default();
                        owed.push_back(seq(&rest));
                    }
                }
            }
            Direction::Up => {
                connection.up.push(bytes);
                while let Some(packet) = connection.up.next_packet() {
                    match packet {
                        Packet::Connect { level } => self.levels.push(level),
                        Packet::PubAck { packet_id } => {
                            self.acks += 1;
                            let owed = connection.owed.get_mut(&packet_id);
                            match owed.and_then(VecDeque::pop_front) {
                                Some(seq) => self.seqs.extend(seq),
                                None => self.unfounded += 1,
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

/// The `seq` of a ledger's payload.
fn seq(payload: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(payload);
    let (_, after) = text.split_once("\"seq\":")?;
    let digits = after.find(|c: char| !c.is_ascii_digit())?;
    after[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_found_however_the_bytes_come() {
        let mut bytes = connect("me", true);
        let long = vec![b'x'; 300];
        publish(&mut bytes, "devices/a/heartbeat", 7, &long);
        bytes.extend_from_slice(&[PUBACK << 4, 2, 1, 2]);
        bytes.extend_from_slice(&[0xd0, 0]);
        let expected = [
            Packet::Connect { level: 4 },
            Packet::Publish {
                packet_id: Some(7),
                rest: long,
            },
            Packet::PubAck { packet_id: 258 },
            Packet::Other,
        ];
        for size in [1, 2, 5, bytes.len()] {
            let mut packets = Packets::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(size) {
                packets.push(piece);
                while let Some(packet) = packets.next_packet() {
                    found.push(packet);
                }
            }
            assert_eq!(found, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_headcount_acknowledges_is_seen_on_the_wire() {
        let acknowledged = Arc::new(Acknowledged::default());
        let tap = acknowledged.tap();
        let mut down = Vec::new();
        for n in 1..=3_u16 {
            let payload = format!(r#"{{"seq":{n}0,"sent_at":""}}"#);
            publish(&mut down, "t", n, payload.as_bytes());
        }
        publish(&mut down, "headcount/probe/main", 4, b"1795222500000000");
        tap(1, Direction::Down, &down);
        tap(1, Direction::Up, &[PUBACK << 4, 2, 0]);
        tap(1, Direction::Up, &[3, PUBACK << 4, 2, 0, 4]);
        assert_eq!(acknowledged.seqs(), HashSet::from([30]));
        assert_eq!((acknowledged.acks(), acknowledged.unfounded()), (2, 0));
        // On another connection the same packet id is another message, or none.
        tap(2, Direction::Up, &[PUBACK << 4, 2, 0, 1]);
        assert_eq!(acknowledged.seqs(), HashSet::from([30]));
        assert_eq!(acknowledged.unfounded(), 1);
    }
}
