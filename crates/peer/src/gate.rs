//! The gate before everything on the listener of the nodes: whoever has no certificate of the cluster may only join.
//! Invariant: the listener verified each certificate that is shown, so showing one is enough.
//! Called by `service`. Tests: `tests/between_nodes.rs`.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};

use crate::host::Refused;

/// The one path that needs no certificate.
const OPEN_PATH: &str = "/recado.peer.v1.Peer/Join";

/// A service behind the gate.
#[derive(Clone, Debug)]
pub(crate) struct Gated<S>(pub(crate) S);

/// Whether the peer showed a certificate.
fn is_known(extensions: &http::Extensions) -> bool {
    let connection = extensions.get::<TlsConnectInfo<TcpConnectInfo>>();
    connection.and_then(TlsConnectInfo::peer_certs).is_some_and(|shown| !shown.is_empty())
}

impl<S, B> Service<http::Request<B>> for Gated<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path() == OPEN_PATH || is_known(request.extensions()) {
            return Either::Left(self.0.call(request));
        }
        let refused = Refused::Unknown("only nodes of the cluster are answered here".to_owned());
        Either::Right(ready(Ok(refused.status().into_http())))
    }
}
