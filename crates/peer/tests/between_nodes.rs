//! Both ends of a connection between nodes, over loopback: who is answered, and what comes through unharmed.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peer::{Authority, Cluster, File, Host, JoinToken, Lender, Links, Refused, Reply, Terms, Tokens};
use tokio::net::TcpListener;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Routes;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

/// Node 7, which answers with what it is asked.
struct Seven;

struct Copy;

const FILE: &[u8] = &[9; 3000];

impl Lender for Copy {
    fn terms(&self) -> Terms {
        let file = |name: &str, bytes| File { name: name.to_owned(), bytes, length: 4096 };
        Terms { last: 12, files: vec![file("a", 3000), file("b", 0)], ..Terms::default() }
    }

    fn read<'a>(&'a self, file: &'a File, offset: u64) -> Reply<'a, Bytes> {
        assert_eq!(file.name, "a");
        let offset = usize::try_from(offset).unwrap();
        let piece = Bytes::copy_from_slice(&FILE[offset..(offset + 1000).min(FILE.len())]);
        answer(Ok(piece))
    }
}

fn answer<T: Send + 'static>(answer: Result<T, Refused>) -> Reply<'static, T> {
    Box::pin(std::future::ready(answer))
}

impl Host for Seven {
    fn exchange(&self, message: Bytes) -> Reply<'_, Bytes> {
        answer(Ok(message))
    }

    fn lend(&self) -> Reply<'_, Box<dyn Lender>> {
        answer(Ok(Box::new(Copy)))
    }

    fn describe(&self) -> Reply<'_, Cluster> {
        answer(Ok(Cluster { own: 7, ..Cluster::default() }))
    }

    fn number(&self) -> Reply<'_, u64> {
        answer(Ok(31))
    }

    fn enter(&self, node: u64, _address: String) -> Reply<'_, ()> {
        answer(Err(Refused::Never(format!("not {node}"))))
    }

    fn remove(&self, _node: u64) -> Reply<'_, ()> {
        answer(Err(Refused::Unavailable("not now".to_owned())))
    }

    fn transfer(&self, _node: Option<u64>) -> Reply<'_, ()> {
        answer(Ok(()))
    }
}

struct Running {
    authority: Authority,
    tokens: Tokens,
    address: String,
}

async fn running() -> Running {
    let authority = Authority::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (identity, tokens) = (authority.identity(Some(7)).unwrap(), Tokens::new(authority.clone()));
    let never = futures_util::FutureExt::shared(std::future::pending());
    tokio::spawn(peer::serve(listener, identity, tokens.clone(), Arc::new(Seven), Routes::default(), never));
    Running { authority, tokens, address }
}

fn links(authority: &Authority, node: Option<u64>) -> Links {
    Links::new(authority.clone(), authority.identity(node).unwrap())
}

#[tokio::test]
async fn nodes_of_a_cluster_are_answered() {
    let running = running().await;
    let links = links(&running.authority, Some(1));
    let client = links.to(Some(7), &running.address).unwrap();
    let message = Bytes::from(vec![5; 5 << 20]);
    assert_eq!(client.exchange(message.clone(), Duration::from_secs(60)).await, Ok(message));
    assert_eq!(client.describe().await.unwrap().own, 7);
    assert_eq!(client.number().await, Ok(31));
    assert_eq!(client.transfer(None).await, Ok(()));
    assert_eq!(client.enter(4, String::new()).await, Err(Refused::Never("not 4".to_owned())));
    assert_eq!(client.remove(4).await, Err(Refused::Unavailable("not now".to_owned())));
    // Whoever does not know the number reaches the same node.
    assert_eq!(links.to(None, &running.address).unwrap().number().await, Ok(31));
}

#[tokio::test]
async fn another_node_at_the_address_is_not_talked_to() {
    let running = running().await;
    let client = links(&running.authority, Some(1)).to(Some(8), &running.address).unwrap();
    assert!(matches!(client.number().await, Err(Refused::Unavailable(_))));
}

#[tokio::test]
async fn another_cluster_is_not_answered_and_not_talked_to() {
    let running = running().await;
    let stranger = Authority::new().unwrap();
    let client = links(&stranger, Some(1)).to(Some(7), &running.address).unwrap();
    assert!(client.number().await.is_err());
    // It trusts this cluster, and shows a certificate of the other one.
    let mixed = Links::new(running.authority.clone(), stranger.identity(Some(1)).unwrap());
    assert!(mixed.to(Some(7), &running.address).unwrap().number().await.is_err());
}

#[tokio::test]
async fn a_token_gives_the_authority_once_and_nothing_else_is_answered_without_a_certificate() {
    let running = running().await;
    let token: JoinToken = running.tokens.issue(Duration::from_secs(60)).unwrap().text().parse().unwrap();
    let joined = peer::join(&running.address, &token).await.unwrap();
    assert_eq!(joined.authority.key_pem(), running.authority.key_pem());
    let client = links(&joined.authority, Some(31)).to(Some(7), &running.address).unwrap();
    assert_eq!(client.number().await, Ok(31));
    assert!(matches!(peer::join(&running.address, &token).await, Err(Refused::Unknown(_))));

    let trust = Certificate::from_pem(running.authority.certificate_pem());
    let tls = ClientTlsConfig::new().ca_certificate(trust).domain_name(peer::server_name(Some(7)));
    let endpoint = Endpoint::from_shared(format!("https://{}", running.address)).unwrap().tls_config(tls).unwrap();
    let mut bare = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    bare.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<Cluster, Cluster>::default();
    let path = PathAndQuery::from_static("/recado.peer.v1.Peer/Describe");
    let refused = bare.unary(tonic::Request::new(Cluster::default()), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn a_copy_comes_whole() {
    let running = running().await;
    let client = links(&running.authority, Some(1)).to(Some(7), &running.address).unwrap();
    let (terms, mut borrowed) = client.borrow().await.unwrap();
    assert_eq!((terms.last, terms.files.len()), (12, 2));
    let mut file = Vec::new();
    while let Some(piece) = borrowed.piece().await.unwrap() {
        file.extend_from_slice(&piece);
    }
    assert_eq!(file, FILE);
    assert_eq!(borrowed.piece().await, Ok(None));
}
