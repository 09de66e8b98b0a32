//! A node: its shard behind the one door, with everything that the pure machine cannot do: authenticate,
//! hash, draw secrets, wait, hand out, watch the disk, count.
//!
//! Reading order: `node` (what is opened and closed), `backend` (the door), `translate` (requests become
//! commands), `authenticate`, `delivery` (the leader's runtime), then the small rooms.
//! **Invariant**: no rule of queues, topics or rights is decided here; the machine decides.

pub mod limits;

mod node;

mod backend;
mod reads;
mod secrets;
mod standing;

mod admission;
mod audit;
mod authenticate;
mod delivery;
mod effects;
mod log;
mod metrics;
mod payload;
mod random;
mod thread;
mod translate;

pub use node::{Node, SHARD_FOLDER, Settings};
/// What replicas of a node's shard are to each other.
pub use shard::limits::FIRST_NODE;
pub use shard::{
    Answer, Arrival, Damage, Found, Group, GroupChange, GroupMember, Loan, LoanedFile, Peers, Scrubbing, Terms,
    Unreached,
};
pub use storage::disk::{Disk, RealDisk};
