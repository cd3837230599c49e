//! The identity provider's word for who signed in: a signed token, and the keys that sign it.
//!
//! What the token itself says about its signature is only a choice among what we accept: two
//! algorithms, each with keys of its own kind. `none`, and an HMAC made with a public key, are
//! not among them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

/// The longest token that is looked at: one with hundreds of groups has some tens of KiB.
const MAX_TOKEN_BYTES: usize = 128 * 1024;

/// The most keys of a provider that are kept.
const MAX_KEYS: usize = 64;

/// How far the provider's clock and ours may differ, in seconds.
const SKEW_SECS: i64 = 60;

/// Bytes of each coordinate of a point on the curve P-256.
const COORDINATE_BYTES: usize = 32;

/// The algorithms that a token may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Algorithm {
    RS256,
    ES256,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: Option<String>,
    /// Names extensions that whoever reads the token has to understand. We understand none.
    crit: Option<Value>,
}

/// A provider's keys, as it publishes them.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { point: Vec<u8> },
}

/// A set of keys (RFC 7517). Keys of other kinds may stand in it.
#[derive(Deserialize)]
pub(super) struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl From<KeySet> for Keys {
    /// Takes the keys that tokens may be signed with, and leaves out the others.
    fn from(set: KeySet) -> Self {
        let keys = set.keys.into_iter().filter_map(|value| {
            let key: PublishedKey = serde_json::from_value(value).ok()?;
            Some(Key {
                material: material(&key)?,
                id: key.kid,
            })
        });
        Self(keys.take(MAX_KEYS).collect())
    }
}

fn material(key: &PublishedKey) -> Option<Material> {
    let is_for = |algorithm: &str| {
        key.usage.as_deref().is_none_or(|usage| usage == "sig")
            && key.alg.as_deref().is_none_or(|named| named == algorithm)
    };
    let number = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
    match key.kty.as_str() {
        "RSA" if is_for("RS256") => {
            let without_zeros = |bytes: Vec<u8>| -> Vec<u8> {
                bytes.into_iter().skip_while(|byte| *byte == 0).collect()
            };
            Some(Material::Rsa {
                n: without_zeros(number(&key.n)?),
                e: without_zeros(number(&key.e)?),
            })
        }
        "EC" if is_for("ES256") && key.crv.as_deref() == Some("P-256") => {
            let (x, y) = (number(&key.x)?, number(&key.y)?);
            if x.len() != COORDINATE_BYTES || y.len() != COORDINATE_BYTES {
                return None;
            }
            // An uncompressed point begins with a 4.
            let point = [&[4][..], &x, &y].concat();
            Some(Material::P256 { point })
        }
        _ => None,
    }
}

impl Key {
    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm) {
            (Material::Rsa { n, e }, Algorithm::RS256) => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            (Material::P256 { point }, Algorithm::ES256) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signature)
                    .is_ok()
            }
            (Material::Rsa { .. } | Material::P256 { .. }, _) => false,
        }
    }
}

/// What a token has to say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Now, in seconds since 1970.
    pub(super) now_secs: i64,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the token is none, or is signed in a way other than RS256 and ES256")]
    Form,
    #[error("the token is signed with a key that the provider does not publish")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another application")]
    Audience,
    #[error("the token is of another sign-in")]
    Nonce,
    #[error("the token has expired, or is not valid yet; do the clocks agree?")]
    Time,
}

/// What a token says about who signed in.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    pub(super) sub: String,
    aud: OneOrMore,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Claims {
    /// The e-mail address, if the provider says that it is theirs. An address that anybody may
    /// type into their profile is worth nothing.
    pub(super) fn verified_email(&self) -> Option<&str> {
        let is_verified = match &self.email_verified {
            Some(Value::Bool(is_verified)) => *is_verified,
            // Some providers write it as text.
            Some(Value::String(text)) => text == "true",
            _ => false,
        };
        self.email.as_deref().filter(|_| is_verified)
    }

    /// The groups that a claim names: a list, or one.
    pub(super) fn groups(&self, claim: &str) -> Vec<&str> {
        match self.others.get(claim) {
            Some(Value::String(group)) => vec![group],
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn check(&self, expected: &Expected<'_>) -> Result<(), TokenError> {
        if self.iss != expected.issuer {
            return Err(TokenError::Issuer);
        }
        let is_ours = match &self.aud {
            OneOrMore::One(audience) => audience == expected.client_id,
            // For several applications it must say that it was made for us.
            OneOrMore::More(all) => {
                all.iter().any(|audience| audience == expected.client_id)
                    && (all.len() == 1 || self.azp.is_some())
            }
        };
        let made_for = self.azp.as_deref();
        if !is_ours || made_for.is_some_and(|azp| azp != expected.client_id) {
            return Err(TokenError::Audience);
        }
        let nonce = self.nonce.as_deref().unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
            return Err(TokenError::Nonce);
        }
        let now = seconds(expected.now_secs);
        let skew = seconds(SKEW_SECS);
        let begins = self.nbf.unwrap_or(self.iat).max(self.iat);
        // Written so that what is no number is not in time.
        let is_in_time = now < self.exp + skew && begins <= now + skew;
        if !is_in_time {
            return Err(TokenError::Time);
        }
        Ok(())
    }
}

/// Tokens may give fractions of seconds, so times are compared as such.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since 1970 have 31 bits"
)]
fn seconds(whole: i64) -> f64 {
    whole as f64
}

impl Keys {
    /// Reads a token that one of these keys signed and that says what it should.
    pub(super) fn read(&self, token: &str, expected: &Expected<'_>) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Form);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form);
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Form)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Form)?;
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Form)?;
        if header.crit.is_some() {
            return Err(TokenError::Form);
        }
        let signature = decode(signature)?;
        let mut candidates = self
            .0
            .iter()
            .filter(|key| header.kid.is_none() || key.id == header.kid)
            .peekable();
        if candidates.peek().is_none() {
            return Err(TokenError::UnknownKey);
        }
        if !candidates.any(|key| key.verifies(header.alg, message.as_bytes(), &signature)) {
            return Err(TokenError::Signature);
        }
        let claims: Claims =
            serde_json::from_slice(&decode(claims)?).map_err(|_| TokenError::Form)?;
        claims.check(expected)?;
        Ok(claims)
    }
}
