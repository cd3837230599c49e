//! An Agent that keeps every datagram it gets.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::dogstatsd::Metric;

/// A UDP socket with an open ear.
pub struct Agent {
    port: u16,
    datagrams: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Agent {
    /// Listens on a free port until the process ends.
    #[must_use]
    pub fn listen() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let datagrams = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::downgrade(&datagrams);
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Some(kept) = kept.upgrade() {
                if let Ok(length) = socket.recv(&mut buffer) {
                    kept.lock().unwrap().push(buffer[..length].to_vec());
                }
            }
        });
        Self { port, datagrams }
    }

    /// Its address, as configuration has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("udp://127.0.0.1:{}", self.port)
    }

    /// Everything heard so far, read strictly.
    ///
    /// # Panics
    /// When a datagram is not what the Agent accepts.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let datagrams = self.datagrams.lock().unwrap();
        datagrams
            .iter()
            .flat_map(|bytes| Metric::parse_datagram(bytes).unwrap_or_else(|why| panic!("{why}")))
            .collect()
    }

    /// The metrics of one name.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<Metric> {
        self.metrics()
            .into_iter()
            .filter(|metric| metric.name == name)
            .collect()
    }
}
