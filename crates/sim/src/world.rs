//! What a run knows, above all lives: the reference, what was applied, what the clients hold.
//! Invariant: one world a thread, and one run at a time in it; nobody keeps it borrowed across a wait.
//! Used by the watched machine, the clients and the run. Tests: every seed.

use std::cell::RefCell;

use crate::book::{Book, Notes};
use crate::check::errors::Circumstances;
use crate::check::replicas::Seen;
use crate::configuration::Configuration;
use crate::desk::Desk;
use crate::observer::Observer;

/// Everything about the present run.
#[derive(Default)]
pub struct World {
    /// What must be so.
    pub book: Book,
    /// Violations and events.
    pub notes: Notes,
    /// What was applied, and how far the present life is.
    pub observer: Observer,
    /// What clients hold.
    pub desk: Desk,
    /// What was seen of several replicas.
    pub seen: Seen,
    /// What the present life has met.
    pub around: Circumstances,
    /// How the seed is set up.
    pub configuration: Configuration,
    /// The hash of all that happened.
    pub trace: u64,
    /// Operations that were answered.
    pub operations: u64,
    /// Faults that struck when a call of a disk came.
    pub struck: u64,
    /// Faults and lives, in words.
    pub story: Vec<String>,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::default());
}

/// Looks at the world of this thread, or changes it.
pub fn world<R>(look: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with(|world| look(&mut world.borrow_mut()))
}

/// Begins a run with an empty world.
pub fn begin(configuration: Configuration) {
    world(|world| *world = World { configuration, ..World::default() });
}

/// Ends the run and gives its world away.
#[must_use]
pub fn end() -> World {
    WORLD.with(|world| world.take())
}

impl World {
    /// Adds a line to the story.
    pub fn tell(&mut self, line: String) {
        self.story.push(line);
    }

    /// Adds something to the trace.
    pub fn note_step(&mut self, what: &str, number: u64) {
        self.trace = crate::trace::fold(self.trace.wrapping_add(number), what.as_bytes());
    }
}
