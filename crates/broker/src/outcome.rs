//! What became of a command that was not refused.

use model::access::TokenDescription;
use model::binding::Fate;
use model::number::{Epoch, Partition};
use model::operation::Response;

/// Where a message was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The partition.
    pub partition: Partition,
    /// The sequence in a queue partition or the offset in a topic partition.
    pub place: u64,
    /// True when a message with this id was there already: nothing was added.
    pub duplicate: bool,
}

/// What became of a message that was routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// In a word.
    pub fate: Fate,
    /// How many queues and topics took it.
    pub taken: u32,
    /// How many had a message with its id already.
    pub duplicates: u32,
    /// How many refused it.
    pub refused: u32,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Done, and there is nothing to say.
    Done,
    /// The answer, complete but for totals, which the leader's runtime counts.
    Response(Box<Response>),
    /// Where the messages of a publish are, in its order.
    Placed(Vec<Placed>),
    /// What became of the messages of a publish through an exchange, in its order.
    Routed(Vec<Tally>),
    /// Which picks of a lease took effect, in its order.
    Leased(Vec<bool>),
    /// A token was recorded; the node adds the secret, which the machine never sees.
    Token(Box<TokenDescription>),
    /// The leadership that has begun.
    Epoch(Epoch),
}

impl Outcome {
    /// A complete answer.
    pub fn response(response: Response) -> Self {
        Self::Response(Box::new(response))
    }
}
