//! What happens to nodes, their network and their disks, one kind at a time.
//! Invariant: `heal` ends everything that `strike` began, whatever state the nodes are in.
//! Used by `field`.

use std::thread;
use std::time::{Duration, Instant};

use super::field::Field;
use super::network::Host;
use crate::faults::chance::Chance;
use crate::faults::limits::{CLOCK_JUMP_S, CLUSTER_STORM_PAUSE, CLUSTER_STUTTER, PAUSE, SLOW_FLUSH};

/// A kind of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    KillLeader,
    KillFollower,
    KillMinority,
    KillMajority,
    KillAll,
    KillInTurn,
    PauseLeader,
    PauseFollower,
    PauseAll,
    StutterLeader,
    StopLeader,
    Transfer,
    TransferAgain,
    IsolateLeader,
    LeaderUnheard,
    LeaderDeaf,
    LeaderGone,
    Halves,
    Ring,
    OneWayFollower,
    DelayLeader,
    DelayAll,
    Loss,
    Resets,
    Squeeze,
    LostDisk,
    Replace,
    KillGateway,
    PowerAll,
    PowerLeader,
    PowerFollower,
    SlowLeader,
    SlowFollower,
    WriteFails,
    FullLeader,
    FullFollower,
    ClockFollower,
}

/// What clients may expect during a harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// A majority works together: confirms go on.
    Work,
    /// Nothing is promised until it is healed.
    Nothing,
}

/// What a harm needs that nodes do not have without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Disks that the campaign serves.
    Disks,
    /// Clocks that the campaign sets.
    Clocks,
    /// Nothing.
    Nothing,
}

/// Which figure a harm has to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Of a leader that is killed.
    Killed,
    /// Of a leader that goes in good order.
    Planned,
    /// Of one that stands still or is cut off.
    CutOff,
    /// None beside work that goes on.
    Any,
}

impl Harm {
    pub(super) const ALL: [(&'static str, Self); 37] = [
        ("kill-leader", Self::KillLeader),
        ("kill-follower", Self::KillFollower),
        ("kill-minority", Self::KillMinority),
        ("kill-majority", Self::KillMajority),
        ("kill-all", Self::KillAll),
        ("kill-in-turn", Self::KillInTurn),
        ("pause-leader", Self::PauseLeader),
        ("pause-follower", Self::PauseFollower),
        ("pause-all", Self::PauseAll),
        ("stutter-leader", Self::StutterLeader),
        ("stop-leader", Self::StopLeader),
        ("transfer", Self::Transfer),
        ("transfer-again", Self::TransferAgain),
        ("isolate-leader", Self::IsolateLeader),
        ("leader-unheard", Self::LeaderUnheard),
        ("leader-deaf", Self::LeaderDeaf),
        ("leader-gone", Self::LeaderGone),
        ("halves", Self::Halves),
        ("ring", Self::Ring),
        ("one-way-follower", Self::OneWayFollower),
        ("delay-leader", Self::DelayLeader),
        ("delay-all", Self::DelayAll),
        ("loss", Self::Loss),
        ("resets", Self::Resets),
        ("squeeze", Self::Squeeze),
        ("lost-disk", Self::LostDisk),
        ("replace", Self::Replace),
        ("kill-gateway", Self::KillGateway),
        ("power-all", Self::PowerAll),
        ("power-leader", Self::PowerLeader),
        ("power-follower", Self::PowerFollower),
        ("slow-leader", Self::SlowLeader),
        ("slow-follower", Self::SlowFollower),
        ("write-fails", Self::WriteFails),
        ("full-leader", Self::FullLeader),
        ("full-follower", Self::FullFollower),
        ("clock-follower", Self::ClockFollower),
    ];

    /// Its name on the command line and in reports.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// The kind of a name.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, harm)| *harm)
    }

    pub(super) const fn expect(self) -> Expect {
        let is_of_all = matches!(self, Self::KillAll | Self::PauseAll | Self::PowerAll | Self::SlowLeader);
        // A leader whose disk is full refuses publishes, and goes on to lead.
        match is_of_all || matches!(self, Self::KillMajority | Self::KillInTurn | Self::FullLeader) {
            true => Expect::Nothing,
            false => Expect::Work,
        }
    }

    /// What nodes have to be made with.
    pub(super) fn needs(self) -> Needs {
        let is_of_power = matches!(self, Self::PowerAll | Self::PowerLeader | Self::PowerFollower);
        let is_of_flushes = matches!(self, Self::SlowLeader | Self::SlowFollower | Self::WriteFails);
        if is_of_power || is_of_flushes || matches!(self, Self::FullLeader | Self::FullFollower) {
            return Needs::Disks;
        }
        if self == Self::ClockFollower { Needs::Clocks } else { Needs::Nothing }
    }

    pub(super) const fn wanted(self) -> Wanted {
        if matches!(self, Self::KillLeader | Self::KillMinority | Self::PowerLeader) {
            return Wanted::Killed;
        }
        if matches!(self, Self::StopLeader | Self::Transfer) {
            return Wanted::Planned;
        }
        let is_alive = matches!(self, Self::PauseLeader | Self::IsolateLeader | Self::LeaderGone);
        match is_alive || matches!(self, Self::LeaderUnheard | Self::LeaderDeaf | Self::Halves) {
            true => Wanted::CutOff,
            false => Wanted::Any,
        }
    }

