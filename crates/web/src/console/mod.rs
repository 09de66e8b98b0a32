//! The web console: pages for people, made on the server, that do what REST does and nothing more.
//! Reading order: `page` (the frame), `session` (who looks), `fields` (forms), then one file a page.
//! Invariant: every page is served under a policy that runs only this site's own scripts and styles; every action
//! carries the token of the session. Routed by `door`; tests in `tests.rs` and `tests/console.rs`.

mod address;
mod assets;
mod fields;
mod login;
mod overview;
mod page;
mod publish;
mod queue;
mod queue_actions;
mod queues;
mod session;
mod subscription;
mod tokens;
mod topic;
mod topics;
mod users;
mod words;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};

use crate::door::Door;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Every page.
pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/assets/{name}", get(assets::asset))
        .merge(login::routes())
        .merge(overview::routes())
        .merge(queues::routes())
        .merge(queue::routes())
        .merge(queue_actions::routes())
        .merge(topics::routes())
        .merge(topic::routes())
        .merge(subscription::routes())
        .merge(users::routes())
        .merge(tokens::routes())
        .layer(from_fn(policy))
}

/// Beside the policy of content: with `no-referrer` a browser would name no origin in the forms of a site without TLS,
/// and `layers::own_site` would refuse them.
async fn policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests;
