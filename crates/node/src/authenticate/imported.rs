//! Hashes of passwords that RabbitMQ made: base64 of four bytes of salt and the digest of salt and password.
//! Invariant: nothing else is taken for one. They are verified only until their password is shown: then a hash of our own
//! takes their place.
//! Called by `password` and `backend`; tests below.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::access::ImportedHash;
use model::caller::Secret;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

const SHA256: &str = ImportedHash::SHA256;
const SHA512: &str = ImportedHash::SHA512;

/// Whether what is kept of a password is such a hash.
pub(crate) fn is_imported(hash: &str) -> bool {
    hash.starts_with(SHA256) || hash.starts_with(SHA512)
}

/// Whether this is the password behind such a hash; `None` when it is none.
pub(super) fn verify(hash: &str, password: &Secret) -> Option<bool> {
    let (digits, is_long) = match (hash.strip_prefix(SHA256), hash.strip_prefix(SHA512)) {
        (Some(digits), _) => (digits, false),
        (None, Some(digits)) => (digits, true),
        (None, None) => return None,
    };
    let Ok(bytes) = STANDARD.decode(digits) else { return Some(false) };
    let Some((salt, digest)) = bytes.split_at_checked(ImportedHash::SALT_BYTES) else { return Some(false) };
    let own = if is_long { salted::<Sha512>(salt, password) } else { salted::<Sha256>(salt, password) };
    Some(own.as_slice().ct_eq(digest).into())
}

fn salted<D: Digest>(salt: &[u8], password: &Secret) -> Vec<u8> {
    D::new().chain_update(salt).chain_update(password.reveal()).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rabbitmqs_documentation_is_verified() {
        let hash = format!("{SHA256}kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
        assert!(is_imported(&hash));
        assert_eq!(verify(&hash, &Secret::new("test12")), Some(true));
        assert_eq!(verify(&hash, &Secret::new("test13")), Some(false));
    }

    #[test]
    fn a_long_digest_is_verified_too() {
        let password = Secret::new("a password");
        let mut bytes = vec![1, 2, 3, 4];
        bytes.extend(salted::<Sha512>(&[1, 2, 3, 4], &password));
        let hash = format!("{SHA512}{}", STANDARD.encode(bytes));
        assert_eq!(verify(&hash, &password), Some(true));
        assert_eq!(verify(&hash, &Secret::new("another")), Some(false));
    }

    #[test]
    fn what_is_no_such_hash_fits_nothing() {
        assert_eq!(verify("$argon2id$v=19$", &Secret::new("")), None);
        assert_eq!(verify("!", &Secret::new("!")), None);
        for broken in ["", "AAA", "AAAA", "?"] {
            assert_eq!(verify(&format!("{SHA256}{broken}"), &Secret::new("")), Some(false), "{broken}");
        }
    }
}
