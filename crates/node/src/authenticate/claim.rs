//! The one-time claim token of a broker that has no administrator: printed at start, good for an hour, from
//! this machine only, and only until there is an administrator.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use model::caller::{Origin, Secret};
use model::refusal::Refusal;
use subtle::ConstantTimeEq;

use crate::limits::CLAIM_FOR;
use crate::random;

/// The claim token of this start, if one was made.
#[derive(Default)]
pub(crate) struct Claim {
    token: Mutex<Option<(Secret, Instant)>>,
}

impl Claim {
    /// Makes the token; called once at start when there is no administrator.
    pub(crate) fn open(&self, now: Instant) -> Secret {
        let secret = Secret::new(random::text::<20>());
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some((secret.clone(), now + CLAIM_FOR));
        secret
    }

    /// Whether a token is the right one, now and from there.
    pub(crate) fn check(&self, shown: &Secret, origin: Origin, now: Instant) -> Result<(), Refusal> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((secret, until)) = token.as_ref() else { return Err(Refusal::ClaimInvalid) };
        let same: bool = secret.reveal().as_bytes().ct_eq(shown.reveal().as_bytes()).into();
        if same && now < *until && origin.is_local() { Ok(()) } else { Err(Refusal::ClaimInvalid) }
    }

    /// Closes it for good.
    pub(crate) fn close(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
