//! What the machine asks the leader's runtime to do. Effects may happen twice and may get lost with the
//! leader; they only make things happen sooner. State never depends on them.

use model::number::{Partition, QueueId, TopicId};

use crate::place::SourceId;

/// A hint to the leader's runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Something became ready to be handed out: look for waiting consumers.
    Wake(SourceId),
    /// A partition got longer: look for waiting readers and stream members.
    Appended(TopicId, Partition),
    /// The assignment of a stream subscription changed: positions of its members are void.
    Rebalanced(SourceId),
    /// It matters from now on whether somebody consumes from a queue: say so if somebody does.
    Attend(QueueId),
    /// The source is gone: end its consumers and waiting receives.
    Gone(SourceId),
}
