//! One life of the shard: from its start on what the disk holds to its end by a fault, a stop or the plan's end.
//! Invariant: a life leaves nothing behind but its disk; its clients are gone with it.
//! Driven by `run`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::command::Action;
use model::name::UserName;
use shard::{Hands, Settings, Shard};
use storage::disk::simulated::MemoryDisk;
use tokio::task::JoinSet;

use crate::chance::{Chance, Purpose};
use crate::check::{Property, liveness};
use crate::client::Client;
use crate::clock::{DiskPace, JumpingClock};
use crate::configuration::Configuration;
use crate::disk::CutDisk;
use crate::events::Event;
use crate::limits::{ANSWERED_MIN, DAWN_MS, FAULTS_MIN, OPERATIONS, START_PATIENCE};
use crate::nemesis::{Fault, Planned, Survival};
use crate::operation::Kind;
use crate::schedule::Schedule;
use crate::watched::Watched;
use crate::world::world;

/// The folder of the shard.
pub const FOLDER: &str = "shard";

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The power failed.
    Cut(Survival),
    /// It was killed.
    Killed,
    /// It was killed, and a bit is flipped for the next start.
    Rotten(u64),
    /// It was stopped in order.
    Closed,
    /// A fault stopped it, or did not let it start.
    Faulted,
    /// All operations are done.
    Finished,
}

/// How far a run is, above its lives.
pub struct Course {
    /// What is to be done.
    pub schedule: Schedule,
    /// Faults that are still to come, the next one last.
    pub faults: Vec<Planned>,
    /// Faults that struck.
    pub struck: u64,
    /// Operations that were answered when the storm was over.
    pub answered: u64,
    /// The next operation.
    pub next: u64,
    /// The time of day at the next start.
    pub time_ms: u64,
    /// Changes of the disk after which the next start loses its power.
    pub cut_at_start: Option<(u64, Survival)>,
}

/// An operation of the workload.
pub(crate) struct Drawn {
    pub(crate) kind: Kind,
    /// What it draws further from.
    pub(crate) chance: Chance,
    /// The time until the next one.
    pub(crate) pause: Duration,
}

impl Course {
    /// The next operation; nothing when the schedule leaves it out.
    pub(crate) fn draw(&mut self, configuration: &Configuration) -> Option<Drawn> {
        let number = self.next;
        self.next += 1;
        if self.schedule.leaves_out(number) {
            return None;
        }
        let mut chance = Chance::of(configuration.seed, Purpose::Workload, number);
        let kind = Kind::draw(&mut chance, configuration);
        let pause = Duration::from_millis(chance.below(configuration.pause_ms + 1));
        Some(Drawn { kind, chance, pause })
    }

    /// At the beginning.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        let mut faults = schedule.faults();
        faults.reverse();
        let mut course =
            Self { schedule, faults, struck: 0, answered: 0, next: 0, time_ms: DAWN_MS, cut_at_start: None };
        // A power cut before the first operation hits the very first start.
        let is_first = |planned: &mut Planned| planned.at == 0 && matches!(planned.fault, Fault::PowerCutTwice(..));
        if let Some(Planned { fault: Fault::PowerCutTwice(after, survival), .. }) = course.faults.pop_if(is_first) {
            course.cut_at_start = Some((after, survival));
        }
        course
    }

    /// Whether the storm is over: enough was asked, answered and broken, or the bound is reached.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_enough =
            OPERATIONS <= self.next && FAULTS_MIN <= self.struck && ANSWERED_MIN <= world(|world| world.operations);
        is_enough || self.schedule.operations <= self.next
    }
}

/// The parts of a life that faults act on.
pub struct Life {
    /// The shard.
    pub client: Client,
    clock: Arc<JumpingClock>,
    pace: Arc<DiskPace>,
    tasks: JoinSet<()>,
    survival: Survival,
    /// Operations at which disturbances end.
    room_back_at: Option<u64>,
    speed_back_at: Option<u64>,
}

