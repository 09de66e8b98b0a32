//! Who looks at a page: the session cookie, proved by the backend, and the token that ties forms to the session.
//! Invariant: the cookie is never readable by a script and never sent by another site's page; forms carry a token
//! that only somebody who knows the session can make.
//! Used by every page; tests below and in `tests/console.rs`.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::{COOKIE, HOST};
use http::request::Parts;
use model::limits::SESSION_MS;
use model::name::NamespaceName;
use model::{Call, Caller, Code, Credentials, Refusal, Secret};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::fields::Fields;
use super::page::{Frame, Turned};
use crate::door::Door;
use crate::extract::PeerOrigin;
use crate::translate::problem::Problem;

const COOKIE_NAME: &str = "recado_session";
const FORM_DOMAIN: &[u8] = b"recado console form\0";

/// Somebody with a session, and what the request asks to see.
pub(super) struct Visitor {
    /// The door.
    pub(super) door: Door,
    /// Who.
    pub(super) caller: Caller,
    /// The namespace of the query, or `default`.
    pub(super) namespace: NamespaceName,
    /// The query.
    pub(super) query: Fields,
    /// What every page around this request shows.
    pub(super) frame: Frame,
}

impl FromRequestParts<Door> for Visitor {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Turned> {
        let Ok(PeerOrigin(origin)) = PeerOrigin::from_request_parts(parts, door).await;
        let htmx = parts.headers.contains_key("hx-request");
        let secret = cookie(&parts.headers).ok_or(Turned::LogIn { htmx })?;
        let form = form_token(&secret);
        let query = Fields::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let mut frame = Frame {
            user: String::new(),
            namespace: NamespaceName::default(),
            form,
            site: site(door, parts),
            insecure: door.settings().insecure_plaintext_visible,
            htmx,
        };
        let caller = match door.backend().authenticate(Credentials::Token(secret), origin).await {
            Ok(caller) => caller,
            Err(failure) => return Err(frame.refuse(failure.into())),
        };
        caller.name.as_str().clone_into(&mut frame.user);
        let namespace = match query.some("ns").map(NamespaceName::parse) {
            None => NamespaceName::default(),
            Some(Ok(namespace)) => namespace,
            Some(Err(refusal)) => return Err(frame.refuse(refusal.into())),
        };
        frame.namespace = namespace.clone();
        Ok(Self { door: door.clone(), caller, namespace, query, frame })
    }
}

impl Visitor {
    /// Does one operation; a failure becomes a page.
    pub(super) async fn call<C: Call>(&self, request: C) -> Result<C::Reply, Turned> {
        self.door.call(&self.caller, request).await.map_err(|problem| self.refuse(problem))
    }

    /// Does one operation whose answer the page can do without when the right is missing.
    pub(super) async fn call_if_allowed<C: Call>(&self, request: C) -> Result<Option<C::Reply>, Turned> {
        match self.door.call(&self.caller, request).await {
            Ok(reply) => Ok(Some(reply)),
            Err(problem) if problem.document().code == Code::Forbidden.word() => Ok(None),
            Err(problem) => Err(self.refuse(problem)),
        }
    }

    /// The page of a problem.
    pub(super) fn refuse(&self, problem: impl Into<Problem>) -> Turned {
        self.frame.refuse(problem.into())
    }

    /// Checks what was given by hand.
    pub(super) fn accept<T>(&self, read: Result<T, Refusal>) -> Result<T, Turned> {
        read.map_err(|refusal| self.refuse(refusal))
    }

    /// Whether a form's token is the one of this session; takes the same time for every wrong one.
    pub(super) fn holds(&self, given: &str) -> bool {
        self.frame.form.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// The token of the forms of a session: a hash keyed with the session's secret, which it does not reveal.
pub(super) fn form_token(secret: &Secret) -> String {
    let key = Sha256::digest(secret.reveal().as_bytes());
    let hash = Sha256::new().chain_update(FORM_DOMAIN).chain_update(key).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The secret of the session cookie; two cookies of the name are none, since one may come from a neighbour.
fn cookie(headers: &HeaderMap) -> Option<Secret> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE_NAME).then_some(value)
    });
    let secret = found.next().filter(|value| !value.is_empty())?;
    found.next().is_none().then(|| Secret::new(secret))
}

/// The cookie that opens a session in the browser.
pub(super) fn opening(secret: &Secret, tls: bool) -> String {
    format!("{COOKIE_NAME}={}; Max-Age={}{}", secret.reveal(), SESSION_MS / 1000, attributes(tls))
}

/// The cookie that ends it.
pub(super) fn closing(tls: bool) -> String {
    format!("{COOKIE_NAME}=; Max-Age=0{}", attributes(tls))
}

const fn attributes(tls: bool) -> &'static str {
    if tls { "; Path=/; HttpOnly; SameSite=Strict; Secure" } else { "; Path=/; HttpOnly; SameSite=Strict" }
}

/// How this site is called in a `curl` line. The host is the client's word, so only a plain one is repeated.
fn site(door: &Door, parts: &Parts) -> String {
    let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(named).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
    let host = if !host.is_empty() && host.bytes().all(plain) { host } else { "localhost:8080" };
    format!("{}://{host}", if door.settings().tls { "https" } else { "http" })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        cookie(&headers).map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn one_cookie_is_a_session() {
        assert_eq!(read(&["a=b; recado_session=x=y ; c=d"]).as_deref(), Some("x=y"));
        for none in [&["recado_session="][..], &["xrecado_session=a"], &["recado_session=a; recado_session=b"], &[]] {
            assert_eq!(read(none), None, "{none:?}");
        }
        assert_eq!(read(&["recado_session=a", "recado_session=b"]), None);
    }

    #[test]
    fn a_form_token_follows_from_the_session_and_hides_it() {
        let token = form_token(&Secret::new("secret"));
        assert_eq!((token.len(), token.clone()), (64, form_token(&Secret::new("secret"))));
        assert_ne!(token, form_token(&Secret::new("secret2")));
        assert!(!token.contains("secret"));
    }

    #[test]
    fn cookies_are_kept_from_scripts_and_other_sites() {
        let secret = Secret::new("s");
        assert_eq!(opening(&secret, false), "recado_session=s; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict");
        assert!(opening(&secret, true).ends_with("; HttpOnly; SameSite=Strict; Secure"));
        assert_eq!(closing(true), "recado_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict; Secure");
    }
}
