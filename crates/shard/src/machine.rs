//! What a shard asks of the state machine that it replicates.
//! Invariant: `apply` depends on the state and its arguments alone; everything else only reads.
//! Implemented by `broker::Machine` in `machine/broker.rs`, and by a small register in the tests.

mod broker;

use std::fmt::Debug;

use ::broker::place::MessageRef;
use ::broker::wire::WireError;
use bytes::Bytes;
use model::number::{ByteSize, Epoch, LogIndex, Timestamp};

/// A part of the saved state: its name and its bytes.
pub type Section = (String, Bytes);

/// A live message in a segment that is worth emptying.
#[derive(Clone, Debug)]
pub struct Survivor<S> {
    /// Where it lies.
    pub at: MessageRef,
    /// What the machine needs to recognise it.
    pub token: S,
}

/// What is needed of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentUse {
    /// Its first log index.
    pub first: LogIndex,
    /// How many references lead into it.
    pub references: u64,
    /// Bytes that they refer to.
    pub bytes: ByteSize,
}

/// A deterministic state machine over an ordered log of batches.
pub trait StateMachine: Send + Sized + 'static {
    /// What is submitted.
    type Command: Clone + Send + Sync + Debug + 'static;
    /// What a command comes to: done or refused.
    type Answer: Send + Sync + 'static;
    /// What the leader's runtime should look at.
    type Effect: Send + 'static;
    /// A decoded batch.
    type Batch: Send + Sync + 'static;
    /// Identifies a live message for relocation.
    type Token: Send + 'static;

    /// Encodes a batch, once, for disk, replicas and memory alike.
    fn encode(now: Timestamp, commands: &[Self::Command]) -> Bytes;
    /// Decodes a batch; messages share the memory of `bytes`.
    ///
    /// # Errors
    /// When the bytes are no batch of a known version.
    fn decode(bytes: Bytes) -> Result<Self::Batch, WireError>;
    /// The messages of a batch, by position.
    fn messages(batch: &Self::Batch) -> Vec<Bytes>;
    /// Roughly how many bytes a command takes in a batch.
    fn command_bytes(command: &Self::Command) -> usize;

    /// Whether a command settles, consumes or deletes, so that it goes on when the disk is nearly full.
    fn is_freeing(command: &Self::Command) -> bool;

    /// The command that a new leader begins with.
    fn open_epoch() -> Self::Command;
    /// The command that only lets time pass.
    fn tick() -> Self::Command;
    /// The command that makes the machine forget dead segments.
    fn drop_segments(first: Vec<LogIndex>) -> Self::Command;
    /// The command that writes live messages again.
    fn relocate(messages: Vec<(Survivor<Self::Token>, Bytes)>) -> Self::Command;

    /// An empty machine.
    fn empty() -> Self;
    /// Applies a committed batch that lies in the segment that starts at `segment`. One answer a command.
    fn apply(
        &mut self,
        index: LogIndex,
        segment: LogIndex,
        batch: &Self::Batch,
        effects: &mut Vec<Self::Effect>,
    ) -> Vec<Self::Answer>;
    /// The time of the newest batch.
    fn now(&self) -> Timestamp;
    /// The leadership that the newest `open_epoch` began.
    fn epoch(&self) -> Epoch;
    /// When the next thing is due without a command.
    fn next_deadline(&self) -> Option<Timestamp>;
    /// What is needed of each segment that the machine knows, oldest first.
    fn segments(&self) -> Vec<SegmentUse>;
    /// Up to `max` live messages with `from <= log index < until`.
    fn survivors(&self, from: LogIndex, until: LogIndex, max: usize) -> Vec<Survivor<Self::Token>>;
    /// The whole state.
    fn checkpoint(&self) -> Vec<Section>;
    /// The machine that was saved in these sections. Sections of other names are to be ignored.
    ///
    /// # Errors
    /// When they do not hold what they should.
    fn restore(sections: &[Section]) -> Result<Self, WireError>;
}
