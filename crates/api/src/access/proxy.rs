//! Callers whom a proxy in front vouches for, as oauth2-proxy and its like do with headers.
//!
//! Anybody can send a header. What makes it true is who sends it, so it is read from connections
//! of listed addresses only, and the list has no default.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};

use super::{Caller, MAX_NAME_BYTES, Members, Role};

/// A range of addresses, such as `10.0.0.0/8`, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// Why a text names no range of addresses that could be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor a range.
    #[error("it is an address such as 10.0.0.7, or a range such as 10.0.0.0/24 or fd00::/64")]
    Form,
    /// Bits are set beyond the prefix: probably not what was meant.
    #[error("the address has bits beyond the length of the range: is it one address (/32, /128)?")]
    BitsBeyond,
    /// Everybody would be trusted.
    #[error("a range of all addresses would let everybody say who they are; name the proxy's")]
    Everybody,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let longest = address_bits(address);
        let prefix_bits = match prefix {
            None => longest,
            Some(text) => text
                .parse()
                .ok()
                .filter(|bits| *bits <= longest)
                .ok_or(NetworkError::Form)?,
        };
        if prefix_bits == 0 {
            return Err(NetworkError::Everybody);
        }
        if masked(address, prefix_bits) != bits_of(address) {
            return Err(NetworkError::BitsBeyond);
        }
        Ok(Self {
            address,
            prefix_bits,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl Network {
    /// Whether an address is in the range. One of IPv4 written as IPv6 is one of IPv4.
    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && masked(address, self.prefix_bits) == bits_of(self.address)
    }
}

fn address_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address as a number whose highest bit is the first of the address.
fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(address: IpAddr, prefix_bits: u8) -> u128 {
    let beyond = u128::MAX.checked_shr(prefix_bits.into()).unwrap_or(0);
    bits_of(address) & !beyond
}

/// A proxy that signs people in and says in headers who they are.
#[derive(Debug, Clone)]
pub struct TrustedProxy {
    peers: Vec<Network>,
    email_header: HeaderName,
    groups_header: HeaderName,
    members: Members,
}

/// Why a proxy cannot be trusted as it was described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustedProxyError {
    /// Nobody would be believed.
    #[error("name the addresses that the proxy connects from; there is no default")]
    NoPeers,
    /// Not a header that could carry an address.
    #[error("it is the name of a header of its own, such as X-Auth-Request-Email")]
    EmailHeader,
    /// Not a header that could carry groups.
    #[error("it is the name of a header of its own, such as X-Auth-Request-Groups")]
    GroupsHeader,
    /// One header cannot say both.
    #[error("the e-mail address and the groups need headers of different names")]
    SameHeader,
}

impl TrustedProxy {
    /// A proxy at these addresses, which says in these headers whom it let through.
    ///
    /// # Errors
    /// When no address is named, or a header cannot be used.
    pub fn new(
        peers: Vec<Network>,
        email_header: &str,
        groups_header: &str,
        members: Members,
    ) -> Result<Self, TrustedProxyError> {
        if peers.is_empty() {
            return Err(TrustedProxyError::NoPeers);
        }
        let email_header = own_header(email_header).ok_or(TrustedProxyError::EmailHeader)?;
        let groups_header = own_header(groups_header).ok_or(TrustedProxyError::GroupsHeader)?;
        if email_header == groups_header {
            return Err(TrustedProxyError::SameHeader);
        }
        Ok(Self {
            peers,
            email_header,
            groups_header,
            members,
        })
    }

    /// Who sends a request over a connection from `peer`. A header that is there twice says
    /// nothing: one of the two may be the caller's own.
    pub(super) fn caller(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<Caller> {
        let is_from_proxy =
            peer.is_some_and(|peer| self.peers.iter().any(|network| network.contains(peer)));
        if !is_from_proxy {
            if headers.contains_key(&self.email_header) {
                tracing::info!(
                    peer = peer.map(tracing::field::display),
                    header = %self.email_header,
                    "somebody who is not among `api.proxy.peers` says who they are, and is not believed"
                );
            }
            return None;
        }
        let email = only(headers, &self.email_header)??;
        if email.is_empty() || email.len() > MAX_NAME_BYTES || email.chars().any(char::is_control) {
            return None;
        }
        let groups: Vec<_> = only(headers, &self.groups_header)?
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|group| !group.is_empty())
            .collect();
        Some(Caller {
            name: email.into(),
            role: match self.members.role(Some(email), &groups) {
                Some(role) => role,
                // Whom the proxy lets through may look, unless it is said who may.
                None if !self.members.names_viewers() => Role::Viewer,
                None => return None,
            },
        })
    }
}

/// The header's one value: `Some(None)` when it is not there, `None` when it cannot be used.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Some(None);
    };
    match values.next() {
        Some(_second) => None,
        None => std::str::from_utf8(value.as_bytes())
            .ok()
            .map(|text| Some(text.trim())),
    }
}

