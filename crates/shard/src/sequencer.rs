//! The one task that puts commands into batches, in the order in which they came.
//! Invariants: at most `BATCHES_IN_FLIGHT_MAX` batches are proposed and not answered; the time of batches
//! never goes back; the first batch of a leadership opens its epoch, and nobody is let in before.
//! Started by `Shard::open`. Tests: `tests/sequencer.rs`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::failure::{Failure, Unavailable};
use model::number::{Epoch, Timestamp};

use crate::clock::Clock;
use crate::inbox::{Group, Inbox, Urgency};
use crate::limits::{BATCHES_IN_FLIGHT_MAX, RETRY_PAUSE, UNHEARD_MS};
use crate::machine::StateMachine;
use crate::raft::member::{Committed, Fall, Leadership, Loss, Member, Pending};
use crate::raft::state::State;
use crate::room::Room;
use crate::watch;

/// Commands of a machine with the way back to who submitted them.
pub(crate) type GroupOf<M> = Group<<M as StateMachine>::Command, <M as StateMachine>::Answer>;
/// The queue of a machine's commands.
pub(crate) type InboxOf<M> = Inbox<<M as StateMachine>::Command, <M as StateMachine>::Answer>;

/// A batch that is proposed, and who waits for it.
struct Flight<M: StateMachine> {
    pending: Pending,
    groups: Vec<GroupOf<M>>,
}

/// Why a leadership ended.
enum Ending {
    Deposed,
    /// Nothing was let in: the leadership was on its way to another replica.
    NeverOpen,
    Stopped,
}

/// The sequencer of one shard.
pub(crate) struct Sequencer<M: StateMachine> {
    pub(crate) member: Member<M>,
    pub(crate) state: State<M>,
    pub(crate) inbox: Arc<InboxOf<M>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) room: Arc<Room>,
    /// The leadership that is open; `None` while there is none.
    pub(crate) epoch: watch::Sender<Option<Epoch>>,
    /// The time of the newest batch.
    pub(crate) last: Timestamp,
}

