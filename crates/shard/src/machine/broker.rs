//! The broker's machine as a shard replicates it: nothing but names put beside names.

use broker::Machine;
use broker::codec;
use broker::command::{Action, Batch, Command, Principal, Relocation};
use broker::effect::Effect;
use broker::machine;
use broker::outcome::Outcome;
use broker::wire::WireError;
use bytes::Bytes;
use model::number::{Epoch, LogIndex, Timestamp};
use model::refusal::Refusal;

use super::{Section, SegmentUse, StateMachine, Survivor};

impl StateMachine for Machine {
    type Command = Command;
    type Answer = Result<Outcome, Refusal>;
    type Effect = Effect;
    type Batch = Batch;
    type Token = machine::Survivor;

    fn encode(now: Timestamp, commands: &[Command]) -> Bytes {
        codec::encode(now, commands)
    }

    fn decode(bytes: Bytes) -> Result<Batch, WireError> {
        codec::decode(bytes)
    }

    fn messages(batch: &Batch) -> Vec<Bytes> {
        batch.records()
    }

    fn command_bytes(command: &Command) -> usize {
        command.action.payload_bytes()
    }

    fn is_freeing(command: &Command) -> bool {
        command.action.is_freeing()
    }

    fn open_epoch() -> Command {
        Command { principal: Principal::System, action: Action::OpenEpoch }
    }

    fn tick() -> Command {
        Command { principal: Principal::System, action: Action::Tick }
    }

    fn drop_segments(first: Vec<LogIndex>) -> Command {
        Command { principal: Principal::System, action: Action::DropSegments { first } }
    }

    fn relocate(messages: Vec<(Survivor<machine::Survivor>, Bytes)>) -> Command {
        let mut written = std::collections::BTreeSet::new();
        let relocation = |(survivor, record): (Survivor<machine::Survivor>, Bytes)| Relocation {
            holder: survivor.token.holder,
            from: survivor.at,
            published_at: survivor.token.published_at,
            // A message that several queues hold is written once.
            record: if written.insert(survivor.at) { record } else { Bytes::new() },
        };
        let action = Action::Relocate(messages.into_iter().map(relocation).collect());
        Command { principal: Principal::System, action }
    }

    fn empty() -> Self {
        Self::new()
    }

    fn apply(
        &mut self,
        index: LogIndex,
        segment: LogIndex,
        batch: &Batch,
        effects: &mut Vec<Effect>,
    ) -> Vec<Result<Outcome, Refusal>> {
        Self::apply(self, index, segment, batch, effects)
    }

    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn epoch(&self) -> Epoch {
        Self::epoch(self)
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        Self::next_deadline(self)
    }

    fn segments(&self) -> Vec<SegmentUse> {
        let used = Self::segments(self);
        used.map(|(first, live)| SegmentUse { first, references: live.references, bytes: live.bytes }).collect()
    }

    fn survivors(&self, from: LogIndex, until: LogIndex, max: usize) -> Vec<Survivor<machine::Survivor>> {
        let survivors = Self::survivors(self, from, until, max).into_iter();
        survivors.map(|token| Survivor { at: token.stored.at, token }).collect()
    }

    fn checkpoint(&self) -> Vec<Section> {
        self.sections().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
    }

    fn restore(sections: &[Section]) -> Result<Self, WireError> {
        Self::restore(sections)
    }
}
