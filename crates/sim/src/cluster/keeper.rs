//! Keeps one machine: starts its process, serves until that ends, and decides what the next one finds on the disk.
//! Invariant: one process after the other; whatever ends one, the next begins with the disk that it left.
//! One task a machine, outside of all processes. Tests: every seed of several nodes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shard::{Hands, Killed, Process, Settings, Shard};
use storage::disk::simulated::{MemoryDisk, PowerCut};
use storage::{ByteCount, LogIndex, SegmentStore};

use crate::chance::{Chance, Purpose};
use crate::check::Property;
use crate::clock::{DiskPace, JumpingClock};
use crate::disk::CutDisk;
use crate::events::Event;
use crate::life::{Ending, FOLDER};
use crate::limits::{CLUSTER_PAUSE, LOOK_AT_MOST};
use crate::nemesis::{Call, Survival};
use crate::watched::Watched;
use crate::world::world;

use super::hall::{Hall, Running, Stage};
use super::join;
use super::network::Wire;

/// Keeps a machine for ever.
pub(super) async fn keep(hall: Hall, slot: usize) {
    loop {
        let up_at = hall.state().machines[slot].up_at;
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(up_at) => {}
            () = hall.changed(LOOK_AT_MOST) => continue,
        }
        let (ending, running) = live(&hall, slot).await;
        let disk = aftermath(&hall, slot, ending, &running);
        running.disk.under().halt();
        hall.fell(slot, ending, disk);
    }
}

async fn live(hall: &Hall, slot: usize) -> (Ending, Running) {
    let running = boot(hall, slot);
    let ended = running.process.run(serve(hall.clone(), slot, running.clone())).await;
    let ending = match ended {
        Ok(ending) => ending,
        Err(Killed) if running.disk.is_cut() => Ending::Cut(hall.state().machines[slot].survival),
        Err(Killed) => Ending::Killed,
    };
    running.process.kill();
    (ending, running)
}

/// Switches a machine on.
fn boot(hall: &Hall, slot: usize) -> Running {
    let (number, configuration) = world(|world| {
        world.desk.life += 1;
        (world.desk.life, world.configuration.clone())
    });
    let process = Process::new(number);
    let time_ms = hall.time_ms();
    let mut state = hall.state();
    let machine = &mut state.machines[slot];
    let disk = CutDisk::of_process(machine.disk.clone(), process.clone());
    disk.under().set_capacity(machine.capacity);
    if let Some((nth, survival)) = machine.cut_at_start.take() {
        machine.survival = survival;
        disk.cut_before(nth);
    }
    let clock = Arc::new(JumpingClock::starting_at(time_ms.saturating_add_signed(machine.skew_ms)));
    let chance = Chance::of(configuration.seed, Purpose::Disk, number);
    let pace = Arc::new(DiskPace::new(chance, configuration.disk_micros));
    let is_hurt = machine.capacity.is_some();
    let running = Running { process, disk, clock, pace, shard: None, is_hurt, is_closing: false };
    machine.running = Some(running.clone());
    drop(state);
    look_at_log(hall, slot);
    running
}

/// Compares the log that a machine finds with those that were seen before.
fn look_at_log(hall: &Hall, slot: usize) {
    let (disk, stage) = {
        let state = hall.state();
        (state.machines[slot].disk.after_kill(), state.machines[slot].stage)
    };
    let Stage::Member(node) = stage else { return };
    let settings = storage::Settings { threads: storage::Threads::Caller, ..storage::Settings::default() };
    let Ok((store, recovered)) = SegmentStore::open(Arc::new(disk), Path::new(FOLDER), settings) else { return };
    let first = recovered.first.unwrap_or(LogIndex(0));
    let until = LogIndex(recovered.last.map_or(0, |(_, last)| last.0 + 1));
    if let Ok(frames) = store.read_range(first, until, ByteCount(u64::MAX)) {
        world(|world| world.seen.log(node, &frames, &mut world.notes));
    }
}

/// What the process of a machine does.
async fn serve(hall: Hall, slot: usize, running: Running) -> Ending {
    let number = join::prepare(&hall, slot, &running.disk).await;
    let configuration = world(|world| world.configuration.clone());
    let settings = Settings {
        node: number,
        storage: storage::Settings { segment_bytes: configuration.segment_bytes, ..storage::Settings::default() },
        hands: Hands::Tasks(running.pace.clone()),
        clock: running.clock.clone(),
        tail_bytes: configuration.tail_bytes,
        decoded_bytes: configuration.decoded_bytes,
        peers: Some(Arc::new(Wire { slot, hall: hall.clone() })),
        lag_bytes: configuration.lag_bytes,
        ..Settings::default()
    };
    let disk = Arc::new(running.disk.clone());
    let opened = Shard::<Watched>::open(disk, PathBuf::from(FOLDER), settings, Box::new(|_, _| {})).await;
    let shard = match opened {
        Ok(shard) => shard,
        // The power failed under it; that the process is over shows a moment later.
        Err(_) if running.disk.is_cut() => return Ending::Killed,
        Err(fault) => return refused_start(&hall, slot, &fault.what),
    };
    if let Some(own) = &mut hall.state().machines[slot].running {
        own.shard = Some(shard.clone());
    }
    hall.ring();
    tokio::select! {
        biased;
        what = faulted(&shard), if !running.disk.is_cut() => stopped(&hall, slot, &what),
        ending = closing(&hall, slot, &shard) => ending,
        ending = lacking(&hall, slot, &shard, &running) => ending,
        () = reigns(&shard) => Ending::Faulted,
        () = elections(&shard) => Ending::Faulted,
        () = join::stay(&hall, slot, &shard) => Ending::Faulted,
    }
}

