//! The one writer of a store: appends, votes, marks, cuts, in the order they were submitted.
//! Invariant: a completion says yes only after the sync that makes it true; after a failure it never says yes
//! again; a segment is written only after everything before it was synced.
//! Called by the writer's thread, by `SegmentStore::append_here`, or step by step by `run_queued`. Tests: `tests/crash_points.rs`.

use std::sync::{Arc, Mutex};

use mutant::Mutant;

use crate::core::Core;
use crate::fault::Fault;
use crate::folder::{OpenFile, segment_name};
use crate::frame;
use crate::inbox::{AppendJob, Command, LogEnd, PlacedFrame, Placement, Waited, Work};
use crate::limits::PAGE_BYTES;
use crate::little_endian::{buffer_size, file_size};
use crate::log::Threads;
use crate::mark::{DurableEnd, DurableMark, Ending, encode_purge};
use crate::position::LogIndex;
use crate::segment::{self, Segment, SegmentState};
use crate::slots::SlotFile;
use crate::spare::Spare;

/// The open slot files of a store.
pub(crate) struct Slots {
    pub(crate) vote: SlotFile,
    pub(crate) purge: SlotFile,
    pub(crate) mark: SlotFile,
}

/// The segment that takes the next frame.
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: OpenFile,
    pub(crate) state: SegmentState,
}

impl Active {
    fn end(&self) -> LogEnd {
        LogEnd {
            last: self.state.last,
            placement: Some(Placement {
                segment: self.segment.first,
                capacity: self.segment.capacity,
                end: self.state.end,
            }),
        }
    }
}

pub(crate) struct Writer {
    pub(crate) core: Arc<Core>,
    slots: Slots,
    pub(crate) active: Option<Active>,
    /// Zero-filled files for the rolls of the jobs at hand.
    spares: Vec<Spare>,
    /// Segments that were rolled away from and wait for their seal.
    rolled: Vec<Arc<Segment>>,
    /// The synced mark is behind the log.
    pub(crate) is_mark_stale: bool,
    /// Frames encoded for one write; kept to spare the allocation.
    buffer: Vec<u8>,
}

/// The life of the writer's thread. It holds the writer only while there is work: in between, an append that
/// cannot wait for a change of threads is written by its caller.
pub(crate) fn write_while_open(writer: &Mutex<Writer>, core: &Core) {
    loop {
        let waited = core.inbox.wait(core.settings.mark_delay);
        let mut writer = writer.lock().expect("no holder panics");
        match waited {
            Waited::Work => {
                writer.step();
            }
            Waited::Quiet => writer.rest(),
            Waited::Stop => return,
        }
    }
}

impl Writer {
    pub(crate) fn new(core: Arc<Core>, slots: Slots, active: Option<Active>) -> Writer {
        Writer { core, slots, active, spares: Vec::new(), rolled: Vec::new(), is_mark_stale: false, buffer: Vec::new() }
    }

    pub(crate) const fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Does all that is queued, then what a quiet moment asks for.
    pub(crate) fn run_queued(&mut self) {
        while self.step() {}
        self.rest();
    }

    /// One piece of work, if there is some.
    pub(crate) fn step(&mut self) -> bool {
        match self.core.inbox.take() {
            Some(Work::Appends(jobs)) => self.append(jobs),
            Some(Work::Other(command)) => self.perform(command),
            None => return false,
        }
        true
    }

    /// What a quiet moment is for: the committed hint and the durable mark.
    pub(crate) fn rest(&mut self) {
        self.core.inbox.rest();
        self.save_hint();
        self.save_mark_when_quiet();
    }

    /// Writes the committed hint. Nobody waits for it; a failure still stops the store.
    fn save_hint(&mut self) {
        if let Some(value) = self.core.inbox.take_hint() {
            let _ = self.guarded(|writer| writer.slots.vote.save_lazily(value));
        }
    }

