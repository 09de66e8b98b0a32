//! What was submitted and is not done: the queue of the writer and the frames that wait in it.
//! Invariant: commands leave in the order they came; where a frame will lie is settled when it is submitted,
//! from frame sizes alone, so every replica rolls at the same place.
//! Called by `log` on one side and by the writer on the other. Tests: `tests/conformance.rs`.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;

use crate::fault::Fault;
use crate::frame::{self, Frame, FrameKind};
use crate::limits::{FLUSH_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX, WRITER_QUEUE_MAX};
use crate::little_endian::file_size;
use crate::log::Completion;
use crate::position::{LogIndex, Term};
use crate::segment::{self, SEGMENT_HEADER_BYTES};

/// Order of submission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence(u64);

/// Where a frame lies: its segment, and the place behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) segment: LogIndex,
    pub(crate) capacity: u64,
    pub(crate) end: u64,
}

/// A frame and its place.
#[derive(Clone)]
pub(crate) struct PlacedFrame {
    pub(crate) frame: Frame,
    pub(crate) placement: Placement,
}

pub(crate) struct AppendJob {
    pub(crate) sequence: Sequence,
    pub(crate) frames: Vec<PlacedFrame>,
    pub(crate) bytes: u64,
    pub(crate) done: Completion,
}

pub(crate) enum Command {
    Append(AppendJob),
    SaveVote { value: Bytes, done: Completion },
    SavePurged { term: Term, index: LogIndex, done: Completion },
    Truncate { keep: Option<LogIndex>, done: Completion },
}

/// The next thing for the writer to do.
pub(crate) enum Work {
    /// Appends that go to disk together.
    Appends(Vec<AppendJob>),
    Other(Command),
}

/// Why the writer's thread waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Something is queued.
    Work,
    /// Nothing came for a while, and nobody else wrote.
    Quiet,
    /// The store was stopped and nothing is left.
    Stop,
}

/// The end of the log: its last frame, and where it lies. A purge mark beyond the last frame has no place,
/// so the next frame starts a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogEnd {
    pub(crate) last: Option<(Term, LogIndex)>,
    pub(crate) placement: Option<Placement>,
}

impl LogEnd {
    pub(crate) fn last_index(&self) -> Option<LogIndex> {
        self.last.map(|(_, index)| index)
    }
}

#[derive(Default)]
struct State {
    queue: VecDeque<Command>,
    /// The newest committed hint that is not written.
    hint: Option<Bytes>,
    /// How often work was taken.
    taken: u64,
    /// How often it had been when the writer last rested.
    taken_at_rest: u64,
    pending: VecDeque<(Sequence, PlacedFrame)>,
    submitted: Sequence,
    /// Appends up to here fail, because one before them found no room.
    full_through: Sequence,
    end: LogEnd,
    /// Ends that waiting truncations asked for.
    cuts: VecDeque<LogEnd>,
    purged: Option<(Term, LogIndex)>,
    durable: Option<LogIndex>,
    is_stopping: bool,
}

/// The queue of one store.
pub(crate) struct Inbox {
    segment_bytes: u64,
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
}

