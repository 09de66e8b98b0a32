//! The configuration file of the server.

use std::path::Path;

use crate::bound::within;
use crate::config::{Layers, Settings};

/// A whole file of settings.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let layers = within(bytes.len(), 1 << 20, 2048, || {
        Layers::new(Some((Path::new("recado.toml"), text)), |_| None, Vec::new())
    });
    // A host name would be looked up: only what is an address is taken further.
    if let Ok(layers) = layers
        && !text.contains("listen")
    {
        let _ = Settings::new(&layers);
    }
}
