//! The machines of a cluster, and what is between them.
//! Invariant: a machine has one process at a time; what another one asks of it goes over the network.
//! Shared by keepers, network, blows and clients. Tests: every seed of several nodes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shard::{Process, Shard};
use storage::disk::simulated::MemoryDisk;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::chance::{Chance, Purpose};
use crate::client::Client;
use crate::clock::{DiskPace, JumpingClock};
use crate::disk::CutDisk;
use crate::life::Ending;
use crate::limits::DAWN_MS;
use crate::nemesis::Survival;
use crate::watched::Watched;
use crate::world::world;

use super::network::Weather;

/// What the folder of a machine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing: it has to join.
    Empty,
    /// It got a number, and has no whole copy yet.
    Joining(u64),
    /// It has a store.
    Member(u64),
}

/// The process of a machine.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) disk: CutDisk,
    pub(super) clock: Arc<JumpingClock>,
    pub(super) pace: Arc<DiskPace>,
    /// Once it is open.
    pub(super) shard: Option<Shard<Watched>>,
    /// Its disk was made to fail or to be small: it may stop by itself.
    pub(super) is_hurt: bool,
    /// It is to stop in order.
    pub(super) is_closing: bool,
}

/// A machine.
pub(super) struct Machine {
    pub(super) disk: MemoryDisk,
    pub(super) stage: Stage,
    /// How far its clock is from that of the others, in milliseconds.
    pub(super) skew_ms: i64,
    pub(super) running: Option<Running>,
    /// When it starts again.
    pub(super) up_at: Instant,
    /// Changes of the disk after which the next start loses its power.
    pub(super) cut_at_start: Option<(u64, Survival)>,
    /// What is left when the power fails.
    pub(super) survival: Survival,
    /// How much it may still write to its disk.
    pub(super) capacity: Option<u64>,
    /// The number under which it was known before it lost its disk; somebody has to take it out of the group.
    pub(super) leaving: Option<u64>,
    /// It is taken out of the group.
    pub(super) is_removed: bool,
    /// It goes down and comes back with an empty disk.
    pub(super) is_disk_lost: bool,
    /// Its disk is empty, and it does not know.
    pub(super) is_blank: bool,
    /// Its power fails behind its answer to the next that asks for its vote, who then does not reach it for so long.
    pub(super) falls_after_vote: Option<u64>,
}

pub(super) struct State {
    pub(super) machines: Vec<Machine>,
    /// Ways from one machine to another on which nothing comes through.
    pub(super) cut: BTreeSet<(usize, usize)>,
    pub(super) weather: Weather,
    pub(super) chance: Chance,
    /// No more faults: whoever falls is up again at once.
    pub(super) is_healed: bool,
}

/// Everything that the machines share. Clones are the same hall.
#[derive(Clone)]
pub(super) struct Hall {
    shared: Arc<(Mutex<State>, Notify)>,
    began: Instant,
}

