//! The HTTP API: counts, devices, the pipeline's status, probes, OpenAPI.
//!
//! It reads, but for what people mark on the axis of time. A request goes `access` (may this caller
//! ask at all?) → `extract` and `body` (is what they ask well-formed?) → one file of `routes` per noun,
//! which asks [`store`] and shapes the answer. Whatever goes wrong on the way becomes a `problem`.

mod access;
mod body;
mod browsers;
mod caching;
mod charts;
mod cursor;
mod docs;
mod extract;
mod limits;
mod live;
mod openapi;
mod pages;
mod problem;
mod public_url;
mod range;
mod routes;
mod serve;
mod table;
mod time;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use telemetry::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

pub use access::{
    Access, Account, AccountError, BasicAuth, BasicAuthError, Members, Network, NetworkError, Oidc,
    OidcError, OidcSettings, OpenWithoutAccessControl, Role, ShortKey, SigningKey, TrustedProxy,
    TrustedProxyError, Ways,
};
use access::{Gate, KeyRing};
pub use limits::Limits;
pub use openapi::openapi;
use problem::Problem;
pub use public_url::{PublicUrl, PublicUrlError};
use routes::probes;
use serve::serve;

/// Answers that read about every device, made at once.
const MAX_READERS: usize = 2;

/// How long somebody waits for one of those places.
const READER_PATIENCE: Duration = Duration::from_secs(3);

/// Requests for data that are answered at once, each with at most one answer in memory. Beyond
/// them callers are told to come back rather than kept waiting for a connection to the database.
const MAX_REQUESTS_IN_FLIGHT: usize = 256;

/// How the API serves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// How callers prove who they are.
    pub access: Access,
    /// The address under which people reach the page, where it is known.
    pub public_url: Option<PublicUrl>,
    /// What sessions are signed with; a key kept in the database if none is given.
    pub signing_key: Option<SigningKey>,
    /// Serve everybody who can reach the address, although there is no access control.
    pub insecure_open: bool,
    /// A request that takes longer is answered with 504. Set it above the database's statement
    /// timeout, so that a slow statement is ended by the server rather than abandoned.
    pub request_timeout: Duration,
    /// How often one caller may ask.
    pub limits: Limits,
}

impl Config {
    /// Whether this may be served: without access control only on loopback, unless somebody
    /// accepted the risk.
    ///
    /// # Errors
    /// When others could reach the address.
    pub fn check(&self) -> Result<(), OpenWithoutAccessControl> {
        if self.insecure_open || self.access.asks() || access::is_loopback(self.listen.ip()) {
            return Ok(());
        }
        Err(OpenWithoutAccessControl {
            listen: self.listen,
        })
    }
}

/// What the answers are made from. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    store: store::Store,
    clock: Arc<dyn model::Clock>,
    catalogue: Arc<model::Catalogue>,
    health: telemetry::Health,
    live: Arc<live::Live>,
    /// Places for those who follow the stream.
    followers: Arc<Semaphore>,
    /// Ends the stream.
    ended: CancellationToken,
    studio: Arc<charts::Studio>,
    /// Places for answers that read about every device.
    readers: Arc<Semaphore>,
}

impl Context {
    /// Answers from this data, at this time, with these names of countries and carriers, and says
    /// whether the parts of this process can work.
    #[must_use]
    pub fn new(
        store: store::Store,
        clock: Arc<dyn model::Clock>,
        catalogue: Arc<model::Catalogue>,
        health: telemetry::Health,
    ) -> Self {
        Self {
            store,
            clock,
            catalogue,
            health,
            live: Arc::default(),
            followers: Arc::new(Semaphore::new(routes::stream::MAX_FOLLOWERS)),
            ended: CancellationToken::new(),
            studio: Arc::default(),
            readers: Arc::new(Semaphore::new(MAX_READERS)),
        }
    }

