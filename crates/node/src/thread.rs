//! The thread of a shard: its sequencer, consensus, state machine and timer run as tasks on one thread, so
//! that a command passes from one to the next without waking another core each time.
//! Invariant: nothing on it blocks but the disk's own thread, which it does not wait for.

use std::future::Future;

use model::failure::{Failure, Fault};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A running thread; it ends when this is dropped.
pub(crate) struct ShardThread {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl ShardThread {
    pub(crate) fn start() -> Result<Self, Failure> {
        // No sockets: a thread without them sleeps on a futex, which is quicker to wake than a poll of files.
        let runtime = Builder::new_current_thread().enable_time().build().map_err(broken)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let named = std::thread::Builder::new().name("shard-0".to_owned());
        named
            .spawn(move || {
                // Ends with an error when the other half is dropped, which is what it is for.
                let _ = runtime.block_on(ended);
            })
            .map_err(broken)?;
        Ok(Self { handle, _end: end })
    }

    /// Runs something on the thread; what it spawns stays there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        self.handle.spawn(work).await.map_err(broken)
    }
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Fault { what: format!("the thread of the shard cannot run: {error}") }.into()
}
