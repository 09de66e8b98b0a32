//! What the ledger says: which confirmed messages are missing, and what came that should not have come.
//! Invariant: it knows nothing but the lines of the ledger's file.
//! Read from the file that `journal` writes; used by every campaign that has traffic. Tests below.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::report::{Counts, Report};

/// Everything that has been read so far.
#[derive(Debug, Default)]
pub(super) struct Account {
    path: PathBuf,
    read: u64,
    streams: BTreeMap<String, Stream>,
    /// Refusals by their code.
    pub(super) codes: BTreeMap<String, u64>,
    counts: Counts,
    /// When the latest publish was sent that has been confirmed, in microseconds.
    pub(super) last_confirmed_sent: u64,
    /// Numbers that were settled, as clients were told.
    pub(super) settled: u64,
    never_sent: Vec<String>,
    wrong: Vec<String>,
    after_ack: Vec<String>,
    settled_again: Vec<String>,
    held_twice: Vec<String>,
    lost: BTreeSet<String>,
    epochs: Epochs,
    /// When each leadership was last seen to give a lease.
    last_seen: BTreeMap<u64, u64>,
    epochs_again: Vec<String>,
}

/// The leaderships that receipts are of.
#[derive(Debug, Default)]
struct Epochs {
    /// The port of the process that is at work.
    port: u64,
    /// The newest epoch of the processes before it.
    before: u64,
    newest: u64,
}

impl Epochs {
    /// Whether an epoch of this process is one of its own, and not one of a process before.
    fn follows(&mut self, port: u64, epoch: u64) -> bool {
        if port != self.port {
            (self.port, self.before) = (port, self.newest);
        }
        self.newest = self.newest.max(epoch);
        self.before < epoch
    }
}

/// The messages of one queue or topic.
#[derive(Debug, Default)]
struct Stream {
    intended: BTreeSet<u64>,
    /// When the publish that begins with a number was sent, in microseconds.
    sent_at: BTreeMap<u64, u64>,
    confirmed: BTreeSet<u64>,
    delivered: BTreeSet<u64>,
    settled: BTreeSet<u64>,
    /// When a client was told that a message is settled, where it says so, in microseconds.
    settled_at: BTreeMap<u64, u64>,
    /// Leases that may go on.
    leased: BTreeMap<u64, Lease>,
    /// First deliveries since the last verdict, and the newest confirmed one before it.
    firsts: Vec<u64>,
    newest: Option<u64>,
}

/// A lease of which a client heard.
#[derive(Clone, Copy, Debug)]
struct Lease {
    came: u64,
    /// Until when it goes on at least.
    until: u64,
    /// The leadership that gave it.
    epoch: u64,
}

/// A lease that was given so shortly before the end of a leadership may not be known to the next one: deliveries do not
/// wait for the log (docs/adr/0004). In microseconds.
const LEASE_SAFE_AFTER: u64 = 2_000_000;

impl Stream {
    /// First deliveries of confirmed messages that came after one that was sent later.
    fn out_of_order(&mut self) -> Vec<u64> {
        let mut found = Vec::new();
        for number in std::mem::take(&mut self.firsts) {
            if !self.confirmed.contains(&number) {
                continue;
            }
            if self.newest.is_some_and(|newest| number < newest) {
                found.push(number);
            }
            self.newest = self.newest.max(Some(number));
        }
        found
    }
}

