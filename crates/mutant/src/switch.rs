//! Which fault is on: for this thread, or else for the whole process.
//! Invariant: at most one fault answers; a name in the environment that is no fault stops the program, so that no
//! campaign runs with a fault that is not there.
//! Only in builds with the feature `mutants`. Tests: below.

use std::cell::Cell;
use std::collections::HashSet;
use std::env;
use std::marker::PhantomData;
use std::sync::{OnceLock, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::catalogue::Mutant;

/// The variable that switches a fault on in the real program.
pub const VARIABLE: &str = "RECADO_MUTANT";

thread_local! {
    static OF_THREAD: Cell<Option<Mutant>> = const { Cell::new(None) };
    static LOCAL_TIME: Cell<Option<u64>> = const { Cell::new(None) };
}

static OF_PROCESS: OnceLock<RwLock<Option<Mutant>>> = OnceLock::new();

fn of_process() -> &'static RwLock<Option<Mutant>> {
    OF_PROCESS.get_or_init(|| RwLock::new(from_environment()))
}

fn from_environment() -> Option<Mutant> {
    let name = env::var(VARIABLE).ok().filter(|name| !name.is_empty())?;
    match Mutant::named(&name) {
        Some(mutant) => Some(mutant),
        None => panic!("{VARIABLE} names no fault: {name}; `cargo xtask mutants` lists them"),
    }
}

/// The fault that is on here.
#[must_use]
pub fn active() -> Option<Mutant> {
    OF_THREAD.get().or_else(|| *of_process().read().expect("no holder panics"))
}

/// Whether this fault is switched on.
#[must_use]
pub fn is_on(mutant: Mutant) -> bool {
    active() == Some(mutant)
}

/// Switches a fault on for every thread that has none of its own, or off.
pub fn set_for_process(mutant: Option<Mutant>) {
    *of_process().write().expect("no holder panics") = mutant;
}

/// Switches a fault on for this thread, until the value goes.
#[must_use]
pub fn switch_on(mutant: Mutant) -> Switched {
    Switched { before: OF_THREAD.replace(Some(mutant)), of_this_thread: PhantomData }
}

/// A fault that is on for this thread.
#[derive(Debug)]
pub struct Switched {
    before: Option<Mutant>,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Switched {
    fn drop(&mut self) {
        OF_THREAD.set(self.before);
    }
}

/// What the clock of this machine shows, in milliseconds since 1970.
#[must_use]
pub fn local_time() -> u64 {
    LOCAL_TIME.get().unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Lets `local_time` show something else on this thread: a simulated clock that is not the leader's.
pub fn set_local_time(milliseconds: Option<u64>) {
    LOCAL_TIME.set(milliseconds);
}

/// A number below `bound` that differs from run to run, as the order of a hash map does.
#[must_use]
pub fn hash_order(bound: u64) -> u64 {
    let numbers: HashSet<u64> = (0..bound).collect();
    numbers.into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_its_own_fault_while_it_holds_it() {
        assert_eq!(active(), None);
        let outer = switch_on(Mutant::AckBeforeSync);
        {
            let _inner = switch_on(Mutant::NoFolderSync);
            assert!(is_on(Mutant::NoFolderSync) && !is_on(Mutant::AckBeforeSync));
        }
        assert!(is_on(Mutant::AckBeforeSync));
        let elsewhere = std::thread::scope(|scope| scope.spawn(active).join());
        assert_eq!(elsewhere.expect("the thread only asks"), None);
        drop(outer);
        assert_eq!(active(), None);
    }

    #[test]
    fn the_local_clock_can_be_somebody_elses() {
        assert!(local_time() > 1_000_000_000_000);
        set_local_time(Some(7));
        assert_eq!(local_time(), 7);
        set_local_time(None);
    }

    #[test]
    fn the_order_of_a_hash_map_differs() {
        let seen: HashSet<u64> = (0..200).map(|_| hash_order(4)).collect();
        assert!(seen.len() > 1);
        assert!(seen.iter().all(|number| *number < 4));
    }
}
