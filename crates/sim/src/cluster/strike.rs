//! Lets a blow strike, and what it did end after its time.
//! Invariant: what is struck heals by itself or at the end of the storm; a disk is lost only where all others are whole.
//! Called by `storm`.

use std::path::Path;
use std::time::Duration;

use storage::disk::Disk;
use storage::disk::simulated::MemoryDisk;

use crate::events::Event;
use crate::life::FOLDER;
use crate::limits::CLUSTER_PAUSE;
use crate::nemesis::Survival;
use crate::world::world;

use super::blows::{Blow, Whom};
use super::hall::{Hall, Stage};
use super::join;
use super::network::Weather;

fn note(event: Event) {
    world(|world| world.notes.tally.note(event));
}

/// Does something later, unless all was healed before.
fn later(hall: &Hall, after_ms: u64, work: impl FnOnce(&Hall) + Send + 'static) {
    let hall = hall.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        if !hall.state().is_healed {
            work(&hall);
        }
    });
}

const fn has_bit(bits: u64, slot: usize) -> bool {
    bits >> (slot % 64) & 1 == 1
}

impl Hall {
    fn met(&self, whom: Whom) -> usize {
        match whom {
            Whom::Leader => self.leading().map_or(0, |(slot, ..)| slot),
            Whom::Machine(number) => number % self.size(),
        }
    }

    fn hurt(&self, slot: usize) {
        if let Some(running) = &mut self.state().machines[slot].running {
            running.is_hurt = true;
        }
    }

    /// Cuts the ways for which `is_cut` says so, for a while.
    fn cut(&self, event: Event, while_ms: u64, is_cut: impl Fn(usize, usize) -> bool) {
        let size = self.size();
        let ways = (0..size).flat_map(|from| (0..size).map(move |to| (from, to)));
        let ways: Vec<_> = ways.filter(|(from, to)| from != to && is_cut(*from, *to)).collect();
        note(event);
        self.state().cut.extend(&ways);
        later(self, while_ms, move |hall| {
            let mut state = hall.state();
            ways.iter().for_each(|way| {
                state.cut.remove(way);
            });
        });
    }

    /// A voter has answered: where that was waited for, its power fails, and it hears nothing from whoever asked.
    pub(super) fn fall_after_vote(&self, candidate: usize, voter: usize) -> bool {
        let Some(while_ms) = self.state().machines[voter].falls_after_vote.take() else { return false };
        note(Event::VoterFell);
        self.cut(Event::OneWayCut, while_ms, |from, to| from == candidate && to == voter);
        self.power_of([voter].into_iter(), Survival::Nothing);
        true
    }

    fn power_of(&self, slots: impl Iterator<Item = usize>, survival: Survival) {
        for slot in slots {
            self.state().machines[slot].survival = survival;
            if let Some(running) = self.running(slot) {
                running.disk.cut();
            }
        }
    }

