//! The tree that the checks look at: its text files, and the graph of its packages.
//! Invariant: a check sees nothing but this value, so that a test can plant any violation as text.
//! Read by `main`; built by hand in the tests of each check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::graph::Graph;

/// Folders that are never part of the source; the last three hold inputs of the fuzzer.
const SKIPPED_FOLDERS: [&str; 6] = ["target", ".git", "node_modules", "seeds", "corpus", "artifacts"];
/// A text file above this size is data; the checks are about what people write.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// What the checks look at.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Text of each file by its path from the root, with `/` between folders.
    pub(crate) files: BTreeMap<String, String>,
    /// Every other file: binary or too large to be written by hand.
    pub(crate) other_files: Vec<String>,
    /// Packages and the edges between them.
    pub(crate) graph: Graph,
}

impl Tree {
    /// Reads the files below `root` and asks cargo for the graph.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self { graph: Graph::read(root)?, ..Self::default() };
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            tree.read_folder(root, &folder, &mut folders)
                .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
        }
        Ok(tree)
    }

    fn read_folder(&mut self, root: &Path, folder: &Path, folders: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !SKIPPED_FOLDERS.iter().any(|skipped| entry.file_name() == *skipped) {
                    folders.push(entry.path());
                }
            } else if kind.is_file() {
                self.read_file(root, &entry.path(), entry.metadata()?.len())?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, root: &Path, path: &Path, bytes: u64) -> io::Result<()> {
        let place = path.strip_prefix(root).expect("the walk starts at the root").to_string_lossy().replace('\\', "/");
        if bytes > TEXT_BYTES_MAX {
            self.other_files.push(place);
            return Ok(());
        }
        match String::from_utf8(fs::read(path)?) {
            Ok(text) => {
                self.files.insert(place, text);
            }
            Err(_) => self.other_files.push(place),
        }
        Ok(())
    }

    /// The text of one file; empty when there is none.
    pub(crate) fn text(&self, place: &str) -> &str {
        self.files.get(place).map_or("", String::as_str)
    }

    /// Files whose name ends so.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(move |(place, _)| place.ends_with(end))
            .map(|(place, text)| (place.as_str(), text.as_str()))
    }

    /// Every path, text or not.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        self.files.keys().chain(&self.other_files).map(String::as_str)
    }
}

#[cfg(test)]
impl Tree {
    /// A tree of these files and no packages.
    pub(crate) fn planted(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(place, text)| (String::from(*place), String::from(*text))).collect();
        Self { files, ..Self::default() }
    }
}
