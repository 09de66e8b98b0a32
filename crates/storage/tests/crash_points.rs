//! Cuts the power, or kills the process, after every single step that the store takes on its disk, and checks
//! what recovery makes of it: all that was completed, nothing that was not submitted, in order.
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use common::{frames, stepped};
use storage::disk::simulated::{Event, MemoryDisk, PowerCut};
use storage::{ByteCount, Completion, Frame, LogIndex, Recovered, SectionName, SegmentStore, Term};

const FOLDER: &str = "/shard";

/// One step of the script. Appends of one `Append` step are submitted together.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Vec<Frame>>),
    Vote(u64),
    Purge(u64),
    Cut(Option<u64>),
    Checkpoint(u64),
    Delete(u64),
    Restart,
}

/// What a reader should find.
#[derive(Clone, Debug, Default)]
struct Model {
    log: Vec<Frame>,
    vote: Option<u64>,
    purged: Option<u64>,
    checkpoint: Option<u64>,
    /// Segments, by first and last index, that were or are being deleted.
    deleted: Vec<(u64, u64)>,
}

impl Model {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Append(groups) => self.log.extend(groups.iter().flatten().cloned()),
            Step::Vote(vote) => self.vote = Some(*vote),
            Step::Purge(index) => self.purged = Some(*index),
            Step::Cut(keep) => self.log.retain(|frame| Some(frame.index.0) <= *keep),
            Step::Checkpoint(index) => self.checkpoint = Some(*index),
            Step::Delete(_) | Step::Restart => {}
        }
    }
}

fn script() -> Vec<Step> {
    let mut steps = vec![Step::Vote(1)];
    for start in (0..40).step_by(4) {
        steps.push(Step::Append(vec![frames(start..start + 4, 1)]));
    }
    steps.push(Step::Checkpoint(30));
    steps.push(Step::Append((40..48).map(|index| frames(index..index + 1, 1)).collect()));
    steps.push(Step::Vote(2));
    // Within the open segment, at the border of segments, and far back into a sealed one.
    for (keep, term) in [(46, 2), (33, 3), (20, 4)] {
        steps.push(Step::Cut(Some(keep)));
        steps.push(Step::Append(vec![frames(keep + 1..keep + 5, term), frames(keep + 5..keep + 25, term)]));
    }
    steps.push(Step::Restart);
    steps.push(Step::Append(vec![frames(45..70, 5)]));
    steps.push(Step::Purge(12));
    steps.push(Step::Checkpoint(50));
    steps.push(Step::Delete(0));
    steps.push(Step::Vote(3));
    steps.push(Step::Checkpoint(60));
    steps.push(Step::Append(vec![frames(70..72, 5), frames(72..90, 5), frames(90..91, 5)]));
    steps.push(Step::Delete(2));
    steps.push(Step::Append(vec![frames(91..92, 5)]));
    steps.push(Step::Restart);
    steps.push(Step::Append(vec![frames(92..120, 6)]));
    for (keep, term) in [(110, 7), (90, 8), (118, 9), (100, 10)] {
        steps.push(Step::Cut(Some(keep)));
        steps.push(Step::Append(vec![frames(keep + 1..keep + 20, term), frames(keep + 20..keep + 45, term)]));
        steps.push(Step::Vote(term));
    }
    steps
}

fn noting(disk: &MemoryDisk, note: String) -> Completion {
    let disk = disk.clone();
    Box::new(move |outcome| {
        outcome.unwrap();
        disk.note(note);
    })
}

fn bytes_of(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_le_bytes())
}

fn sections(index: u64) -> Vec<(SectionName, Bytes)> {
    let fill = u8::try_from(index).unwrap();
    [("a", 700), ("b/c", 1900)]
        .map(|(name, size)| (SectionName::parse(name).unwrap(), Bytes::from(vec![fill; size])))
        .to_vec()
}

