//! The OpenAPI 3.1 document: collected from the handlers, completed with what all operations share.
//! Invariant: every operation lists every status it can give, and no operation id repeats.
//! Used by `door` and `rest`; checked in `tests/document.rs`.

mod failures;

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{OpenApi as _, PartialSchema, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::door::Door;
use crate::wire;

/// Where the operations of another namespace than `default` begin.
const NAMESPACED: &str = "/v1/namespaces/{namespace}/";
const PROBLEM: &str = "application/problem+json";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Recado",
        description = "Durable queues and partitioned topics over HTTP. Times are milliseconds since 1970 (`…_at`), \
            lengths of time are milliseconds (`…_ms`); bytes that are UTF-8 go as text, others as base64 in a field of \
            their own (`…_base64`). Every error is a problem document with a stable `code`. Without a namespace in the \
            path, `default` is meant.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "queues", description = "each message goes to one consumer"),
        (name = "messages", description = "publish to a queue, receive, settle, look"),
        (name = "topics", description = "partitioned histories that every subscription sees"),
        (name = "subscriptions", description = "named cursors on a topic"),
        (name = "exchanges", description = "names to publish to, with rules that lead to queues and topics"),
        (name = "access", description = "sessions, users, tokens, grants, namespaces"),
        (name = "operation", description = "health, metrics, the node"),
        (name = "seed", description = "the ten operations of the system that Recado grew from"),
    ),
    components(schemas(wire::Problem)),
    security(("basic" = []), ("bearer" = [])),
)]
struct Root;

/// The document without operations.
pub(crate) fn empty() -> OpenApi {
    Root::openapi()
}

/// The document with security schemes, failures, and ids for the operations of other namespaces.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.schemas.insert("Name".to_owned(), wire::Name::schema());
    let mut more = Vec::new();
    <wire::Headers as ToSchema>::schemas(&mut more);
    components.schemas.extend(more);
    for (path, item) in &mut document.paths.paths {
        let namespaced = path.starts_with(NAMESPACED);
        for operation in operations(item) {
            finish(operation, namespaced);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn finish(operation: &mut Operation, namespaced: bool) {
    let id = operation.operation_id.clone().expect("the macro gives each operation the name of its handler");
    for (status, words) in failures::of(&id, operation) {
        let description = words.join("; ");
        let known = operation.responses.responses.get_mut(&status);
        if let Some(RefOr::T(response)) = known {
            // A 409 of a settle has a document of its own beside the problem.
            response.description = format!("{}; or {description}", response.description);
            response.content.insert(PROBLEM.to_owned(), problem().into());
            continue;
        }
        let response = ResponseBuilder::new().description(description).content(PROBLEM, problem()).build();
        operation.responses.responses.insert(status, response.into());
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        let optional = body.content.values_mut().filter_map(take_null_out).count() > 0;
        body.required = Some(if optional { Required::False } else { Required::True });
    }
    if namespaced {
        operation.operation_id = Some(format!("{id}_in_namespace"));
        let namespace = ParameterBuilder::new()
            .name("namespace")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The namespace."))
            .schema(Some(Ref::from_schema_name("Name")));
        operation.parameters.get_or_insert_default().insert(0, namespace.build().into());
    }
}

/// An optional body is one that may be absent; it is never null. Something if there was a null to take out.
fn take_null_out(content: &mut RefOr<Content>) -> Option<()> {
    let RefOr::T(content) = content else { return None };
    let Some(RefOr::T(Schema::OneOf(choice))) = &content.schema else { return None };
    let referred = choice.items.iter().find(|item| matches!(item, RefOr::Ref(_))).cloned()?;
    content.schema = Some(referred);
    Some(())
}

fn problem() -> Content {
    Content::new(Some(Ref::from_schema_name("Problem")))
}

/// The page that shows the document and tries it out.
pub(crate) fn ui() -> Router<Door> {
    Router::from(SwaggerUi::new("/ui").config(Config::from("/openapi.json").persist_authorization(false)))
        .layer(from_fn(allow_own_files))
}

/// The page needs its own scripts and styles, and nothing from elsewhere.
async fn allow_own_files(request: Request, next: Next) -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                  font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                  frame-ancestors 'none'";
    let mut response = next.run(request).await;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// Statuses with the words of the codes they stand for.
pub(crate) type Failures = BTreeMap<String, Vec<String>>;
