//! One cluster with its gateways and clients, and the runs that it goes through.
//! Invariant: a run counts only with real traffic before the harm, and during it where a majority can work.
//! Used by the root of this folder; what a run found goes to `findings`.

use std::thread;
use std::time::{Duration, Instant};

use super::clients::{Clients, Order, Pace};
use super::findings::Finding;
use super::harm::Harm;
use super::members::{Gateway, Ground, Members};
use super::network::Host;
use crate::faults::chance::Chance;
use crate::faults::device::Loss;
use crate::faults::limits::{CLUSTER_GATEWAYS, DEAD_DISK, PAUSE, WRITES_BEFORE};
use crate::faults::milliseconds;
use crate::faults::process::Home;
use crate::faults::report::Report;

/// A cluster at work.
pub(super) struct Field {
    pub(super) members: Members,
    gateways: Vec<Gateway>,
    gateway_killed: usize,
}

/// How long the parts of a run are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    before: Duration,
    during: Duration,
    after: Duration,
}

impl Times {
    /// Parts of a run of so many seconds.
    pub(super) fn of(seconds: u64) -> Self {
        let part = |twentieths: u64| Duration::from_millis(seconds * 50 * twentieths);
        Self { before: part(5), during: part(10), after: part(5) }
    }
}

impl Field {
    /// Grows a cluster, and puts gateways before it.
    pub(super) fn new(home: &Home, nodes: u64, ground: Ground) -> Result<(Self, Clients), String> {
        let members = Members::grow(home, nodes, ground)?;
        let mut gateways = Vec::new();
        for number in 0..CLUSTER_GATEWAYS {
            gateways.push(Gateway::start(home, number, nodes)?);
        }
        let doors = gateways.iter().map(Gateway::door).collect::<Result<Vec<_>, String>>()?;
        let clients = Clients::new(home, doors, Order::PerKey)?;
        Ok((Self { members, gateways, gateway_killed: 0 }, clients))
    }

    pub(super) fn kill(&mut self, places: &[usize]) {
        places.iter().for_each(|at| self.members.all[*at].kill());
    }

    /// The power of these nodes goes at once: each disk loses what it did not flush, in a way of its own.
    pub(super) fn cut_power(&mut self, places: &[usize], chance: &mut Chance) -> Result<(), String> {
        for at in places {
            let loss = Loss::ALL[usize::try_from(chance.below(3)).expect("it is below three")];
            let disk = self.members.all[*at].disk.as_ref().ok_or("the nodes have no disks of their own: --disks")?;
            disk.device.cut(loss, chance);
        }
        thread::sleep(DEAD_DISK);
        self.kill(places);
        places.iter().try_for_each(|at| self.members.all[*at].power_back())
    }

    /// From now on each flush of the disks of these nodes takes this much longer.
    pub(super) fn slow_flushes(&self, places: &[usize], delay: Duration) {
        let disks = places.iter().filter_map(|at| self.members.all[*at].disk.as_ref());
        disks.for_each(|disk| disk.device.delay_flushes(delay));
    }

    /// One of the next writes to the disk of a node is refused.
    pub(super) fn fail_a_write(&self, place: usize, chance: &mut Chance) -> Result<(), String> {
        let disk = self.members.all[place].disk.as_ref().ok_or("the nodes have no disks of their own: --disks")?;
        disk.device.fail_a_write_after(chance.between(WRITES_BEFORE));
        Ok(())
    }

    /// The disk of a node is nearly full.
    pub(super) fn fill_disk(&self, place: usize) -> Result<(), String> {
        self.members.all[place].fill_disk()
    }

    /// The disk is whole again, and its filesystem mounted anew.
    pub(super) fn after_failed_write(&mut self, place: usize) -> Result<(), String> {
        let member = &mut self.members.all[place];
        let _never_came = member.disk.as_ref().is_some_and(|disk| !disk.device.write_has_failed());
        member.power_back()
    }

