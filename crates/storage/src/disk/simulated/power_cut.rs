//! What a power cut leaves of a simulated disk.
//! Invariant: synced content and names survive whole; of the rest any subset of sectors and names may.
//! Called by `MemoryDisk::after_power_cut`. Tests: `tests/simulated_disk.rs`.

use std::collections::BTreeSet;

use super::image::{Content, Image, Unsynced, write_into};
use super::random::Random;
use crate::little_endian::{buffer_size, file_size};

/// The unit that a disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// Which of the changes that were not synced survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// None of them.
    LoseAll,
    /// All of them, as if the disk had been quick.
    KeepAll,
    /// Any of them, sector by sector and name by name; now and then one is garbled.
    Torn {
        /// Decides which.
        seed: u64,
    },
    /// Of each file all but the first sector that was written: the tail arrives before the head.
    LoseHeads,
    /// The names alone: files are where they were put, without what was written to them.
    KeepNames,
    /// The contents alone: what was written lies in files under their old names.
    KeepContents,
}

impl PowerCut {
    /// The disk as it comes up again.
    pub(super) fn apply(self, before: &Image) -> Image {
        let mut survivors = Survivors {
            cut: self,
            random: Random::seeded(match self {
                PowerCut::Torn { seed } => seed,
                PowerCut::LoseAll
                | PowerCut::KeepAll
                | PowerCut::LoseHeads
                | PowerCut::KeepNames
                | PowerCut::KeepContents => 0,
            }),
        };
        // Files without a name cannot be found any more; they stand empty, so that numbers stay.
        let named: BTreeSet<usize> = before.names.values().chain(before.durable_names.values()).copied().collect();
        let survivor = |(number, content)| {
            if named.contains(&number) { survivors.content(content) } else { Content::default() }
        };
        let files = before.files.iter().enumerate().map(survivor).collect();
        let mut names = before.durable_names.clone();
        for change in &before.unsynced_names {
            if survivors.keeps_name() {
                change.apply(&mut names);
            }
        }
        Image { files, durable_names: names.clone(), names, unsynced_names: Vec::new() }
    }
}

struct Survivors {
    cut: PowerCut,
    random: Random,
}

impl Survivors {
    fn keeps_name(&mut self) -> bool {
        match self.cut {
            PowerCut::LoseAll | PowerCut::KeepContents => false,
            PowerCut::KeepAll | PowerCut::LoseHeads | PowerCut::KeepNames => true,
            PowerCut::Torn { .. } => self.random.one_in(2),
        }
    }

    fn keeps_length(&mut self) -> bool {
        match self.cut {
            PowerCut::LoseAll | PowerCut::KeepNames => false,
            PowerCut::KeepAll | PowerCut::LoseHeads | PowerCut::KeepContents => true,
            PowerCut::Torn { .. } => self.random.one_in(2),
        }
    }

    fn keeps_sector(&mut self, is_first: bool) -> bool {
        match self.cut {
            PowerCut::LoseAll | PowerCut::KeepNames => false,
            PowerCut::KeepAll | PowerCut::KeepContents => true,
            PowerCut::LoseHeads => !is_first,
            PowerCut::Torn { .. } => self.random.one_in(2),
        }
    }

    fn content(&mut self, before: &Content) -> Content {
        let mut durable = before.durable.clone();
        let mut is_first = true;
        for change in &before.unsynced {
            match change {
                Unsynced::Write { offset, bytes } => {
                    for (at, piece) in sectors(*offset, bytes) {
                        if self.keeps_sector(is_first) {
                            let piece = self.perhaps_garbled(piece);
                            write_into(&mut durable, at, &piece);
                        }
                        is_first = false;
                    }
                }
                Unsynced::SetLength(length) => {
                    if self.keeps_length() {
                        durable.resize(buffer_size(*length), 0);
                    }
                }
            }
        }
        Content { seen: durable.clone(), durable, unsynced: Vec::new() }
    }

    fn perhaps_garbled(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut piece = piece.to_vec();
        if matches!(self.cut, PowerCut::Torn { .. }) && self.random.one_in(16) {
            for byte in &mut piece {
                *byte ^= self.random.next_number().to_le_bytes()[0];
            }
        }
        piece
    }
}

/// Splits a write at the borders of sectors.
fn sectors(offset: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = SECTOR_BYTES - buffer_size(at) % SECTOR_BYTES;
        let (piece, remainder) = rest.split_at(room.min(rest.len()));
        pieces.push((at, piece));
        at += file_size(piece.len());
        rest = remainder;
    }
    pieces
}
