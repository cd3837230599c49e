//! The way to the Agent: datagrams over UDP or a Unix socket, never waited for.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// The largest datagram over UDP that no network on the way cuts, in bytes.
const MAX_UDP_BYTES: usize = 1_432;

/// The largest datagram over a Unix socket, in bytes: the Agent reads no more of one.
const MAX_UNIX_BYTES: usize = 8 * 1_024;

/// How often the Agent's host is looked up again: a container that is made anew has another
/// address.
const LOOK_UP_INTERVAL: Duration = Duration::from_secs(60);

/// … and how long to wait after a look-up that gave nothing, or an address that does not work.
const LOOK_UP_RETRY: Duration = Duration::from_secs(5);

/// Puts lines together into datagrams of at most so many bytes. A line that is longer alone gets a
/// datagram of its own.
pub(super) fn pack(lines: &[String], most_bytes: usize) -> Vec<Datagram> {
    let mut datagrams: Vec<Datagram> = Vec::new();
    for line in lines {
        match datagrams.last_mut() {
            Some(last) if last.text.len() + 1 + line.len() <= most_bytes => {
                last.text.push('\n');
                last.text.push_str(line);
                last.lines += 1;
            }
            _ => datagrams.push(Datagram {
                text: line.clone(),
                lines: 1,
            }),
        }
    }
    datagrams
}

/// Lines that travel together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Datagram {
    /// The lines, a newline between each two.
    pub(super) text: String,
    /// How many they are.
    pub(super) lines: u64,
}

/// Where datagrams go in.
#[derive(Debug)]
pub(super) enum Route {
    Udp(Udp),
    Unix(Unix),
}

impl Route {
    /// The most bytes that a datagram may have.
    pub(super) fn most_bytes(&self) -> usize {
        match self {
            Self::Udp(_) => MAX_UDP_BYTES,
            Self::Unix(_) => MAX_UNIX_BYTES,
        }
    }

    /// Hands datagrams to the socket, in order, until it takes no more. Says how many it took.
    pub(super) fn send(&mut self, datagrams: &[Datagram]) -> (usize, io::Result<()>) {
        match self {
            Self::Udp(udp) => udp.send(datagrams, Instant::now()),
            Self::Unix(unix) => unix.send(datagrams),
        }
    }
}

/// A socket in the file system. It is found by its path with every datagram, so one that was
/// removed and made again is no trouble.
#[derive(Debug)]
pub(super) struct Unix {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Unix {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, socket: None }
    }

    fn send(&mut self, datagrams: &[Datagram]) -> (usize, io::Result<()>) {
        for (sent, datagram) in datagrams.iter().enumerate() {
            if let Err(error) = self.send_one(datagram) {
                return (sent, Err(error));
            }
        }
        (datagrams.len(), Ok(()))
    }

    fn send_one(&mut self, datagram: &Datagram) -> io::Result<()> {
        let socket = match &self.socket {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                self.socket.insert(socket)
            }
        };
        socket
            .send_to(datagram.text.as_bytes(), &self.path)
            .map(drop)
    }
}

/// Gives the addresses of `host:port`. May take its time.
type LookUp = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// UDP. The socket is connected, so that on the Agent's machine, or where nothing on the way keeps
/// it back, a refused datagram is noticed.
pub(super) struct Udp {
    host_and_port: String,
    /// Where the host may be, the present one first.
    addresses: Vec<SocketAddr>,
    socket: Option<UdpSocket>,
    look_up: Arc<LookUp>,
    looking_up: JoinSet<io::Result<Vec<SocketAddr>>>,
    /// When the host is looked up next; `None` for an address that needs none.
    look_up_at: Option<Instant>,
}

