//! Class 50: queues and their bindings.

use crate::codec::method::class;
use crate::codec::{ShortText, Table};

class! { 50:
    /// Makes a queue or looks whether there is one.
    Declare = 10 { reserved: u16, queue: ShortText }
        [passive, durable, exclusive, auto_delete, no_wait] { arguments: Table }
    /// It is there.
    DeclareOk = 11 { queue: ShortText, message_count: u32, consumer_count: u32 } [] {}
    /// Binds a queue to an exchange.
    Bind = 20 { reserved: u16, queue: ShortText, exchange: ShortText, routing_key: ShortText }
        [no_wait] { arguments: Table }
    /// It is bound.
    BindOk = 21 {} [] {}
    /// Deletes the ready messages.
    Purge = 30 { reserved: u16, queue: ShortText } [no_wait] {}
    /// They are gone.
    PurgeOk = 31 { message_count: u32 } [] {}
    /// Deletes a queue.
    Delete = 40 { reserved: u16, queue: ShortText } [if_unused, if_empty, no_wait] {}
    /// It is gone.
    DeleteOk = 41 { message_count: u32 } [] {}
    /// Takes a binding back.
    Unbind = 50 { reserved: u16, queue: ShortText, exchange: ShortText, routing_key: ShortText } [] { arguments: Table }
    /// It is not bound.
    UnbindOk = 51 {} [] {}
}
