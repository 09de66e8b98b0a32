//! The gate before every service: who calls is proven before a byte of the message is read.
//! Invariant: a handler finds a `Caller` in the extensions only because this gate put it there; without one it
//! answers nothing. `Authenticate` alone passes, and its message is kept small.
//! Called by `routes`. Tests: `tests/calls.rs`.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::{Backend, Caller, Failure};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;

use super::identity;
use crate::status::{PASSED_ON_METADATA, status};

/// The one path that needs no caller.
const OPEN_PATH: &str = "/recado.v1.Access/Authenticate";

/// A service behind the gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    service: S,
    backend: Arc<dyn Backend>,
}

impl<S> Gated<S> {
    pub(crate) fn new(service: S, backend: Arc<dyn Backend>) -> Self {
        Self { service, backend }
    }
}

impl<S: NamedService> NamedService for Gated<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Gated<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // What was polled ready is what must be called; the clone waits for its own turn.
        let next = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, next);
        let backend = Arc::clone(&self.backend);
        Box::pin(async move {
            if request.uri().path() == OPEN_PATH {
                return service.call(request).await;
            }
            let mut response = match caller(backend.as_ref(), &mut request).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    service.call(request).await?
                }
                Err(failure) => status(&failure).into_http(),
            };
            if backend.passes_on() {
                response.headers_mut().insert(PASSED_ON_METADATA, http::HeaderValue::from_static("1"));
            }
            Ok(response)
        })
    }
}

/// The caller that the headers of a request prove.
async fn caller(backend: &dyn Backend, request: &mut http::Request<Body>) -> Result<Caller, Failure> {
    let metadata = MetadataMap::from_headers(std::mem::take(request.headers_mut()));
    let credentials = identity::credentials(&metadata);
    *request.headers_mut() = metadata.into_headers();
    backend.authenticate(credentials?, identity::peer(request.extensions())).await
}
