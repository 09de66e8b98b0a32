//! The spare: a zero-filled file that waits to become the next segment.
//! Invariant: a segment never grows while it is written, so a flush cannot run out of room.
//! Called by the writer, and by a thread that prepares while the active segment fills.
//! Tests: `tests/faults.rs`.

use std::sync::{Condvar, Mutex, MutexGuard};

use crate::core::Core;
use crate::disk::OpenMode;
use crate::fault::Fault;
use crate::folder::{Folder, OpenFile, temporary_name};

/// A zero-filled, synced file under a temporary name.
pub(crate) struct Spare {
    pub(crate) file: OpenFile,
    pub(crate) name: String,
    pub(crate) capacity: u64,
}

#[derive(Default)]
struct State {
    ready: Option<Spare>,
    is_wanted: bool,
    is_preparing: bool,
    is_stopped: bool,
    made: u64,
}

/// Where the spare waits.
#[derive(Default)]
pub(crate) struct SpareRoom {
    state: Mutex<State>,
    changed: Condvar,
}

impl SpareRoom {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// Asks the thread for a spare.
    pub(crate) fn want(&self) {
        let mut state = self.state();
        // One that is being made counts: a second would take its place and leave its file behind.
        if state.ready.is_none() && !state.is_preparing && !state.is_wanted {
            state.is_wanted = true;
            self.changed.notify_all();
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.state().is_stopped = true;
        self.changed.notify_all();
    }

    /// Bytes of the spare that is ready.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().ready.as_ref().map_or(0, |spare| spare.capacity)
    }

    /// Gives a file of this capacity: the spare when it fits, a fresh one otherwise.
    pub(crate) fn obtain(&self, folder: &Folder, capacity: u64) -> Result<Spare, Fault> {
        let mut state = self.state();
        while state.is_preparing {
            state = self.changed.wait(state).expect("no holder panics");
        }
        state.is_wanted = false;
        if let Some(spare) = state.ready.take() {
            if spare.capacity == capacity {
                return Ok(spare);
            }
            state.ready = Some(spare);
        }
        state.made += 1;
        let number = state.made;
        drop(state);
        prepare(folder, number, capacity)
    }

    /// Takes a file back that was not needed.
    pub(crate) fn give_back(&self, folder: &Folder, spare: Spare) -> Result<(), Fault> {
        let mut state = self.state();
        if state.ready.is_none() {
            state.ready = Some(spare);
            return Ok(());
        }
        drop(state);
        folder.remove(&spare.name)
    }

    /// Drops the spare, so that an idle store holds no more than its segments.
    pub(crate) fn trim(&self, folder: &Folder) -> Result<(), Fault> {
        let mut state = self.state();
        state.is_wanted = false;
        let spare = state.ready.take();
        drop(state);
        match spare {
            Some(spare) => folder.remove(&spare.name),
            None => Ok(()),
        }
    }

    /// The life of the preparing thread.
    pub(crate) fn prepare_while_open(&self, core: &Core) {
        let mut state = self.state();
        loop {
            while !state.is_wanted && !state.is_stopped {
                state = self.changed.wait(state).expect("no holder panics");
            }
            if state.is_stopped {
                return;
            }
            state.is_wanted = false;
            state.is_preparing = true;
            state.made += 1;
            let number = state.made;
            drop(state);
            let outcome = prepare(&core.folder, number, core.settings.segment_bytes);
            state = self.state();
            state.is_preparing = false;
            match outcome {
                Ok(spare) => state.ready = Some(spare),
                // The writer asks again when it needs the room, and reports it.
                Err(Fault::Full { .. }) => {}
                Err(fault) => {
                    drop(state);
                    core.poison(&fault);
                    state = self.state();
                }
            }
            self.changed.notify_all();
        }
    }
}

/// Makes a zero-filled file. One that finds no room leaves nothing behind.
fn prepare(folder: &Folder, number: u64, capacity: u64) -> Result<Spare, Fault> {
    let name = temporary_name(&format!("spare-{number}"));
    let full = || Fault::Full { file: folder.file(&name) };
    let file = match folder.open(&name, OpenMode::CreateNew) {
        Ok(file) => file,
        Err(fault) if fault.no_room() => return Err(full()),
        Err(fault) => return Err(fault),
    };
    match file.fill(capacity).and_then(|()| file.sync()) {
        Ok(()) => Ok(Spare { file, name, capacity }),
        Err(fault) if fault.no_room() => {
            folder.remove(&name)?;
            Err(full())
        }
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_that_is_being_made_is_not_asked_for_again() {
        let room = SpareRoom::default();
        room.want();
        assert!(room.state().is_wanted);
        let mut state = room.state();
        state.is_wanted = false;
        state.is_preparing = true;
        drop(state);
        room.want();
        assert!(!room.state().is_wanted, "the thread would make a second and forget the first");
    }
}
