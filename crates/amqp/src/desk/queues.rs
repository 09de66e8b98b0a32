//! Declaring, purging and deleting queues.
//! Invariant: what another connection of this door has for itself is not touched.

use model::name::{QueueName, QueueRef};
use model::queue::{CreateQueue, DeleteMode, DeleteQueue, DescribeQueue, PurgeQueue, QueueDescription};
use model::{Call, Failure, Refusal, backend};

use super::Errand;
use crate::codec::class::queue;
use crate::codec::{ReplyCode, ShortText};
use crate::session::{Answer, Close};
use crate::translate;

impl Errand {
    /// Asks the broker.
    pub(super) async fn call<C: Call>(&self, request: C) -> Result<C::Reply, Failure> {
        backend::call(self.shared.backend.as_ref(), &self.caller, request).await
    }

    pub(super) fn host(&self) -> &str {
        translate::host(&self.namespace)
    }

    pub(super) fn no_queue(&self, name: &ShortText) -> Close {
        Close::new(ReplyCode::NotFound, format!("no queue '{name}' in vhost '{}'", self.host()))
    }

    pub(super) fn queue(&self, name: &ShortText) -> Result<QueueRef, Close> {
        let queue = QueueName::parse(name.as_str()).map_err(|_| self.no_queue(name))?;
        let queue = QueueRef { namespace: self.namespace.clone(), name: queue };
        if self.shared.holder(&queue).is_some_and(|holder| holder != self.connection) {
            let text = format!(
                "cannot obtain exclusive access to locked queue '{name}' in vhost '{}'. It could be originally declared \
                 on another connection or the exclusive property value does not match that of the original declaration.",
                self.host()
            );
            return Err(Close::new(ReplyCode::ResourceLocked, text));
        }
        Ok(queue)
    }

    pub(super) fn queue_failure(&self, name: &ShortText, failure: &Failure) -> Close {
        if let Failure::Refused(Refusal::QueueNotFound { .. }) = failure {
            return self.no_queue(name);
        }
        translate::close(failure)
    }

    pub(super) async fn declare_queue(&self, declare: queue::Declare) -> Result<Answer, Close> {
        let name = declare.queue.clone();
        let queue = self.queue(&name)?;
        let failed = |failure: Failure| self.queue_failure(&name, &failure);
        if declare.passive {
            return self.call(DescribeQueue { queue }).await.map(declared).map_err(failed);
        }
        let settings = translate::queue_settings(&declare)?;
        self.call(CreateQueue { queue, settings }).await.map(|created| declared(created.description)).map_err(failed)
    }

    pub(super) async fn purge_queue(&self, purge: queue::Purge) -> Result<Answer, Close> {
        let queue = self.queue(&purge.queue)?;
        let removed = self.call(PurgeQueue { queue }).await;
        removed
            .map(|removed| Answer::Removed(translate::count(removed.messages)))
            .map_err(|failure| self.queue_failure(&purge.queue, &failure))
    }

    pub(super) async fn delete_queue(&self, delete: queue::Delete) -> Result<Answer, Close> {
        let Ok(queue) = self.queue(&delete.queue) else { return Ok(Answer::Removed(0)) };
        let mode = if delete.if_empty { DeleteMode::IfEmpty } else { DeleteMode::Force };
        match self.call(DeleteQueue { queue: queue.clone(), mode }).await {
            Ok(removed) => {
                self.shared.release(&queue);
                Ok(Answer::Removed(translate::count(removed.messages)))
            }
            Err(Failure::Refused(Refusal::QueueNotFound { .. })) => Ok(Answer::Removed(0)),
            Err(failure) => Err(self.queue_failure(&delete.queue, &failure)),
        }
    }

    pub(super) async fn delete_own_queues(&self) {
        for queue in self.shared.queues_of(&self.connection) {
            // A queue that cannot be deleted now goes with the next start of the broker.
            let _ = self.call(DeleteQueue { queue: queue.clone(), mode: DeleteMode::Force }).await;
            self.shared.release(&queue);
        }
    }
}

fn declared(description: QueueDescription) -> Answer {
    Answer::Declared {
        queue: ShortText::cut(description.queue.name.as_str()),
        messages: translate::count(description.counts.ready),
        consumers: description.consumers,
    }
}
