//! Grants: add, remove, list.
//! Invariant: a grant is named by its user, resource and effect; adding it again replaces its rights.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::access::{AddGrant, ListGrants};
use model::name::UserName;

use crate::door::Door;
use crate::extract::{Authenticated, Json, Query};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::translate::removal;
use crate::wire;

operations! {
    [list_grants, add_grant, remove_grant],
}

/// List grants, all or those of one user
#[utoipa::path(get, path = "/v1/grants", tag = "access", params(wire::OfUserQuery),
    responses((status = 200, description = "the grants", body = wire::Grants)))]
async fn list_grants(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Query(query): Query<wire::OfUserQuery>,
) -> Result<Document<wire::Grants>, Problem> {
    let user = query.user.as_deref().map(UserName::parse).transpose()?;
    Ok(Document(door.call(&caller, ListGrants { user }).await?.into()))
}

/// Add a grant, or replace the one of the same user, resource and effect
#[utoipa::path(post, path = "/v1/grants", tag = "access", request_body = wire::Grant,
    responses((status = 200, description = "the grant that holds now", body = wire::Grant)))]
async fn add_grant(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Json(grant): Json<wire::Grant>,
) -> Result<Document<wire::Grant>, Problem> {
    let request = AddGrant::try_from(grant)?;
    let holds = request.grant.clone();
    door.call(&caller, request).await?;
    Ok(Document(holds.into()))
}

/// Remove the grant of a user, resource and effect
#[utoipa::path(delete, path = "/v1/grants", tag = "access", params(wire::GrantQuery),
    responses((status = 204, description = "removed")))]
async fn remove_grant(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Query(query): Query<wire::GrantQuery>,
) -> Result<StatusCode, Problem> {
    door.call(&caller, removal(query)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
