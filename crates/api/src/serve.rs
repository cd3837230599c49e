//! Connections: taken up to a bound, and none kept that says nothing.
//!
//! `axum::serve` waits for ever for the headers of a request, and takes any number of connections.
//! One machine could hold all of a process's descriptors that way, without a single request.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Connections held at once. Further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 1024;

/// The headers of a request arrive within this time, counted from when the connection was made or the
/// last answer was sent: a connection without a request is closed as well.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest request line and headers, and the most headers.
const MAX_HEADER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// How long requests that are under way at shutdown may take to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// When to try again after a connection could not be taken: there are no descriptors left.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Serves until `shutdown`; then takes no more connections and gives those under way ten seconds.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    serve_within(listener, router, shutdown, HEADERS_TIMEOUT).await
}

async fn serve_within(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    headers_timeout: Duration,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context("cannot listen")?;
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(headers_timeout)
        .max_header_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    loop {
        let taken = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = shutdown.cancelled() => break,
            taken = taken => taken,
            // Only so that those that ended do not pile up.
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let served = connection(&protocol, &graceful, stream, peer, router.clone());
                connections.spawn(async move {
                    let _place = place;
                    if let Err(error) = served.await {
                        tracing::debug!(%peer, %error, "a connection ended early");
                    }
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            "some requests did not end within {} s of shutdown and are cut off",
            DRAIN_TIMEOUT.as_secs()
        );
    }
    Ok(())
}

/// One connection, until it ends.
fn connection(
    protocol: &http1::Builder,
    graceful: &GracefulShutdown,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> impl Future<Output = hyper::Result<()>> + Send + use<> {
    // Answers are written in one piece, and the next should not wait for the network's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "a connection stays slow");
    }
    let peer = ConnectInfo(peer);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    graceful.watch(protocol.serve_connection(TokioIo::new(stream), service))
}

/// Whether the fault lies with who connected, who may try again.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Serves a router that says who asks, while `client` runs.
    async fn served(headers_timeout: Duration, client: impl AsyncFnOnce(SocketAddr)) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
        let router = Router::new().route("/", get(who));
        let served = serve_within(listener, router, shutdown.clone(), headers_timeout);
        let client = async {
            client(address).await;
            shutdown.cancel();
        };
        let (served, ()) = tokio::join!(served, client);
        served.unwrap();
    }

    async fn say(address: SocketAddr, words: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset ends an answer as well.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_request_knows_where_it_comes_from() {
        served(HEADERS_TIMEOUT, async |address| {
            let answer = say(
                address,
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            )
            .await;
            assert!(answer.ends_with("\r\n\r\n127.0.0.1"), "{answer}");
        })
        .await;
    }

    #[tokio::test]
    async fn headers_that_do_not_come_are_not_waited_for() {
        served(Duration::from_millis(50), async |address| {
            // Each ends although the client says no more and does not close.
            for words in ["", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
                let answer = say(address, words).await;
                assert!(!answer.contains("127.0.0.1"), "{answer}");
            }
            // Nor is a connection kept after its answer.
            let answer = say(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(answer.contains("127.0.0.1"), "{answer}");
        })
        .await;
    }

    #[tokio::test]
    async fn headers_have_a_size_and_a_number() {
        served(HEADERS_TIMEOUT, async |address| {
            let long = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                "x".repeat(20_000)
            );
            let many = format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
                "X: x\r\n".repeat(100)
            );
            for request in [long, many] {
                let answer = say(address, &request).await;
                assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
            }
        })
        .await;
    }
}
