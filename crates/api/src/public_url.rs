//! The address under which people reach the page, and addresses made from it.

use std::net::IpAddr;

use axum::http::Uri;

use crate::access::is_loopback;

/// The address under which people reach the page: `https://headcount.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Without a slash at its end.
    origin: String,
    is_https: bool,
}

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicUrlError {
    /// Not an address of a site.
    #[error("it is http:// or https:// and a host, such as https://headcount.example.com")]
    Form,
    /// The page is served at the root of its host.
    #[error("it ends with the host: the page is served at /, not in a folder")]
    Path,
}

impl PublicUrl {
    /// Reads `https://host`, with a port if need be.
    ///
    /// # Errors
    /// When it is not one, or goes on after the host.
    pub fn parse(text: &str) -> Result<Self, PublicUrlError> {
        let uri: Uri = text.parse().map_err(|_| PublicUrlError::Form)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(PublicUrlError::Form),
        };
        let authority = uri.authority().ok_or(PublicUrlError::Form)?.as_str();
        if authority.contains('@') || text.contains('#') {
            return Err(PublicUrlError::Form);
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(PublicUrlError::Path);
        }
        let scheme = if is_https { "https" } else { "http" };
        Ok(Self {
            origin: format!("{scheme}://{}", authority.to_ascii_lowercase()),
            is_https,
        })
    }

    /// Whether people reach it over HTTPS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The address of something here, by its path.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Whether what is sent there can be read by nobody on the way: it is HTTPS, or does not leave
    /// this machine.
    pub(crate) fn is_private(&self) -> bool {
        self.origin.parse().is_ok_and(|uri| is_private(&uri))
    }
}

/// Whether nobody on the way can read what is sent to an address.
pub(crate) fn is_private(uri: &Uri) -> bool {
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => uri.host().is_some_and(|host| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(is_loopback)
        }),
        _ => false,
    }
}

/// Text as part of a query: everything but letters, digits and `-._~` as percent signs.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_host() {
        let url = PublicUrl::parse("https://Headcount.example.com/").unwrap();
        assert_eq!(url.at("/c/ph"), "https://headcount.example.com/c/ph");
        assert!(url.is_https() && url.is_private());
        for (text, private) in [
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost", true),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1", false),
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!(
                (url.is_https(), url.is_private()),
                (false, private),
                "{text}"
            );
        }
        use PublicUrlError as E;
        for (text, error) in [
            ("", E::Form),
            ("headcount.example.com", E::Form),
            ("ftp://headcount.example.com", E::Form),
            ("https://", E::Form),
            ("https://user@host", E::Form),
            ("/c/ph", E::Form),
            ("https://host/#a", E::Form),
            ("https://host/headcount", E::Path),
            ("https://host/?a", E::Path),
        ] {
            assert_eq!(PublicUrl::parse(text), Err(error), "{text}");
        }
        assert_eq!(encoded("a b/ü&~"), "a%20b%2F%C3%BC%26~");
    }
}
