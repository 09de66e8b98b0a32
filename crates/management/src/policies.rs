//! Policies and parameters of plugins: there are none, and one that is asked for is refused.
//! Invariant: nothing that would have to hold is dropped in silence.
//! Routed by `door`.

use axum::Router;
use axum::routing::get;
use serde_json::json;

use crate::answer::{Answer, Trouble, document};
use crate::caller::Authenticated;
use crate::door::Door;

/// What is said to whoever wants a policy.
pub(crate) const NO_POLICIES: &str = "policies are not supported: give the queues their arguments";
/// What is said to whoever wants a parameter.
pub(crate) const NO_PARAMETERS: &str = "parameters of plugins are not supported";

pub(crate) fn routes() -> Router<Door> {
    let policies = || get(not_there).put(no_policy).delete(not_there);
    let parameters = || get(not_there).put(no_parameter).delete(not_there);
    Router::new()
        .route("/policies", get(none))
        .route("/policies/{vhost}", get(none))
        .route("/policies/{vhost}/{name}", policies())
        .route("/operator-policies", get(none))
        .route("/operator-policies/{vhost}", get(none))
        .route("/operator-policies/{vhost}/{name}", policies())
        .route("/parameters", get(none))
        .route("/parameters/{component}", get(none))
        .route("/parameters/{component}/{vhost}", get(none))
        .route("/parameters/{component}/{vhost}/{name}", parameters())
        .route("/global-parameters", get(none))
        .route("/global-parameters/{name}", parameters())
        .route("/vhost-limits", get(none))
        .route("/vhost-limits/{vhost}", get(none))
        .route("/shovels", get(none))
        .route("/shovels/{vhost}", get(none))
        .route("/federation-links", get(none))
        .route("/federation-links/{vhost}", get(none))
        .route("/feature-flags", get(none))
        .route("/deprecated-features", get(none))
        .route("/deprecated-features/used", get(none))
}

async fn none(Authenticated(_): Authenticated) -> Answer {
    Ok(document(&json!([])))
}

async fn not_there(Authenticated(_): Authenticated) -> Answer {
    Err(Trouble::not_found())
}

async fn no_policy(Authenticated(_): Authenticated) -> Answer {
    Err(Trouble::bad(NO_POLICIES))
}

async fn no_parameter(Authenticated(_): Authenticated) -> Answer {
    Err(Trouble::bad(NO_PARAMETERS))
}
