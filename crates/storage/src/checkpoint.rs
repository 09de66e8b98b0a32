//! Checkpoints: named sections of bytes that stand for the state at one place of the log.
//! Invariant: a checkpoint has its name only when it is whole and durable; a damaged one is never taken for
//! the state, and the one before it is kept to fall back to.
//! Called through the store. Drawn in `docs/formats/checkpoint.md`. Tests: `tests/checkpoints.rs`.

use std::fmt;

use bytes::Bytes;
use mutant::Mutant;

use crate::core::Core;
use crate::disk::OpenMode;
use crate::fault::Fault;
use crate::folder::{FileRole, Folder, OpenFile, checkpoint_name, role_of, temporary_name};
use crate::limits::{CHECKPOINT_SECTIONS_MAX, CHECKPOINTS_KEPT, SECTION_NAME_BYTES_MAX};
use crate::little_endian::{aligned, buffer_size, file_size, put_u32, put_u64, u32_at, u64_at};
use crate::position::{LogIndex, Term};

const MAGIC: &[u8; 8] = b"RECADOCP";
const TRAILER_MAGIC: &[u8; 8] = b"RECADOCE";
const VERSION: u32 = 1;
const HEADER_BYTES: u64 = 64;
const SECTION_HEADER_BYTES: u64 = 96;
const SECTION_NAME_AT: usize = 24;
const TRAILER_BYTES: u64 = 32;

/// Name of a section: lower-case letters, digits, `-`, `_`, `/` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionName(String);

