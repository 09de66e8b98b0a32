//! The consumer's end of a stream of leased deliveries. Dropping it ends the consumer.

use std::task::{Context, Poll};

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
        if let Some(takers) = self.runtime.sources().get_mut(&self.source) {
            takers.stop(self.id);
        }
    }
}

impl Drop for LeasedDeliveries {
    fn drop(&mut self) {
        let left = self.runtime.sources().get_mut(&self.source).map(|takers| takers.leave(self.id));
        self.runtime.release(self.source, left.unwrap_or_default());
    }
}
