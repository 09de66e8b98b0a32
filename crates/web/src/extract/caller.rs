//! Who calls: the `Authorization` header, proved by the backend.
//! Invariant: a missing, unreadable or wrong header all look the same; no secret is printed or kept.
//! Used by every handler that needs a caller; tests in `tests/doors.rs`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use model::{Caller, Credentials, Origin, Refusal, Secret};

use crate::door::Door;
use crate::translate::problem::Problem;

/// Where a request comes from, as `layers::origin` settled it.
pub(crate) struct PeerOrigin(pub(crate) Origin);

impl<S: Sync> FromRequestParts<S> for PeerOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let origin = parts.extensions.get::<Origin>().copied();
        Ok(Self(origin.expect("`layers::origin` wraps every route and inserts the origin")))
    }
}

/// A caller that the backend has proved.
pub(crate) struct Authenticated(pub(crate) Caller);

impl FromRequestParts<Door> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
        let Ok(PeerOrigin(origin)) = PeerOrigin::from_request_parts(parts, door).await;
        let credentials = credentials(&parts.headers).ok_or(Refusal::Unauthenticated)?;
        let caller = door.backend().authenticate(credentials, origin).await?;
        Ok(Self(caller))
    }
}

fn credentials(headers: &HeaderMap) -> Option<Credentials> {
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        }
        match credentials(&headers) {
            None => "none".to_owned(),
            Some(Credentials::Token(token)) => format!("token {}", token.reveal()),
            Some(Credentials::Password { user, password }) => format!("user {user} password {}", password.reveal()),
            Some(Credentials::Claim { .. }) => "claim".to_owned(),
            Some(Credentials::Certificate { .. }) => "certificate".to_owned(),
        }
    }

    #[test]
    fn the_header_is_read_strictly() {
        for (header, expected) in [
            (vec!["Bearer abc"], "token abc"),
            (vec!["bearer  abc"], "token abc"),
            (vec!["Basic YW5uOmE6Yg=="], "user ann password a:b"),
            (vec![], "none"),
            (vec!["Bearer "], "none"),
            (vec!["Bearer"], "none"),
            (vec!["Basic !"], "none"),
            (vec!["Basic YW5u"], "none"),
            (vec!["Basic /w=="], "none"),
            (vec!["Digest abc"], "none"),
            (vec!["Bearer é"], "none"),
            (vec!["Bearer a", "Bearer b"], "none"),
        ] {
            assert_eq!(read(&header), expected, "{header:?}");
        }
    }
}