/// A start was refused: right when something was done to the disk, or when the disk is another one.
fn refused_start(hall: &Hall, slot: usize, what: &str) -> Ending {
    let mut state = hall.state();
    let machine = &mut state.machines[slot];
    let is_hurt = machine.running.as_ref().is_some_and(|running| running.is_hurt);
    if let Stage::Member(node) = machine.stage
        && std::mem::take(&mut machine.is_blank)
    {
        machine.stage = Stage::Empty;
        machine.leaving = Some(node);
        world(|world| world.notes.tally.note(Event::LostDiskRefused));
    } else if !is_hurt {
        world(|world| {
            world.notes.verdicts.broken(Property::Kept, format!("machine {slot} was refused a start: {what}"))
        });
    }
    Ending::Faulted
}

/// A shard stopped by itself: right only when something was done to its disk.
fn stopped(hall: &Hall, slot: usize, what: &str) -> Ending {
    let is_hurt = hall.running(slot).is_some_and(|running| running.is_hurt);
    world(|world| {
        world.notes.tally.note(Event::StopAfterFault);
        world.notes.verdicts.demand(Property::Errors, is_hurt, || format!("machine {slot} stopped: {what}"));
    });
    Ending::Faulted
}

/// Waits until a fault stops a shard; closing it is none.
async fn faulted(shard: &Shard<Watched>) -> String {
    match shard.stopped().await {
        Some(fault) => fault.what,
        None => std::future::pending().await,
    }
}

/// Waits until the machine is asked to stop, and stops in order: another one leads first, if it can.
async fn closing(hall: &Hall, slot: usize, shard: &Shard<Watched>) -> Ending {
    while !hall.running(slot).is_some_and(|running| running.is_closing) {
        hall.changed(LOOK_AT_MOST).await;
    }
    if shard.epoch().is_some() && shard.hand_over(None).await.is_ok() {
        world(|world| world.notes.tally.note(Event::LeadershipHandedOver));
    }
    match shard.close().await {
        Ok(()) => Ending::Closed,
        Err(_) => Ending::Faulted,
    }
}

/// Takes a copy when the log that this replica lacks is gone.
async fn lacking(hall: &Hall, slot: usize, shard: &Shard<Watched>, running: &Running) -> Ending {
    loop {
        shard.lacks().await;
        let mut is_closed = false;
        let close = async || {
            is_closed = true;
            shard.close().await.map_err(|fault| fault.what)
        };
        let taken = join::copy(hall, slot, &running.disk, close).await;
        if is_closed {
            if taken.is_ok() {
                world(|world| world.notes.tally.note(Event::CaughtUpByCopy));
            }
            return Ending::Closed;
        }
        tokio::time::sleep(CLUSTER_PAUSE).await;
    }
}

/// Notes each leadership of this node.
async fn reigns(shard: &Shard<Watched>) {
    let mut before = None;
    while let Some(now) = shard.reign_after(before).await {
        before = now;
        if now.is_some() {
            world(|world| {
                world.notes.tally.note(Event::Elected);
                world.began();
            });
        }
    }
    std::future::pending::<()>().await;
}

/// Notes each term in which this node was elected, though it may never come to serve.
async fn elections(shard: &Shard<Watched>) {
    loop {
        let group = shard.group();
        if group.leader == Some(group.own) {
            world(|world| world.seen.led(group.term, group.own, &mut world.notes));
        }
        shard.regrouped(&group).await;
    }
}

/// What the next process finds.
fn aftermath(hall: &Hall, slot: usize, ending: Ending, running: &Running) -> MemoryDisk {
    let note = |event: Event| world(|world| world.notes.tally.note(event));
    for (operation, event) in Call::ALL.map(Call::operation) {
        for _ in 0..running.disk.under().failed(operation) {
            note(event);
            world(|world| world.struck += 1);
        }
    }
    let under = running.disk.under();
    let left = match ending {
        Ending::Cut(survival) => {
            note(Event::PowerCut);
            world(|world| world.struck += 1);
            let seed = hall.state().chance.number();
            under.after_power_cut(match survival {
                Survival::Nothing => PowerCut::LoseAll,
                Survival::Everything => PowerCut::KeepAll,
                Survival::Torn => PowerCut::Torn { seed },
                Survival::Tails => PowerCut::LoseHeads,
                Survival::Names => PowerCut::KeepNames,
                Survival::Contents => PowerCut::KeepContents,
            })
        }
        Ending::Faulted if hall.state().chance.one_in(2) => under.after_power_cut(PowerCut::LoseAll),
        Ending::Killed | Ending::Closed | Ending::Faulted | Ending::Finished | Ending::Rotten(_) => under.after_kill(),
    };
    let life = running.process.number();
    world(|world| {
        world.note_step("fell", life);
        world.tell(format!("machine {slot}, life {life}, ends: {ending:?}"));
    });
    left
}
