//! Who asks: credentials as they come in, and the caller they prove.
//! Invariant: a `Secret` never appears in a log, an error or a debug print.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::access::Scope;
use crate::name::UserName;
use crate::number::{TokenId, UserId};

/// Text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself; the only way to it, easy to search for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a client shows to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A user name, as given, and a password.
    Password {
        /// The name, not yet checked.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A session or API token.
    Token(Secret),
    /// A client certificate that the door itself has verified. It proves nothing to a broker elsewhere.
    Certificate {
        /// The user that it names, not yet checked.
        user: String,
    },
    /// The one-time token of a broker without administrator, with the administrator to create.
    Claim {
        /// The token that the first start printed.
        token: Secret,
        /// The administrator's name, not yet checked.
        user: String,
        /// The administrator's password.
        password: Secret,
    },
}

/// Through which door a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// REST and the console.
    Http,
    /// gRPC.
    Grpc,
    /// AMQP 0-9-1.
    Amqp,
    /// Kafka.
    Kafka,
    /// The process itself.
    Internal,
}

impl Protocol {
    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Amqp => "amqp",
            Self::Kafka => "kafka",
            Self::Internal => "internal",
        }
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The door.
    pub protocol: Protocol,
    /// The peer's address; `None` for a Unix socket or the process itself.
    pub address: Option<IpAddr>,
}

impl Origin {
    /// Whether the peer is on this machine.
    pub fn is_local(&self) -> bool {
        self.address.is_none_or(|address| address.to_canonical().is_loopback())
    }
}

/// An authenticated caller. Doors get one from `Backend::authenticate` and pass it back with each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// Its name, recorded as the sender of what it publishes.
    pub name: UserName,
    /// What its token allows at most.
    pub scope: Scope,
    /// The token it used, if it used one.
    pub token: Option<TokenId>,
    /// Where it comes from.
    pub origin: Origin,
    /// What it showed; a gateway passes it on, since a gateway is trusted with nothing.
    pub credentials: Credentials,
}
