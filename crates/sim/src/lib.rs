//! A deterministic simulation of the shard: real machine, sequencer, consensus, storage, housekeeping and
//! recovery on one thread, with a simulated disk, virtual clocks and one seed for all chance.
//!
//! Several nodes with a network between them are in `cluster`.
//! Reading order: `run` (a seed from start to drain), `life` (one life of the shard), `nemesis` (what goes
//! wrong), `client` (what clients do), `book` (the reference), `observer` and `check` (what must hold).
//! How to use it: `docs/simulator.md`.

pub mod book;
pub mod campaign;
pub mod chance;
pub mod check;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod configuration;
pub mod desk;
pub mod disk;
pub mod events;
mod founding;
pub mod life;
pub mod limits;
pub mod minimise;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod nemesis;
pub mod observer;
pub mod operation;
mod reads;
pub mod run;
pub mod schedule;
pub mod store;
pub mod trace;
pub mod watched;
pub mod world;
