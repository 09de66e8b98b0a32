//! A real filesystem on the disk in memory: FUSE file, loop device, mkfs, mount; and the way back.
//! Invariant: everything that was mounted or attached goes with its value, by its own name.
//! Called by the campaigns that need a disk of their own. Needs root, loop devices and FUSE.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::{Device, fuse};
use crate::faults::limits::{PAUSE, UNMOUNT_MAX};

/// Which filesystem stands on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::faults) enum Filesystem {
    Ext4,
    Xfs,
}

impl Filesystem {
    pub(in crate::faults) const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    pub(in crate::faults) fn parse(word: &str) -> Option<Self> {
        [Self::Ext4, Self::Xfs].into_iter().find(|one| one.name() == word)
    }

    fn make(self, device: &str) -> Result<(), String> {
        match self {
            Self::Ext4 => call("mkfs.ext4", &["-q", "-F", "-E", "nodiscard,lazy_itable_init=0", device]),
            Self::Xfs => call("mkfs.xfs", &["-q", "-f", "-K", device]),
        }
    }
}

/// A disk with a filesystem, mounted or not.
pub(in crate::faults) struct Mounted {
    pub(in crate::faults) device: Arc<Device>,
    filesystem: Filesystem,
    /// Where the file of the disk is.
    served: PathBuf,
    /// Where the filesystem is.
    pub(in crate::faults) folder: PathBuf,
    attached: Option<String>,
}

impl Mounted {
    /// A new disk with an empty filesystem, mounted below a folder.
    pub(in crate::faults) fn new(filesystem: Filesystem, below: &Path) -> Result<Self, String> {
        let (served, folder) = (below.join("served"), below.join("mounted"));
        for one in [&served, &folder] {
            fs::create_dir_all(one).map_err(|error| format!("cannot make {}: {error}", one.display()))?;
        }
        let device = Arc::new(Device::new());
        fuse::serve(&device, &served)?;
        let mut mounted = Self { device, filesystem, served, folder, attached: None };
        let attached = mounted.attach()?;
        filesystem.make(&attached)?;
        mounted.mount(&attached)?;
        Ok(mounted)
    }

    fn attach(&mut self) -> Result<String, String> {
        let file = self.served.join(fuse::NAME);
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot start losetup: {error}"))?;
        if !output.status.success() {
            return Err(format!("losetup: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        self.attached = Some(name.clone());
        Ok(name)
    }

    fn mount(&self, attached: &str) -> Result<(), String> {
        call("mount", &["-t", self.filesystem.name(), attached, &self.folder.display().to_string()])
    }

    /// Takes the filesystem away, in whatever state it and its disk are.
    pub(in crate::faults) fn unmount(&mut self) -> Result<(), String> {
        let Some(attached) = self.attached.take() else { return Ok(()) };
        let start = Instant::now();
        let folder = self.folder.display().to_string();
        // A process that was killed a moment ago may still hold a file.
        while let Err(why) = call("umount", &[&folder]) {
            if UNMOUNT_MAX < start.elapsed() {
                let _left_to_the_kernel = call("umount", &["--lazy", &folder]);
                let _left_to_the_kernel = call("losetup", &["--detach", &attached]);
                return Err(why);
            }
            if why.contains("not mounted") {
                break;
            }
            thread::sleep(PAUSE);
        }
        call("losetup", &["--detach", &attached])
    }

    /// Mounts it again: the filesystem repairs itself from what the disk holds.
    pub(in crate::faults) fn mount_again(&mut self) -> Result<(), String> {
        self.device.power_on();
        let attached = self.attach()?;
        self.mount(&attached)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _tried = self.unmount();
        let _tried = call("umount", &["--lazy", &self.served.display().to_string()]);
    }
}

/// Runs a program of the system to its end.
pub(in crate::faults) fn call(program: &str, words: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot start {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
