//! The process that a shard's tasks belong to, where a simulation runs several nodes on one thread: it can be held still,
//! and killed, as the operating system does with a real one.
//! Invariant: what a task of a process starts belongs to the process; nothing of a process that is killed or held goes on.
//! In production there is none, and tasks are those of the runtime. Tests: below, and every seed of the simulator.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::{AbortHandle, JoinHandle};

thread_local! {
    static CURRENT: RefCell<Option<Process>> = const { RefCell::new(None) };
}

/// The process was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process was killed")]
pub struct Killed;

#[derive(Default)]
struct State {
    is_killed: bool,
    is_held: bool,
    next: u64,
    /// Who waits to be told that the process goes on, or is killed, in the order in which they came.
    waiting: BTreeMap<u64, Waker>,
    tasks: Vec<AbortHandle>,
}

/// A simulated process. Clones are the same one.
#[derive(Clone)]
pub struct Process {
    number: u64,
    state: Arc<Mutex<State>>,
}

impl Process {
    /// A process with a number that tells it from others.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self { number, state: Arc::default() }
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The process whose task is running on this thread.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something as a part of this process.
    pub fn run<F: Future>(&self, future: F) -> Within<F> {
        let mut state = self.state();
        state.next += 1;
        Within { process: self.clone(), id: state.next, future: Some(Box::pin(future)) }
    }

    /// Ends it: none of its tasks takes another step.
    pub fn kill(&self) {
        let mut state = self.state();
        state.is_killed = true;
        let tasks = std::mem::take(&mut state.tasks);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        tasks.iter().for_each(AbortHandle::abort);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Whether it was killed.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.state().is_killed
    }

    /// Holds it still: time goes on, and its tasks do not.
    pub fn hold(&self) {
        self.state().is_held = true;
    }

    /// Whether it is held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.state().is_held
    }

    /// Lets it go on.
    pub fn resume(&self) {
        let mut state = self.state();
        state.is_held = false;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    fn keep(&self, task: AbortHandle) {
        let mut state = self.state();
        if state.tasks.len() == state.tasks.capacity() {
            state.tasks.retain(|task| !task.is_finished());
        }
        state.tasks.push(task);
    }
}

/// Starts a task of the process that is running, or of the runtime where there is none.
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let Some(process) = Process::current() else { return tokio::spawn(future) };
    let within = process.run(future);
    let task = tokio::spawn(async move {
        match within.await {
            Ok(output) => output,
            // The task is cancelled as well.
            Err(Killed) => std::future::pending().await,
        }
    });
    process.keep(task.abort_handle());
    task
}

/// Something that is done as a part of a process.
pub struct Within<F: Future> {
    process: Process,
    id: u64,
    future: Option<Pin<Box<F>>>,
}

/// Puts back who was running before.
struct Before(Option<Process>);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl<F: Future> Future for Within<F> {
    type Output = Result<F::Output, Killed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let is_held = {
            let mut state = this.process.state();
            if !state.is_killed {
                state.waiting.insert(this.id, context.waker().clone());
            }
            state.is_held && !state.is_killed
        };
        if is_held {
            return Poll::Pending;
        }
        let polled = match this.future.as_mut().filter(|_| !this.process.is_killed()) {
            None => Poll::Pending,
            Some(future) => {
                let _before = Before(CURRENT.replace(Some(this.process.clone())));
                future.as_mut().poll(context)
            }
        };
        // It may have been killed by what it did itself.
        if this.process.is_killed() {
            this.future = None;
            return Poll::Ready(Err(Killed));
        }
        polled.map(Ok)
    }
}

impl<F: Future> Drop for Within<F> {
    fn drop(&mut self) {
        self.process.state().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A task of a process that counts its steps, started by another task of it.
    fn counting(process: &Process) -> Arc<AtomicU64> {
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        tokio::spawn(process.run(async move {
            drop(spawn(async move {
                loop {
                    counted.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            }));
        }));
        steps
    }

    /// Lets all tasks take many steps; gives how many steps this one took.
    async fn later(steps: &AtomicU64) -> u64 {
        let before = steps.load(Ordering::SeqCst);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        steps.load(Ordering::SeqCst) - before
    }

    #[tokio::test]
    async fn what_a_task_of_a_process_starts_is_held_and_killed_with_it() {
        let (one, other) = (Process::new(1), Process::new(2));
        let (held, free) = (counting(&one), counting(&other));
        assert!(later(&held).await > 50);
        one.hold();
        assert_eq!(later(&held).await, 0, "held");
        assert!(later(&free).await > 50);
        one.resume();
        assert!(later(&held).await > 50);
        one.kill();
        assert_eq!(later(&held).await, 0, "killed");
        assert_eq!(Arc::strong_count(&held), 1, "what was killed is gone");
        assert_eq!(one.run(async {}).await, Err(Killed));
        assert!(later(&free).await > 50);
    }

    #[tokio::test]
    async fn who_waits_for_a_process_hears_that_it_was_killed() {
        let process = Process::new(7);
        assert_eq!(process.run(async { Process::current().map(|own| own.number()) }).await, Ok(Some(7)));
        assert!(Process::current().is_none());
        let waiting = tokio::spawn(process.run(std::future::pending::<()>()));
        tokio::task::yield_now().await;
        process.kill();
        assert_eq!(waiting.await.unwrap(), Err(Killed));
    }
}