impl Inbox {
    pub(crate) fn new(
        segment_bytes: u64,
        end: LogEnd,
        purged: Option<(Term, LogIndex)>,
        stored: Option<(Term, LogIndex)>,
    ) -> Inbox {
        let durable = stored.map(|(_, index)| index);
        Inbox {
            segment_bytes,
            state: Mutex::new(State { end, purged, durable, ..State::default() }),
            work: Condvar::new(),
            room: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// Waits until the queue has room. Says why nothing more may come.
    fn state_with_room(&self) -> Result<MutexGuard<'_, State>, Fault> {
        let mut state = self.state();
        while WRITER_QUEUE_MAX <= state.queue.len() && !state.is_stopping {
            state = self.room.wait(state).expect("no holder panics");
        }
        if state.is_stopping {
            return Err(Fault::Closed);
        }
        Ok(state)
    }

    /// Queues frames, after giving each its place. A refusal comes back with the completion.
    pub(crate) fn append(&self, frames: Vec<Frame>, done: Completion) -> Result<(), (Completion, Fault)> {
        self.append_quietly(frames, done)?;
        self.work.notify_one();
        Ok(())
    }

    /// As `append`, for a caller that takes the work itself: the writer's thread is left asleep.
    pub(crate) fn append_quietly(&self, frames: Vec<Frame>, done: Completion) -> Result<(), (Completion, Fault)> {
        let mut state = match self.state_with_room() {
            Ok(state) => state,
            Err(fault) => return Err((done, fault)),
        };
        let placed = match state.place(self.segment_bytes, frames) {
            Ok(placed) => placed,
            Err(fault) => return Err((done, fault)),
        };
        state.submitted.0 += 1;
        let sequence = state.submitted;
        let sizes = placed.iter().map(|placed| frame::frame_bytes(placed.frame.payload.len()));
        let bytes = sizes.sum();
        state.pending.extend(placed.iter().map(|placed| (sequence, placed.clone())));
        if let Some(last) = placed.last() {
            state.end = LogEnd { last: Some((last.frame.term, last.frame.index)), placement: Some(last.placement) };
        }
        state.queue.push_back(Command::Append(AppendJob { sequence, frames: placed, bytes, done }));
        Ok(())
    }

    /// Keeps a committed hint for a quiet moment; a newer one takes its place.
    pub(crate) fn hint(&self, value: Bytes) {
        self.state().hint = Some(value);
    }

    /// Gives the hint that waits to be written.
    pub(crate) fn take_hint(&self) -> Option<Bytes> {
        self.state().hint.take()
    }

    /// Queues a command that changes neither frames nor the end of the log.
    pub(crate) fn submit(&self, command: Command) -> Result<(), (Command, Fault)> {
        match self.state_with_room() {
            Ok(mut state) => {
                if let Command::SavePurged { term, index, .. } = &command {
                    state.note_purge(*term, *index);
                }
                state.queue.push_back(command);
                self.work.notify_one();
                Ok(())
            }
            Err(fault) => Err((command, fault)),
        }
    }

    /// Queues a truncation to `end`, which the caller has looked up, and hides the frames behind it at once.
    pub(crate) fn truncate(
        &self,
        end: LogEnd,
        keep: Option<LogIndex>,
        done: Completion,
    ) -> Result<(), (Completion, Fault)> {
        let mut state = match self.state_with_room() {
            Ok(state) => state,
            Err(fault) => return Err((done, fault)),
        };
        state.pending.retain(|(_, placed)| Some(placed.frame.index) <= keep);
        state.end = end;
        state.cuts.push_back(end);
        if keep < state.durable {
            state.durable = keep;
        }
        state.queue.push_back(Command::Truncate { keep, done });
        self.work.notify_one();
        Ok(())
    }

    /// Waits until something is queued. After work, whoever took it, only until it was quiet for as long as `delay`:
    /// then the writer is to rest.
    pub(crate) fn wait(&self, delay: Duration) -> Waited {
        let mut state = self.state();
        loop {
            if !state.queue.is_empty() {
                return Waited::Work;
            }
            if state.is_stopping {
                return Waited::Stop;
            }
            if state.taken == state.taken_at_rest {
                state = self.work.wait(state).expect("no holder panics");
                continue;
            }
            let before = state.taken;
            let (again, waited) = self.work.wait_timeout(state, delay).expect("no holder panics");
            state = again;
            let is_quiet = state.queue.is_empty() && before == state.taken && !state.is_stopping;
            if waited.timed_out() && is_quiet {
                return Waited::Quiet;
            }
        }
    }

    /// The writer rests: all work so far is accounted for.
    pub(crate) fn rest(&self) {
        let mut state = self.state();
        state.taken_at_rest = state.taken;
    }

    /// Whether the writer has rested since it last took work.
    pub(crate) fn is_at_rest(&self) -> bool {
        let state = self.state();
        state.taken == state.taken_at_rest
    }

    /// Wakes the thread of the writer, so that it sees what changed.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    /// Takes the next work, if there is some.
    pub(crate) fn take(&self) -> Option<Work> {
        let mut state = self.state();
        if state.queue.is_empty() {
            return None;
        }
        state.taken += 1;
        let was_full = WRITER_QUEUE_MAX <= state.queue.len();
        let work = state.take();
        if was_full {
            self.room.notify_all();
        }
        Some(work)
    }

    /// Frames of these jobs are on disk: readers find them there.
    pub(crate) fn retire(&self, through: Sequence, durable: Option<LogIndex>) {
        let mut state = self.state();
        while state.pending.front().is_some_and(|(sequence, _)| *sequence <= through) {
            state.pending.pop_front();
        }
        // A truncation that waits behind these jobs has already lowered what readers may see.
        let lowest_cut = state.cuts.iter().map(|cut| cut.last_index()).min();
        state.durable = match lowest_cut {
            Some(cut) => durable.min(cut),
            None => durable,
        };
    }

    /// No room for an append: takes back all that was submitted behind `accepted`, where the log is `written`.
    pub(crate) fn refuse_behind(&self, accepted: Option<Sequence>, written: LogEnd) {
        let mut state = self.state();
        state.full_through = state.submitted;
        state.pending.retain(|(sequence, _)| Some(*sequence) <= accepted);
        let ends = state.cuts.iter().copied().chain([written]);
        let lowest = ends.min_by_key(LogEnd::last_index);
        state.end = lowest.unwrap_or(written);
        if let Some((term, index)) = state.purged {
            state.note_purge(term, index);
        }
    }

    /// Appends with this sequence fail, because one before them found no room.
    pub(crate) fn is_behind_full(&self, sequence: Sequence) -> bool {
        sequence <= self.state().full_through
    }

    /// After a failure of the disk nothing that waits will ever be written.
    pub(crate) fn forget_pending(&self) {
        self.state().pending.clear();
    }

    /// The oldest waiting truncation was done.
    pub(crate) fn cut_done(&self) {
        self.state().cuts.pop_front();
    }

    pub(crate) fn stop(&self) {
        self.state().is_stopping = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.state().is_stopping
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state().queue.is_empty()
    }

    pub(crate) fn end(&self) -> LogEnd {
        self.state().end
    }

    pub(crate) fn purged(&self) -> Option<(Term, LogIndex)> {
        self.state().purged
    }

    pub(crate) fn durable(&self) -> Option<LogIndex> {
        self.state().durable
    }

    /// The first index that disk must not be asked for: it is pending, or behind the end.
    pub(crate) fn disk_limit(&self) -> Option<LogIndex> {
        let state = self.state();
        let front = state.pending.front().map(|(_, placed)| placed.frame.index);
        let behind = state.end.last.map(|(_, last)| last.next());
        front.or(behind)
    }

    /// A frame that waits to be written.
    pub(crate) fn pending(&self, index: LogIndex) -> Option<PlacedFrame> {
        self.state().pending_at(index).cloned()
    }

    /// Frames that wait to be written, from one place on, the first even when it is larger than the limit.
    pub(crate) fn pending_from(&self, from: LogIndex, until: LogIndex, bytes_max: u64) -> Vec<Frame> {
        let state = self.state();
        let start = state.pending.partition_point(|(_, placed)| placed.frame.index < from);
        let mut taken = 0;
        let mut frames: Vec<Frame> = Vec::new();
        for (_, placed) in state.pending.range(start..) {
            taken += frame::frame_bytes(placed.frame.payload.len());
            let follows = placed.frame.index.0 == from.0 + file_size(frames.len());
            let is_over = bytes_max < taken && !frames.is_empty();
            if !follows || until <= placed.frame.index || is_over {
                break;
            }
            frames.push(placed.frame.clone());
        }
        frames
    }
}

impl State {
    fn take(&mut self) -> Work {
        let mut jobs = Vec::new();
        let mut bytes = 0;
        while let Some(Command::Append(job)) = self.queue.front() {
            if !jobs.is_empty() && FLUSH_BYTES_MAX < bytes + job.bytes {
                break;
            }
            bytes += job.bytes;
            if let Some(Command::Append(job)) = self.queue.pop_front() {
                jobs.push(job);
            }
        }
        match self.queue.pop_front() {
            Some(command) if jobs.is_empty() => Work::Other(command),
            Some(command) => {
                self.queue.push_front(command);
                Work::Appends(jobs)
            }
            None => Work::Appends(jobs),
        }
    }

