//! Sessions: log in, log out, and the one-time claim that makes the first administrator.
//! Invariant: a claim is refused unless the peer is on this machine; a proxy in between makes it remote.
//! Routed by `rest`; see `tests/doors.rs`.

use axum::Json as Document;
use axum::extract::State;
use http::StatusCode;
use model::access::{Login, Logout};
use model::{Credentials, Origin, Refusal};

use crate::door::Door;
use crate::extract::{Authenticated, Json, PeerOrigin};
use crate::rest::paths::operations;
use crate::translate::password_credentials;
use crate::translate::problem::Problem;
use crate::wire;

operations! {
    [log_in, log_out],
    [claim],
}

async fn open(
    door: &Door,
    credentials: Credentials,
    origin: Origin,
) -> Result<(StatusCode, Document<wire::NewToken>), Problem> {
    let caller = door.backend().authenticate(credentials, origin).await?;
    let token = door.call(&caller, Login).await?;
    Ok((StatusCode::CREATED, Document(token.into())))
}

/// Log in
///
/// The token goes into `Authorization: Bearer TOKEN`; it works for twelve hours or until the logout.
#[utoipa::path(post, path = "/v1/session", tag = "access", security(()), request_body = wire::LoginRequest,
    responses((status = 201, description = "a session", body = wire::NewToken)))]
async fn log_in(
    State(door): State<Door>,
    PeerOrigin(origin): PeerOrigin,
    Json(request): Json<wire::LoginRequest>,
) -> Result<(StatusCode, Document<wire::NewToken>), Problem> {
    open(&door, password_credentials(request), origin).await
}

/// Log out: the session of this token ends
#[utoipa::path(delete, path = "/v1/session", tag = "access",
    responses((status = 204, description = "logged out")))]
async fn log_out(State(door): State<Door>, Authenticated(caller): Authenticated) -> Result<StatusCode, Problem> {
    door.call(&caller, Logout).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Claim a broker without administrator
///
/// Only from the broker's own machine, with the one-time token that the first start printed.
#[utoipa::path(post, path = "/v1/claim", tag = "access", security(()), request_body = wire::ClaimRequest,
    responses((status = 201, description = "the administrator exists and is logged in", body = wire::NewToken)))]
async fn claim(
    State(door): State<Door>,
    PeerOrigin(origin): PeerOrigin,
    Json(request): Json<wire::ClaimRequest>,
) -> Result<(StatusCode, Document<wire::NewToken>), Problem> {
    if !origin.is_local() {
        return Err(Refusal::ClaimInvalid.into());
    }
    open(&door, request.into(), origin).await
}
