//! The AMQP 0-9-1 door: RabbitMQ's clients, unmodified.
//!
//! Four rooms: `codec` reads and writes bytes, `session` is the state of a connection without any input or output,
//! `translate` is where the words of AMQP and those of `model` meet, `serve` does the waiting.
//! Invariant: knows nothing of ours but `model`. What differs from RabbitMQ is in `docs/amqp.md`.

pub mod codec;
pub mod limits;
pub mod session;

mod desk;
mod random;
mod serve;
mod translate;

pub use serve::{Registry, Settings, serve};
