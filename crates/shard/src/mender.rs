//! Puts a damaged segment right with the bytes of another replica, while the shard works.
//! Invariant: only a sealed segment of which every entry is applied here is replaced: committed entries are the same on all
//! replicas, so whoever has them will do, and nothing that this replica acknowledged is forgotten.
//! Called by `Log` and `fetch` when a read meets damage, and by the scrubber. Tests: `tests/mending.rs`.

use std::pin::Pin;
use std::sync::Arc;

use storage::{LogIndex, Mending};
use tokio::sync::Mutex;

use crate::limits::{APPEND_WITHIN, SEGMENT_PIECES_MAX};
use crate::machine::StateMachine;
use crate::raft::member::Member;
use crate::raft::message::{Ask, Told};
use crate::raft::state::State;
use crate::upkeep::count;

/// Mending on its way.
pub(crate) type Mended = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Whoever mends segments.
pub(crate) trait Mend: Send + Sync {
    /// Puts the segment that starts at `first` right; done at once when it is whole.
    fn mend(self: Arc<Self>, first: u64) -> Mended;
}

/// Mends from the other replicas, one segment at a time.
pub(crate) struct Mender<M: StateMachine> {
    pub(crate) member: Member<M>,
    state: State<M>,
    one: Mutex<()>,
}

impl<M: StateMachine> Mend for Mender<M> {
    fn mend(self: Arc<Self>, first: u64) -> Mended {
        Box::pin(async move { self.mend_now(first).await })
    }
}

impl<M: StateMachine> Mender<M> {
    pub(crate) fn new(member: Member<M>, state: State<M>) -> Self {
        Self { member, state, one: Mutex::new(()) }
    }

    async fn mend_now(&self, first: u64) -> Result<(), String> {
        let _one = self.one.lock().await;
        let log = &self.state.log;
        let store = log.store.clone();
        let checking = log.hands.run(move || store.check_segment(LogIndex(first)));
        // Somebody else met the same damage, and it is mended.
        if let Ok(Ok(())) = checking.await {
            return Ok(());
        }
        count(&log.counts.damaged, 1);
        if !log.is_settled(first, self.state.applied().last.map(|id| id.index)) {
            return Err(format!("segment {first} is not sealed, or not all of it is committed"));
        }
        let group = self.member.group();
        let mut last = "there is no other replica".to_owned();
        for other in group.others() {
            match self.mend_from(first, other.node, &other.address).await {
                Ok(()) => {
                    count(&log.counts.mended, 1);
                    tracing::warn!(
                        segment = first,
                        node = other.node,
                        "a damaged segment was mended from another node"
                    );
                    return Ok(());
                }
                Err(why) => last = format!("node {}: {why}", other.node),
            }
        }
        Err(last)
    }

    async fn mend_from(&self, first: u64, node: u64, address: &str) -> Result<(), String> {
        let log = &self.state.log;
        let store = log.store.clone();
        let beginning = log.hands.run(move || store.mend_segment(LogIndex(first)));
        let mut mending = beginning.await.map_err(text)?.map_err(text)?;
        let mut offset = 0;
        for _ in 0..SEGMENT_PIECES_MAX {
            let told = self.member.ask(node, address, &Ask::Segment(first, offset), APPEND_WITHIN).await;
            let Told::Segment(length, piece) = told.map_err(text)? else {
                return Err("the answer is to another message".to_owned());
            };
            if length != mending.length().0 || piece.is_empty() {
                return Err("it does not have this segment".to_owned());
            }
            let at = offset;
            offset += u64::try_from(piece.len()).unwrap_or(u64::MAX);
            let writing = log.hands.run(move || mending.write(at, &piece).map(|()| mending));
            mending = writing.await.map_err(text)?.map_err(text)?;
            if length <= offset {
                let finishing = log.hands.run(move || Mending::finish(mending));
                return finishing.await.map_err(text)?.map_err(text);
            }
        }
        Err("it has no end".to_owned())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
