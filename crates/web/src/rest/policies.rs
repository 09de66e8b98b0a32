//! Policies: set, list, delete.
//! Invariant: setting again changes nothing but what differs.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::policy::{DeletePolicy, ListPolicies, SetPolicy};

use crate::door::Door;
use crate::extract::{Authenticated, InNamespace, Json, PolicyPath};
use crate::rest::paths::operations;
use crate::translate::policy;
use crate::translate::problem::Problem;
use crate::wire;

operations! {
    [list_policies],
    [set_policy, delete_policy],
}

/// List policies by name
#[utoipa::path(get, path = "/policies", tag = "policies",
    responses((status = 200, description = "all of them", body = wire::Policies)))]
async fn list_policies(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    InNamespace(namespace): InNamespace,
) -> Result<Document<wire::Policies>, Problem> {
    Ok(Document(door.call(&caller, ListPolicies { namespace }).await?.into()))
}

/// Set a policy
///
/// Queues whose names fit have its settings beside their own, those that are there too. Needs the right to administer.
#[utoipa::path(put, path = "/policies/{policy}", tag = "policies", params(wire::PolicyParam),
    request_body(content = wire::PolicyRequest, content_type = "application/json"),
    responses((status = 200, description = "the policy that holds now", body = wire::Policy)))]
async fn set_policy(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    PolicyPath((namespace, name)): PolicyPath,
    Json(request): Json<wire::PolicyRequest>,
) -> Result<Document<wire::Policy>, Problem> {
    let policy = policy(namespace, name, request)?;
    door.call(&caller, SetPolicy { policy: policy.clone() }).await?;
    Ok(Document(policy.into()))
}

/// Delete a policy; done when it is not there
#[utoipa::path(delete, path = "/policies/{policy}", tag = "policies", params(wire::PolicyParam),
    responses((status = 204, description = "it is not there")))]
async fn delete_policy(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    PolicyPath((namespace, name)): PolicyPath,
) -> Result<StatusCode, Problem> {
    door.call(&caller, DeletePolicy { namespace, name }).await?;
    Ok(StatusCode::NO_CONTENT)
}
