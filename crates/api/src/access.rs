//! Who may ask. There is no authentication yet, so: this machine only.
//!
//! Listening on loopback keeps other machines out, but not their web pages: a page of
//! `evil.example` may let its name resolve to 127.0.0.1 and then read this API through the
//! browser of whoever has it open (DNS rebinding). The browser still says `Host: evil.example`,
//! and that is what gives it away.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, Uri, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// The API would be open to others, and there is nothing yet that tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`api.listen` is {listen}, which other machines may reach, and there is no access control \
     yet: listen on loopback (127.0.0.1 or [::1]) behind a proxy that authenticates, or accept \
     that everybody can read everything with `--insecure-open`"
)]
pub struct OpenWithoutAccessControl {
    /// The address asked for.
    pub listen: SocketAddr,
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
