//! Who may ask, and for what.
//!
//! Every request gets a [`Caller`] before it reaches a route: [`Access`] says how callers prove who
//! they are, a [`Role`] what they may see. Another way to prove it is another variant of [`Access`];
//! routes only ask for the role they need.
//!
//! Where nobody is asked ([`Access::Unasked`]), whoever reaches the address is an operator, so by
//! default it is a loopback address. That keeps other machines out, but not their web pages: a page
//! of `evil.example` may let its name resolve to 127.0.0.1 and then read this API through the
//! browser of whoever has it open (DNS rebinding). The browser still says `Host: evil.example`, and
//! that is what gives it away: see [`refuse_foreign_hosts`].
//!
//! With passwords that check is not needed. A browser keeps a password for the origin it was given
//! to, name and port included, and sends it to no other: the page of `evil.example` comes without
//! one and is refused as any stranger. So the API may then be reached under any name.

mod cookies;
mod members;
mod oidc;
mod page;
mod proxy;
mod sealed;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use store::audit::Deed;
use subtle::{Choice, ConstantTimeEq as _};

use crate::Context;
use crate::limits::{self, Buckets};
use crate::problem::Problem;
pub use members::Members;
pub use oidc::{Oidc, OidcError, OidcSettings};
pub use proxy::{Network, NetworkError, TrustedProxy, TrustedProxyError};
pub(crate) use sealed::KeyRing;
pub use sealed::{ShortKey, SigningKey};

/// Whether a browser sends a request for a page of its own site, of another, or for a person.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The fewest characters of a password. Attempts are bounded by address only, so it must not be
/// guessable by somebody with many of those.
const MIN_PASSWORD_CHARS: usize = 12;

/// The most bytes of a name and password with the colon between them.
const MAX_CREDENTIALS_BYTES: usize = 256;

/// What answers without credentials: an orchestrator has none, and they hold no counts and no
/// devices.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// The most bytes of a name that somebody else vouches for.
const MAX_NAME_BYTES: usize = 256;

/// What a route asks for that nobody was let in to.
const UNKNOWN_CALLER: &str = "somebody who is known";

/// How an `Authorization` header begins that shows a name and a password.
const BASIC: &str = "Basic";

/// How to show a name and a password. They are read as UTF-8.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"headcount\", charset=\"UTF-8\"");

/// What a caller is called where nobody asks for names.
const UNNAMED: &str = "unnamed";

/// The API would be open to others, and nothing tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`api.listen` is {listen}, which other machines may reach, and there is no access control: \
     set passwords in `api.basic_auth`, say who signs people in with `api.oidc` or `api.proxy`, listen \
     on loopback (127.0.0.1 or [::1]), or accept that everybody can read everything with \
     `--insecure-open`"
)]
pub struct OpenWithoutAccessControl {
    /// The address asked for.
    pub listen: SocketAddr,
}

/// What a caller may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Counts and the pipeline's status.
    Viewer,
    /// Single devices as well.
    Operator,
}

/// How callers prove who they are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Not at all: whoever reaches the address is an operator.
    #[default]
    Unasked,
    /// In one of these ways.
    Asked(Arc<Ways>),
}

/// The ways in which callers may prove who they are. Each that is there is enough, and at least one
/// is.
#[derive(Debug, Default)]
pub struct Ways {
    /// A name and a password with every request.
    pub basic: Option<BasicAuth>,
    /// A proxy in front signs people in and says who they are.
    pub proxy: Option<TrustedProxy>,
    /// People sign in with an identity provider.
    pub oidc: Option<Oidc>,
}

impl From<Ways> for Access {
    fn from(ways: Ways) -> Self {
        Self::Asked(Arc::new(ways))
    }
}

impl From<BasicAuth> for Access {
    fn from(accounts: BasicAuth) -> Self {
        Self::from(Ways {
            basic: Some(accounts),
            ..Ways::default()
        })
    }
}

impl Access {
    /// Whether strangers are refused.
    #[must_use]
    pub fn asks(&self) -> bool {
        !matches!(self, Self::Unasked)
    }

