//! One replicated ordered log and the state machine over it.
//!
//! Reading order: `machine` (what is replicated), `handle` (what others hold), `inbox` and `sequencer` (commands
//! become batches), `raft` (the adapter to the consensus library: log, state machine), `fetch` (messages for
//! consumers), `timer`, `housekeeping`, `scrubbing` and `comparing` (what happens by itself), `peers`, `loan` and `mender`
//! (the replicas elsewhere).
//! **Boundary**: nothing of the consensus library or of the files is visible above this crate, but for the
//! disk and the settings of the files that `Shard::open` is given.

pub mod limits;

pub mod clock;
pub mod machine;

mod comparing;
mod fetch;
mod flush;
mod handle;
mod hands;
mod health;
mod housekeeping;
mod inbox;
mod loan;
mod mender;
mod peers;
mod process;
mod raft;
mod replica;
mod room;
mod scrubbing;
mod sequencer;
mod states;
mod submitter;

mod tail;
mod timer;
mod upkeep;
mod watch;

pub use clock::{Clock, SystemClock};
pub use handle::{Settings, Shard, Status};
pub use hands::{Hands, Pace};
pub use health::{Damage, Found};
pub use loan::{Arrival, Loan, LoanedFile, Terms};
pub use machine::{Section, SegmentUse, StateMachine, Survivor};
pub use peers::{Answer, Peers, Unreached};
pub use process::{Killed, Process, Within};
pub use raft::group::{Group, GroupChange, GroupMember};
pub use raft::message::asks_for_vote;
pub use raft::runtime::seed_jitter;
pub use raft::state::EffectSink;
#[cfg(fuzzing)]
pub use raft::written::read_written;
pub use scrubbing::Scrubbing;
pub use upkeep::Upkeep;

#[cfg(test)]
extern crate self as shard;
#[cfg(test)]
#[path = "../tests/world/mod.rs"]
mod world;