impl Account {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), ..Self::default() }
    }

    /// Reads what was written since the last time.
    pub(super) fn read_on(&mut self) -> Result<(), String> {
        let problem = |error: std::io::Error| format!("cannot read the ledger: {error}");
        let mut file = File::open(&self.path).map_err(problem)?;
        file.seek(SeekFrom::Start(self.read)).map_err(problem)?;
        let mut from = BufReader::new(file);
        let mut line = String::new();
        while from.read_line(&mut line).map_err(problem)? > 0 {
            self.read += u64::try_from(line.len()).expect("lines are short");
            self.take(line.trim_end());
            line.clear();
        }
        Ok(())
    }

    fn take(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (word, label) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest: Vec<&str> = words.collect();
        let numbers: Vec<u64> = rest.iter().map_while(|word| word.parse().ok()).collect();
        let range = || match numbers.as_slice() {
            [first, last, ..] => *first..*last + 1,
            [] | [_] => 0..0,
        };
        let count = |range: &std::ops::Range<u64>| range.end - range.start;
        let stream = self.streams.entry(label.to_owned()).or_default();
        match word {
            "intent" => {
                self.counts.intended += count(&range());
                stream.intended.extend(range());
                if let [first, _, at] = numbers.as_slice() {
                    stream.sent_at.insert(*first, *at);
                }
            }
            "confirmed" => {
                self.counts.confirmed += count(&range());
                stream.confirmed.extend(range());
                let sent_at = numbers.first().and_then(|first| stream.sent_at.get(first));
                self.last_confirmed_sent = self.last_confirmed_sent.max(sent_at.copied().unwrap_or_default());
            }
            "refused" => {
                self.counts.refused += count(&range());
                *self.codes.entry(rest.get(2).copied().unwrap_or_default().to_owned()).or_default() += 1;
            }
            "unknown" => self.counts.unknown += count(&range()),
            "delivered" => numbers.iter().for_each(|number| self.deliver(label, *number, u64::MAX)),
            "leased" => {
                if let [asked, came, lease, epoch, numbers @ ..] = numbers.as_slice() {
                    let newest = self.last_seen.entry(*epoch).or_default();
                    *newest = (*newest).max(*came);
                    let lease = Lease { came: *came, until: asked + lease, epoch: *epoch };
                    for number in numbers {
                        self.lease(label, *number, lease);
                        self.deliver(label, *number, *asked);
                    }
                }
            }
            "settled" => {
                self.settled += u64::try_from(numbers.len()).expect("a line is short");
                stream.settled.extend(numbers);
            }
            "acked" => {
                if let [at, numbers @ ..] = numbers.as_slice() {
                    for number in numbers {
                        self.settled += 1;
                        stream.leased.remove(number);
                        stream.settled_at.insert(*number, *at);
                        if !stream.settled.insert(*number) {
                            self.settled_again.push(format!("{label}/{number}"));
                        }
                    }
                }
            }
            "epoch" => {
                if let [port, epoch, ..] = numbers.as_slice()
                    && !self.epochs.follows(*port, *epoch)
                {
                    self.epochs_again.push(format!("epoch {epoch} of {label}"));
                }
            }
            _ => self.wrong.push(line.to_owned()),
        }
    }

    /// A message came that was asked for at a time.
    fn deliver(&mut self, label: &str, number: u64, asked: u64) {
        let stream = self.streams.entry(label.to_owned()).or_default();
        self.counts.delivered += 1;
        if !stream.intended.contains(&number) {
            self.never_sent.push(format!("{label}/{number}"));
        }
        // What was under way while somebody else settled it is no news of a message that came back.
        let settled_before = stream.settled_at.get(&number).is_none_or(|at| *at < asked);
        if stream.settled.contains(&number) && settled_before {
            self.after_ack.push(format!("{label}/{number}"));
        }
        if stream.delivered.insert(number) {
            stream.firsts.push(number);
        } else {
            self.counts.again += 1;
        }
    }

    /// A lease began after it was asked for, and before it came.
    fn lease(&mut self, label: &str, number: u64, lease: Lease) {
        let stream = self.streams.entry(label.to_owned()).or_default();
        let Some(before) = stream.leased.insert(number, lease) else { return };
        let last_seen = self.last_seen.get(&before.epoch).copied().unwrap_or_default();
        let is_safe = before.epoch == lease.epoch || before.came + LEASE_SAFE_AFTER < last_seen;
        if lease.came < before.until && is_safe {
            self.held_twice.push(format!("{label}/{number}"));
        }
    }

    /// The streams that have been read of.
    pub(super) fn labels(&self) -> Vec<String> {
        self.streams.keys().filter(|label| !label.is_empty()).cloned().collect()
    }

    /// Says which messages of a stream came out of order, and all leases and settlements that were not alone.
    pub(super) fn judge_order(&mut self, label: &str, when: &str, report: &mut Report) {
        let found = self.streams.get_mut(label).map(Stream::out_of_order).unwrap_or_default();
        let found: Vec<String> = found.iter().map(|number| format!("{label}/{number}")).collect();
        report.violations(&format!("{when}: first deliveries out of order"), &found);
        report.violations(&format!("{when}: two leases at a time"), &std::mem::take(&mut self.held_twice));
        report.violations(&format!("{when}: settled twice"), &std::mem::take(&mut self.settled_again));
    }

    pub(super) fn is_settled(&self, label: &str, number: u64) -> bool {
        self.streams.get(label).is_some_and(|stream| stream.settled.contains(&number))
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { lost: u64::try_from(self.lost.len()).expect("it is in memory"), ..self.counts }
    }

    /// Says what is wrong after everything of a stream was drained; each fault is said once.
    pub(super) fn judge(&mut self, label: &str, when: &str, report: &mut Report) {
        let stream = self.streams.entry(label.to_owned()).or_default();
        let missing = stream.confirmed.difference(&stream.delivered).map(|number| format!("{label}/{number}"));
        let missing: Vec<String> = missing.filter(|name| !self.lost.contains(name)).collect();
        self.lost.extend(missing.iter().cloned());
        report.violations(&format!("{when}: confirmed messages lost"), &missing);
        report.violations(&format!("{when}: messages that nobody sent"), &std::mem::take(&mut self.never_sent));
        report.violations(&format!("{when}: bodies that nobody sent"), &std::mem::take(&mut self.wrong));
        let after_ack = std::mem::take(&mut self.after_ack);
        report.violations(&format!("{when}: deliveries after a confirmed ack"), &after_ack);
        let again = std::mem::take(&mut self.epochs_again);
        report.violations(&format!("{when}: a leadership that is not newer than those before the start"), &again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::door::Failed;
    use crate::faults::journal::Journal;

    #[test]
    fn order_leases_and_settlements_are_judged_by_their_times() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("ledger");
        let journal = Journal::new(&path).expect("it can be written");
        let mut account = Account::new(&path);
        journal.intend("a", (0, 4)).expect("it can be written");
        journal.outcome("a", (0, 3), &Ok(())).expect("it can be written");
        let mut seen = |lines: &[Line]| {
            for line in lines {
                match line {
                    Line::Leased(times, number) => journal.leased("a", *times, &[*number]),
                    Line::Acked(at, number) => journal.acked("a", *at, &[*number]),
                }
                .expect("it can be written");
            }
            account.read_on().expect("it can be read");
            let mut report = Report::default();
            account.judge("a", "now", &mut report);
            account.judge_order("a", "now", &mut report);
            report.violations.retain(|what| !what.contains("lost"));
            report.violations
        };
        let lease = |asked, came, epoch, number| Line::Leased((asked, came, 5, epoch), number);
        assert_eq!(seen(&[lease(10, 12, 1, 0), lease(14, 16, 1, 0)]), [""; 0], "the first was over");
        assert_eq!(seen(&[lease(15, 17, 1, 0)]), ["now: two leases at a time: 1 of them: a/0"]);
        assert_eq!(seen(&[lease(18, 19, 2, 0)]), [""; 0], "the leadership was new, and may not have known");
        assert_eq!(seen(&[Line::Acked(20, 0), lease(19, 30, 2, 0)]), [""; 0], "it was under way");
        assert_eq!(seen(&[lease(31, 32, 2, 0)]).len(), 1);
        assert_eq!(seen(&[Line::Acked(33, 0)]), ["now: settled twice: 1 of them: a/0"]);
        let long = Line::Leased((40, 41, 9_000_000, 2), 2);
        assert_eq!(seen(&[long, lease(5_000_000, 5_000_001, 2, 4), lease(5_000_002, 5_000_003, 2, 3)]), [""; 0]);
        let expected =
            ["now: first deliveries out of order: 1 of them: a/1", "now: two leases at a time: 1 of them: a/2"];
        assert_eq!(seen(&[lease(5_000_004, 5_000_005, 3, 1), lease(6_000_000, 6_000_001, 3, 2)]), expected);
    }

    /// A line of the test above.
    enum Line {
        Leased((u64, u64, u64, u64), u64),
        Acked(u64, u64),
    }

    #[test]
    fn each_fault_is_found_in_the_file_and_said_once() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("ledger");
        let journal = Journal::new(&path).expect("it can be written");
        let mut account = Account::new(&path);
        journal.intend("kept", (0, 3)).expect("it can be written");
        journal.outcome("kept", (0, 1), &Ok(())).expect("it can be written");
        journal.outcome("kept", (2, 2), &Err(Failed::Refused(String::from("busy")))).expect("it can be written");
        journal.outcome("kept", (3, 3), &Err(Failed::Unknown(String::from("gone")))).expect("it can be written");
        journal.delivered("kept", &[0, 3, 3]).expect("it can be written");
        account.read_on().expect("it can be read");
        let mut report = Report::default();
        account.judge("kept", "first", &mut report);
        assert_eq!(report.violations, ["first: confirmed messages lost: 1 of them: kept/1"]);
        let counts = Counts { intended: 4, confirmed: 2, refused: 1, unknown: 1, delivered: 3, again: 1, lost: 1 };
        assert_eq!(account.counts(), counts);
        assert_eq!(account.codes, BTreeMap::from([(String::from("busy"), 1)]));

        journal.settled("kept", &[0]).expect("it can be written");
        journal.delivered("kept", &[0, 9]).expect("it can be written");
        journal.wrong("kept", "noise").expect("it can be written");
        account.read_on().expect("it can be read");
        let mut report = Report::default();
        account.judge("kept", "then", &mut report);
        assert_eq!(report.violations.len(), 3, "{:?}", report.violations);
        for (port, epoch) in [(1, 5), (1, 5), (2, 6), (3, 6)] {
            journal.epoch("kept", port, epoch).expect("it can be written");
        }
        account.read_on().expect("it can be read");
        let mut report = Report::default();
        account.judge("kept", "third life", &mut report);
        let expected =
            "third life: a leadership that is not newer than those before the start: 1 of them: epoch 6 of kept";
        assert_eq!(report.violations, [expected]);
        let mut report = Report::default();
        account.judge("kept", "again", &mut report);
        assert!(report.violations.is_empty(), "what is known is not said again");
    }
}
