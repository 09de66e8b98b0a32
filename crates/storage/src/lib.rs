//! The segmented log on disk of one shard: frames, vote, marks, checkpoints, recovery. Blocking, with one
//! writer at a time; it does not know what a message is.
//! Invariant: what a completion confirmed survives every crash, or its damage is reported with its place.
//! Called by the shard and by the simulator. Formats: `docs/formats/`. Tests: `tests/`.

mod checkpoint;
mod copy;
mod core;
mod cut;
pub mod disk;
mod fault;
mod folder;
mod frame;
mod inbox;
mod incoming;
mod index;
pub mod limits;
mod little_endian;
mod log;
mod mark;
mod mend;
mod position;
mod reader;
mod recovery;
mod scan;
mod scrub;
mod segment;
mod slots;
mod spare;
mod writer;

pub use checkpoint::{Checkpoint, SectionName};
pub use copy::CopiedFile;
pub use fault::{Fault, Operation};
pub use frame::{Frame, FrameKind};
pub use incoming::{Incoming, saved_vote, settle as settle_incoming};
pub use log::{Completion, DiskUsage, SegmentStore, SegmentSummary, Settings, Threads};
pub use mend::Mending;
pub use position::{ByteCount, LogIndex, Term};
pub use recovery::{Recovered, TailNote, TailNoteKind};
pub use scrub::{Part, Scrub, Scrubbed};
