//! Hosts of a cluster on one machine: a network namespace for each, on a bridge of the namespace that this process is in.
//! Invariant: everything here lives in the namespaces that `beside` made, and goes with their last process, also when
//! that is killed.
//! Used by `members` and `harm`. Needs root, `ip` and `nft`; a slow network also needs VDE.

use std::fs;
use std::path::{Path, PathBuf};

use crate::faults::device::mount::call;

/// Where names of network namespaces are.
const NAMES: &str = "/run/netns";
const BRIDGE: &str = "hub";
/// The first three numbers of all addresses.
const NET: &str = "10.77.0";
/// The address of the clients, on the bridge itself.
const OWN: u8 = 1;
/// The clients' own address below that. A bridge without one takes that of a wire, and another when a wire comes or goes:
/// then answers to the clients go nowhere until the gateways ask for it again, half a minute later.
const OWN_LINK: &str = "02:00:00:00:00:01";
/// The table of rules of a host.
const TABLE: &str = "faults";

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    number: u8,
}

impl Host {
    /// Makes a namespace with one wire to the bridge.
    pub(super) fn new(number: u8) -> Result<Self, String> {
        let host = Self { number };
        let (name, wire) = (host.name(), host.wire());
        // One of the cluster before this one may have had the number.
        let _absent = call("ip", &["link", "del", &wire]);
        let _absent = call("ip", &["netns", "del", &name]);
        call("ip", &["netns", "add", &name])?;
        call("ip", &["link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
        call("ip", &["link", "set", &wire, "master", BRIDGE, "up"])?;
        call("ip", &["-n", &name, "address", "add", &format!("{}/24", host.address()), "dev", "eth0"])?;
        call("ip", &["-n", &name, "link", "set", "eth0", "up"])?;
        call("ip", &["-n", &name, "link", "set", "lo", "up"])?;
        Ok(host)
    }

    fn name(&self) -> String {
        format!("host{}", self.number)
    }

    /// The end of its wire that is on the bridge.
    fn wire(&self) -> String {
        format!("wire{}", self.number)
    }

    /// Its address.
    pub(super) fn address(&self) -> String {
        Self::address_of(self.number)
    }

    /// The address of the host of a number.
    pub(super) fn address_of(number: u8) -> String {
        format!("{NET}.{number}")
    }

    /// The words of a program that runs another one on this host, and becomes it.
    pub(super) fn words(&self) -> Vec<String> {
        vec![String::from("nsenter"), format!("--net={NAMES}/{}", self.name()), String::from("--")]
    }

    /// Where the switches and filters are that hold it up: a short name, as those of sockets must be.
    fn filters(&self) -> PathBuf {
        Path::new(NAMES).join(format!("delay{}", self.number))
    }

    fn rule(&self, text: &str) -> Result<(), String> {
        let (name, first) = (self.name(), format!("--net={NAMES}/{}", self.name()));
        let made = format!(
            "add table inet {TABLE}; add chain inet {TABLE} come {{ type filter hook input priority 0; }}; add rule inet {TABLE} come {text}"
        );
        call("nsenter", &[&first, "--", "nft", &made]).map_err(|why| format!("{name}: {why}"))
    }

    /// Nothing arrives here any more that comes from there.
    pub(super) fn drop_from(&self, other: &Self) -> Result<(), String> {
        self.rule(&format!("ip saddr {} drop", other.address()))
    }

    /// Of what arrives from there, so many of a hundred packets are lost.
    pub(super) fn lose_from(&self, other: &Self, percent: u64) -> Result<(), String> {
        self.rule(&format!("ip saddr {} numgen random mod 100 < {percent} drop", other.address()))
    }

    /// Connections from there are reset when they next send.
    pub(super) fn reset_from(&self, other: &Self) -> Result<(), String> {
        self.rule(&format!("ip saddr {} meta l4proto tcp reject with tcp reset", other.address()))
    }

    /// Everything that it sends goes at this pace at most.
    pub(super) fn squeeze(&self, rate: &str) -> Result<(), String> {
        let name = self.name();
        let words = ["-n", &name, "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate];
        call("tc", &[words.as_slice(), &["burst", "32kbit", "latency", "300ms"]].concat())
    }

    /// All of it goes through a filter that holds it up, each way.
    pub(super) fn delay(&self, milliseconds: &str) -> Result<(), String> {
        let here = self.filters();
        fs::create_dir_all(&here).map_err(|error| format!("cannot make {}: {error}", here.display()))?;
        let (far, near) = (format!("far{}", self.number), format!("near{}", self.number));
        let bridge = format!("aside{}", self.number);
        let mut sides = Vec::new();
        for tap in [&far, &near] {
            let (switch, file) = (here.join(tap).display().to_string(), here.join(format!("{tap}.pid")));
            call("vde_switch", &["-d", "-s", &switch, "-t", tap, "-p", &file.display().to_string()])?;
            sides.push(switch);
        }
        let (ends, file) = (sides.join(":"), here.join("filter.pid").display().to_string());
        call("wirefilter", &["--daemon", "--pidfile", &file, "-v", &ends, "-d", milliseconds])?;
        call("ip", &["link", "add", &bridge, "type", "bridge"])?;
        for (tap, to) in [(&far, bridge.as_str()), (&near, BRIDGE)] {
            call("ip", &["link", "set", tap, "master", to, "up"])?;
        }
        call("ip", &["link", "set", &bridge, "up"])?;
        call("ip", &["link", "set", &self.wire(), "master", &bridge])
    }

    /// The network of this host is whole again.
    pub(super) fn heal(&self) -> Result<(), String> {
        let (name, first) = (self.name(), format!("--net={NAMES}/{}", self.name()));
        call("nsenter", &[&first, "--", "nft", "flush ruleset"])?;
        // There may be none.
        let _absent = call("tc", &["-n", &name, "qdisc", "del", "dev", "eth0", "root"]);
        let here = self.filters();
        if here.exists() {
            call("ip", &["link", "set", &self.wire(), "master", BRIDGE])?;
            for file in pid_files(&here) {
                let process = fs::read_to_string(&file).unwrap_or_default();
                let _gone = call("kill", &[process.trim()]);
            }
            call("ip", &["link", "del", &format!("aside{}", self.number)])?;
            fs::remove_dir_all(&here).map_err(|error| format!("cannot remove {}: {error}", here.display()))?;
        }
        Ok(())
    }
}

fn pid_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "pid")).collect()
}

/// Makes the bridge, in namespaces of which this process is the first.
pub(super) fn lay() -> Result<(), String> {
    fs::create_dir_all(NAMES).map_err(|error| format!("cannot make {NAMES}: {error}"))?;
    // Names that other namespaces of this machine do not see.
    call("mount", &["-t", "tmpfs", "tmpfs", NAMES])?;
    call("ip", &["link", "set", "lo", "up"])?;
    call("ip", &["link", "add", BRIDGE, "address", OWN_LINK, "type", "bridge"])?;
    call("ip", &["address", "add", &format!("{NET}.{OWN}/24"), "dev", BRIDGE])?;
    call("ip", &["link", "set", BRIDGE, "up"])
}

/// Whether namespaces can be made here, and what is missing when not.
pub(super) fn probe() -> Result<(), String> {
    for (program, word, package) in [("ip", "-V", "iproute2"), ("nft", "--version", "nftables")] {
        call(program, &[word]).map_err(|why| format!("{why}; apt-get install {package}"))?;
    }
    let words = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "ip", "link", "add", BRIDGE, "type", "bridge"];
    call("unshare", &words).map_err(|why| format!("namespaces cannot be made here: {why}"))
}
