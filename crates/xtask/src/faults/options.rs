//! What a run of campaigns was asked for, on the command line.
//! Invariant: a word that is not understood is refused with the usage.
//! Called by the root of this folder; tests below.

use std::path::{Path, PathBuf};

use super::campaign::Campaign;
use super::device::mount::Filesystem;
use super::limits::{CLUSTER_NODES, CLUSTER_RUN_S};

/// The options; the campaigns are listed by `usage`.
const OPTIONS: &str = "
  --runs N         how many runs, instead of each campaign's own number
  --first N        where a campaign that counts calls begins (1)
  --backlog N      messages of 1 KiB that wait, for kills, disk and memory (1000000)
  --filesystem F   ext4 or xfs instead of both
  --binary PATH    the program (target/release/recado)
  --below PROGRAM  runs the broker below a program, such as eatmydata
  --forget-one     clients never tell the ledger of one message that came: it must be missed
  --expect-loss    the campaign must find something wrong: it is run on something that is broken
  --mutant NAME    only this deliberate fault
  --mutant-binary PATH  a program that was built with deliberate faults
  --namespaces     cluster: each node and gateway in a network namespace; many more kinds of harm
  --nodes N        cluster: so many nodes (3)
  --disks          cluster: each node on a disk of its own, whose power goes, or which is slow or full
  --clocks         cluster: each node with a clock of its own, which jumps
  --growth         cluster: from one node to three, five and three again, with much to do
  --seconds N      cluster: how long a run is (40)
  --harm NAME      cluster: only this kind, and others that are named so
  --side-by-side N cluster: so many clusters at a time, with --runs in all (1)
  --seed N         repeats the choices of a run that printed it
  --report-only    figures that are not met do not fail the run; violations always do";

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask faults CAMPAIGN... [OPTIONS]\n\n");
    for (name, campaign) in Campaign::ALL {
        text.push_str(&format!("  {name:<14}{}\n", campaign.explained()));
    }
    text.push_str("  all           each of them, without mutants\n");
    text + OPTIONS
}

/// What a cluster with hosts of its own was asked for.
#[derive(Clone)]
pub(super) struct FieldOptions {
    pub(super) namespaces: bool,
    pub(super) nodes: u64,
    pub(super) seconds: u64,
    /// Whether it grows and shrinks instead.
    pub(super) growth: bool,
    /// Whether each node has a disk that the campaign serves.
    pub(super) disks: bool,
    /// Whether each node has a clock that the campaign sets.
    pub(super) clocks: bool,
    /// The kinds of harm by name; all when there is none.
    pub(super) harms: Vec<String>,
    pub(super) side_by_side: u64,
    /// Which of these this process is, in the namespaces that were made for it.
    pub(super) inside: Option<u64>,
}

impl Default for FieldOptions {
    fn default() -> Self {
        let (nodes, seconds, side_by_side) = (CLUSTER_NODES, CLUSTER_RUN_S, 1);
        let (namespaces, growth, disks, clocks, harms, inside) = (false, false, false, false, Vec::new(), None);
        Self { namespaces, nodes, seconds, growth, disks, clocks, harms, side_by_side, inside }
    }
}

/// What a run was asked for.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) campaigns: Vec<Campaign>,
    pub(super) runs: Option<u64>,
    /// Where a campaign that counts begins.
    pub(super) first: u64,
    pub(super) backlog: u64,
    pub(super) binary: PathBuf,
    pub(super) seed: u64,
    pub(super) report_only: bool,
    pub(super) filesystems: Vec<Filesystem>,
    pub(super) below: Vec<String>,
    pub(super) expect_loss: bool,
    pub(super) forgetful: bool,
    /// The program with deliberate faults; built when it is not given.
    pub(super) mutant_binary: Option<PathBuf>,
    /// The only deliberate fault to try.
    pub(super) mutant: Option<String>,
    pub(super) field: FieldOptions,
    /// The words that all this was read from.
    pub(super) words: Vec<String>,
    pub(super) root: PathBuf,
    /// Where campaigns have their folders.
    pub(super) scratch: PathBuf,
}

