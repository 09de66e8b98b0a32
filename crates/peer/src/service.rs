//! The listener of a node: mutual TLS, the calls of the other nodes, and whatever else only they may reach.
//! Invariant: without a certificate of the cluster nothing is answered but `Join`, and that only to a good token.
//! Called by the binary. Tests: `tests/between_nodes.rs`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::authority::{Authority, Identity};
use crate::gate::Gated;
use crate::host::{Host, Lender, Refused};
use crate::limits::{
    CONNECTION_STREAMS_MAX, CONNECTION_WINDOW_BYTES, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, MESSAGE_BYTES_MAX,
    PIECES_WAITING, STOP_GRACE, STREAM_WINDOW_BYTES,
};
use crate::proto as pb;
use crate::proto::loan::Part;
use crate::proto::peer_server::{Peer, PeerServer};
use crate::token::{JoinToken, Ledger, TokenBroken};

/// The version of the contract that is spoken here.
pub(crate) const VERSION: u32 = 1;

/// The tokens that this node made. Clones are the same.
#[derive(Clone, Debug)]
pub struct Tokens {
    ledger: Arc<Ledger>,
    authority: Authority,
}

impl Tokens {
    /// None yet.
    #[must_use]
    pub fn new(authority: Authority) -> Self {
        Self { ledger: Arc::default(), authority }
    }

    /// Makes a token that is good for so long.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn issue(&self, valid: Duration) -> Result<JoinToken, TokenBroken> {
        self.ledger.issue(self.authority.certificate_pem(), valid, Instant::now())
    }
}

struct Desk {
    host: Arc<dyn Host>,
    tokens: Tokens,
}

fn said<T>(answer: Result<T, Refused>) -> Result<T, Status> {
    answer.map_err(|refused| refused.status())
}

fn done(answer: Result<(), Refused>) -> Result<Response<pb::Done>, Status> {
    said(answer).map(|()| Response::new(pb::Done {}))
}

#[tonic::async_trait]
impl Peer for Desk {
    type BorrowStream = Pin<Box<ReceiverStream<Result<pb::Loan, Status>>>>;

    async fn join(&self, request: Request<pb::JoinRequest>) -> Result<Response<pb::JoinReply>, Status> {
        let request = request.into_inner();
        if !self.tokens.ledger.redeem(&request.secret, Instant::now()) {
            let why = "the token was used, has run out, or is of another node: make a new one";
            return Err(Refused::Unknown(why.to_owned()).status());
        }
        let authority_key_pem = self.tokens.authority.key_pem().to_owned();
        Ok(Response::new(pb::JoinReply { authority_key_pem, version: VERSION.min(request.version) }))
    }

    async fn exchange(&self, request: Request<pb::Message>) -> Result<Response<pb::Message>, Status> {
        let answer = self.host.exchange(request.into_inner().body).await;
        said(answer).map(|body| Response::new(pb::Message { body }))
    }

    async fn borrow(&self, _request: Request<pb::BorrowRequest>) -> Result<Response<Self::BorrowStream>, Status> {
        let lender = said(self.host.lend().await)?;
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        tokio::spawn(lend(lender, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn describe(&self, _request: Request<pb::DescribeRequest>) -> Result<Response<pb::Cluster>, Status> {
        said(self.host.describe().await).map(Response::new)
    }

    async fn number(&self, _request: Request<pb::NumberRequest>) -> Result<Response<pb::NumberReply>, Status> {
        said(self.host.number().await).map(|node| Response::new(pb::NumberReply { node }))
    }

    async fn enter(&self, request: Request<pb::EnterRequest>) -> Result<Response<pb::Done>, Status> {
        let request = request.into_inner();
        done(self.host.enter(request.node, request.address).await)
    }

    async fn remove(&self, request: Request<pb::RemoveRequest>) -> Result<Response<pb::Done>, Status> {
        done(self.host.remove(request.into_inner().node).await)
    }

    async fn transfer(&self, request: Request<pb::TransferRequest>) -> Result<Response<pb::Done>, Status> {
        done(self.host.transfer(request.into_inner().node).await)
    }

    async fn token(&self, request: Request<pb::TokenRequest>) -> Result<Response<pb::TokenReply>, Status> {
        let token = self.tokens.issue(Duration::from_millis(request.into_inner().valid_ms));
        let token = token.map_err(|error| Refused::Never(error.to_string()).status())?;
        Ok(Response::new(pb::TokenReply { token: token.text() }))
    }
}

/// Sends a copy. It stays lent until its reader is gone, who first sees that it can go on behind it.
async fn lend(lender: Box<dyn Lender>, sender: mpsc::Sender<Result<pb::Loan, Status>>) {
    if let Err(refused) = send_copy(lender.as_ref(), &sender).await {
        // A reader that is gone needs no reason.
        drop(sender.send(Err(refused.status())).await);
    }
    sender.closed().await;
}

async fn send_copy(lender: &dyn Lender, sender: &mpsc::Sender<Result<pb::Loan, Status>>) -> Result<(), Refused> {
    let send = |part: Part| async {
        let sent = sender.send(Ok(pb::Loan { part: Some(part) })).await;
        sent.map_err(|_| Refused::Unavailable("the reader of the copy is gone".to_owned()))
    };
    let terms = lender.terms();
    let files = terms.files.clone();
    send(Part::Terms(terms)).await?;
    for file in &files {
        let mut hash = Sha256::new();
        let mut offset = 0;
        while offset < file.bytes {
            let piece = lender.read(file, offset).await?;
            hash.update(&piece);
            offset += u64::try_from(piece.len()).unwrap_or(u64::MAX).max(1);
            send(Part::Piece(piece)).await?;
        }
        send(Part::FileEnd(Bytes::copy_from_slice(&hash.finalize()))).await?;
    }
    Ok(())
}

/// Serves the other nodes, and `beside` to them alone, until `stopped` is ready.
///
/// # Errors
/// When the certificate cannot be used or the listener fails.
pub async fn serve(
    listener: TcpListener,
    identity: Identity,
    tokens: Tokens,
    host: Arc<dyn Host>,
    beside: Routes,
    stopped: impl Future<Output = ()> + Clone + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let authority = Certificate::from_pem(tokens.authority.certificate_pem());
    let own = tonic::transport::Identity::from_pem(identity.certificate_pem, identity.key_pem);
    let tls = ServerTlsConfig::new().identity(own).client_ca_root(authority).client_auth_optional(true);
    let desk = PeerServer::new(Desk { host, tokens })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let serving = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(CONNECTION_STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .tcp_nodelay(true)
        .tls_config(tls)?
        .layer(tower::layer::layer_fn(Gated))
        .add_routes(beside.add_service(desk))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stopped.clone());
    tokio::select! {
        served = serving => served,
        () = async { stopped.await; tokio::time::sleep(STOP_GRACE).await } => Ok(()),
    }
}
