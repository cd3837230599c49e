//! A network that fails on command: a TCP proxy between a role and a server.
//!
//! Everything is forwarded until something else is asked for. Faults concern the connections that
//! stand and those that come, until [`Proxy::heal`].

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::eventually;

/// Bytes forwarded at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// A slow link forwards this often.
const SLOW_TICK: Duration = Duration::from_millis(50);

/// Where the proxy listens: below the range from which systems take the ports of outgoing
/// connections, so that the port is still free when connections are taken again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A way through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How a connection is cut, for both sides alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// In order, as a process does that ends (FIN).
    Close,
    /// At once, as a firewall does that has forgotten the connection (RST).
    Reset,
}

/// Looks at what is forwarded: the number of the connection, counted from 1, the direction and the
/// bytes.
pub type Tap = Arc<dyn Fn(usize, Direction, &[u8]) + Send + Sync>;

/// What is wrong with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    refuses: bool,
    stalls: bool,
    bytes_per_sec: Option<u64>,
    delay: Duration,
    /// Moves with every cut; a connection that sees another number than at its start ends.
    cuts: u64,
    cut: Cut,
}

const HEALTHY: State = State {
    refuses: false,
    stalls: false,
    bytes_per_sec: None,
    delay: Duration::ZERO,
    cuts: 0,
    cut: Cut::Close,
};

struct Shared {
    server: SocketAddr,
    state: watch::Sender<State>,
    /// Bytes until the next cut, in one direction.
    budget: Mutex<Option<(Direction, u64, Cut)>>,
    connections: AtomicUsize,
    tap: Option<Tap>,
}

/// A proxy in front of one server. Dropped, it closes everything.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _acceptor: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port and forwards to a server on this machine.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn to(server_port: u16) -> Self {
        Self::start(server_port, None).await
    }

    /// The same, with somebody who looks at all that passes.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn tapped(server_port: u16, tap: Tap) -> Self {
        Self::start(server_port, Some(tap)).await
    }

    async fn start(server_port: u16, tap: Option<Tap>) -> Self {
        let listener = eventually("a free port", async || {
            let port = fastrand::u16(PORTS);
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.ok()
        })
        .await;
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server: (Ipv4Addr::LOCALHOST, server_port).into(),
            state: watch::Sender::new(HEALTHY),
            budget: Mutex::new(None),
            connections: AtomicUsize::new(0),
            tap,
        });
        let mut acceptor = JoinSet::new();
        acceptor.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _acceptor: acceptor,
        }
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections taken since the start.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Cuts all connections that stand now; new ones are taken.
    pub fn cut(&self, cut: Cut) {
        self.shared.cut(cut);
    }

    /// Cuts all connections once so many more bytes have passed in one direction, in the middle
    /// of whatever they belong to.
    pub fn cut_after(&self, direction: Direction, bytes: u64, cut: Cut) {
        *self.shared.budget.lock().unwrap() = Some((direction, bytes, cut));
    }

    /// Whether the cut that was asked for last has happened.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.shared.budget.lock().unwrap().is_none()
    }

    /// Takes no new connections: the port is closed.
    pub fn refuse(&self) {
        self.shared.state.send_modify(|state| state.refuses = true);
    }

    /// Reads nothing and forwards nothing, in either direction; connections stay open.
    pub fn stall(&self) {
        self.shared.state.send_modify(|state| state.stalls = true);
    }

    /// Forwards so many bytes per second in each direction of each connection.
    pub fn slow(&self, bytes_per_sec: u64) {
        self.shared
            .state
            .send_modify(|state| state.bytes_per_sec = Some(bytes_per_sec));
    }

    /// Holds everything back for a while, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.shared.state.send_modify(|state| state.delay = delay);
    }

    /// Ends every fault. What was cut stays cut.
    pub fn heal(&self) {
        *self.shared.budget.lock().unwrap() = None;
        self.shared.state.send_modify(|state| {
            *state = State {
                cuts: state.cuts,
                cut: state.cut,
                ..HEALTHY
            };
        });
    }
}

