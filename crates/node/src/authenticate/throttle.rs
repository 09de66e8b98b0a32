//! Slows down guessing: after a few failures an account and an address wait, longer each time.
//!
//! Invariant: bounded memory; a success of an account forgives it. Time is an argument.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{LOGIN_FAILURES_FREE, LOGIN_FAILURES_MAX, LOGIN_WAIT_MAX};

/// Who failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suspect {
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// The memory of failed logins.
#[derive(Default)]
pub(crate) struct Throttle {
    failures: Mutex<BTreeMap<Suspect, Failures>>,
}

impl Throttle {
    /// How long a login must still wait; zero when it may go on.
    pub(crate) fn wait(&self, account: &str, address: Option<IpAddr>, now: Instant) -> Duration {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |suspect: &Suspect| {
            failures.get(suspect).map_or(Duration::ZERO, |known| {
                penalty(known.count).saturating_sub(now.saturating_duration_since(known.last))
            })
        };
        suspects(account, address).iter().map(left).max().unwrap_or_default()
    }

    /// Notes a failed login.
    pub(crate) fn fail(&self, account: &str, address: Option<IpAddr>, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= LOGIN_FAILURES_MAX {
            failures.retain(|_, known| now.saturating_duration_since(known.last) < LOGIN_WAIT_MAX);
        }
        for suspect in suspects(account, address) {
            if failures.len() < LOGIN_FAILURES_MAX || failures.contains_key(&suspect) {
                let known = failures.entry(suspect).or_insert(Failures { count: 0, last: now });
                known.count = known.count.saturating_add(1);
                known.last = now;
            }
        }
    }

    /// Forgives an account that has shown its password.
    pub(crate) fn succeed(&self, account: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&Suspect::Account(account.to_owned()));
    }
}

fn suspects(account: &str, address: Option<IpAddr>) -> Vec<Suspect> {
    // Programs on this machine share one address; their accounts are slowed, not each other.
    let remote = address.filter(|address| !address.to_canonical().is_loopback());
    let address = remote.map(Suspect::Address);
    [Some(Suspect::Account(account.to_owned())), address].into_iter().flatten().collect()
}

/// The wait after so many failures: one second, doubled with each more, up to a minute.
fn penalty(count: u32) -> Duration {
    match count.checked_sub(LOGIN_FAILURES_FREE) {
        None => Duration::ZERO,
        Some(beyond) => Duration::from_secs(1_u64 << beyond.min(6)).min(LOGIN_WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_ends_and_is_forgiven() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..LOGIN_FAILURES_FREE - 1 {
            throttle.fail("ann", None, start);
            assert_eq!(throttle.wait("ann", None, start), Duration::ZERO);
        }
        throttle.fail("ann", None, start);
        assert_eq!(throttle.wait("ann", None, start), Duration::from_secs(1));
        throttle.fail("ann", None, start);
        assert_eq!(throttle.wait("ann", None, start), Duration::from_secs(2));
        assert_eq!(throttle.wait("ann", None, start + Duration::from_secs(2)), Duration::ZERO);
        assert_eq!(throttle.wait("bob", None, start), Duration::ZERO);
        throttle.succeed("ann");
        assert_eq!(throttle.wait("ann", None, start), Duration::ZERO);
    }

    #[test]
    fn an_address_that_guesses_many_accounts_waits_too() {
        let throttle = Throttle::default();
        let (start, guesser) = (Instant::now(), Some(IpAddr::from([192, 0, 2, 1])));
        for account in ["a", "b", "c", "d", "e", "f"] {
            throttle.fail(account, guesser, start);
        }
        assert!(throttle.wait("g", guesser, start) > Duration::ZERO);
        assert_eq!(throttle.wait("g", None, start), Duration::ZERO);
    }

    #[test]
    fn memory_of_failures_is_bounded() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for account in 0..LOGIN_FAILURES_MAX + 10 {
            throttle.fail(&account.to_string(), None, start);
        }
        assert_eq!(throttle.failures.lock().unwrap().len(), LOGIN_FAILURES_MAX);
    }
}
