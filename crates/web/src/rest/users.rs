//! Users: create, describe, alter, delete, list; who the caller is.
//! Invariant: no answer holds a password.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::access::{DeleteUser, DescribeUser, ListUsers, WhoAmI};

use crate::door::Door;
use crate::extract::{Authenticated, Json, Query, UserPath};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::wire;

operations! {
    [who_am_i],
    [list_users],
    [create_user, describe_user, alter_user, delete_user],
}

/// Who the caller is
#[utoipa::path(get, path = "/v1/whoami", tag = "access",
    responses((status = 200, description = "the caller", body = wire::UserDescription)))]
async fn who_am_i(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
) -> Result<Document<wire::UserDescription>, Problem> {
    Ok(Document(door.call(&caller, WhoAmI).await?.into()))
}

/// List users by name
#[utoipa::path(get, path = "/v1/users", tag = "access", params(wire::PageQuery),
    responses((status = 200, description = "a page of users", body = wire::Page<wire::UserDescription>)))]
async fn list_users(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Query(query): Query<wire::PageQuery>,
) -> Result<Document<wire::Page<wire::UserDescription>>, Problem> {
    let (prefix, page) = query.split()?;
    Ok(Document(door.call(&caller, ListUsers { prefix, page }).await?.into()))
}

/// Create a user
#[utoipa::path(put, path = "/v1/users/{user}", tag = "access", params(wire::UserParam),
    request_body = wire::CreateUserRequest,
    responses((status = 201, description = "created", body = wire::UserDescription)))]
async fn create_user(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    UserPath(user): UserPath,
    Json(request): Json<wire::CreateUserRequest>,
) -> Result<(StatusCode, Document<wire::UserDescription>), Problem> {
    let made = door.call(&caller, request.named(user)?).await?;
    Ok((StatusCode::CREATED, Document(made.into())))
}

/// Describe a user; everybody may describe itself
#[utoipa::path(get, path = "/v1/users/{user}", tag = "access", params(wire::UserParam),
    responses((status = 200, description = "the user", body = wire::UserDescription)))]
async fn describe_user(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    UserPath(name): UserPath,
) -> Result<Document<wire::UserDescription>, Problem> {
    Ok(Document(door.call(&caller, DescribeUser { name }).await?.into()))
}

/// Change a user; everybody may change its own password
#[utoipa::path(patch, path = "/v1/users/{user}", tag = "access", params(wire::UserParam),
    request_body(content = wire::AlterUserRequest, content_type = "application/json"),
    responses((status = 200, description = "changed", body = wire::UserDescription)))]
async fn alter_user(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    UserPath(user): UserPath,
    Json(request): Json<wire::AlterUserRequest>,
) -> Result<Document<wire::UserDescription>, Problem> {
    Ok(Document(door.call(&caller, request.named(user)?).await?.into()))
}

/// Delete a user with its tokens and grants
#[utoipa::path(delete, path = "/v1/users/{user}", tag = "access", params(wire::UserParam),
    responses((status = 204, description = "deleted")))]
async fn delete_user(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    UserPath(name): UserPath,
) -> Result<StatusCode, Problem> {
    door.call(&caller, DeleteUser { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}
