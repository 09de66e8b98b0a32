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
const OTHERS: &str = "others";
/// Begins the last line of a file whose bytes are checked; who reads PEM passes over it.
const CHECKSUM: &str = "# crc32c ";

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
        let what = || format!("{} holds no number of a node, or was damaged", self.0.join(NODE).display());
        let hint =
            "restore the folder; or remove the node (recado cluster remove), empty its folder, and join as a new node";
        read_stage(text.trim_end()).ok_or_else(|| configuration(what(), hint))
    }

    /// The authority that is kept here.
    pub(crate) fn authority(&self) -> Result<Authority, Complaint> {
        let authority = Authority::from_pem(self.checked(AUTHORITY)?, self.checked(KEY)?);
        authority.map_err(|error| configuration(error.to_string(), "restore the folder, or empty it and join anew"))
    }

    fn text(&self, name: &str) -> Result<String, Complaint> {
        let path = self.0.join(name);
        fs::read_to_string(&path).map_err(|error| Complaint::file(&path, "read", &error))
    }

    /// A file without its checksum, which has to fit where there is one.
    fn checked(&self, name: &str) -> Result<String, Complaint> {
        let text = self.text(name)?;
        let Some((content, checksum)) = text.rsplit_once(CHECKSUM) else { return Ok(text) };
        if checksum.trim_end() == checksum_of(content) {
            return Ok(content.to_owned());
        }
        let what = format!("{} does not match its checksum", self.0.join(name).display());
        Err(configuration(what, "copy this file from the same folder of another node, and start again"))
    }

    /// Keeps what a node is; what it says of the stage comes last.
    pub(crate) fn write(&self, member: &Member) -> Result<(), Complaint> {
        self.put(AUTHORITY, &with_checksum(member.authority.certificate_pem()))?;
        self.put(KEY, &with_checksum(member.authority.key_pem()))?;
        self.put(NODE, &format!("{}\n", write_stage(member.node, member.stage)))
    }

    /// The other nodes and where they were last, as far as is known: they are asked for the store when this one's cannot
    /// be read.
    pub(crate) fn others(&self, own: u64) -> Vec<(u64, String)> {
        let text = fs::read_to_string(self.0.join(OTHERS)).unwrap_or_default();
        let read = |line: &str| {
            let (node, address) = line.split_once(' ')?;
            Some((node.parse().ok()?, address.to_owned()))
        };
        text.lines().filter_map(read).filter(|(node, _)| *node != own).collect()
    }

    /// Keeps where the other nodes are.
    pub(crate) fn put_others(&self, others: &[(u64, String)]) -> Result<(), Complaint> {
        let lines: String = others.iter().map(|(node, address)| format!("{node} {address}\n")).collect();
        self.put(OTHERS, &lines)
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

fn checksum_of(content: &str) -> String {
    format!("{:08x}", crc32c::crc32c(content.as_bytes()))
}

fn with_checksum(content: &str) -> String {
    format!("{content}{CHECKSUM}{}\n", checksum_of(content))
}

/// The number of a node and its stage, with a checksum: a node under another number would vote for that one.
fn write_stage(node: u64, stage: Stage) -> String {
    let text = format!("{node} {}", stage.word());
    format!("{text} {}", checksum_of(&text))
}

fn read_stage(text: &str) -> Option<(u64, Stage)> {
    let (node, rest) = text.split_once(' ')?;
    let word = rest.split_once(' ').map_or(rest, |(word, _)| word);
    let (node, stage) = (node.parse().ok()?, Stage::ALL.into_iter().find(|stage| stage.word() == word)?);
    // The first nodes were written without a checksum.
    let is_bare = text == format!("{node} {word}");
    (is_bare || text == write_stage(node, stage)).then_some((node, stage))
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

    #[test]
    fn no_flipped_bit_makes_another_number() {
        let text = write_stage(17, Stage::Voting);
        assert_eq!(read_stage(&text), Some((17, Stage::Voting)));
        assert_eq!(read_stage("17 voting"), Some((17, Stage::Voting)));
        for at in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let read = String::from_utf8(bytes).ok().and_then(|flipped| read_stage(&flipped));
            assert_eq!(read, None, "bit {at}");
        }
    }

    #[test]
    fn a_damaged_authority_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path());
        let authority = Authority::new().unwrap();
        folder.write(&Member { authority: authority.clone(), node: 1, stage: Stage::Voting }).unwrap();
        for name in [AUTHORITY, KEY] {
            let path = home.path().join("cluster").join(name);
            let whole = fs::read(&path).unwrap();
            let mut bytes = whole.clone();
            bytes[60] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert!(folder.read().err().unwrap().to_string().contains("does not match its checksum"));
            fs::write(&path, whole).unwrap();
        }
        assert_eq!(folder.authority().unwrap().certificate_pem(), authority.certificate_pem());
    }

    #[test]
    fn the_other_nodes_are_known_after_a_restart() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::new(home.path());
        assert_eq!(folder.others(1), []);
        let all = [(1, "10.0.0.5:7000".to_owned()), (17, "10.0.0.6:7000".to_owned())];
        folder.put_others(&all).unwrap();
        assert_eq!(folder.others(1), all[1..]);
    }
}
