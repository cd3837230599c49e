//! Who is let in, by every way there is, as a client sees it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod oidc;
mod provider;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use headcount_api::{
    Access, Account, BasicAuth, Config, Context, Members, PublicUrl, TrustedProxy, Ways,
    guarded_router,
};
use model::{Catalogue, Instant, ManualClock};
use serde_json::Value;
use store::{Settings, Store};
use telemetry::Health;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

const NOW: &str = "2026-11-21T02:20:41Z";

/// Answers from a database that nobody runs: a viewer reads the description of the API, and an
/// operator is told that devices cannot be looked up.
fn away(clock: Arc<ManualClock>) -> Context {
    context(nowhere(), clock)
}

fn nowhere() -> Store {
    store_at("postgres://nobody@127.0.0.1:1/nothing".to_owned())
}

fn store_at(url: String) -> Store {
    Store::new(&Settings {
        url,
        max_connections: 2,
        statement_timeout: Duration::from_secs(5),
        application_name: "headcount-api tests".to_owned(),
    })
    .unwrap()
}

fn context(store: Store, clock: Arc<ManualClock>) -> Context {
    Context::new(
        store,
        clock,
        Arc::new(Catalogue::builtin()),
        Health::default(),
    )
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(NOW.parse::<Instant>().unwrap()))
}

fn config(access: Access) -> Config {
    Config {
        listen: "0.0.0.0:0".parse().unwrap(),
        access,
        public_url: None,
        signing_key: None,
        insecure_open: false,
        limits: headcount_api::Limits::default(),
        request_timeout: Duration::from_secs(5),
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &header::HeaderName) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {:?}", self.headers))
            .to_str()
            .unwrap()
    }

    fn problem(&self) -> Value {
        assert_eq!(
            self.header(&header::CONTENT_TYPE),
            "application/problem+json"
        );
        serde_json::from_str(&self.text).unwrap()
    }
}

/// A request from an address, with these headers.
async fn ask(
    router: &Router,
    method: Method,
    uri: &str,
    peer: &str,
    shown: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in shown {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    }
}

const COUNTS: &str = "/openapi.json";
const DEVICE: &str = "/api/v1/devices/a";
const PROXY: &str = "10.0.0.7:40000";
const STRANGER: &str = "10.0.0.8:40000";

/// Also of what is refused, and of what is not ours to style.
#[tokio::test]
async fn every_answer_tells_browsers_what_it_is_not_for() {
    for (url, lasts) in [
        (Some("https://headcount.example"), true),
        (Some("http://127.0.0.1:8080"), false),
        (None, false),
    ] {
        let config = Config {
            public_url: url.map(|url| PublicUrl::parse(url).unwrap()),
            ..config(accounts().into())
        };
        let router = guarded_router(&config, away(clock()));
        for (uri, shown) in [
            ("/", &[SCRAPER][..]),
            ("/c/ph", &[]),
            ("/livez", &[]),
            (COUNTS, &[SCRAPER]),
            (COUNTS, &[]),
            ("/api/v1/countries", &[SCRAPER]),
        ] {
            let answer = ask(&router, Method::GET, uri, STRANGER, shown).await;
            let policy = answer.header(&header::CONTENT_SECURITY_POLICY);
            assert!(policy.contains("frame-ancestors 'none'"), "{uri}: {policy}");
            assert_eq!(answer.header(&header::X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert_eq!(answer.header(&header::REFERRER_POLICY), "same-origin");
            let transport = answer.headers.get(header::STRICT_TRANSPORT_SECURITY);
            assert_eq!(transport.is_some(), lasts, "{uri}");
        }
    }
}

/// Over real connections: it is the server that says where one comes from.
#[tokio::test]
async fn a_proxy_is_known_by_its_connection() {
    for (peer, status) in [("127.0.0.1", "200"), ("127.0.0.2", "401")] {
        let members = Members::default();
        let peers = vec![peer.parse().unwrap()];
        let proxy = TrustedProxy::new(peers, "X-Email", "X-Groups", members).unwrap();
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            ..config(Access::from(Ways {
                proxy: Some(proxy),
                ..Ways::default()
            }))
        };
        let listener = headcount_api::bind(&config).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = headcount_api::run(listener, config, away(clock()), shutdown.clone());
        let asked = async {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!(
                "GET {COUNTS} HTTP/1.1\r\nHost: a\r\nX-Email: a@b\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            shutdown.cancel();
            answer
        };
        let (served, answer) = tokio::join!(served, asked);
        served.unwrap();
        let line = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&line), "{peer}: {}", &answer[..60]);
    }
}

