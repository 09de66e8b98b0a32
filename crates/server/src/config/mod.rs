//! The configuration of a server: one TOML file, the environment and flags, the same keys in each.
//! Invariant: every value can say where it came from. Reading order: `key`, `layers`, `settings`.
//! Called by `main` for `serve`, `broker`, `gateway`, `doctor` and `config`.

mod key;
mod layers;
mod nearest;
mod settings;

use std::path::{Path, PathBuf};

use serde::Serialize;

#[cfg(test)]
pub(crate) use key::find;
pub(crate) use layers::{Flags, Layers};
pub(crate) use nearest::nearest;
pub(crate) use settings::{LogFormat, Settings, TlsFiles};

use crate::args::serve::{ConfigArguments, SettingArguments};
use crate::exit::Complaint;
use crate::output::{self, Output};

/// The environment variable that names the file.
const FILE_VARIABLE: &str = "RECADO_CONFIG";

/// The file that is meant: the flag's, else the environment's; there is none by default.
fn file(flag: Option<&Path>) -> Option<PathBuf> {
    let variable = std::env::var_os(FILE_VARIABLE).filter(|value| !value.is_empty());
    flag.map(Path::to_owned).or_else(|| variable.map(PathBuf::from))
}

/// Lays file, environment and flags over the defaults.
pub(crate) fn layers(arguments: &SettingArguments) -> Result<Layers, Complaint> {
    let path = file(arguments.config.as_deref());
    let text = match &path {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| Complaint::file(path, "read", &error))?),
        None => None,
    };
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Layers::new(path.as_deref().zip(text.as_deref()), environment, arguments.flags())
}

#[derive(Serialize)]
struct Shown {
    key: &'static str,
    value: String,
    origin: String,
}

/// `recado config`: prints the settings in force, or checks a file.
pub(crate) fn run(arguments: &ConfigArguments) -> Result<(), Complaint> {
    if let Some(path) = &arguments.check {
        let text = std::fs::read_to_string(path).map_err(|error| Complaint::file(path, "read", &error))?;
        Settings::new(&Layers::new(Some((path, &text)), |_| None, Vec::new())?)?;
        output::note(&format!("{} is valid", path.display()));
        return Ok(());
    }
    let layers = layers(&arguments.settings)?;
    let shown: Vec<Shown> = layers
        .iter()
        .map(|(key, value, source)| Shown { key, value: value.to_owned(), origin: source.to_string() })
        .collect();
    let heads: &[&str] = if arguments.origin { &["key", "value", "origin"] } else { &["key", "value"] };
    Output { format: arguments.output }.data(&shown, heads, |shown| {
        let row = |shown: &Shown| {
            let mut row = vec![shown.key.to_owned(), shown.value.clone()];
            if arguments.origin {
                row.push(shown.origin.clone());
            }
            row
        };
        shown.iter().map(row).collect()
    })?;
    // What is printed is also checked, so that a wrong value does not wait for the next start.
    Settings::new(&layers).map(|_| ())
}
