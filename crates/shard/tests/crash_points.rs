//! Cuts the power at every write and sync of a node that works, in many ways, and brings it up again: everything
//! confirmed is there, nothing is that was not submitted, the state is that of a replay from the beginning, and the
//! bytes of each live message can be read. A slice runs with the tests; the whole is `cargo xtask crash-points`.
#![allow(clippy::unwrap_used)]

mod crash;

use std::env;
use std::io::{self, ErrorKind, Write};
use std::time::Instant;

use crash::enumerate::{Plan, Sum, Walk};
use crash::node::Node;
use crash::recover::{Promise, Truth, check};
use storage::disk::simulated::{Event, MemoryDisk, PowerCut};
use storage::{Fault, Operation};

/// Runs through everything when it says `whole`.
const EXTENT: &str = "RECADO_CRASH_POINTS";
/// The seed of the script.
const SEED: &str = "SEED";

const SLICE: Plan = Plan { seed: 1, steps: 200, stride: 11, torn: 3, deeper_one_in: 60, flip_one_in: 4, wrong_max: 1 };

fn is_whole() -> bool {
    env::var(EXTENT).is_ok_and(|extent| extent == "whole")
}

fn plan() -> Plan {
    let seed = env::var(SEED).ok().map_or(SLICE.seed, |seed| seed.parse().expect("SEED is a number"));
    if is_whole() {
        return Plan { seed, steps: 560, stride: 1, torn: 16, deeper_one_in: 40, flip_one_in: 6, wrong_max: 20 };
    }
    Plan { seed, ..SLICE }
}

fn say(text: &str) {
    writeln!(io::stdout(), "{text}").expect("standard output is open");
}

/// Works through the script on a disk, up to its end or to the first failure.
fn work(disk: &MemoryDisk, plan: Plan) -> (Option<Node>, Option<Fault>) {
    let mut node = match Node::boot(disk, plan.seed) {
        Ok(node) => node,
        Err(fault) => return (None, Some(fault)),
    };
    let failed = (0..plan.steps).find_map(|number| node.step(number).err());
    let failed = failed.or_else(|| if node.is_up() { node.heard().err() } else { None });
    (Some(node), failed)
}

/// Works through the script, then cuts the power everywhere.
fn enumerate(plan: Plan) -> Sum {
    let disk = MemoryDisk::new();
    let (node, failed) = work(&disk, plan);
    let node = node.expect("a new node boots on a disk that does not fail");
    let mut wrong: Vec<String> = failed.iter().map(|fault| format!("the script ends early: {fault}")).collect();
    assert!(failed.is_some() || (node.relocated > 0 && node.deleted > 0), "segments are emptied and deleted");
    let state = node.machine.state_hash();
    let entries = node.history.len();
    let truth = Truth::of(node.history.clone());
    drop(node);
    if wrong.is_empty() && truth.end() != Some(state) {
        wrong.push("the state of the node is not that of a replay from the beginning".to_owned());
    }
    let mut walk = Walk::new(plan, &truth);
    walk.sum.wrong = wrong;
    let journal = disk.journal();
    walk.follow(&journal);
    say(&format!("script of {} steps: {entries} entries, {} steps of the disk", plan.steps, journal.len()));
    walk.sum
}

#[test]
fn every_crash_point_comes_up_with_what_was_confirmed() {
    let (plan, start) = (plan(), Instant::now());
    let sum = enumerate(plan);
    say(&format!(
        "crash points, seed {}: {} states, {} distinct, {} of them inside a recovery, {} with a flipped bit of which \
         {} refused, {} ends of the log, {} recoveries wrong, {} s",
        plan.seed,
        sum.states,
        sum.images.len(),
        sum.inside_recovery,
        sum.flipped,
        sum.refused,
        sum.ends.len(),
        sum.wrong.len(),
        start.elapsed().as_secs(),
    ));
    assert_eq!(sum.wrong, Vec::<String>::new());
    let least = if is_whole() { 20_000 } else { 700 };
    assert!(sum.images.len() >= least, "{} distinct disks", sum.images.len());
    assert!(sum.inside_recovery > 0 && sum.flipped > 0 && sum.refused > 0, "every kind of crash was tried");
}

/// Makes the n-th call of an operation fail, goes on as if the caller had not heard, and cuts the power. Gives the
/// number of runs.
fn fail_each(operation: Operation, plan: Plan, runs_max: u64, truth: &Truth) -> (u64, Vec<String>) {
    let clean = MemoryDisk::new();
    let (node, _) = work(&clean, plan);
    let calls = clean.calls(operation);
    drop(node);
    let (mut runs, mut wrong) = (0, Vec::new());
    assert!(calls > 0, "the script comes to {operation:?}");
    let stride = usize::try_from(calls.div_ceil(runs_max)).unwrap();
    for nth in (1..=calls).step_by(stride) {
        let disk = MemoryDisk::new();
        disk.fail(operation, nth, ErrorKind::Other);
        let (node, failed) = work(&disk, plan);
        if failed.is_none() {
            wrong.push(format!("{operation:?} {nth} fails and nobody hears of it"));
        }
        // Whoever does not hear of the failure goes on: nothing may be confirmed that is not durable.
        if let Some(mut node) = node.filter(Node::is_up) {
            let _ = node.vote();
            let _ = node.step(0);
        }
        let mut promise = Promise::default();
        for event in disk.journal() {
            if let Event::Note(note) = event {
                promise.note(&note);
            }
        }
        for cut in [PowerCut::LoseAll, PowerCut::KeepAll] {
            let checked = check(&disk.after_power_cut(cut), &promise, truth);
            wrong.extend(checked.err().map(|what| format!("{operation:?} {nth}, {cut:?}: {what}")));
        }
        runs += 1;
    }
    (runs, wrong)
}

#[test]
fn nothing_is_confirmed_that_a_failing_call_lost() {
    let runs_max = if is_whole() { 200 } else { 7 };
    let plan = Plan { steps: if is_whole() { 120 } else { 105 }, ..plan() };
    let disk = MemoryDisk::new();
    let (node, _) = work(&disk, plan);
    let mut node = node.expect("a new node boots on a disk that does not fail");
    // What a node does after a failure that it was not told of follows the script.
    node.step(plan.steps).expect("the disk does not fail");
    let truth = Truth::of(node.history.clone());
    let mut wrong = Vec::new();
    for operation in [Operation::Sync, Operation::Write, Operation::SyncFolder, Operation::Rename, Operation::Remove] {
        let (runs, found) = fail_each(operation, plan, runs_max, &truth);
        say(&format!("failing {operation:?}: {runs} runs, {} wrong", found.len()));
        wrong.extend(found);
    }
    assert_eq!(wrong, Vec::<String>::new());
}
