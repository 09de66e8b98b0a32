//! Small values that are written in place: the vote, the purge mark and the durable mark.
//! Invariant: a synced value lies in two slots on two pages, written one after the other, so neither a torn
//! write nor one damaged sector loses a value that was completed.
//! Called by the writer, recovery and scrub. Drawn in `docs/formats/slots.md`.

use bytes::Bytes;
use mutant::Mutant;

use crate::disk::OpenMode;
use crate::fault::Fault;
use crate::folder::{Folder, OpenFile};
use crate::limits::SLOT_VALUE_BYTES_MAX;
use crate::little_endian::{buffer_size, first_nonzero, put_u32, put_u64, u32_at, u64_at};

const MAGIC: &[u8; 8] = b"RECADOSL";
const VERSION: u32 = 1;
const SECTOR: u64 = 512;
const SLOT_HEADER_BYTES: usize = 16;
/// The two copies of the synced value.
const SYNCED_AT: [u64; 2] = [512, 4096];
/// The two slots that take turns with the value that is not synced.
const LAZY_AT: [u64; 2] = [1024, 4608];
/// Length of the file.
pub(crate) const SLOT_FILE_BYTES: u64 = 8192;

/// What a slot file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The vote, and lazily the committed hint.
    Vote,
    /// The purge mark of the consensus.
    Purge,
    /// The end of what is durable.
    Mark,
}

