//! The classes of the specification with RabbitMQ's additions, one table a file.
//! Fields are in the order of the wire: plain ones, then bits in brackets, then those behind the bits.

pub mod basic;
pub mod channel;
pub mod confirm;
pub mod connection;
pub mod exchange;
pub mod queue;
pub mod tx;
