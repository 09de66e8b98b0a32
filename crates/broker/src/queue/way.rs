//! By which way a message came to a queue, kept where its dead letters go through an exchange by their own keys.

use model::binding::RoutingKey;
use model::header::Headers;
use model::name::ExchangeName;

use crate::codec::fields;

/// Exchange, keys, and what else is remembered of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The exchange that it was published to.
    pub exchange: ExchangeName,
    /// All keys that it was routed by, the main one first.
    pub keys: Vec<RoutingKey>,
    /// Its headers, where the exchange of the dead letters looks at them; otherwise none.
    pub headers: Headers,
}

fields!(Way { exchange, keys, headers });
