//! Who asks: HTTP Basic with a user of the broker, or a token of it in the place of the password or as a bearer.
//! Invariant: where a request comes from is what the server saw; a header of the client only takes trust away.
//! Used by every room.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use model::caller::Protocol;
use model::{Caller, Code, Credentials, Failure, Origin, Refusal, Secret};

use crate::answer::Trouble;
use crate::door::Door;

/// What API tokens begin with.
const TOKEN_START: &str = "recado_";

const ELSEWHERE: Origin = Origin { protocol: Protocol::Http, address: Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) };

/// A caller that the backend has proved.
pub(crate) struct Authenticated(pub(crate) Caller);

/// Where a request comes from; what a proxy on this machine passes on is not taken for local.
fn origin(parts: &Parts) -> Origin {
    let peer = parts.extensions.get::<Origin>().copied().unwrap_or(ELSEWHERE);
    let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let passed_on = proxied.iter().any(|name| parts.headers.contains_key(*name));
    if passed_on && peer.is_local() { ELSEWHERE } else { peer }
}

impl FromRequestParts<Door> for Authenticated {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Trouble> {
        let origin = origin(parts);
        match shown(&parts.headers) {
            Some(Credentials::Password { user, password }) => prove(door, user, password, origin).await.map(Self),
            Some(credentials) => Ok(Self(door.backend().authenticate(credentials, origin).await?)),
            None => Err(Trouble::new(Code::Unauthenticated, "Login failed")),
        }
    }
}

/// Proves a user by its password; an API token may stand in its place, as it may over AMQP.
async fn prove(door: &Door, user: String, password: Secret, origin: Origin) -> Result<Caller, Trouble> {
    if password.reveal().starts_with(TOKEN_START) {
        match door.backend().authenticate(Credentials::Token(password.clone()), origin).await {
            Ok(caller) if caller.name.as_str() == user => return Ok(caller),
            Ok(_) => return Err(Refusal::Unauthenticated.into()),
            // A password may begin like that too.
            Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(door.backend().authenticate(Credentials::Password { user, password }, origin).await?)
}

fn shown(headers: &HeaderMap) -> Option<Credentials> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let header = all.next()?.to_str().ok()?;
    // Two of them could mean one to a proxy and the other here.
    if all.next().is_some() {
        return None;
    }
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        return Some(Credentials::Token(Secret::new(rest)));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some(Credentials::Password { user: user.to_owned(), password: Secret::new(password) })
}
