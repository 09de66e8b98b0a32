//! Everything that clients can see of a stopped broker's folder, so that two folders can be compared.
//! Invariant: all is read over REST, and each body is checked to its last byte.
//! Used by `flips` and `stale`, which damage a folder in between.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use super::body;
use super::door::{Door, Failed, message};
use super::limits::MARK_MAX;
use super::process::{Home, Started, remove};
use super::report::Report;

const QUEUE: &str = "kept";
const TOPIC: &str = "kept";
/// Messages of the queue: in the first life of the broker, in each later one, and what is consumed of them.
const MESSAGES: (u64, u64, u64) = (2000, 600, 300);
/// Later lives. All but the last end cleanly, so the folder has as many checkpoints, and log after them.
const LATER_LIVES: u64 = 2;
/// Messages of the topic.
const RECORDS: u64 = 400;
/// A topic of long records that fills the first segment, so that there is a sealed one: how many.
const LONG_TOPIC: &str = "long";
const LONG_RECORDS: u64 = 72;
/// Pages of one listing.
const PAGES_MAX: usize = 16;

/// How a broker on a damaged folder behaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
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

/// A folder that is whole, an older copy of it, and what clients see of it.
pub(super) struct Pristine {
    folder: PathBuf,
    /// The same folder one life earlier.
    pub(super) older: PathBuf,
    token: String,
    expected: Seen,
}

/// How a broker on a damaged folder behaved, and what it said.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// A refusal names the file and the place in it.
    pub(super) with_place: bool,
}

impl Pristine {
    pub(super) fn new(home: &Home) -> Result<Self, String> {
        let (folder, older) = (home.folder.join("pristine"), home.folder.join("older"));
        let token = prepare(home, &older)?;
        fs::rename(home.data(), &folder).map_err(|error| format!("cannot set the data aside: {error}"))?;
        copy(&folder, &home.data())?;
        let broker = home.start()?;
        let expected = look(&mut Door::with_token(broker.address, &token));
        broker.stop()?;
        if !expected.refused.is_empty() || !expected.wrong.is_empty() {
            let found = (expected.refused, expected.wrong);
            return Err(format!("the undamaged folder is not served: {found:?}"));
        }
        Ok(Self { folder, older, token, expected })
    }

    /// Puts the whole folder back.
    pub(super) fn restore(&self, home: &Home) -> Result<(), String> {
        copy(&self.folder, &home.data())
    }

    /// Starts on the folder whose file was damaged, reads everything and compares.
    pub(super) fn judge(&self, home: &Home, file: &Path, report: &mut Report, how: &str) -> Result<Judged, String> {
        let before = home.log().len();
        let (mut verdict, what) = judge(home, &self.token, &self.expected)?;
        let said = home.log().split_off(before);
        let named = file.file_name().is_some_and(|name| said.contains(&*name.to_string_lossy()));
        if matches!(verdict, Verdict::RefusedToStart | Verdict::RefusedToServe) && !named {
            verdict = Verdict::Violation;
        }
        // One checkpoint may be damaged: the one before it and the log after that are as good.
        if verdict == Verdict::RefusedToStart && kind(file) == "checkpoint" {
            verdict = Verdict::Violation;
        }
        if verdict == Verdict::Unchanged && named {
            verdict = Verdict::UnchangedAndWarned;
        }
        let line = format!("{how}: {verdict:?} {what}");
        if verdict == Verdict::Violation {
            let end: Vec<&str> = said.lines().rev().take(2).collect();
            report.violation(format_args!("{line}; log: {}", end.join(" | ")));
        } else {
            report.line(format_args!("  {line}"));
        }
        Ok(Judged { verdict, with_place: said.contains("at offset") })
    }
}

/// What kind of file of the data folder this is: how its name ends, or the name.
pub(super) fn kind(file: &Path) -> String {
    let name = file.extension().or_else(|| file.file_name());
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Verdicts by kind of file.
#[derive(Debug, Default)]
pub(super) struct Verdicts(BTreeMap<(String, Verdict), u64>);

impl Verdicts {
    pub(super) fn note(&mut self, kind: String, verdict: Verdict) {
        *self.0.entry((kind, verdict)).or_default() += 1;
    }

    pub(super) fn tell(&self, report: &Report) {
        report.line(format_args!("  {:<16}{:<20}{:>6}", "kind of file", "verdict", "runs"));
        for ((kind, verdict), count) in &self.0 {
            report.line(format_args!("  {kind:<16}{:<20}{count:>6}", format!("{verdict:?}")));
        }
    }
}

/// Fills the folder in some lives, so that it has checkpoints, a log after them, consumed and waiting messages.
fn prepare(home: &Home, older: &Path) -> Result<String, String> {
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
    door.ask("PUT", &format!("/v1/topics/{LONG_TOPIC}"), &json!({})).map_err(problem)?;
    for number in 0..LONG_RECORDS {
        let body = body::long_body(LONG_TOPIC, number);
        let messages = json!({"messages": [{"body": body}]});
        door.ask("POST", &format!("/v1/topics/{LONG_TOPIC}/messages"), &messages).map_err(problem)?;
    }
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
            copy(&home.data(), older)?;
        } else {
            // The mark of how far the log is durable follows the last flush; what is newer looks like a torn write.
            thread::sleep(MARK_MAX);
            broker.kill();
        }
    }
    Ok(token)
}

/// Copies a folder; what is zero stays a hole.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    remove(to).map_err(|error| format!("cannot remove {}: {error}", to.display()))?;
    let mut command = Command::new("cp");
    command.args(["-a", "--sparse=always"]).arg(from).arg(to).stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cp ended with {status}")),
        Err(error) => Err(format!("cannot start cp: {error}")),
    }
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
        let first = seen.refused.first().cloned().unwrap_or_default();
        return Ok((Verdict::RefusedToServe, format!("{} reads, the first: {first}", seen.refused.len())));
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
    seen.long_records(door);
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
    /// Reads the long records one by one, and compares them with what they must be.
    fn long_records(&mut self, door: &mut Door) {
        for number in 0..LONG_RECORDS {
            let path = format!("/v1/topics/{LONG_TOPIC}/partitions/0/messages?limit=1&offset={number}");
            match door.text(&path) {
                Ok(text) if text.contains(&body::long_body(LONG_TOPIC, number)) => {}
                Ok(text) => self.wrong.push(text.chars().take(40).collect()),
                Err(failed) => self.refused.push(format!("long record {number}: {failed}")),
            }
        }
    }

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
