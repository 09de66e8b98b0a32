//! Campaign: one bit of one file of a stopped broker is flipped, then it starts and everything is read.
//! Invariant checked: all is served unchanged, or the broker names the damaged file; a wrong body is never served.
//! Called by `faults`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Options;
use super::body;
use super::chance::Chance;
use super::door::{Door, Failed, message};
use super::process::{Home, Started, files, remove};
use super::report::Report;

const QUEUE: &str = "kept";
const TOPIC: &str = "kept";
const RUNS: u64 = 200;
/// Messages of the queue: in the first life of the broker, in each later one, and what is consumed of them.
const MESSAGES: (u64, u64, u64) = (2000, 600, 300);
/// Later lives. All but the last end cleanly, so the folder has as many checkpoints, and log after them.
const LATER_LIVES: u64 = 2;
/// Messages of the topic.
const RECORDS: u64 = 400;
/// Pages of one listing.
const PAGES_MAX: usize = 16;

/// What was done to one file.
struct Flip {
    file: PathBuf,
    offset: u64,
    bit: u64,
}

/// How a broker on a damaged folder behaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    RefusedToStart,
    RefusedToServe,
    Unchanged,
    UnchangedAndWarned,
    Violation,
}

/// Everything that clients can see, as text; a wrong body makes it an error of its own.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    parts: BTreeMap<&'static str, String>,
    /// Reads that were refused.
    refused: Vec<String>,
    wrong: Vec<String>,
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let token = prepare(home)?;
    let pristine = home.folder.join("pristine");
    fs::rename(home.data(), &pristine).map_err(|error| format!("cannot set the data aside: {error}"))?;
    let expected = match healthy(home, &pristine, &token)? {
        seen if seen.refused.is_empty() && seen.wrong.is_empty() => seen,
        seen => return Err(format!("the undamaged folder is not served: {:?}", (seen.refused, seen.wrong))),
    };
    let mut chance = Chance::new(options.seed);
    let mut verdicts: BTreeMap<Verdict, u64> = BTreeMap::new();
    let mut without_offset = 0_u64;
    for run in 1..=options.runs.unwrap_or(RUNS) {
        copy(&pristine, &home.data())?;
        let flip = flip(home, &mut chance)?;
        let before = home.log().len();
        let (mut verdict, what) = judge(home, &token, &expected)?;
        let said = home.log().split_off(before);
        let named = flip.file.file_name().is_some_and(|name| said.contains(&*name.to_string_lossy()));
        if matches!(verdict, Verdict::RefusedToStart | Verdict::RefusedToServe) {
            if !named {
                verdict = Verdict::Violation;
            }
            without_offset += u64::from(named && !said.contains("at offset"));
        }
        if verdict == Verdict::Unchanged && named {
            verdict = Verdict::UnchangedAndWarned;
        }
        let place = flip.file.strip_prefix(home.data()).unwrap_or(&flip.file).display().to_string();
        let line = format!("flip {run}: bit {} at {} of {place}: {verdict:?} {what}", flip.bit, flip.offset);
        if verdict == Verdict::Violation {
            let end: Vec<&str> = said.lines().rev().take(2).collect();
            report.violation(format_args!("{line}; log: {}", end.join(" | ")));
        } else {
            report.line(format_args!("  {line}"));
        }
        *verdicts.entry(verdict).or_default() += 1;
    }
    report.line(format_args!("  {verdicts:?}; {without_offset} of the refusals name the file but no offset"));
    Ok(())
}

/// Fills the folder in some lives, so that it has checkpoints, a log after them, consumed and waiting messages.
fn prepare(home: &Home) -> Result<String, String> {
    let problem = |failed: Failed| format!("preparing: {failed}");
    let broker = home.start()?;
    let token = Door::log_in(broker.address)?;
    let mut door = Door::with_token(broker.address, &token);
    door.create(QUEUE, &json!({}))?;
    door.ask("PUT", &format!("/v1/topics/{TOPIC}"), &json!({})).map_err(problem)?;
    let (first, second, consumed) = MESSAGES;
    let batch = |from: u64, to: u64| (from..to).map(|n| message(&body::body(QUEUE, n))).collect::<Vec<String>>();
    door.publish(QUEUE, &batch(0, first)).map_err(problem)?;
    let records: Vec<Value> = (0..RECORDS).map(|number| json!({"body": body::body(TOPIC, number)})).collect();
    door.ask("POST", &format!("/v1/topics/{TOPIC}/messages"), &json!({"messages": records})).map_err(problem)?;
    let deliveries = door.receive(QUEUE, &json!({"max": consumed})).map_err(problem)?;
    door.settle(QUEUE, &deliveries).map_err(problem)?;
    broker.stop()?;
    for life in 0..LATER_LIVES {
        let mut broker = home.start()?;
        let mut door = Door::with_token(broker.address, &token);
        let from = first + life * second;
        for part in 0..6 {
            let from = from + part * second / 6;
            door.publish(QUEUE, &batch(from, from + second / 6)).map_err(problem)?;
        }
        if life + 1 < LATER_LIVES {
            broker.stop()?;
        } else {
            broker.kill();
        }
    }
    Ok(token)
}

