//! Signing in with the company's identity provider: OpenID Connect, authorization code with PKCE.
//!
//! A browser is sent to the provider with a state, a nonce and a challenge, all random, and keeps
//! what belongs to them in a signed cookie. Whoever comes back must bring that cookie and that state,
//! so a sign-in ends in the browser it began in; the code is worth something only together with the
//! verifier behind the challenge; and the provider's token must repeat the nonce. Then a session
//! begins: a signed cookie that says who somebody is and until when.
//!
//! The provider is asked when somebody signs in and at no other time. While it is away, sessions go
//! on, and new ones are told so by a page.

mod client;
mod token;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::cookies::{SESSION, SIGN_IN};
use super::page::{self, Message};
use super::sealed::{Purpose, random_text};
use super::{Caller, Gate, MAX_NAME_BYTES, Members, Role, is_of_another_site};
use crate::problem::Problem;
use crate::public_url::{PublicUrl, encoded, is_private};
use client::{Client, ClientError, Question};
use token::{Claims, Expected, KeySet, Keys, TokenError};

/// Everything about signing in is under this path.
const PATHS: &str = "/auth/";
const SIGN_IN_PATH: &str = "/auth/login";
const CALLBACK_PATH: &str = "/auth/callback";
const SIGN_OUT_PATH: &str = "/auth/logout";

/// Where a provider describes itself, below its issuer.
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// How long somebody may take at the provider.
const SIGN_IN_SECS: i64 = 600;

/// The longest address that is gone back to after signing in.
const MAX_RETURN_BYTES: usize = 1024;

/// How long a provider's description is taken to hold.
const METADATA_AGE: Duration = Duration::from_secs(3600);

/// How long after a failure the provider is not asked for its description again, so that those who
/// waited for the first answer do not each wait for one of their own.
const FAILURE_AGE: Duration = Duration::from_secs(2);

/// Sign-ins that are completed at once; each takes up to two questions to the provider.
const MAX_EXCHANGES: usize = 16;

/// What a provider is, and who of its people is what.
#[derive(Clone)]
pub struct OidcSettings {
    /// The provider's issuer, exactly as it writes it.
    pub issuer: String,
    /// What we are called there.
    pub client_id: String,
    /// What proves that we are; none for a public client.
    pub client_secret: Option<String>,
    /// What is asked for; `openid` is always among it.
    pub scopes: Vec<String>,
    /// The claim that holds somebody's groups.
    pub groups_claim: String,
    /// Who is what. Somebody who is nothing is not let in.
    pub members: Members,
    /// How long a session lasts.
    pub session: Duration,
}

/// Why a provider cannot be used as it was described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// Not an address that tokens could be trusted from.
    #[error("it is the provider's address as it writes it itself, and begins with https://")]
    Issuer,
    /// Not set.
    #[error("the provider's name for headcount is needed")]
    ClientId,
    /// Nobody would be let in, or everybody with an account anywhere.
    #[error(
        "say who may come in: `viewer_email_domains` or `viewer_groups`, and for operators \
         `operator_emails` or `operator_groups`"
    )]
    Nobody,
    /// Sessions and codes would travel readably.
    #[error("people must reach the page over https:// to sign in (or on this machine alone)")]
    PublicUrl,
    /// The TLS library refused to work.
    #[error("TLS cannot be used")]
    Tls,
}

/// An identity provider.
pub struct Oidc {
    settings: OidcSettings,
    public_url: PublicUrl,
    discovery: Uri,
    client: Client,
    provider: Mutex<Provider>,
    exchanges: Semaphore,
    /// Changes with the settings, and ends the sessions that began under others.
    policy: u64,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc")
            .field("issuer", &self.settings.issuer)
            .field("members", &self.settings.members)
            .finish_non_exhaustive()
    }
}

/// What is known about the provider.
#[derive(Debug, Default)]
struct Provider {
    described: Option<(Arc<Metadata>, Instant)>,
    failed_at: Option<Instant>,
    keys: Option<Arc<Keys>>,
}

