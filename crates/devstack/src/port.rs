//! Free ports.

use std::net::{Ipv4Addr, TcpListener};

/// Ports are drawn from here: below the range from which Linux (from 32768 on) and macOS (from
/// 49152 on) take the local ports of outgoing connections. A server that restarts would otherwise
/// find its port taken by a client, even by one that was trying to reach it.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before giving up.
const ATTEMPTS: usize = 100;

/// Finds a port that nobody listens on at 127.0.0.1. Somebody else may take it before it is used.
pub(crate) fn free_port() -> Option<u16> {
    (0..ATTEMPTS)
        .map(|_| fastrand::u16(RANGE))
        .find(|&port| is_free(port))
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
    }
}
