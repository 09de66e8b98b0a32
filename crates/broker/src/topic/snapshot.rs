//! The saved form of a topic: settings, then each partition as columns of little-endian numbers.
//! Format: `docs/formats/topic.md`, version 1.
//!
//! ```text
//! version u8 = 1 · settings · turn u32 · seen [(time u64, id u128, partition u32, offset u64)] · partitions
//! partition: end u64 · newest_at u64 · kind u8 · columns; messages and bytes are counted again
//! ```
//! Invariant: decode of encode is equal; a decoder never panics and allocates no more than it was given.
//! Called by the machine's snapshot. Tests: `tests/topic_properties.rs`.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::number::{ByteSize, LogIndex, Offset, Partition, Span, Timestamp};
use model::topic::{Cleanup, TopicSettings};
use mutant::Mutant;

use super::Topic;
use super::compaction::{Compacted, Kept};
use super::partition::{History, Index};
use super::run::{Run, Runs, Sizes};
use crate::codec::Wire;
use crate::deduplication::Deduplication;
use crate::record::KeyHash;
use crate::wire::{Reader, WireError, Writer};

const VERSION: u8 = 1;
const DELETE: u8 = 0;
const COMPACT: u8 = 1;
const EACH: u8 = 0;
const LISTED: u8 = 1;

impl Topic {
    /// Writes the saved form.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(VERSION);
        write_settings(writer, &self.settings);
        writer.u32(self.turn);
        if mutant::is_on(Mutant::WindowNotSaved) {
            Deduplication::<(Partition, Offset)>::default().write(writer);
        } else {
            self.seen.write(writer);
        }
        self.partitions.iter().for_each(|history| history.encode(writer));
    }

    /// Reads the saved form.
    ///
    /// # Errors
    /// When it is short, of another version or against the rules of a topic.
    pub fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        if reader.u8()? != VERSION {
            return Err(reader.error("an unknown topic version"));
        }
        let settings = read_settings(reader)?;
        let turn = reader.u32()?;
        let seen = Deduplication::read(reader)?;
        let partitions: Vec<History> =
            (0..settings.partitions).map(|_| History::decode(reader)).collect::<Result<_, _>>()?;
        if turn >= settings.partitions {
            return Err(reader.error("a topic whose turn is beyond its partitions"));
        }
        Ok(Self { settings, partitions, turn, seen })
    }
}

fn write_settings(writer: &mut Writer, settings: &TopicSettings) {
    writer.u32(settings.partitions);
    writer.option(settings.retention, |writer, span| writer.u64(span.get()));
    writer.option(settings.retention_bytes, |writer, bytes| writer.u64(bytes.get()));
    writer.u8(match settings.cleanup {
        Cleanup::Delete => DELETE,
        Cleanup::Compact => COMPACT,
    });
    writer.u64(settings.deduplication.get());
}

fn read_settings(reader: &mut Reader) -> Result<TopicSettings, WireError> {
    let partitions = reader.u32()?;
    let retention = reader.option(|reader| reader.u64().map(Span::new))?;
    let retention_bytes = reader.option(|reader| reader.u64().map(ByteSize::new))?;
    let cleanup = match reader.u8()? {
        DELETE => Cleanup::Delete,
        COMPACT => Cleanup::Compact,
        _ => return Err(reader.error("an unknown cleanup")),
    };
    let deduplication = Span::new(reader.u64()?);
    let settings = TopicSettings { partitions, retention, retention_bytes, cleanup, deduplication };
    settings.check().map_err(|_| reader.error("topic settings out of range"))?;
    Ok(settings)
}

impl History {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.end.get());
        writer.u64(self.newest_at.get());
        match &self.index {
            Index::Runs(runs) => {
                writer.u8(DELETE);
                runs.encode(writer);
            }
            Index::Compacted(compacted) => {
                writer.u8(COMPACT);
                compacted.encode(writer);
            }
        }
    }

    fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        let end = Offset::new(reader.u64()?);
        let newest_at = Timestamp::new(reader.u64()?);
        let index = match reader.u8()? {
            DELETE => Index::Runs(Runs::decode(reader)?),
            COMPACT => Index::Compacted(Compacted::decode(reader)?),
            _ => return Err(reader.error("an unknown form of a partition")),
        };
        let mut history = Self { index, end, newest_at, messages: 0, bytes: ByteSize::new(0) };
        let (mut messages, mut bytes, mut next) = (0, ByteSize::new(0), Offset::new(0));
        for entry in history.from(Offset::new(0)) {
            if entry.offset < next || entry.offset >= end || entry.published_at > newest_at {
                return Err(reader.error("records of a partition are out of order"));
            }
            next = entry.offset.next();
            messages += 1;
            bytes = bytes.plus(entry.stored.size());
        }
        history.messages = messages;
        history.bytes = bytes;
        Ok(history)
    }
}

/// Writes one field of every item.
fn column_u64<T>(writer: &mut Writer, items: impl IntoIterator<Item = T>, field: impl Fn(T) -> u64) {
    items.into_iter().for_each(|item| writer.u64(field(item)));
}

fn column_u32<T>(writer: &mut Writer, items: impl IntoIterator<Item = T>, field: impl Fn(T) -> u32) {
    items.into_iter().for_each(|item| writer.u32(field(item)));
}

/// Reads a column of numbers in one go.
fn take_u64(reader: &mut Reader, count: usize) -> Result<impl Iterator<Item = u64> + use<>, WireError> {
    let raw = reader.take(count.saturating_mul(8))?;
    Ok(numbers::<8>(raw).map(u64::from_le_bytes))
}

fn take_u32(reader: &mut Reader, count: usize) -> Result<impl Iterator<Item = u32> + use<>, WireError> {
    let raw = reader.take(count.saturating_mul(4))?;
    Ok(numbers::<4>(raw).map(u32::from_le_bytes))
}

