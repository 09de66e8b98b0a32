//! The consumer's end of a stream of leased deliveries. Dropping it ends the consumer.

use std::task::{Context, Poll};

use broker::command::Usage;
use broker::place::SourceId;
use model::backend::Deliveries;
use model::failure::Failure;
use model::message::Delivery;
use tokio::sync::mpsc;

use super::Runtime;
use super::takers::TakerId;

pub(super) struct LeasedDeliveries {
    runtime: Runtime,
    source: SourceId,
    id: TakerId,
    deliveries: mpsc::Receiver<Result<Vec<Delivery>, Failure>>,
}

impl LeasedDeliveries {
    pub(super) const fn new(
        runtime: Runtime,
        source: SourceId,
        id: TakerId,
        deliveries: mpsc::Receiver<Result<Vec<Delivery>, Failure>>,
    ) -> Self {
        Self { runtime, source, id, deliveries }
    }
}

impl Deliveries for LeasedDeliveries {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        self.deliveries.poll_recv(context)
    }

    fn add_credit(&mut self, messages: u32) {
        if let Some(takers) = self.runtime.sources().get_mut(&self.source) {
            takers.add_credit(self.id, messages);
        }
        self.runtime.serve(self.source);
    }

    fn stop(&mut self) {
        let mut sources = self.runtime.sources();
        let Some(takers) = sources.get_mut(&self.source) else { return };
        let left = takers.stop(self.id);
        let is_last = left && !takers.is_consumed();
        if is_last {
            self.runtime.note_use(self.source, Usage::Left);
        }
        drop(sources);
        // Who waited for this one to go has its turn now.
        self.runtime.serve(self.source);
    }
}

impl Drop for LeasedDeliveries {
    fn drop(&mut self) {
        let mut sources = self.runtime.sources();
        let Some(takers) = sources.get_mut(&self.source) else { return };
        let goes = takers.stop(self.id);
        let left = takers.leave(self.id);
        let is_last = goes && !takers.is_consumed();
        self.runtime.release(self.source, left);
        if is_last {
            self.runtime.note_use(self.source, Usage::Left);
        }
        drop(sources);
        // Who waited for this one to go has its turn now.
        self.runtime.serve(self.source);
    }
}
