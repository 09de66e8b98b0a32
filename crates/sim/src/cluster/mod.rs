//! Several nodes with one shard: machines that live and fall each by itself, and the network between them.
//!
//! Reading order: `hall` (who is where), `network` (what becomes of a message), `keeper` and `join` (one machine, as the
//! server keeps it), `blows` (what goes wrong), `storm` (a seed from its first node to its end).
//! Invariant: nothing here knows more of a node than another process could, but for the checks.
//! Started by `run` for schedules of more than one node.

pub mod blows;
mod hall;
mod join;
mod keeper;
mod network;
mod storm;
mod strike;

pub use storm::storm;
