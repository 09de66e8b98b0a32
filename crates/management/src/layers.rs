//! What wraps every request: the form of its path, which site asks, security headers, a deadline.
//! Invariant: a page of another site changes nothing here, though a browser would send along the password it remembers.
//! Used by `door`.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue};
use model::{Code, Unavailable};

use crate::answer::Trouble;
use crate::limits::{IMPORT, REQUEST};

/// Takes the slash off the end of a path: RabbitMQ means the same by both, and clients ask for either.
pub(crate) async fn without_last_slash(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if let Some(trimmed) = path.strip_suffix('/').filter(|path| !path.is_empty()) {
        let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
        if let Ok(shorter) = format!("{trimmed}{query}").parse() {
            *request.uri_mut() = shorter;
        }
    }
    next.run(request).await
}

/// Refuses a change that a page of another site asks for.
pub(crate) async fn own_site(request: Request, next: Next) -> Response {
    if !request.method().is_safe() && foreign(&request) {
        return Trouble::new(Code::Forbidden, "a page of another site may not ask for this").into_response();
    }
    next.run(request).await
}

fn foreign(request: &Request) -> bool {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site != "same-origin" && site != "none",
        // Browsers without that header name the page's origin; programs name none.
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) != authority.or(text("host")),
        (None, None) => false,
    }
}

/// Adds the security headers.
pub(crate) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    put(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    put(headers, X_FRAME_OPTIONS, "DENY");
    put(headers, REFERRER_POLICY, "no-referrer");
    put(headers, CACHE_CONTROL, "no-store");
    response
}

fn put(headers: &mut HeaderMap, name: http::HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// Ends what takes too long. What was only read did not happen; what was written may have.
pub(crate) async fn deadline(request: Request, next: Next) -> Response {
    let imports = request.uri().path().starts_with("/api/definitions");
    let late = if request.method().is_safe() { Unavailable::Busy } else { Unavailable::Unknown };
    match tokio::time::timeout(if imports { IMPORT } else { REQUEST }, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Trouble::from(model::Failure::from(late)).into_response(),
    }
}
