//! A run of one seed: lives follow each other while faults come; then everything is healed and drained.
//! Invariant: the same schedule gives the same report, on every machine and in every build.
//! Called by `campaign`, `minimise` and the tests.

use std::time::Duration;

use broker::command::Action;
use model::name::Source;
use model::queue::{DeleteMode, DeleteQueue};
use model::topic::DeleteTopic;
use storage::disk::simulated::{MemoryDisk, PowerCut};

use crate::book::{Book, Notes};
use crate::chance::{Chance, Purpose};
use crate::check::{Property, Violation, liveness, room};
use crate::client::{Client, queue_ref, shared_of, topic_ref};
use crate::cluster::storm;
use crate::configuration::{Configuration, QUEUES, TOPICS};
use crate::disk::CutDisk;
use crate::events::{Event, Tally};
use crate::life::{self, Course, Ending};
use crate::limits::{DRAIN_PATIENCE, SEGMENTS_LEFT_MAX, STARTS_MAX, TIDY_ROUNDS, TIDY_ROUNDS_MAX};
use crate::nemesis::{Call, Survival};
use crate::schedule::Schedule;
use crate::store;
use crate::watched::Watched;
use crate::world::{self, world};

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The hash of everything that happened.
    pub trace: u64,
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// Rare events.
    pub tally: Tally,
    /// Operations that were answered.
    pub operations: u64,
    /// Those of them that were answered while faults came.
    pub answered: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Lives of the shard.
    pub lives: u64,
    /// Batches that were applied.
    pub batches: u64,
    /// What happened, in words.
    pub story: Vec<String>,
}

/// Runs a schedule. A panic of the product is a violation too.
#[must_use]
pub fn run(schedule: &Schedule) -> Report {
    let mut jitter = Chance::of(schedule.seed, Purpose::Jitter, 0);
    shard::seed_jitter(jitter.number());
    world::begin(Configuration::draw(schedule.seed));
    let mut course = Course::new(schedule.clone());
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut notes = Notes::default();
        store::exercise(schedule.seed, &mut notes);
        world(|world| world.notes.verdicts = notes.verdicts);
        if is_broken() {
            return;
        }
        if schedule.nodes == 1 { live_through(&mut course) } else { storm(&mut course) }
    }));
    let mut ended = world::end();
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
        ended.notes.verdicts.broken(Property::Errors, format!("a panic: {text}"));
    }
    Report {
        trace: ended.trace,
        violations: ended.notes.verdicts.violations,
        tally: ended.notes.tally,
        operations: ended.operations,
        answered: course.answered,
        faults: course.struck,
        lives: ended.desk.life,
        story: ended.story,
        batches: u64::try_from(ended.observer.batches()).unwrap_or(u64::MAX),
    }
}

pub(crate) fn is_broken() -> bool {
    world(|world| !world.notes.verdicts.violations.is_empty())
}

fn live_through(course: &mut Course) {
    let mut disk = MemoryDisk::new();
    for _ in 0..STARTS_MAX {
        let (ending, left) = live_once(course, disk);
        disk = left;
        if is_broken() || ending == Ending::Finished {
            break;
        }
    }
    if is_broken() {
        return;
    }
    let is_over = course.is_over();
    world(|world| {
        course.answered = world.operations;
        world.notes.verdicts.demand(Property::Liveness, is_over, || format!("no start in {STARTS_MAX} goes on"));
    });
    course.cut_at_start = None;
    // A clock behind the newest stamp would let no time pass.
    course.time_ms = course.time_ms.max(world(|world| world.book.now.get()));
    heal(course, disk);
}

/// A runtime whose time passes only when everybody waits.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime without drivers can always be built")
}

