//! The node's view of a shard: propose commands, read the machine, fetch payloads.
//! Invariant: what is read here is committed state of the present leadership.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use broker::Machine;
use broker::command::Command;
use broker::outcome::Outcome;
use broker::place::MessageRef;
use bytes::Bytes;
use model::failure::Failure;
use model::number::{LogIndex, Timestamp};
use model::refusal::Refusal;
use shard::{Clock, Shard, SystemClock};

/// What a command came to.
pub(crate) type Answer = Result<Outcome, Refusal>;

/// A command that stands in the log's inbox, in its order; its answer follows.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

/// One shard, as the node uses it.
#[derive(Clone)]
pub(crate) struct Log {
    shard: Shard<Machine>,
}

impl Log {
    pub(crate) const fn new(shard: Shard<Machine>) -> Self {
        Self { shard }
    }

    pub(crate) const fn shard(&self) -> &Shard<Machine> {
        &self.shard
    }

    /// Does a command and waits for its answer.
    pub(crate) async fn submit(&self, command: Command) -> Result<Answer, Failure> {
        self.shard.submit(command).await
    }

    /// Puts a command into the inbox now, so that it stands before everything that is proposed later.
    pub(crate) fn propose(&self, command: Command) -> Result<Pending, Failure> {
        let shard = self.shard.clone();
        let mut pending: Pending = Box::pin(async move { shard.submit(command).await });
        // The first poll enters the inbox; a refusal to let it in is known at once.
        match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(failure)) => Err(failure),
            Poll::Ready(Ok(answer)) => Ok(Box::pin(std::future::ready(Ok(answer)))),
            Poll::Pending => Ok(pending),
        }
    }

    /// The newest batch that is applied: whoever was just answered lies at or before it.
    pub(crate) fn applied(&self) -> LogIndex {
        self.read(Machine::applied).unwrap_or_default()
    }

    /// Looks at the machine, briefly.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&Machine) -> R) -> Result<R, Failure> {
        self.shard.with_machine(look)
    }

    /// The bytes of messages, in the order of their places; `None` where retention, a purge or an ack was
    /// faster than the fetch.
    pub(crate) async fn fetch(&self, places: &[MessageRef]) -> Result<Vec<Option<Bytes>>, Failure> {
        self.shard.fetch_many(places).await
    }

    /// The time of day, for the end of leases that begin now.
    pub(crate) fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}