    /// Kills one gateway, another one each time, and starts it again.
    pub(super) fn kill_gateway(&mut self) -> Result<(), String> {
        let at = self.gateway_killed % self.gateways.len();
        self.gateway_killed += 1;
        self.gateways[at].kill();
        self.gateways[at].again()
    }

    /// The node at one place hears nothing any more from that at another.
    pub(super) fn deafen(&self, deaf: usize, other: usize) -> Result<(), String> {
        self.members.all[deaf].host.drop_from(&self.members.all[other].host)
    }

    /// These and those hear nothing from each other.
    pub(super) fn part(&self, these: &[usize], those: &[usize]) -> Result<(), String> {
        for this in these {
            for that in those {
                self.deafen(*this, *that)?;
                self.deafen(*that, *this)?;
            }
        }
        Ok(())
    }

    /// A node hears nothing from the gateways either.
    pub(super) fn cut_from_gateways(&self, place: usize) -> Result<(), String> {
        self.gateways.iter().try_for_each(|gateway| self.members.all[place].host.drop_from(&gateway.host))
    }

    /// Each node hears its two neighbours alone; of three nodes two do not hear each other.
    pub(super) fn ring(&self) -> Result<(), String> {
        let count = self.members.all.len();
        if count == 3 {
            return self.part(&[0], &[1]);
        }
        for at in 0..count {
            for step in 2..count - 1 {
                self.deafen(at, (at + step) % count)?;
            }
        }
        Ok(())
    }

    /// Does something for each node and each other one.
    pub(super) fn among(&self, act: impl Fn(&Host, &Host) -> Result<(), String>) -> Result<(), String> {
        for here in &self.members.all {
            for there in self.members.all.iter().filter(|there| there.host != here.host) {
                act(&here.host, &there.host)?;
            }
        }
        Ok(())
    }

    /// A node goes for ever with its disk, and a new one comes on its host.
    pub(super) fn replace(&mut self, place: usize) -> Result<(), String> {
        let host = self.members.remove(place)?;
        self.members.join(host)
    }

    /// One run: work, harm, work, and the verdict.
    pub(super) fn run(
        &mut self,
        (harm, when): (Harm, &str),
        times: Times,
        clients: &Clients,
        chance: &mut Chance,
        report: &mut Report,
    ) -> Result<Finding, String> {
        let violations = report.violations.len();
        let seed = chance.next();
        let mut struck = Instant::now();
        // When the harm was complete: some take several commands.
        let mut done = struck;
        let (mut before, mut during) = (0, 0);
        let begun = clients.confirmed();
        clients.during(Pace::USUAL, seed, || -> Result<(), String> {
            let start = Instant::now();
            thread::sleep(times.before);
            before = rate(clients.confirmed() - begun, start);
            let leader = self.members.leader()?;
            struck = Instant::now();
            let until = struck + times.during;
            let confirmed = clients.confirmed();
            harm.strike(self, leader, chance)?;
            done = Instant::now();
            harm.go_on(self, leader, until)?;
            during = rate(clients.confirmed() - confirmed, struck);
            harm.heal(self, leader)?;
            thread::sleep(times.after);
            Ok(())
        })??;
        clients.check(when, report)?;
        let confirms = clients.confirms();
        let over = struck + times.during;
        Ok(Finding::new(harm, (before, during), clients.confirmed() - begun, &confirms, (struck, done, over))
            .with_violations(report.violations.len() - violations))
    }

    /// Asks all nodes to end.
    pub(super) fn stop(mut self) -> Result<(), String> {
        self.gateways.iter_mut().for_each(Gateway::kill);
        thread::sleep(PAUSE);
        self.members.stop()
    }
}

/// So many things in a second, since a time.
fn rate(count: u64, since: Instant) -> u64 {
    count * 1000 / milliseconds(since.elapsed()).max(1)
}
