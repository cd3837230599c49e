//! An Agent that keeps every datagram it gets, over UDP or a Unix socket.

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::dogstatsd::{
    self, Check, Event, MAX_UDP_BYTES, MAX_UNIX_BYTES, Message, Metric, parse_datagram,
};

/// How often a reader looks whether it is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Socket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer),
            Self::Unix(socket) => socket.recv(buffer),
        }
    }
}

/// Whoever reads a socket, until it is dropped.
struct Reader {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn of(socket: Socket, datagrams: Arc<Mutex<Vec<Vec<u8>>>>, pause: Duration) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let is_ended = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while !is_ended.load(Ordering::Relaxed) {
                if let Ok(length) = socket.receive(&mut buffer) {
                    datagrams.lock().unwrap().push(buffer[..length].to_vec());
                    std::thread::sleep(pause);
                }
            }
        });
        let thread = Some(thread);
        Self { ended, thread }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Where it listens.
enum Place {
    Port(u16),
    Path(PathBuf),
}

/// An Agent. It can be away and come back at the same address.
pub struct Agent {
    place: Place,
    datagrams: Arc<Mutex<Vec<Vec<u8>>>>,
    reader: Mutex<Option<Reader>>,
}

impl Agent {
    /// Listens on a free UDP port.
    #[must_use]
    pub fn listen() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let agent = Self::absent(Place::Port(socket.local_addr().unwrap().port()));
        socket.set_read_timeout(Some(LOOK_INTERVAL)).unwrap();
        agent.read(Socket::Udp(socket), Duration::ZERO);
        agent
    }

    /// Has an address with a Unix socket in this folder, and is not there yet.
    #[must_use]
    pub fn of_socket_in(folder: &Path) -> Self {
        Self::absent(Place::Path(folder.join("dsd.socket")))
    }

    fn absent(place: Place) -> Self {
        Self {
            place,
            datagrams: Arc::default(),
            reader: Mutex::new(None),
        }
    }

    /// Listens, or listens again: a Unix socket is removed and made anew.
    pub fn come_back(&self) {
        self.read(self.open(), Duration::ZERO);
    }

    /// The same, with a pause after each datagram.
    pub fn come_back_slowly(&self, pause: Duration) {
        self.read(self.open(), pause);
    }

    /// Makes the Unix socket and does not read it; [`Self::wake_up`] does.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn sleep(&self) -> Sleeping {
        self.go_away();
        Sleeping(self.open())
    }

    /// Begins to read.
    pub fn wake_up(&self, sleeping: Sleeping) {
        self.read(sleeping.0, Duration::ZERO);
    }

    /// Closes the socket; one in the file system stays there, with nobody behind it.
    pub fn go_away(&self) {
        *self.reader.lock().unwrap() = None;
    }

    fn open(&self) -> Socket {
        self.go_away();
        match &self.place {
            Place::Port(port) => {
                let socket = UdpSocket::bind(("127.0.0.1", *port)).unwrap();
                socket.set_read_timeout(Some(LOOK_INTERVAL)).unwrap();
                Socket::Udp(socket)
            }
            Place::Path(path) => {
                if path.exists() {
                    std::fs::remove_file(path).unwrap();
                }
                let socket = UnixDatagram::bind(path).unwrap();
                socket.set_read_timeout(Some(LOOK_INTERVAL)).unwrap();
                Socket::Unix(socket)
            }
        }
    }

    fn read(&self, socket: Socket, pause: Duration) {
        let reader = Reader::of(socket, Arc::clone(&self.datagrams), pause);
        *self.reader.lock().unwrap() = Some(reader);
    }

    /// Its address, as configuration has it.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.place {
            Place::Port(port) => format!("udp://127.0.0.1:{port}"),
            Place::Path(path) => format!("unix://{}", path.display()),
        }
    }

    /// Everything heard so far, read strictly, and by another parser where it can.
    ///
    /// # Panics
    /// When a datagram is not what the Agent accepts, or the parsers do not agree.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.parse(&self.datagrams.lock().unwrap())
    }

    fn parse(&self, datagrams: &[Vec<u8>]) -> Vec<Message> {
        let most_bytes = match &self.place {
            Place::Port(_) => MAX_UDP_BYTES,
            Place::Path(_) => MAX_UNIX_BYTES,
        };
        let mut all = Vec::new();
        for datagram in datagrams {
            let messages =
                parse_datagram(datagram, most_bytes).unwrap_or_else(|why| panic!("{why}"));
            let text = String::from_utf8_lossy(datagram);
            for (line, message) in text.split('\n').zip(&messages) {
                dogstatsd::agrees(line, message);
            }
            all.extend(messages);
        }
        all
    }

    /// The most lines that came in one datagram.
    #[must_use]
    pub fn most_lines_together(&self) -> usize {
        let datagrams = self.datagrams.lock().unwrap();
        let lines = |datagram: &Vec<u8>| datagram.split(|byte| *byte == b'\n').count();
        datagrams.iter().map(lines).max().unwrap_or(0)
    }

    /// The metrics heard so far.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        metrics_of(self.messages())
    }

    /// The same of what came since this was last asked, which is then forgotten.
    ///
    /// # Panics
    /// When a datagram is not what the Agent accepts.
    #[must_use]
    pub fn take(&self) -> Vec<Metric> {
        let datagrams = std::mem::take(&mut *self.datagrams.lock().unwrap());
        metrics_of(self.parse(&datagrams))
    }

    /// Everything heard so far, line by line as it came.
    ///
    /// # Panics
    /// When a datagram is no text.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let datagrams = self.datagrams.lock().unwrap();
        let texts = datagrams.iter().map(|bytes| std::str::from_utf8(bytes));
        texts
            .flat_map(|text| text.unwrap().lines().map(str::to_owned))
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

    /// The events heard so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let event = |message| match message {
            Message::Event(event) => Some(event),
            Message::Metric(_) | Message::Check(_) => None,
        };
        self.messages().into_iter().filter_map(event).collect()
    }

    /// The service checks heard so far.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let check = |message| match message {
            Message::Check(check) => Some(check),
            Message::Metric(_) | Message::Event(_) => None,
        };
        self.messages().into_iter().filter_map(check).collect()
    }
}

fn metrics_of(messages: Vec<Message>) -> Vec<Metric> {
    let metric = |message| match message {
        Message::Metric(metric) => Some(metric),
        Message::Event(_) | Message::Check(_) => None,
    };
    messages.into_iter().filter_map(metric).collect()
}

/// A socket that nobody reads.
pub struct Sleeping(Socket);
