//! Campaign: one bit of one file of one of three nodes is flipped, while the node runs or is stopped, under load.
//! Invariant checked: nothing wrong is served and nothing confirmed is lost; the damage is put right, or is where no byte
//! counts; only a node that cannot know who it is, or what it voted, is refused, and says what to do.
//! Called by `faults`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use super::body;
use super::chance::Chance;
use super::cluster::{Load, Nodes, gateway};
use super::door::{Door, Failed};
use super::flips::{flip_at, pick};
use super::limits::{ANSWER_MAX, MENDED_MAX, PAUSE};
use super::options::Options;
use super::process::{Home, Started, files};
use super::report::Report;
use super::seen::kind;
use super::traffic::Traffic;

const RUNS: u64 = 100;
/// A topic of long records that fills the first segment, so that there is a sealed one: how many.
const LONG_TOPIC: &str = "long";
const LONG_RECORDS: u64 = 72;
/// How many of them are read after each flip; after all flips each node is asked for all.
const RECORDS_READ: u64 = 12;
/// Words that make a node look for damage all the time, and show what it found.
const WORDS: [&str; 5] = ["--metrics-open", "--scrub-rate", "1GiB", "--scrub-pause", "500ms"];
/// Files of a node of a cluster that say who it is, or what it voted: they have no copy elsewhere.
const OWN: [&str; 4] = ["vote", "node", "authority.pem", "authority.key"];

/// What became of a flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// Nobody noticed, and nothing was wrong: no byte counts there, or it was written over.
    Harmless,
    /// It was put right in its place.
    Mended,
    /// The node took a copy of the leader's store.
    Copied,
    /// The node did not start, and said what to do.
    Refused,
}

/// What was done to one file, and how to undo it.
struct Flip {
    file: PathBuf,
    offset: u64,
    bit: u64,
}

/// What a node says of itself.
#[derive(Clone, Copy, Debug)]
struct Health {
    scrubs: u64,
    damaged: u64,
    mended: u64,
    copied: u64,
}

fn health(nodes: &Nodes, place: usize, token: &str) -> Option<Health> {
    let address = nodes.0[place].broker.as_ref()?.address;
    let page = Door::with_token(address, token).text("/metrics").ok()?;
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.trim().parse().ok())
    };
    Some(Health {
        scrubs: value("recado_scrubs_total")?,
        damaged: value("recado_damaged_files_total")?,
        mended: value("recado_mended_files_total")?,
        copied: value("recado_cluster_repairs_total")?,
    })
}

/// Flips a bit: each kind of file is as likely as the others, and mostly it is one of the bytes in use. While the node
/// runs only its store is damaged: the rest is read at the start alone.
fn flip(data: &Path, chance: &mut Chance, is_running: bool) -> Result<Flip, String> {
    let folder = if is_running { data.join("shard-0") } else { data.to_path_buf() };
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let is_ours = |file: &PathBuf| {
        let is_temporary = file.to_string_lossy().ends_with(".temporary");
        !is_temporary && fs::metadata(file).is_ok_and(|known| known.len() > 0)
    };
    for file in files(&folder).into_iter().filter(is_ours) {
        kinds.entry(kind_of(&file)).or_default().push(file);
    }
    let kinds: Vec<Vec<PathBuf>> = kinds.into_values().collect();
    let files = kinds.get(pick(chance, kinds.len().max(1))).ok_or("there is no file")?;
    let file = files[pick(chance, files.len())].clone();
    let bytes = fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let reach = if chance.below(8) == 0 { bytes.len() } else { used };
    let offset = chance.below(u64::try_from(reach).expect("a file has a length"));
    let bit = chance.below(8);
    flip_at(&file, offset, bit)?;
    Ok(Flip { file, offset, bit })
}

/// The kind of a file; the small ones of the cluster are one kind each.
fn kind_of(file: &Path) -> String {
    let is_of_cluster = file.parent().is_some_and(|folder| folder.ends_with("cluster"));
    let name = || file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if is_of_cluster { name() } else { kind(file) }
}

