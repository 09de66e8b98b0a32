//! A disk with a volatile write cache, in memory: what was written is there at once, and safe only after a flush.
//! Invariant: after `cut`, a sector holds either its last flushed or its last written bytes, and nothing answers
//! until `power_on`.
//! Served as a file by `fuse`, which `mount` makes into a block device. Tests below.

pub(super) mod fuse;
pub(super) mod mount;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::chance::Chance;
use super::limits::DEVICE_MIB;

/// What is kept of the flushed bytes when a block is written: one page of the filesystem.
const BLOCK: usize = 4096;
/// What is lost or kept as one in a power cut.
const SECTOR: usize = 512;

/// The disk does not answer, or says that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeviceFailed;

/// What a power cut takes of the sectors that were written after the last flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Every one.
    Everything,
    /// Each with a chance of one half.
    HalfOfSectors,
    /// Each page of 4 KiB with a chance of one half.
    HalfOfPages,
}

impl Loss {
    pub(super) const ALL: [Self; 3] = [Self::Everything, Self::HalfOfSectors, Self::HalfOfPages];
}

/// What a cut met and took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Pages that were written after the last flush.
    pub(super) pages: u64,
    /// Sectors of them that were lost.
    pub(super) sectors: u64,
}

/// How many requests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    pub(super) writes: u64,
    pub(super) flushes: u64,
}

/// The disk.
pub(super) struct Device {
    state: Mutex<State>,
}

struct State {
    /// What a read answers.
    bytes: Vec<u8>,
    /// Of each page that was written since the last flush, what it held at that flush.
    flushed: BTreeMap<usize, Box<[u8]>>,
    powered: bool,
    requests: Requests,
    /// Each flush takes this much longer.
    flush_delay: Duration,
    /// How many more writes pass before one fails; the failed one is the only one.
    failing_write: Option<u64>,
}

impl Device {
    /// A disk of zeros. Memory is taken by what is written.
    pub(super) fn new() -> Self {
        let bytes = vec![0; DEVICE_MIB << 20];
        let state = State {
            bytes,
            flushed: BTreeMap::new(),
            powered: true,
            requests: Requests::default(),
            flush_delay: Duration::ZERO,
            failing_write: None,
        };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of the disk panics")
    }

    pub(super) fn length(&self) -> usize {
        self.state().bytes.len()
    }

    pub(super) fn requests(&self) -> Requests {
        self.state().requests
    }

    /// Appends what is there to `answer`; less at the end of the disk.
    pub(super) fn read(&self, offset: usize, length: usize, answer: &mut Vec<u8>) -> Result<(), DeviceFailed> {
        let state = self.state();
        if !state.powered {
            return Err(DeviceFailed);
        }
        let start = offset.min(state.bytes.len());
        let end = offset.saturating_add(length).min(state.bytes.len());
        answer.extend_from_slice(&state.bytes[start..end]);
        Ok(())
    }