    /// Begins it. The leader is at the place that is given.
    pub(super) fn strike(self, field: &mut Field, leader: usize, chance: &mut Chance) -> Result<(), String> {
        let others: Vec<usize> = (0..field.members.all.len()).filter(|at| *at != leader).collect();
        let count = u64::try_from(others.len()).expect("nodes are few");
        let other = others[usize::try_from(chance.below(count)).expect("nodes are few")];
        let minority = others.len() / 2;
        match self {
            Self::KillLeader => field.members.all[leader].kill(),
            Self::KillFollower => field.members.all[other].kill(),
            Self::KillMinority => field.kill(&[&[leader], &others[..minority - 1]].concat()),
            Self::KillMajority => field.kill(&[&[leader], &others[..minority]].concat()),
            Self::KillAll => {
                field.kill(&[&[leader], others.as_slice()].concat());
                return field.members.start_all();
            }
            Self::PauseLeader => field.members.all[leader].signal("STOP")?,
            Self::PauseFollower => field.members.all[other].signal("STOP")?,
            Self::PauseAll => field.members.all.iter_mut().try_for_each(|member| member.signal("STOP"))?,
            Self::StopLeader => field.members.all[leader].signal("TERM")?,
            Self::Transfer => field.members.all[other].ask(&["transfer"]).map(drop)?,
            Self::IsolateLeader | Self::Halves => {
                let with = if self == Self::Halves { minority - 1 } else { 0 };
                let (near, far) = others.split_at(with);
                return field.part(&[near, &[leader]].concat(), far);
            }
            Self::LeaderUnheard => return others.iter().try_for_each(|at| field.deafen(*at, leader)),
            Self::LeaderDeaf => return others.iter().try_for_each(|at| field.deafen(leader, *at)),
            Self::OneWayFollower => return field.deafen(leader, other),
            Self::LeaderGone => {
                field.part(&[leader], &others)?;
                return field.cut_from_gateways(leader);
            }
            Self::Ring => return field.ring(),
            Self::DelayLeader => return field.members.all[leader].host.delay("20+4"),
            Self::DelayAll => return field.members.all.iter().try_for_each(|member| member.host.delay("8+2")),
            Self::Loss => {
                let percent = chance.between((1, 5));
                return field.among(|here, there| here.lose_from(there, percent));
            }
            Self::Squeeze => return field.members.all[leader].host.squeeze("16mbit"),
            Self::LostDisk => {
                field.members.all[other].kill();
                return field.replace(other);
            }
            Self::Replace => return field.replace(other),
            Self::PowerAll => {
                field.cut_power(&[&[leader], others.as_slice()].concat(), chance)?;
                return field.members.start_all();
            }
            Self::PowerLeader => return field.cut_power(&[leader], chance),
            Self::PowerFollower => return field.cut_power(&[other], chance),
            Self::SlowLeader => field.slow_flushes(&[leader], SLOW_FLUSH[1]),
            Self::SlowFollower => field.slow_flushes(&[other], SLOW_FLUSH[1]),
            Self::WriteFails => return field.fail_a_write(leader, chance),
            Self::FullLeader => return field.fill_disk(leader),
            Self::FullFollower => return field.fill_disk(other),
            // Not that of a leader: all time comes from it, so that leases end by the jump too early or too late.
            Self::ClockFollower => {
                let by = seconds(chance);
                return field.members.all[other].jump(if chance.below(2) == 0 { by } else { -by });
            }
            // These come again and again while it goes on.
            Self::KillInTurn | Self::StutterLeader | Self::TransferAgain | Self::Resets | Self::KillGateway => {}
        }
        Ok(())
    }

    /// Goes on with it until a time.
    pub(super) fn go_on(self, field: &mut Field, leader: usize, until: Instant) -> Result<(), String> {
        let mut turn = 0;
        while Instant::now() < until {
            let place = turn % field.members.all.len();
            if self == Self::KillInTurn {
                let member = &mut field.members.all[place];
                member.kill();
                member.launch()?;
                member.until_ready()?;
                thread::sleep(CLUSTER_STORM_PAUSE);
            } else if self == Self::StutterLeader {
                let member = &mut field.members.all[leader];
                member.signal("STOP")?;
                thread::sleep(CLUSTER_STUTTER.0);
                member.signal("CONT")?;
                thread::sleep(CLUSTER_STUTTER.1);
            } else if self == Self::TransferAgain {
                field.members.all[place].ask(&["transfer"])?;
                thread::sleep(CLUSTER_STORM_PAUSE);
            } else if self == Self::Resets {
                field.among(Host::reset_from)?;
                thread::sleep(PAUSE);
                field.members.heal()?;
                thread::sleep(CLUSTER_STORM_PAUSE);
            } else if self == Self::KillGateway {
                field.kill_gateway()?;
                thread::sleep(CLUSTER_STORM_PAUSE);
            } else {
                thread::sleep(until.saturating_duration_since(Instant::now()));
            }
            turn += 1;
        }
        Ok(())
    }

    /// Ends it.
    pub(super) fn heal(self, field: &mut Field, leader: usize) -> Result<(), String> {
        if self == Self::StopLeader {
            let ended = field.members.all[leader].until_ended()?;
            if ended != "exit status: 0" {
                return Err(format!("a leader that was asked to end did so with {ended}"));
            }
        }
        field.members.all.iter_mut().filter(|member| member.paused).try_for_each(|member| member.signal("CONT"))?;
        field.members.heal()?;
        let all: Vec<usize> = (0..field.members.all.len()).collect();
        field.slow_flushes(&all, Duration::ZERO);
        field.members.all.iter().try_for_each(|member| member.jump(0).and_then(|()| member.empty_disk()))?;
        if self == Self::WriteFails {
            field.after_failed_write(leader)?;
        }
        field.members.start_all()
    }
}

/// How far a clock jumps.
fn seconds(chance: &mut Chance) -> i64 {
    let (least, most) = CLOCK_JUMP_S;
    i64::try_from(chance.between((least, most))).expect("a jump is some hours")
}
