//! What is fuzzed: one function for each parser of bytes from outside or from disk. A target of libFuzzer calls each.
//! Invariant: a parser answers or refuses; it never panics, and what it allocates is bounded by what it was given.
//! How to run: `docs/crash-points-and-fuzzing.md`.

mod amqp;
mod amqp_conversation;
mod bound;
mod configuration;
mod doors;
mod files;
pub mod seeding;
mod seeding_amqp;
mod words;

pub use amqp::{amqp_frames, amqp_methods, amqp_tables};
pub use amqp_conversation::amqp_conversation;
pub use configuration::config;
pub use doors::{grpc, rest};
#[cfg(fuzzing)]
pub use files::entry;
pub use files::{batch, checkpoint, record, segment, slots, state};
pub use words::names;

// The parser of the configuration belongs to the program, which is no library: its files are read from there.
#[allow(dead_code, unused_imports)]
#[path = "../../crates/server/src/config"]
mod config {
    mod key;
    mod layers;
    mod nearest;
    mod settings;

    pub(crate) use layers::{Flags, Layers};
    pub(crate) use nearest::nearest;
    pub(crate) use settings::Settings;
}
#[allow(dead_code)]
#[path = "../../crates/server/src/exit.rs"]
mod exit;
#[allow(dead_code)]
#[path = "../../crates/server/src/quantity.rs"]
mod quantity;

/// Without `--cfg fuzzing` the shard does not show its parsers.
#[cfg(not(fuzzing))]
pub fn entry(_bytes: &[u8]) {}