fn accounts() -> BasicAuth {
    let viewer = Account::parse("scraper:correct horse").unwrap();
    BasicAuth::new(Some(viewer), None).unwrap()
}

const SCRAPER: (&str, &str) = ("authorization", "Basic c2NyYXBlcjpjb3JyZWN0IGhvcnNl");

fn behind_a_proxy(basic: Option<BasicAuth>) -> Router {
    let members = Members {
        operator_groups: vec!["sre".to_owned()],
        ..Members::default()
    };
    let peers = vec!["10.0.0.7".parse().unwrap()];
    let proxy = TrustedProxy::new(
        peers,
        "X-Auth-Request-Email",
        "X-Auth-Request-Groups",
        members,
    );
    let access = Access::from(Ways {
        proxy: Some(proxy.unwrap()),
        basic,
        ..Ways::default()
    });
    guarded_router(&config(access), away(clock()))
}

#[tokio::test]
async fn a_proxy_says_who_asks_and_nobody_else_does() {
    let router = behind_a_proxy(None);
    let email = ("X-Auth-Request-Email", "a@corp.example");
    let sre = ("X-Auth-Request-Groups", "dev,sre");
    let status = async |uri: &str, peer: &str, shown: &[(&str, &str)]| {
        ask(&router, Method::GET, uri, peer, shown).await.status
    };
    assert_eq!(status(COUNTS, PROXY, &[email]).await, 200);
    assert_eq!(status(DEVICE, PROXY, &[email]).await, 403);
    assert_eq!(status(DEVICE, PROXY, &[email, sre]).await, 503);
    // From another address the same headers are nothing, nor is a word about where they came from.
    let forwarded = ("X-Forwarded-For", "10.0.0.7");
    for shown in [&[email, sre][..], &[email, sre, forwarded], &[]] {
        for uri in [COUNTS, DEVICE, "/", "/metrics"] {
            assert_eq!(status(uri, STRANGER, shown).await, 401, "{uri}");
        }
    }
    // The proxy itself without them is somebody who was not signed in.
    assert_eq!(status(COUNTS, PROXY, &[]).await, 401);
    assert_eq!(status(COUNTS, PROXY, &[sre]).await, 401);
    let twice = [email, ("X-Auth-Request-Email", "ops@corp.example")];
    assert_eq!(status(COUNTS, PROXY, &twice).await, 401);
    assert_eq!(status("/livez", STRANGER, &[]).await, 200);
}

#[tokio::test]
async fn a_stranger_is_told_what_would_let_them_in() {
    let router = behind_a_proxy(None);
    let refused = ask(&router, Method::GET, COUNTS, STRANGER, &[]).await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.problem()["type"],
        "urn:headcount:problem:not-signed-in"
    );
    assert!(!refused.headers.contains_key(header::WWW_AUTHENTICATE));
    let html = ("accept", "text/html,*/*;q=0.8");
    let page = ask(&router, Method::GET, "/c/ph", STRANGER, &[html]).await;
    assert_eq!(page.status, 401);
    assert_eq!(
        page.header(&header::CONTENT_TYPE),
        "text/html; charset=utf-8"
    );
    assert!(page.text.contains("usual address"), "{}", page.text);
    let data = ask(&router, Method::GET, "/api/v1/countries", STRANGER, &[html]).await;
    data.problem();

    // Programs beside the proxy may have passwords of their own.
    let router = behind_a_proxy(Some(accounts()));
    let scraper = ask(&router, Method::GET, COUNTS, STRANGER, &[SCRAPER]).await;
    assert_eq!(scraper.status, 200);
    let refused = ask(&router, Method::GET, COUNTS, STRANGER, &[]).await;
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .header(&header::WWW_AUTHENTICATE)
            .starts_with("Basic ")
    );
}
