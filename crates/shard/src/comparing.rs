//! The leader tells the others the hashes of its state; one that has another at the same place stops.
//! Invariant: a replica whose state differs from the leader's answers nothing more.
//! Started by `Shard::open` where there are peers. Tests: `tests/mending.rs`.

use crate::limits::{APPEND_WITHIN, HOUSEKEEPING_PERIOD};
use crate::machine::StateMachine;
use crate::raft::member::Member;
use crate::raft::message::{Ask, Told};
use crate::raft::state::State;
use crate::submitter::Submitter;
use crate::upkeep::count;

/// States are written in the form of one release, and compared only within it.
pub(crate) const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Compares until the shard stops.
pub(crate) async fn compare_when_noted<M: StateMachine>(member: Member<M>, state: State<M>, submitter: Submitter<M>) {
    loop {
        tokio::select! {
            biased;
            () = submitter.stopped() => return,
            () = state.log.states.noted.notified() => {}
            // For one that was away, or behind.
            () = tokio::time::sleep(HOUSEKEEPING_PERIOD) => {}
        }
        if submitter.is_leader() {
            compare(&member, &state).await;
        }
    }
}

async fn compare<M: StateMachine>(member: &Member<M>, state: &State<M>) {
    let states = state.log.states.all();
    if states.is_empty() {
        return;
    }
    let group = member.group();
    for other in group.others() {
        let ask = Ask::States(RELEASE.to_owned(), states.clone());
        match member.ask(other.node, &other.address, &ask, APPEND_WITHIN).await {
            Ok(Told::States(None)) => count(&state.log.counts.compared, 1),
            Ok(Told::States(Some(index))) => {
                count(&state.log.counts.differing, 1);
                tracing::error!(node = other.node, index, "the state of this node differs from the leader's, it stops");
            }
            // It is asked again in a while.
            Ok(_) | Err(_) => {}
        }
    }
}
