//! Connections, channels and consumers of clients.
//! Invariant: what is not known is not invented: a list of what this process does not serve is empty.
//! Routed by `door`.

use axum::Router;
use axum::routing::get;
use serde_json::json;

use crate::answer::{Answer, Trouble, document};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::paging::Paging;

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/connections", get(none))
        .route("/connections/{name}", get(not_there).delete(not_there))
        .route("/connections/{name}/channels", get(none))
        .route("/connections/username/{name}", get(none))
        .route("/vhosts/{name}/connections", get(none))
        .route("/channels", get(none))
        .route("/channels/{name}", get(not_there))
        .route("/vhosts/{name}/channels", get(none))
        .route("/consumers", get(none))
        .route("/consumers/{vhost}", get(none))
        .route("/stream/connections", get(none))
        .route("/stream/publishers", get(none))
        .route("/stream/consumers", get(none))
}

async fn none(Authenticated(_): Authenticated, paging: Paging) -> Answer {
    Ok(document(&paging.cut(Vec::new(), 0).unwrap_or_else(|_| json!([]))))
}

async fn not_there(Authenticated(_): Authenticated) -> Answer {
    Err(Trouble::not_found())
}
