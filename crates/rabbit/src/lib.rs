//! RabbitMQ's words for what the broker has: virtual hosts, flags and arguments of queues, streams and
//! exchanges; and its connections, channels and consumers.
//!
//! Two doors speak them, AMQP and the management API, and neither knows the other. Nothing here reads bytes or waits.
//! Invariant: every argument is kept as it came, known or not; one that is known and wrong is refused in RabbitMQ's
//! words. What differs from RabbitMQ is in `docs/amqp.md`.

mod arguments;
mod connection;
mod exchange;
mod host;
mod policy;
mod queue;
mod stream;
mod wrong;

pub use connection::{Channel, Connection, Connections, Consumer};
pub use exchange::{ExchangeDeclare, exchange_kind, exchange_settings};
pub use host::{host, namespace};
pub use policy::{policy_settings, shown_effect, shown_policy};
pub use queue::{QueueDeclare, queue_kind, queue_settings, shown_arguments};
pub use stream::{age, is_stream, shown_stream, stream_settings};
pub use wrong::Wrong;
