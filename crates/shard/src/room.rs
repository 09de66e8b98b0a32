//! Whether the disk has room for another batch, asked before it is encoded: a batch in the log cannot be
//! taken back, so it must not meet a full disk.
//! Invariant: a batch that somebody waits for is proposed only while a whole segment fits.
//! Called by the sequencer.

use std::path::PathBuf;
use std::sync::Arc;

use mutant::Mutant;
use storage::disk::Disk;

use crate::inbox::Urgency;
use crate::limits::RESERVED_SEGMENTS;

/// The disk under the log.
pub(crate) struct Room {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) segment_bytes: u64,
}

impl Room {
    /// Bytes that are free; `None` when the disk does not say.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.disk.free_bytes(&self.folder).ok()
    }

    /// Whether commands of this urgency may be proposed.
    pub(crate) fn allows(&self, urgency: Urgency) -> bool {
        let segments = match urgency {
            Urgency::Ordinary => RESERVED_SEGMENTS,
            Urgency::Freeing => 1,
            Urgency::Own => return true,
        };
        self.free_bytes()
            .is_none_or(|free| mutant::is_on(Mutant::ReserveOff) || self.segment_bytes.saturating_mul(segments) <= free)
    }
}
