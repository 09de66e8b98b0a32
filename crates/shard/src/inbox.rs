//! Commands that wait to be put into a batch.
//! Invariant: commands and bytes that wait are bounded; groups leave in the order in which they came; every
//! group that was let in is answered exactly once.
//! Called by `Shard::submit` on one side and by the sequencer on the other. Tests: below, `tests/sequencer.rs`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use model::failure::{Failure, Unavailable};
use tokio::sync::{Notify, oneshot};

use crate::limits::{BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, GROUP_BYTES_MAX, INBOX_BYTES_MAX, INBOX_COMMANDS_MAX};

/// How much a group of commands needs the log to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Waits for room on the disk.
    Ordinary,
    /// Settles, consumes or deletes: goes on when the disk is nearly full.
    Freeing,
    /// The shard's own: frees disk, so it cannot wait for room.
    Own,
}

/// The answers of a group, or why there are none.
pub(crate) type Reply<A> = Result<Vec<A>, Failure>;

/// Commands that were submitted together and go into one batch.
pub(crate) struct Group<C, A> {
    commands: Vec<C>,
    /// How many commands it came with.
    pub(crate) size: usize,
    bytes: usize,
    pub(crate) urgency: Urgency,
    reply: oneshot::Sender<Reply<A>>,
}

impl<C, A> Group<C, A> {
    pub(crate) fn new(commands: Vec<C>, bytes: usize, urgency: Urgency) -> (Self, oneshot::Receiver<Reply<A>>) {
        let (reply, answer) = oneshot::channel();
        (Self { size: commands.len(), commands, bytes, urgency, reply }, answer)
    }

    /// The commands, once, for the batch.
    pub(crate) fn take_commands(&mut self) -> Vec<C> {
        std::mem::take(&mut self.commands)
    }

    /// Answers. A caller that went away is not an error: its command was done or not all the same.
    pub(crate) fn answer(self, reply: Reply<A>) {
        drop(self.reply.send(reply));
    }
}

/// Who may still come in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Door {
    Open,
    /// Only the shard itself; others hear this.
    Own(Unavailable),
    Shut(Failure),
}

struct State<C, A> {
    groups: VecDeque<Group<C, A>>,
    commands: usize,
    bytes: usize,
    door: Door,
}

/// The queue in front of the sequencer.
pub(crate) struct Inbox<C, A> {
    state: Mutex<State<C, A>>,
    arrived: Notify,
}

impl<C, A> Inbox<C, A> {
    /// Closed to others until the first leadership.
    pub(crate) fn new() -> Self {
        let door = Door::Own(Unavailable::Starting);
        let state = State { groups: VecDeque::new(), commands: 0, bytes: 0, door };
        Self { state: Mutex::new(state), arrived: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<C, A>> {
        self.state.lock().expect("no holder panics")
    }

    /// Lets a group in, or answers it at once.
    pub(crate) fn submit(&self, group: Group<C, A>) {
        let mut state = self.state();
        if let Err(failure) = state.admit(&group) {
            drop(state);
            group.answer(Err(failure));
            return;
        }
        state.commands += group.commands.len();
        state.bytes += group.bytes;
        state.groups.push_back(group);
        drop(state);
        self.arrived.notify_one();
    }

    /// The groups of the next batch; at least one if any waits.
    pub(crate) fn take(&self) -> Vec<Group<C, A>> {
        let mut state = self.state();
        let mut taken = Vec::new();
        let (mut commands, mut bytes) = (0, 0);
        while let Some(next) = state.groups.front() {
            commands += next.commands.len();
            bytes += next.bytes;
            if !taken.is_empty() && (BATCH_COMMANDS_MAX < commands || BATCH_BYTES_MAX < bytes) {
                break;
            }
            let Some(group) = state.groups.pop_front() else { break };
            state.commands -= group.commands.len();
            state.bytes -= group.bytes;
            taken.push(group);
        }
        taken
    }

    /// Waits until something may be there.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().groups.is_empty()
    }

    /// Lets everyone in, unless the shard is draining or stopped.
    pub(crate) fn open(&self) {
        let mut state = self.state();
        if matches!(state.door, Door::Own(Unavailable::Starting | Unavailable::NoLeader)) {
            state.door = Door::Open;
        }
    }

    /// Lets only the shard itself in; what waits stays.
    pub(crate) fn drain(&self) {
        let mut state = self.state();
        if !matches!(state.door, Door::Shut(_)) {
            state.door = Door::Own(Unavailable::Draining);
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// Leadership is lost: what waits is answered, others hear so until there is a leader again.
    pub(crate) fn depose(&self) {
        let mut state = self.state();
        if state.door == Door::Open {
            state.door = Door::Own(Unavailable::NoLeader);
        }
        let waiting = state.clear();
        drop(state);
        answer_all(waiting, &Unavailable::NoLeader.into());
    }

    /// Nothing comes in any more, and what waits is answered. The first reason stays.
    pub(crate) fn shut(&self, failure: Failure) {
        let mut state = self.state();
        if !matches!(state.door, Door::Shut(_)) {
            state.door = Door::Shut(failure.clone());
        }
        let waiting = state.clear();
        drop(state);
        answer_all(waiting, &failure);
        self.arrived.notify_one();
    }

    /// Whether `shut` was called.
    pub(crate) fn is_shut(&self) -> bool {
        matches!(self.state().door, Door::Shut(_))
    }

    /// What a submission hears now, if it would not be let in.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        match &self.state().door {
            Door::Open => None,
            Door::Own(unavailable) => Some(unavailable.clone().into()),
            Door::Shut(failure) => Some(failure.clone()),
        }
    }
}

impl<C, A> State<C, A> {
    fn admit(&self, group: &Group<C, A>) -> Result<(), Failure> {
        match (&self.door, group.urgency) {
            (Door::Shut(failure), _) => return Err(failure.clone()),
            (Door::Own(unavailable), Urgency::Ordinary | Urgency::Freeing) => return Err(unavailable.clone().into()),
            (Door::Open | Door::Own(_), _) => {}
        }
        if BATCH_COMMANDS_MAX < group.commands.len() || INBOX_COMMANDS_MAX < self.commands + group.commands.len() {
            return Err(Unavailable::Busy.into());
        }
        if GROUP_BYTES_MAX < group.bytes || INBOX_BYTES_MAX < self.bytes + group.bytes {
            return Err(Unavailable::MemoryFull.into());
        }
        Ok(())
    }