    /// A place to read about every device, which may take seconds: waited for, but not for long. All
    /// roles of a process share its connections to the database, and whoever asks for much must not
    /// keep heartbeats from being stored.
    async fn place_to_read(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.readers).acquire_owned();
        match tokio::time::timeout(READER_PATIENCE, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Problem::too_busy()),
        }
    }

    async fn live(&self) -> store::Result<Arc<live::Reading>> {
        self.live.read(&self.store, &*self.clock).await
    }
}

/// All routes, without the checks that depend on where they are served: for tests without a
/// socket.
pub fn router(context: Context) -> Router {
    let gate = Gate {
        access: Access::Unasked,
        wrong: limits::Buckets::of_wrong_passwords(),
        keys: Arc::default(),
        clock: Arc::clone(&context.clock),
    };
    observed(admitted(routes(context), gate))
}

/// All routes as they are served with this configuration.
pub fn guarded_router(config: &Config, context: Context) -> Router {
    let gate = gate(config, Some(context.store.clone()), &context.clock);
    guarded(config, gate, routes(context))
}

/// Takes the address, so that somebody can be told about it before there is anything to serve.
///
/// # Errors
/// When the configuration would open the API to others ([`Config::check`]), or the address cannot
/// be listened on.
pub fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    config.check()?;
    let listener = TcpListener::bind(config.listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .with_context(|| format!("cannot listen on {} (`api.listen`)", config.listen))?;
    let address = listener
        .local_addr()
        .context("cannot tell the address listened on")?;
    if config.access.asks() {
        tracing::info!("the API asks for {}", config.access.asks_for());
    } else if !access::is_loopback(address.ip()) {
        tracing::warn!(
            %address,
            "THE API IS OPEN: everybody who can reach this address reads all counts and devices, \
             because `--insecure-open` is set and there is no access control"
        );
    }
    tracing::info!("the API answers at http://{address}/api/v1/countries");
    Ok(listener)
}

/// Serves until `shutdown`; then takes no more connections and gives those under way ten seconds.
///
/// # Errors
/// When the listener fails.
pub async fn run(
    listener: TcpListener,
    config: Config,
    mut context: Context,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    context.health.ready("api");
    context.ended = shutdown.clone();
    serve(listener, guarded_router(&config, context), shutdown).await
}

/// Serves what can be served before there is any data: the pages, and a status that says what is
/// being prepared. Everything else is told to come back.
///
/// # Errors
/// When the listener fails.
pub async fn run_preparing(
    listener: TcpListener,
    config: Config,
    clock: Arc<dyn model::Clock>,
    health: telemetry::Health,
    prepared: CancellationToken,
) -> anyhow::Result<()> {
    let gate = gate(&config, None, &clock);
    let status = async move || routes::status::preparing(clock.now(), health.work());
    let router = Router::new()
        .route("/livez", get(probes::livez))
        .route("/api/v1/status", get(status))
        .route("/readyz", get(async || Problem::getting_ready()))
        .route("/api/{*path}", get(async || Problem::getting_ready()))
        .fallback(pages::serve);
    serve(listener, guarded(&config, gate, router), prepared).await
}

/// Serves the probes alone, for processes without the API: they hold no counts and no devices, so
/// they may listen on any address.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn run_probes(
    listen: SocketAddr,
    context: Context,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .with_context(|| format!("cannot listen on {listen} (`api.probes_listen`)"))?;
    let router = Router::new()
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .fallback(async |uri: Uri| Problem::no_such_path(uri.path()))
        .with_state(context);
    serve(listener, observed(router), shutdown).await
}

/// What tells who calls. Without a store, as before there is data, only a key that was given is known.
fn gate(config: &Config, store: Option<store::Store>, clock: &Arc<dyn model::Clock>) -> Gate {
    Gate {
        access: config.access.clone(),
        wrong: limits::Buckets::of_wrong_passwords(),
        keys: Arc::new(KeyRing::new(config.signing_key.clone(), store)),
        clock: Arc::clone(clock),
    }
}

