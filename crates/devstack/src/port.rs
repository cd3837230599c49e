//! Free ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ports are drawn from here: below the range from which Linux (from 32768 on) and macOS (from
/// 49152 on) take the local ports of outgoing connections. A server that restarts would otherwise
/// find its port taken by a client, even by one that was trying to reach it.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before giving up.
const ATTEMPTS: usize = 100;

/// How often a server is started on another free port when somebody else keeps taking them.
const ATTEMPTS_TO_LISTEN: usize = 10;

/// The ports of this process's servers. A server that is stopped and will start again keeps its own:
/// no other server of this process gets it meanwhile.
static KEPT: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that is kept until this is dropped; 0 for none yet.
#[derive(Debug, Default)]
pub(crate) struct Port(u16);

impl Port {
    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.0
    }

    /// Keeps a port, if nobody has it.
    fn keep(number: u16) -> Option<Self> {
        if !kept().insert(number) {
            return None;
        }
        // Given back when nobody can listen on it.
        let port = Self(number);
        TcpListener::bind((Ipv4Addr::LOCALHOST, number))
            .is_ok()
            .then_some(port)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        kept().remove(&self.0);
    }
}

fn kept() -> MutexGuard<'static, BTreeSet<u16>> {
    // A set of numbers is whole at every moment, also where a holder of the lock panicked.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds a port that nobody listens on at 127.0.0.1. Another process may take it before it is used.
pub(crate) fn free_port() -> Option<Port> {
    (0..ATTEMPTS).find_map(|_| Port::keep(fastrand::u16(RANGE)))
}

/// The ports to try in turn: the one asked for (0 asks for any), and then any free one.
pub(crate) fn candidates(asked: Option<u16>) -> impl Iterator<Item = Port> {
    let asked = asked.filter(|port| *port != 0).and_then(Port::keep);
    let free = std::iter::repeat_with(|| free_port().unwrap_or_default()).take(ATTEMPTS_TO_LISTEN);
    asked.into_iter().chain(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_free() {
        let port = free_port().unwrap();
        let number = port.number();
        assert!(Port::keep(number).is_none(), "it is kept");
        drop(port);
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert!(Port::keep(number).is_none(), "somebody listens");
        assert!(!candidates(Some(number)).any(|candidate| candidate.number() == number));
    }

    #[test]
    fn a_free_port_that_is_asked_for_is_tried_first() {
        let number = free_port().unwrap().number();
        assert_eq!(candidates(Some(number)).next().unwrap().number(), number);
        assert!(candidates(Some(0)).all(|port| RANGE.contains(&port.number())));
        assert_eq!(candidates(None).count(), ATTEMPTS_TO_LISTEN);
    }
}
