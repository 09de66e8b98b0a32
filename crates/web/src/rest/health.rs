//! The node's state, health checks, metrics, the document, and the pages behind the codes of problems.
//! Invariant: the open checks show a word of state and nothing else.
//! Routed by `rest`; see `tests/doors.rs`.

use axum::Json as Document;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use model::Code;
use model::node::DescribeNode;

use crate::door::Door;
use crate::extract::{Authenticated, Word};
use crate::rest::paths::operations;
use crate::translate::problem::{Problem, status_of};
use crate::translate::readiness;
use crate::wire;

operations! {
    [describe_node],
    [live],
    [ready],
    [metrics],
    [document],
    [explain],
}

/// The state of the node
#[utoipa::path(get, path = "/v1/node", tag = "operation",
    responses((status = 200, description = "the node", body = wire::NodeDescription)))]
async fn describe_node(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
) -> Result<Document<wire::NodeDescription>, Problem> {
    let node = door.call(&caller, DescribeNode).await?;
    Ok(Document(wire::NodeDescription::of(node, door.settings().insecure_plaintext_visible)))
}

/// Whether the process runs
#[utoipa::path(get, path = "/health/live", tag = "operation", security(()),
    responses((status = 200, description = "it runs", body = wire::Live)))]
async fn live() -> Document<wire::Live> {
    Document(wire::Live { live: true })
}

/// Whether the node can do its work
///
/// A nearly full disk still counts as ready: publishes are refused, but consuming and deleting go on.
#[utoipa::path(get, path = "/health/ready", tag = "operation", security(()),
    responses((status = 200, description = "it can", body = wire::Health)))]
async fn ready(State(door): State<Door>) -> Result<Document<wire::Health>, Problem> {
    readiness(&door.metrics().readiness()).map(Document)
}

/// Proof that the caller may read metrics: the open switch, or the right to monitor.
struct MayMonitor;

impl FromRequestParts<Door> for MayMonitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
        if door.settings().metrics_open {
            return Ok(Self);
        }
        let Authenticated(caller) = Authenticated::from_request_parts(parts, door).await?;
        door.call(&caller, DescribeNode).await?;
        Ok(Self)
    }
}

/// Metrics as Prometheus text
///
/// Needs the right to monitor, unless the broker was started with open metrics.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "the metrics", body = String, content_type = "text/plain")))]
async fn metrics(State(door): State<Door>, _: MayMonitor) -> Response {
    let mut text = door.metrics().render();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&door.http().render());
    ([(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], text).into_response()
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "operation", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")))]
async fn document(State(door): State<Door>) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], door.document_bytes()).into_response()
}

/// What a code of a problem means, as JSON or as a page
#[utoipa::path(get, path = "/errors/{code}", tag = "operation", security(()),
    params(("code" = String, Path, description = "the code", max_length = 64, example = "queue_not_found")),
    responses((status = 200, description = "its meaning", content(
        (wire::Explanation = "application/json"), (String = "text/html")))))]
async fn explain(Word(word): Word, headers: HeaderMap) -> Result<Response, Problem> {
    let code = Code::parse(&word).ok_or_else(|| Problem::new(Code::PathNotFound, "there is no such code"))?;
    let explanation = wire::Explanation {
        code: code.word().to_owned(),
        title: code.title().to_owned(),
        status: status_of(code).as_u16(),
        hint: code.hint().to_owned(),
    };
    let accepts = headers.get(ACCEPT).and_then(|text| text.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/html") {
        Ok(page(&explanation).into_response())
    } else {
        Ok(Document(explanation).into_response())
    }
}

fn page(explanation: &wire::Explanation) -> maud::Markup {
    maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (explanation.code) " · Recado" } }
            body {
                h1 { (explanation.code) }
                p { "HTTP status " (explanation.status) ": " (explanation.title) "." }
                p { "What to do: " (explanation.hint) "." }
            }
        }
    }
}