impl SectionName {
    /// Takes a name that keeps the rules.
    pub fn parse(name: &str) -> Result<SectionName, Fault> {
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_/.".contains(&byte);
        if name.is_empty() || SECTION_NAME_BYTES_MAX < name.len() || !name.bytes().all(is_known) {
            return Err(Fault::Misuse { what: "a section name has 1 to 64 of a-z, 0-9, '-', '_', '/' and '.'" });
        }
        Ok(SectionName(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SectionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A checkpoint read back whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Term of the last frame it includes.
    pub term: Term,
    /// Index of the last frame it includes.
    pub index: LogIndex,
    /// Its sections, in the order they were written.
    pub sections: Vec<(SectionName, Bytes)>,
    /// Newer checkpoints that could not be read, newest first: say so, and restore them.
    pub damaged: Vec<Fault>,
}

impl Core {
    /// Writes a checkpoint and keeps the last two.
    pub(crate) fn write_checkpoint(
        &self,
        term: Term,
        index: LogIndex,
        sections: impl Iterator<Item = (SectionName, Bytes)>,
    ) -> Result<(), Fault> {
        let _one_at_a_time = self.checkpoints.lock().expect("no holder panics");
        self.check_open()?;
        let name = checkpoint_name(term, index);
        let temporary = temporary_name(&name);
        let outcome = write_file(&self.folder, &temporary, term, index, sections);
        match outcome {
            Ok(()) => {}
            Err(Fault::Misuse { what }) => {
                self.poison_on_failure(self.folder.remove(&temporary))?;
                return Err(Fault::Misuse { what });
            }
            Err(fault) if fault.no_room() => {
                // Whether the file came to be depends on where the room ended.
                let _ = self.folder.remove(&temporary);
                return Err(Fault::Full { file: self.folder.file(&name) });
            }
            Err(fault) => return self.poison_on_failure(Err(fault)),
        }
        self.poison_on_failure(self.folder.publish(&temporary, &name))?;
        self.poison_on_failure(self.remove_old_checkpoints())
    }

    fn remove_old_checkpoints(&self) -> Result<(), Fault> {
        let names = checkpoints(&self.folder)?;
        for (index, term) in names.iter().rev().skip(CHECKPOINTS_KEPT) {
            self.folder.remove(&checkpoint_name(*term, *index))?;
        }
        Ok(())
    }

    /// Reads the newest checkpoint that is whole.
    pub(crate) fn newest_checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        let _still = self.checkpoints.lock().expect("no holder panics");
        let mut damaged = Vec::new();
        for (index, term) in checkpoints(&self.folder)?.into_iter().rev() {
            match read_file(&self.folder, term, index) {
                Ok(sections) => {
                    return Ok(Some(Checkpoint { term, index, sections, damaged }));
                }
                Err(fault @ Fault::Corrupt { .. }) => damaged.push(fault),
                Err(fault) => return Err(fault),
            }
        }
        match damaged.into_iter().next() {
            Some(newest) => Err(newest),
            None => Ok(None),
        }
    }
}

/// Positions of all checkpoints, oldest first.
pub(crate) fn checkpoints(folder: &Folder) -> Result<Vec<(LogIndex, Term)>, Fault> {
    let mut found: Vec<(LogIndex, Term)> = folder
        .names()?
        .iter()
        .filter_map(|name| match role_of(name) {
            FileRole::Checkpoint(index, term) => Some((index, term)),
            FileRole::Segment(_) | FileRole::Temporary | FileRole::Other => None,
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

fn write_file(
    folder: &Folder,
    temporary: &str,
    term: Term,
    index: LogIndex,
    sections: impl Iterator<Item = (SectionName, Bytes)>,
) -> Result<(), Fault> {
    let file = folder.open(temporary, OpenMode::CreateNew)?;
    let header = encode_header(term, index);
    let mut checksum = crc32c::crc32c(&header);
    file.write(0, &header)?;
    let mut at = HEADER_BYTES;
    let mut count = 0_u32;
    for (name, payload) in sections {
        if count == CHECKPOINT_SECTIONS_MAX {
            return Err(Fault::Misuse { what: "a checkpoint has more sections than CHECKPOINT_SECTIONS_MAX" });
        }
        let head = encode_section_header(&name, &payload);
        let padding = vec![0; buffer_size(aligned(file_size(payload.len())) - file_size(payload.len()))];
        for piece in [&head[..], &payload[..], &padding[..]] {
            checksum = crc32c::crc32c_append(checksum, piece);
            file.write(at, piece)?;
            at += file_size(piece.len());
        }
        count += 1;
    }
    file.write(at, &encode_trailer(count, at, checksum))?;
    if mutant::is_on(Mutant::CheckpointNotSynced) { Ok(()) } else { file.sync() }
}

fn encode_header(term: Term, index: LogIndex) -> Vec<u8> {
    let mut bytes = vec![0; buffer_size(HEADER_BYTES)];
    bytes[..8].copy_from_slice(MAGIC);
    put_u32(&mut bytes, 12, VERSION);
    put_u64(&mut bytes, 16, term.0);
    put_u64(&mut bytes, 24, index.0);
    let checksum = crc32c::crc32c(&bytes[12..]);
    put_u32(&mut bytes, 8, checksum);
    bytes
}

fn encode_section_header(name: &SectionName, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; buffer_size(SECTION_HEADER_BYTES)];
    put_u32(&mut bytes, 4, crc32c::crc32c(payload));
    put_u64(&mut bytes, 8, file_size(payload.len()));
    put_u32(&mut bytes, 16, u32::try_from(name.0.len()).expect("names are bounded"));
    bytes[SECTION_NAME_AT..SECTION_NAME_AT + name.0.len()].copy_from_slice(name.0.as_bytes());
    let checksum = crc32c::crc32c(&bytes[4..]);
    put_u32(&mut bytes, 0, checksum);
    bytes
}

fn encode_trailer(count: u32, at: u64, checksum: u32) -> Vec<u8> {
    let mut bytes = vec![0; buffer_size(TRAILER_BYTES)];
    bytes[..8].copy_from_slice(TRAILER_MAGIC);
    put_u32(&mut bytes, 12, count);
    put_u64(&mut bytes, 16, at + TRAILER_BYTES);
    put_u32(&mut bytes, 24, checksum);
    let covered = crc32c::crc32c(&bytes[12..]);
    put_u32(&mut bytes, 8, covered);
    bytes
}

/// Reads and verifies a whole checkpoint file.
pub(crate) fn read_file(folder: &Folder, term: Term, index: LogIndex) -> Result<Vec<(SectionName, Bytes)>, Fault> {
    let file = folder.open(&checkpoint_name(term, index), OpenMode::Read)?;
    let length = file.length()?;
    let bytes = Bytes::from(file.read(0, length)?);
    let (count, end) = check_ends(&file, &bytes, term, index)?;
    let mut sections = Vec::new();
    let mut at = HEADER_BYTES;
    for _ in 0..count {
        let (section, next) = read_section(&file, &bytes, at, end)?;
        sections.push(section);
        at = next;
    }
    let trailer = buffer_size(end);
    if at != end {
        return Err(Fault::corrupt(&file.path, at, "bytes lie behind the last section"));
    }
    // Last, so that damage inside a section is named by the section.
    if crc32c::crc32c(&bytes[..trailer]) != u32_at(&bytes, trailer + 24) {
        return Err(Fault::corrupt(&file.path, end, "the checkpoint does not match its checksum"));
    }
    Ok(sections)
}

/// Checks header and trailer; gives the number of sections and the place of the trailer.
fn check_ends(file: &OpenFile, bytes: &Bytes, term: Term, index: LogIndex) -> Result<(u32, u64), Fault> {
    let damaged = |at, what| Err(Fault::corrupt(&file.path, at, what));
    let Some(end) = file_size(bytes.len()).checked_sub(TRAILER_BYTES).filter(|end| HEADER_BYTES <= *end) else {
        return damaged(0, "the checkpoint is cut short");
    };
    let header = &bytes[..buffer_size(HEADER_BYTES)];
    if &header[..8] != MAGIC || u32_at(header, 8) != crc32c::crc32c(&header[12..]) {
        return damaged(0, "the header of a checkpoint does not match its checksum");
    }
    if u32_at(header, 12) != VERSION {
        return Err(Fault::format(&file.path, "a newer program wrote this checkpoint; run that program"));
    }
    if u64_at(header, 16) != term.0 || u64_at(header, 24) != index.0 {
        return damaged(16, "the checkpoint has another position than its name says");
    }
    let trailer = &bytes[buffer_size(end)..];
    let is_whole = &trailer[..8] == TRAILER_MAGIC && u32_at(trailer, 8) == crc32c::crc32c(&trailer[12..]);
    if !is_whole || u64_at(trailer, 16) != file_size(bytes.len()) || CHECKPOINT_SECTIONS_MAX < u32_at(trailer, 12) {
        return damaged(end, "the end of a checkpoint does not match its checksum");
    }
    Ok((u32_at(trailer, 12), end))
}

/// Reads one section and gives the place behind it.
fn read_section(file: &OpenFile, bytes: &Bytes, at: u64, end: u64) -> Result<((SectionName, Bytes), u64), Fault> {
    let damaged = |what| Err(Fault::corrupt(&file.path, at, what));
    let payload_at = at + SECTION_HEADER_BYTES;
    if end < payload_at {
        return damaged("a section is cut short");
    }
    let head = &bytes[buffer_size(at)..buffer_size(payload_at)];
    if u32_at(head, 0) != crc32c::crc32c(&head[4..]) {
        return damaged("the header of a section does not match its checksum");
    }
    let length = u64_at(head, 8);
    let Some(next) = payload_at.checked_add(aligned(length)).filter(|next| *next <= end) else {
        return damaged("a section is longer than the checkpoint");
    };
    let payload = bytes.slice(buffer_size(payload_at)..buffer_size(payload_at + length));
    if crc32c::crc32c(&payload) != u32_at(head, 4) {
        return damaged("the checksum of a section does not match");
    }
    let name_end =
        usize::try_from(u32_at(head, 16)).map_or(usize::MAX, |length| SECTION_NAME_AT.saturating_add(length));
    let name = head.get(SECTION_NAME_AT..name_end).and_then(|name| std::str::from_utf8(name).ok());
    match name.map(SectionName::parse) {
        Some(Ok(name)) => Ok(((name, payload), next)),
        Some(Err(_)) | None => damaged("the name of a section breaks the rules"),
    }
}