impl Hall {
    /// Machines without disks' contents; the first one forms the group.
    pub(super) fn new(seed: u64, nodes: usize) -> Self {
        let mut chance = Chance::of(seed, Purpose::Network, 0);
        let now = Instant::now();
        let machine = |slot: usize, chance: &mut Chance| Machine {
            disk: MemoryDisk::new(),
            stage: if slot == 0 { Stage::Member(1) } else { Stage::Empty },
            skew_ms: i64::try_from(chance.below(4000)).unwrap_or_default() - 2000,
            running: None,
            up_at: now,
            cut_at_start: None,
            survival: Survival::Nothing,
            capacity: None,
            leaving: None,
            is_removed: false,
            is_disk_lost: false,
            is_blank: false,
            falls_after_vote: None,
        };
        let machines = (0..nodes).map(|slot| machine(slot, &mut chance)).collect();
        let weather = Weather::draw(&mut chance);
        let state = State { machines, cut: BTreeSet::new(), weather, chance, is_healed: false };
        Self { shared: Arc::new((Mutex::new(state), Notify::new())), began: now }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changed for whoever waits.
    pub(super) fn ring(&self) {
        self.shared.1.notify_waiters();
    }

    /// Waits for a change, or for a while.
    pub(super) async fn changed(&self, at_most: Duration) {
        // A timeout is a look at the same thing a moment later.
        let _looked = tokio::time::timeout(at_most, self.shared.1.notified()).await;
    }

    /// The time of day where no clock is wrong.
    pub(super) fn time_ms(&self) -> u64 {
        DAWN_MS + u64::try_from(self.began.elapsed().as_millis()).unwrap_or_default()
    }

    /// How many machines there are.
    pub(super) fn size(&self) -> usize {
        self.state().machines.len()
    }

    /// The process of a machine.
    pub(super) fn running(&self, slot: usize) -> Option<Running> {
        let state = self.state();
        state.machines.get(slot)?.running.clone().filter(|running| !running.process.is_killed())
    }

    /// The processes that can be talked to, with their machines.
    pub(super) fn open(&self) -> Vec<(usize, Running, Shard<Watched>)> {
        let all = (0..self.size()).filter_map(|slot| {
            let running = self.running(slot)?;
            let shard = running.shard.clone()?;
            Some((slot, running, shard))
        });
        all.collect()
    }

    /// The machine that leads, as far as one that can be asked knows of itself.
    pub(super) fn leading(&self) -> Option<(usize, Running, Shard<Watched>)> {
        let open = self.open().into_iter().filter(|(_, running, _)| !running.process.is_held());
        open.filter(|(_, _, shard)| shard.epoch().is_some() && shard.is_heard()).max_by_key(|(.., shard)| shard.epoch())
    }

    /// The machine that was elected, though it may not serve yet: it cannot before a majority has its log, and one whose
    /// log is too short for that takes a copy first.
    pub(super) fn elected(&self) -> Option<(usize, Running, Shard<Watched>)> {
        let open = self.open().into_iter().filter(|(_, running, _)| !running.process.is_held());
        let elected = open.filter(|(.., shard)| {
            let group = shard.group();
            group.leader == Some(group.own)
        });
        elected.max_by_key(|(.., shard)| shard.group().term)
    }

    /// A client of whoever leads.
    pub(super) fn client(&self) -> Option<(Process, Client)> {
        let (_, running, shard) = self.leading()?;
        Some((running.process, Client { shard, disk: running.disk }))
    }

    /// Whether one machine may lose all that it has: all others are whole, and vote.
    pub(super) fn can_lose_one(&self) -> bool {
        let is_whole = |machine: &Machine| {
            let is_emptied = machine.is_blank || machine.is_disk_lost;
            let is_leaving = machine.leaving.is_some() || machine.is_removed;
            matches!(machine.stage, Stage::Member(_)) && !is_emptied && !is_leaving
        };
        let (nodes, are_whole) = {
            let state = self.state();
            (state.machines.len(), state.machines.iter().all(is_whole))
        };
        let group = self.leading().map(|(.., shard)| shard.group()).filter(|group| !group.is_changing);
        let voters = group.map(|group| group.members.iter().filter(|member| member.votes).count());
        are_whole && voters == Some(nodes)
    }

    /// Lets everything go: what runs knows the hall, and the hall what runs.
    pub(super) fn clear(&self) {
        let machines = std::mem::take(&mut self.state().machines);
        for running in machines.into_iter().filter_map(|machine| machine.running) {
            running.process.kill();
        }
    }

    /// Tells what each machine is and believes, for the story of a seed in which something is not reached.
    pub(super) fn tell(&self) {
        for slot in 0..self.size() {
            let stage = self.state().machines[slot].stage;
            let line = match self.running(slot).map(|running| (running.shard, running.process.is_held())) {
                None => "is down".to_owned(),
                Some((None, _)) => "is not open yet".to_owned(),
                Some((Some(shard), is_held)) => {
                    let (group, status) = (shard.group(), shard.status());
                    let (epoch, is_heard, applied) = (shard.epoch(), shard.is_heard(), status.applied.get());
                    format!("held {is_held}, open {epoch:?}, heard {is_heard}, applied {applied}, {group:?}")
                }
            };
            world(|world| world.tell(format!("machine {slot}, {stage:?}: {line}")));
        }
    }

    /// A machine's process has ended: what its disk holds, and when it starts again.
    pub(super) fn fell(&self, slot: usize, ending: Ending, disk: MemoryDisk) {
        let mut state = self.state();
        let is_quick = matches!(ending, Ending::Closed | Ending::Faulted) && state.chance.one_in(2);
        let most_ms = match (is_quick, state.chance.one_in(6)) {
            (true, _) => 100,
            (false, true) => 20_000,
            (false, false) => 2500,
        };
        let pause_ms = if state.is_healed { 10 } else { state.chance.below(most_ms) };
        let machine = &mut state.machines[slot];
        machine.running = None;
        machine.disk = disk;
        machine.up_at = Instant::now() + Duration::from_millis(pause_ms);
        let is_disk_lost = machine.is_disk_lost;
        drop(state);
        if is_disk_lost {
            self.wipe(slot);
        }
        self.ring();
    }
}