    fn pending_at(&self, index: LogIndex) -> Option<&PlacedFrame> {
        let at = self.pending.partition_point(|(_, placed)| placed.frame.index < index);
        let (_, placed) = self.pending.get(at)?;
        (placed.frame.index == index).then_some(placed)
    }

    fn note_purge(&mut self, term: Term, index: LogIndex) {
        self.purged = self.purged.max(Some((term, index)));
        if self.end.last.map(|(_, last)| last) < Some(index) {
            self.end = LogEnd { last: Some((term, index)), placement: None };
        }
    }

    /// Gives each frame its place, or says which rule it breaks.
    fn place(&self, segment_bytes: u64, frames: Vec<Frame>) -> Result<Vec<PlacedFrame>, Fault> {
        let mut expected = self.end.last.map(|(_, last)| last.next());
        let mut placement = self.end.placement;
        let mut placed = Vec::with_capacity(frames.len());
        for frame in frames {
            check(&frame, expected)?;
            let size = frame::frame_bytes(frame.payload.len());
            let next = match placement {
                Some(now) if segment::fits(now.capacity, now.end, size) => Placement { end: now.end + size, ..now },
                Some(_) | None => Placement {
                    segment: frame.index,
                    capacity: segment::capacity_for(segment_bytes, size),
                    end: SEGMENT_HEADER_BYTES + size,
                },
            };
            placement = Some(next);
            expected = Some(frame.index.next());
            placed.push(PlacedFrame { frame, placement: next });
        }
        Ok(placed)
    }
}

/// The rules that callers of `append` must keep.
fn check(frame: &Frame, expected: Option<LogIndex>) -> Result<(), Fault> {
    let what = if expected.is_some_and(|expected| expected != frame.index) {
        "frames must follow the last index without a gap"
    } else if frame.payload.len() > FRAME_PAYLOAD_BYTES_MAX {
        "a payload is longer than FRAME_PAYLOAD_BYTES_MAX"
    } else if frame.kind == FrameKind::SEAL {
        "frame kind 255 is reserved for the store"
    } else {
        return Ok(());
    };
    Err(Fault::Misuse { what })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;

    use super::*;

    #[test]
    fn work_that_a_caller_took_before_the_thread_waits_is_still_followed_by_rest() {
        let inbox = Arc::new(Inbox::new(1 << 20, LogEnd::default(), None, None));
        let frame = Frame { index: LogIndex(0), term: Term(1), kind: FrameKind(0), payload: Bytes::from_static(b"x") };
        assert!(inbox.append_quietly(vec![frame], Box::new(drop)).is_ok());
        assert!(inbox.is_at_rest());
        assert!(inbox.take().is_some());
        assert!(!inbox.is_at_rest());
        let (sender, receiver) = mpsc::channel();
        let waiting = Arc::clone(&inbox);
        let thread = thread::spawn(move || sender.send(waiting.wait(Duration::ZERO)).expect("the test listens"));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok(Waited::Quiet));
        thread.join().expect("the thread only sends");
        inbox.rest();
        assert!(inbox.is_at_rest());
    }
}
