//! Everything that the program says: data on standard output, talk on standard error.
//! Invariant: no escape is written unless the stream is a terminal and NO_COLOR is unset; a closed pipe ends the
//! command quietly.
//! Called by every command; tests below.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde::Serialize;

use crate::exit::{Complaint, Exit};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: aligned columns.
    #[default]
    Table,
    /// For programs: the documents of the REST door.
    Json,
}

/// Where a command puts what it has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// How data is printed.
    pub(crate) format: Format,
}

impl Output {
    /// Data as a document, or as rows below their heads.
    pub(crate) fn data<D: Serialize>(
        self,
        document: &D,
        heads: &[&str],
        rows: impl FnOnce(&D) -> Vec<Vec<String>>,
    ) -> Result<(), Complaint> {
        match self.format {
            Format::Json => self.document(document),
            Format::Table => line(&table(heads, rows(document))),
        }
    }

    /// One thing as a document, or as a list of its properties.
    pub(crate) fn thing<D: Serialize>(
        self,
        document: &D,
        properties: impl FnOnce(&D) -> Vec<(&'static str, String)>,
    ) -> Result<(), Complaint> {
        match self.format {
            Format::Json => self.document(document),
            Format::Table => line(&listed(properties(document))),
        }
    }

    /// A document as JSON on standard output.
    pub(crate) fn document<D: Serialize>(self, document: &D) -> Result<(), Complaint> {
        let text = serde_json::to_string_pretty(document).map_err(|error| {
            Complaint::here(Exit::Fault, "internal", format!("a document cannot be written as JSON: {error}"), "")
        })?;
        line(&text)
    }

    /// A document as one line of JSON, for streams of them.
    pub(crate) fn document_line<D: Serialize>(self, document: &D) -> Result<(), Complaint> {
        let text = serde_json::to_string(document).map_err(|error| {
            Complaint::here(Exit::Fault, "internal", format!("a document cannot be written as JSON: {error}"), "")
        })?;
        line(&text)
    }

    /// Something for people beside the data; programs that read the data do not see it.
    pub(crate) fn note(self, text: &str) {
        note(text);
    }
}

/// One piece of data on standard output.
pub(crate) fn line(text: &str) -> Result<(), Complaint> {
    raw(text.as_bytes())?;
    raw(b"\n")
}

/// Bytes of data on standard output, as they are.
pub(crate) fn raw(bytes: &[u8]) -> Result<(), Complaint> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| lost(&error))
}

/// Talk on standard error. Nobody to read it is no reason to stop.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Talk on standard error without the end of the line, for questions.
pub(crate) fn ask(text: &str) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "{text}").and_then(|()| err.flush());
}

/// Whether a question can be asked and answered.
pub(crate) fn interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether standard error may carry moving pictures and colours.
pub(crate) fn lively() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn lost(error: &io::Error) -> Complaint {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Complaint::PipeClosed;
    }
    Complaint::here(Exit::Local, "output", format!("cannot write the output: {error}"), "check where it is sent to")
}

/// Rows below their heads, without lines and without escapes.
pub(crate) fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads.iter().map(|head| head.to_uppercase()));
    for row in rows {
        table.add_row(row.into_iter().map(|cell| printable(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    trimmed(&table.to_string())
}

/// Properties, one a line, with aligned values.
pub(crate) fn listed(properties: Vec<(&'static str, String)>) -> String {
    let width = properties.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let lines: Vec<String> =
        properties.into_iter().map(|(name, value)| format!("{name:width$}  {}", printable(&value))).collect();
    trimmed(&lines.join("\n"))
}

fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Text from elsewhere, without what could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let steers = |character: char| character.is_control() && character != '\n' && character != '\t';
    if !text.chars().any(steers) {
        return text.to_owned();
    }
    text.chars().map(|character| if steers(character) { '\u{fffd}' } else { character }).collect()
}

/// A value, or a dash where there is none.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_plain() {
        let text =
            table(&["name", "ready"], vec![vec!["orders".into(), "7".into()], vec!["a\u{1b}[2J".into(), "12".into()]]);
        assert_eq!(text, "NAME    READY\norders  7\na\u{fffd}[2J   12");
        assert_eq!(listed(vec![("name", "orders".into()), ("lease", "30 s".into())]), "name   orders\nlease  30 s");
    }
}