    /// Takes bytes into the cache.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), DeviceFailed> {
        let mut state = self.state();
        state.requests.writes += 1;
        let end = offset.checked_add(bytes.len()).filter(|end| *end <= state.bytes.len());
        let (true, Some(end)) = (state.powered, end) else { return Err(DeviceFailed) };
        match state.failing_write {
            Some(0) => {
                state.failing_write = None;
                return Err(DeviceFailed);
            }
            Some(more) => state.failing_write = Some(more - 1),
            None => {}
        }
        let State { bytes: held, flushed, .. } = &mut *state;
        for page in offset / BLOCK..end.div_ceil(BLOCK) {
            let range = page * BLOCK..held.len().min((page + 1) * BLOCK);
            flushed.entry(page).or_insert_with(|| Box::from(&held[range]));
        }
        held[offset..end].copy_from_slice(bytes);
        Ok(())
    }

    /// Makes safe what was written.
    pub(super) fn flush(&self) -> Result<(), DeviceFailed> {
        let delay = self.state().flush_delay;
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let mut state = self.state();
        state.requests.flushes += 1;
        if !state.powered {
            return Err(DeviceFailed);
        }
        state.flushed.clear();
        Ok(())
    }

    /// The power goes: nothing is answered any more, and what was not flushed is lost in the way that is asked for.
    pub(super) fn cut(&self, loss: Loss, chance: &mut Chance) -> Taken {
        let mut state = self.state();
        state.powered = false;
        let State { bytes, flushed, .. } = &mut *state;
        let mut taken = Taken::default();
        for (page, before) in std::mem::take(flushed) {
            taken.pages += 1;
            let page_lost = chance.below(2) == 0;
            for (sector, held) in before.chunks(SECTOR).enumerate() {
                let lost = match loss {
                    Loss::Everything => true,
                    Loss::HalfOfSectors => chance.below(2) == 0,
                    Loss::HalfOfPages => page_lost,
                };
                let start = page * BLOCK + sector * SECTOR;
                let place = &mut bytes[start..start + held.len()];
                if lost && place != held {
                    place.copy_from_slice(held);
                    taken.sectors += 1;
                }
            }
        }
        taken
    }

    pub(super) fn power_on(&self) {
        self.state().powered = true;
    }

    /// From now on each flush takes this much longer.
    pub(super) fn delay_flushes(&self, delay: Duration) {
        self.state().flush_delay = delay;
    }

    /// One write fails after `more` others; later ones do not.
    pub(super) fn fail_a_write_after(&self, more: u64) {
        self.state().failing_write = Some(more);
    }

    /// Whether the write that was to fail has failed; forgets it when not.
    pub(super) fn write_has_failed(&self) -> bool {
        self.state().failing_write.take().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(device: &Device, offset: usize, length: usize) -> Vec<u8> {
        let mut answer = Vec::new();
        device.read(offset, length, &mut answer).expect("it has power");
        answer
    }

    #[test]
    fn what_was_flushed_survives_a_cut_and_the_rest_goes() {
        let device = Device::new();
        device.write(5000, b"kept").expect("it has power");
        device.flush().expect("it has power");
        device.write(5002, b"lost").expect("it has power");
        device.write(9 * BLOCK, b"lost too").expect("it has power");
        assert_eq!(read(&device, 5000, 6), b"kelost");
        let taken = device.cut(Loss::Everything, &mut Chance::new(1));
        assert_eq!(taken, Taken { pages: 2, sectors: 2 });
        assert_eq!(device.write(0, b"x"), Err(DeviceFailed));
        assert_eq!(device.read(0, 1, &mut Vec::new()), Err(DeviceFailed));
        assert_eq!(device.flush(), Err(DeviceFailed));
        device.power_on();
        assert_eq!(read(&device, 5000, 6), b"kept\0\0");
        assert_eq!(read(&device, 9 * BLOCK, 8), [0; 8]);
    }

    #[test]
    fn half_of_the_sectors_are_whole_and_half_are_gone() {
        for (loss, unit) in [(Loss::HalfOfSectors, SECTOR), (Loss::HalfOfPages, BLOCK)] {
            let device = Device::new();
            device.write(0, &[7; 64 * BLOCK]).expect("it has power");
            device.cut(loss, &mut Chance::new(3));
            device.power_on();
            let after = read(&device, 0, 64 * BLOCK);
            let kept = after.chunks(unit).filter(|part| part.iter().all(|byte| *byte == 7)).count();
            let gone = after.chunks(unit).filter(|part| part.iter().all(|byte| *byte == 0)).count();
            assert_eq!(kept + gone, 64 * BLOCK / unit, "{loss:?} tears below {unit} bytes");
            assert!(kept * 4 > gone && gone * 4 > kept, "{loss:?}: {kept} kept, {gone} gone");
        }
    }

    #[test]
    fn one_write_fails_and_the_end_of_the_disk_is_the_end() {
        let device = Device::new();
        device.fail_a_write_after(1);
        let outcomes = [0, 1, 2].map(|place| device.write(place, b"a").is_ok());
        assert_eq!(outcomes, [true, false, true]);
        assert!(device.write_has_failed());
        let last = device.length() - 2;
        assert_eq!(device.write(last, b"abc"), Err(DeviceFailed));
        assert_eq!(read(&device, last, 9).len(), 2);
        assert_eq!(device.requests(), Requests { writes: 4, flushes: 0 });
    }
}