/// Runs the script; the journal of the disk tells what was submitted and completed when.
fn run(disk: &MemoryDisk, script: &[Step], deleted: &RefCell<Vec<(u64, u64)>>) {
    let open = || SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), stepped()).unwrap().0;
    let mut store = open();
    for (number, step) in script.iter().enumerate() {
        disk.note(format!("submit {number}"));
        match step {
            Step::Append(groups) => {
                for (group, frames) in groups.iter().enumerate() {
                    store.append(frames.clone(), noting(disk, format!("part {number} {}", group + 1)));
                }
            }
            Step::Vote(vote) => store.save_vote(bytes_of(*vote), noting(disk, String::new())),
            Step::Purge(index) => store.save_purged(Term(1), LogIndex(*index), noting(disk, String::new())),
            Step::Cut(keep) => store.truncate_after(keep.map(LogIndex), noting(disk, String::new())),
            Step::Checkpoint(index) => {
                let sections = sections(*index).into_iter();
                store.write_checkpoint(Term(1), LogIndex(*index), sections).unwrap();
            }
            Step::Delete(place) => {
                let segment = store.segments()[usize::try_from(*place).unwrap()];
                deleted.borrow_mut().push((segment.first.0, segment.last.unwrap().0));
                store.delete_segment(segment.first).unwrap();
            }
            Step::Restart => {
                store.close().unwrap();
                store = open();
            }
        }
        store.run_queued().unwrap();
        disk.note(format!("done {number}"));
    }
    store.close().unwrap();
}

/// Follows the notes of the journal.
struct Progress {
    completed: Model,
    /// Appends of the step under way that were completed.
    parts: usize,
    under_way: Option<usize>,
}

impl Progress {
    fn note(&mut self, note: &str, script: &[Step], deleted: &[(u64, u64)]) {
        let words: Vec<&str> = note.split(' ').collect();
        match words[..] {
            ["submit", number] => {
                let number = number.parse().unwrap();
                self.under_way = Some(number);
                if matches!(script[number], Step::Delete(_)) {
                    let known = self.completed.deleted.len();
                    self.completed.deleted.push(deleted[known]);
                }
            }
            ["part", _, parts] => self.parts = parts.parse().unwrap(),
            ["done", number] => {
                self.completed.apply(&script[number.parse::<usize>().unwrap()]);
                self.under_way = None;
                self.parts = 0;
            }
            _ => {}
        }
    }
}

#[test]
fn every_crash_point_recovers_what_was_completed() {
    let disk = MemoryDisk::new();
    let script = script();
    let deleted = RefCell::new(Vec::new());
    run(&disk, &script, &deleted);
    let journal = disk.journal();
    let replica = MemoryDisk::new();
    let mut progress = Progress { completed: Model::default(), parts: 0, under_way: None };
    let mut images = BTreeSet::new();
    let mut outcomes = BTreeSet::new();
    let mut torn = 0;
    for (number, event) in journal.iter().enumerate() {
        replica.redo(event);
        if let Event::Note(note) = event {
            progress.note(note, &script, &deleted.borrow());
            continue;
        }
        let seed = u64::try_from(number).unwrap() * 16;
        let cuts = [PowerCut::LoseAll, PowerCut::KeepAll, PowerCut::LoseHeads]
            .into_iter()
            .chain((0..16).map(|variant| PowerCut::Torn { seed: seed + variant }));
        let mut disks: Vec<(String, MemoryDisk)> =
            cuts.map(|cut| (format!("step {number}, {cut:?}"), replica.after_power_cut(cut))).collect();
        disks.push((format!("step {number}, kill"), replica.after_kill()));
        for (name, crashed) in disks {
            images.insert(fingerprint(&crashed));
            let recovered = check(&name, &crashed, &script, &progress);
            torn += usize::from(!recovered.notes.is_empty());
            outcomes.insert(format!("{recovered:?} {:?}", crashed.paths()));
        }
    }
    assert!(journal.len() > 500, "{} steps", journal.len());
    assert!(images.len() > 1200, "{} distinct disks", images.len());
    assert!(outcomes.len() > 140, "{} distinct outcomes", outcomes.len());
    assert!(torn > 100, "{torn} torn tails");
}