/// A header that carries nothing else already, and that no browser sends.
fn own_header(name: &str) -> Option<HeaderName> {
    const TAKEN: [HeaderName; 5] = [
        header::AUTHORIZATION,
        header::COOKIE,
        header::HOST,
        header::ORIGIN,
        header::USER_AGENT,
    ];
    HeaderName::try_from(name)
        .ok()
        .filter(|name| !TAKEN.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        for (range, inside, outside) in [
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("192.168.4.0/23", "192.168.5.255", "192.168.6.0"),
            ("fd00:1::/64", "fd00:1::ffff", "fd00:1:0:1::"),
            ("::1", "::1", "::2"),
            ("128.0.0.0/1", "255.0.0.1", "127.0.0.1"),
            ("8000::/1", "ffff::1", "255.0.0.1"),
        ] {
            let range = network(range);
            assert!(range.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(
                !range.contains(outside.parse().unwrap()),
                "{range} {outside}"
            );
        }
        use NetworkError as E;
        for (text, error) in [
            ("", E::Form),
            ("proxy.example", E::Form),
            ("10.0.0.0/33", E::Form),
            ("10.0.0.0/", E::Form),
            ("10.0.0.0/-1", E::Form),
            ("::/129", E::Form),
            ("0.0.0.0/0", E::Everybody),
            ("::/0", E::Everybody),
            ("10.0.0.1/8", E::BitsBeyond),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_proxy_needs_addresses_and_headers_of_its_own() {
        let proxy = |peers: &[&str], email: &str, groups: &str| {
            let peers = peers.iter().map(|text| network(text)).collect();
            TrustedProxy::new(peers, email, groups, Members::default()).err()
        };
        use TrustedProxyError as E;
        assert_eq!(proxy(&["::1"], "X-Email", "X-Groups"), None);
        assert_eq!(proxy(&[], "X-Email", "X-Groups"), Some(E::NoPeers));
        assert_eq!(proxy(&["::1"], "X Email", "X-Groups"), Some(E::EmailHeader));
        assert_eq!(proxy(&["::1"], "X-Email", "Cookie"), Some(E::GroupsHeader));
        assert_eq!(proxy(&["::1"], "X-Who", "x-who"), Some(E::SameHeader));
    }

    #[test]
    fn a_header_is_believed_from_the_proxy_once_and_as_it_is() {
        let members = Members {
            operator_groups: vec!["sre".to_owned()],
            operator_emails: vec!["ops@corp.example".to_owned()],
            ..Members::default()
        };
        let peers = vec![network("10.0.0.7"), network("fd00::/64")];
        let proxy = TrustedProxy::new(peers, "X-Email", "X-Groups", members).unwrap();
        let role = |peer: &str, shown: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in shown {
                headers.append(*name, value.parse().unwrap());
            }
            let caller = proxy.caller(peer.parse().ok(), &headers)?;
            Some((caller.name.to_string(), caller.role))
        };
        let somebody = ("x-email", "a@corp.example");
        let viewer = Some(("a@corp.example".to_owned(), Role::Viewer));
        let operator = Some(("a@corp.example".to_owned(), Role::Operator));
        for peer in ["10.0.0.7", "::ffff:10.0.0.7", "fd00::1"] {
            assert_eq!(role(peer, &[somebody]), viewer, "{peer}");
        }
        for peer in ["10.0.0.8", "127.0.0.1", "fd00:0:0:1::1", "nobody"] {
            assert_eq!(role(peer, &[somebody]), None, "{peer}");
        }
        let from_proxy = |shown: &[(&'static str, &str)]| role("10.0.0.7", shown);
        assert_eq!(from_proxy(&[somebody, ("x-groups", "dev, sre")]), operator);
        assert_eq!(
            from_proxy(&[somebody, ("x-groups", "sre-readers,dev")]),
            viewer
        );
        let by_address = from_proxy(&[("x-email", "OPS@corp.example")]).unwrap();
        assert_eq!(by_address.1, Role::Operator);
        for smuggled in [
            &[somebody, ("x-email", "ops@corp.example")][..],
            &[somebody, ("x-groups", "dev"), ("x-groups", "sre")],
            &[("x_email", "ops@corp.example")],
            &[("x-groups", "sre")],
            &[("x-email", "")],
            &[("x-email", "  ")],
            &[("x-email", "a\tb")],
        ] {
            assert_eq!(from_proxy(smuggled), None, "{smuggled:?}");
        }
        let named = Members {
            viewer_email_domains: vec!["corp.example".to_owned()],
            ..Members::default()
        };
        let proxy = TrustedProxy::new(vec![network("::1")], "X-Email", "X-Groups", named).unwrap();
        for (email, role) in [
            ("a@corp.example", Some(Role::Viewer)),
            ("a@else.example", None),
        ] {
            let headers =
                HeaderMap::from_iter([(proxy.email_header.clone(), email.parse().unwrap())]);
            let caller = proxy.caller("::1".parse().ok(), &headers);
            assert_eq!(caller.map(|caller| caller.role), role, "{email}");
        }
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        assert_eq!(from_proxy(&[("x-email", &long)]), None);
    }
}
