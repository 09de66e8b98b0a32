//! What goes out: JSON, and failures as RabbitMQ tells them: `{"error": …, "reason": …}`.
//! Invariant: each code has one status; a new code breaks the build here.
//! Used by every room.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use model::{Code, Failure, Fault, Refusal, Retry};
use rabbit::Wrong;
use serde_json::{Value, json};

/// A handler's answer.
pub(crate) type Answer = Result<Response, Trouble>;

/// A document.
pub(crate) fn document(value: &Value) -> Response {
    answered(StatusCode::OK, value)
}

fn answered(status: StatusCode, value: &Value) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], value.to_string()).into_response()
}

/// Done, made or found, without a document.
pub(crate) fn made(created: bool) -> Response {
    (if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT }).into_response()
}

/// Done, without a document.
pub(crate) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// A check that failed.
pub(crate) fn failed(value: &Value) -> Response {
    answered(StatusCode::SERVICE_UNAVAILABLE, value)
}

/// A failure on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    status: StatusCode,
    reason: String,
    /// Asks for credentials.
    challenge: bool,
    retry_seconds: Option<u64>,
}

impl Trouble {
    pub(crate) fn new(code: Code, reason: impl Into<String>) -> Self {
        let challenge = code == Code::Unauthenticated;
        Self { status: status_of(code), reason: reason.into(), challenge, retry_seconds: None }
    }

    /// The request itself is wrong.
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::new(Code::ArgumentInvalid, reason)
    }

    /// There is no such thing.
    pub(crate) fn not_found() -> Self {
        Self::new(Code::PathNotFound, "Not Found")
    }

    /// Whether there is no such thing.
    pub(crate) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// The reason, for those who gather several.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    fn error(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "not_authorized",
            StatusCode::NOT_FOUND => "Object Not Found",
            StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed",
            StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
            StatusCode::INTERNAL_SERVER_ERROR => "internal_server_error",
            _ => "bad_request",
        }
    }
}

/// The status that a code is answered with. RabbitMQ's is 400 for everything that does not fit what is there, and 401
/// for a missing right as for missing credentials.
const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unauthenticated | Code::Forbidden | Code::NotClaimed | Code::ClaimInvalid => StatusCode::UNAUTHORIZED,
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
        Code::NameInvalid
        | Code::ArgumentInvalid
        | Code::ReceiptInvalid
        | Code::BatchSize
        | Code::BodyInvalid
        | Code::NamespaceNotEmpty
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
        | Code::ExchangeInternal
        | Code::ExchangeReserved
        | Code::ConsumerAlone
        | Code::UserExists
        | Code::LastAdministrator
        | Code::RedriveRunning
        | Code::DeliveryLimitReached
        | Code::IdempotencyMismatch
        | Code::MediaTypeUnsupported => StatusCode::BAD_REQUEST,
        Code::MessageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
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

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        let retry_seconds = match failure.retry() {
            Retry::Never => None,
            Retry::After(wait) => Some(wait.get().div_ceil(1000)),
        };
        let code = failure.code();
        let reason = match failure {
            Failure::Refused(refusal) => refusal.to_string(),
            Failure::Unavailable(unavailable) => unavailable.to_string(),
            Failure::Fault(Fault { what }) => {
                // The text names files and offsets: for the operator's log, not for a caller.
                tracing::error!(what, "a request met a fault");
                "a fault stopped the shard; the broker's log says what happened".to_owned()
            }
        };
        Self { retry_seconds, ..Self::new(code, format!("{reason} ({})", code.word())) }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}

impl From<Wrong> for Trouble {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Argument(reason) => Self::bad(reason),
            Wrong::Refused(refusal) => refusal.into(),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = answered(self.status, &json!({"error": self.error(), "reason": self.reason}));
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"RabbitMQ Management\""));
        }
        response
    }
}