impl Shared {
    fn cut(&self, cut: Cut) {
        self.state.send_modify(|state| {
            state.cuts += 1;
            state.cut = cut;
        });
    }

    /// How many of `length` bytes may still pass before a cut, and the cut if it comes after them.
    fn spend(&self, direction: Direction, length: usize) -> (usize, Option<Cut>) {
        let mut budget = self.budget.lock().unwrap();
        match &mut *budget {
            Some((limited, left, cut)) if *limited == direction => {
                if *left > length as u64 {
                    *left -= length as u64;
                    return (length, None);
                }
                let passed = usize::try_from(*left).unwrap();
                let cut = *cut;
                *budget = None;
                (passed, Some(cut))
            }
            _ => (length, None),
        }
    }
}

/// Takes connections, and closes the port while they are to be refused.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    let mut state = shared.state.subscribe();
    let mut connections = JoinSet::new();
    loop {
        if state.borrow_and_update().refuses {
            listener = None;
        } else if listener.is_none() {
            listener = Some(
                eventually("the port is free again", async || {
                    TcpListener::bind(address).await.ok()
                })
                .await,
            );
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Ok((client, _)) = accepted => {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                connections.spawn(forward(client, number, Arc::clone(&shared)));
            }
            _ = state.changed() => {}
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Forwards one connection until one of its sides ends or it is cut.
async fn forward(mut client: TcpStream, number: usize, shared: Arc<Shared>) {
    // Cuts before this moment are none of ours.
    let mut state = shared.state.subscribe();
    let cuts = state.borrow_and_update().cuts;
    let Ok(mut server) = TcpStream::connect(shared.server).await else {
        return; // as a closed port would: the client's connection is closed
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let pipe = |direction| Pipe {
        direction,
        number,
        shared: &shared,
        state: shared.state.subscribe(),
    };
    let cut = tokio::select! {
        ended = async {
            tokio::try_join!(
                pipe(Direction::Up).run(from_client, to_server),
                pipe(Direction::Down).run(from_server, to_client),
            )
        } => match ended {
            Ok(_) => Cut::Close,
            Err(_) => Cut::Reset, // one side was reset, so the other one is
        },
        Ok(now) = state.wait_for(|state| state.cuts != cuts) => now.cut,
    };
    if cut == Cut::Reset {
        for stream in [&client, &server] {
            // It may be gone already.
            let _ = stream.set_zero_linger();
        }
    }
}

/// What a slow link forwards at a time, at least a byte.
fn bytes_per_tick(bytes_per_sec: u64) -> usize {
    let bytes = u128::from(bytes_per_sec) * SLOW_TICK.as_millis() / 1000;
    usize::try_from(bytes).unwrap().clamp(1, CHUNK_BYTES)
}

/// One direction of a connection.
struct Pipe<'a> {
    direction: Direction,
    number: usize,
    shared: &'a Shared,
    state: watch::Receiver<State>,
}

impl Pipe<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> std::io::Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            self.flowing().await;
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return to.shutdown().await;
            }
            let delay = self.flowing().await.delay;
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let mut rest = &buffer[..length];
            while !rest.is_empty() {
                let now = self.flowing().await;
                let limit = now.bytes_per_sec.map_or(CHUNK_BYTES, bytes_per_tick);
                let (piece, after) = rest.split_at(limit.min(rest.len()));
                self.pass(piece, &mut to).await?;
                if now.bytes_per_sec.is_some() {
                    tokio::time::sleep(SLOW_TICK).await;
                }
                rest = after;
            }
        }
    }

    /// Forwards bytes, up to the place of a cut.
    async fn pass(&self, bytes: &[u8], to: &mut WriteHalf<'_>) -> std::io::Result<()> {
        let (passed, cut) = self.shared.spend(self.direction, bytes.len());
        if let Some(tap) = &self.shared.tap {
            tap(self.number, self.direction, &bytes[..passed]);
        }
        to.write_all(&bytes[..passed]).await?;
        if let Some(cut) = cut {
            self.shared.cut(cut);
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    /// Waits while nothing may pass.
    async fn flowing(&mut self) -> State {
        // The sender lives as long as the proxy, and so does this.
        *self.state.wait_for(|state| !state.stalls).await.unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Instant;

    use super::*;

    /// A server that sends everything back, behind a proxy.
    async fn echo() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _cut = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (Proxy::to(port).await, server)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address).await.unwrap()
    }

    async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
        stream.write_all(text.as_bytes()).await?;
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await?;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[tokio::test]
    async fn everything_is_forwarded_and_connections_are_counted() {
        let (proxy, _server) = echo().await;
        let mut stream = connect(&proxy).await;
        let long = "x".repeat(100_000);
        assert_eq!(ask(&mut stream, &long).await.unwrap(), long);
        assert_eq!(ask(&mut connect(&proxy).await, "b").await.unwrap(), "b");
        assert_eq!(proxy.connections(), 2);
        stream.shutdown().await.unwrap();
        assert_eq!(
            stream.read(&mut [0]).await.unwrap(),
            0,
            "ends are passed on"
        );
    }

    #[tokio::test]
    async fn a_cut_ends_what_stands_in_the_way_asked_for() {
        let (proxy, _server) = echo().await;
        let mut stream = connect(&proxy).await;
        ask(&mut stream, "a").await.unwrap();
        proxy.cut(Cut::Close);
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        let mut stream = connect(&proxy).await;
        ask(&mut stream, "a").await.unwrap();
        proxy.cut(Cut::Reset);
        let error = stream.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        ask(&mut connect(&proxy).await, "a").await.unwrap();
    }

    #[tokio::test]
    async fn a_cut_comes_after_exactly_so_many_bytes() {
        let (proxy, _server) = echo().await;
        let mut stream = connect(&proxy).await;
        proxy.cut_after(Direction::Down, 7, Cut::Close);
        stream.write_all(b"abcd").await.unwrap();
        stream.write_all(b"efghij").await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "abcdefg");
        assert!(proxy.has_cut());
        ask(&mut connect(&proxy).await, "long enough")
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_stall_holds_everything_back_and_loses_nothing() {
        let (proxy, _server) = echo().await;
        let mut stream = connect(&proxy).await;
        ask(&mut stream, "a").await.unwrap();
        proxy.stall();
        let silence = tokio::time::timeout(Duration::from_millis(200), ask(&mut stream, "b")).await;
        assert!(silence.is_err());
        proxy.heal();
        let mut answer = [0];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"b");
    }

    #[tokio::test]
    async fn a_refused_connection_is_refused_until_it_is_not() {
        let (proxy, _server) = echo().await;
        let mut standing = connect(&proxy).await;
        ask(&mut standing, "a").await.unwrap();
        proxy.refuse();
        eventually("refused", async || {
            let error = TcpStream::connect(proxy.address).await.err()?;
            (error.kind() == ErrorKind::ConnectionRefused).then_some(())
        })
        .await;
        assert_eq!(ask(&mut standing, "b").await.unwrap(), "b");
        proxy.heal();
        eventually("taken", async || {
            let mut stream = TcpStream::connect(proxy.address).await.ok()?;
            ask(&mut stream, "c").await.ok()
        })
        .await;
    }

    #[tokio::test]
    async fn slow_and_late_links_take_their_time() {
        let (proxy, _server) = echo().await;
        let mut stream = connect(&proxy).await;
        ask(&mut stream, "a").await.unwrap();
        proxy.delay(Duration::from_millis(100));
        let started = Instant::now();
        ask(&mut stream, "late").await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(200));
        proxy.heal();
        proxy.slow(2_000);
        let started = Instant::now();
        ask(&mut stream, &"x".repeat(1_000)).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(400));
    }
}