    /// What callers are asked for, for people who read the log.
    #[must_use]
    pub fn asks_for(&self) -> String {
        match self {
            Self::Unasked => "nothing".to_owned(),
            Self::Asked(ways) => ways.in_words(),
        }
    }
}

impl Ways {
    fn in_words(&self) -> String {
        let proxy = self
            .proxy
            .as_ref()
            .map(|_| "the word of the proxy in front (`api.proxy`)");
        let basic = self
            .basic
            .as_ref()
            .map(|_| "a name and a password (`api.basic_auth`)");
        let oidc = self
            .oidc
            .as_ref()
            .map(|_| "a sign-in with the identity provider (`api.oidc`)");
        let words: Vec<_> = [oidc, proxy, basic].into_iter().flatten().collect();
        words.join(" or ")
    }

    /// Who sends a request; `None` for a stranger. Who was wrong about a password too often hears 429,
    /// whatever they show then: an answer that depends on it would go on telling them whether they
    /// are right.
    async fn caller(
        &self,
        gate: &Gate,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<Option<Caller>, Problem> {
        let peer = limits::peer(extensions);
        if let Some(proxy) = &self.proxy
            && let Some(caller) = proxy.caller(peer, headers)
        {
            return Ok(Some(caller));
        }
        if let Some(basic) = &self.basic
            && shows_password(headers)
        {
            let sender = limits::caller(extensions);
            let wait = gate.wrong.wait(sender, Instant::now());
            if wait > Duration::ZERO {
                return Err(Problem::too_many_wrong_passwords(wait));
            }
            if let Some(caller) = basic.caller(headers) {
                return Ok(Some(caller));
            }
            // That there was a token was seen before; one that another request took meanwhile changes
            // nothing about this one.
            let _ = gate.wrong.take(sender, Instant::now());
        }
        match &self.oidc {
            Some(oidc) => oidc.caller(gate, headers).await,
            None => Ok(None),
        }
    }
}

/// The accounts of HTTP's basic authentication (RFC 7617).
#[derive(Debug, Clone)]
pub struct BasicAuth {
    accounts: Vec<(Role, Account)>,
}

impl BasicAuth {
    /// Accounts for viewers and operators. At least one is there, and their names differ: which of
    /// two roles somebody has must not depend on an order.
    ///
    /// # Errors
    /// When there is none, or both have one name.
    pub fn new(viewer: Option<Account>, operator: Option<Account>) -> Result<Self, BasicAuthError> {
        if let (Some(viewer), Some(operator)) = (&viewer, &operator)
            && viewer.name == operator.name
        {
            return Err(BasicAuthError::SameName);
        }
        let viewer = viewer.map(|account| (Role::Viewer, account));
        let operator = operator.map(|account| (Role::Operator, account));
        let accounts: Vec<_> = viewer.into_iter().chain(operator).collect();
        if accounts.is_empty() {
            return Err(BasicAuthError::NoAccount);
        }
        Ok(Self { accounts })
    }

    fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let shown = shown_credentials(headers)?;
        let mut caller = None;
        // Every account is compared in full, so that the time says nothing about any of them.
        for (role, account) in &self.accounts {
            if bool::from(account.credentials.is(&shown)) {
                caller = Some(Caller {
                    name: Arc::clone(&account.name),
                    role: *role,
                });
            }
        }
        caller
    }
}

/// Why accounts cannot be used together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BasicAuthError {
    /// Nobody could get in.
    #[error("name a `viewer`, an `operator`, or both, each as \"name:password\"")]
    NoAccount,
    /// Two accounts with one name.
    #[error("`viewer` and `operator` need different names")]
    SameName,
}

/// A name and its password.
#[derive(Clone)]
pub struct Account {
    name: Arc<str>,
    credentials: Credentials,
}

