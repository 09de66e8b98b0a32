//! The caller's credentials as metadata, as `server::identity` reads them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::caller::Credentials;
use tonic::metadata::{MetadataMap, MetadataValue};

const USER_METADATA: &str = "recado-user-bin";

/// The metadata that proves a caller. Credentials that no header can hold leave it empty: the broker then refuses.
pub(crate) fn metadata(credentials: &Credentials) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    let text = match credentials {
        // Only the door that verified it can believe it.
        Credentials::Certificate { .. } => return metadata,
        Credentials::Token(token) => format!("Bearer {}", token.reveal()),
        // Once claimed, the claim is spent and its administrator has the password.
        Credentials::Password { user, password } | Credentials::Claim { user, password, .. } => {
            if user.contains(':') {
                metadata.insert_bin(USER_METADATA, MetadataValue::from_bytes(user.as_bytes()));
            }
            format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal())))
        }
    };
    if let Ok(mut value) = MetadataValue::try_from(text) {
        value.set_sensitive(true);
        metadata.insert("authorization", value);
    }
    metadata
}
