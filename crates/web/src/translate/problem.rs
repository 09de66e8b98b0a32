//! Failures to problems: the one table from codes to statuses, and the document that goes out.
//! Invariant: each code has one status; a new code breaks the build here.
//! Used by every handler; golden table in `tests/golden/problems.txt`.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use model::number::Span;
use model::{Code, Failure, Fault, Refusal, Retry, Unavailable};

use crate::wire;

/// The status that a code is answered with.
pub const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::NameInvalid | Code::ArgumentInvalid | Code::ReceiptInvalid | Code::BatchSize | Code::BodyInvalid => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::NotClaimed | Code::ClaimInvalid | Code::ExchangeInternal | Code::ExchangeReserved => {
            StatusCode::FORBIDDEN
        }
        Code::NamespaceNotFound
        | Code::QueueNotFound
        | Code::TopicNotFound
        | Code::PartitionNotFound
        | Code::SubscriptionNotFound
        | Code::ExchangeNotFound
        | Code::UserNotFound
        | Code::TokenNotFound
        | Code::GrantNotFound
        | Code::PathNotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::NamespaceNotEmpty
        | Code::QueueExists
        | Code::QueueNotEmpty
        | Code::QueueInUse
        | Code::TopicExists
        | Code::TopicNotEmpty
        | Code::PartitionsShrink
        | Code::SubscriptionExists
        | Code::SubscriptionKind
        | Code::NotAssigned
        | Code::ExchangeExists
        | Code::ExchangeInUse
        | Code::ConsumerAlone
        | Code::UserExists
        | Code::LastAdministrator
        | Code::RedriveRunning
        | Code::DeliveryLimitReached => StatusCode::CONFLICT,
        Code::MessageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::MediaTypeUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        Code::LoginThrottled | Code::QueueFull | Code::LimitReached => StatusCode::TOO_MANY_REQUESTS,
        Code::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Starting
        | Code::Draining
        | Code::Busy
        | Code::DiskNearlyFull
        | Code::MemoryFull
        | Code::NoLeader
        | Code::Unreachable
        | Code::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// An error on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    code: Code,
    status: StatusCode,
    detail: String,
    retry: Option<Span>,
}

impl Problem {
    /// A problem that the door itself finds.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, status: status_of(code), detail: detail.into(), retry: None }
    }

    /// The same problem with a status that fits the place better than the table's.
    pub(crate) fn answered_with(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The document.
    pub(crate) fn document(&self) -> wire::Problem {
        wire::Problem {
            kind: format!("/errors/{}", self.code.word()),
            title: self.code.title().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.word().to_owned(),
            hint: self.code.hint().to_owned(),
            retry_after_ms: self.retry.map(Span::get),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let retry = match failure.retry() {
            Retry::Never => None,
            Retry::After(wait) => Some(wait),
        };
        let detail = match &failure {
            Failure::Refused(refusal) => refusal.to_string(),
            Failure::Unavailable(unavailable) => unavailable.to_string(),
            Failure::Fault(Fault { what }) => {
                // The text names files and offsets: for the operator's log, not for a caller.
                tracing::error!(what, "a request met a fault");
                "a fault stopped the shard; the broker's log says what happened".to_owned()
            }
        };
        Self { retry, ..Self::new(failure.code(), detail) }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        Failure::from(unavailable).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = serde_json::to_vec(&self.document()).expect("a problem holds only strings and numbers");
        let mut response = (self.status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.get().div_ceil(1000)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"recado\", Bearer"));
        }
        response
    }
}
