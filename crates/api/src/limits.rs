//! How often one caller may ask, and how often one may be wrong about a password.
//!
//! A caller is the address that a connection comes from, or the network of an IPv6 address: who has
//! one has billions of them. Behind a proxy all callers are one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::Extensions;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// Callers that are told apart. Beyond that, new ones share what one of them may.
const MAX_CALLERS: usize = 10_000;

/// Wrong passwords that a caller may show at once, and how long until one more.
const MAX_WRONG_PASSWORDS: u32 = 10;
const ONE_MORE_PASSWORD_EVERY: Duration = Duration::from_secs(30);

/// How long ago a caller was that is not told apart any more at least, when there is no room.
const FORGET_STEP: Duration = Duration::from_secs(1);

/// Requests that a caller may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// In a second, and at once; `None` for any number.
    pub requests_per_second: Option<NonZeroU32>,
}

/// For each caller a bucket of tokens that fills up over time. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    capacity: u32,
    /// The time in which one token comes.
    refill: Duration,
    callers: Arc<Mutex<Callers>>,
}

#[derive(Debug, Default)]
struct Callers {
    /// When each caller's bucket is full again: that says how many tokens are missing now.
    full_at: HashMap<IpAddr, Instant>,
    /// Of those for whom there was no room.
    others_full_at: Option<Instant>,
    /// Room was looked for in vain at this time.
    looked_at: Option<Instant>,
}

impl Buckets {
    fn new(capacity: u32, refill: Duration) -> Self {
        Self {
            capacity,
            refill,
            callers: Arc::default(),
        }
    }

    /// For requests: as many at once as in a second.
    pub(crate) fn of_requests(per_second: NonZeroU32) -> Self {
        Self::new(per_second.get(), Duration::from_secs(1) / per_second.get())
    }

    /// For wrong passwords.
    pub(crate) fn of_wrong_passwords() -> Self {
        Self::new(MAX_WRONG_PASSWORDS, ONE_MORE_PASSWORD_EVERY)
    }

    /// How long a caller has to wait for a token; zero if there is one.
    pub(crate) fn wait(&self, caller: IpAddr, now: Instant) -> Duration {
        let callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = match callers.full_at.get(&network(caller)) {
            Some(full_at) => Some(*full_at),
            None if callers.full_at.len() >= MAX_CALLERS => callers.others_full_at,
            None => None,
        };
        self.wait_until(full_at, now)
    }

    /// Takes a token, or says how long to wait for one.
    pub(crate) fn take(&self, caller: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = network(caller);
        if !callers.full_at.contains_key(&caller) && callers.full_at.len() >= MAX_CALLERS {
            callers.make_room(now);
        }
        let has_room = callers.full_at.len() < MAX_CALLERS;
        let full_at = callers.full_at.get(&caller).copied();
        let full_at = match full_at {
            Some(full_at) => Some(full_at),
            None if has_room => None,
            None => callers.others_full_at,
        };
        let wait = self.wait_until(full_at, now);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        let full_at = full_at.unwrap_or(now).max(now) + self.refill;
        if has_room || callers.full_at.contains_key(&caller) {
            callers.full_at.insert(caller, full_at);
        } else {
            callers.others_full_at = Some(full_at);
        }
        Ok(())
    }

    /// A bucket that is full in `capacity × refill` is empty now.
    fn wait_until(&self, full_at: Option<Instant>, now: Instant) -> Duration {
        let missing = full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        (missing + self.refill).saturating_sub(self.refill * self.capacity)
    }
}

impl Callers {
    /// Forgets those whose bucket is full: they are as if they had never asked.
    fn make_room(&mut self, now: Instant) {
        if self
            .looked_at
            .is_some_and(|at| now.saturating_duration_since(at) < FORGET_STEP)
        {
            return;
        }
        self.looked_at = Some(now);
        self.full_at.retain(|_, full_at| *full_at > now);
    }
}

/// The part of an address that belongs to one caller.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The address that a request's connection comes from; `None` where there is no connection.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(address.ip().to_canonical())
}

/// Who sends a request. Requests that came through no connection have one sender.
pub(crate) fn caller(extensions: &Extensions) -> IpAddr {
    peer(extensions).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Answers 429 to who asks too often. Probes are answered however often an orchestrator asks.
pub(crate) async fn limit_requests(
    State(buckets): State<Buckets>,
    request: Request,
    next: Next,
) -> Response {
    if crate::access::is_probe(request.uri().path()) {
        return next.run(request).await;
    }
    match buckets.take(caller(request.extensions()), Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(wait) => Problem::too_many_requests(wait).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_bucket_empties_at_once_and_fills_over_time() {
        let buckets = Buckets::of_requests(NonZeroU32::new(100).unwrap());
        let start = Instant::now();
        let taken = |at: Instant| buckets.take(address("10.0.0.1"), at);
        for _ in 0..100 {
            assert_eq!(taken(start), Ok(()));
        }
        assert_eq!(taken(start), Err(Duration::from_millis(10)));
        assert_eq!(
            buckets.wait(address("10.0.0.1"), start),
            Duration::from_millis(10)
        );
        assert_eq!(
            buckets.take(address("10.0.0.2"), start),
            Ok(()),
            "another caller"
        );
        let later = start + Duration::from_millis(10);
        assert_eq!(taken(later), Ok(()));
        assert_eq!(taken(later), Err(Duration::from_millis(10)));
        let much_later = start + Duration::from_secs(3600);
        for _ in 0..100 {
            assert_eq!(taken(much_later), Ok(()));
        }
        assert!(
            taken(much_later).is_err(),
            "no more is saved up than a second's worth"
        );
    }

    #[test]
    fn a_network_is_one_caller() {
        let buckets = Buckets::new(1, Duration::from_secs(1));
        let now = Instant::now();
        assert_eq!(buckets.take(address("2001:db8::1"), now), Ok(()));
        assert!(buckets.take(address("2001:db8::2:1"), now).is_err());
        assert_eq!(buckets.take(address("2001:db8:0:1::1"), now), Ok(()));
        assert_eq!(buckets.take(address("::ffff:10.0.0.1"), now), Ok(()));
        assert!(buckets.take(address("10.0.0.1"), now).is_err());
    }

    #[test]
    fn callers_are_told_apart_up_to_a_bound() {
        let buckets = Buckets::new(2, Duration::from_secs(1));
        let start = Instant::now();
        let caller = |n: usize| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(n).unwrap()));
        for n in 0..MAX_CALLERS {
            assert_eq!(buckets.take(caller(n), start), Ok(()));
        }
        // There is no room for more, and those who come now share one bucket.
        assert_eq!(buckets.take(caller(MAX_CALLERS), start), Ok(()));
        assert_eq!(buckets.take(caller(MAX_CALLERS + 1), start), Ok(()));
        assert!(buckets.take(caller(MAX_CALLERS + 2), start).is_err());
        assert!(buckets.wait(caller(MAX_CALLERS + 3), start) > Duration::ZERO);
        assert_eq!(
            buckets.take(caller(7), start),
            Ok(()),
            "who was there has a bucket"
        );
        assert_eq!(buckets.callers.lock().unwrap().full_at.len(), MAX_CALLERS);
        // Room comes back as buckets fill.
        let later = start + Duration::from_secs(60);
        assert_eq!(buckets.take(caller(MAX_CALLERS + 2), later), Ok(()));
        assert_eq!(buckets.callers.lock().unwrap().full_at.len(), 1);
    }
}