fn guarded(config: &Config, gate: Gate, router: Router) -> Router {
    let permits = Arc::new(Semaphore::new(MAX_REQUESTS_IN_FLIGHT));
    let mut router = router
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(
            config.request_timeout,
            limit_time,
        ))
        .layer(middleware::from_fn_with_state(permits, limit_load));
    router = admitted(router, gate);
    if !config.insecure_open && !config.access.asks() {
        router = router.layer(middleware::from_fn(access::refuse_foreign_hosts));
    }
    if let Some(per_second) = config.limits.requests_per_second {
        let buckets = limits::Buckets::of_requests(per_second);
        router = router.layer(middleware::from_fn_with_state(
            buckets,
            limits::limit_requests,
        ));
    }
    let is_https = config.public_url.as_ref().is_some_and(PublicUrl::is_https);
    observed(router.layer(middleware::from_fn_with_state(is_https, browsers::tell)))
}

fn routes(context: Context) -> Router {
    let (router, document) = openapi::routes().split_for_parts();
    let router = router.with_state(context);
    docs::serve(openapi::serve(router, &document))
        .fallback(pages::serve)
        .method_not_allowed_fallback(async |method: Method| Problem::method_not_allowed(&method))
}

fn admitted(router: Router, gate: Gate) -> Router {
    router
        .layer(middleware::from_fn(access::refuse_foreign_sites))
        .layer(middleware::from_fn_with_state(gate, access::admit))
}

fn observed(router: Router) -> Router {
    router.layer(middleware::from_fn(observe))
}

/// Counts requests, and answers what no route may: TRACE would send a caller's headers back.
async fn observe(request: Request, next: Next) -> Response {
    Counter::Requests.add(1);
    let mut response = if request.method() == Method::TRACE {
        let allowed = [(header::ALLOW, "GET,HEAD")];
        (allowed, Problem::method_not_allowed(request.method())).into_response()
    } else {
        next.run(request).await
    };
    if response.status().is_server_error() {
        Counter::RequestErrors.add(1);
    }
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => Problem::took_too_long().into_response(),
    }
}

/// Probes are answered whatever the load: an orchestrator that gets no answer kills a process that
/// is merely busy.
async fn limit_load(
    State(permits): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    match permits.try_acquire() {
        Ok(_held_until_answered) => next.run(request).await,
        Err(_none_left) => Problem::too_busy().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn under_load_data_waits_and_probes_do_not() {
        let status = async |permits, uri: &str| {
            let permits = Arc::new(Semaphore::new(permits));
            let router = Router::new()
                .route("/api/v1/countries", get(async || "data"))
                .route("/livez", get(async || "alive"))
                .layer(middleware::from_fn_with_state(permits, limit_load));
            let request = Request::get(uri).body(Body::empty()).unwrap();
            router.oneshot(request).await.unwrap().status()
        };
        assert_eq!(status(1, "/api/v1/countries").await, StatusCode::OK);
        assert_eq!(
            status(0, "/api/v1/countries").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(status(0, "/livez").await, StatusCode::OK);
    }

    #[test]
    fn others_are_let_in_only_on_purpose() {
        let config = |listen: &str, insecure_open| Config {
            listen: listen.parse().unwrap(),
            access: Access::Unasked,
            public_url: None,
            signing_key: None,
            insecure_open,
            request_timeout: Duration::from_secs(10),
            limits: Limits::default(),
        };
        for own in [
            "127.0.0.1:8080",
            "127.9.9.9:80",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(config(own, false).check(), Ok(()), "{own}");
        }
        for open in [
            "0.0.0.0:8080",
            "[::]:8080",
            "10.0.0.1:80",
            "[::ffff:10.0.0.1]:80",
        ] {
            let message = config(open, false).check().unwrap_err().to_string();
            assert!(message.contains("`api.listen`"), "{message}");
            assert!(message.contains("`--insecure-open`"), "{message}");
            assert!(message.contains("`api.basic_auth`"), "{message}");
            assert!(message.contains(open), "{message}");
            assert_eq!(config(open, true).check(), Ok(()), "{open}");
            let operator = Account::parse("ops:correct horse").unwrap();
            let asking = Config {
                access: BasicAuth::new(None, Some(operator)).unwrap().into(),
                ..config(open, false)
            };
            assert_eq!(asking.check(), Ok(()), "{open}");
        }
    }
}
