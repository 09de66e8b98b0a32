//! What an answer, or its absence, means.
//! Invariant: only what certainly was not done is told as unreachable; a lost answer to a change is unknown.

use std::error::Error;

use model::Refusal;
use model::failure::{Failure, Fault, Unavailable};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, ConnectError, Status};

use super::Effect;
use crate::status::{failure, problem_of};

/// The failure behind a status: the broker's own, or what the transport's words mean.
pub(crate) fn failure_of(status: &Status, effect: Effect) -> Failure {
    match problem_of(status) {
        Some(problem) => failure(problem),
        None if never_sent(status) => Unavailable::Unreachable.into(),
        None => transport_failure(status, effect),
    }
}

/// Whether no connection could be made, so that the request was not sent.
pub(crate) fn never_sent(status: &Status) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn transport_failure(status: &Status, effect: Effect) -> Failure {
    match status.code() {
        Code::Unimplemented => {
            Fault { what: format!("the broker does not know this call: {}", status.message()) }.into()
        }
        Code::Unauthenticated => Refusal::Unauthenticated.into(),
        Code::ResourceExhausted => Unavailable::Busy.into(),
        Code::OutOfRange => Refusal::invalid("message", status.message()).into(),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => match effect {
            Effect::None => Unavailable::Unreachable.into(),
            Effect::Change => Unavailable::Unknown.into(),
        },
    }
}

/// An answer that this version cannot read.
pub(crate) fn unreadable(refusal: Refusal) -> Failure {
    super::broken_contract(&refusal.to_string())
}

/// Waits until a request may be put on the connection.
pub(crate) async fn ready(client: &mut Grpc<Channel>) -> Result<(), Status> {
    client.ready().await.map_err(|error| Status::from_error(Box::new(error)))
}