fn numbers<const SIZE: usize>(raw: Bytes) -> impl Iterator<Item = [u8; SIZE]> {
    let count = raw.len() / SIZE;
    (0..count).map(move |nth| {
        let mut number = [0; SIZE];
        number.copy_from_slice(&raw[nth * SIZE..(nth + 1) * SIZE]);
        number
    })
}

impl Runs {
    fn encode(&self, writer: &mut Writer) {
        let runs = &self.runs;
        writer.count(runs.len());
        column_u64(writer, runs, |run| run.base.get());
        column_u64(writer, runs, |run| run.index.get());
        column_u64(writer, runs, |run| run.published_at.get());
        column_u32(writer, runs, |run| run.position);
        column_u32(writer, runs, |run| run.count);
        for run in runs {
            writer.u8(match run.sizes {
                Sizes::Each(_) => EACH,
                Sizes::Listed(_) => LISTED,
            });
        }
        column_u32(writer, runs, |run| match run.sizes {
            Sizes::Each(number) | Sizes::Listed(number) => number,
        });
        writer.u32(self.sizes_gone);
        writer.count(self.sizes.len());
        column_u32(writer, &self.sizes, |bytes| *bytes);
    }

    fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        let count = reader.count(37)?;
        let mut bases = take_u64(reader, count)?;
        let mut indexes = take_u64(reader, count)?;
        let mut times = take_u64(reader, count)?;
        let mut positions = take_u32(reader, count)?;
        let mut counts = take_u32(reader, count)?;
        let kinds = reader.take(count)?;
        let mut sizes = take_u32(reader, count)?;
        let sizes_gone = reader.u32()?;
        let listed = reader.count(4)?;
        let column = take_u32(reader, listed)?.collect();
        let mut runs = Self { runs: Default::default(), sizes: column, sizes_gone };
        for kind in kinds {
            let row = (bases.next(), indexes.next(), times.next(), positions.next(), counts.next(), sizes.next());
            let (Some(base), Some(index), Some(time), Some(position), Some(count), Some(number)) = row else {
                return Err(reader.error("a column of runs is short"));
            };
            let sizes = match kind {
                EACH => Sizes::Each(number),
                LISTED => Sizes::Listed(number),
                _ => return Err(reader.error("an unknown form of sizes")),
            };
            let (base, index) = (Offset::new(base), LogIndex::new(index));
            let run = Run { base, index, published_at: Timestamp::new(time), position, count, sizes };
            runs.accept(run).map_err(|what| reader.error(what))?;
        }
        Ok(runs)
    }

    /// Adds a run that was read, if it is one and lies behind the others.
    fn accept(&mut self, run: Run) -> Result<(), &'static str> {
        let ends = run.base.get().checked_add(u64::from(run.count)).zip(run.position.checked_add(run.count));
        if run.count == 0 || ends.is_none() {
            return Err("a run that ends beyond all numbers");
        }
        if self.runs.back().is_some_and(|last| last.end() > run.base || last.published_at > run.published_at) {
            return Err("runs of a partition are out of order");
        }
        if let Sizes::Listed(start) = run.sizes {
            let place = u64::from(start.wrapping_sub(self.sizes_gone)) + u64::from(run.count);
            if place > u64::try_from(self.sizes.len()).unwrap_or(u64::MAX) {
                return Err("a run lists sizes that are not there");
            }
        }
        self.runs.push_back(run);
        Ok(())
    }
}

impl Compacted {
    fn encode(&self, writer: &mut Writer) {
        let kept = || self.kept.values();
        writer.count(self.kept.len());
        column_u64(writer, self.kept.keys(), |offset| offset.get());
        column_u64(writer, kept(), |kept| kept.index.get());
        column_u64(writer, kept(), |kept| kept.published_at.get());
        column_u32(writer, kept(), |kept| kept.position);
        column_u32(writer, kept(), |kept| kept.bytes);
        kept().for_each(|kept| writer.flag(kept.key.is_some()));
        column_u64(writer, kept(), |kept| kept.key.map_or(0, |key| key.0));
        writer.count(self.tombstones.len());
        column_u64(writer, &self.tombstones, |(time, _)| time.get());
        column_u64(writer, &self.tombstones, |(_, offset)| offset.get());
    }

    fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        let count = reader.count(41)?;
        let offsets = take_u64(reader, count)?;
        let mut indexes = take_u64(reader, count)?;
        let mut times = take_u64(reader, count)?;
        let mut positions = take_u32(reader, count)?;
        let mut sizes = take_u32(reader, count)?;
        let keyed = reader.take(count)?;
        let mut keys = take_u64(reader, count)?;
        let mut kept = BTreeMap::new();
        let mut newest = BTreeMap::new();
        for (offset, keyed) in offsets.map(Offset::new).zip(keyed) {
            let row = (indexes.next(), times.next(), positions.next(), sizes.next(), keys.next());
            let (Some(index), Some(time), Some(position), Some(bytes), Some(key)) = row else {
                return Err(reader.error("a column of records is short"));
            };
            let key = (keyed != 0).then_some(KeyHash(key));
            let (index, published_at) = (LogIndex::new(index), Timestamp::new(time));
            kept.insert(offset, Kept { index, published_at, position, bytes, key });
            if let Some(key) = key {
                newest.insert(key, offset);
            }
        }
        let count = reader.count(16)?;
        let times: Vec<u64> = take_u64(reader, count)?.collect();
        let offsets = take_u64(reader, count)?;
        let tombstones = times.into_iter().map(Timestamp::new).zip(offsets.map(Offset::new)).collect();
        Ok(Self { kept, newest, tombstones })
    }
}
