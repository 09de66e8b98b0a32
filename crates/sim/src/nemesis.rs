//! What goes wrong, and when: drawn before the run, so that a fault can be left out without shifting the rest.
//! Invariant: each fault comes before the operation that it names. A storm lasts until `FAULTS_MIN` faults have struck.
//! Drawn by `run`, performed by `life`.

use storage::Operation;

use crate::chance::{Chance, Purpose};
use crate::cluster::blows::Blow;
use crate::events::Event;
use crate::limits::{LATE_FAULT_EVERY, PLANNED_MAX, PLANNED_MIN};

/// A call of the disk that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Of bytes into a file.
    Write,
    /// Of a file.
    Sync,
    /// Of the names of the folder.
    SyncFolder,
    /// Of bytes out of a file.
    Read,
    /// Of a file.
    Open,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 5] = [Self::Write, Self::Sync, Self::SyncFolder, Self::Read, Self::Open];

    /// The operation of the disk, and what it is called when it fails.
    #[must_use]
    pub const fn operation(self) -> (Operation, Event) {
        match self {
            Self::Write => (Operation::Write, Event::WriteFailed),
            Self::Sync => (Operation::Sync, Event::SyncFailed),
            Self::SyncFolder => (Operation::SyncFolder, Event::FolderSyncFailed),
            Self::Read => (Operation::Read, Event::ReadFailed),
            Self::Open => (Operation::Open, Event::OpenFailed),
        }
    }
}

/// What is left of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Any sectors and names.
    Torn,
    /// All but the first sector of each file.
    Tails,
    /// Names of files, and nothing that was written to them.
    Names,
    /// What was written, in files under their old names.
    Contents,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power fails after so many changes of the disk.
    PowerCut(u64, Survival),
    /// As that, and again after so many changes of the next start.
    PowerCutTwice(u64, Survival),
    /// The process is killed.
    Kill,
    /// The process is stopped in order and starts again.
    Restart,
    /// A call fails, the nth from now.
    Failing(Call, u64),
    /// So many bytes are left on the disk, until so many operations later.
    Full(u64, u64),
    /// The disk takes so many times as long, until so many operations later.
    Slow(u64, u64),
    /// The clock jumps by milliseconds.
    Jump(i64),
    /// Clients go away in the middle of what they do.
    Vanish,
    /// Clients forget what they hold.
    Forget,
    /// The process is killed, and a bit of some file is flipped for its next start.
    BitRot(u64),
    /// One of several nodes, or the network between them, is struck.
    Among(Blow),
}

impl Fault {
    /// Whether it strikes when its moment is there; others wait for a call of the disk that may never come.
    #[must_use]
    pub const fn strikes_at_once(&self) -> bool {
        !matches!(self, Self::PowerCut(..) | Self::PowerCutTwice(..) | Self::Failing(..))
    }
}

/// A fault with its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its number in the plan.
    pub number: u64,
    /// Before which operation.
    pub at: u64,
    /// What.
    pub fault: Fault,
}

/// Draws the faults of a seed, in the order of their moments: some before `operations`, and a row of late ones from
/// there up to `most`.
#[must_use]
pub fn plan(seed: u64, operations: u64, most: u64) -> Vec<Planned> {
    let mut chance = Chance::of(seed, Purpose::Nemesis, 0);
    // Which kinds are on, and how strong.
    let usual = [30, 12, 10, 24, 8, 8, 10, 10, 8, 8];
    let mut weights = usual.map(|weight| if chance.one_in(4) { 0 } else { weight * chance.between(1, 4) });
    // A seed without power cuts is a weak one.
    weights[0] += 10;
    let count = chance.between(PLANNED_MIN, PLANNED_MAX);
    let mut moments: Vec<u64> = (0..count).map(|_| chance.below(operations)).collect();
    // Half of the seeds lose power at the very first start.
    if chance.one_in(2) {
        moments[0] = 0;
    }
    moments.sort_unstable();
    let first = moments.first().copied();
    let late = (operations..most).step_by(usize::try_from(LATE_FAULT_EVERY).unwrap_or(usize::MAX));
    let plan = (0..).zip(moments.into_iter().chain(late)).map(|(number, at)| {
        let mut fault = draw(&mut chance, &weights);
        if first == Some(0) && number == 0 {
            fault = Fault::PowerCutTwice(chance.between(1, 25), survival(&mut chance));
        }
        Planned { number, at, fault }
    });
    plan.collect()
}

pub(crate) fn survival(chance: &mut Chance) -> Survival {
    let all = [
        Survival::Nothing,
        Survival::Nothing,
        Survival::Torn,
        Survival::Torn,
        Survival::Tails,
        Survival::Names,
        Survival::Contents,
        Survival::Everything,
    ];
    *chance.among(&all)
}

fn draw(chance: &mut Chance, weights: &[u64]) -> Fault {
    match chance.weighted(weights) {
        0 => Fault::PowerCut(chance.between(1, 60), survival(chance)),
        1 => Fault::Kill,
        2 => Fault::Restart,
        3 => {
            let (call, nth) = failing(chance);
            Fault::Failing(call, nth)
        }
        4 => Fault::Full(chance.between(0, 60_000), chance.between(5, 80)),
        5 => Fault::Slow(chance.between(5, 200), chance.between(5, 60)),
        6 => Fault::Jump(jump(chance)),
        7 => {
            if chance.one_in(2) {
                Fault::Vanish
            } else {
                Fault::Forget
            }
        }
        8 => Fault::BitRot(chance.number()),
        _ => Fault::PowerCutTwice(chance.between(1, 40), survival(chance)),
    }
}

pub(crate) fn failing(chance: &mut Chance) -> (Call, u64) {
    let call =
        *chance.among(&[Call::Write, Call::Write, Call::Sync, Call::Sync, Call::SyncFolder, Call::Read, Call::Open]);
    let most = match call {
        Call::Write | Call::Sync => 30,
        Call::SyncFolder | Call::Open | Call::Read => 6,
    };
    (call, chance.between(1, most))
}

pub(crate) fn jump(chance: &mut Chance) -> i64 {
    let by = if chance.one_in(4) { chance.between(1000, 3_600_000) } else { chance.between(100, 8000) };
    let by = i64::try_from(by).unwrap_or_default();
    // Back only a little: until the clock is past the newest stamp again, no time passes.
    if chance.one_in(3) { -by.min(5000) } else { by }
}