fn healthy(home: &Home, pristine: &Path, token: &str) -> Result<Seen, String> {
    copy(pristine, &home.data())?;
    let broker = home.start()?;
    let seen = look(&mut Door::with_token(broker.address, token));
    broker.stop()?;
    Ok(seen)
}

/// Copies a folder; what is zero stays a hole.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    remove(to).map_err(|error| format!("cannot remove {}: {error}", to.display()))?;
    let mut command = Command::new("cp");
    command.args(["-a", "--sparse=always"]).arg(from).arg(to).stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cp ended with {status}")),
        Err(error) => Err(format!("cannot start cp: {error}")),
    }
}

/// Flips a bit: each file is as likely as the others, and half of the time it is one of the bytes in use.
fn flip(home: &Home, chance: &mut Chance) -> Result<Flip, String> {
    let problem = |error: std::io::Error| format!("cannot flip a bit: {error}");
    let files: Vec<PathBuf> =
        files(&home.data()).into_iter().filter(|file| fs::metadata(file).is_ok_and(|known| known.len() > 0)).collect();
    let count = u64::try_from(files.len()).expect("files are few");
    let file = files[usize::try_from(chance.below(count)).expect("files are few")].clone();
    let bytes = fs::read(&file).map_err(problem)?;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let reach = if chance.below(4) == 0 { bytes.len() } else { used };
    let offset = chance.below(u64::try_from(reach).expect("a file has a length"));
    let bit = chance.below(8);
    let before = bytes[usize::try_from(offset).expect("it lies in the file")];
    let open = OpenOptions::new().write(true).open(&file).map_err(problem)?;
    open.write_all_at(&[before ^ (1 << bit)], offset).map_err(problem)?;
    Ok(Flip { file, offset, bit })
}

/// Starts on the damaged folder, reads everything and compares.
fn judge(home: &Home, token: &str, expected: &Seen) -> Result<(Verdict, String), String> {
    let broker = match home.launch()? {
        Started::Ended(status, _) if status.ends_with(": 0") => {
            return Ok((Verdict::Violation, String::from("ended well")));
        }
        Started::Ended(status, _) => return Ok((Verdict::RefusedToStart, status)),
        Started::Ready(broker) => broker,
    };
    let seen = look(&mut Door::with_token(broker.address, token));
    // How it ends says nothing: a broker that found damage may end with a fault.
    let _ended = broker.stop();
    if !seen.wrong.is_empty() {
        return Ok((Verdict::Violation, format!("serves a wrong body: {:?}", seen.wrong)));
    }
    if !seen.refused.is_empty() {
        return Ok((Verdict::RefusedToServe, seen.refused.join(", ")));
    }
    let changed: Vec<&&str> =
        expected.parts.keys().filter(|part| expected.parts.get(*part) != seen.parts.get(*part)).collect();
    if changed.is_empty() {
        return Ok((Verdict::Unchanged, String::new()));
    }
    Ok((Verdict::Violation, format!("serves something else without a word: {changed:?}")))
}

/// Reads everything.
fn look(door: &mut Door) -> Seen {
    let mut seen = Seen { parts: BTreeMap::new(), refused: Vec::new(), wrong: Vec::new() };
    let pages = |page: &Value| page["next"].as_str().map(|cursor| format!("&cursor={cursor}"));
    let messages = format!("/v1/queues/{QUEUE}/messages?limit=1000");
    seen.listing(door, "messages", QUEUE, &messages, pages);
    let records = format!("/v1/topics/{TOPIC}/partitions/0/messages?limit=1000");
    seen.listing(door, "records", TOPIC, &records, |_| None);
    for (part, path, fields) in [
        ("queue", format!("/v1/queues/{QUEUE}"), &["settings", "owner", "created_at"][..]),
        ("counts", format!("/v1/queues/{QUEUE}"), &["counts"]),
        ("topic", format!("/v1/topics/{TOPIC}"), &["settings", "partitions", "owner"]),
        ("users", String::from("/v1/users/admin"), &["name", "roles"]),
    ] {
        match door.ask("GET", &path, &Value::Null) {
            Ok(document) => {
                let fields: Vec<String> = fields.iter().map(|field| document[field].to_string()).collect();
                seen.parts.insert(part, fields.join(" "));
            }
            Err(failed) => seen.refused.push(format!("{part}: {failed}")),
        }
    }
    seen
}

impl Seen {
    fn listing(
        &mut self,
        door: &mut Door,
        part: &'static str,
        label: &str,
        path: &str,
        next: impl Fn(&Value) -> Option<String>,
    ) {
        let (mut cursor, mut text) = (String::new(), String::new());
        for _ in 0..PAGES_MAX {
            let page = match door.ask("GET", &format!("{path}{cursor}"), &Value::Null) {
                Ok(page) => page,
                Err(failed) => {
                    self.refused.push(format!("{part}: {failed}"));
                    return;
                }
            };
            let items = page["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
            for item in items {
                let body = item["body"].as_str().unwrap_or_default();
                if body::parse(body).is_none_or(|(known, _)| known != label) {
                    self.wrong.push(body.chars().take(40).collect());
                }
                text.push_str(&item.to_string());
            }
            match next(&page) {
                Some(more) => cursor = more,
                None => break,
            }
        }
        self.parts.insert(part, text);
    }
}