impl std::fmt::Debug for Udp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Udp")
            .field("host_and_port", &self.host_and_port)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Udp {
    pub(super) fn new(host_and_port: &str) -> Self {
        Self::with_look_up(host_and_port, Arc::new(addresses_of), Instant::now())
    }

    fn with_look_up(host_and_port: &str, look_up: Arc<LookUp>, now: Instant) -> Self {
        let fixed: Option<SocketAddr> = host_and_port.parse().ok();
        Self {
            host_and_port: host_and_port.to_owned(),
            addresses: fixed.into_iter().collect(),
            socket: None,
            look_up,
            looking_up: JoinSet::new(),
            look_up_at: fixed.is_none().then_some(now),
        }
    }

    fn send(&mut self, datagrams: &[Datagram], now: Instant) -> (usize, io::Result<()>) {
        self.keep_looking(now);
        let (sent, outcome) = self.send_all(datagrams);
        match outcome {
            // The machine's own buffers are full: the address is as good as before.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_no_buffers(&error) => {
                (sent, Err(error))
            }
            Err(error) => {
                // The host may have got another address, or have several.
                self.socket = None;
                if !self.addresses.is_empty() {
                    self.addresses.rotate_left(1);
                }
                let soon = now + LOOK_UP_RETRY;
                self.look_up_at = self.look_up_at.map(|at| at.min(soon));
                (sent, Err(error))
            }
            Ok(()) => (sent, Ok(())),
        }
    }

    fn send_all(&mut self, datagrams: &[Datagram]) -> (usize, io::Result<()>) {
        let socket = match self.open() {
            Ok(socket) => socket,
            Err(error) => return (0, Err(error)),
        };
        for (sent, datagram) in datagrams.iter().enumerate() {
            if let Err(error) = socket.send(datagram.text.as_bytes()) {
                return (sent, Err(error));
            }
        }
        // On this machine a refusal is there at once; which of the datagrams it means is not said.
        match socket.take_error() {
            Ok(None) => (datagrams.len(), Ok(())),
            Ok(Some(error)) | Err(error) => (0, Err(error)),
        }
    }

    fn open(&mut self) -> io::Result<&UdpSocket> {
        if self.socket.is_none() {
            let address = self.addresses.first().ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "the host has no address yet")
            })?;
            let any = if address.is_ipv4() {
                "0.0.0.0:0"
            } else {
                "[::]:0"
            };
            let socket = UdpSocket::bind(any)?;
            socket.set_nonblocking(true)?;
            socket.connect(address)?;
            self.socket = Some(socket);
        }
        self.socket
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Takes the answer of a look-up and begins the next when it is time, beside everything else:
    /// a name server that does not answer holds up nothing.
    fn keep_looking(&mut self, now: Instant) {
        while let Some(answer) = self.looking_up.try_join_next() {
            match answer {
                Ok(Ok(addresses)) if !addresses.is_empty() => self.found(addresses),
                Ok(Ok(_)) => self.look_up_at = Some(now + LOOK_UP_RETRY),
                Ok(Err(error)) => {
                    tracing::debug!(%error, host = self.host_and_port, "the Agent's host is not found");
                    self.look_up_at = Some(now + LOOK_UP_RETRY);
                }
                Err(error) => tracing::warn!(%error, "looking up the Agent's host failed"),
            }
        }
        if self.looking_up.is_empty() && self.look_up_at.is_some_and(|at| at <= now) {
            let look_up = Arc::clone(&self.look_up);
            let host_and_port = self.host_and_port.clone();
            self.looking_up
                .spawn_blocking(move || look_up(&host_and_port));
            self.look_up_at = Some(now + LOOK_UP_INTERVAL);
        }
    }

    /// Goes on with the present address as long as the host has it.
    fn found(&mut self, mut addresses: Vec<SocketAddr>) {
        // Agents listen on IPv4 unless told otherwise.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let present = self.addresses.first();
        match addresses.iter().position(|at| Some(at) == present) {
            Some(place) => addresses.rotate_left(place),
            None => self.socket = None,
        }
        self.addresses = addresses;
    }
}

fn addresses_of(host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(host_and_port.to_socket_addrs()?.collect())
}