/// Stands for all names and bytes of a disk.
fn fingerprint(disk: &MemoryDisk) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in disk.paths() {
        (disk.content(&path), path).hash(&mut hasher);
    }
    hasher.finish()
}

/// Recovers a crashed disk, compares it with the model, and recovers it again after another power cut.
fn check(name: &str, crashed: &MemoryDisk, script: &[Step], progress: &Progress) -> Recovered {
    let open = |disk: &MemoryDisk| {
        SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), stepped())
            .unwrap_or_else(|fault| panic!("{name}: {fault}"))
    };
    let (store, recovered) = open(crashed);
    check_log(name, &store, script, progress);
    check_values(name, &store, &recovered, script, progress);
    for file in store.scrub() {
        assert_eq!(file.faults, [], "{name}");
    }
    // What recovery reported is durable: it survives a power cut that loses all the rest.
    let again = crashed.after_power_cut(PowerCut::LoseAll);
    drop(store);
    let (store, repeated) = open(&again);
    assert_eq!(
        (repeated.last, &repeated.vote, repeated.purged),
        (recovered.last, &recovered.vote, recovered.purged),
        "{name}"
    );
    assert_eq!(repeated.notes, [], "{name}");
    // And the log goes on.
    let next = recovered.last.map_or(0, |(_, last)| last.0 + 1);
    store.append(frames(next..next + 30, 99), Box::new(|outcome| outcome.unwrap()));
    store.run_queued().unwrap();
    assert_eq!(store.durable(), Some(LogIndex(next + 29)), "{name}");
    recovered
}

fn check_log(name: &str, store: &SegmentStore, script: &[Step], progress: &Progress) {
    let completed = &progress.completed;
    let mut least = completed.log.clone();
    let mut most = completed.log.clone();
    match progress.under_way.map(|number| &script[number]) {
        Some(Step::Append(groups)) => {
            least.extend(groups.iter().take(progress.parts).flatten().cloned());
            most.extend(groups.iter().flatten().cloned());
        }
        Some(Step::Cut(keep)) => least.retain(|frame| Some(frame.index.0) <= *keep),
        Some(_) | None => {}
    }
    let last = store.last().map_or(0, |(_, last)| last.0 + 1);
    let count = usize::try_from(last).unwrap();
    assert!(least.len() <= count && count <= most.len(), "{name}: {count} frames, {} to {}", least.len(), most.len());
    for frame in &most[..count] {
        let is_deletable = completed.deleted.iter().any(|(first, last)| (*first..=*last).contains(&frame.index.0));
        match store.read(frame.index).unwrap() {
            Some(found) => assert_eq!(&found, frame, "{name}"),
            None => assert!(is_deletable, "{name}: frame {} is gone", frame.index),
        }
    }
    let range = store.read_range(LogIndex(last.saturating_sub(5)), LogIndex(last), ByteCount(1 << 20));
    assert_eq!(range.unwrap().len(), count.min(5), "{name}");
}

fn check_values(name: &str, store: &SegmentStore, recovered: &Recovered, script: &[Step], progress: &Progress) {
    let before = &progress.completed;
    let mut after = before.clone();
    if let Some(number) = progress.under_way {
        after.apply(&script[number]);
    }
    let vote = recovered.vote.clone();
    assert!([before.vote, after.vote].map(|vote| vote.map(bytes_of)).contains(&vote), "{name}: {vote:?}");
    let purged = recovered.purged.map(|(_, index)| index.0);
    assert!([before.purged, after.purged].contains(&purged), "{name}: {purged:?}");
    let checkpoint = store.newest_checkpoint().unwrap();
    let index = checkpoint.as_ref().map(|checkpoint| checkpoint.index.0);
    assert!([before.checkpoint, after.checkpoint].contains(&index), "{name}: {index:?}");
    if let Some(checkpoint) = checkpoint {
        assert_eq!(checkpoint.sections, sections(checkpoint.index.0), "{name}");
        assert_eq!(checkpoint.damaged, [], "{name}");
    }
}
