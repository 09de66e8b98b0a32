//! The campaigns by name.
//! Invariant: each has one name, one line of explanation, and one place where it runs.
//! Used by `options` and `mutants`.

use super::options::Options;
use super::process::Home;
use super::report::Report;
use super::{
    boots, clocks, cluster, cluster_flips, confirms, connections, disk, doors, eio, flips, holdouts, kills, memory,
    mutants, pauses, power, rolls, slow, stale, write_errors,
};

/// A campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Campaign {
    Kills,
    Eio,
    EioWrites,
    Disk,
    Memory,
    Startup,
    Flips,
    PowerCuts,
    Rolls,
    Holdouts,
    WriteErrors,
    SlowDisk,
    Pauses,
    Clocks,
    Boots,
    Stale,
    Confirms,
    Connections,
    Doors,
    Cluster,
    ClusterFlips,
    Mutants,
}

impl Campaign {
    pub(super) const ALL: [(&'static str, Self); 22] = [
        ("startup", Self::Startup),
        ("flips", Self::Flips),
        ("power-cuts", Self::PowerCuts),
        ("rolls", Self::Rolls),
        ("holdouts", Self::Holdouts),
        ("write-errors", Self::WriteErrors),
        ("slow-disk", Self::SlowDisk),
        ("pauses", Self::Pauses),
        ("clocks", Self::Clocks),
        ("boots", Self::Boots),
        ("stale", Self::Stale),
        ("confirms", Self::Confirms),
        ("connections", Self::Connections),
        ("doors", Self::Doors),
        ("cluster", Self::Cluster),
        ("cluster-flips", Self::ClusterFlips),
        ("mutants", Self::Mutants),
        ("eio", Self::Eio),
        ("eio-writes", Self::EioWrites),
        ("kills", Self::Kills),
        ("disk", Self::Disk),
        ("memory", Self::Memory),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// Whether it brings its own disk, with each of the filesystems in turn.
    pub(super) const fn has_a_disk(self) -> bool {
        matches!(self, Self::PowerCuts | Self::Rolls | Self::WriteErrors | Self::SlowDisk)
    }

    /// What it does, in a line.
    pub(super) const fn explained(self) -> &'static str {
        match self {
            Self::Startup => "the start of an empty broker",
            Self::Flips => "one bit of one file is flipped; nothing wrong is served, nothing is missing in silence",
            Self::Stale => "one file is missing, cut short, zeroed or older; the whole folder is older",
            Self::Eio => "the n-th flush fails with EIO, once or from then on; nothing is confirmed after that",
            Self::EioWrites => "the n-th write fails with EIO, once or from then on",
            Self::WriteErrors => "a real filesystem meets one write that its disk refuses",
            Self::PowerCuts => "the power goes under load, on ext4 and XFS; nothing confirmed is lost",
            Self::Rolls => "the power goes as a new segment gets its name, on ext4 and XFS",
            Self::Holdouts => "segments go around messages that wait or are held, which do not",
            Self::SlowDisk => "flushes take up to seconds; every publish has an answer",
            Self::Pauses => "SIGSTOP for longer than leases last; no message has two holders",
            Self::Clocks => "the wall clock jumps by a second or by hours",
            Self::Boots => "kill -9 in the first start, in a storm of restarts, while draining",
            Self::Confirms => "no answer to a publish begins before the flush of its message has ended, by strace",
            Self::Connections => "resident memory with many idle connections over AMQP",
            Self::Doors => "published over gRPC, drained over REST, and the other way, with kills between",
            Self::Cluster => {
                "three nodes, of which one or all are killed, stopped or asked to end; nothing confirmed is lost"
            }
            Self::ClusterFlips => {
                "one bit of one file of one of three nodes is flipped; it is put right from the others"
            }
            Self::Kills => "kill -9 under load, again and again; nothing confirmed is lost, order is kept",
            Self::Disk => "the folder shrinks as messages go; a full disk refuses publishes alone",
            Self::Memory => "resident memory, idle, with a backlog and with many queues, and the starts with them",
            Self::Mutants => "the campaigns find deliberate faults of a program that is built with them",
        }
    }

    pub(super) fn run(self, options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
        match self {
            Self::Kills => kills::run(options, home, report),
            Self::Eio => eio::run(eio::Call::Flush, options, home, report),
            Self::EioWrites => eio::run(eio::Call::Write, options, home, report),
            Self::Disk => disk::run(options, home, report),
            Self::Memory => memory::run(options, home, report),
            Self::Startup => memory::startup(home, report),
            Self::Flips => flips::run(options, home, report),
            Self::PowerCuts => options.on_each_filesystem(|it| power::on(it, options, home, report)),
            Self::Rolls => options.on_each_filesystem(|it| rolls::on(it, options, home, report)),
            Self::Holdouts => holdouts::run(options, home, report),
            Self::WriteErrors => options.on_each_filesystem(|it| write_errors::on(it, options, home, report)),
            Self::SlowDisk => slow::run(options, home, report),
            Self::Pauses => pauses::run(options, home, report),
            Self::Clocks => clocks::run(options, home, report),
            Self::Boots => boots::run(options, home, report),
            Self::Stale => stale::run(options, home, report),
            Self::Confirms => confirms::run(options, home, report),
            Self::Connections => connections::run(options, home, report),
            Self::Doors => doors::run(options, home, report),
            Self::Cluster => cluster::run(options, home, report),
            Self::ClusterFlips => cluster_flips::run(options, home, report),
            Self::Mutants => mutants::run(options, home, report),
        }
    }
}
