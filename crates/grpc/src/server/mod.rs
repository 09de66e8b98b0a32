//! The server: each call becomes one `Backend` call, with the caller it authenticated.
//! Invariant: nothing reaches the backend without an authenticated caller, but `Authenticate` itself.
//! Called by the binary, either on a listener of its own (`serve`) or as routes beside REST.
//! Tests: `tests/` of this crate, over a loopback socket.

mod access;
mod deadline;
mod deliver;
mod exchanges;
mod gate;
mod identity;
mod lifecycle;
mod node;
mod policies;
mod publish_stream;
mod queues;
mod serve;
mod subscriptions;
mod topics;

use std::sync::Arc;

use model::failure::{Failure, Fault};
use model::{Backend, Call, Caller, Refusal};
use tonic::{Extensions, Request, Response, Status};

use crate::status::status;
use crate::translate::Wire;

pub use identity::{PeerAddress, ReportedOrigins};
pub use lifecycle::Lifecycle;
pub use serve::{ServeError, Tls, routes, serve, serve_unix};

/// How the server treats its clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Whose word on the origin of a caller counts.
    pub reported_origins: ReportedOrigins,
}

/// All services: the backend and how to reach it.
#[derive(Clone)]
pub(crate) struct Door {
    backend: Arc<dyn Backend>,
    settings: Settings,
    lifecycle: Lifecycle,
}

/// The answer of a unary call.
pub(crate) type Answer<C> = Result<Response<<<C as Call>::Reply as Wire>::Form>, Status>;

impl Door {
    /// One operation: translate, submit, translate back. Ends early when the caller's deadline passes.
    async fn unary<C>(&self, request: Request<C::Form>) -> Answer<C>
    where
        C: Call + Wire,
        C::Reply: Wire,
    {
        let deadline = deadline::of(request.metadata());
        deadline::within(deadline, self.operation::<C>(request)).await.map(Response::new)
    }

    async fn operation<C>(&self, request: Request<C::Form>) -> Result<<C::Reply as Wire>::Form, Failure>
    where
        C: Call + Wire,
        C::Reply: Wire,
    {
        let (_, mut extensions, form) = request.into_parts();
        let caller = admitted(&mut extensions)?;
        let operation = C::from_wire(form)?;
        let response = self.backend.submit(&caller, operation.into()).await?;
        let reply = C::reply(response).ok_or_else(wrong_response)?;
        Ok(reply.to_wire())
    }
}

/// The caller whom the gate let in.
fn admitted(extensions: &mut Extensions) -> Result<Caller, Refusal> {
    extensions.remove::<Caller>().ok_or(Refusal::Unauthenticated)
}

/// A backend answered with the response of another request.
pub(crate) fn wrong_response() -> Failure {
    Fault { what: "the backend answered with the response of another request".to_owned() }.into()
}

/// A stream that its client ended before the first request.
fn never_opened() -> Status {
    status(&crate::translate::missing("open").into())
}

/// Implements a service: every unary call by its operation, and whatever else the service has.
macro_rules! service {
    ($service:path { $( $method:ident = $operation:ident; )* } $( $rest:tt )*) => {
        #[tonic::async_trait]
        impl $service for $crate::server::Door {
            $(
                async fn $method(
                    &self,
                    request: tonic::Request<<$operation as $crate::translate::Wire>::Form>,
                ) -> $crate::server::Answer<$operation> {
                    self.unary::<$operation>(request).await
                }
            )*

            $( $rest )*
        }
    };
}

pub(crate) use service;
