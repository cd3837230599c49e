//! Free ports.

use std::net::{Ipv4Addr, TcpListener};

/// Ports are drawn from here: below the range from which Linux (from 32768 on) and macOS (from
/// 49152 on) take the local ports of outgoing connections. A server that restarts would otherwise
/// find its port taken by a client, even by one that was trying to reach it.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before giving up.
const ATTEMPTS: usize = 100;

/// How often a server is started on another free port when somebody else keeps taking them.
const ATTEMPTS_TO_LISTEN: usize = 10;

/// Finds a port that nobody listens on at 127.0.0.1. Somebody else may take it before it is used.
pub(crate) fn free_port() -> Option<u16> {
    (0..ATTEMPTS)
        .map(|_| fastrand::u16(RANGE))
        .find(|&port| is_free(port))
}

/// The ports to try in turn: the one asked for (0 asks for any), and then any free one.
pub(crate) fn candidates(asked: Option<u16>) -> impl Iterator<Item = u16> {
    let free = std::iter::repeat_with(|| free_port().unwrap_or(0)).take(ATTEMPTS_TO_LISTEN);
    let asked = asked.filter(|port| *port != 0 && is_free(*port));
    asked.into_iter().chain(free)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_free() {
        let port = free_port().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        assert!(!candidates(Some(port)).any(|candidate| candidate == port));
    }

    #[test]
    fn a_free_port_that_is_asked_for_is_tried_first() {
        let port = free_port().unwrap();
        assert_eq!(candidates(Some(port)).next(), Some(port));
        assert!(candidates(Some(0)).all(|port| RANGE.contains(&port)));
        assert_eq!(candidates(None).count(), ATTEMPTS_TO_LISTEN);
    }
}
