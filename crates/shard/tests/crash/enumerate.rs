//! Walks the journal of a run and brings the disk up after a cut at every step, in many ways; also after cuts in
//! the middle of the recovery itself, and after damage.
//! Invariant: what is tried follows from the plan alone; each disk is checked once against each promise.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

use storage::Fault;
use storage::disk::simulated::{Event, MemoryDisk, PowerCut, Random};

use super::recover::{Promise, Truth, Wrong, check, recover};

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Steps of the script.
    pub steps: usize,
    /// Every how many steps of the journal the power goes.
    pub stride: usize,
    /// Random subsets of sectors and names a cut.
    pub torn: u64,
    /// Of so many crashed disks one is crashed again inside of its recovery.
    pub deeper_one_in: u64,
    /// Of so many steps one is tried with a flipped bit as well.
    pub flip_one_in: u64,
    /// Stop after so many wrong recoveries.
    pub wrong_max: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Sum {
    /// Disks that were brought up.
    pub states: u64,
    /// Different ones among them, by names and bytes.
    pub images: BTreeSet<u64>,
    /// Those of them that came out of a recovery that was cut.
    pub inside_recovery: u64,
    /// Those with a flipped bit, and how many of these were refused with the place.
    pub flipped: u64,
    pub refused: u64,
    /// Different ends of the log that recovery found.
    pub ends: BTreeSet<Option<u64>>,
    pub wrong: Vec<String>,
}

/// What damage may lead to besides the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Sound,
    Flipped,
}

pub struct Walk<'a> {
    plan: Plan,
    truth: &'a Truth,
    random: Random,
    seen: BTreeSet<u64>,
    pub sum: Sum,
}

impl<'a> Walk<'a> {
    pub fn new(plan: Plan, truth: &'a Truth) -> Walk<'a> {
        let random = Random::seeded(plan.seed ^ 0x5EED);
        Walk { plan, truth, random, seen: BTreeSet::new(), sum: Sum::default() }
    }

    /// Cuts the power after every step of the journal.
    pub fn follow(&mut self, journal: &[Event]) {
        let replica = MemoryDisk::new();
        let mut promise = Promise::default();
        for (number, event) in journal.iter().enumerate() {
            replica.redo(event);
            if let Event::Note(note) = event {
                promise.note(note);
                continue;
            }
            if number % self.plan.stride == 0 {
                self.cut(&replica, &promise, number);
            }
            if self.sum.wrong.len() >= self.plan.wrong_max {
                return;
            }
        }
    }

    fn cut(&mut self, replica: &MemoryDisk, promise: &Promise, number: usize) {
        for cut in cuts(self.random.next_number(), self.plan.torn) {
            let crashed = replica.after_power_cut(cut);
            let name = format!("step {number}, {cut:?}");
            if self.is_new(&crashed, promise) {
                let before = crashed.after_kill();
                self.try_one(&name, &crashed, promise, Health::Sound);
                if self.random.one_in(self.plan.deeper_one_in) {
                    self.cut_recovery(&name, &before, promise);
                }
            }
        }
        let killed = replica.after_kill();
        if self.random.one_in(self.plan.flip_one_in) {
            self.flip(&format!("step {number}"), &killed, promise);
        }
        if self.is_new(&killed, promise) {
            self.try_one(&format!("step {number}, kill"), &killed, promise, Health::Sound);
        }
    }

    /// Cuts the power after every step of the recovery of a disk.
    fn cut_recovery(&mut self, name: &str, before: &MemoryDisk, promise: &Promise) {
        let recovering = before.after_kill();
        // What it comes to was checked by the caller; here only its steps count.
        let _ = recover(&recovering);
        let replica = before.after_kill();
        for (number, event) in recovering.journal().iter().enumerate() {
            replica.redo(event);
            for cut in cuts(self.random.next_number(), 2) {
                let crashed = replica.after_power_cut(cut);
                if self.is_new(&crashed, promise) {
                    self.sum.inside_recovery += 1;
                    self.try_one(&format!("{name}, recovery {number}, {cut:?}"), &crashed, promise, Health::Sound);
                }
            }
        }
    }

    /// Flips one bit of one file of a process that was killed. After a power cut the durable mark may be behind, and
    /// rot in the frames since then looks like a torn write: `docs/adr/0006-a-local-durable-mark.md`.
    fn flip(&mut self, name: &str, before: &MemoryDisk, promise: &Promise) {
        let damaged = before.after_kill();
        let paths = damaged.paths();
        let Some(path) = paths.get(self.below(paths.len())) else { return };
        let length = damaged.content(path).map_or(0, |bytes| bytes.len());
        if length == 0 {
            return;
        }
        let offset = u64::try_from(self.below(length)).unwrap();
        let bit = u32::try_from(self.random.below(8)).unwrap();
        damaged.flip_bit(path, offset, bit);
        if self.is_new(&damaged, promise) {
            self.sum.flipped += 1;
            let name = format!("{name}, bit {bit} of byte {offset} of {}", path.display());
            self.try_one(&name, &damaged, promise, Health::Flipped);
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from(self.random.below(bound)).unwrap()
    }

    /// Counts a disk; false when it was checked against the same promise before.
    fn is_new(&mut self, disk: &MemoryDisk, promise: &Promise) -> bool {
        self.sum.states += 1;
        let image = fingerprint(disk);
        self.sum.images.insert(image);
        let mut hasher = DefaultHasher::new();
        (image, promise).hash(&mut hasher);
        self.seen.insert(hasher.finish())
    }

    fn try_one(&mut self, name: &str, disk: &MemoryDisk, promise: &Promise, health: Health) {
        let truth = self.truth;
        let outcome = catch_unwind(AssertUnwindSafe(|| check(disk, promise, truth)));
        match outcome {
            Ok(Ok(end)) => drop(self.sum.ends.insert(end)),
            Ok(Err(Wrong { fault: Fault::Corrupt { .. } | Fault::Format { .. }, .. })) if health == Health::Flipped => {
                self.sum.refused += 1;
            }
            Ok(Err(wrong)) => self.sum.wrong.push(format!("{name}: {wrong}")),
            Err(_) => self.sum.wrong.push(format!("{name}: recovery panics")),
        }
    }
}

/// The cuts that are tried at one step: the corners, and random subsets.
fn cuts(seed: u64, torn: u64) -> impl Iterator<Item = PowerCut> {
    let corners =
        [PowerCut::LoseAll, PowerCut::KeepAll, PowerCut::LoseHeads, PowerCut::KeepNames, PowerCut::KeepContents];
    corners.into_iter().chain((0..torn).map(move |variant| PowerCut::Torn { seed: seed.wrapping_add(variant) }))
}

/// Stands for all names and bytes of a disk.
fn fingerprint(disk: &MemoryDisk) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in disk.paths() {
        (disk.content(&path), path).hash(&mut hasher);
    }
    hasher.finish()
}