/// Runs one life; gives its ending and the disk that the next one finds.
fn live_once(course: &mut Course, disk: MemoryDisk) -> (Ending, MemoryDisk) {
    let cut = CutDisk::new(disk);
    let runtime = runtime();
    let ending = runtime.block_on(async {
        let ending = match life::open(course, &cut).await {
            Ok(mut life) => {
                let ending = life.pass(course).await;
                course.time_ms = life.time_ms();
                ending
            }
            Err(ending) => ending,
        };
        course.time_ms += 1;
        ending
    });
    course.struck += struck(&cut, ending);
    world(|world| {
        let (life, applied) = (world.desk.life, world.observer.batches());
        world.tell(format!(
            "life {life} ends: {ending:?} after {} changes of the disk, {applied} batches",
            cut.changes()
        ));
    });
    let after = aftermath(course, &cut, ending);
    // From here on whatever the tasks of the dead still write goes nowhere.
    cut.under().halt();
    drop(runtime);
    (ending, after)
}

/// Faults that a life met and that waited for a call of the disk: failed calls, and the power cut that ended it.
fn struck(cut: &CutDisk, ending: Ending) -> u64 {
    let mut struck = u64::from(matches!(ending, Ending::Cut(_)));
    for (operation, event) in Call::ALL.map(Call::operation) {
        for _ in 0..cut.under().failed(operation) {
            world(|world| world.notes.tally.note(event));
            struck += 1;
        }
    }
    struck
}

/// What the next life finds.
fn aftermath(course: &mut Course, cut: &CutDisk, ending: Ending) -> MemoryDisk {
    let (seed, life) = world(|world| (world.configuration.seed, world.desk.life));
    let mut chance = Chance::of(seed, Purpose::Cut, life);
    course.time_ms += chance.below(3000);
    let note = |event: Event| world(|world| world.notes.tally.note(event));
    match ending {
        Ending::Cut(survival) => {
            note(Event::PowerCut);
            if cut.is_writing_checkpoint() {
                note(Event::PowerCutInCheckpoint);
            }
            cut.under().after_power_cut(match survival {
                Survival::Nothing => PowerCut::LoseAll,
                Survival::Everything => PowerCut::KeepAll,
                Survival::Torn => PowerCut::Torn { seed: chance.number() },
                Survival::Tails => PowerCut::LoseHeads,
                Survival::Names => PowerCut::KeepNames,
                Survival::Contents => PowerCut::KeepContents,
            })
        }
        Ending::Killed => {
            note(Event::Kill);
            cut.under().after_kill()
        }
        Ending::Closed => {
            note(Event::CleanRestart);
            cut.under().after_kill()
        }
        Ending::Faulted if chance.one_in(2) => {
            // The machine goes down with the process: what a failed flush left in memory is lost.
            cut.under().after_power_cut(PowerCut::LoseAll)
        }
        Ending::Faulted | Ending::Finished => cut.under().after_kill(),
        Ending::Rotten(what) => {
            note(Event::Kill);
            rehearse(course, cut, what);
            cut.under().after_kill()
        }
    }
}

/// Starts on a copy of the disk in which one bit is flipped: it is refused with its place, or nothing is wrong.
fn rehearse(course: &Course, cut: &CutDisk, what: u64) {
    let copy = cut.under().after_kill();
    let mut chance = Chance::of(what, Purpose::Cut, 0);
    let paths = copy.paths();
    if paths.is_empty() {
        return;
    }
    let mut checkpoints: Vec<_> =
        paths.iter().filter(|path| path.extension().is_some_and(|end| end == "checkpoint")).cloned().collect();
    checkpoints.sort_unstable();
    let newest = checkpoints.last().filter(|_| chance.one_in(2)).cloned();
    let path = newest.unwrap_or_else(|| chance.among(&paths).clone());
    // The one before stands in for a damaged checkpoint, and the log behind it is kept.
    let must_open = checkpoints.len() > 1 && checkpoints.contains(&path);
    let length = copy.content(&path).map_or(0, |content| content.len());
    let at = chance.below(u64::try_from(length).unwrap_or_default().max(1));
    if !copy.flip_bit(&path, at, u32::try_from(chance.below(8)).unwrap_or_default()) {
        return;
    }
    world(|world| world.observer.is_rehearsal = true);
    let mut rehearsal = Course::new(Schedule { operations: 0, ..course.schedule.clone() });
    rehearsal.time_ms = course.time_ms;
    let cut = CutDisk::new(copy);
    let runtime = runtime();
    let opened = runtime.block_on(async { life::open(&mut rehearsal, &cut).await.is_ok() });
    cut.under().halt();
    drop(runtime);
    world(|world| {
        world.observer.is_rehearsal = false;
        if opened {
            world.notes.tally.note(Event::BitRotSurvived);
        }
        world.notes.verdicts.demand(Property::Kept, opened || !must_open, || {
            format!("a damaged checkpoint keeps the shard from its start although another is there: {}", path.display())
        });
    });
}

