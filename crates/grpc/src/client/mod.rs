//! A `Backend` whose broker is elsewhere: the door of gateways, of the command line and of the benchmark.
//! Invariants: a write whose outcome nobody knows is never sent again, and is told as `Unavailable::Unknown`;
//! failures arrive as the broker made them.
//! Called by the binary. Tests: `tests/` of this crate.

mod answer;
mod connections;
mod deliveries;
mod identity;
mod operations;
mod outbox;
mod publisher;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use model::backend::{Consume, Deliveries, Reply};
use model::caller::{Caller, Credentials, Origin};
use model::failure::{Failure, Fault};
use model::operation::{Access, Call, OperationKind, Request, Response};
use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use crate::limits::ANSWER_TIMEOUT;
use crate::proto as pb;
use crate::status::PASSED_ON_METADATA;
use crate::translate::{Wire, missing};

use connections::Connections;
pub use connections::EndpointInvalid;
pub use deliveries::{RemoteDeliveries, Settler, Settling};
pub use publisher::{Confirm, Publisher, QueuePublisher, TopicPublisher};
pub use streams::PublisherSettings;

/// Where the brokers are and how to trust them.
#[derive(Clone, Debug, Default)]
pub struct RemoteSettings {
    /// `http://host:port`, `https://host:port` or `unix:///path`; one is used until it fails.
    pub endpoints: Vec<String>,
    /// The authority that signed the certificates of `https` endpoints, as PEM; without it none of them is trusted.
    pub authority_pem: Option<Vec<u8>>,
    /// The name that the certificates are for, where it is not the host of the endpoint.
    pub server_name: Option<String>,
    /// What `https` endpoints are shown that ask who calls: a certificate chain and its key, as PEM.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
}

/// A broker reached over gRPC. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct RemoteBackend {
    connections: Arc<Connections>,
}

/// Whether a call may have changed something when its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    Change,
}

impl Effect {
    const fn of(kind: OperationKind) -> Self {
        match kind.access() {
            Access::Read => Self::None,
            Access::Publish | Access::Write => Self::Change,
        }
    }
}

impl RemoteBackend {
    /// Prepares connections; none is made before the first call. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// `EndpointInvalid` when there is no endpoint, or one is not an address, or the authority is not PEM.
    pub fn new(settings: &RemoteSettings) -> Result<Self, EndpointInvalid> {
        Ok(Self { connections: Arc::new(Connections::new(settings)?) })
    }

    /// One operation by its path in the contract.
    pub(crate) fn operation<C>(
        &self,
        kind: OperationKind,
        path: &'static str,
        credentials: &Credentials,
        wait: Duration,
        call: C,
    ) -> Reply<C::Reply>
    where
        C: Call + Wire + Clone + Send + Sync + 'static,
        C::Form: Message + Default + Send + 'static,
        C::Reply: Wire + 'static,
        <C::Reply as Wire>::Form: Message + Default + Send + 'static,
    {
        let this = self.clone();
        let metadata = identity::metadata(credentials);
        let timeout = ANSWER_TIMEOUT.saturating_add(wait);
        Box::pin(async move {
            let form: <C::Reply as Wire>::Form = this
                .unary(Effect::of(kind), path, || {
                    let mut request = tonic::Request::from_parts(
                        metadata.clone(),
                        tonic::Extensions::default(),
                        call.clone().to_wire(),
                    );
                    request.set_timeout(timeout);
                    request
                })
                .await?;
            C::Reply::from_wire(form).map_err(answer::unreadable)
        })
    }

    /// One unary call, on another endpoint when this one certainly did nothing.
    async fn unary<Q, A>(
        &self,
        effect: Effect,
        path: &'static str,
        request: impl Fn() -> tonic::Request<Q> + Send + Sync,
    ) -> Result<A, Failure>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + 'static,
    {
        let request = &request;
        self.connections
            .attempt(effect, move |lane| async move {
                let mut client = lane.client();
                answer::ready(&mut client).await?;
                let codec = ProstCodec::<Q, A>::default();
                let answer = client.unary(request(), PathAndQuery::from_static(path), codec).await?;
                if answer.metadata().contains_key(PASSED_ON_METADATA) {
                    lane.note_passed_on();
                }
                Ok(answer.into_inner())
            })
            .await
    }

    async fn identify(&self, credentials: Credentials, origin: Origin) -> Result<Caller, Failure> {
        let form = pb::AuthenticateRequest {
            credentials: Some(credentials.clone().to_wire()),
            origin: Some(origin.to_wire()),
        };
        // A claim creates an administrator; every other authentication changes nothing.
        let effect = match credentials {
            Credentials::Claim { .. } => Effect::Change,
            Credentials::Password { .. } | Credentials::Token(_) | Credentials::Certificate { .. } => Effect::None,
        };
        let identity: pb::CallerIdentity = self
            .unary(effect, "/recado.v1.Access/Authenticate", || {
                let mut request = tonic::Request::new(form.clone());
                request.set_timeout(ANSWER_TIMEOUT);
                request
            })
            .await?;
        caller(identity, credentials, origin).map_err(answer::unreadable)
    }
}

fn caller(identity: pb::CallerIdentity, credentials: Credentials, origin: Origin) -> Result<Caller, model::Refusal> {
    Ok(Caller {
        user: Wire::from_wire(identity.user_id)?,
        name: Wire::from_wire(identity.name)?,
        scope: Wire::from_wire(identity.scope.ok_or_else(|| missing("scope"))?)?,
        token: Wire::from_wire(identity.token_id)?,
        origin,
        credentials,
    })
}

impl model::Backend for RemoteBackend {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        let this = self.clone();
        Box::pin(async move { this.identify(credentials, origin).await })
    }

    fn submit(&self, caller: &Caller, request: Request) -> Reply<Response> {
        operations::submit(self, &caller.credentials, request)
    }

    fn consume(&self, caller: &Caller, request: Consume) -> Reply<Box<dyn Deliveries>> {
        let opened = self.deliver(caller, request);
        Box::pin(async move {
            let deliveries: Box<dyn Deliveries> = Box::new(opened.await?);
            Ok(deliveries)
        })
    }
}

/// A peer that does not keep to the contract.
pub(crate) fn broken_contract(what: &str) -> Failure {
    Fault { what: format!("the broker does not keep to the contract: {what}") }.into()
}
