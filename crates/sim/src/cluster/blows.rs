//! What goes wrong in a cluster, and when: drawn before the run, as the faults of a single node are.
//! Invariant: a blow says whom it meets by its part or its machine, so that it means the same when others are left out.
//! Planned by `Schedule`, struck by `strike`.

use crate::chance::{Chance, Purpose};
use crate::limits::{LATE_FAULT_EVERY, PLANNED_MAX, PLANNED_MIN};
use crate::nemesis::{Call, Fault, Planned, Survival, failing, jump, survival};

/// Who is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Whoever leads; any machine when nobody does.
    Leader,
    /// A machine.
    Machine(usize),
}

/// Something that goes wrong. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The process is killed.
    Kill(Whom),
    /// The power of a machine fails after so many changes of its disk.
    PowerCut(Whom, u64, Survival),
    /// As that, and again after so many changes of the next start.
    PowerCutTwice(Whom, u64, Survival),
    /// The power of some machines fails at once: those whose bits are set.
    PowerOfSome(u64, Survival),
    /// The power of all machines fails at once.
    PowerOfAll(Survival),
    /// The process is stopped in order and starts again.
    Restart(Whom),
    /// The process stands still for so long.
    Hold(Whom, u64),
    /// A call of the disk fails, the nth from now.
    Failing(Whom, Call, u64),
    /// So many bytes are left on the disk, for so long.
    Full(Whom, u64, u64),
    /// The disk takes so many times as long, for so long.
    Slow(Whom, u64, u64),
    /// The clock jumps.
    Jump(Whom, i64),
    /// Clients go away in the middle of what they do.
    Vanish,
    /// Clients forget what they hold.
    Forget,
    /// A machine is cut off from all others.
    Isolate(Whom, u64),
    /// What a machine sends to the others, or what they send to it, does not come.
    OneWay(Whom, bool, u64),
    /// The machines whose bits are set are cut off from the rest.
    Halves(u64, u64),
    /// Each machine reaches its two neighbours only; of three, two reach only the third.
    Ring(usize, u64),
    /// Messages are late, lost and doubled: of a thousand so many are lost.
    Weather(u64, u64),
    /// The leadership is handed over.
    Transfer,
    /// A machine goes down, and comes back with an empty disk.
    LoseDisk(Whom),
    /// A machine is taken out of the group, and joins again as a new one.
    Remove(Whom),
    /// A machine is killed, and the others are two halves that reach it and not each other. The power of the machine
    /// fails behind its answer to the next that asks for its vote, who does not reach it for a while.
    FallAfterVote(Whom, u64),
}

impl Blow {
    /// Whether it strikes when its moment is there; others wait for a call of the disk, or count for each machine.
    #[must_use]
    pub const fn strikes_at_once(&self) -> bool {
        !matches!(
            self,
            Self::PowerCut(..)
                | Self::PowerCutTwice(..)
                | Self::PowerOfSome(..)
                | Self::PowerOfAll(_)
                | Self::Failing(..)
                | Self::FallAfterVote(..)
        )
    }
}

/// Draws the blows of a seed, in the order of their moments.
#[must_use]
pub fn plan(seed: u64, operations: u64, most: u64) -> Vec<Planned> {
    let mut chance = Chance::of(seed, Purpose::Nemesis, 1);
    let usual = [14, 18, 6, 8, 6, 6, 10, 14, 4, 6, 6, 4, 12, 10, 10, 5, 6, 8, 5, 3, 8];
    let mut weights = usual.map(|weight| if chance.one_in(4) { 0 } else { weight * chance.between(1, 4) });
    // A seed in which nothing falls is a weak one.
    weights[0] += 6;
    weights[1] += 6;
    let count = chance.between(PLANNED_MIN, PLANNED_MAX);
    let mut moments: Vec<u64> = (0..count).map(|_| chance.below(operations)).collect();
    moments.sort_unstable();
    let late = (operations..most).step_by(usize::try_from(LATE_FAULT_EVERY).unwrap_or(usize::MAX));
    let plan = (0..).zip(moments.into_iter().chain(late)).map(|(number, at)| {
        let fault = Fault::Among(draw(&mut chance, &weights));
        Planned { number, at, fault }
    });
    plan.collect()
}

fn whom(chance: &mut Chance) -> Whom {
    if chance.one_in(2) { Whom::Leader } else { Whom::Machine(usize::try_from(chance.below(60)).unwrap_or_default()) }
}

fn draw(chance: &mut Chance, weights: &[u64]) -> Blow {
    let kind = chance.weighted(weights);
    let whom = whom(chance);
    let while_ms = chance.between(300, 8000);
    match kind {
        0 => Blow::Kill(whom),
        1 => Blow::PowerCut(whom, chance.between(1, 60), survival(chance)),
        2 => Blow::PowerCutTwice(whom, chance.between(1, 40), survival(chance)),
        3 => Blow::PowerOfSome(chance.number(), survival(chance)),
        4 => Blow::PowerOfAll(survival(chance)),
        5 => Blow::Restart(whom),
        6 => Blow::Hold(whom, while_ms),
        7 => {
            let (call, nth) = failing(chance);
            Blow::Failing(whom, call, nth)
        }
        8 => Blow::Full(whom, chance.between(0, 60_000), while_ms),
        9 => Blow::Slow(whom, chance.between(5, 200), while_ms),
        10 => Blow::Jump(whom, jump(chance)),
        11 => {
            if chance.one_in(2) {
                Blow::Vanish
            } else {
                Blow::Forget
            }
        }
        12 => Blow::Isolate(whom, while_ms),
        13 => Blow::OneWay(whom, chance.one_in(2), while_ms),
        14 => Blow::Halves(chance.number(), while_ms),
        15 => Blow::Ring(usize::try_from(chance.below(60)).unwrap_or_default(), while_ms),
        16 => Blow::Weather(chance.between(20, 300), while_ms),
        17 => Blow::Transfer,
        18 => Blow::LoseDisk(whom),
        19 => Blow::Remove(whom),
        _ => Blow::FallAfterVote(whom, while_ms),
    }
}