impl<M: StateMachine> Sequencer<M> {
    /// Works until the shard stops.
    pub(crate) async fn run(mut self) {
        while let Some(leadership) = self.member.lead().await {
            let ending = self.reign(leadership).await;
            self.epoch.send(None);
            match ending {
                Ending::Deposed => self.inbox.depose(),
                Ending::NeverOpen => {
                    self.inbox.depose();
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Ending::Stopped => break,
            }
        }
        self.inbox.shut(self.why_stopped());
    }

    fn why_stopped(&self) -> Failure {
        self.state.log.health.failure().unwrap_or_else(|| Unavailable::Draining.into())
    }

    async fn reign(&mut self, leadership: Leadership) -> Ending {
        let member = self.member.clone();
        let deposed = member.depose(leadership);
        tokio::pin!(deposed);
        let mut flights = VecDeque::new();
        // What lies before this leadership is applied; a clock that is behind must not stamp before it.
        self.last = self.last.max(self.state.applied().machine.now());
        let opened = tokio::select! {
            biased;
            opened = self.open_epoch(leadership) => opened,
            _ = &mut deposed => Err(Ending::NeverOpen),
        };
        if let Err(ending) = opened {
            return ending;
        }
        loop {
            while flights.len() < BATCHES_IN_FLIGHT_MAX && !self.inbox.is_empty() {
                match self.launch(leadership).await {
                    Ok(flight) => flights.extend(flight),
                    Err(ending) => return self.land(flights, ending).await,
                }
            }
            if self.inbox.is_shut() && flights.is_empty() {
                return Ending::Stopped;
            }
            tokio::select! {
                biased;
                outcome = front(&mut flights), if !flights.is_empty() => {
                    let flight = flights.pop_front().expect("a flight was awaited");
                    if let Err(ending) = settle::<M>(flight.groups, outcome) {
                        return self.land(flights, ending).await;
                    }
                }
                fall = &mut deposed => return match fall {
                    Fall::Replaced => self.land(flights, Ending::Deposed).await,
                    Fall::Unheard => crash::<M>(flights),
                },
                () = self.inbox.arrived(), if flights.len() < BATCHES_IN_FLIGHT_MAX => {}
            }
        }
    }

    /// Waits for what is under way when a leadership ends: each was committed or not. Not for ever: a successor that has
    /// given up the log behind it never tells.
    async fn land(&self, mut flights: VecDeque<Flight<M>>, mut ending: Ending) -> Ending {
        let until = tokio::time::Instant::now() + Duration::from_millis(UNHEARD_MS);
        while let Some(mut flight) = flights.pop_front() {
            let Ok(outcome) = tokio::time::timeout_at(until, &mut flight.pending).await else {
                flights.push_front(flight);
                crash::<M>(flights);
                return ending;
            };
            if let Err(Ending::Stopped) = settle::<M>(flight.groups, outcome) {
                ending = Ending::Stopped;
            }
        }
        ending
    }

    async fn open_epoch(&mut self, leadership: Leadership) -> Result<(), Ending> {
        let batch = M::encode(self.stamp(), &[M::open_epoch()]);
        let outcome = match self.member.propose(leadership, batch).await {
            Ok(pending) => pending.await,
            Err(loss) => Err(loss),
        };
        match outcome {
            Ok(committed) => {
                // Open before it is told: whoever hears of the leadership may submit at once.
                self.inbox.open();
                self.epoch.send(Some(Epoch::new(committed.index)));
                Ok(())
            }
            Err(Loss::NotLeader | Loss::Unknown) => Err(Ending::NeverOpen),
            Err(Loss::Stopped(_)) => Err(Ending::Stopped),
        }
    }

    /// Proposes what waits. `None` when the disk has no room for any of it.
    async fn launch(&mut self, leadership: Leadership) -> Result<Option<Flight<M>>, Ending> {
        let mut groups = self.inbox.take();
        for urgency in [Urgency::Ordinary, Urgency::Freeing] {
            if groups.iter().any(|group| group.urgency == urgency) && !self.room.allows(urgency) {
                let (refused, kept) = groups.into_iter().partition(|group: &GroupOf<M>| group.urgency == urgency);
                groups = kept;
                answer_all::<M>(refused, &Unavailable::DiskNearlyFull.into());
            }
        }
        if groups.is_empty() {
            return Ok(None);
        }
        let commands: Vec<M::Command> = groups.iter_mut().flat_map(Group::take_commands).collect();
        let batch = M::encode(self.stamp(), &commands);
        match self.member.propose(leadership, batch).await {
            Ok(pending) => Ok(Some(Flight { pending, groups })),
            Err(loss) => Err(refuse::<M>(groups, loss)),
        }
    }

    /// The time of the next batch.
    fn stamp(&mut self) -> Timestamp {
        self.last = self.last.max(self.clock.now());
        self.last
    }
}

/// Answers what is under way without knowing what becomes of it.
fn crash<M: StateMachine>(flights: VecDeque<Flight<M>>) -> Ending {
    flights.into_iter().for_each(|flight| answer_all::<M>(flight.groups, &Unavailable::Unknown.into()));
    Ending::Deposed
}

async fn front<M: StateMachine>(flights: &mut VecDeque<Flight<M>>) -> Result<Committed, Loss> {
    match flights.front_mut() {
        Some(flight) => (&mut flight.pending).await,
        None => std::future::pending().await,
    }
}

fn settle<M: StateMachine>(groups: Vec<GroupOf<M>>, outcome: Result<Committed, Loss>) -> Result<(), Ending> {
    match outcome {
        Ok(committed) => {
            let answers: Vec<M::Answer> = committed.answers.take().unwrap_or_default();
            let mut answers = answers.into_iter();
            for group in groups {
                let own = answers.by_ref().take(group.size).collect();
                group.answer(Ok(own));
            }
            Ok(())
        }
        Err(loss) => Err(refuse::<M>(groups, loss)),
    }
}

fn refuse<M: StateMachine>(groups: Vec<GroupOf<M>>, loss: Loss) -> Ending {
    let (failure, ending) = match loss {
        Loss::NotLeader => (Unavailable::NoLeader.into(), Ending::Deposed),
        Loss::Unknown => (Unavailable::Unknown.into(), Ending::Deposed),
        Loss::Stopped(Some(fault)) => (Failure::Fault(fault), Ending::Stopped),
        Loss::Stopped(None) => (Unavailable::Unknown.into(), Ending::Stopped),
    };
    answer_all::<M>(groups, &failure);
    ending
}

fn answer_all<M: StateMachine>(groups: Vec<GroupOf<M>>, failure: &Failure) {
    for group in groups {
        group.answer(Err(failure.clone()));
    }
}
