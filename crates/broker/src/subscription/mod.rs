//! Subscriptions: cursors on a topic. `Stream` commits offsets and has members; `Shared` leases messages out
//! of a window that it pulls over the topic.
//! Called by `machine`. Scripts: `tests/scripts/subscription_*.txt`.

mod shared;
mod stream;

use model::name::MemberName;
use model::number::{Generation, Span};
use model::subscription::PartitionProgress;

pub use shared::Shared;
pub use stream::Stream;

/// How far a subscription is, for its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which assignment there is.
    pub generation: Generation,
    /// Its members.
    pub members: Vec<MemberName>,
    /// By partition.
    pub partitions: Vec<PartitionProgress>,
    /// Messages not yet done.
    pub lag: u64,
    /// Age of the oldest of them.
    pub lag_time: Span,
    /// Messages with consumers.
    pub leased: u64,
}
