//! The machine of the product with somebody looking over its shoulder.
//! Invariant: every call goes to the machine unchanged; the world only looks.
//! Replicated by the shard of a life. Tests: every seed.

use broker::Machine;
use broker::command::{Batch, Command};
use broker::effect::Effect;
use broker::machine::Survivor as Token;
use broker::outcome::Outcome;
use broker::wire::WireError;
use bytes::Bytes;
use model::number::{Epoch, LogIndex, Timestamp};
use model::refusal::Refusal;
use shard::{Section, SegmentUse, StateMachine, Survivor};

use crate::trace::fold;
use crate::world::world;

/// The machine.
pub struct Watched(pub Machine);

/// A batch with the hash of its bytes.
pub struct Hashed {
    /// It.
    pub batch: Batch,
    /// Of its encoded form.
    pub hash: u64,
}

impl StateMachine for Watched {
    type Command = Command;
    type Answer = Result<Outcome, Refusal>;
    type Effect = Effect;
    type Batch = Hashed;
    type Token = Token;

    fn encode(now: Timestamp, commands: &[Command]) -> Bytes {
        Machine::encode(now, commands)
    }

    fn decode(bytes: Bytes) -> Result<Hashed, WireError> {
        let hash = fold(0, &bytes);
        Ok(Hashed { batch: Machine::decode(bytes)?, hash })
    }

    fn messages(batch: &Hashed) -> Vec<Bytes> {
        Machine::messages(&batch.batch)
    }

    fn command_bytes(command: &Command) -> usize {
        Machine::command_bytes(command)
    }

    fn is_freeing(command: &Command) -> bool {
        Machine::is_freeing(command)
    }

    fn open_epoch() -> Command {
        Machine::open_epoch()
    }

    fn tick() -> Command {
        Machine::tick()
    }

    fn drop_segments(first: Vec<LogIndex>) -> Command {
        Machine::drop_segments(first)
    }

    fn relocate(messages: Vec<(Survivor<Token>, Bytes)>) -> Command {
        Machine::relocate(messages)
    }

    fn empty() -> Self {
        world(|world| world.observer.begins_empty());
        Self(<Machine as StateMachine>::empty())
    }

    fn apply(
        &mut self,
        index: LogIndex,
        segment: LogIndex,
        batch: &Hashed,
        effects: &mut Vec<Effect>,
    ) -> Vec<Result<Outcome, Refusal>> {
        let answers = <Machine as StateMachine>::apply(&mut self.0, index, segment, &batch.batch, effects);
        world(|world| world.applied(index, segment, batch, &answers, &self.0));
        answers
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.0.next_deadline()
    }

    fn segments(&self) -> Vec<SegmentUse> {
        StateMachine::segments(&self.0)
    }

    fn survivors(&self, from: LogIndex, until: LogIndex, max: usize) -> Vec<Survivor<Token>> {
        StateMachine::survivors(&self.0, from, until, max)
    }

    fn checkpoint(&self) -> Vec<Section> {
        world(|world| world.saved(&self.0));
        self.0.checkpoint()
    }

    fn restore(sections: &[Section]) -> Result<Self, WireError> {
        let machine = <Machine as StateMachine>::restore(sections)?;
        world(|world| world.restored(&machine));
        Ok(Self(machine))
    }
}
