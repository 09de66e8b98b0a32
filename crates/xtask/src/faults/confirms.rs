//! Campaign: the system calls of the broker are written down while messages are published one at a time.
//! Invariant checked: the answer to a publish begins only after the flush of the file that its message was written to
//! has ended. A thread that is traced stands still at each end of a call, so the lines are in the order of the calls.
//! Called by `faults`. Needs strace. Tests below.

use std::fs;
use std::path::Path;

use super::door::Door;
use super::eio::strace;
use super::limits::STOP_MAX;
use super::options::Options;
use super::process::Home;
use super::report::Report;

const MESSAGES: u64 = 300;
/// Body bytes of every second message: more than the shard writes on its own thread.
const LONG_BODY: usize = 6000;
/// The calls that matter: files are written at an offset, sockets are not.
const CALLS: &str = "trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg";

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    strace()?;
    let trace = home.folder.join("trace");
    let mut below = ["strace", "-D", "-f", "-qq", "-s", "2048", "-e", CALLS, "-o"].map(String::from).to_vec();
    below.push(trace.display().to_string());
    let mut broker = home.below(&below).start()?;
    let mut door = Door::with_token(broker.address, &Door::log_in(broker.address)?);
    door.create("confirms", &serde_json::json!({}))?;
    let messages = options.runs.unwrap_or(MESSAGES);
    for number in 0..messages {
        let length = if number % 2 == 0 { 0 } else { LONG_BODY };
        let message = format!(r#"{{"body":"{}{}"}}"#, marker(number), ".".repeat(length));
        door.publish("confirms", &[message]).map_err(|failed| format!("message {number}: {failed}"))?;
    }
    broker.terminate()?;
    broker.end_within(STOP_MAX).ok_or_else(|| String::from("the broker did not end"))?;
    let confirmed = examine(&read(&trace)?, messages, report);
    report.line(format_args!("  {confirmed} of {messages} confirms came after the flush of their message"));
    Ok(())
}

fn read(trace: &Path) -> Result<String, String> {
    let bytes = fs::read(trace).map_err(|error| format!("cannot read {}: {error}", trace.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What stands in a body and nowhere else.
fn marker(number: u64) -> String {
    format!("confirm-{number:06}-of-the-trace")
}

/// Looks at each message: where it was written, flushed and answered. The number that was in order.
fn examine(trace: &str, messages: u64, report: &mut Report) -> u64 {
    let lines: Vec<&str> = trace.lines().collect();
    let answers: Vec<usize> = places(&lines, |line| line.contains("HTTP/1.1 201") && line.contains(r#"{\"messages\""#));
    let mut good = 0;
    for number in 0..messages {
        let text = marker(number);
        let written = lines.iter().position(|line| line.contains("pwrite64(") && line.contains(&text));
        let answered = usize::try_from(number).ok().and_then(|number| answers.get(number));
        let (Some(written), Some(answered)) = (written, answered) else {
            report.violation(format_args!("message {number}: its write or its answer is not in the trace"));
            continue;
        };
        match flushed(&lines, written) {
            Some(flushed) if flushed < *answered => good += 1,
            Some(_) | None => {
                report.violation(format_args!("message {number} was confirmed before its flush had ended"));
            }
        }
    }
    good
}

fn places(lines: &[&str], fits: impl Fn(&str) -> bool) -> Vec<usize> {
    lines.iter().enumerate().filter(|(_, line)| fits(line)).map(|(place, _)| place).collect()
}

/// Where the first flush ends that began after this write, on the same file.
fn flushed(lines: &[&str], written: usize) -> Option<usize> {
    let file = lines[written].split_once("pwrite64(")?.1.split(',').next()?;
    let whole = [format!("fdatasync({file})"), format!("fsync({file})")];
    let begun = [format!("fdatasync({file} <unfinished"), format!("fsync({file} <unfinished")];
    let behind = || lines.iter().enumerate().skip(written + 1);
    let (start, line) =
        behind().find(|(_, line)| whole.iter().chain(&begun).any(|call| line.contains(call.as_str())))?;
    if whole.iter().any(|call| line.contains(call.as_str())) {
        return line.ends_with("= 0").then_some(start);
    }
    let thread = line.split_whitespace().next()?;
    let (end, line) = lines
        .iter()
        .enumerate()
        .skip(start + 1)
        .find(|(_, line)| line.split_whitespace().next() == Some(thread) && line.contains("sync resumed>"))?;
    line.ends_with("= 0").then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(lines: &[&str]) -> usize {
        let mut report = Report::default();
        let good = examine(&lines.join("\n"), 1, &mut report);
        assert_eq!(good, u64::from(report.violations.is_empty()));
        report.violations.len()
    }

    const WRITE: &str = r#"7 pwrite64(16, "confirm-000000-of-the-trace", 1168, 0) = 1168"#;
    const ANSWER: &str = r#"8 writev(9, [{"HTTP/1.1 201 Created\r\n{\"messages\":[", 120}], 1) = 120"#;

    #[test]
    fn an_answer_counts_only_behind_the_flush_of_its_file() {
        assert_eq!(violations(&[WRITE, "7 fdatasync(16) = 0", ANSWER]), 0);
        assert_eq!(violations(&[WRITE, "7 fdatasync(15) = 0", ANSWER, "7 fdatasync(16) = 0"]), 1);
        assert_eq!(violations(&[WRITE, "7 fdatasync(16) = -1 EIO (Input/output error)", ANSWER]), 1);
        assert_eq!(violations(&[WRITE, ANSWER]), 1);
    }

    #[test]
    fn a_flush_that_was_interrupted_ends_where_it_is_resumed() {
        let begun = "7 fdatasync(16 <unfinished ...>";
        let ended = "7 <... fdatasync resumed>) = 0";
        assert_eq!(violations(&[WRITE, begun, ended, ANSWER]), 0);
        assert_eq!(violations(&[WRITE, begun, ANSWER, ended]), 1);
        assert_eq!(violations(&[WRITE, begun, "9 <... fdatasync resumed>) = 0", ANSWER, ended]), 1);
    }
}
