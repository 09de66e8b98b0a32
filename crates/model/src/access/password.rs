//! A password as it is set: as text, or as what another broker kept of one.
//! Invariant: an imported hash is of a form that the node can verify; it never appears in a print.
//! Used by the doors that make users and by the node. Tests below.

use std::fmt;
use std::sync::Arc;

use crate::caller::Secret;
use crate::refusal::Refusal;

/// What no password fits.
const NOBODYS: &str = "!";

/// A new password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewPassword {
    /// The password itself: 8 to 1024 bytes. The node keeps a hash of its own making.
    Text(Secret),
    /// What another broker kept of it. It is replaced by a hash of the node's own making at the first login.
    Imported(ImportedHash),
}

impl From<Secret> for NewPassword {
    fn from(password: Secret) -> Self {
        Self::Text(password)
    }
}

/// A hash that another broker made: RabbitMQ's salted SHA-256 or SHA-512.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportedHash(Arc<str>);

impl ImportedHash {
    /// Bytes of the salt in front of RabbitMQ's digests.
    pub const SALT_BYTES: usize = 4;
    /// What stands before a SHA-256 with its salt in the text that is kept.
    pub const SHA256: &'static str = "$rabbit-sha256$";
    /// What stands before a SHA-512 with its salt in the text that is kept.
    pub const SHA512: &'static str = "$rabbit-sha512$";

    /// RabbitMQ's `rabbit_password_hashing_sha256`: base64 of four bytes of salt and the digest.
    ///
    /// # Errors
    /// `ArgumentInvalid` when the text is not that.
    pub fn sha256(base64: &str) -> Result<Self, Refusal> {
        Self::salted(Self::SHA256, base64, Self::SALT_BYTES + 32)
    }

    /// RabbitMQ's `rabbit_password_hashing_sha512`, of the same form.
    ///
    /// # Errors
    /// `ArgumentInvalid` when the text is not that.
    pub fn sha512(base64: &str) -> Result<Self, Refusal> {
        Self::salted(Self::SHA512, base64, Self::SALT_BYTES + 64)
    }

    /// What no password fits: the user cannot log in by one.
    pub fn nobodys() -> Self {
        Self(Arc::from(NOBODYS))
    }

    fn salted(kind: &str, base64: &str, bytes: usize) -> Result<Self, Refusal> {
        let digits = base64.trim_end_matches('=');
        let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
        if !plain || base64.len() != bytes.div_ceil(3) * 4 || digits.len() != (bytes * 8).div_ceil(6) {
            return Err(Refusal::invalid("password_hash", "it must be base64 of a salt of 4 bytes and the digest"));
        }
        Ok(Self(Arc::from(format!("{kind}{base64}"))))
    }

    /// Reads the text that is kept.
    ///
    /// # Errors
    /// `ArgumentInvalid` when it is of no form that is known.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match (text, text.strip_prefix(Self::SHA256), text.strip_prefix(Self::SHA512)) {
            (NOBODYS, _, _) => Ok(Self::nobodys()),
            (_, Some(base64), _) => Self::sha256(base64),
            (_, _, Some(base64)) => Self::sha512(base64),
            _ => Err(Refusal::invalid("imported_hash", "it must be a hash that RabbitMQ made")),
        }
    }

    /// The text that is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ImportedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImportedHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RabbitMQ's documentation: the password `test12`.
    const EXAMPLE: &str = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";

    #[test]
    fn what_rabbitmq_exports_is_taken_and_kept_as_it_is() {
        let hash = ImportedHash::sha256(EXAMPLE).expect("this is one");
        assert_eq!(ImportedHash::parse(hash.as_str()), Ok(hash.clone()));
        assert_eq!(ImportedHash::parse(NOBODYS), Ok(ImportedHash::nobodys()));
        assert_eq!(format!("{hash:?}"), "ImportedHash(…)");
        assert!(ImportedHash::sha512(&format!("{}==", "A".repeat(91))).is_err());
        assert!(ImportedHash::sha512(&format!("{}=", "A".repeat(91))).is_ok());
        for wrong in ["", "kI3G", "$argon2id$v=19$", &EXAMPLE.replace('k', "*"), &EXAMPLE[1..]] {
            assert!(ImportedHash::sha256(wrong).is_err() && ImportedHash::parse(wrong).is_err(), "{wrong}");
        }
    }
}