/// Whether the system has no room for a datagram just now. The standard library has no name for
/// this error.
fn is_no_buffers(error: &io::Error) -> bool {
    /// ENOBUFS, by platform.
    const NO_BUFFERS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    error.raw_os_error() == Some(NO_BUFFERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn datagram(text: &str) -> Datagram {
        Datagram {
            text: text.to_owned(),
            lines: 1,
        }
    }

    #[test]
    fn lines_share_a_datagram_up_to_its_size() {
        let lines = ["aaaa", "bbb", "cc", "a line that is too long", "d"].map(str::to_owned);
        let packed: Vec<_> = pack(&lines, 8)
            .into_iter()
            .map(|datagram| (datagram.text, datagram.lines))
            .collect();
        let expected = [
            ("aaaa\nbbb", 2),
            ("cc", 1),
            ("a line that is too long", 1),
            ("d", 1),
        ];
        assert_eq!(
            packed,
            expected.map(|(text, lines)| (text.to_owned(), lines))
        );
        assert_eq!(pack(&[], 8), []);
    }

    #[test]
    fn a_unix_socket_that_is_made_again_is_found_and_a_full_one_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dsd.socket");
        let mut route = Route::Unix(Unix::new(path.clone()));
        let two = [datagram("one"), datagram("two")];
        let (sent, outcome) = route.send(&two);
        assert_eq!(sent, 0);
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::NotFound);

        let first = UnixDatagram::bind(&path).unwrap();
        assert!(matches!(route.send(&two), (2, Ok(()))));
        drop(first);
        let (_, outcome) = route.send(&two);
        assert_eq!(
            outcome.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );

        std::fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        let mut taken = 0;
        let refused = loop {
            let (sent, outcome) = route.send(&two);
            taken += sent;
            if let Err(error) = outcome {
                break error;
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        let mut buffer = [0; 16];
        second.recv(&mut buffer).unwrap();
        assert!(matches!(route.send(&two[..1]), (1, Ok(()))));
        second.set_nonblocking(true).unwrap();
        let left = std::iter::from_fn(|| second.recv(&mut buffer).ok()).count();
        assert_eq!(left, taken, "all that was taken can be read");
    }

    #[test]
    fn on_this_machine_a_missing_agent_is_noticed_with_the_first_datagram() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        drop(socket);
        let mut udp = Udp::new(&address.to_string());
        let now = Instant::now();
        for _ in 0..3 {
            let (sent, outcome) = udp.send(&[datagram("x")], now);
            assert_eq!(sent, 0);
            assert_eq!(
                outcome.unwrap_err().kind(),
                io::ErrorKind::ConnectionRefused
            );
        }
        let socket = UdpSocket::bind(address).unwrap();
        assert!(matches!(udp.send(&[datagram("here")], now), (1, Ok(()))));
        let mut buffer = [0; 16];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"here");
    }

    /// Sends until an answer of the look-up leads to a socket that hears it.
    fn heard(udp: &mut Udp, socket: &UdpSocket, now: Instant) {
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 16];
        let patience = Instant::now() + Duration::from_secs(60);
        while socket.recv(&mut buffer).is_err() {
            let _not_yet = udp.send(&[datagram("x")], now);
            assert!(Instant::now() < patience, "never heard");
            std::thread::yield_now();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_host_that_moves_is_followed() {
        let first = UdpSocket::bind("127.0.0.1:0").unwrap();
        let second = UdpSocket::bind("127.0.0.1:0").unwrap();
        let answer = Arc::new(Mutex::new(Vec::new()));
        let (told, now) = (Arc::clone(&answer), Instant::now());
        let look_up = move |host: &str| {
            assert_eq!(host, "agent:8125");
            Ok(told.lock().unwrap().clone())
        };
        let mut udp = Udp::with_look_up("agent:8125", Arc::new(look_up), now);
        let (sent, outcome) = udp.send(&[datagram("x")], now);
        assert_eq!(sent, 0, "nobody waits for the name server");
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::NotFound);

        // The first answer was empty, so that it is asked again soon.
        *answer.lock().unwrap() = vec![first.local_addr().unwrap()];
        while udp.looking_up.try_join_next().is_none() {
            tokio::task::yield_now().await;
        }
        heard(&mut udp, &first, now + LOOK_UP_INTERVAL);

        *answer.lock().unwrap() = vec![second.local_addr().unwrap()];
        heard(&mut udp, &first, now + LOOK_UP_INTERVAL);
        heard(&mut udp, &second, now + 3 * LOOK_UP_INTERVAL);
    }

    #[tokio::test]
    async fn a_name_is_looked_up() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut udp = Udp::new(&format!("localhost:{port}"));
        heard(&mut udp, &socket, Instant::now());
    }
}