/// Opens the shard on a disk. `Err` says how the life ended before it began.
pub async fn open(course: &mut Course, disk: &CutDisk) -> Result<Life, Ending> {
    let (number, settings) = world(|world| {
        world.desk.begin_life();
        world.around = crate::check::errors::Circumstances::default();
        (world.desk.life, world.configuration.clone())
    });
    let seed = settings.seed;
    // The clock that nobody may read inside of the machine is another one in every life.
    #[cfg(feature = "mutants")]
    mutant::set_local_time(Some(course.time_ms + number * 977));
    let clock = Arc::new(JumpingClock::starting_at(course.time_ms));
    let pace = Arc::new(DiskPace::new(Chance::of(seed, Purpose::Disk, number), settings.disk_micros));
    let mut survival = Survival::Nothing;
    if let Some((nth, how)) = course.cut_at_start.take() {
        disk.cut_before(nth);
        survival = how;
    }
    let paced: Arc<dyn shard::Pace> = pace.clone();
    let clocked: Arc<dyn shard::Clock> = clock.clone();
    let shard_settings = Settings {
        storage: storage::Settings { segment_bytes: settings.segment_bytes, ..storage::Settings::default() },
        hands: Hands::Tasks(paced),
        clock: clocked,
        tail_bytes: settings.tail_bytes,
        decoded_bytes: settings.decoded_bytes,
        ..Settings::default()
    };
    let opening = async {
        let opened =
            Shard::<Watched>::open(Arc::new(disk.clone()), PathBuf::from(FOLDER), shard_settings, Box::new(|_, _| {}));
        let shard = opened.await.map_err(|fault| fault.what)?;
        shard.ready().await.map_err(|failure| failure.to_string())?;
        Ok::<_, String>(shard)
    };
    let opened = tokio::select! {
        biased;
        () = disk.power_failed() => None,
        opened = tokio::time::timeout(START_PATIENCE, opening) => Some(opened),
    };
    let client = match opened {
        _ if disk.is_cut() => {
            let event = if number == 1 { Event::PowerCutAtFirstBoot } else { Event::PowerCutAtStart };
            world(|world| world.notes.tally.note(event));
            return Err(Ending::Cut(survival));
        }
        None | Some(Err(_)) => {
            world(|world| liveness::hung("a start", START_PATIENCE, &mut world.notes));
            return Err(Ending::Faulted);
        }
        Some(Ok(Err(what))) => {
            world(|world| world.refused_start(&what));
            return Err(Ending::Faulted);
        }
        Some(Ok(Ok(shard))) => Client { shard, disk: disk.clone() },
    };
    world(crate::world::World::began);
    Ok(Life { client, clock, pace, tasks: JoinSet::new(), survival, room_back_at: None, speed_back_at: None })
}

impl crate::world::World {
    /// A start was refused: right only when something was done to the disk.
    fn refused_start(&mut self, what: &str) {
        if self.observer.is_rehearsal {
            self.notes.tally.note(Event::BitRotRefused);
            return;
        }
        if !self.around.disk_failed {
            self.notes.verdicts.broken(Property::Kept, format!("a start was refused: {what}"));
        }
    }

    /// A life leads: what was not answered before is decided now.
    pub(crate) fn began(&mut self) {
        for number in self.desk.resolve() {
            let was_done = self.book.sent.contains_key(&number);
            self.notes.tally.note(if was_done { Event::UnknownWasDone } else { Event::UnknownWasLost });
        }
    }
}

impl Life {
    /// Does operations until the life ends or all are done.
    pub async fn pass(&mut self, course: &mut Course) -> Ending {
        found(&self.client).await;
        let configuration = world(|world| world.configuration.clone());
        while !course.is_over() {
            if let Some(ending) = self.meet_faults(course).await {
                return ending;
            }
            if let Some(Drawn { kind, mut chance, pause }) = course.draw(&configuration) {
                let client = self.client.clone();
                self.tasks.spawn(async move { client.perform(kind, &mut chance).await });
                tokio::time::sleep(pause).await;
            }
            if let Some(ending) = self.keep_up(configuration.window).await {
                return ending;
            }
        }
        match self.keep_up(1).await {
            Some(ending) => ending,
            None => Ending::Finished,
        }
    }

    /// Waits while too many operations are under way; notices the end of the life.
    async fn keep_up(&mut self, window: usize) -> Option<Ending> {
        loop {
            if self.client.disk.is_cut() {
                world(|world| world.notes.tally.note(Event::PowerCutInFlush));
                return Some(Ending::Cut(self.survival));
            }
            if self.client.shard.fault().is_some() {
                world(|world| {
                    world.notes.tally.note(Event::StopAfterFault);
                    let is_called_for = world.around.disk_failed || world.around.disk_small;
                    let what = self.client.shard.fault().map(|fault| fault.what).unwrap_or_default();
                    world
                        .notes
                        .verdicts
                        .demand(Property::Errors, is_called_for, || format!("the shard stopped: {what}"));
                });
                return Some(Ending::Faulted);
            }
            if self.tasks.len() < window {
                return None;
            }
            let disk = self.client.disk.clone();
            tokio::select! {
                biased;
                () = disk.power_failed() => {}
                joined = self.tasks.join_next() => {
                    if let Some(Err(error)) = joined
                        && error.is_panic()
                    {
                        std::panic::resume_unwind(error.into_panic());
                    }
                }
            }
        }
    }