/// The last life: no faults, and everything must be drained, deleted and given back.
fn heal(course: &mut Course, disk: MemoryDisk) {
    let cut = CutDisk::new(disk);
    let runtime = runtime();
    runtime.block_on(async {
        match life::open(course, &cut).await {
            Ok(life) => finish(&life.client).await,
            Err(_) => world(|world| liveness::left_over("starts that should have been good", 1, &mut world.notes)),
        }
    });
    cut.under().halt();
}

/// Drains everything, deletes it, and looks at what is left.
pub(crate) async fn finish(client: &Client) {
    drain(client).await;
    if is_broken() {
        return;
    }
    compare(client);
    delete_all(client).await;
    for round in 0..TIDY_ROUNDS_MAX {
        // With several nodes the log is kept for those that lag.
        let is_tidy = client.shard.group().members.len() == 1 || client.shard.status().segments <= SEGMENTS_LEFT_MAX;
        if TIDY_ROUNDS <= round && is_tidy {
            break;
        }
        client.submit(Action::Tick).await;
        client.shard.tidy().await;
        if TIDY_ROUNDS <= round {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    let live = client.shard.with_machine(|machine| machine.0.live_bytes().get()).unwrap_or(u64::MAX);
    let segments = client.shard.status().segments;
    world(|world| room::returned(segments, live, &mut world.notes));
    compare(client);
}

fn compare(client: &Client) {
    // An answer that the shard does not lead is a violation of its own, noted where operations fail.
    let _ = client.shard.with_machine(|machine: &Watched| world(|world| world.compare(&machine.0)));
}

/// Settles everything, waiting for leases and delays to end.
async fn drain(client: &Client) {
    let began = tokio::time::Instant::now();
    let queues = QUEUES.iter().map(|name| Source::Queue(queue_ref(name)));
    let sources: Vec<_> = queues.chain((0..TOPICS.len()).map(|at| Source::Subscription(shared_of(at)))).collect();
    loop {
        for source in &sources {
            while client.drain(source).await > 0 {}
        }
        let left = world(|world| left_in(&world.book));
        if left == 0 || is_broken() {
            return;
        }
        if DRAIN_PATIENCE < began.elapsed() {
            world(|world| liveness::left_over("messages", left, &mut world.notes));
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn left_in(book: &Book) -> u64 {
    let queues = book.queues.values().map(|queue| queue.line.held_now().0);
    let windows = book.cursors.keys().filter_map(|id| book.line(broker::place::SourceId::Subscription(*id)));
    queues.sum::<u64>() + windows.map(|line| line.held_now().0).sum::<u64>()
}

async fn delete_all(client: &Client) {
    for name in TOPICS {
        client.submit(Action::DeleteTopic(DeleteTopic { topic: topic_ref(name), mode: DeleteMode::Force })).await;
    }
    for name in QUEUES {
        client.submit(Action::DeleteQueue(DeleteQueue { queue: queue_ref(name), mode: DeleteMode::IfEmpty })).await;
    }
}
