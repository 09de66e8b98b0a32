//! What wraps every request: where it comes from, which site asks, security headers, metrics, a deadline.
//! Invariant: no header of a client decides where it comes from; one that names a proxy only takes trust away.
//! Used by `door`; tests in `tests/doors.rs`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use model::caller::Protocol;
use model::{Code, Origin, Unavailable};

use crate::door::Door;
use crate::limits::{REQUEST, WAIT};
use crate::translate::problem::Problem;

const ELSEWHERE: Origin = Origin { protocol: Protocol::Http, address: Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) };

/// Settles where a request comes from. `serve` knows the peer; without it nothing is taken for local, and neither
/// is what a proxy on this machine passes on.
pub(crate) async fn origin(mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Origin>().copied().unwrap_or(ELSEWHERE);
    let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let passed_on = proxied.iter().any(|name| request.headers().contains_key(*name));
    let origin = if passed_on && peer.is_local() { ELSEWHERE } else { peer };
    request.extensions_mut().insert(origin);
    next.run(request).await
}

/// Refuses a change that a page of another site asks for: a browser would send along the password it remembers.
pub(crate) async fn own_site(route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let changes = !request.method().is_safe() || route.as_ref().is_some_and(|route| takes(route.as_str()));
    if changes && foreign(&request) {
        return Problem::new(Code::Forbidden, "a page of another site may not change anything here").into_response();
    }
    next.run(request).await
}

fn foreign(request: &Request) -> bool {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    // HTTP/2 names the host in the request line, HTTP/1.1 in a header.
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site != "same-origin" && site != "none",
        // Browsers without that header name the page's origin; programs name none.
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) != authority.or(text("host")),
        (None, None) => false,
    }
}

/// Adds the security headers where a page has not set its own.
pub(crate) async fn secure(State(door): State<Door>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    unless_set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    unless_set(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    unless_set(headers, X_FRAME_OPTIONS, "DENY");
    unless_set(headers, REFERRER_POLICY, "no-referrer");
    unless_set(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    unless_set(headers, CACHE_CONTROL, "no-store");
    if door.settings().insecure_plaintext_visible {
        unless_set(headers, HeaderName::from_static("recado-insecure"), "plaintext");
    }
    response
}

fn unless_set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// Counts and times the request.
pub(crate) async fn measure(
    State(door): State<Door>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let method = word(request.method());
    let started = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    door.http().record(route, method, response.status().as_u16(), started.elapsed());
    response
}

fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Ends what takes too long. What was only read did not happen; what was written may have.
pub(crate) async fn deadline(route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let limit = match &route {
        Some(route) if waits(route.as_str()) => REQUEST + WAIT,
        Some(_) | None => REQUEST,
    };
    let reads = request.method().is_safe() && !route.as_ref().is_some_and(|route| takes(route.as_str()));
    let late = if reads { Unavailable::Busy } else { Unavailable::Unknown };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::from(late).into_response(),
    }
}

/// The one GET that changes something.
fn takes(route: &str) -> bool {
    route == "/read_from_queue/{name}"
}

fn waits(route: &str) -> bool {
    route.ends_with("/receive") || route.ends_with("/partitions/{partition}/messages")
}
