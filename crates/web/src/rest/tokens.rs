//! API tokens and sessions: make, list, revoke.
//! Invariant: the secret of a token is in the answer that makes it and in no other.
//! Routed by `rest`; see `tests/document.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::access::{CreateToken, ListTokens, RevokeToken};
use model::name::UserName;

use crate::door::Door;
use crate::extract::{Authenticated, Json, Query, TokenPath};
use crate::rest::paths::operations;
use crate::translate::problem::Problem;
use crate::wire;

operations! {
    [list_tokens, create_token],
    [revoke_token],
}

/// List tokens and sessions: the caller's, or of any user for an administrator
#[utoipa::path(get, path = "/v1/tokens", tag = "access", params(wire::OfUserQuery),
    responses((status = 200, description = "the tokens, without their secrets", body = wire::Tokens)))]
async fn list_tokens(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Query(query): Query<wire::OfUserQuery>,
) -> Result<Document<wire::Tokens>, Problem> {
    let user = query.user.as_deref().map(UserName::parse).transpose()?;
    Ok(Document(door.call(&caller, ListTokens { user }).await?.into()))
}

/// Make an API token for the caller
#[utoipa::path(post, path = "/v1/tokens", tag = "access", request_body = wire::CreateTokenRequest,
    responses((status = 201, description = "the token; its secret is shown this once", body = wire::NewToken)))]
async fn create_token(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Json(request): Json<wire::CreateTokenRequest>,
) -> Result<(StatusCode, Document<wire::NewToken>), Problem> {
    let made = door.call(&caller, CreateToken::try_from(request)?).await?;
    Ok((StatusCode::CREATED, Document(made.into())))
}

/// Revoke a token or session
#[utoipa::path(delete, path = "/v1/tokens/{token}", tag = "access", params(wire::TokenParam),
    responses((status = 204, description = "revoked")))]
async fn revoke_token(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TokenPath(id): TokenPath,
) -> Result<StatusCode, Problem> {
    door.call(&caller, RevokeToken { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
