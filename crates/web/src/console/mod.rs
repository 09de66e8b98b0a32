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
mod tokens;
mod users;
mod words;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;

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
        .merge(users::routes())
        .merge(tokens::routes())
        .layer(from_fn(policy))
}

async fn policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
