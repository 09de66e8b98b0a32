//! The calls of a node to the others.
//! Invariant: a call goes to the node that it is meant for, because that node's certificate says so, or to nobody.
//! Called by the binary. Tests: `tests/between_nodes.rs`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use crate::authority::{Authority, Identity, server_name};
use crate::host::{Refused, chain};
use crate::limits::{
    CALL_WITHIN, CONNECT_WITHIN, CONNECTION_WINDOW_BYTES, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, LINKS_MAX,
    MESSAGE_BYTES_MAX, STREAM_WINDOW_BYTES,
};
use crate::proto as pb;
use crate::proto::loan::Part;
use crate::service::VERSION;
use crate::token::JoinToken;

/// What a token was exchanged for.
#[derive(Debug)]
pub struct Joined {
    /// The authority of the cluster.
    pub authority: Authority,
}

/// Exchanges a token for the authority of the cluster.
///
/// # Errors
/// `Unknown` when the token is not good or the node is of another cluster, `Unavailable` when it is not reached.
pub async fn join(address: &str, token: &JoinToken) -> Result<Joined, Refused> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(token.authority_pem()));
    let client = Client { channel: channel(address, tls.domain_name(server_name(None)))? };
    let request = pb::JoinRequest { secret: token.secret.clone().into(), version: VERSION };
    let reply: pb::JoinReply = client.call("/recado.peer.v1.Peer/Join", request, CALL_WITHIN).await?;
    if reply.version != VERSION {
        return Err(Refused::Never("the cluster runs another version: install the same one here".to_owned()));
    }
    let authority = Authority::from_pem(token.authority_pem(), reply.authority_key_pem);
    Ok(Joined { authority: authority.map_err(|error| Refused::Never(error.to_string()))? })
}

fn channel(address: &str, tls: ClientTlsConfig) -> Result<Channel, Refused> {
    let unusable = |error: tonic::transport::Error| Refused::Never(format!("{address} is no address: {error}"));
    let endpoint = Endpoint::from_shared(format!("https://{address}")).map_err(unusable)?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_WITHIN)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        // A process that stands still takes a connection and never shakes hands.
        .tls_config(tls.timeout(CONNECT_WITHIN))
        .map_err(unusable)?;
    Ok(endpoint.connect_lazy())
}

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The node; `None` where any of the cluster will do.
    pub node: Option<u64>,
    /// Its address.
    pub address: String,
}

/// Connections to other nodes, made when they are first needed.
pub struct Links {
    authority: Authority,
    identity: Identity,
    known: Mutex<BTreeMap<Link, Client>>,
}

impl Links {
    /// Makes calls as this node, or as a caller that is none.
    #[must_use]
    pub fn new(authority: Authority, identity: Identity) -> Self {
        Self { authority, identity, known: Mutex::default() }
    }

    /// The connection to a node. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When its address is none.
    pub fn to(&self, node: Option<u64>, address: &str) -> Result<Client, Refused> {
        let link = Link { node, address: address.to_owned() };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&link) {
            return Ok(client.clone());
        }
        let own = tonic::transport::Identity::from_pem(&self.identity.certificate_pem, &self.identity.key_pem);
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.authority.certificate_pem()))
            .identity(own)
            .domain_name(server_name(node));
        let client = Client { channel: channel(address, tls)? };
        if LINKS_MAX <= known.len() {
            known.clear();
        }
        known.insert(link, client.clone());
        Ok(client)
    }
}

/// A connection to a node. Clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
}

