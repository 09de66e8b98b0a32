//! Tokens by which a node joins a cluster: a secret that is good once, and the certificate of the cluster, so that the
//! node knows to whom it gives the secret.
//! Invariant: a token is redeemed at most once and before it runs out; here only the hash of its secret is kept.
//! Called by `service` and `client`. Tests: below.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::limits::{TOKEN_VALID_MAX, TOKENS_MAX};

const SECRET_BYTES: usize = 24;
const PREFIX: &str = "recado-join-1.";

/// A text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token of a cluster: take the whole line that `recado cluster join-token` prints")]
pub struct TokenBroken;

/// What a node needs to join.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    pub(crate) secret: Vec<u8>,
    /// The certificate of the cluster's authority.
    authority: Vec<u8>,
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JoinToken(…)")
    }
}

impl JoinToken {
    /// The certificate of the cluster, as PEM.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        let body = base64::engine::general_purpose::STANDARD.encode(&self.authority);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    /// The text that is handed to the new node.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = [self.secret.as_slice(), &self.authority].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for JoinToken {
    type Err = TokenBroken;

    fn from_str(text: &str) -> Result<Self, TokenBroken> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(TokenBroken)?;
        let mut secret = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenBroken)?;
        if secret.len() <= SECRET_BYTES {
            return Err(TokenBroken);
        }
        let authority = secret.split_off(SECRET_BYTES);
        Ok(Self { secret, authority })
    }
}

/// The tokens that are good now.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    good: Mutex<BTreeMap<[u8; 32], Instant>>,
}

impl Ledger {
    /// Makes a token; the oldest goes when there are too many.
    pub(crate) fn issue(&self, authority_pem: &str, valid: Duration, now: Instant) -> Result<JoinToken, TokenBroken> {
        let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes()).map_err(|_| TokenBroken)?.to_vec();
        let mut secret = vec![0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|_| TokenBroken)?;
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.retain(|_, until| now < *until);
        if TOKENS_MAX <= good.len()
            && let Some(oldest) = good.iter().min_by_key(|(_, until)| **until).map(|(hash, _)| *hash)
        {
            good.remove(&oldest);
        }
        good.insert(Sha256::digest(&secret).into(), now + valid.min(TOKEN_VALID_MAX));
        Ok(JoinToken { secret, authority })
    }

    /// Whether a secret is good; it is no more afterwards.
    pub(crate) fn redeem(&self, secret: &[u8], now: Instant) -> bool {
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.remove(&hash).is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Authority;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_token_is_good_once_and_not_for_ever() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        let authority = Authority::new().unwrap();
        let issue = || ledger.issue(authority.certificate_pem(), HOUR, now).unwrap();
        let token: JoinToken = issue().text().parse().unwrap();
        assert!(!ledger.redeem(b"another", now));
        assert!(ledger.redeem(&token.secret, now));
        assert!(!ledger.redeem(&token.secret, now));
        let late = issue();
        assert!(!ledger.redeem(&late.secret, now + HOUR));
        assert!(Authority::from_pem(token.authority_pem(), authority.key_pem().to_owned()).is_ok());
    }

    #[test]
    fn tokens_are_bounded_and_the_one_that_runs_out_first_goes() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        let authority = Authority::new().unwrap();
        let first = ledger.issue(authority.certificate_pem(), HOUR / 2, now).unwrap();
        for _ in 0..TOKENS_MAX {
            ledger.issue(authority.certificate_pem(), HOUR, now).unwrap();
        }
        assert!(!ledger.redeem(&first.secret, now));
        assert_eq!(ledger.good.lock().unwrap().len(), TOKENS_MAX);
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in ["", "recado-join-1.", "recado-join-1.AAAA", "recado-join-2.AAAA", "recado-join-1.!"] {
            assert_eq!(text.parse::<JoinToken>(), Err(TokenBroken), "{text}");
        }
    }
}
