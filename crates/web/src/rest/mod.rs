//! REST: every route, each with one small handler that reads, translates, calls the backend and translates back.
//! Invariant: each path below `/v1/queues`, `/v1/topics`, `/v1/exchanges`, `/v1/bindings` and `/v1/policies` also stands below `/v1/namespaces/{namespace}`.
//! Assembled by `door`; the document is checked in `tests/document.rs`.

mod exchanges;
mod grants;
mod health;
mod messages;
mod namespaces;
mod paths;
mod policies;
mod queues;
mod seed;
mod session;
mod settling;
mod streaming;
mod subscriptions;
mod tokens;
mod topics;
mod users;

use axum::Router;
use model::Code;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::door::Door;
use crate::openapi;
use crate::translate::problem::Problem;

pub(crate) use streaming::follow_topic;

/// Every route.
pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .nest("/v1", in_namespace())
        .nest("/v1/namespaces/{namespace}", in_namespace())
        .merge(session::routes())
        .merge(users::routes())
        .merge(tokens::routes())
        .merge(grants::routes())
        .merge(namespaces::routes())
        .merge(health::routes())
        .merge(seed::routes())
}

fn in_namespace() -> Router<Door> {
    Router::new()
        .merge(queues::routes())
        .merge(messages::routes())
        .merge(settling::routes())
        .merge(streaming::routes())
        .merge(topics::routes())
        .merge(subscriptions::routes())
        .merge(exchanges::routes())
        .merge(policies::routes())
}

/// What the document says of every route.
pub(crate) fn document() -> OpenApi {
    let document = OpenApiRouter::<Door>::with_openapi(openapi::empty())
        .nest("/v1", document_in_namespace())
        .nest("/v1/namespaces/{namespace}", document_in_namespace())
        .merge(session::documented())
        .merge(users::documented())
        .merge(tokens::documented())
        .merge(grants::documented())
        .merge(namespaces::documented())
        .merge(health::documented())
        .merge(seed::documented())
        .into_openapi();
    openapi::complete(document)
}

fn document_in_namespace() -> OpenApiRouter<Door> {
    OpenApiRouter::new()
        .merge(queues::documented())
        .merge(messages::documented())
        .merge(settling::documented())
        .merge(streaming::documented())
        .merge(topics::documented())
        .merge(subscriptions::documented())
        .merge(exchanges::documented())
        .merge(policies::documented())
}

/// Answers for a path that is not there.
pub(crate) async fn no_such_path() -> Problem {
    Problem::new(Code::PathNotFound, "there is no such path")
}

/// Answers for a method that a path does not have; the `Allow` header names those it has.
pub(crate) async fn no_such_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "this path does not have this method")
}
