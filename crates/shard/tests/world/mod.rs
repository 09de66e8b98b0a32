//! What the tests of a shard share: a small machine that keeps messages until they are taken, a clock that
//! stands still, and ways to open a shard on either disk.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use broker::place::MessageRef;
use broker::wire::{Reader, WireError, Writer};
use bytes::Bytes;
use model::number::{ByteSize, Epoch, LogIndex, Timestamp};
use shard::{Clock, Section, SegmentUse, Settings, Shard, StateMachine, Survivor};
use storage::disk::Disk;
use storage::disk::simulated::MemoryDisk;

/// A change of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    OpenEpoch,
    Tick,
    /// Keeps a message under a number.
    Keep(u64, Bytes),
    /// Lets a message go.
    Take(u64),
    /// Wants a batch at this time.
    Wake(u64),
    DropSegments(Vec<LogIndex>),
    Relocate(Vec<(u64, MessageRef, Bytes)>),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Missing,
}

/// A hint: this number was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept(pub u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    now: Timestamp,
    commands: Vec<Command>,
}

/// Keeps messages until they are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeper {
    pub now: u64,
    pub epoch: u64,
    pub batches: u64,
    pub ticks: u64,
    pub kept: BTreeMap<u64, (MessageRef, u64)>,
    segments: BTreeSet<u64>,
    wakes: BTreeSet<u64>,
}

impl Keeper {
    /// How many segments it knows.
    pub fn rolls(&self) -> usize {
        self.segments.len()
    }

    fn uses(&self, first: u64) -> SegmentUse {
        let next = self.segments.range(first + 1..).next().copied().unwrap_or(u64::MAX);
        let inside = self.kept.values().filter(|(at, _)| (first..next).contains(&at.index.get()));
        let (references, bytes) = inside.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes));
        SegmentUse { first: LogIndex::new(first), references, bytes: ByteSize::new(bytes) }
    }

    fn perform(&mut self, command: &Command, at: MessageRef, effects: &mut Vec<Kept>) -> Answer {
        match command {
            Command::OpenEpoch => self.epoch = at.index.get(),
            Command::Tick => self.ticks += 1,
            Command::Keep(number, message) => {
                self.kept.insert(*number, (at, message.len().try_into().unwrap()));
                effects.push(Kept(*number));
            }
            Command::Take(number) => {
                if self.kept.remove(number).is_none() {
                    return Answer::Missing;
                }
            }
            Command::Wake(at) => drop(self.wakes.insert(*at)),
            Command::DropSegments(first) => {
                for first in first {
                    if self.uses(first.get()).references == 0 {
                        self.segments.remove(&first.get());
                    }
                }
            }
            Command::Relocate(moved) => {
                for (offset, (number, from, message)) in (0..).zip(moved) {
                    let to = MessageRef { index: at.index, position: at.position + offset };
                    if let Some(kept) = self.kept.get_mut(number).filter(|kept| kept.0 == *from) {
                        *kept = (to, message.len().try_into().unwrap());
                    }
                }
            }
        }
        Answer::Done
    }
}

fn messages_of(command: &Command) -> Vec<Bytes> {
    match command {
        Command::Keep(_, message) => vec![message.clone()],
        Command::Relocate(moved) => moved.iter().map(|(_, _, message)| message.clone()).collect(),
        Command::OpenEpoch | Command::Tick | Command::Take(_) | Command::Wake(_) | Command::DropSegments(_) => {
            Vec::new()
        }
    }
}

fn write_command(writer: &mut Writer, command: &Command) {
    match command {
        Command::OpenEpoch => writer.u8(0),
        Command::Tick => writer.u8(1),
        Command::Keep(number, message) => {
            writer.u8(2);
            writer.u64(*number);
            writer.bytes(message);
        }
        Command::Take(number) => {
            writer.u8(3);
            writer.u64(*number);
        }
        Command::Wake(at) => {
            writer.u8(4);
            writer.u64(*at);
        }
        Command::DropSegments(first) => {
            writer.u8(5);
            writer.list(first, |writer, first| writer.u64(first.get()));
        }
        Command::Relocate(moved) => {
            writer.u8(6);
            writer.list(moved, |writer, (number, from, message)| {
                writer.u64(*number);
                write_place(writer, from);
                writer.bytes(message);
            });
        }
    }
}

fn write_place(writer: &mut Writer, at: &MessageRef) {
    writer.u64(at.index.get());
    writer.u32(at.position);
}

fn read_place(reader: &mut Reader) -> Result<MessageRef, WireError> {
    Ok(MessageRef { index: LogIndex::new(reader.u64()?), position: reader.u32()? })
}

fn read_command(reader: &mut Reader) -> Result<Command, WireError> {
    Ok(match reader.u8()? {
        0 => Command::OpenEpoch,
        1 => Command::Tick,
        2 => Command::Keep(reader.u64()?, reader.bytes()?),
        3 => Command::Take(reader.u64()?),
        4 => Command::Wake(reader.u64()?),
        5 => Command::DropSegments(reader.list(8, |reader| Ok(LogIndex::new(reader.u64()?)))?),
        6 => Command::Relocate(reader.list(24, |reader| Ok((reader.u64()?, read_place(reader)?, reader.bytes()?)))?),
        _ => return Err(reader.error("an unknown command")),
    })
}

impl StateMachine for Keeper {
    type Command = Command;
    type Answer = Answer;
    type Effect = Kept;
    type Batch = Batch;
    type Token = u64;

    fn encode(now: Timestamp, commands: &[Command]) -> Bytes {
        let mut writer = Writer::new();
        writer.u64(now.get());
        writer.list(commands, write_command);
        writer.finish()
    }