/// A provider's description of itself, as far as it is used.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The provider gave no answer that could be used.
    #[error("the identity provider cannot be used: {0}")]
    Client(#[from] ClientError),
    #[error("the identity provider describes itself as {0:?}; `api.oidc.issuer` must be the same")]
    Issuer(String),
    #[error("the identity provider names an address that is not https://: {0:?}")]
    Endpoint(String),
    #[error("the identity provider did not answer a moment ago and is not asked again yet")]
    FailedJustNow,
    #[error("the identity provider's token is not believed: {0}")]
    Token(#[from] TokenError),
}

/// A sign-in under way, as the browser keeps it.
#[derive(Serialize, Deserialize)]
struct Pending {
    state: String,
    nonce: String,
    verifier: String,
    /// Where to go afterwards.
    back: String,
    until_secs: i64,
}

/// Somebody who is signed in, as their browser keeps it.
#[derive(Serialize, Deserialize)]
struct Session {
    name: String,
    role: Role,
    until_secs: i64,
    policy: u64,
}

#[derive(Deserialize)]
struct SignInQuery {
    #[serde(rename = "to")]
    back: Option<String>,
}

#[derive(Deserialize)]
struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    /// Who answers (RFC 9207); not every provider says so.
    iss: Option<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

impl Oidc {
    /// A provider whose people sign in at the page's public address.
    ///
    /// # Errors
    /// When something could not be trusted, or nobody would be let in.
    pub fn new(settings: OidcSettings, public_url: PublicUrl) -> Result<Self, OidcError> {
        let discovery = format!("{}{DISCOVERY_PATH}", settings.issuer.trim_end_matches('/'));
        let discovery: Uri = discovery.parse().map_err(|_| OidcError::Issuer)?;
        let is_plain = !settings.issuer.contains(['@', '#', '?']);
        if !is_private(&discovery) || !is_plain {
            return Err(OidcError::Issuer);
        }
        if settings.client_id.is_empty() {
            return Err(OidcError::ClientId);
        }
        if !settings.members.names_anybody() {
            return Err(OidcError::Nobody);
        }
        if !public_url.is_private() {
            return Err(OidcError::PublicUrl);
        }
        let described = format!(
            "{:?}",
            (
                &settings.issuer,
                &settings.client_id,
                &settings.groups_claim,
                &settings.members
            )
        );
        Ok(Self {
            policy: xxh3_64(described.as_bytes()),
            client: Client::new().map_err(|_| OidcError::Tls)?,
            provider: Mutex::default(),
            exchanges: Semaphore::new(MAX_EXCHANGES),
            settings,
            public_url,
            discovery,
        })
    }

    /// Whether a path belongs to signing in.
    pub(super) fn owns(path: &str) -> bool {
        path.starts_with(PATHS)
    }

    /// Where the page to sign in leads, so that one comes back to this address.
    pub(super) fn sign_in_address(uri: &Uri) -> String {
        let back = uri.path_and_query().map_or("/", |target| target.as_str());
        match own_path(back) {
            Some(back) => format!("{SIGN_IN_PATH}?to={}", encoded(back)),
            None => SIGN_IN_PATH.to_owned(),
        }
    }

    /// Who is signed in with the browser that sends these headers.
    pub(super) async fn caller(
        &self,
        gate: &Gate,
        headers: &HeaderMap,
    ) -> Result<Option<Caller>, Problem> {
        let Some(sealed) = SESSION.read(headers, self.public_url.is_https()) else {
            return Ok(None);
        };
        let session: Option<Session> = gate.keys.key().await?.open(Purpose::Session, sealed);
        let now_secs = gate.clock.now().timestamp();
        Ok(session
            .filter(|session| now_secs < session.until_secs && session.policy == self.policy)
            .map(|session| Caller {
                name: session.name.into(),
                role: session.role,
            }))
    }

    /// Answers at the paths of signing in.
    pub(super) async fn answer(&self, gate: &Gate, request: Request) -> Response {
        let (request, _body) = request.into_parts();
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        let answered = match request.uri.path() {
            SIGN_IN_PATH if is_read => self.begin(gate, &request).await,
            // Not HEAD: a code is good for one exchange.
            CALLBACK_PATH if request.method == Method::GET => self.complete(gate, &request).await,
            SIGN_OUT_PATH if request.method == Method::POST => self.end(&request),
            SIGN_IN_PATH | CALLBACK_PATH | SIGN_OUT_PATH => {
                Err(Problem::method_not_allowed(&request.method))
            }
            path => Err(Problem::no_such_path(path)),
        };
        answered.unwrap_or_else(axum::response::IntoResponse::into_response)
    }

    /// Sends somebody to the provider.
    async fn begin(&self, gate: &Gate, request: &Parts) -> Result<Response, Problem> {
        let back = Query::<SignInQuery>::try_from_uri(&request.uri)
            .ok()
            .and_then(|Query(query)| query.back)
            .and_then(|back| own_path(&back).map(str::to_owned))
            .unwrap_or_else(|| "/".to_owned());
        let metadata = match self.metadata().await {
            Ok(metadata) => metadata,
            Err(failure) => return Ok(self.failed(&failure, request, &back)),
        };
        let pending = Pending {
            state: random_text()?,
            nonce: random_text()?,
            verifier: random_text()?,
            back,
            until_secs: gate.clock.now().timestamp() + SIGN_IN_SECS,
        };
        let challenge = digest::digest(&digest::SHA256, pending.verifier.as_bytes());
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.redirect_uri()),
            ("scope", &self.scope()),
            ("state", &pending.state),
            ("nonce", &pending.nonce),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(challenge)),
            ("code_challenge_method", "S256"),
        ];
        let endpoint = &metadata.authorization_endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        let target = format!("{endpoint}{joint}{}", form(&parameters));
        let sealed = gate.keys.key().await?.seal(Purpose::SignIn, &pending)?;
        let cookie = SIGN_IN.set(&sealed, SIGN_IN_SECS, self.public_url.is_https());
        Ok(see_other(&target, cookie))
    }

    /// Takes somebody who comes back from the provider.
    async fn complete(&self, gate: &Gate, request: &Parts) -> Result<Response, Problem> {
        let headers = &request.headers;
        let is_https = self.public_url.is_https();
        let start_again = |why: &str| {
            tracing::info!(why, "somebody could not sign in");
            page::answer(Message::StartAgain, headers, Some(SIGN_IN_PATH))
        };
        let Ok(Query(query)) = Query::<CallbackQuery>::try_from_uri(&request.uri) else {
            return Ok(start_again(
                "the provider sent them back with an address that cannot be read",
            ));
        };
        let Some(sealed) = SIGN_IN.read(headers, is_https) else {
            return Ok(start_again(
                "they began in another browser, or too long ago",
            ));
        };
        let pending: Option<Pending> = gate.keys.key().await?.open(Purpose::SignIn, sealed);
        let now_secs = gate.clock.now().timestamp();
        let Some(pending) = pending.filter(|pending| now_secs < pending.until_secs) else {
            return Ok(start_again("they began too long ago"));
        };
        let state = query.state.as_deref().unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(pending.state.as_bytes())) {
            return Ok(start_again(
                "they came back from another sign-in than the one they began",
            ));
        }
        if query
            .iss
            .as_ref()
            .is_some_and(|iss| *iss != self.settings.issuer)
        {
            return Ok(start_again("another provider sent them"));
        }
        let (None, Some(code)) = (&query.error, &query.code) else {
            return Ok(start_again("the provider refused"));
        };
        let Ok(_permit) = self.exchanges.try_acquire() else {
            return Err(Problem::too_busy());
        };
        let mut response = match self.redeem(code, &pending, now_secs).await {
            Ok(claims) => self.welcome(gate, &claims, &pending, request).await?,
            Err(Failure::Client(ClientError::Refused(StatusCode::BAD_REQUEST, why))) => {
                start_again(&format!("the provider did not take the code{why}"))
            }
            Err(failure @ Failure::Token(TokenError::Nonce | TokenError::Time)) => {
                start_again(&failure.to_string())
            }
            Err(failure) => self.failed(&failure, request, &pending.back),
        };
        // Whatever came of it, this sign-in is over.
        if let Some(cookie) = SIGN_IN.forget(is_https) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// Begins a session for somebody whom the provider knows, if they have a role.
    async fn welcome(
        &self,
        gate: &Gate,
        claims: &Claims,
        pending: &Pending,
        request: &Parts,
    ) -> Result<Response, Problem> {
        let email = claims.verified_email();
        let name = [email.unwrap_or_default(), &claims.sub]
            .into_iter()
            .find(|name| {
                !name.is_empty()
                    && name.len() <= MAX_NAME_BYTES
                    && !name.chars().any(char::is_control)
            });
        let groups = claims.groups(&self.settings.groups_claim);
        let role = self.settings.members.role(email, &groups);
        let (Some(name), Some(role)) = (name, role) else {
            tracing::info!(target: "audit", name, "somebody without a role was not let in");
            let again = Some(SIGN_IN_PATH);
            return Ok(page::answer(Message::NotAMember, &request.headers, again));
        };
        tracing::info!(target: "audit", name, ?role, "somebody signed in");
        let session_secs = i64::try_from(self.settings.session.as_secs()).unwrap_or(i64::MAX);
        let session = Session {
            name: name.to_owned(),
            role,
            until_secs: gate.clock.now().timestamp().saturating_add(session_secs),
            policy: self.policy,
        };
        let sealed = gate.keys.key().await?.seal(Purpose::Session, &session)?;
        let cookie = SESSION.set(&sealed, session_secs, self.public_url.is_https());
        Ok(see_other(&pending.back, cookie))
    }

    /// Has the browser forget its session.
    fn end(&self, request: &Parts) -> Result<Response, Problem> {
        if is_of_another_site(&request.headers) {
            return Err(Problem::from_another_site());
        }
        Ok(see_other("/", SESSION.forget(self.public_url.is_https())))
    }

    /// What the provider says about whoever brought this code.
    async fn redeem(
        &self,
        code: &str,
        pending: &Pending,
        now_secs: i64,
    ) -> Result<Claims, Failure> {
        let metadata = self.metadata().await?;
        let redirect_uri = self.redirect_uri();
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &pending.verifier),
            ("client_id", &self.settings.client_id),
        ];
        let authorization = match &self.settings.client_secret {
            Some(secret) if metadata.wants_secret_in_form() => {
                parameters.push(("client_secret", secret));
                None
            }
            Some(secret) => {
                let pair = format!("{}:{}", encoded(&self.settings.client_id), encoded(secret));
                HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()
            }
            None => None,
        };
        let question = Question::Post {
            form: form(&parameters),
            authorization: authorization.as_ref(),
        };
        let endpoint = usable(&metadata.token_endpoint)?;
        let answer: TokenAnswer = self.client.ask(&endpoint, question).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &pending.nonce,
            now_secs,
        };
        if let Some(keys) = self.known_keys().await {
            match keys.read(&answer.id_token, &expected) {
                // The provider may have changed its keys since.
                Err(TokenError::UnknownKey | TokenError::Signature) => {}
                read => return Ok(read?),
            }
        }
        let keys = self.published_keys(&metadata).await?;
        Ok(keys.read(&answer.id_token, &expected)?)
    }

    async fn known_keys(&self) -> Option<Arc<Keys>> {
        self.provider.lock().await.keys.clone()
    }

    async fn published_keys(&self, metadata: &Metadata) -> Result<Arc<Keys>, Failure> {
        let uri = usable(&metadata.jwks_uri)?;
        let published: KeySet = self.client.ask(&uri, Question::Get).await?;
        let keys = Arc::new(Keys::from(published));
        self.provider.lock().await.keys = Some(Arc::clone(&keys));
        Ok(keys)
    }

    /// The provider's description. One asks for all who wait for it.
    async fn metadata(&self) -> Result<Arc<Metadata>, Failure> {
        let mut provider = self.provider.lock().await;
        if let Some((metadata, since)) = &provider.described
            && since.elapsed() < METADATA_AGE
        {
            return Ok(Arc::clone(metadata));
        }
        if provider
            .failed_at
            .is_some_and(|at| at.elapsed() < FAILURE_AGE)
        {
            return Err(Failure::FailedJustNow);
        }
        match self.ask_for_metadata().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                provider.described = Some((Arc::clone(&metadata), Instant::now()));
                provider.failed_at = None;
                Ok(metadata)
            }
            Err(failure) => {
                provider.failed_at = Some(Instant::now());
                Err(failure)
            }
        }
    }

    async fn ask_for_metadata(&self) -> Result<Metadata, Failure> {
        let metadata: Metadata = self.client.ask(&self.discovery, Question::Get).await?;
        if metadata.issuer != self.settings.issuer {
            return Err(Failure::Issuer(metadata.issuer));
        }
        usable(&metadata.authorization_endpoint)?;
        Ok(metadata)
    }

    /// What somebody sees when the provider cannot be used. The log says why.
    fn failed(&self, failure: &Failure, request: &Parts, back: &str) -> Response {
        tracing::warn!(issuer = self.settings.issuer, %failure, "somebody could not sign in");
        let again = format!("{SIGN_IN_PATH}?to={}", encoded(back));
        page::answer(Message::ProviderAway, &request.headers, Some(&again))
    }

    fn redirect_uri(&self) -> String {
        self.public_url.at(CALLBACK_PATH)
    }

    fn scope(&self) -> String {
        let others = self.settings.scopes.iter().map(String::as_str);
        let others = others.filter(|scope| *scope != "openid");
        std::iter::once("openid")
            .chain(others)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl Metadata {
    /// How our secret is sent: in a header, as is the default, unless only a form is taken.
    fn wants_secret_in_form(&self) -> bool {
        let Some(methods) = &self.token_endpoint_auth_methods_supported else {
            return false;
        };
        let takes = |wanted: &str| methods.iter().any(|method| method == wanted);
        takes("client_secret_post") && !takes("client_secret_basic")
    }
}

/// An address of the provider's that may be asked.
fn usable(text: &str) -> Result<Uri, Failure> {
    let unusable = || Failure::Endpoint(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| unusable())?;
    if is_private(&uri) {
        Ok(uri)
    } else {
        Err(unusable())
    }
}

/// A path of this page to go back to, and nothing that a browser could take for another site.
fn own_path(text: &str) -> Option<&str> {
    let is_own = text.len() <= MAX_RETURN_BYTES
        && text.starts_with('/')
        && !text.starts_with("//")
        && !text.starts_with(PATHS)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_own.then_some(text)
}

fn form(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters.iter();
    let pairs = pairs.map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Sends a browser elsewhere, with a cookie to keep.
fn see_other(target: &str, cookie: Option<HeaderValue>) -> Response {
    // Both are made of characters that a header may hold.
    let (Ok(target), Some(cookie)) = (HeaderValue::from_str(target), cookie) else {
        return Problem::getting_ready().into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, target);
    headers.insert(header::SET_COOKIE, cookie);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_ours_is_gone_back_to() {
        for own in ["/", "/c/ph?from=1&to=2", "/c/%E7%AB%AF"] {
            assert_eq!(own_path(own), Some(own));
        }
        for other in [
            "",
            "c/ph",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/c\\..\\evil",
            "/\tevil",
            "/a\r\nSet-Cookie: x=y",
            "/端末",
            "/auth/logout",
            "javascript:alert(1)",
        ] {
            assert_eq!(own_path(other), None, "{other}");
        }
        assert_eq!(
            own_path(&format!("/{}", "a".repeat(MAX_RETURN_BYTES))),
            None
        );
    }
}
