//! Class 40: exchanges and the bindings between them.

use crate::codec::method::class;
use crate::codec::{ShortText, Table};

class! { 40:
    /// Makes an exchange or looks whether there is one.
    Declare = 10 { reserved: u16, exchange: ShortText, kind: ShortText }
        [passive, durable, auto_delete, internal, no_wait] { arguments: Table }
    /// It is there.
    DeclareOk = 11 {} [] {}
    /// Deletes an exchange.
    Delete = 20 { reserved: u16, exchange: ShortText } [if_unused, no_wait] {}
    /// It is gone.
    DeleteOk = 21 {} [] {}
    /// Binds an exchange to another.
    Bind = 30 { reserved: u16, destination: ShortText, source: ShortText, routing_key: ShortText }
        [no_wait] { arguments: Table }
    /// It is bound.
    BindOk = 31 {} [] {}
    /// Takes that back.
    Unbind = 40 { reserved: u16, destination: ShortText, source: ShortText, routing_key: ShortText }
        [no_wait] { arguments: Table }
    /// It is not bound. The number is not the one that follows: it never was.
    UnbindOk = 51 {} [] {}
}