    fn decode(bytes: Bytes) -> Result<Batch, WireError> {
        let mut reader = Reader::new(bytes);
        let now = Timestamp::new(reader.u64()?);
        let commands = reader.list(1, read_command)?;
        reader.finish()?;
        Ok(Batch { now, commands })
    }

    fn messages(batch: &Batch) -> Vec<Bytes> {
        batch.commands.iter().flat_map(messages_of).collect()
    }

    fn command_bytes(command: &Command) -> usize {
        16 + messages_of(command).iter().map(Bytes::len).sum::<usize>()
    }

    fn is_freeing(command: &Command) -> bool {
        matches!(command, Command::Take(_))
    }

    fn open_epoch() -> Command {
        Command::OpenEpoch
    }

    fn tick() -> Command {
        Command::Tick
    }

    fn drop_segments(first: Vec<LogIndex>) -> Command {
        Command::DropSegments(first)
    }

    fn relocate(messages: Vec<(Survivor<u64>, Bytes)>) -> Command {
        let moved = messages.into_iter().map(|(survivor, message)| (survivor.token, survivor.at, message));
        Command::Relocate(moved.collect())
    }

    fn empty() -> Self {
        Self::default()
    }

    fn apply(&mut self, index: LogIndex, segment: LogIndex, batch: &Batch, effects: &mut Vec<Kept>) -> Vec<Answer> {
        self.batches += 1;
        assert!(self.now <= batch.now.get(), "the time of a batch went back");
        self.now = batch.now.get();
        self.segments.insert(segment.get());
        self.wakes = self.wakes.split_off(&(self.now + 1));
        let mut at = MessageRef { index, position: 0 };
        let mut answers = Vec::new();
        for command in &batch.commands {
            answers.push(self.perform(command, at, effects));
            at.position += u32::try_from(messages_of(command).len()).unwrap();
        }
        answers
    }

    fn now(&self) -> Timestamp {
        Timestamp::new(self.now)
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch)
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.wakes.first().map(|at| Timestamp::new(*at))
    }

    fn segments(&self) -> Vec<SegmentUse> {
        self.segments.iter().map(|first| self.uses(*first)).collect()
    }

    fn survivors(&self, from: LogIndex, until: LogIndex, max: usize) -> Vec<Survivor<u64>> {
        let inside = self.kept.iter().filter(|(_, (at, _))| from <= at.index && at.index < until);
        inside.take(max).map(|(number, (at, _))| Survivor { at: *at, token: *number }).collect()
    }

    fn checkpoint(&self) -> Vec<Section> {
        let mut writer = Writer::new();
        for number in [self.now, self.epoch, self.batches, self.ticks] {
            writer.u64(number);
        }
        let kept: Vec<_> = self.kept.iter().collect();
        writer.list(&kept, |writer, (number, (at, bytes))| {
            writer.u64(**number);
            write_place(writer, at);
            writer.u64(*bytes);
        });
        for set in [&self.segments, &self.wakes] {
            let numbers: Vec<_> = set.iter().collect();
            writer.list(&numbers, |writer, number| writer.u64(**number));
        }
        vec![("keeper".to_owned(), writer.finish())]
    }

    fn restore(sections: &[Section]) -> Result<Self, WireError> {
        let bytes = sections.iter().find(|(name, _)| name == "keeper").map(|(_, bytes)| bytes.clone());
        let mut reader = Reader::new(bytes.unwrap_or_default());
        let [now, epoch, batches, ticks] = [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
        let kept = reader.list(28, |reader| Ok((reader.u64()?, (read_place(reader)?, reader.u64()?))))?;
        let segments = reader.list(8, Reader::u64)?;
        let wakes = reader.list(8, Reader::u64)?;
        reader.finish()?;
        Ok(Self {
            now,
            epoch,
            batches,
            ticks,
            kept: kept.into_iter().collect(),
            segments: segments.into_iter().collect(),
            wakes: wakes.into_iter().collect(),
        })
    }
}

/// A clock that moves when it is told to.
#[derive(Debug, Default)]
pub struct Hand(AtomicU64);

impl Hand {
    pub fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.0.load(Ordering::SeqCst))
    }
}

pub const FOLDER: &str = "shard-0";
/// Small, so that segments roll often.
pub const SEGMENT_BYTES: u64 = 16 << 10;

pub fn settings() -> Settings {
    let storage = storage::Settings { segment_bytes: SEGMENT_BYTES, ..storage::Settings::default() };
    Settings { storage, ..Settings::default() }
}

pub async fn open_on(disk: Arc<dyn Disk>, folder: PathBuf, settings: Settings) -> Shard<Keeper> {
    let shard = Shard::open(disk, folder, settings, Box::new(|_, _| {})).await.unwrap();
    shard.ready().await.unwrap();
    shard
}

pub async fn open(disk: &MemoryDisk) -> Shard<Keeper> {
    open_on(Arc::new(disk.clone()), PathBuf::from(FOLDER), settings()).await
}

pub fn message(number: u64, bytes: usize) -> Bytes {
    let mut text = format!("message {number} ").into_bytes();
    text.resize(text.len().max(bytes), b'.');
    Bytes::from(text)
}

pub async fn keep(shard: &Shard<Keeper>, number: u64, bytes: usize) {
    assert_eq!(shard.submit(Command::Keep(number, message(number, bytes))).await, Ok(Answer::Done));
}

/// The state without what a restart adds: another epoch, and one batch that opens it.
pub fn essence(keeper: &Keeper) -> Keeper {
    Keeper { now: 0, epoch: 0, batches: 0, ticks: 0, segments: BTreeSet::new(), ..keeper.clone() }
}
