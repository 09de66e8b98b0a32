//! Campaign: one bit of one file of a stopped broker is flipped, then it starts and everything is read.
//! Invariant checked: all is served unchanged, or the broker names the damaged file; a wrong body is never served.
//! Called by `faults`. What is compared stands in `seen`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::chance::Chance;
use super::options::Options;
use super::process::{Home, files};
use super::report::Report;
use super::seen::{Pristine, Verdict, Verdicts, kind};

const RUNS: u64 = 200;

/// The small messages of a folder are in the first bytes of its segments: half of the flips hit these.
const SMALL_BYTES: usize = 4 << 20;

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
        pristine.restore(home)?;
        let flip = flip(home, &mut chance)?;
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

/// Flips a bit: each kind of file is as likely as the others, and mostly it is one of the bytes in use.
fn flip(home: &Home, chance: &mut Chance) -> Result<Flip, String> {
    let problem = |error: std::io::Error| format!("cannot flip a bit: {error}");
    let files = files(&home.data());
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files.into_iter().filter(|file| fs::metadata(file).is_ok_and(|known| known.len() > 0)) {
        kinds.entry(kind(&file)).or_default().push(file);
    }
    let pick = |chance: &mut Chance, count: usize| {
        let count = u64::try_from(count).expect("files are few");
        usize::try_from(chance.below(count)).expect("files are few")
    };
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
    let before = bytes[usize::try_from(offset).expect("it lies in the file")];
    let open = OpenOptions::new().write(true).open(&file).map_err(problem)?;
    open.write_all_at(&[before ^ (1 << bit)], offset).map_err(problem)?;
    Ok(Flip { file, offset, bit })
}
