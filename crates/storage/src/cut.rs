//! Drops the end of the log when the consensus found a conflict.
//! Invariant: the durable mark is lowered first and segments go youngest first, so a crash at any step leaves
//! a log without holes that recovery does not take for damage.
//! Called by the writer. Tests: `tests/crash_points.rs`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mutant::Mutant;

use crate::core::Core;
use crate::fault::Fault;
use crate::folder::{OpenFile, segment_name};
use crate::mark::{DurableEnd, Ending};
use crate::position::LogIndex;
use crate::reader::FramePlace;
use crate::segment::{Segment, SegmentState};
use crate::writer::{Active, Writer};

impl Writer {
    /// Keeps the frames up to `keep`, durably.
    pub(crate) fn truncate(&mut self, keep: Option<LogIndex>) -> Result<(), Fault> {
        let last = self.durable_end().map(|end| end.index);
        if last <= keep {
            return Ok(());
        }
        let core = Arc::clone(&self.core);
        let _shape = core.shape.lock().expect("no holder panics");
        let target = match keep {
            Some(index) => core.place_of(index)?,
            None => None,
        };
        let end = target.as_ref().zip(keep).map(|((segment, place), index)| DurableEnd {
            index,
            segment: segment.first,
            offset: place.end,
        });
        self.write_synced_mark(end, Ending::Open)?;
        core.truncations.fetch_add(1, Ordering::SeqCst);
        let outcome = cut(&core, keep, target);
        core.truncations.fetch_add(1, Ordering::SeqCst);
        self.active = outcome?;
        Ok(())
    }
}

fn cut(
    core: &Core,
    keep: Option<LogIndex>,
    target: Option<(Arc<Segment>, FramePlace)>,
) -> Result<Option<Active>, Fault> {
    let mut behind = core.all_segments();
    behind.retain(|segment| keep < Some(segment.first));
    for segment in behind.iter().rev() {
        core.segments.write().expect("no holder panics").remove(&segment.first);
        segment.release_file();
        core.folder.remove(&segment_name(segment.first))?;
        core.folder.sync()?;
    }
    let (Some((segment, place)), Some(index)) = (target, keep) else {
        return Ok(None);
    };
    let file = core.segment_file(&segment)?;
    let mut state = segment.state();
    state.last = Some((place.term, index));
    state.index.cut(place.end);
    let state = reopen_file(&file, segment.capacity, state, place.end)?;
    segment.set_state(state.clone());
    Ok(Some(Active { segment, file, state }))
}

/// Makes a segment writable from `end` on: zeros to the end of the file, and no seal.
pub(crate) fn reopen_file(
    file: &OpenFile,
    capacity: u64,
    state: SegmentState,
    end: u64,
) -> Result<SegmentState, Fault> {
    if mutant::is_on(Mutant::CutKeepsOldFrames) {
        file.set_length(capacity)?;
    } else if state.is_sealed {
        // One step: from here on the file has the length of an open segment.
        file.set_length(capacity)?;
        file.sync()?;
        file.write_zeros(end, capacity)?;
    } else {
        file.write_zeros(end, state.end)?;
    }
    file.sync()?;
    Ok(SegmentState { end, length: capacity, is_sealed: false, ..state })
}
