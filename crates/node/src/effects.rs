//! Effects on their way from the log to the leader's runtime: a set, since an effect that waits already need
//! not wait twice. A wake-up that nobody waits for is dropped, so that a publish alone wakes no thread.
//! Invariant: bounded by the number of sources and partitions; nothing that was put in is lost. Whoever is going
//! to wait says so first and looks at the machine then, so either its look or the wake-up finds what it waits for.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker::effect::Effect;
use broker::place::SourceId;
use model::number::TopicId;
use tokio::sync::Notify;

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    /// Ready messages of a source.
    Source(SourceId),
    /// A longer partition of a topic.
    Topic(TopicId),
}

#[derive(Default)]
struct State {
    waiting: BTreeSet<Effect>,
    awaited: BTreeSet<Awaited>,
}

impl State {
    fn concerns_somebody(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Wake(source) => self.awaited.contains(&Awaited::Source(*source)),
            Effect::Appended(topic, _) => self.awaited.contains(&Awaited::Topic(*topic)),
            Effect::Rebalanced(_) | Effect::Attend(_) | Effect::Gone(_) => true,
        }
    }
}

#[derive(Default)]
pub(crate) struct Effects {
    state: Mutex<State>,
    arrived: Notify,
}

impl Effects {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is going to look at the machine and to wait for this.
    pub(crate) fn expect(&self, awaited: Awaited) {
        self.state().awaited.insert(awaited);
    }

    /// Nobody waits for this any more.
    pub(crate) fn forget(&self, awaited: Awaited) {
        self.state().awaited.remove(&awaited);
    }

    /// Nobody waits for anything any more.
    pub(crate) fn forget_all(&self) {
        *self.state() = State::default();
    }

    /// Puts in what a batch asks for. Called by the log; never waits.
    pub(crate) fn put(&self, effects: Vec<Effect>) {
        let mut state = self.state();
        let before = state.waiting.len();
        for effect in effects {
            if state.concerns_somebody(&effect) {
                state.waiting.insert(effect);
            }
        }
        let is_more = before < state.waiting.len();
        drop(state);
        if is_more {
            self.arrived.notify_one();
        }
    }

    /// Takes all that waits; waits for some if there is none.
    pub(crate) async fn take(&self) -> BTreeSet<Effect> {
        loop {
            let taken = std::mem::take(&mut self.state().waiting);
            if !taken.is_empty() {
                return taken;
            }
            self.arrived.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::number::{Partition, QueueId};

    use super::*;

    fn waiting(effects: &Effects) -> Vec<Effect> {
        std::mem::take(&mut effects.state().waiting).into_iter().collect()
    }

    #[test]
    fn only_a_wake_up_that_somebody_waits_for_is_kept() {
        let effects = Effects::default();
        let (source, topic) = (SourceId::Queue(QueueId::new(1)), TopicId::new(2));
        let (wake, appended) = (Effect::Wake(source), Effect::Appended(topic, Partition::new(0)));
        effects.put(vec![wake, appended, Effect::Rebalanced(source), Effect::Gone(source)]);
        assert_eq!(waiting(&effects), [Effect::Rebalanced(source), Effect::Gone(source)]);
        effects.expect(Awaited::Source(source));
        effects.expect(Awaited::Topic(topic));
        effects.put(vec![wake, wake, appended]);
        assert_eq!(waiting(&effects), [wake, appended]);
        effects.forget(Awaited::Source(source));
        effects.put(vec![wake, appended]);
        assert_eq!(waiting(&effects), [appended]);
    }
}
