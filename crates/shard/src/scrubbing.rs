//! Reads what lies on disk again and again, slowly, and puts right what is damaged.
//! Invariants: no more bytes a second are read than was set, over a file and the pause behind it; damage that cannot be
//! put right in place stops the shard where others can replace the store, and is told where there are none.
//! Started by `Shard::open`. Tests: `tests/mending.rs`.

use std::sync::Arc;
use std::time::Duration;

use storage::{Fault, Part, Scrubbed};

use crate::housekeeping::Housekeeping;
use crate::limits::SCRUB_BYTES_MIN;
use crate::machine::StateMachine;
use crate::mender::{Mend, Mender};
use crate::raft::state::State;
use crate::submitter::Submitter;
use crate::upkeep::count;

/// How the store is scrubbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrubbing {
    /// Bytes that are read in a second.
    pub bytes_per_second: u64,
    /// Time between the end of one scrub and the begin of the next.
    pub pause: Duration,
}

/// The scrubber of one shard.
pub(crate) struct Scrubber<M: StateMachine> {
    pub(crate) state: State<M>,
    pub(crate) submitter: Submitter<M>,
    pub(crate) housekeeping: Arc<Housekeeping<M>>,
    /// Where there are others.
    pub(crate) mender: Option<Arc<Mender<M>>>,
    pub(crate) settings: Scrubbing,
}

impl<M: StateMachine> Scrubber<M> {
    /// Works until the shard stops.
    pub(crate) async fn run(self) {
        loop {
            tokio::select! {
                biased;
                () = self.submitter.stopped() => return,
                () = async {
                    self.pass().await;
                    tokio::time::sleep(self.settings.pause).await;
                } => {}
            }
        }
    }

    async fn pass(&self) {
        let log = &self.state.log;
        let store = log.store.clone();
        match log.hands.run(move || store.mend_small_files()).await {
            Ok(Ok(found)) => {
                for fault in found {
                    count(&log.counts.damaged, 1);
                    count(&log.counts.mended, 1);
                    tracing::warn!(%fault, "a damaged file was written again");
                }
            }
            Ok(Err(fault)) => self.tell(&fault),
            Err(_) => return,
        }
        let mut scrub = log.store.scrub_large_files();
        loop {
            let stepping = log.hands.run(move || {
                let step = scrub.next();
                (scrub, step)
            });
            let Ok((rest, step)) = stepping.await else { return };
            scrub = rest;
            let Some(seen) = step else { break };
            count(&log.counts.scrubbed_bytes, seen.bytes.0);
            if let Some(fault) = seen.faults.first() {
                self.put_right(&seen, fault).await;
            }
            let bytes_per_second = self.settings.bytes_per_second.max(SCRUB_BYTES_MIN);
            tokio::time::sleep(Duration::from_micros(seen.bytes.0.saturating_mul(1_000_000) / bytes_per_second)).await;
        }
        count(&log.counts.scrubs, 1);
    }

    async fn put_right(&self, seen: &Scrubbed, fault: &Fault) {
        if !fault.is_damage() {
            self.tell(fault);
            return;
        }
        match seen.part {
            Part::Segment(first) => {
                let Some(mender) = self.mender.clone().filter(|mender| mender.member.has_others()) else {
                    count(&self.state.log.counts.damaged, 1);
                    self.tell(fault);
                    return;
                };
                if let Err(why) = mender.mend(first.0).await {
                    tracing::warn!(%fault, %why, "a damaged segment cannot be mended in its place");
                    self.state.log.health.fail_on_disk(fault);
                }
            }
            Part::Checkpoint(term, index) => {
                count(&self.state.log.counts.damaged, 1);
                if self.housekeeping.replace_checkpoint(term, index).await {
                    count(&self.state.log.counts.mended, 1);
                    tracing::warn!(%fault, "a damaged checkpoint was replaced by a new one");
                } else {
                    self.tell(fault);
                }
            }
            Part::Small => self.tell(fault),
        }
    }

    /// Nobody can put it right from here.
    fn tell(&self, fault: &Fault) {
        tracing::error!(%fault, "damage was found on the disk");
    }
}
