//! The dead man's switch: somebody outside hears of each run that closed hours, and raises the alarm
//! when that stops. It is what notices that all of headcount is gone, or its machine.
//!
//! A request is made by a task of its own, so that nothing waits for it. It is tried a few times;
//! the next closed hour makes a new one. Requests that come together are one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper::http::uri::Scheme;
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

/// How long one attempt may take, from the name's look-up to the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before each further attempt. After the last one it is given up until the next
/// hour is closed.
const RETRY_AFTER: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// Where a dead man's switch listens. Its path is a secret, because whoever knows it can keep the
/// switch quiet: only scheme and host are ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    host: String,
    port: u16,
    tls: bool,
}

/// A text is no address of a dead man's switch. The text itself may be a secret and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it looks like https://hc-ping.com/<your check> (or http://), without user and password")]
pub struct UrlError;

impl Url {
    /// Reads `https://host[:port]/path` or the same with `http`.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError)?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(UrlError),
        };
        let authority = uri.authority().ok_or(UrlError)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(UrlError);
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self {
            host,
            port,
            tls,
            uri,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}/…", self.host)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Tells the switch whenever `due` says so, until it is asked to end.
pub(crate) async fn run(url: Url, due: Arc<Notify>, shutdown: CancellationToken) {
    let tell = async {
        loop {
            due.notified().await;
            tell(&url).await;
        }
    };
    // Whatever is under way ends with the process: the next owner of the lease tells it.
    shutdown.run_until_cancelled(tell).await;
}

async fn tell(url: &Url) {
    for pause in RETRY_AFTER.into_iter().map(Some).chain([None]) {
        let attempt = tokio::time::timeout(ATTEMPT_TIMEOUT, async {
            let roots = if url.tls {
                tokio::task::spawn_blocking(system_roots).await?
            } else {
                RootCertStore::empty()
            };
            request(url, roots).await
        });
        let why = match attempt.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs()),
        };
        let Some(pause) = pause else {
            tracing::warn!(%url, why, "the dead man's switch was not reached");
            return;
        };
        tracing::debug!(%url, why, "the dead man's switch was not reached; trying again");
        tokio::time::sleep(pause).await;
    }
}

/// The authorities that this system trusts; read each time, because they are replaced while we run.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Makes one request. Redirects are not followed: they would carry a secret to somebody else.
async fn request(url: &Url, roots: RootCertStore) -> anyhow::Result<()> {
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    let status = if url.tls {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(url.host.clone())?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await;
        exchange(url, stream.context("no TLS connection")?).await?
    } else {
        exchange(url, stream).await?
    };
    if !status.is_success() {
        bail!("it answered {status}");
    }
    Ok(())
}

/// One request and the head of its answer.
async fn exchange<S>(url: &Url, stream: S) -> anyhow::Result<StatusCode>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = url.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = url
        .uri
        .authority()
        .map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, "headcount")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It may end with the answer handed over already; otherwise the answer says why it ended.
        _ = connection => answer.await,
    };
    Ok(answer?.status())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers one request and gives its head.
    async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(head).unwrap()
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK";

    async fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[test]
    fn an_address_is_shown_without_its_secret() {
        let url = Url::parse("https://hc-ping.com/0f0e-secret?create=1").unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://hc-ping.com/… https://hc-ping.com/…"
        );
        for bad in [
            "",
            "hc-ping.com/secret",
            "ftp://hc-ping.com/secret",
            "https:///secret",
            "https://u:secret@hc-ping.com/x",
            "https://hc-ping.com/a secret",
        ] {
            let error = Url::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_request_is_a_get_of_the_whole_path() {
        let (listener, port) = listener().await;
        let url = Url::parse(&format!("http://127.0.0.1:{port}/ping/abc?x=1")).unwrap();
        let served = async { answer(listener.accept().await.unwrap().0, OK).await };
        let (told, head) = tokio::join!(request(&url, RootCertStore::empty()), served);
        told.unwrap();
        assert!(head.starts_with("GET /ping/abc?x=1 HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains(&format!("host: 127.0.0.1:{port}\r\n")),
            "{head}"
        );
    }

    #[tokio::test]
    async fn an_answer_that_is_no_success_is_a_failure() {
        for status in ["302 Found\r\nlocation: /else", "404 Not Found", "500 Oh"] {
            let (listener, port) = listener().await;
            let url = Url::parse(&format!("http://127.0.0.1:{port}/x")).unwrap();
            let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            let served = async { answer(listener.accept().await.unwrap().0, &text).await };
            let (told, _) = tokio::join!(request(&url, RootCertStore::empty()), served);
            assert!(told.unwrap_err().to_string().contains(&status[..3]));
        }
    }

    #[tokio::test]
    async fn over_tls_the_name_must_be_vouched_for() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (listener, port) = listener().await;
        let url = Url::parse(&format!("https://localhost:{port}/x")).unwrap();

        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let served = async {
            let stream = listener.accept().await.unwrap().0;
            answer(acceptor.accept(stream).await.unwrap(), OK).await
        };
        let (told, head) = tokio::join!(request(&url, roots), served);
        told.unwrap();
        assert!(head.starts_with("GET /x"));

        let served = async {
            let stream = listener.accept().await.unwrap().0;
            acceptor.accept(stream).await.map(drop)
        };
        let (told, served) = tokio::join!(request(&url, RootCertStore::empty()), served);
        assert!(told.is_err() && served.is_err());
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_and_what_comes_together_is_one() {
        let (listener, port) = listener().await;
        let url = Url::parse(&format!("http://127.0.0.1:{port}/x")).unwrap();
        let (due, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
        due.notify_one();
        due.notify_one();
        let telling = run(url, Arc::clone(&due), shutdown.clone());
        let served = async {
            drop(listener.accept().await.unwrap());
            answer(listener.accept().await.unwrap().0, OK).await;
            due.notify_one();
            answer(listener.accept().await.unwrap().0, OK).await;
            shutdown.cancel();
        };
        tokio::join!(telling, served);
    }
}
