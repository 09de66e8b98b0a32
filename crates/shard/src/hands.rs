//! Who does what blocks on the disk: threads in production, the tasks themselves in a simulation.
//! Invariant: in a simulation nothing of a shard leaves the thread that polls it, so that a run can be repeated.
//! Used by every room that touches the disk. Tests: the determinism test of the simulator.

use std::sync::Arc;
use std::time::Duration;

use storage::{SegmentStore, Threads};
use tokio::sync::Notify;
use tokio::task::JoinError;

/// How long a simulated disk takes, in the time of the runtime.
pub trait Pace: Send + Sync + 'static {
    /// The time until the next piece of work is done.
    fn next(&self) -> Duration;
}

/// Who does the work that blocks.
#[derive(Clone, Default)]
pub enum Hands {
    /// Threads beside the runtime; the store has a writer of its own.
    #[default]
    Threads,
    /// The tasks, each piece after a pause. For simulations on one thread.
    Tasks(Arc<dyn Pace>),
}

impl Hands {
    /// Who writes in the store.
    pub(crate) const fn threads(&self) -> Threads {
        match self {
            Self::Threads => Threads::Own,
            Self::Tasks(_) => Threads::Caller,
        }
    }

    /// Whether there are threads for what blocks.
    pub(crate) const fn have_threads(&self) -> bool {
        matches!(self, Self::Threads)
    }

    /// Does a piece of work that may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        match self {
            Self::Threads => tokio::task::spawn_blocking(work).await,
            Self::Tasks(pace) => {
                tokio::time::sleep(pace.next()).await;
                Ok(work())
            }
        }
    }
}

/// Tells the writer of a simulated store that something waits; in production the store's own thread knows.
#[derive(Clone, Default)]
pub(crate) struct Bell {
    rung: Option<Arc<Notify>>,
}

impl Bell {
    /// Starts the task that writes, where no thread does.
    pub(crate) fn hang(hands: &Hands, store: &SegmentStore) -> Self {
        let Hands::Tasks(pace) = hands else { return Self::default() };
        let rung = Arc::new(Notify::new());
        crate::process::spawn(write_when_rung(store.clone(), Arc::clone(&rung), Arc::clone(pace)));
        Self { rung: Some(rung) }
    }

    /// Something was submitted to the store.
    pub(crate) fn ring(&self) {
        if let Some(rung) = &self.rung {
            rung.notify_one();
        }
    }
}

/// Works until the runtime ends.
async fn write_when_rung(store: SegmentStore, rung: Arc<Notify>, pace: Arc<dyn Pace>) {
    loop {
        rung.notified().await;
        tokio::time::sleep(pace.next()).await;
        store.run_queued().expect("the store was opened for a writer without a thread");
    }
}
