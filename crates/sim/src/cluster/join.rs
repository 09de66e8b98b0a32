//! How a machine comes into the group and stays in it: what `cluster/join.rs` and `cluster/slot.rs` of the server do.
//! Invariant: a machine whose disk was lost comes back under a new number; the old one leaves the group first.
//! Done in the process of the machine. Tests: every seed of several nodes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shard::{Arrival, GroupChange, Shard};
use storage::disk::Disk;

use crate::disk::CutDisk;
use crate::events::Event;
use crate::life::FOLDER;
use crate::limits::{CLUSTER_PAUSE, LAG_MAX, LOAN_KEPT};
use crate::watched::Watched;
use crate::world::world;

use super::hall::{Hall, Stage};
use super::network::address_of;

fn pause() -> tokio::time::Sleep {
    tokio::time::sleep(CLUSTER_PAUSE)
}

/// Gets into the group as somebody new; gives the number.
pub(super) async fn number(hall: &Hall, slot: usize) -> u64 {
    loop {
        let leaving = hall.state().machines[slot].leaving;
        let Some((leader, ..)) = hall.leading() else {
            pause().await;
            continue;
        };
        if let Some(node) = leaving {
            let left = hall.ask(slot, leader, |shard| async move { leave(&shard, node).await }).await;
            if left == Ok(true) {
                hall.state().machines[slot].leaving = None;
            }
            pause().await;
            continue;
        }
        let numbered = hall.ask(slot, leader, |shard| async move { shard.new_node().await }).await;
        if let Ok(Ok(number)) = numbered {
            return number;
        }
        pause().await;
    }
}

/// Takes a node out of the group; a leader hands the leadership over first.
pub(super) async fn leave(leader: &Shard<Watched>, node: u64) -> bool {
    if leader.group().own == node {
        // Asked again, at its successor.
        drop(leader.hand_over(None).await);
        return false;
    }
    leader.change_group(&GroupChange::Leave { node }).await.is_ok()
}

/// Takes a copy of the leader's store. Tried again by whoever calls it.
pub(super) async fn copy(
    hall: &Hall,
    slot: usize,
    disk: &CutDisk,
    before: impl AsyncFnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let (leader, lender, _) = hall.elected().filter(|(leader, ..)| *leader != slot).ok_or("nobody else leads")?;
    let lent = hall.ask(slot, leader, |shard| async move { shard.lend().await }).await?;
    let loan = lent.map_err(|fault| fault.what)?;
    let outcome = async {
        before().await?;
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut arrival = Arrival::begin(disk, Path::new(FOLDER), loan.terms()).map_err(|fault| fault.what)?;
        for file in &loan.terms().files {
            let mut offset = 0;
            while offset < file.bytes {
                tokio::time::sleep(Duration::from_micros(200)).await;
                let read = lender.process.run(loan.read(file, offset)).await.map_err(|killed| killed.to_string())?;
                let piece = read.map_err(|fault| fault.what)?;
                if piece.is_empty() {
                    return Err("a file is shorter than was said".to_owned());
                }
                arrival.write(file, offset, &piece).map_err(|fault| fault.what)?;
                offset += u64::try_from(piece.len()).unwrap_or_default();
            }
            arrival.finish_file(file).map_err(|fault| fault.what)?;
        }
        arrival.finish().map_err(|fault| fault.what)
    };
    let outcome = outcome.await;
    // Its log must still be there when this node comes for what follows the copy.
    tokio::spawn(lender.process.run(async move {
        tokio::time::sleep(LOAN_KEPT).await;
        drop(loan);
    }));
    if outcome.is_ok() {
        world(|world| world.notes.tally.note(Event::CopyTaken));
    }
    outcome
}

/// Sees to it that the group has this node as a voter, as long as the process lives.
pub(super) async fn stay(hall: &Hall, slot: usize, shard: &Shard<Watched>) {
    let address = address_of(slot);
    loop {
        let group = shard.group();
        let known = group.member(group.own);
        let is_removed = hall.state().machines[slot].is_removed;
        if is_removed || known.is_some_and(|known| known.votes && known.address == address) {
            tokio::select! {
                biased;
                () = shard.regrouped(&group) => {}
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
            }
            continue;
        }
        if group.leader == Some(group.own) {
            // Whether it was done is seen in the next round.
            drop(shard.change_group(&GroupChange::Follow { node: group.own, address: address.clone() }).await);
        } else if let Some((leader, ..)) = hall.leading() {
            let (node, address) = (group.own, address.clone());
            let entered = hall.ask(slot, leader, |leader| async move { enter(&leader, node, address).await }).await;
            if entered == Ok(true) {
                world(|world| world.notes.tally.note(Event::VoterAdded));
            }
        }
        pause().await;
    }
}

/// Lets a node in at the leader: it follows, and votes once it has most of the log.
async fn enter(leader: &Shard<Watched>, node: u64, address: String) -> bool {
    if leader.change_group(&GroupChange::Follow { node, address }).await.is_err() {
        return false;
    }
    let caught_up = async {
        loop {
            let applied = leader.status().applied.get();
            let durable = leader.group().member(node).and_then(|member| member.durable);
            if durable.is_some_and(|durable| applied <= durable + LAG_MAX) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(10), caught_up).await.is_err() {
        return false;
    }
    leader.change_group(&GroupChange::Vote { node }).await.is_ok()
}

/// What a machine does before it opens its store: an empty one gets a number and a copy.
pub(super) async fn prepare(hall: &Hall, slot: usize, disk: &CutDisk) -> u64 {
    loop {
        let stage = hall.state().machines[slot].stage;
        match stage {
            Stage::Member(number) => return number,
            Stage::Empty => {
                let number = number(hall, slot).await;
                hall.state().machines[slot].stage = Stage::Joining(number);
            }
            Stage::Joining(number) => {
                if copy(hall, slot, disk, async || Ok(())).await.is_ok() {
                    hall.state().machines[slot].stage = Stage::Member(number);
                } else {
                    pause().await;
                }
            }
        }
    }
}