/// Shows the name and never the password.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// Reads `name:password`. The name ends at the first colon.
    ///
    /// # Errors
    /// When a part is missing, the password is too short, or somebody could not type it.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let (name, password) = text.split_once(':').ok_or(AccountError::Form)?;
        if name.is_empty() {
            return Err(AccountError::Form);
        }
        if password.chars().count() < MIN_PASSWORD_CHARS {
            return Err(AccountError::ShortPassword);
        }
        if text.chars().any(char::is_control) {
            return Err(AccountError::ControlCharacter);
        }
        let credentials = Credentials::new(text.as_bytes()).ok_or(AccountError::TooLong)?;
        Ok(Self {
            name: name.into(),
            credentials,
        })
    }
}

/// Why a text is no account. The text holds a password and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// A name or the colon is missing.
    #[error("it is a name, a colon and a password: \"name:password\"")]
    Form,
    /// The password could be guessed.
    #[error("the password needs at least {MIN_PASSWORD_CHARS} characters")]
    ShortPassword,
    /// RFC 7617 forbids them.
    #[error("neither the name nor the password may hold control characters")]
    ControlCharacter,
    /// Longer than what is compared.
    #[error("name and password may have {MAX_CREDENTIALS_BYTES} bytes in all")]
    TooLong,
}

/// `name:password`, filled up with zeros: what is compared always has one length, so that the time
/// does not tell that of a password.
#[derive(Clone)]
struct Credentials {
    bytes: [u8; MAX_CREDENTIALS_BYTES],
    length: u64,
}

impl Credentials {
    /// `None` when they are too long to be anybody's.
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_CREDENTIALS_BYTES];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            bytes,
            length: text.len() as u64,
        })
    }

    fn is(&self, other: &Self) -> Choice {
        self.bytes.ct_eq(&other.bytes) & self.length.ct_eq(&other.length)
    }
}

/// Whether somebody shows a name and a password, right or wrong. What else an `Authorization` header may
/// hold, as what a gateway adds to each request, is no attempt.
fn shows_password(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::AUTHORIZATION).iter();
    values
        .filter_map(|value| value.as_bytes().get(..BASIC.len()))
        .any(|scheme| scheme.eq_ignore_ascii_case(BASIC.as_bytes()))
}

/// The credentials of an `Authorization` header. Two such headers are nobody's.
fn shown_credentials(headers: &HeaderMap) -> Option<Credentials> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim_matches(' '))
        .ok()?;
    Credentials::new(&decoded)
}

/// Who sends a request: an extension of every request that was let in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    name: Arc<str>,
    role: Role,
}

/// A caller who may see single devices. As an argument of a route it refuses everybody else.
pub(crate) struct Operator(Caller);

impl Operator {
    /// What they are called where it is noted what they did.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Notes that they look at something, before it is shown to them.
    pub(crate) async fn note(
        &self,
        context: &Context,
        action: &'static str,
        subject: &str,
    ) -> Result<(), Problem> {
        let deed = Deed {
            at: context.clock.now(),
            actor: self.name().to_owned(),
            action,
            subject: subject.to_owned(),
        };
        Ok(context.store.note_deed(&deed).await?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Caller>() {
            Some(caller) if caller.role == Role::Operator => Ok(Self(caller.clone())),
            Some(_) => Err(Problem::for_operators_only()),
            None => Err(Problem::not_signed_in(UNKNOWN_CALLER)),
        }
    }
}

/// Whether a path answers without credentials.
pub(crate) fn is_probe(path: &str) -> bool {
    PROBES.contains(&path)
}

/// What it takes to tell who calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) access: Access,
    /// How often somebody was wrong about a password.
    pub(crate) wrong: Buckets,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn model::Clock>,
}

