//! An identity provider for tests: as large as signing in needs, and wrong on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use ring::{digest, hmac};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub(crate) const CLIENT_ID: &str = "headcount";
/// With characters that a form and a header have to escape.
pub(crate) const CLIENT_SECRET: &str = "s3cret:+&ü";
pub(crate) const REDIRECT_URI: &str = "https://headcount.example/auth/callback";

/// A key for tests and nothing else.
const RSA_KEY: &str = include_str!("rsa-key-for-tests.b64");

/// What signs tokens.
pub(crate) enum Signer {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    /// An HMAC whose secret is the published key: what a reader that lets the token choose takes.
    Hs256WithPublicKey(EcdsaKeyPair),
    None,
}

fn new_p256_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
}

impl Signer {
    pub(crate) fn es256() -> Self {
        Self::Es256(new_p256_key())
    }

    pub(crate) fn hs256() -> Self {
        Self::Hs256WithPublicKey(new_p256_key())
    }

    pub(crate) fn rs256() -> Self {
        let der: String = RSA_KEY.split_whitespace().collect();
        Self::Rs256(RsaKeyPair::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Rs256(_) => "RS256",
            Self::Hs256WithPublicKey(_) => "HS256",
            Self::None => "none",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Self::Hs256WithPublicKey(key) => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_key().as_ref());
                hmac::sign(&secret, message).as_ref().to_vec()
            }
            Self::None => Vec::new(),
        }
    }

    fn published(&self, kid: &str) -> Option<Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(key) | Self::Hs256WithPublicKey(key) => {
                let point = key.public_key().as_ref();
                Some(
                    json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig",
                    "x": encode(&point[1..33]), "y": encode(&point[33..])}),
                )
            }
            Self::Rs256(key) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                Some(json!({"kty": "RSA", "alg": "RS256", "kid": kid,
                    "n": encode(&public.n), "e": encode(&public.e)}))
            }
            Self::None => None,
        }
    }
}

/// What the provider does, changed by tests as it runs.
pub(crate) struct Script {
    pub(crate) signer: Signer,
    pub(crate) kid: String,
    /// Published instead of the key that signs.
    pub(crate) published: Option<Value>,
    /// Laid over the claims of the token; null takes one away.
    pub(crate) claims: Value,
    /// Named in the description instead of the real issuer.
    pub(crate) issuer: Option<String>,
    pub(crate) takes_secret_in_form: bool,
    /// The code that was given out, with what belongs to it.
    pub(crate) code: Option<Grant>,
    pub(crate) descriptions: u32,
    pub(crate) key_sets: u32,
}

/// What a browser was sent with.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Grant {
    pub(crate) response_type: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) code_challenge: String,
    pub(crate) code_challenge_method: String,
}

pub(crate) struct TestProvider {
    pub(crate) issuer: String,
    pub(crate) script: Arc<Mutex<Script>>,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Shared {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl TestProvider {
    pub(crate) async fn start(signer: Signer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script {
            signer,
            kid: "first".to_owned(),
            published: None,
            claims: json!({}),
            issuer: None,
            takes_secret_in_form: false,
            code: None,
            descriptions: 0,
            key_sets: 0,
        }));
        let shared = Shared {
            address,
            script: Arc::clone(&script),
        };
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(describe))
            .route("/realm/keys", get(keys))
            .route("/realm/token", post(token))
            .with_state(shared);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            issuer: format!("http://{address}/realm"),
            script,
            _server: server,
        }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.lock().unwrap())
    }

    /// Lets somebody in whose browser was sent to `location`; the code they come back with.
    pub(crate) fn authorize(&self, location: &str) -> Grant {
        let Query(grant) = Query::<Grant>::try_from_uri(&location.parse().unwrap()).unwrap();
        assert!(
            location.starts_with(&format!("{}/authorize?realm=1&", self.issuer)),
            "{location}"
        );
        self.with(|script| script.code = Some(grant.clone()));
        grant
    }
}

async fn describe(State(shared): State<Shared>) -> Json<Value> {
    let mut script = shared.script.lock().unwrap();
    script.descriptions += 1;
    let base = format!("http://{}/realm", shared.address);
    let methods = match script.takes_secret_in_form {
        true => json!(["client_secret_post"]),
        false => json!(["client_secret_basic", "client_secret_post"]),
    };
    Json(json!({
        "issuer": script.issuer.clone().unwrap_or_else(|| base.clone()),
        "authorization_endpoint": format!("{base}/authorize?realm=1"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
        "token_endpoint_auth_methods_supported": methods,
    }))
}

async fn keys(State(shared): State<Shared>) -> Json<Value> {
    let mut script = shared.script.lock().unwrap();
    script.key_sets += 1;
    let published = script.published.clone();
    let published = published.or_else(|| script.signer.published(&script.kid));
    let others = [json!({"kty": "oct", "k": "AAAA"}), json!("no key")];
    let keys: Vec<_> = others.into_iter().chain(published).collect();
    Json(json!({"keys": keys}))
}

#[derive(Deserialize)]
struct TokenForm {
    grant_type: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
    client_id: String,
    client_secret: Option<String>,
}

async fn token(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error})));
    let Query(form) =
        Query::<TokenForm>::try_from_uri(&format!("/?{body}").parse().unwrap()).unwrap();
    let mut script = shared.script.lock().unwrap();
    let shown = headers.get(header::AUTHORIZATION).map(|value| {
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
    });
    let is_ours = match script.takes_secret_in_form {
        true => form.client_secret.as_deref() == Some(CLIENT_SECRET) && shown.is_none(),
        false => {
            form.client_secret.is_none()
                && shown.as_deref() == Some("headcount:s3cret%3A%2B%26%C3%BC")
        }
    };
    if !is_ours || form.client_id != CLIENT_ID || form.grant_type != "authorization_code" {
        return (
            StatusCode::UNAUTHORIZED,
            Json(json!({"error": "invalid_client"})),
        )
            .into_response();
    }
    // A code is good once.
    let Some(grant) = script.code.take().filter(|_| form.code == "the-code") else {
        return refuse("invalid_grant").into_response();
    };
    let hash = digest::digest(&digest::SHA256, form.code_verifier.as_bytes());
    if URL_SAFE_NO_PAD.encode(hash) != grant.code_challenge
        || grant.code_challenge_method != "S256"
        || form.redirect_uri != grant.redirect_uri
    {
        return refuse("invalid_grant").into_response();
    }
    let issuer = format!("http://{}/realm", shared.address);
    Json(json!({"token_type": "Bearer", "access_token": "x",
        "id_token": id_token(&script, &issuer, &grant.nonce)}))
    .into_response()
}

fn id_token(script: &Script, issuer: &str, nonce: &str) -> String {
    let now = super::NOW.parse::<model::Instant>().unwrap().timestamp();
    let mut claims = json!({
        "iss": issuer, "sub": "0123", "aud": CLIENT_ID, "nonce": nonce,
        "iat": now, "exp": now + 300,
        "email": "a@corp.example", "email_verified": true,
    });
    for (name, value) in script.claims.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            _ => claims[name] = value.clone(),
        }
    }
    let header = json!({"alg": script.signer.algorithm(), "kid": script.kid, "typ": "JWT"});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let signature = script.signer.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