impl Client {
    fn grpc(&self) -> Grpc<Channel> {
        Grpc::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    async fn call<Q, A>(&self, path: &'static str, request: Q, within: Duration) -> Result<A, Refused>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + 'static,
    {
        let mut client = self.grpc();
        let calling = async move {
            client.ready().await.map_err(|error| Refused::Unavailable(chain(&error)))?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = client.unary(Request::new(request), PathAndQuery::from_static(path), codec).await;
            answer.map(tonic::Response::into_inner).map_err(|status| Refused::from_status(&status))
        };
        let late = |_| Err(Refused::Unavailable("the node did not answer in time".to_owned()));
        tokio::time::timeout(within, calling).await.unwrap_or_else(late)
    }

    /// Brings a message to the shard of the node, and its answer back.
    ///
    /// # Errors
    /// When the node did not answer within this time.
    pub async fn exchange(&self, body: Bytes, within: Duration) -> Result<Bytes, Refused> {
        let answer: pb::Message = self.call("/recado.peer.v1.Peer/Exchange", pb::Message { body }, within).await?;
        Ok(answer.body)
    }

    /// Who is in the cluster, as the node knows it.
    ///
    /// # Errors
    /// When the node is not reached.
    pub async fn describe(&self) -> Result<pb::Cluster, Refused> {
        self.call("/recado.peer.v1.Peer/Describe", pb::DescribeRequest {}, CALL_WITHIN).await
    }

    /// The node that leads, and where it is reached, as this node knows it.
    ///
    /// # Errors
    /// When the node is not reached, or nobody leads.
    pub async fn leader(&self) -> Result<(u64, String), Refused> {
        let cluster = self.describe().await?;
        let leads = cluster.members.into_iter().find(|member| Some(member.node) == cluster.leader);
        let leads = leads.filter(|leader| !leader.address.is_empty());
        let leads = leads.ok_or_else(|| Refused::Unavailable("nobody leads; a majority has to run".to_owned()))?;
        Ok((leads.node, leads.address))
    }

    /// A number for a new node, from the leader.
    ///
    /// # Errors
    /// When the node is not reached or does not lead.
    pub async fn number(&self) -> Result<u64, Refused> {
        let reply: pb::NumberReply =
            self.call("/recado.peer.v1.Peer/Number", pb::NumberRequest {}, CALL_WITHIN).await?;
        Ok(reply.node)
    }

    /// Asks the leader to take a node in.
    ///
    /// # Errors
    /// When the node is not reached, does not lead, or refuses.
    pub async fn enter(&self, node: u64, address: String) -> Result<(), Refused> {
        let request = pb::EnterRequest { node, address };
        self.call("/recado.peer.v1.Peer/Enter", request, CALL_WITHIN).await.map(|_: pb::Done| ())
    }

    /// Asks the leader to take a node out.
    ///
    /// # Errors
    /// When the node is not reached, does not lead, or refuses.
    pub async fn remove(&self, node: u64) -> Result<(), Refused> {
        let request = pb::RemoveRequest { node };
        self.call("/recado.peer.v1.Peer/Remove", request, CALL_WITHIN).await.map(|_: pb::Done| ())
    }

    /// Asks the leader to hand the leadership over.
    ///
    /// # Errors
    /// When the node is not reached, does not lead, or nobody takes it.
    pub async fn transfer(&self, node: Option<u64>) -> Result<(), Refused> {
        let request = pb::TransferRequest { node };
        self.call("/recado.peer.v1.Peer/Transfer", request, CALL_WITHIN).await.map(|_: pb::Done| ())
    }

    /// Makes a token for a node that shall join through this one.
    ///
    /// # Errors
    /// When the node is not reached.
    pub async fn token(&self, valid: Duration) -> Result<String, Refused> {
        let request = pb::TokenRequest { valid_ms: u64::try_from(valid.as_millis()).unwrap_or(u64::MAX) };
        let reply: pb::TokenReply = self.call("/recado.peer.v1.Peer/Token", request, CALL_WITHIN).await?;
        Ok(reply.token)
    }

    /// Borrows a copy of the store. It stays lent until the value is dropped.
    ///
    /// # Errors
    /// When the node is not reached or lends none.
    pub async fn borrow(&self) -> Result<(pb::Terms, Borrowed), Refused> {
        let mut client = self.grpc();
        client.ready().await.map_err(|error| Refused::Unavailable(chain(&error)))?;
        let codec = ProstCodec::<pb::BorrowRequest, pb::Loan>::default();
        let path = PathAndQuery::from_static("/recado.peer.v1.Peer/Borrow");
        let opened = client.server_streaming(Request::new(pb::BorrowRequest {}), path, codec).await;
        let parts = opened.map_err(|status| Refused::from_status(&status))?.into_inner();
        let mut borrowed = Borrowed { parts, hash: Sha256::new() };
        match borrowed.part().await? {
            Part::Terms(terms) => Ok((terms, borrowed)),
            Part::Piece(_) | Part::FileEnd(_) => Err(broken("it does not begin with its terms")),
        }
    }
}

/// A copy on its way here.
pub struct Borrowed {
    parts: Streaming<pb::Loan>,
    hash: Sha256,
}

impl Borrowed {
    async fn part(&mut self) -> Result<Part, Refused> {
        let silent = |_| Err(tonic::Status::unavailable("the lender is silent"));
        let next = tokio::time::timeout(CALL_WITHIN, self.parts.message()).await.unwrap_or_else(silent);
        let next = next.map_err(|status| Refused::from_status(&status))?;
        next.and_then(|loan| loan.part).ok_or_else(|| broken("it ends too early"))
    }

    /// The next piece of the present file; `None` at its end, once all of it is known to be what was sent.
    ///
    /// # Errors
    /// When the lender is gone, or what came is not what was sent.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Refused> {
        match self.part().await? {
            Part::Piece(piece) => {
                self.hash.update(&piece);
                Ok(Some(piece))
            }
            Part::FileEnd(sent) if sent[..] == self.hash.finalize_reset()[..] => Ok(None),
            Part::FileEnd(_) => Err(broken("a file is not what was sent")),
            Part::Terms(_) => Err(broken("it begins twice")),
        }
    }
}

fn broken(what: &str) -> Refused {
    Refused::Unavailable(format!("the copy cannot be used: {what}"))
}
