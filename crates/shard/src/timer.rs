//! Proposes a batch when the machine wants one because time passed.
//! Invariant: ticks are at least `TICK_PAUSE` apart, and only the leader proposes them.
//! Started by `Shard::open`. Tests: `tests/timer.rs`.

use std::sync::Arc;
use std::time::Duration;

use model::number::{Span, Timestamp};

use crate::clock::Clock;
use crate::limits::{RETRY_PAUSE, TICK_PAUSE, TIMER_HORIZON};
use crate::machine::StateMachine;
use crate::submitter::Submitter;
use crate::watch;

/// Works until the shard stops.
pub(crate) async fn tick_when_due<M: StateMachine>(
    submitter: Submitter<M>,
    clock: Arc<dyn Clock>,
    mut deadline: watch::Receiver<Option<Timestamp>>,
) {
    while !submitter.is_stopped() {
        let due = *deadline.borrow_and_update();
        let wait = due.map_or(TIMER_HORIZON, |due| due.since(clock.now()).min(TIMER_HORIZON));
        if due.is_some() && wait == Span::new(0) {
            let pause = if submitter.submit_own(M::tick()).await.is_ok() { TICK_PAUSE } else { RETRY_PAUSE };
            tokio::time::sleep(pause).await;
            continue;
        }
        tokio::select! {
            biased;
            changed = deadline.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(Duration::from_millis(wait.get())) => {}
            () = submitter.stopped() => return,
        }
    }
}
