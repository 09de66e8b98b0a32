//! Defaults, file, environment and flags, laid over each other; each value knows where it came from.
//! Invariant: an unknown key is refused with its line; the later layer wins: default, file, environment, flag.
//! Called by `config`; table tests below.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::key::{KEYS, find};
use super::nearest;
use crate::exit::{Complaint, Exit};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said otherwise.
    Default,
    /// A line of the file.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// Values given by flags, by the name of their key.
pub(crate) type Flags = Vec<(&'static str, String)>;

/// Each key's value as text, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layers(BTreeMap<&'static str, (String, Source)>);

impl Layers {
    /// Lays the layers over each other.
    pub(crate) fn new(
        file: Option<(&Path, &str)>,
        environment: impl Fn(&str) -> Option<String>,
        flags: Flags,
    ) -> Result<Self, Complaint> {
        let mut values: BTreeMap<_, _> =
            KEYS.iter().map(|key| (key.name, (key.default.to_owned(), Source::Default))).collect();
        if let Some((path, text)) = file {
            for (name, value, line) in read(path, text)? {
                values.insert(name, (value, Source::File(path.to_owned(), line)));
            }
        }
        for key in &KEYS {
            let variable = key.variable();
            if let Some(value) = environment(&variable) {
                values.insert(key.name, (value, Source::Variable(variable)));
            }
        }
        for (name, value) in flags {
            let flag = find(name).map_or_else(|| format!("--{name}"), super::key::Key::flag);
            values.insert(name, (value, Source::Flag(flag)));
        }
        Ok(Self(values))
    }

    /// A value and where it came from.
    pub(crate) fn get(&self, name: &str) -> (&str, &Source) {
        let (value, source) = self.0.get(name).expect("every key of the table has at least its default");
        (value, source)
    }

    /// Whether nobody has said what a key is.
    pub(crate) fn is_default(&self, name: &str) -> bool {
        *self.get(name).1 == Source::Default
    }

    /// Every key in the order of the documentation.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str, &Source)> {
        KEYS.iter().map(|key| {
            let (value, source) = self.get(key.name);
            (key.name, value, source)
        })
    }
}

fn invalid(path: &Path, line: usize, what: &str, hint: String) -> Complaint {
    Complaint::here(Exit::Configuration, "config_invalid", format!("{}:{line}: {what}", path.display()), hint)
}

/// The keys of a file with their values as text and their lines.
fn read(path: &Path, text: &str) -> Result<Vec<(&'static str, String, usize)>, Complaint> {
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(1, |span| line(span.start));
        invalid(path, at, error.message(), "the file is TOML: name = \"value\", one a line".to_owned())
    })?;
    let mut found = Vec::new();
    for (name, value) in table.get_ref() {
        let at = line(name.span().start);
        let Some(key) = find(name.get_ref()) else {
            let known = KEYS.iter().map(|key| key.name);
            let hint = nearest(name.get_ref(), known).map_or_else(
                || "recado config lists all keys".to_owned(),
                |nearest| format!("did you mean {nearest}?"),
            );
            return Err(invalid(path, at, &format!("unknown key {}", name.get_ref()), hint));
        };
        let value = plain(value.get_ref()).ok_or_else(|| {
            let hint = format!("{}: {}", key.name, key.about);
            invalid(path, at, &format!("{} takes a text, a number, true or false, or a list of texts", key.name), hint)
        })?;
        found.push((key.name, value, at));
    }
    Ok(found)
}

/// The text of a value, as a flag would give it.
fn plain(value: &DeValue<'_>) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    if let Some(truth) = value.as_bool() {
        return Some(truth.to_string());
    }
    if let Some(number) = value.as_integer() {
        return Some(number.as_str().to_owned());
    }
    let items: Option<Vec<&str>> = value.as_array()?.iter().map(|item| item.get_ref().as_str()).collect();
    items.map(|items| items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "recado.toml";

    fn layers(file: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Layers, Complaint> {
        let variable =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Layers::new(Some((Path::new(PATH), file)), variable, flags)
    }

    #[test]
    fn the_later_layer_wins_and_says_so() {
        let file = "# a broker\nhttp = \"file:1\"\ngrpc = \"file:2\"\ndrain = \"5s\"\nbrokers = [\"a\", \"b\"]\n";
        let environment = [("RECADO_GRPC", "env:2"), ("RECADO_DRAIN", "6s")];
        let layers = layers(file, &environment, vec![("drain", "7s".to_owned())]).unwrap();
        let cases = [
            ("data", "recado-data", "default"),
            ("http", "file:1", "recado.toml:2"),
            ("grpc", "env:2", "environment RECADO_GRPC"),
            ("drain", "7s", "flag --drain"),
            ("brokers", "a,b", "recado.toml:5"),
        ];
        for (name, value, source) in cases {
            let found = layers.get(name);
            assert_eq!((found.0, found.1.to_string().as_str()), (value, source), "{name}");
        }
    }

    #[test]
    fn what_the_file_must_not_say_is_refused_with_its_line() {
        let cases = [
            ("data = \"x\"\nhtpt = \"y\"\n", "recado.toml:2: unknown key htpt\nhint: did you mean http?"),
            ("\nqueue_size = 3\n", "recado.toml:2: unknown key queue_size\nhint: recado config lists all keys"),
            ("[http]\nport = 1\n", "recado.toml:1: http takes a text"),
            ("data = \n", "recado.toml:1:"),
        ];
        for (file, expected) in cases {
            let complaint = layers(file, &[], Vec::new()).err().unwrap();
            assert_eq!(complaint.exit(), Exit::Configuration);
            assert!(complaint.to_string().contains(expected), "{complaint}");
        }
    }
}
