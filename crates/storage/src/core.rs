//! What the handle, the writer and the readers share.
//! Invariant: the first failed write or sync closes the store for writing, for ever.
//! Called by `log`, `writer`, `reader`, `spare`, `checkpoint` and `scrub`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use crate::disk::Lock;
use crate::fault::Fault;
use crate::folder::{Folder, OpenFile};
use crate::inbox::Inbox;
use crate::limits::OPEN_SEGMENTS_MAX;
use crate::log::Settings;
use crate::position::LogIndex;
use crate::segment::Segment;
use crate::spare::SpareRoom;

pub(crate) type SegmentMap = BTreeMap<LogIndex, Arc<Segment>>;

/// The shared half of an open store.
pub(crate) struct Core {
    pub(crate) folder: Folder,
    pub(crate) settings: Settings,
    pub(crate) segments: RwLock<SegmentMap>,
    /// Held while segments are added, sealed, cut or deleted.
    pub(crate) shape: Mutex<()>,
    /// Odd while a truncation is under way.
    pub(crate) truncations: AtomicU64,
    pub(crate) inbox: Inbox,
    pub(crate) spare: SpareRoom,
    pub(crate) checkpoints: Mutex<()>,
    poison: OnceLock<Fault>,
    open_segments: Mutex<VecDeque<Arc<Segment>>>,
    /// Given back by `close`, or when the last owner of the core goes.
    lock: Mutex<Option<Box<dyn Lock>>>,
}

impl Core {
    /// Lets another process open the folder. Handles that are still around only read after this.
    pub(crate) fn unlock(&self) {
        drop(self.lock.lock().expect("no holder panics").take());
    }

    pub(crate) fn new(
        folder: Folder,
        settings: Settings,
        segments: SegmentMap,
        inbox: Inbox,
        lock: Box<dyn Lock>,
    ) -> Core {
        Core {
            folder,
            settings,
            segments: RwLock::new(segments),
            shape: Mutex::new(()),
            truncations: AtomicU64::new(0),
            inbox,
            spare: SpareRoom::default(),
            checkpoints: Mutex::new(()),
            poison: OnceLock::new(),
            open_segments: Mutex::new(VecDeque::new()),
            lock: Mutex::new(Some(lock)),
        }
    }

    /// Refuses to go on after a failure.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match self.poison.get() {
            Some(first) => Err(first.poisoned()),
            None => Ok(()),
        }
    }

    /// Refuses callers that write on their own thread once the store is closed: the folder may have another owner.
    pub(crate) fn check_open(&self) -> Result<(), Fault> {
        self.check()?;
        if self.inbox.is_stopping() { Err(Fault::Closed) } else { Ok(()) }
    }

    pub(crate) fn poisoned(&self) -> Option<Fault> {
        self.poison.get().cloned()
    }

    /// Closes the store for writing. The first failure is the one that is kept.
    pub(crate) fn poison(&self, fault: &Fault) {
        self.poison.get_or_init(|| fault.clone());
        self.inbox.forget_pending();
    }

    /// Passes a failure of the disk on, and closes the store for writing because of it.
    pub(crate) fn poison_on_failure<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(fault) = &outcome {
            self.poison(fault);
        }
        outcome
    }

    pub(crate) fn segment_at(&self, index: LogIndex) -> Option<Arc<Segment>> {
        let segments = self.segments.read().expect("no holder panics");
        segments.range(..=index).next_back().map(|(_, segment)| Arc::clone(segment))
    }

    pub(crate) fn all_segments(&self) -> Vec<Arc<Segment>> {
        let segments = self.segments.read().expect("no holder panics");
        segments.values().cloned().collect()
    }

    /// The file of a segment; sealed ones are closed again when too many are open.
    pub(crate) fn segment_file(&self, segment: &Arc<Segment>) -> Result<OpenFile, Fault> {
        let (file, is_fresh) = segment.file(&self.folder)?;
        if is_fresh {
            let mut open = self.open_segments.lock().expect("no holder panics");
            open.push_back(Arc::clone(segment));
            if OPEN_SEGMENTS_MAX < open.len()
                && let Some(oldest) = open.pop_front()
            {
                oldest.release_file();
            }
        }
        Ok(file)
    }
}