    /// Lets the faults come whose moment is here.
    async fn meet_faults(&mut self, course: &mut Course) -> Option<Ending> {
        if self.room_back_at.is_some_and(|at| at <= course.next) {
            self.room_back_at = None;
            self.client.disk.under().set_capacity(None);
            world(|world| world.around.disk_is_small = false);
        }
        if self.speed_back_at.is_some_and(|at| at <= course.next) {
            self.speed_back_at = None;
            self.pace.slow_down(1);
        }
        while let Some(planned) = course.faults.pop_if(|planned| planned.at <= course.next) {
            world(|world| {
                world.note_step("fault", planned.number);
                world.tell(format!("operation {}: fault {}: {:?}", course.next, planned.number, planned.fault));
            });
            course.struck += u64::from(planned.fault.strikes_at_once());
            if let Some(ending) = self.meet(planned.fault, course).await {
                return Some(ending);
            }
        }
        None
    }

    async fn meet(&mut self, fault: Fault, course: &mut Course) -> Option<Ending> {
        let note = |event: Event| world(|world| world.notes.tally.note(event));
        match fault {
            Fault::PowerCut(after, survival) => {
                self.survival = survival;
                self.client.disk.cut_before(after);
            }
            Fault::PowerCutTwice(after, survival) => {
                self.survival = survival;
                course.cut_at_start = Some((after, survival));
                self.client.disk.cut();
            }
            Fault::Kill => return Some(Ending::Killed),
            Fault::BitRot(what) => return Some(Ending::Rotten(what)),
            Fault::Restart => return Some(self.close().await),
            Fault::Failing(call, nth) => {
                let (operation, _) = call.operation();
                world(|world| world.around.disk_failed = true);
                self.client.disk.under().fail(operation, nth, std::io::ErrorKind::Other);
            }
            Fault::Full(bytes, operations) => {
                let used = used_bytes(self.client.disk.under());
                self.client.disk.under().set_capacity(Some(used + bytes));
                self.room_back_at = Some(course.next + operations);
                world(|world| {
                    world.around.disk_small = true;
                    world.around.disk_is_small = true;
                });
            }
            Fault::Slow(factor, operations) => {
                note(Event::DiskSlow);
                self.pace.slow_down(factor);
                self.speed_back_at = Some(course.next + operations);
            }
            Fault::Jump(by_ms) => {
                note(if by_ms < 0 { Event::ClockBack } else { Event::ClockForward });
                self.clock.jump(by_ms);
            }
            Fault::Vanish => {
                note(Event::ClientsVanish);
                self.tasks.abort_all();
                while self.tasks.join_next().await.is_some() {}
                world(|world| world.desk.on_its_way.clear());
            }
            Fault::Forget => {
                note(Event::ReceiptsForgotten);
                world(|world| world.desk.forget());
            }
            // Planned for several nodes only.
            Fault::Among(_) => {}
        }
        None
    }

    async fn close(&mut self) -> Ending {
        world(|world| world.around.closing = true);
        let closing = self.client.shard.close();
        let disk = self.client.disk.clone();
        let closed = tokio::select! {
            biased;
            () = disk.power_failed() => None,
            closed = tokio::time::timeout(START_PATIENCE * 2, closing) => Some(closed),
        };
        match closed {
            None => Ending::Cut(self.survival),
            Some(Ok(Ok(()))) => Ending::Closed,
            Some(Ok(Err(_))) => Ending::Faulted,
            Some(Err(_)) => {
                world(|world| liveness::hung("a stop", START_PATIENCE * 2, &mut world.notes));
                Ending::Killed
            }
        }
    }

    /// The time of day.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        shard::Clock::now(&*self.clock).get()
    }
}

/// Makes what clients use, where it is not there.
pub(crate) async fn found(client: &Client) {
    if world(|world| world.book.guest.is_none()) {
        let name = UserName::parse(crate::client::GUEST).expect("the name of the guest keeps the rules");
        let action = Action::CreateUser { name, password_hash: "hash".to_owned(), roles: Vec::new() };
        client.submit(action).await;
    }
    for action in crate::founding::actions() {
        client.submit(action).await;
    }
}

fn used_bytes(disk: &MemoryDisk) -> u64 {
    let free = storage::disk::Disk::free_bytes(disk, std::path::Path::new(FOLDER)).unwrap_or_default();
    (1_u64 << 40).saturating_sub(free)
}