/// Says who calls, and answers 401 to strangers who ask for more than the probes.
pub(crate) async fn admit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    if is_probe(request.uri().path()) {
        return next.run(request).await;
    }
    let caller = match &gate.access {
        Access::Unasked => Caller {
            name: UNNAMED.into(),
            role: Role::Operator,
        },
        Access::Asked(ways) => {
            if let Some(oidc) = &ways.oidc
                && Oidc::owns(request.uri().path())
            {
                return oidc.answer(&gate, request).await;
            }
            match ways
                .caller(&gate, request.extensions(), request.headers())
                .await
            {
                Ok(Some(caller)) => caller,
                Ok(None) => return turn_away(ways, &request),
                Err(problem) => return problem.into_response(),
            }
        }
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// What a stranger is told: a person with a page, a program with a problem, and both by which way to
/// come in.
fn turn_away(ways: &Ways, request: &Request) -> Response {
    let (path, headers) = (request.uri().path(), request.headers());
    if headers.contains_key(header::AUTHORIZATION) {
        // Neither the name: a password typed in its place would be kept for good.
        tracing::info!("somebody was refused: their name and password are not among ours");
    }
    let mut response = if page::is_wanted(request.method(), path, headers) {
        if ways.oidc.is_some() {
            // Without a challenge: a browser would ask for a password instead of showing the page.
            let sign_in = Oidc::sign_in_address(request.uri());
            return page::answer(page::Message::SignIn, headers, Some(&sign_in));
        }
        let message = match ways.basic {
            Some(_) => page::Message::Password,
            None => page::Message::ThroughProxy,
        };
        page::answer(message, headers, None)
    } else {
        Problem::not_signed_in(&ways.in_words()).into_response()
    };
    // The page's own requests bring no password, and a browser would ask for one.
    let is_of_a_page = ways.oidc.is_some() && headers.contains_key(SEC_FETCH_SITE);
    if ways.basic.is_some() && !is_of_a_page {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    response
}

/// Whether a browser says that the page of another site sends this. Programs send none of these
/// headers.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    // What a browser says of itself holds also behind a proxy that changes the host.
    if let Some(site) = text(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = text(header::ORIGIN) else {
        return false;
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_none() || authority != text(header::HOST)
}

/// Answers 403 to changes that a page of another site sends through somebody's browser. The browser
/// brings their password along, or the way to loopback, and says where the page is from.
pub(crate) async fn refuse_foreign_sites(request: Request, next: Next) -> Response {
    if !request.method().is_safe() && is_of_another_site(request.headers()) {
        return Problem::from_another_site().into_response();
    }
    next.run(request).await
}

/// Whether only this machine can reach an address; also one of IPv4 written as IPv6.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Answers 421 to requests that were meant for another host.
pub(crate) async fn refuse_foreign_hosts(request: Request, next: Next) -> Response {
    match foreign_host(request.uri(), request.headers()) {
        Some(host) => Problem::host_not_served(&host).into_response(),
        None => next.run(request).await,
    }
}

/// The host that a request names, if it is not this machine by a loopback name or address.
///
/// A request without any Host passes: HTTP/1.0 probes send none, and a browser always does.
fn foreign_host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let named = headers
        .get_all(header::HOST)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    uri.authority()
        .map(ToString::to_string)
        .into_iter()
        .chain(named)
        .find(|host| !is_own(host))
}

/// Whether a Host header names this machine: `localhost`, a name under it, or a loopback address,
/// with any port.
fn is_own(host: &str) -> bool {
    // A host with user information is none that a browser or a proxy would send.
    let Some(authority) = host
        .parse::<Authority>()
        .ok()
        .filter(|_| !host.contains('@'))
    else {
        return false;
    };
    let name = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    if let Ok(address) = name.parse() {
        return is_loopback(address);
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> Option<Account> {
        Some(Account::parse(text).unwrap())
    }

    fn role(auth: &BasicAuth, values: &[&str]) -> Option<Role> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        Some(auth.caller(&headers)?.role)
    }

    fn basic(text: &str) -> String {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        format!("Basic {encoded}")
    }

    #[test]
    fn a_name_with_its_password_has_its_role_and_nothing_else_does() {
        let auth = BasicAuth::new(
            account("finance:correct horse"),
            account("ops:端末 battery:staple"),
        )
        .unwrap();
        let viewer = basic("finance:correct horse");
        assert_eq!(role(&auth, &[&viewer]), Some(Role::Viewer));
        assert_eq!(
            role(&auth, &[&viewer.replace("Basic", "bAsIc ")]),
            Some(Role::Viewer)
        );
        let operator = basic("ops:端末 battery:staple");
        assert_eq!(role(&auth, &[&operator]), Some(Role::Operator));
        for stranger in [
            basic("finance:correct horse "),
            basic("finance:correct hors"),
            basic("finance:correct horse\0"),
            basic("ops:correct horse"),
            basic("finance"),
            basic(":"),
            basic(""),
            basic(&format!("finance:{}", "x".repeat(300))),
            viewer.replace("Basic", "Bearer"),
            viewer.replace("Basic ", ""),
            format!("{viewer}*"),
            "Basic".to_owned(),
            String::new(),
        ] {
            assert_eq!(role(&auth, &[&stranger]), None, "{stranger}");
        }
        assert_eq!(role(&auth, &[]), None);
        assert_eq!(role(&auth, &[&viewer, &operator]), None, "two at once");
    }

    #[test]
    fn accounts_are_checked_and_never_shown() {
        use AccountError as E;
        let long = format!("a:{}", "x".repeat(MAX_CREDENTIALS_BYTES));
        for (text, error) in [
            ("", E::Form),
            ("finance", E::Form),
            (":long enough to be one", E::Form),
            ("finance:", E::ShortPassword),
            ("finance:eleven char", E::ShortPassword),
            ("finance:with a\nline break", E::ControlCharacter),
            (&long, E::TooLong),
        ] {
            let refused = Account::parse(text).unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(text.is_empty() || !refused.to_string().contains(text));
        }
        let twelve = Account::parse("finance:twelve chars").unwrap();
        let same = Account::parse("finance:another password").unwrap();
        let refused = BasicAuth::new(Some(twelve.clone()), Some(same)).unwrap_err();
        assert_eq!(refused, BasicAuthError::SameName);
        let refused = BasicAuth::new(None, None).unwrap_err();
        assert_eq!(refused, BasicAuthError::NoAccount);
        let access = Access::from(BasicAuth::new(Some(twelve), None).unwrap());
        let shown = format!("{access:?}");
        assert!(
            shown.contains("finance") && !shown.contains("twelve"),
            "{shown}"
        );
    }

    #[test]
    fn a_page_of_another_site_gives_itself_away() {
        let foreign = |shown: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "headcount.example:8080".parse().unwrap());
            for (name, value) in shown {
                headers.insert(*name, value.parse().unwrap());
            }
            is_of_another_site(&headers)
        };
        for ours in [
            &[][..],
            &[("origin", "http://headcount.example:8080")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://public.example"),
            ],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!foreign(ours), "{ours:?}");
        }
        for theirs in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://headcount.example")],
            &[("origin", "http://evil.example/://headcount.example:8080")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://headcount.example:8080"),
            ],
        ] {
            assert!(foreign(theirs), "{theirs:?}");
        }
    }

    #[test]
    fn only_loopback_names_and_addresses_are_ours() {
        for own in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.:8080",
            "headcount.localhost:80",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_own(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example:8080",
            "localhost@evil.example",
            "evil.example@localhost",
            "10.0.0.1",
            "0.0.0.0:8080",
            "[::]",
            "[2001:db8::1]:8080",
            "localhost evil.example",
            "端末",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_host_a_request_names_must_be_ours() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(
            foreign_host(&uri("/livez"), &headers),
            None,
            "an HTTP/1.0 probe"
        );
        headers.append(header::HOST, "localhost:8080".parse().unwrap());
        assert_eq!(foreign_host(&uri("/livez"), &headers), None);
        let absolute = uri("http://evil.example/livez");
        assert_eq!(
            foreign_host(&absolute, &headers).as_deref(),
            Some("evil.example")
        );
        headers.append(header::HOST, "other.example".parse().unwrap());
        assert_eq!(
            foreign_host(&uri("/livez"), &headers).as_deref(),
            Some("other.example")
        );
    }
}
