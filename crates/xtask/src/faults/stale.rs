//! Campaign: one file of a stopped broker is missing, cut short, or replaced by an older copy; and the whole folder is.
//! Invariant checked: nothing is missing in silence: all is served unchanged, or the broker refuses and names the file.
//! One thing cannot be seen by a single node and is said aloud: a whole folder that is older.
//! Called by `faults`. What is compared stands in `seen`.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::json;

use super::chance::Chance;
use super::door::Door;
use super::limits::BEFORE_FAULT;
use super::options::Options;
use super::process::{Home, files, remove};
use super::report::Report;
use super::seen::{Pristine, Verdicts, copy, kind};
use super::traffic::Traffic;

/// So far before the end of the bytes in use, in the body of the last message where there is one.
const END_BYTES: usize = 100;

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Missing,
    /// Half of the bytes in use are cut off.
    CutShort,
    Older,
    /// One of the last bytes in use has another bit.
    EndFlipped,
    /// The second half of the bytes in use is zeros, as after a write that never came.
    Zeroed,
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let pristine = Pristine::new(home)?;
    pristine.restore(home)?;
    let names: Vec<PathBuf> = files(&home.data())
        .iter()
        .filter_map(|file| file.strip_prefix(home.data()).ok().map(Path::to_path_buf))
        .collect();
    for damage in [Damage::Missing, Damage::CutShort, Damage::Zeroed, Damage::EndFlipped, Damage::Older] {
        let mut verdicts = Verdicts::default();
        for name in &names {
            if !report.begins_a_run() {
                break;
            }
            pristine.restore(home)?;
            let file = home.data().join(name);
            if do_to(&file, &pristine.older.join(name), damage)? {
                let how = format!("{damage:?}: {}", name.display());
                verdicts.note(kind(&file), pristine.judge(home, &file, report, &how)?.verdict);
            }
        }
        report.line(format_args!("  {damage:?}:"));
        verdicts.tell(report);
    }
    whole_folder(options, home, report)
}

/// Damages a file; false when there is nothing to do.
fn do_to(file: &Path, older: &Path, damage: Damage) -> Result<bool, String> {
    let problem = |error: std::io::Error| format!("cannot damage {}: {error}", file.display());
    let bytes = fs::read(file).map_err(problem)?;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match damage {
        Damage::Missing => fs::remove_file(file).map_err(problem)?,
        Damage::CutShort | Damage::Zeroed => {
            if used < 2 {
                return Ok(false);
            }
            let open = OpenOptions::new().write(true).open(file).map_err(problem)?;
            let half = u64::try_from(used / 2).expect("files are in memory");
            open.set_len(half).map_err(problem)?;
            if damage == Damage::Zeroed {
                open.set_len(u64::try_from(bytes.len()).expect("files are in memory")).map_err(problem)?;
            }
        }
        Damage::EndFlipped => {
            let Some(place) = used.checked_sub(END_BYTES) else { return Ok(false) };
            let mut damaged = bytes;
            damaged[place] ^= 1;
            fs::write(file, damaged).map_err(problem)?;
        }
        Damage::Older => match fs::read(older) {
            Ok(before) if before != bytes => fs::write(file, before).map_err(problem)?,
            Ok(_) | Err(_) => return Ok(false),
        },
    }
    Ok(true)
}

/// A backup takes the place of the folder. What was confirmed before the copy is there.
fn whole_folder(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    remove(&home.data()).map_err(|error| format!("cannot remove the data: {error}"))?;
    let mut chance = Chance::new(options.seed);
    let broker = home.start()?;
    let traffic = Traffic::new(home, broker.address, "stale")?;
    traffic.during(broker.address, chance.next(), || thread::sleep(BEFORE_FAULT))?;
    broker.stop()?;
    let backup = home.folder.join("backup");
    copy(&home.data(), &backup)?;

    let broker = home.start()?;
    Door::with_token(broker.address, &traffic.token).create("after-the-copy", &json!({}))?;
    broker.stop()?;
    copy(&backup, &home.data())?;
    let broker = home.start().map_err(|why| format!("a restored folder is not served: {why}"))?;
    if Door::with_token(broker.address, &traffic.token).counts("after-the-copy").is_ok() {
        report.violation("the restored folder knows what came after the copy: the campaign proves nothing");
    }
    traffic.check(broker.address, "a restored folder", report)?;
    report.line(format_args!(
        "  the whole folder replaced by an older copy: everything confirmed before the copy is there; what came after \
         it is gone, and a single node cannot know: NOT DETECTED"
    ));
    report.total("restored folder", 1, traffic.counts()?);
    broker.stop().map(drop)
}
