//! Passwords: hashed with Argon2id, a few at a time, so that logins cannot take the machine.
//!
//! Parameters: 19 MiB, two passes, one lane (the floor that OWASP names). A verified password is believed
//! for a while under a keyed hash, since a client with Basic credentials shows it on every request.
//! Invariant: an unknown user costs as much time as a wrong password.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use model::caller::Secret;
use model::failure::{Failure, Fault, Unavailable};
use model::number::UserId;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::imported;
use crate::limits::{PASSWORDS_AT_ONCE_MAX, PASSWORDS_WAITING_MAX, VERIFIED_FOR, VERIFIED_MAX};
use crate::random;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What an unknown user's password is compared with: a hash with the parameters above whose password nobody
/// knows, since its tag was not made from one.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cmVjYWRvLWRlY295LXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and verifies passwords, within bounds.
pub(crate) struct Passwords {
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    verified: Mutex<BTreeMap<[u8; 32], Verified>>,
    /// Keys the memory of verified passwords, so that it tells nothing without this process.
    memory_key: [u8; 32],
}

struct Verified {
    user: UserId,
    password_hash: String,
    until: Instant,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(PASSWORDS_AT_ONCE_MAX)),
            waiting: Arc::new(Semaphore::new(PASSWORDS_WAITING_MAX)),
            verified: Mutex::new(BTreeMap::new()),
            memory_key: random::bytes(),
        }
    }

    /// Hashes a new password to PHC text.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, Failure> {
        self.in_turn(move || hash_now(&password)).await?
    }

    /// Whether this is the password behind a hash; without a hash it is not, after as long a time.
    pub(crate) async fn verify(&self, known: Option<(UserId, String)>, password: &Secret) -> Result<bool, Failure> {
        let memory = known.as_ref().map(|(user, _)| self.memory_of(*user, password));
        if let (Some(memory), Some((user, hash))) = (&memory, &known)
            && self.remembers(memory, *user, hash)
        {
            return Ok(true);
        }
        let hash = known.as_ref().map_or_else(|| DECOY.to_owned(), |(_, hash)| hash.clone());
        let password = password.clone();
        let right = self.in_turn(move || verify_now(&hash, &password)).await?;
        let Some((user, hash)) = known else { return Ok(false) };
        if right && let Some(memory) = memory {
            self.remember(memory, user, hash);
        }
        Ok(right)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let _waiting = self.waiting.clone().try_acquire_owned().map_err(|_| Unavailable::Busy)?;
        let turn = self.at_once.clone().acquire_owned().await.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| Failure::from(Fault { what: format!("hashing a password failed: {error}") }))
    }

    fn memory_of(&self, user: UserId, password: &Secret) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.memory_key);
        hasher.update(user.get().to_be_bytes());
        hasher.update(password.reveal());
        hasher.finalize().into()
    }

    fn remembers(&self, memory: &[u8; 32], user: UserId, hash: &str) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified
            .get(memory)
            .is_some_and(|known| known.user == user && known.password_hash == hash && known.until > Instant::now())
    }

    fn remember(&self, memory: [u8; 32], user: UserId, password_hash: String) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if verified.len() >= VERIFIED_MAX {
            verified.retain(|_, known| known.until > now);
        }
        if verified.len() < VERIFIED_MAX {
            verified.insert(memory, Verified { user, password_hash, until: now + VERIFIED_FOR });
        }
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the fixed parameters are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_now(password: &Secret) -> Result<String, Failure> {
    let salt = SaltString::encode_b64(&random::bytes::<16>()).map_err(broken)?;
    let hash = argon2().hash_password(password.reveal().as_bytes(), &salt).map_err(broken)?;
    Ok(hash.to_string())
}

fn verify_now(hash: &str, password: &Secret) -> bool {
    // Another broker's hash takes no time: what an own one takes is spent all the same, and so it is on none at all.
    let imported = imported::verify(hash, password);
    let own = PasswordHash::new(hash).or_else(|_| PasswordHash::new(DECOY));
    let fits = own.is_ok_and(|own| argon2().verify_password(password.reveal().as_bytes(), &own).is_ok());
    imported.unwrap_or(fits)
}

fn broken(error: argon2::password_hash::Error) -> Failure {
    Fault { what: format!("hashing a password failed: {error}") }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoy_costs_as_much_as_a_real_hash_and_fits_no_password() {
        let decoy = PasswordHash::new(DECOY).expect("the decoy is a hash");
        let real = hash_now(&Secret::new("a real password")).expect("the parameters are valid");
        let real = PasswordHash::new(&real).expect("a hash is a hash");
        assert_eq!((decoy.algorithm, decoy.version, &decoy.params), (real.algorithm, real.version, &real.params));
        assert!(!verify_now(DECOY, &Secret::new("a real password")));
        assert!(verify_now(&real.to_string(), &Secret::new("a real password")));
    }
}
