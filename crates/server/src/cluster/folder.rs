//! What a node of a cluster keeps of it, in the folder `cluster` of its data: the authority, its number, its stage.
//! Invariant: a file under its name is whole and durable; the key of the authority is readable by its owner alone.
//! Called by `join` and by `ctl::cluster`. Tests: below.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use peer::Authority;

use crate::exit::Complaint;

use super::configuration;

const AUTHORITY: &str = "authority.pem";
const KEY: &str = "authority.key";
const NODE: &str = "node";
const ADDRESS: &str = "address";

/// How far a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has a number, and no store yet.
    Joining,
    /// It has a store, and did not vote yet.
    Following,
    /// It votes.
    Voting,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Joining, Self::Following, Self::Voting];

    const fn word(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Following => "following",
            Self::Voting => "voting",
        }
    }
}

/// A node of a cluster, as its folder says.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) authority: Authority,
    pub(crate) node: u64,
    pub(crate) stage: Stage,
}

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The one in a folder of data.
    pub(crate) fn new(data: &Path) -> Self {
        Self(data.join("cluster"))
    }

    /// Whether this is the folder of a node of a cluster.
    pub(crate) fn is_there(&self) -> bool {
        self.0.join(NODE).exists()
    }

    /// What it says; `None` when there is none.
    pub(crate) fn read(&self) -> Result<Option<Member>, Complaint> {
        if !self.is_there() {
            return Ok(None);
        }
        let (node, stage) = self.stage()?;
        Ok(Some(Member { authority: self.authority()?, node, stage }))
    }

    fn stage(&self) -> Result<(u64, Stage), Complaint> {
        let text = self.text(NODE)?;
        let parsed = text.trim().split_once(' ').and_then(|(node, word)| {
            let stage = Stage::ALL.into_iter().find(|stage| stage.word() == word)?;
            Some((node.parse().ok()?, stage))
        });
        let what = || format!("{} holds no number of a node", self.0.join(NODE).display());
        parsed.ok_or_else(|| configuration(what(), "restore the folder, or empty it and join as a new node"))
    }

    /// The authority that is kept here.
    pub(crate) fn authority(&self) -> Result<Authority, Complaint> {
        let authority = Authority::from_pem(self.text(AUTHORITY)?, self.text(KEY)?);
        authority.map_err(|error| configuration(error.to_string(), "restore the folder, or empty it and join anew"))
    }

    fn text(&self, name: &str) -> Result<String, Complaint> {
        let path = self.0.join(name);
        fs::read_to_string(&path).map_err(|error| Complaint::file(&path, "read", &error))
    }

    /// Keeps what a node is; what it says of the stage comes last.
    pub(crate) fn write(&self, member: &Member) -> Result<(), Complaint> {
        self.put(AUTHORITY, member.authority.certificate_pem())?;
        self.put(KEY, member.authority.key_pem())?;
        self.put(NODE, &format!("{} {}\n", member.node, member.stage.word()))
    }

    /// The address at which the running node is reached, for commands on this machine.
    pub(crate) fn address(&self) -> Result<String, Complaint> {
        self.text(ADDRESS).map(|text| text.trim().to_owned())
    }

    /// Tells where the node is reached.
    pub(crate) fn put_address(&self, address: &str) -> Result<(), Complaint> {
        self.put(ADDRESS, address)
    }

    fn put(&self, name: &str, text: &str) -> Result<(), Complaint> {
        let path = self.0.join(name);
        write_whole(&self.0, &path, text).map_err(|error| Complaint::file(&path, "write", &error))
    }
}

fn write_whole(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension("temporary");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_a_node_is_survives_its_folder_and_its_key_is_its_own() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path());
        assert!(folder.read().unwrap().is_none());
        let authority = Authority::new().unwrap();
        for stage in Stage::ALL {
            let member = Member { authority: authority.clone(), node: 17, stage };
            folder.write(&member).unwrap();
            let again = folder.read().unwrap().unwrap();
            assert_eq!((again.node, again.stage, again.authority.key_pem()), (17, stage, authority.key_pem()));
        }
        let mode = fs::metadata(home.path().join("cluster").join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        fs::write(home.path().join("cluster").join(NODE), "17 gone").unwrap();
        assert!(folder.read().is_err());
    }
}