impl Purpose {
    fn number(self) -> u32 {
        match self {
            Purpose::Vote => 1,
            Purpose::Purge => 2,
            Purpose::Mark => 3,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Slot {
    generation: u64,
    value: Bytes,
}

/// Something wrong in a slot file, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotDamage {
    pub(crate) offset: u64,
    pub(crate) what: &'static str,
}

/// An open slot file.
pub(crate) struct SlotFile {
    file: OpenFile,
    purpose: Purpose,
    generation: u64,
    synced: Slot,
    lazy: Slot,
}

/// The bytes of a slot file without values.
pub(crate) fn empty_slot_file(purpose: Purpose) -> Vec<u8> {
    let mut bytes = vec![0; buffer_size(SLOT_FILE_BYTES)];
    bytes[..8].copy_from_slice(MAGIC);
    put_u32(&mut bytes, 12, VERSION);
    put_u32(&mut bytes, 16, purpose.number());
    let checksum = crc32c::crc32c(&bytes[12..buffer_size(SECTOR)]);
    put_u32(&mut bytes, 8, checksum);
    for at in SYNCED_AT.into_iter().chain(LAZY_AT) {
        let at = buffer_size(at);
        bytes[at..at + buffer_size(SECTOR)].copy_from_slice(&encode(&Slot::default()));
    }
    bytes
}

fn encode(slot: &Slot) -> Vec<u8> {
    let mut sector = vec![0; buffer_size(SECTOR)];
    let length = u32::try_from(slot.value.len()).expect("values are bounded by SLOT_VALUE_BYTES_MAX");
    put_u32(&mut sector, 4, length);
    put_u64(&mut sector, 8, slot.generation);
    sector[SLOT_HEADER_BYTES..SLOT_HEADER_BYTES + slot.value.len()].copy_from_slice(&slot.value);
    let checksum = crc32c::crc32c(&sector[4..]);
    put_u32(&mut sector, 0, checksum);
    sector
}

fn decode(sector: &[u8]) -> Option<Slot> {
    let length = usize::try_from(u32_at(sector, 4)).ok()?;
    if crc32c::crc32c(&sector[4..]) != u32_at(sector, 0) || length > SLOT_VALUE_BYTES_MAX {
        return None;
    }
    Some(Slot {
        generation: u64_at(sector, 8),
        value: Bytes::copy_from_slice(&sector[SLOT_HEADER_BYTES..SLOT_HEADER_BYTES + length]),
    })
}

fn sector_at(bytes: &[u8], at: u64) -> &[u8] {
    let at = buffer_size(at);
    &bytes[at..at + buffer_size(SECTOR)]
}

/// Reads a slot file whole, after checking its header.
fn read_file(file: &OpenFile, purpose: Purpose) -> Result<Vec<u8>, Fault> {
    let bytes = file.read(0, SLOT_FILE_BYTES)?;
    if &bytes[..8] != MAGIC || u32_at(&bytes, 8) != crc32c::crc32c(&bytes[12..buffer_size(SECTOR)]) {
        return Err(Fault::corrupt(&file.path, 0, "the header of a slot file does not match its checksum"));
    }
    if u32_at(&bytes, 12) != VERSION {
        return Err(Fault::format(&file.path, "a newer program wrote this slot file; run that program"));
    }
    if u32_at(&bytes, 16) != purpose.number() {
        return Err(Fault::format(&file.path, "this slot file has another purpose than its name says"));
    }
    Ok(bytes)
}

/// Everything wrong in a slot file. Slots that are being written look damaged for a moment.
pub(crate) fn inspect(folder: &Folder, name: &str, purpose: Purpose) -> Result<Vec<SlotDamage>, Fault> {
    let file = folder.open_known(name, OpenMode::Read)?;
    let bytes = read_file(&file, purpose)?;
    let mut damage = Vec::new();
    for at in SYNCED_AT.into_iter().chain(LAZY_AT) {
        if decode(sector_at(&bytes, at)).is_none() {
            damage.push(SlotDamage { offset: at, what: "the checksum of a slot does not match" });
        }
    }
    for (start, end) in [(1536, 4096), (5120, SLOT_FILE_BYTES)] {
        if let Some(at) = first_nonzero(&bytes[buffer_size(start)..buffer_size(end)]) {
            damage.push(SlotDamage {
                offset: start + crate::little_endian::file_size(at),
                what: "unused space is not zero",
            });
        }
    }
    if file.length()? != SLOT_FILE_BYTES {
        damage.push(SlotDamage { offset: SLOT_FILE_BYTES, what: "the file has another length than slot files have" });
    }
    Ok(damage)
}

impl SlotFile {
    /// Opens the file, takes the newest whole values and repairs what a crash left half done.
    pub(crate) fn open(folder: &Folder, name: &str, purpose: Purpose) -> Result<(SlotFile, Vec<SlotDamage>), Fault> {
        let file = folder.open_known(name, OpenMode::ReadWrite)?;
        let bytes = read_file(&file, purpose)?;
        let damage = inspect(folder, name, purpose)?;
        let synced = SYNCED_AT.map(|at| decode(sector_at(&bytes, at)));
        let lazy = LAZY_AT.map(|at| decode(sector_at(&bytes, at)));
        let newest = |slots: &[Option<Slot>; 2]| {
            let whole = slots.iter().flatten();
            whole.max_by_key(|slot| slot.generation).cloned()
        };
        let Some(current) = newest(&synced) else {
            return Err(Fault::corrupt(&file.path, SYNCED_AT[0], "both copies of a synced value are damaged"));
        };
        let hint = newest(&lazy).unwrap_or_default();
        let generation = current.generation.max(hint.generation);
        let slots = SlotFile { file, purpose, generation, synced: current, lazy: hint };
        slots.repair(&synced, &lazy, &damage)?;
        Ok((slots, damage))
    }

    /// Makes both copies equal again, and rewrites what is damaged.
    fn repair(&self, synced: &[Option<Slot>; 2], lazy: &[Option<Slot>; 2], damage: &[SlotDamage]) -> Result<(), Fault> {
        for (at, slot) in SYNCED_AT.into_iter().zip(synced) {
            let is_current = slot.as_ref().is_some_and(|slot| slot.generation == self.synced.generation);
            if !is_current {
                self.file.write(at, &encode(&self.synced))?;
                self.file.sync()?;
            }
        }
        for (at, slot) in LAZY_AT.into_iter().zip(lazy) {
            if slot.is_none() {
                self.file.write(at, &encode(&self.lazy))?;
                self.file.sync()?;
            }
        }
        if !damage.is_empty() {
            self.file.write_zeros(1536, 4096)?;
            self.file.write_zeros(5120, SLOT_FILE_BYTES)?;
            self.file.set_length(SLOT_FILE_BYTES)?;
            self.file.sync()?;
        }
        Ok(())
    }

    /// Compares the file with what is in memory, and writes it again where it is damaged. Nobody else may write it meanwhile.
    pub(crate) fn mend(&self, folder: &Folder, name: &str) -> Result<Vec<SlotDamage>, Fault> {
        let damage = match inspect(folder, name, self.purpose) {
            Ok(damage) => damage,
            Err(Fault::Corrupt { offset, what, .. }) => vec![SlotDamage { offset, what }],
            Err(fault) => return Err(fault),
        };
        if !damage.is_empty() {
            self.file.write(0, &empty_slot_file(self.purpose)[..buffer_size(SECTOR)])?;
            self.write_again()?;
            self.repair(&[None, None], &[None, None], &damage)?;
        }
        Ok(damage)
    }

    /// Stores a value and makes it durable: one copy, then the other.
    pub(crate) fn save(&mut self, value: Bytes) -> Result<(), Fault> {
        self.generation += 1;
        self.synced = Slot { generation: self.generation, value };
        self.write_again()
    }

    /// Writes the synced value once more. After a flush that failed, reads show what the disk may not hold, and
    /// another flush would not write it.
    pub(crate) fn write_again(&self) -> Result<(), Fault> {
        let sector = encode(&self.synced);
        for at in SYNCED_AT {
            self.file.write(at, &sector)?;
            if !(self.purpose == Purpose::Vote && mutant::is_on(Mutant::VoteNotSynced)) {
                self.file.sync()?;
            }
        }
        Ok(())
    }

    /// Stores a value that survives the death of the process, and usually a power cut.
    pub(crate) fn save_lazily(&mut self, value: Bytes) -> Result<(), Fault> {
        self.generation += 1;
        self.lazy = Slot { generation: self.generation, value };
        let turn = usize::from(self.generation % 2 == 1);
        self.file.write(LAZY_AT[turn], &encode(&self.lazy))
    }

    /// The synced value; empty when there never was one.
    pub(crate) fn synced(&self) -> &Bytes {
        &self.synced.value
    }

    /// The lazy value; empty when there never was one.
    pub(crate) fn lazy(&self) -> &Bytes {
        &self.lazy.value
    }

    /// Whichever of the two was saved last.
    pub(crate) fn latest(&self) -> &Bytes {
        if self.lazy.generation > self.synced.generation { &self.lazy.value } else { &self.synced.value }
    }
}