/// Waits until the node is ready and has read all of its store; what it did meanwhile.
fn settle(nodes: &Nodes, place: usize, token: &str, before: Health) -> Result<Verdict, String> {
    let start = Instant::now();
    while start.elapsed() < MENDED_MAX {
        if let Some(now) = health(nodes, place, token) {
            let is_copied = before.copied < now.copied;
            let scrubs = if is_copied { now.scrubs } else { now.scrubs.saturating_sub(before.scrubs) };
            // One may have been under way: the second one saw all.
            if 1 < scrubs {
                let is_mended = before.mended < now.mended;
                return Ok(match (is_copied, is_mended) {
                    (true, _) => Verdict::Copied,
                    (false, true) => Verdict::Mended,
                    (false, false) => Verdict::Harmless,
                });
            }
        }
        thread::sleep(PAUSE);
    }
    Err(format!("the node has not read its store in peace within {MENDED_MAX:?}: {:?}", health(nodes, place, token)))
}

/// The files of a node are whole: it reads all of them, and finds nothing.
fn is_clean(nodes: &Nodes, place: usize, token: &str) -> Result<(), String> {
    let known = || health(nodes, place, token).ok_or("the node does not say how it is");
    let before = known()?;
    settle(nodes, place, token, before)?;
    let after = known()?;
    if before.damaged < after.damaged || before.copied < after.copied {
        return Err(format!("it was damaged still: {before:?}, then {after:?}"));
    }
    Ok(())
}

/// What a start on damaged files came to.
fn start(nodes: &mut Nodes, place: usize, flip: &Flip) -> Result<Option<Verdict>, String> {
    match nodes.0[place].home.launch()? {
        Started::Ready(broker) => {
            nodes.0[place].broker = Some(broker);
            Ok(None)
        }
        Started::Ended(status, said) => {
            let is_own = OWN.contains(&kind_of(&flip.file).as_str());
            let says_what_to_do = said.contains("hint: ") && said.contains(&*flip.file.to_string_lossy());
            if !is_own || !says_what_to_do {
                return Err(format!("it ended with {status}: {said}"));
            }
            flip_at(&flip.file, flip.offset, flip.bit)?;
            nodes.start(place)?;
            Ok(Some(Verdict::Refused))
        }
    }
}

/// One flip and what comes of it.
fn harm(
    nodes: &mut Nodes,
    place: usize,
    is_running: bool,
    chance: &mut Chance,
    load: &Load<'_>,
) -> Result<(Flip, Verdict), String> {
    let token = load.traffic.token.clone();
    let zero = Health { scrubs: 0, damaged: 0, mended: 0, copied: 0 };
    let data = nodes.0[place].home.data();
    if is_running {
        let before = health(nodes, place, &token).unwrap_or(zero);
        let flip = flip(&data, chance, is_running)?;
        // Readings that ended before the flip did not see it.
        let scrubs = health(nodes, place, &token).map_or(before.scrubs, |now| now.scrubs.max(before.scrubs));
        let before = Health { scrubs, ..before };
        let verdict = settle(nodes, place, &token, before).map_err(|what| told(&flip, &what))?;
        return Ok((flip, verdict));
    }
    if chance.below(2) == 0 {
        nodes.kill(place);
    } else if let Some(broker) = nodes.0[place].broker.take() {
        broker.stop()?;
    }
    let flip = flip(&data, chance, is_running)?;
    let refused = start(nodes, place, &flip).map_err(|what| told(&flip, &what))?;
    let settled = settle(nodes, place, &token, zero).map_err(|what| told(&flip, &what))?;
    Ok((flip, refused.unwrap_or(settled)))
}

fn told(flip: &Flip, what: &str) -> String {
    format!("bit {} at {} of {}: {what}", flip.bit, flip.offset, flip.file.display())
}