    fn clear(&mut self) -> VecDeque<Group<C, A>> {
        self.commands = 0;
        self.bytes = 0;
        std::mem::take(&mut self.groups)
    }
}

fn answer_all<C, A>(groups: VecDeque<Group<C, A>>, failure: &Failure) {
    for group in groups {
        group.answer(Err(failure.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Reply<()>>;

    fn submit(inbox: &Inbox<u8, ()>, commands: usize, bytes: usize) -> Answer {
        let (group, answer) = Group::new(vec![0; commands], bytes, Urgency::Ordinary);
        inbox.submit(group);
        answer
    }

    fn opened() -> Inbox<u8, ()> {
        let inbox = Inbox::new();
        inbox.open();
        inbox
    }

    fn refused(mut answer: Answer) -> Option<Failure> {
        answer.try_recv().ok().and_then(Result::err)
    }

    #[test]
    fn more_commands_than_the_bound_are_busy() {
        let inbox = opened();
        let mut kept = Vec::new();
        for _ in 0..INBOX_COMMANDS_MAX / BATCH_COMMANDS_MAX {
            kept.push(submit(&inbox, BATCH_COMMANDS_MAX, 1));
        }
        assert_eq!(refused(submit(&inbox, 1, 1)), Some(Unavailable::Busy.into()));
        assert_eq!(inbox.take().len(), 1);
        assert_eq!(refused(submit(&inbox, 1, 1)), None);
        assert_eq!(refused(submit(&inbox, BATCH_COMMANDS_MAX + 1, 1)), Some(Unavailable::Busy.into()));
    }

    #[test]
    fn more_bytes_than_the_bound_fill_the_memory() {
        let inbox = opened();
        let _first = submit(&inbox, 1, GROUP_BYTES_MAX);
        let rest = INBOX_BYTES_MAX - GROUP_BYTES_MAX;
        assert_eq!(refused(submit(&inbox, 1, rest + 1)), Some(Unavailable::MemoryFull.into()));
        assert_eq!(refused(submit(&inbox, 1, rest)), None);
        assert_eq!(refused(submit(&opened(), 1, GROUP_BYTES_MAX + 1)), Some(Unavailable::MemoryFull.into()));
    }

    #[test]
    fn a_batch_ends_at_its_bounds_and_a_large_group_goes_alone() {
        let inbox = opened();
        let sizes = [10, BATCH_BYTES_MAX - 10, 1, BATCH_BYTES_MAX * 2, 5];
        let _kept: Vec<_> = sizes.iter().map(|bytes| submit(&inbox, 1, *bytes)).collect();
        let batches: Vec<usize> = (0..5).map(|_| inbox.take().len()).collect();
        assert_eq!(batches, [2, 1, 1, 1, 0]);
        let _kept: Vec<_> = (0..3).map(|_| submit(&inbox, BATCH_COMMANDS_MAX / 2, 1)).collect();
        assert_eq!((inbox.take().len(), inbox.take().len()), (2, 1));
    }

    #[test]
    fn what_waits_hears_why_it_is_not_done() {
        let inbox = Inbox::<u8, ()>::new();
        assert_eq!(refused(submit(&inbox, 1, 1)), Some(Unavailable::Starting.into()));
        inbox.open();
        let waiting = submit(&inbox, 1, 1);
        inbox.depose();
        assert_eq!(refused(waiting), Some(Unavailable::NoLeader.into()));
        inbox.drain();
        inbox.open();
        assert_eq!(refused(submit(&inbox, 1, 1)), Some(Unavailable::Draining.into()));
        inbox.shut(Unavailable::Unknown.into());
        assert_eq!(refused(submit(&inbox, 1, 1)), Some(Unavailable::Unknown.into()));
    }
}
