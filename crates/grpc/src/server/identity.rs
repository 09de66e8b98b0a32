//! Who calls: credentials in the metadata, the address of the peer, and what a gateway reports.
//! Invariant: a peer whose address is not known never counts as local, and no report makes a caller more local.
//! Tests: below, and `tests/authentication.rs`.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::caller::{Credentials, Origin, Protocol, Secret};
use model::refusal::Refusal;
use tonic::Extensions;
use tonic::metadata::MetadataMap;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo, UdsConnectInfo};

/// Metadata that repeats the user name, which may hold colons, where Basic would cut it at the first.
pub(crate) const USER_METADATA: &str = "recado-user-bin";

/// Whose word on the origin of a caller counts. The word of nobody makes a caller local.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportedOrigins {
    /// Only that of a gateway on this machine.
    #[default]
    FromThisMachine,
    /// That of everybody: where only gateways can reach the port.
    FromEverybody,
}

/// The address of the peer, put into the extensions of a request by a listener that tonic does not own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddress {
    /// Over the network.
    Network(IpAddr),
    /// Over a Unix socket.
    UnixSocket,
}

/// Where a call comes from.
pub(crate) fn peer(extensions: &Extensions) -> Origin {
    let network = |info: &TcpConnectInfo| info.remote_addr().map(|address| PeerAddress::Network(address.ip()));
    let peer = extensions
        .get::<PeerAddress>()
        .copied()
        .or_else(|| extensions.get::<UdsConnectInfo>().map(|_| PeerAddress::UnixSocket))
        .or_else(|| extensions.get::<TlsConnectInfo<TcpConnectInfo>>().and_then(|info| network(info.get_ref())))
        .or_else(|| extensions.get::<TcpConnectInfo>().and_then(network));
    let address = match peer {
        Some(PeerAddress::Network(address)) => Some(address),
        Some(PeerAddress::UnixSocket) => None,
        // An address that is not known must not look local, which no address would.
        None => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    };
    Origin { protocol: Protocol::Grpc, address }
}

/// The origin that counts for an authentication through `peer`, which may report another.
pub(crate) fn origin(
    believed: ReportedOrigins,
    credentials: &Credentials,
    peer: Origin,
    reported: Option<Origin>,
) -> Origin {
    let Some(reported) = reported else { return peer };
    let remote_claim = matches!(credentials, Credentials::Claim { .. }) && !peer.is_local();
    match believed {
        ReportedOrigins::FromThisMachine if !peer.is_local() => peer,
        ReportedOrigins::FromEverybody if remote_claim => peer,
        // What is local to a gateway elsewhere is not local here.
        ReportedOrigins::FromEverybody if reported.is_local() && !peer.is_local() => {
            Origin { protocol: reported.protocol, address: peer.address }
        }
        ReportedOrigins::FromThisMachine | ReportedOrigins::FromEverybody => reported,
    }
}

/// The credentials in the metadata of a call.
pub(crate) fn credentials(metadata: &MetadataMap) -> Result<Credentials, Refusal> {
    let text = metadata.get("authorization").and_then(|value| value.to_str().ok()).ok_or(Refusal::Unauthenticated)?;
    let (scheme, rest) = text.split_once(' ').ok_or(Refusal::Unauthenticated)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Credentials::Token(Secret::new(rest.trim())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Refusal::Unauthenticated);
    }
    let user = metadata.get_bin(USER_METADATA).and_then(|value| value.to_bytes().ok());
    basic(rest.trim(), user.as_deref()).ok_or(Refusal::Unauthenticated)
}

fn basic(encoded: &str, user: Option<&[u8]>) -> Option<Credentials> {
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = match user {
        None => pair.split_once(':')?,
        Some(user) => {
            let user = std::str::from_utf8(user).ok()?;
            (user, pair.strip_prefix(user)?.strip_prefix(':')?)
        }
    };
    Some(Credentials::Password { user: user.to_owned(), password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(address: &str) -> Origin {
        Origin { protocol: Protocol::Grpc, address: Some(address.parse().unwrap()) }
    }

    fn claim() -> Credentials {
        Credentials::Claim { token: Secret::new("t"), user: "u".to_owned(), password: Secret::new("p") }
    }

    #[test]
    fn a_report_never_makes_a_caller_more_local() {
        use ReportedOrigins::{FromEverybody, FromThisMachine};
        let token = Credentials::Token(Secret::new("t"));
        let unix = Origin { protocol: Protocol::Http, address: None };
        for believed in [FromThisMachine, FromEverybody] {
            for credentials in [&token, &claim()] {
                for reported in [None, Some(at("127.0.0.1")), Some(unix), Some(at("::1")), Some(at("10.0.0.9"))] {
                    assert!(!origin(believed, credentials, at("10.0.0.1"), reported).is_local());
                }
                assert_eq!(origin(believed, credentials, at("127.0.0.1"), Some(at("10.0.0.9"))), at("10.0.0.9"));
                assert_eq!(origin(believed, credentials, at("127.0.0.1"), None), at("127.0.0.1"));
            }
        }
        assert_eq!(origin(FromThisMachine, &token, at("10.0.0.1"), Some(at("10.0.0.9"))), at("10.0.0.1"));
        assert_eq!(origin(FromEverybody, &token, at("10.0.0.1"), Some(at("10.0.0.9"))), at("10.0.0.9"));
        assert_eq!(origin(FromEverybody, &claim(), at("10.0.0.1"), Some(at("10.0.0.9"))), at("10.0.0.1"));
    }

    #[test]
    fn a_peer_that_is_not_known_is_not_local() {
        assert!(!peer(&Extensions::new()).is_local());
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddress::UnixSocket);
        assert!(peer(&extensions).is_local());
    }

    #[test]
    fn credentials_are_read_from_the_metadata() {
        let of = |header: &str, user: Option<&str>| {
            let mut metadata = MetadataMap::new();
            metadata.insert("authorization", header.parse().unwrap());
            if let Some(user) = user {
                metadata.insert_bin(USER_METADATA, tonic::metadata::MetadataValue::from_bytes(user.as_bytes()));
            }
            credentials(&metadata)
        };
        let password = |user: &str, password: &str| {
            Ok(Credentials::Password { user: user.to_owned(), password: Secret::new(password) })
        };
        assert_eq!(of("Bearer abc", None), Ok(Credentials::Token(Secret::new("abc"))));
        assert_eq!(of("basic YTpiOmM=", None), password("a", "b:c"));
        assert_eq!(of("Basic YTpiOmM=", Some("a:b")), password("a:b", "c"));
        for bad in ["Basic YTpiOmM", "Basic !", "Digest x", "Bearer", "Basic YWJj"] {
            assert_eq!(of(bad, None), Err(Refusal::Unauthenticated), "{bad}");
        }
        assert_eq!(of("Basic YTpiOmM=", Some("x")), Err(Refusal::Unauthenticated));
        assert_eq!(credentials(&MetadataMap::new()), Err(Refusal::Unauthenticated));
    }
}
