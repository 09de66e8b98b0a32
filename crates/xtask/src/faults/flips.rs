//! Campaign: one bit of one file of a stopped broker is flipped, then it starts and everything is read.
//! Invariant checked: all is served unchanged, or the broker names the damaged file; a wrong body is never served.
//! Called by `faults`. What is compared stands in `seen`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::chance::Chance;
use super::filling::segments;
use super::options::Options;
use super::process::{Home, files};
use super::report::Report;
use super::seen::{Pristine, Verdict, Verdicts, kind};

const RUNS: u64 = 200;

/// The small messages of a folder are in the first bytes of its segments: half of the flips hit these.
const SMALL_BYTES: usize = 4 << 20;

/// Every so many flips one hits the length of a frame: the one field that says where everything after it lies.
const LENGTH_EVERY: u64 = 4;
/// What comes before the first frame of a segment, and the header of a frame: `docs/formats/segment.md`.
const SEGMENT_HEADER_BYTES: usize = 64;
const FRAME_HEADER_BYTES: usize = 32;
/// Where the length is in the header of a frame.
const LENGTH_AT: usize = 4;
/// Most of these flips leave the frame where it is and change how many of its bytes are padding: its lowest bits.
const LOW_BITS: u64 = 3;

/// What was done to one file.
struct Flip {
    file: PathBuf,
    offset: u64,
    bit: u64,
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let pristine = Pristine::new(home)?;
    let mut chance = Chance::new(options.seed);
    let (mut verdicts, mut without_place) = (Verdicts::default(), 0_u64);
    for run in 1..=options.runs.unwrap_or(RUNS) {
        if !report.begins_a_run() {
            break;
        }
        pristine.restore(home)?;
        let flip =
            if run % LENGTH_EVERY == 0 { length_of_a_frame(home, &mut chance)? } else { flip(home, &mut chance)? };
        let place = flip.file.strip_prefix(home.data()).unwrap_or(&flip.file).display().to_string();
        let how = format!("flip {run}: bit {} at {} of {place}", flip.bit, flip.offset);
        let judged = pristine.judge(home, &flip.file, report, &how)?;
        let refused = matches!(judged.verdict, Verdict::RefusedToStart | Verdict::RefusedToServe);
        without_place += u64::from(refused && !judged.with_place);
        verdicts.note(kind(&flip.file), judged.verdict);
    }
    verdicts.tell(report);
    report.line(format_args!("  {without_place} of the refusals name the file but no offset"));
    Ok(())
}

/// A number below a count that is not zero.
pub(super) fn pick(chance: &mut Chance, count: usize) -> usize {
    let count = u64::try_from(count).expect("it is in memory");
    usize::try_from(chance.below(count)).expect("it is below the count")
}

/// Where the lengths of the frames of a segment are.
fn lengths(bytes: &[u8]) -> Vec<usize> {
    let (mut found, mut at) = (Vec::new(), SEGMENT_HEADER_BYTES);
    while let Some(header) = bytes.get(at..at + FRAME_HEADER_BYTES) {
        let length = header[LENGTH_AT..LENGTH_AT + 4].try_into().map_or(0, u32::from_le_bytes);
        // A frame is never empty space: its version is not zero.
        if header[8] == 0 {
            break;
        }
        found.push(at + LENGTH_AT);
        at += (FRAME_HEADER_BYTES + usize::try_from(length).unwrap_or(usize::MAX / 2)).next_multiple_of(8);
    }
    found
}

/// Flips a bit of the length of a frame.
fn length_of_a_frame(home: &Home, chance: &mut Chance) -> Result<Flip, String> {
    let segments = segments(home);
    let file = segments.get(pick(chance, segments.len().max(1))).ok_or("there is no segment")?.clone();
    let bytes = fs::read(&file).map_err(|error| format!("cannot read a segment: {error}"))?;
    let lengths = lengths(&bytes);
    let at = lengths.get(pick(chance, lengths.len().max(1))).ok_or("the segment has no frame")?;
    let bit = if chance.below(4) == 0 { chance.below(32) } else { chance.below(LOW_BITS) };
    let offset = u64::try_from(*at).expect("it is in memory") + bit / 8;
    flip_at(&file, offset, bit % 8)?;
    Ok(Flip { file, offset, bit: bit % 8 })
}

/// Flips one bit.
pub(super) fn flip_at(file: &Path, offset: u64, bit: u64) -> Result<(), String> {
    let problem = |error: std::io::Error| format!("cannot flip a bit: {error}");
    let open = OpenOptions::new().read(true).write(true).open(file).map_err(problem)?;
    let mut byte = [0];
    open.read_exact_at(&mut byte, offset).map_err(problem)?;
    open.write_all_at(&[byte[0] ^ (1 << bit)], offset).map_err(problem)
}

/// Flips a bit: each kind of file is as likely as the others, and mostly it is one of the bytes in use.
fn flip(home: &Home, chance: &mut Chance) -> Result<Flip, String> {
    let problem = |error: std::io::Error| format!("cannot flip a bit: {error}");
    let files = files(&home.data());
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files.into_iter().filter(|file| fs::metadata(file).is_ok_and(|known| known.len() > 0)) {
        kinds.entry(kind(&file)).or_default().push(file);
    }
    let kinds: Vec<Vec<PathBuf>> = kinds.into_values().collect();
    let files = &kinds[pick(chance, kinds.len())];
    let file = files[pick(chance, files.len())].clone();
    let bytes = fs::read(&file).map_err(problem)?;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let reach = match chance.below(4) {
        0 => bytes.len(),
        1 => used,
        _ => used.min(SMALL_BYTES),
    };
    let offset = chance.below(u64::try_from(reach).expect("a file has a length"));
    let bit = chance.below(8);
    flip_at(&file, offset, bit)?;
    Ok(Flip { file, offset, bit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_found_frame_by_frame() {
        let mut bytes = vec![0; 64];
        for payload in [3_u32, 8] {
            let start = bytes.len();
            bytes.resize((start + 32 + usize::try_from(payload).unwrap_or_default()).next_multiple_of(8), 0);
            bytes[start + 4..start + 8].copy_from_slice(&payload.to_le_bytes());
            bytes[start + 8] = 1;
        }
        bytes.resize(bytes.len() + 100, 0);
        assert_eq!(lengths(&bytes), [68, 108]);
        assert_eq!(lengths(&bytes[..80]), Vec::<usize>::new());
    }
}
