//! A folder of its own for a demonstration or a benchmark, removed at the end.
//! Invariant: nobody else may read it; its name cannot be guessed; dropping it removes it.
//! Called by `demo` and `bench`.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::exit::{Complaint, Exit};

/// The folder.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one below `parent`.
    pub(crate) fn new(parent: &Path) -> Result<Self, Complaint> {
        let path = parent.join(format!("recado-{}", random_word()?));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| Complaint::file(&path, "make the folder", &error))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left for the system to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A word of 24 hexadecimal digits that nobody can guess.
pub(crate) fn random_word() -> Result<String, Complaint> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|error| {
        Complaint::here(Exit::Local, "random", format!("the system gives no random bytes: {error}"), "")
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(parent.path()).unwrap();
        std::fs::write(scratch.path().join("file"), "x").unwrap();
        drop(scratch);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