    /// Writes the clean-end mark; the store was closed with nothing left to do.
    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        self.save_hint();
        self.core.check()?;
        self.write_synced_mark(self.durable_end(), Ending::Clean)
    }

    fn perform(&mut self, command: Command) {
        match command {
            Command::Append(job) => self.append(vec![job]),
            Command::SaveVote { value, done } => {
                let outcome = self.guarded(|writer| writer.slots.vote.save(value));
                done(outcome);
            }
            Command::SavePurged { term, index, done } => {
                let outcome = self.guarded(|writer| writer.slots.purge.save(encode_purge(term, index)));
                done(outcome);
            }
            Command::Truncate { keep, done } => {
                let outcome = self.guarded(|writer| writer.truncate(keep));
                self.core.inbox.cut_done();
                done(outcome);
            }
        }
    }

    /// Runs a step unless the store is poisoned; a failure poisons it.
    fn guarded(&mut self, step: impl FnOnce(&mut Writer) -> Result<(), Fault>) -> Result<(), Fault> {
        self.core.check()?;
        let outcome = step(self);
        self.core.poison_on_failure(outcome)
    }

    fn append(&mut self, jobs: Vec<AppendJob>) {
        let (jobs, refused) = self.with_room(jobs);
        let outcome = self.guarded(|writer| writer.write_jobs(&jobs));
        if let (Ok(()), Some(job)) = (&outcome, jobs.last()) {
            let durable = self.durable_end().map(|end| end.index);
            self.core.inbox.retire(job.sequence, durable);
        }
        for job in jobs {
            (job.done)(outcome.clone());
        }
        for (job, fault) in refused {
            (job.done)(Err(fault));
        }
        // After the answers: nobody waits for the seal, and a failure stops what comes next.
        let _ = self.guarded(Writer::tidy_up);
    }

    /// Sets the jobs aside that find no room for a segment; nothing of them is written.
    fn with_room(&mut self, jobs: Vec<AppendJob>) -> (Vec<AppendJob>, Vec<(AppendJob, Fault)>) {
        let mut accepted: Vec<AppendJob> = Vec::new();
        let mut refused = Vec::new();
        let mut end = self.active.as_ref().map(Active::end).unwrap_or_default();
        for job in jobs {
            if self.core.inbox.is_behind_full(job.sequence) {
                let file = self.core.folder.path.clone();
                refused.push((job, Fault::Full { file }));
                continue;
            }
            match self.obtain_spares(end, &job.frames) {
                Ok(after) => {
                    end = after;
                    accepted.push(job);
                }
                Err(fault) => {
                    let through = accepted.last().map(|job| job.sequence);
                    self.core.inbox.refuse_behind(through, end);
                    refused.push((job, fault));
                }
            }
        }
        (accepted, refused)
    }

    /// Fetches a zero-filled file for each roll among the frames, and says where they end.
    fn obtain_spares(&mut self, end: LogEnd, frames: &[PlacedFrame]) -> Result<LogEnd, Fault> {
        self.core.check()?;
        let mut end = end;
        for placed in frames {
            let segment = end.placement.map(|placement| placement.segment);
            if segment != Some(placed.placement.segment) {
                let spare = self.core.spare.obtain(&self.core.folder, placed.placement.capacity);
                match spare {
                    Ok(spare) => self.spares.push(spare),
                    Err(fault @ Fault::Full { .. }) => return Err(fault),
                    Err(fault) => return self.core.poison_on_failure(Err(fault)),
                }
            }
            end = LogEnd { last: Some((placed.frame.term, placed.frame.index)), placement: Some(placed.placement) };
        }
        Ok(end)
    }

    /// Writes the frames of all jobs: one write and one sync for each segment that they touch.
    fn write_jobs(&mut self, jobs: &[AppendJob]) -> Result<(), Fault> {
        self.buffer.clear();
        for placed in jobs.iter().flat_map(|job| &job.frames) {
            let segment = self.active.as_ref().map(|active| active.segment.first);
            if segment != Some(placed.placement.segment) {
                // What lies in the old segment is synced before the new one gets its first byte, so a bad
                // frame with a younger segment behind it is damage and never a torn write.
                self.flush_buffer()?;
                self.roll(placed.placement)?;
            }
            self.encode(placed);
        }
        self.flush_buffer()?;
        if self.is_mark_stale {
            let mark = DurableMark { end: self.durable_end(), ending: Ending::Open };
            self.slots.mark.save_lazily(mark.encode())?;
        }
        Ok(())
    }

    fn encode(&mut self, placed: &PlacedFrame) {
        let active = self.active.as_mut().expect("a roll made a segment for the first frame");
        let frame = &placed.frame;
        let offset = active.state.end;
        active.state.index.note(active.segment.first, frame.index, offset);
        active.state.last = Some((frame.term, frame.index));
        active.state.end = placed.placement.end;
        let before = self.buffer.len();
        frame::encode(frame.term, frame.index, frame.kind, &frame.payload, &mut self.buffer);
        let written = file_size(self.buffer.len() - before);
        assert_eq!(offset + written, placed.placement.end, "frames lie where submission placed them");
    }

    /// Writes and syncs the encoded frames, then shows them to readers.
    fn flush_buffer(&mut self) -> Result<(), Fault> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let active = self.active.as_ref().expect("frames were encoded for an active segment");
        let start = active.state.end - file_size(self.buffer.len());
        fill_page(&mut self.buffer, start, active.segment.capacity);
        active.file.write(start, &self.buffer)?;
        if !mutant::is_on(Mutant::AckBeforeSync) {
            active.file.sync()?;
        }
        active.segment.set_state(active.state.clone());
        self.buffer.clear();
        self.is_mark_stale = true;
        Ok(())
    }

    /// Turns a spare into the active segment. A file has its final name only with a synced header.
    fn roll(&mut self, placement: Placement) -> Result<(), Fault> {
        let core = Arc::clone(&self.core);
        let _shape = core.shape.lock().expect("no holder panics");
        let fitting = self.spares.iter().position(|spare| spare.capacity == placement.capacity);
        let spare = self.spares.remove(fitting.expect("a spare was obtained for each roll"));
        let first = placement.segment;
        let name = segment_name(first);
        let mut header = segment::encode_header(first, spare.capacity);
        fill_page(&mut header, 0, spare.capacity);
        spare.file.write(0, &header)?;
        if !mutant::is_on(Mutant::RollWithoutSync) {
            spare.file.sync()?;
        }
        core.folder.publish(&spare.name, &name)?;
        let file = spare.file.renamed(core.folder.file(&name));
        let state = SegmentState::empty(spare.capacity);
        let segment = Arc::new(Segment::new(first, spare.capacity, state.clone(), Some(file.clone())));
        core.segments.write().expect("no holder panics").insert(first, Arc::clone(&segment));
        if let Some(old) = self.active.take() {
            self.rolled.push(old.segment);
        }
        self.active = Some(Active { segment, file, state });
        Ok(())
    }

    /// Seals what was rolled away from, returns spares that were not needed, asks for the next.
    fn tidy_up(&mut self) -> Result<(), Fault> {
        let has_rolled = !self.rolled.is_empty();
        for segment in std::mem::take(&mut self.rolled) {
            self.seal(&segment)?;
        }
        if has_rolled {
            self.write_synced_mark(self.durable_end(), Ending::Open)?;
        }
        for spare in self.spares.drain(..) {
            self.core.spare.give_back(&self.core.folder, spare)?;
        }
        let is_filling = self.active.as_ref().is_some_and(|active| active.segment.capacity < 2 * active.state.end);
        if is_filling && self.core.settings.threads == Threads::Own {
            self.core.spare.want();
        }
        Ok(())
    }

    /// Writes the seal, then cuts the file behind it; a file that was cut has a whole seal.
    fn seal(&mut self, segment: &Arc<Segment>) -> Result<(), Fault> {
        let _shape = self.core.shape.lock().expect("no holder panics");
        let file = self.core.segment_file(segment)?;
        let state = seal_file(&file, segment.first, segment.state())?;
        segment.set_state(state);
        // Readers open it again through the bounded list of open files.
        segment.release_file();
        Ok(())
    }

    pub(crate) fn durable_end(&self) -> Option<DurableEnd> {
        let active = self.active.as_ref()?;
        let (_, index) = active.state.last?;
        Some(DurableEnd { index, segment: active.segment.first, offset: active.state.end })
    }

    fn save_mark_when_quiet(&mut self) {
        if self.is_mark_stale {
            let end = self.durable_end();
            let _ = self.guarded(|writer| writer.write_synced_mark(end, Ending::Open));
            // A failure is kept by the core; asking again would not change it.
            self.is_mark_stale = false;
        }
    }

    pub(crate) fn write_synced_mark(&mut self, end: Option<DurableEnd>, ending: Ending) -> Result<(), Fault> {
        self.slots.mark.save(DurableMark { end, ending }.encode())?;
        self.is_mark_stale = false;
        Ok(())
    }
}

/// Lets what is written from `start` on end with a page, or with the file.
fn fill_page(bytes: &mut Vec<u8>, start: u64, capacity: u64) {
    let end = (start + file_size(bytes.len())).next_multiple_of(PAGE_BYTES).min(capacity);
    bytes.resize(buffer_size(end - start), 0);
}

/// Closes a segment file and gives its new state.
pub(crate) fn seal_file(file: &OpenFile, first: LogIndex, state: SegmentState) -> Result<SegmentState, Fault> {
    let seal = state.encode_seal(first);
    let length = state.end + file_size(seal.len());
    file.write(state.end, &seal)?;
    file.sync()?;
    file.set_length(length)?;
    file.sync()?;
    Ok(SegmentState { length, is_sealed: true, ..state })
}
