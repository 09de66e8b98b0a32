//! Who is calling: passwords, tokens and the one-time claim, turned into a caller.
//!
//! Invariants: wrong and missing credentials look the same and cost the same; nothing secret is kept but
//! hashes; rights are not decided here but by the machine.

mod claim;
mod imported;
mod password;
mod throttle;

use std::time::Instant;

use model::access::Scope;
use model::caller::{Caller, Credentials, Origin, Secret};
use model::failure::Failure;
use model::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use model::number::{Span, TokenId, UserId};
use model::refusal::Refusal;
use sha2::{Digest, Sha256};

use crate::random;
pub(crate) use claim::Claim;
pub(crate) use imported::is_imported;
pub(crate) use password::Passwords;
pub(crate) use throttle::Throttle;

/// What the machine knows of a user.
pub(crate) struct Known {
    pub(crate) user: UserId,
    pub(crate) name: model::name::UserName,
    pub(crate) password_hash: String,
    pub(crate) disabled: bool,
}

/// What the machine knows of a token.
pub(crate) struct KnownToken {
    pub(crate) token: TokenId,
    pub(crate) user: UserId,
    pub(crate) name: model::name::UserName,
    pub(crate) scope: Scope,
}

/// Everything that proving a caller needs beside the machine.
pub(crate) struct Authenticator {
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) claim: Claim,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        Self { passwords: Passwords::new(), throttle: Throttle::default(), claim: Claim::default() }
    }

    /// Proves a user by its password.
    pub(crate) async fn by_password(
        &self,
        user: &str,
        password: &Secret,
        known: Option<Known>,
        origin: Origin,
    ) -> Result<Caller, Failure> {
        let wait = self.throttle.wait(user, origin.address, Instant::now());
        if !wait.is_zero() {
            let wait = Span::new(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            return Err(Refusal::LoginThrottled { wait }.into());
        }
        let known = known.filter(|known| !known.disabled);
        let hash = known.as_ref().map(|known| (known.user, known.password_hash.clone()));
        let right = self.passwords.verify(hash, password).await?;
        let Some(known) = known.filter(|_| right) else {
            self.throttle.fail(user, origin.address, Instant::now());
            return Err(Refusal::Unauthenticated.into());
        };
        self.throttle.succeed(user);
        let credentials = Credentials::Password { user: user.to_owned(), password: password.clone() };
        let (user, name) = (known.user, known.name);
        Ok(Caller { user, name, scope: Scope::full(), token: None, origin, credentials })
    }
}

/// Proves a caller by a token that the machine knows.
pub(crate) fn by_token(known: Option<KnownToken>, secret: Secret, origin: Origin) -> Result<Caller, Failure> {
    let known = known.ok_or(Refusal::Unauthenticated)?;
    Ok(Caller {
        user: known.user,
        name: known.name,
        scope: known.scope,
        token: Some(known.token),
        origin,
        credentials: Credentials::Token(secret),
    })
}

/// Proves a caller by a certificate that its door has verified.
pub(crate) fn by_certificate(user: &str, known: Option<Known>, origin: Origin) -> Result<Caller, Failure> {
    let known = known.filter(|known| !known.disabled).ok_or(Refusal::Unauthenticated)?;
    let credentials = Credentials::Certificate { user: user.to_owned() };
    Ok(Caller { user: known.user, name: known.name, scope: Scope::full(), token: None, origin, credentials })
}

/// A new token's secret: 256 random bits behind a word that secret scanners can look for.
pub(crate) fn new_secret() -> Secret {
    Secret::new(format!("recado_{}", random::text::<32>()))
}

/// What is kept of a secret. Its 256 random bits make a slow hash needless.
pub(crate) fn hash_of(secret: &Secret) -> [u8; 32] {
    Sha256::digest(secret.reveal()).into()
}

/// Checks the length of a new password.
pub(crate) fn check_password(password: &Secret) -> Result<(), Refusal> {
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.reveal().len()) {
        return Ok(());
    }
    Err(Refusal::invalid("password", "it must have 8 to 1024 bytes"))
}
