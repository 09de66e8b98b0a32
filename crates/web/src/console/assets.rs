//! The files of the pages, from the binary.
//! Invariant: an address that names the content's tag may be kept for ever; any other is asked again each time.
//! Used by `page`; tests in `tests/console.rs`.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode, Uri};
use model::Code;
use sha2::{Digest, Sha256};

use super::address::Address;
use crate::translate::problem::Problem;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    tag: String,
}

impl Asset {
    fn new(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let tag = Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { name, kind, bytes, tag }
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    [
        Asset::new("htmx.min.js", SCRIPT, include_bytes!("../../assets/htmx.min.js")),
        Asset::new("uPlot.iife.min.js", SCRIPT, include_bytes!("../../assets/uPlot.iife.min.js")),
        Asset::new("console.js", SCRIPT, include_bytes!("../../assets/console.js")),
        Asset::new("uPlot.min.css", STYLE, include_bytes!("../../assets/uPlot.min.css")),
        Asset::new("console.css", STYLE, include_bytes!("../../assets/console.css")),
    ]
});

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The address of a file with the tag of its content.
pub(super) fn address(name: &'static str) -> Address {
    let address = Address::of("/assets").part(name);
    match find(name) {
        Some(asset) => address.with("v", &asset.tag),
        None => address,
    }
}

/// Answers with a file.
pub(super) async fn asset(Path(name): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = find(&name) else {
        return Problem::new(Code::PathNotFound, "there is no such file").into_response();
    };
    let tag = format!("\"{}\"", asset.tag);
    let tagged = uri.query().and_then(|query| query.strip_prefix("v=")) == Some(asset.tag.as_str());
    let keep = if tagged { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(IF_NONE_MATCH).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let known = known.split(',').map(|given| given.trim().trim_start_matches("W/")).any(|given| given == tag);
    let about = [(ETAG, tag), (CACHE_CONTROL, keep.to_owned()), (CONTENT_TYPE, asset.kind.to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, asset.bytes).into_response()
}