impl Options {
    /// Runs a campaign on each filesystem in turn, until one cannot go on.
    pub(super) fn on_each_filesystem(&self, run: impl FnMut(Filesystem) -> Result<(), String>) -> Result<(), String> {
        self.filesystems.iter().copied().try_for_each(run)
    }
}

pub(super) fn parse(root: &Path, words: &[&str]) -> Result<Options, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut options = Options {
        campaigns: Vec::new(),
        runs: None,
        first: 1,
        backlog: 1_000_000,
        binary: root.join("target/release/recado"),
        seed: now.map_or(1, |since| u64::from(since.subsec_micros())),
        report_only: false,
        filesystems: vec![Filesystem::Ext4, Filesystem::Xfs],
        below: Vec::new(),
        expect_loss: false,
        forgetful: false,
        mutant_binary: None,
        mutant: None,
        field: FieldOptions::default(),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        root: root.to_path_buf(),
        scratch: root.join("target/faults"),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n\n{}", usage()));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{word} needs a number, not {text}"));
        match *word {
            "--runs" => options.runs = Some(number(value()?)?),
            "--first" => options.first = number(value()?)?.max(1),
            "--backlog" => options.backlog = number(value()?)?.max(1),
            "--seed" => options.seed = number(value()?)?,
            "--binary" => options.binary = PathBuf::from(value()?),
            "--below" => options.below = value()?.split(' ').map(String::from).collect(),
            "--mutant" => options.mutant = Some((*value()?).to_owned()),
            "--mutant-binary" => {
                let file = std::path::absolute(value()?).map_err(|error| error.to_string())?;
                options.mutant_binary = Some(file);
            }
            "--namespaces" => options.field.namespaces = true,
            "--growth" => options.field.growth = true,
            "--disks" => options.field.disks = true,
            "--clocks" => options.field.clocks = true,
            "--nodes" => options.field.nodes = number(value()?)?,
            "--seconds" => options.field.seconds = number(value()?)?.max(1),
            "--harm" => options.field.harms.push((*value()?).to_owned()),
            "--side-by-side" => options.field.side_by_side = number(value()?)?.max(1),
            "--inside" => options.field.inside = Some(number(value()?)?),
            "--scratch" => options.scratch = PathBuf::from(value()?),
            "--forget-one" => options.forgetful = true,
            "--expect-loss" => options.expect_loss = true,
            "--filesystem" => {
                let name = value()?;
                let known = Filesystem::parse(name);
                options.filesystems = vec![known.ok_or_else(|| format!("{name} is no filesystem known here"))?];
            }
            "--report-only" => options.report_only = true,
            "all" => {
                let every = Campaign::ALL.iter().map(|(_, campaign)| *campaign);
                options.campaigns = every.filter(|campaign| *campaign != Campaign::Mutants).collect();
            }
            name => match Campaign::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, campaign)) => options.campaigns.push(*campaign),
                None => return Err(format!("{name} is not understood\n\n{}", usage())),
            },
        }
    }
    if options.campaigns.is_empty() {
        return Err(usage());
    }
    options.binary = std::path::absolute(&options.binary).map_err(|error| error.to_string())?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_options() {
        let root = Path::new("source");
        let options = parse(root, &["kills", "--runs", "3", "--seed", "9", "--report-only"]).expect("it is right");
        assert_eq!(options.campaigns, [Campaign::Kills]);
        assert_eq!((options.runs, options.seed, options.backlog, options.report_only), (Some(3), 9, 1_000_000, true));
        assert_eq!(parse(root, &["all"]).expect("it is right").campaigns.len(), Campaign::ALL.len() - 1);
        for wrong in [&[][..], &["storms"], &["kills", "--runs"], &["kills", "--runs", "few"]] {
            assert!(parse(root, wrong).is_err(), "{wrong:?}");
        }
    }
}
