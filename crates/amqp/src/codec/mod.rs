//! AMQP 0-9-1 on the wire: frames, methods, content headers and field tables, in RabbitMQ's dialect.
//! Pure: bytes in, values out, and back. Invariants: what is allocated is bounded by what was received; nesting is
//! bounded by a constant; reading what was written gives the same value.
//! Called by `session`; vectors and properties in `tests`, fuzz targets in `fuzz/`.

pub mod class;
pub mod frame;
pub mod method;
pub mod properties;
pub mod reply;
pub mod table;
pub mod wire;

pub use frame::{Frame, ProtocolHeader};
pub use method::Method;
pub use properties::Properties;
pub use reply::{Malformed, ReplyCode};
pub use table::{Table, Value};
pub use wire::ShortText;

#[cfg(test)]
mod tests;