/// Lets the node lead, so that what is read lies on its disk, and reads the long records.
fn read_there(
    nodes: &Nodes,
    place: usize,
    token: &str,
    records: &[u64],
    wrong: &mut Vec<String>,
) -> Result<(), String> {
    let begun = Instant::now();
    while nodes.leader()? != place {
        if ANSWER_MAX < begun.elapsed() {
            return Err("the mended node does not take the leadership".to_owned());
        }
        let number = nodes.0[place].number().map(|number| number.to_string()).unwrap_or_default();
        // Whoever is behind for a moment is asked again.
        let _refused = nodes.0[place].ask(&["transfer", &number]);
        thread::sleep(PAUSE);
    }
    let address = nodes.0[place].broker.as_ref().ok_or("the node is down")?.address;
    let mut door = Door::with_token(address, token);
    for number in records {
        let path = format!("/v1/topics/{LONG_TOPIC}/partitions/0/messages?limit=1&offset={number}");
        let read = door.text(&path).map_err(|failed| format!("long record {number}: {failed}"))?;
        if !read.contains(&body::long_body(LONG_TOPIC, *number)) {
            wrong.push(format!("long record {number}: {}", read.chars().take(80).collect::<String>()));
        }
    }
    Ok(())
}

fn fill(door: &mut Door) -> Result<(), Failed> {
    door.ask("PUT", &format!("/v1/topics/{LONG_TOPIC}"), &json!({}))?;
    for number in 0..LONG_RECORDS {
        let messages: Value = json!({"messages": [{"body": body::long_body(LONG_TOPIC, number)}]});
        door.ask("POST", &format!("/v1/topics/{LONG_TOPIC}/messages"), &messages)?;
    }
    Ok(())
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut nodes = Nodes::grow_with(home, &WORDS)?;
    let gateway = gateway(home, &nodes)?;
    let traffic = Traffic::new(home, gateway.address, "cluster-flips")?;
    let load = Load { traffic: &traffic, gateway: gateway.address };
    fill(&mut Door::with_token(gateway.address, &traffic.token)).map_err(|failed| format!("preparing: {failed}"))?;
    let mut chance = Chance::new(options.seed);
    let mut verdicts: BTreeMap<(String, &str, Verdict), u64> = BTreeMap::new();
    let runs = options.runs.unwrap_or(RUNS);
    for run in 1..=runs {
        if !report.begins_a_run() {
            break;
        }
        let place = pick(&mut chance, nodes.0.len());
        let is_running = run % 2 == 0;
        let seed = chance.next();
        let (flip, verdict) =
            traffic.during(gateway.address, seed, || harm(&mut nodes, place, is_running, &mut chance, &load))??;
        let when = if is_running { "running" } else { "stopped" };
        let file = flip.file.strip_prefix(nodes.0[place].home.data()).unwrap_or(&flip.file).display().to_string();
        let how = format!("run {run}, {when} node {place}: bit {} at {} of {file}", flip.bit, flip.offset);
        report.line(format_args!("  {how}: {verdict:?}"));
        *verdicts.entry((kind_of(&flip.file), when, verdict)).or_default() += 1;
        if let Err(what) = is_clean(&nodes, place, &traffic.token) {
            report.violation(format_args!("{how}: {what}"));
        }
        let mut wrong = Vec::new();
        let records: Vec<u64> = (0..RECORDS_READ).map(|_| chance.below(LONG_RECORDS)).collect();
        read_there(&nodes, place, &traffic.token, &records, &mut wrong).map_err(|what| format!("{how}: {what}"))?;
        report.violations(&format!("{how}: wrong bytes"), &wrong);
        traffic.check(gateway.address, &how, report)?;
    }
    let all: Vec<u64> = (0..LONG_RECORDS).collect();
    for place in 0..nodes.0.len() {
        let mut wrong = Vec::new();
        read_there(&nodes, place, &traffic.token, &all, &mut wrong).map_err(|what| format!("at the end: {what}"))?;
        report.violations(&format!("node {place} at the end: wrong bytes"), &wrong);
    }
    traffic.check_from_the_start(gateway.address, "after all runs", report)?;
    report.line(format_args!("  {:<16}{:<10}{:<12}{:>6}", "kind of file", "node", "verdict", "runs"));
    for ((kind, when, verdict), count) in &verdicts {
        report.line(format_args!("  {kind:<16}{when:<10}{:<12}{count:>6}", format!("{verdict:?}")));
    }
    report.total("flipped bits of one of three nodes", runs, traffic.counts()?);
    gateway.stop()?;
    for node in nodes.0 {
        node.broker.map_or(Ok(()), |broker| broker.stop().map(drop))?;
    }
    Ok(())
}
