//! Messages of the command line: bodies from arguments, files and standard input, and how they are shown.
//! Invariant: a body is bytes: nothing is added, cut or decoded, except that --lines splits at line ends.
//! Called by `ctl::queue`, `ctl::topic` and `ctl::subscription`; tests below.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use model::limits::{MESSAGE_BYTES_MAX, PUBLISH_BYTES_MAX, PUBLISH_MESSAGES_MAX};
use model::message::{HeaderValue, Message, MessageId, NewMessage};

use crate::args::queue::MessageArguments;
use crate::exit::Complaint;
use crate::output::printable;

/// Longest part of a body that a table shows, in characters.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// The messages that the arguments describe, cut into publishes that a broker takes.
pub(crate) fn batches(arguments: &MessageArguments) -> Result<Vec<Vec<NewMessage>>, Complaint> {
    let template = template(arguments)?;
    let bodies = bodies(arguments)?;
    let messages = bodies.into_iter().map(|body| NewMessage { body, ..template.clone() });
    let copies = usize::try_from(arguments.count).unwrap_or(usize::MAX);
    let mut all = Vec::new();
    for message in messages {
        message.check()?;
        all.extend(std::iter::repeat_n(message, copies));
    }
    Ok(cut(all))
}

fn cut(messages: Vec<NewMessage>) -> Vec<Vec<NewMessage>> {
    let mut batches: Vec<Vec<NewMessage>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.size();
        match batches.last_mut() {
            Some(batch) if batch.len() < PUBLISH_MESSAGES_MAX && bytes + size <= PUBLISH_BYTES_MAX => {
                bytes += size;
                batch.push(message);
            }
            Some(_) | None => {
                bytes = size;
                batches.push(vec![message]);
            }
        }
    }
    batches
}

fn template(arguments: &MessageArguments) -> Result<NewMessage, Complaint> {
    let headers = arguments.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
    Ok(NewMessage {
        headers,
        content_type: arguments.content_type.clone(),
        key: arguments.key.clone().map(Bytes::from),
        ttl: arguments.ttl,
        id: arguments.id.as_deref().map(MessageId::parse).transpose()?,
        ..NewMessage::default()
    })
}

/// A header or argument with text in it, written `NAME=TEXT`.
pub(crate) fn header(text: &str) -> Result<(String, HeaderValue), Complaint> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        Complaint::usage(format!("the header {text:?} has no value"), "write --header NAME=TEXT, such as trace=a1")
    })?;
    Ok((name.to_owned(), HeaderValue::Text(value.to_owned())))
}

fn bodies(arguments: &MessageArguments) -> Result<Vec<Bytes>, Complaint> {
    if let Some(body) = &arguments.body {
        return Ok(vec![Bytes::from(body.clone())]);
    }
    if let Some(path) = &arguments.file {
        let file = std::fs::File::open(path).map_err(|error| Complaint::file(path, "read", &error))?;
        return Ok(vec![bounded(file, path)?]);
    }
    let stdin = std::io::stdin().lock();
    let path = Path::new("standard input");
    if !arguments.lines {
        return Ok(vec![bounded(stdin, path)?]);
    }
    let mut text = Vec::new();
    let mut input = stdin;
    input.read_to_end(&mut text).map_err(|error| Complaint::file(path, "read", &error))?;
    Ok(lines(&Bytes::from(text)))
}

fn bounded(input: impl Read, path: &Path) -> Result<Bytes, Complaint> {
    let most = u64::try_from(MESSAGE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut body = Vec::new();
    input.take(most).read_to_end(&mut body).map_err(|error| Complaint::file(path, "read", &error))?;
    Ok(Bytes::from(body))
}

/// The lines of a text as parts of it; a last line without an end counts too.
fn lines(text: &Bytes) -> Vec<Bytes> {
    let mut lines: Vec<Bytes> = text.split(|byte| *byte == b'\n').map(|line| text.slice_ref(line)).collect();
    if lines.last().is_some_and(Bytes::is_empty) {
        lines.pop();
    }
    lines.into_iter().map(|line| if line.ends_with(b"\r") { line.slice(..line.len() - 1) } else { line }).collect()
}

/// A body for a table: its text on one line, or how many bytes it has.
pub(crate) fn shown(body: &Bytes) -> String {
    let Ok(text) = std::str::from_utf8(body) else { return format!("({} bytes)", body.len()) };
    let mut shown: String = printable(text).replace(['\n', '\t'], " ");
    if let Some((cut, _)) = shown.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

/// The key for a table.
pub(crate) fn key(message: &Message) -> String {
    message.key.as_ref().map_or_else(|| "-".to_owned(), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parts_of_the_text() {
        let cases: [(&str, &[&str]); 5] =
            [("", &[]), ("a", &["a"]), ("a\nb\n", &["a", "b"]), ("a\r\n\nb", &["a", "", "b"]), ("\n", &[""])];
        for (text, expected) in cases {
            let found = lines(&Bytes::from_static(text.as_bytes()));
            assert_eq!(
                found,
                expected.iter().map(|line| Bytes::from(line.to_string())).collect::<Vec<_>>(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn batches_stay_within_what_a_broker_takes() {
        let large = NewMessage::new(vec![0; 12 * 1024 * 1024]);
        assert_eq!(cut(vec![large; 5]).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
        let small = NewMessage::new("x");
        assert_eq!(cut(vec![small; PUBLISH_MESSAGES_MAX + 1]).iter().map(Vec::len).collect::<Vec<_>>(), [4096, 1]);
    }

    #[test]
    fn bodies_are_shown_on_one_line() {
        assert_eq!(shown(&Bytes::from_static(b"a\nb")), "a b");
        assert_eq!(shown(&Bytes::from_static(b"\xff\xfe")), "(2 bytes)");
        assert_eq!(shown(&Bytes::from("x".repeat(61))).chars().count(), 61);
    }
}
