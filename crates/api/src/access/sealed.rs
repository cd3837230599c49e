//! What we sign so that we know it again: a session in a cookie, a sign-in under way, a share link.
//!
//! A signature is good for one purpose only, so that a text signed for one thing is never taken
//! for another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, rand};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::problem::Problem;

/// The fewest bytes of a key: as many as a signature has.
const MIN_KEY_BYTES: usize = 32;

/// The longest signed text that is looked at. A cookie may have 4 KiB, and so may a link.
const MAX_SEALED_BYTES: usize = 4096;

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody is signed in.
    Session,
    /// Somebody went to the identity provider and has not come back yet.
    SignIn,
}

impl Purpose {
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Session => b"session\0",
            Self::SignIn => b"sign-in\0",
        }
    }
}

/// The key that everything is signed with, the same for all processes that serve one database.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

/// Says nothing about the key.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A key is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key needs at least {MIN_KEY_BYTES} random characters; `openssl rand -hex 32` makes one")]
pub struct ShortKey;

impl SigningKey {
    /// A key made of random text.
    ///
    /// # Errors
    /// When it is too short.
    pub fn new(secret: &[u8]) -> Result<Self, ShortKey> {
        if secret.len() < MIN_KEY_BYTES {
            return Err(ShortKey);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// A value as signed text of letters, digits, `-`, `_` and a dot.
    pub(super) fn seal(&self, purpose: Purpose, value: &impl Serialize) -> Result<String, Problem> {
        let payload = serde_json::to_vec(value).map_err(|error| Problem::internal(&error))?;
        let signature = hmac::sign(&self.0, &signed(purpose, &payload));
        let payload = URL_SAFE_NO_PAD.encode(payload);
        Ok(format!("{payload}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The value again, if it was signed with this key and for this.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: Purpose, sealed: &str) -> Option<T> {
        if sealed.len() > MAX_SEALED_BYTES {
            return None;
        }
        let (payload, signature) = sealed.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, &signed(purpose, &payload), &signature).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

fn signed(purpose: Purpose, payload: &[u8]) -> Vec<u8> {
    [purpose.prefix(), payload].concat()
}

/// Random bytes that nobody guesses, as text for an address.
pub(super) fn random_text() -> Result<String, Problem> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes()?))
}

fn random_bytes() -> Result<[u8; MIN_KEY_BYTES], Problem> {
    rand::generate(&rand::SystemRandom::new())
        .map(|random: rand::Random<[u8; MIN_KEY_BYTES]>| random.expose())
        .map_err(|error| Problem::internal(&error))
}

/// Where the key comes from: from the configuration, or from the database, where the first process
/// that needs one makes it and keeps it for all.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    store: Option<store::Store>,
    key: OnceCell<SigningKey>,
}

impl KeyRing {
    /// Uses this key, or that of this database.
    pub(crate) fn new(given: Option<SigningKey>, store: Option<store::Store>) -> Self {
        Self {
            store,
            key: OnceCell::new_with(given),
        }
    }

    /// The key; a problem while the database that holds it is away.
    pub(super) async fn key(&self) -> Result<&SigningKey, Problem> {
        let from_store = async || {
            let store = self.store.as_ref().ok_or_else(Problem::getting_ready)?;
            let kept = store.keep_secret(KEY_NAME, &random_bytes()?).await?;
            SigningKey::new(&kept).map_err(|error| Problem::internal(&error))
        };
        self.key.get_or_try_init(from_store).await
    }
}

/// What the key is called in the database.
const KEY_NAME: &str = "signing key";

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn only_what_was_signed_with_the_key_for_this_is_read() {
        let sealed = key(1).seal(Purpose::Session, &("ops", 7)).unwrap();
        let open = |key: SigningKey, purpose, text: &str| -> Option<(String, i32)> {
            key.open(purpose, text)
        };
        assert_eq!(
            open(key(1), Purpose::Session, &sealed),
            Some(("ops".to_owned(), 7))
        );
        assert_eq!(open(key(2), Purpose::Session, &sealed), None);
        assert_eq!(open(key(1), Purpose::SignIn, &sealed), None);
        let (payload, signature) = sealed.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode("[\"root\",7]");
        for text in [
            format!("{forged}.{signature}"),
            format!("{payload}."),
            payload.to_owned(),
            format!("{sealed}A"),
            format!("{sealed}."),
            format!(" {sealed}"),
            String::new(),
            ".".to_owned(),
            format!("{}.{signature}", "A".repeat(MAX_SEALED_BYTES)),
        ] {
            assert_eq!(open(key(1), Purpose::Session, &text), None, "{text}");
        }
        assert_eq!(SigningKey::new(&[0; 31]).unwrap_err(), ShortKey);
        assert_eq!(format!("{:?}", key(1)), "SigningKey");
    }
}
