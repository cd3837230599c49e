//! Devices that publish as fast as the broker takes it. Written for speed, in bytes of MQTT 3.1.1,
//! because publishers, broker and subscriber share the processor: what they take, the others lack.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Messages under way on one connection.
const WINDOW: u64 = 2000;
/// Connections side by side.
const CONNECTIONS: u64 = 2;
/// The payloads' length in bytes.
pub(crate) const PAYLOAD_BYTES: usize = 120;

/// A fleet in which each device sends in its turn.
pub(crate) struct Fleet {
    devices: u64,
}

impl Fleet {
    pub(crate) fn of(devices: u64) -> Self {
        Self { devices }
    }

    /// Publishes so many heartbeats and returns once the broker has taken them all.
    pub(crate) fn publish(&self, url: &str, prefix: &str, messages: u64) {
        let address = url.trim_start_matches("mqtt://");
        std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let numbers = (connection..messages).step_by(CONNECTIONS as usize);
                let name = format!("fleet-{prefix}-{connection}");
                scope.spawn(move || publish(address, &name, prefix, numbers, self.devices));
            }
        });
    }
}

fn publish(
    address: &str,
    client: &str,
    prefix: &str,
    numbers: impl Iterator<Item = u64>,
    devices: u64,
) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&connect(client)).unwrap();
    let mut answer = [0; 64 * 1024];
    stream.read_exact(&mut answer[..4]).unwrap();
    assert_eq!(answer[..2], [0x20, 2], "the broker refused a publisher");
    let mut numbers = numbers.peekable();
    let (mut sent, mut taken, mut rest) = (0_u64, 0_u64, 0);
    let mut bytes = Vec::with_capacity(256 * 1024);
    while numbers.peek().is_some() || taken < sent {
        bytes.clear();
        while sent - taken < WINDOW
            && let Some(number) = numbers.next()
        {
            put(&mut bytes, prefix, number, devices, sent);
            sent += 1;
        }
        stream.write_all(&bytes).unwrap();
        // Each acknowledgement is four bytes.
        rest += stream.read(&mut answer).unwrap();
        taken += rest as u64 / 4;
        rest %= 4;
    }
    let _gone_anyway = stream.write_all(&[0xE0, 0]);
}

fn connect(client: &str) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x04\x02\x00\x3c".to_vec();
    text(&mut body, client);
    let mut packet = vec![0x10, u8::try_from(body.len()).unwrap()];
    packet.append(&mut body);
    packet
}

fn put(bytes: &mut Vec<u8>, prefix: &str, number: u64, devices: u64, sent: u64) {
    let topic = format!("{prefix}/d{}/heartbeat", number % devices);
    let payload = payload(number);
    let length = 2 + topic.len() + 2 + payload.len();
    bytes.push(0x32);
    let low = u8::try_from(length % 128).unwrap() | 0x80;
    bytes.extend([low, u8::try_from(length / 128).unwrap()]);
    text(bytes, &topic);
    bytes.extend(u16::try_from(sent % 65_535 + 1).unwrap().to_be_bytes());
    bytes.extend(payload.as_bytes());
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn payload(number: u64) -> String {
    let known = format!(
        r#"{{"sent_at":"2026-11-21T01:02:03Z","mcc":"515","mnc":"02","seq":{number},"rat":"lte","rsrp":-98,"battery_mv":12350,"fw":""#
    );
    let version = "2.4.1.20261121.0815.release.build";
    let room = PAYLOAD_BYTES - known.len() - 2;
    format!("{known}{}\"}}", &version[..room])
}
