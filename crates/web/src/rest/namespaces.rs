//! Namespaces: create, delete, list.
//! Invariant: creating again changes nothing and answers 200.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::access::{CreateNamespace, DeleteNamespace, ListNamespaces};
use model::page::PageRequest;

use crate::door::Door;
use crate::extract::{Authenticated, NamespacePath, Query};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::wire;

operations! {
    [list_namespaces],
    [create_namespace, delete_namespace],
}

/// List namespaces
#[utoipa::path(get, path = "/v1/namespaces", tag = "access", params(wire::PlainPageQuery),
    responses((status = 200, description = "a page of namespaces", body = wire::Page<wire::NamespaceDescription>)))]
async fn list_namespaces(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Query(query): Query<wire::PlainPageQuery>,
) -> Result<Document<wire::Page<wire::NamespaceDescription>>, Problem> {
    let page = PageRequest::new(query.limit, query.cursor)?;
    Ok(Document(door.call(&caller, ListNamespaces { page }).await?.into()))
}

/// Create a namespace
#[utoipa::path(put, path = "/v1/namespaces/{namespace}", tag = "access", params(wire::NamespaceParam),
    responses(
        (status = 201, description = "created", body = wire::NamespaceDescription),
        (status = 200, description = "was there", body = wire::NamespaceDescription)))]
async fn create_namespace(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    NamespacePath(name): NamespacePath,
) -> Result<(StatusCode, Document<wire::NamespaceDescription>), Problem> {
    let made = door.call(&caller, CreateNamespace { name }).await?;
    let status = if made.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Document(made.description.into())))
}

/// Delete a namespace that holds no queue and no topic
#[utoipa::path(delete, path = "/v1/namespaces/{namespace}", tag = "access", params(wire::NamespaceParam),
    responses((status = 204, description = "deleted")))]
async fn delete_namespace(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    NamespacePath(name): NamespacePath,
) -> Result<StatusCode, Problem> {
    door.call(&caller, DeleteNamespace { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}