    /// Lets a blow strike.
    pub(super) fn strike(&self, blow: Blow) {
        match blow {
            Blow::Kill(_)
            | Blow::PowerCut(..)
            | Blow::PowerCutTwice(..)
            | Blow::PowerOfSome(..)
            | Blow::PowerOfAll(_)
            | Blow::Restart(_)
            | Blow::Hold(..)
            | Blow::FallAfterVote(..) => self.strike_process(blow),
            Blow::Failing(..) | Blow::Full(..) | Blow::Slow(..) | Blow::Jump(..) => self.strike_machine(blow),
            // Struck by the storm, which has the clients.
            Blow::Vanish | Blow::Forget => {}
            Blow::Isolate(..) | Blow::OneWay(..) | Blow::Halves(..) | Blow::Ring(..) | Blow::Weather(..) => {
                self.strike_network(blow);
            }
            Blow::Transfer | Blow::LoseDisk(_) | Blow::Remove(_) => self.strike_group(blow),
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the others are struck elsewhere")]
    fn strike_process(&self, blow: Blow) {
        match blow {
            Blow::Kill(whom) => {
                if let Some(running) = self.running(self.met(whom)) {
                    note(Event::Kill);
                    running.process.kill();
                }
            }
            Blow::PowerCut(whom, after, survival) => {
                let slot = self.met(whom);
                self.state().machines[slot].survival = survival;
                if let Some(running) = self.running(slot) {
                    running.disk.cut_before(after);
                }
            }
            Blow::PowerCutTwice(whom, after, survival) => {
                let slot = self.met(whom);
                self.state().machines[slot].cut_at_start = Some((after, survival));
                self.power_of([slot].into_iter(), survival);
            }
            Blow::PowerOfSome(bits, survival) => {
                note(Event::PowerOfSome);
                self.power_of((0..self.size()).filter(|slot| has_bit(bits, *slot)), survival);
            }
            Blow::PowerOfAll(survival) => {
                note(Event::PowerOfAll);
                self.power_of(0..self.size(), survival);
            }
            Blow::Restart(whom) => {
                note(Event::CleanRestart);
                world(|world| world.around.closing = true);
                let slot = self.met(whom);
                if let Some(running) = &mut self.state().machines[slot].running {
                    running.is_closing = true;
                }
                self.ring();
            }
            Blow::Hold(whom, while_ms) => {
                if let Some(running) = self.running(self.met(whom)) {
                    note(Event::Held);
                    running.process.hold();
                    later(self, while_ms, move |_| running.process.resume());
                }
            }
            Blow::FallAfterVote(whom, while_ms) => {
                let (slot, size) = (self.met(whom), self.size());
                // Places behind the machine, by turns: so no half is a majority without it.
                let half = move |other: usize| (other + size - slot) % size % 2;
                let is_between = move |from: usize, to: usize| from != slot && to != slot && half(from) != half(to);
                self.cut(Event::HalvesCut, while_ms, is_between);
                self.state().machines[slot].falls_after_vote = Some(while_ms);
                if let Some(running) = self.running(slot) {
                    running.process.kill();
                }
            }
            _ => {}
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the others are struck elsewhere")]
    fn strike_network(&self, blow: Blow) {
        match blow {
            Blow::Isolate(whom, while_ms) => {
                let slot = self.met(whom);
                self.cut(Event::Isolated, while_ms, |from, to| from == slot || to == slot);
            }
            Blow::OneWay(whom, is_out, while_ms) => {
                let slot = self.met(whom);
                self.cut(Event::OneWayCut, while_ms, |from, to| slot == if is_out { from } else { to });
            }
            Blow::Halves(bits, while_ms) => {
                self.cut(Event::HalvesCut, while_ms, |from, to| has_bit(bits, from) != has_bit(bits, to));
            }
            Blow::Ring(turn, while_ms) => {
                let size = self.size();
                let gap = turn % size;
                let is_cut = |from: usize, to: usize| {
                    let apart = (from + size - to) % size;
                    let is_next = apart == 1 || apart + 1 == size;
                    // A ring of three would be whole: it is opened at one place.
                    !is_next || (size == 3 && from != gap && to != gap)
                };
                self.cut(Event::RingCut, while_ms, is_cut);
            }
            Blow::Weather(lost_permille, while_ms) => {
                note(Event::BadWeather);
                let mut state = self.state();
                let usual = state.weather;
                state.weather =
                    Weather { micros_max: 20_000, late_permille: 50, lost_permille, twice_permille: lost_permille / 2 };
                drop(state);
                later(self, while_ms, move |hall| hall.state().weather = usual);
            }
            _ => {}
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the others are struck elsewhere")]
    fn strike_machine(&self, blow: Blow) {
        match blow {
            Blow::Jump(whom, by_ms) => {
                note(if by_ms < 0 { Event::ClockBack } else { Event::ClockForward });
                let slot = self.met(whom);
                self.state().machines[slot].skew_ms += by_ms;
                if let Some(running) = self.running(slot) {
                    running.clock.jump(by_ms);
                }
            }
            Blow::Failing(whom, call, nth) => {
                let slot = self.met(whom);
                let Some(running) = self.running(slot) else { return };
                self.hurt(slot);
                world(|world| world.around.disk_failed = true);
                running.disk.under().fail(call.operation().0, nth, std::io::ErrorKind::Other);
            }
            Blow::Full(whom, bytes, while_ms) => {
                let slot = self.met(whom);
                let Some(running) = self.running(slot) else { return };
                let free = running.disk.under().free_bytes(Path::new(FOLDER)).unwrap_or_default();
                let capacity = Some((1_u64 << 40).saturating_sub(free) + bytes);
                self.hurt(slot);
                running.disk.under().set_capacity(capacity);
                self.state().machines[slot].capacity = capacity;
                world(|world| {
                    world.around.disk_small = true;
                    world.around.disk_is_small = true;
                });
                later(self, while_ms, move |hall| hall.give_room(slot));
            }
            Blow::Slow(whom, factor, while_ms) => {
                let Some(running) = self.running(self.met(whom)) else { return };
                note(Event::DiskSlow);
                running.pace.slow_down(factor);
                later(self, while_ms, move |_| running.pace.slow_down(1));
            }
            _ => {}
        }
    }

    /// The disk of a machine is large again.
    pub(super) fn give_room(&self, slot: usize) {
        let mut state = self.state();
        state.machines[slot].capacity = None;
        if let Some(running) = &state.machines[slot].running {
            running.disk.under().set_capacity(None);
        }
        drop(state);
        world(|world| world.around.disk_is_small = false);
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the others are struck elsewhere")]
    fn strike_group(&self, blow: Blow) {
        match blow {
            Blow::Transfer => {
                let Some((_, running, shard)) = self.leading() else { return };
                let handing = running.process.run(async move { shard.hand_over(None).await });
                tokio::spawn(async move {
                    if let Ok(Ok(())) = handing.await {
                        note(Event::LeadershipHandedOver);
                    }
                });
            }
            Blow::LoseDisk(whom) => {
                let slot = self.met(whom);
                let hall = self.clone();
                tokio::spawn(async move { hall.lose_disk_where_one_may(slot).await });
            }
            Blow::Remove(whom) => {
                let slot = self.met(whom);
                let Stage::Member(node) = self.state().machines[slot].stage else { return };
                if !self.can_lose_one() {
                    return;
                }
                self.state().machines[slot].is_removed = true;
                let hall = self.clone();
                tokio::spawn(async move { hall.remove(slot, node).await });
            }
            _ => {}
        }
    }

    /// Loses a disk when all others are whole, and the log has decided so: that all vote may be known to a leader alone.
    async fn lose_disk_where_one_may(&self, slot: usize) {
        let Some((_, running, shard)) = self.leading().filter(|_| self.can_lose_one()) else { return };
        let decided = running.process.run(async move { shard.new_node().await }).await;
        if matches!(decided, Ok(Ok(_))) && self.can_lose_one() && !self.state().is_healed {
            self.lose_disk(slot);
        }
    }

    /// A machine goes down, and its disk is empty when it comes back: under its number, for all that it knows.
    fn lose_disk(&self, slot: usize) {
        note(Event::DiskLost);
        // Its keeper puts what it finds aside.
        self.state().machines[slot].is_disk_lost = true;
        match self.running(slot) {
            Some(running) => running.process.kill(),
            None => self.wipe(slot),
        }
    }

    /// Empties the disk of a machine that is down.
    pub(super) fn wipe(&self, slot: usize) {
        let mut state = self.state();
        let machine = &mut state.machines[slot];
        machine.is_disk_lost = false;
        machine.disk = MemoryDisk::new();
        let is_removed = std::mem::take(&mut machine.is_removed);
        match machine.stage {
            // Whoever formed the group would form another one: its folder is gone as a whole, and it joins.
            Stage::Member(node) if node == 1 || is_removed => {
                machine.stage = Stage::Empty;
                machine.leaving = Some(node);
            }
            Stage::Member(_) => machine.is_blank = true,
            Stage::Joining(_) | Stage::Empty => {}
        }
    }

    /// Takes a node out of the group; some time later its machine is emptied and joins again.
    async fn remove(&self, slot: usize, node: u64) {
        loop {
            if let Some((leader, ..)) = self.leading() {
                let left = self.ask(slot, leader, |shard| async move { join::leave(&shard, node).await }).await;
                if left == Ok(true) {
                    break;
                }
            }
            tokio::time::sleep(CLUSTER_PAUSE).await;
        }
        note(Event::NodeRemoved);
        let pause_ms = self.state().chance.below(4000);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        self.lose_disk(slot);
    }
}
