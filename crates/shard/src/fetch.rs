//! Reads the messages that a consumer gets: from the tail in memory, else from a segment.
//! Invariants: decoded batches in memory are bounded in bytes; a message whose segment is gone is `None`, damage
//! is a fault; what may still be cut off the log is never read ahead. Reads of the disk never block a task.
//! Called by `Shard::fetch`. Tests: below, `tests/fetch.rs`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use broker::place::MessageRef;
use bytes::Bytes;
use model::failure::Fault;

use crate::limits::READ_AHEAD_BYTES;
use crate::machine::StateMachine;
use crate::raft::log::Log;

/// The messages of one batch.
type Messages = Arc<[Bytes]>;

#[derive(Debug)]
struct Kept {
    messages: Messages,
    bytes: usize,
    used: u64,
}

#[derive(Debug, Default)]
struct State {
    kept: BTreeMap<u64, Kept>,
    /// When each was used last, oldest first.
    uses: BTreeMap<u64, u64>,
    bytes: usize,
    clock: u64,
}

/// Batches that were decoded for a consumer, the least recently used go first.
#[derive(Debug)]
pub(crate) struct Decoded {
    state: Mutex<State>,
    bytes_max: usize,
}

impl Decoded {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::new(State::default()), bytes_max }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn get(&self, index: u64) -> Option<Messages> {
        let mut state = self.state();
        let state = &mut *state;
        let kept = state.kept.get_mut(&index)?;
        state.clock += 1;
        state.uses.remove(&kept.used);
        state.uses.insert(state.clock, index);
        kept.used = state.clock;
        Some(Arc::clone(&kept.messages))
    }

    fn has(&self, index: u64) -> bool {
        self.state().kept.contains_key(&index)
    }

    fn put(&self, index: u64, messages: &Messages, bytes: usize) {
        let mut state = self.state();
        let state = &mut *state;
        state.clock += 1;
        let fresh = Kept { messages: Arc::clone(messages), bytes, used: state.clock };
        state.uses.insert(state.clock, index);
        state.bytes += bytes;
        if let Some(old) = state.kept.insert(index, fresh) {
            state.uses.remove(&old.used);
            state.bytes -= old.bytes;
        }
        while self.bytes_max < state.bytes {
            let Some((_, oldest)) = state.uses.pop_first() else { break };
            if let Some(gone) = state.kept.remove(&oldest) {
                state.bytes -= gone.bytes;
            }
        }
    }
}

/// The messages at these places, in their order. What lies behind them is read with them, before `ahead_until`, where
/// they continue what was read last.
pub(crate) async fn fetch_many<M: StateMachine>(
    log: &Log,
    decoded: &Arc<Decoded>,
    wanted: &[MessageRef],
    ahead_until: impl FnOnce() -> u64,
) -> Result<Vec<Option<Bytes>>, Fault> {
    let mut batches: BTreeMap<u64, Option<Messages>> = BTreeMap::new();
    let mut missing = Vec::new();
    for at in wanted {
        let index = at.index.get();
        if batches.contains_key(&index) {
            continue;
        }
        let found = match decoded.get(index) {
            Some(messages) => Some(messages),
            None => match log.tail_batch(index) {
                Some(bytes) => Some(decode::<M>(log, decoded, index, bytes)?),
                None => None,
            },
        };
        if found.is_none() {
            missing.push(index);
        }
        batches.insert(index, found);
    }
    if !missing.is_empty() {
        batches.extend(read_missing::<M>(log, decoded, missing, ahead_until()).await?);
    }
    let message = |at: &MessageRef| {
        let position = usize::try_from(at.position).ok()?;
        batches.get(&at.index.get())?.as_ref()?.get(position).cloned()
    };
    Ok(wanted.iter().map(message).collect())
}

async fn read_missing<M: StateMachine>(
    log: &Log,
    decoded: &Arc<Decoded>,
    missing: Vec<u64>,
    ahead_until: u64,
) -> Result<BTreeMap<u64, Option<Messages>>, Fault> {
    let (reader, decoded) = (log.clone(), Arc::clone(decoded));
    let missing: Arc<[u64]> = missing.into();
    let reading = log.read_mended(move |_| {
        let mut found = BTreeMap::new();
        for index in missing.iter().copied() {
            if found.contains_key(&index) {
                continue;
            }
            let continues = index.checked_sub(1).is_some_and(|before| decoded.has(before));
            let ahead = if continues { ahead_until } else { 0 };
            let until = ahead.max(index + 1);
            for (at, bytes) in reader.read_batches(index, until, READ_AHEAD_BYTES)? {
                found.insert(at, decode::<M>(&reader, &decoded, at, bytes).map(Some));
            }
            found.entry(index).or_insert(Ok(None));
        }
        Ok(found)
    });
    let found = reading.await.map_err(|error| log.health.fault().unwrap_or_else(|| log.health.fail(error)))?;
    found.into_iter().map(|(index, messages)| Ok((index, messages?))).collect()
}

fn decode<M: StateMachine>(log: &Log, decoded: &Decoded, index: u64, bytes: Bytes) -> Result<Messages, Fault> {
    let size = bytes.len();
    let batch = M::decode(bytes).map_err(|error| log.health.fail(format!("batch {index} cannot be read: {error}")))?;
    let messages: Messages = M::messages(&batch).into();
    decoded.put(index, &messages, size);
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &'static str) -> Messages {
        Arc::from([Bytes::from_static(text.as_bytes())])
    }

    #[test]
    fn the_batch_that_was_used_longest_ago_goes_first() {
        let decoded = Decoded::new(10);
        decoded.put(1, &messages("one"), 4);
        decoded.put(2, &messages("two"), 4);
        assert!(decoded.get(1).is_some());
        decoded.put(3, &messages("three"), 4);
        assert!(decoded.get(2).is_none());
        assert!(decoded.get(1).is_some() && decoded.get(3).is_some());
        decoded.put(3, &messages("three"), 2);
        assert_eq!(decoded.state().bytes, 6);
    }

    #[test]
    fn a_batch_larger_than_the_bound_is_not_kept() {
        let decoded = Decoded::new(10);
        decoded.put(1, &messages("one"), 11);
        assert!(decoded.get(1).is_none());
        assert_eq!(decoded.state().bytes, 0);
    }
}
