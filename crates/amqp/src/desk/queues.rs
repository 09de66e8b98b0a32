//! Declaring, purging and deleting queues.
//! Invariant: what another connection of this door has for itself is not touched.

use model::access::Right;
use model::name::{QueueName, QueueRef};
use model::queue::{CreateQueue, DeleteMode, DeleteQueue, DescribeQueue, Life, PurgeQueue, QueueDescription};
use model::{Call, Failure, Refusal, backend};

use super::Errand;
use super::streams::is_no_queue;
use crate::codec::class::queue;
use crate::codec::{ReplyCode, ShortText};
use crate::session::{Answer, Close};
use crate::{random, translate};

/// What only the broker's names begin with.
const RESERVED: &str = "amq.";

impl Errand {
    /// Asks the broker.
    pub(super) async fn call<C: Call>(&self, request: C) -> Result<C::Reply, Failure> {
        backend::call(self.shared.backend.as_ref(), &self.caller, request).await
    }

    pub(super) fn host(&self) -> &str {
        rabbit::host(&self.namespace)
    }

    pub(super) fn no_queue(&self, name: &ShortText) -> Close {
        Close::new(ReplyCode::NotFound, format!("no queue '{name}' in vhost '{}'", self.host()))
    }

    /// A right that is missing, in the words of RabbitMQ's three permissions.
    pub(super) fn forbidden(&self, right: Right, what: &str, name: &ShortText) -> Close {
        let permission = match right {
            Right::Publish => "write",
            Right::Consume | Right::Peek | Right::Describe | Right::Purge => "read",
            Right::Create
            | Right::Alter
            | Right::Delete
            | Right::Seek
            | Right::Administer
            | Right::Monitor
            | Right::Audit => "configure",
        };
        let (host, user) = (self.host(), &self.caller.name);
        let text = format!("{permission} access to {what} '{name}' in vhost '{host}' refused for user '{user}'");
        Close::new(ReplyCode::AccessRefused, text)
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

    /// A queue that may have to be made.
    fn queue_to_make(&self, name: &ShortText) -> Result<QueueRef, Close> {
        if let Err(refusal) = QueueName::parse(name.as_str()) {
            return Err(translate::close(&refusal.into()));
        }
        self.queue(name)
    }

    pub(super) fn queue_failure(&self, name: &ShortText, failure: &Failure) -> Close {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the rest has no words of RabbitMQ")]
        match failure {
            Failure::Refused(Refusal::QueueNotFound { .. }) => self.no_queue(name),
            Failure::Refused(Refusal::Forbidden { right }) => self.forbidden(*right, "queue", name),
            Failure::Refused(Refusal::QueueNotEmpty { .. }) => Close::new(
                ReplyCode::PreconditionFailed,
                format!("queue '{name}' in vhost '{}' not empty", self.host()),
            ),
            failure => translate::close(failure),
        }
    }

    /// What a queue is and holds.
    pub(super) async fn described(&self, name: &ShortText) -> Result<QueueDescription, Failure> {
        let queue = QueueName::parse(name.as_str())?;
        self.call(DescribeQueue { queue: QueueRef { namespace: self.namespace.clone(), name: queue } }).await
    }

    pub(super) async fn declare_queue(&self, mut declare: queue::Declare) -> Result<Answer, Close> {
        let chosen = !declare.queue.is_empty();
        if !chosen {
            declare.queue = ShortText::cut(format!("amq.gen-{}", random::token()));
        }
        let name = declare.queue.clone();
        if declare.passive {
            let failure = match self.call(DescribeQueue { queue: self.queue(&name)? }).await {
                Ok(description) => return Ok(declared(description)),
                Err(failure) => failure,
            };
            let stream = if is_no_queue(&failure) { self.declared_stream(&name).await } else { None };
            return stream.ok_or_else(|| self.queue_failure(&name, &failure));
        }
        let queue = self.queue_to_make(&name)?;
        if chosen && name.as_str().starts_with(RESERVED) {
            self.demand_there(&name, &queue).await?;
        }
        if translate::is_stream(&declare) {
            return self.declare_stream(&declare, queue).await;
        }
        let settings = translate::queue_settings(&declare, &self.namespace, self.connection.as_str())?;
        self.demand_no_topic(&declare).await?;
        let request = CreateQueue { queue: queue.clone(), settings: settings.clone() };
        match self.call(request).await {
            Ok(created) => {
                if matches!(created.description.settings.life, Life::Exclusive { .. }) {
                    self.shared.hold(queue, self.connection.clone());
                }
                Ok(declared(created.description))
            }
            Err(Failure::Refused(Refusal::QueueExists { .. })) => {
                let there = self.call(DescribeQueue { queue }).await;
                let there = there.map_err(|failure| self.queue_failure(&name, &failure))?;
                Err(translate::inequivalence(&declare, &settings, &there.settings, self.host()))
            }
            Err(failure) => Err(self.queue_failure(&name, &failure)),
        }
    }

    /// A name that only the broker gives may be used, but not made.
    async fn demand_there(&self, name: &ShortText, queue: &QueueRef) -> Result<(), Close> {
        match self.call(DescribeQueue { queue: queue.clone() }).await {
            Err(Failure::Refused(Refusal::QueueNotFound { .. })) => {
                let text = format!("queue name '{name}' contains reserved prefix '{RESERVED}*'");
                Err(Close::new(ReplyCode::AccessRefused, text))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) async fn purge_queue(&self, purge: queue::Purge) -> Result<Answer, Close> {
        let queue = self.queue(&purge.queue)?;
        match self.call(PurgeQueue { queue }).await {
            Ok(removed) => Ok(Answer::Removed(translate::count(removed.messages))),
            Err(failure) => {
                self.demand_no_stream(&purge.queue, "queue.purge", &failure).await?;
                Err(self.queue_failure(&purge.queue, &failure))
            }
        }
    }

    pub(super) async fn delete_queue(&self, delete: queue::Delete) -> Result<Answer, Close> {
        if QueueName::parse(delete.queue.as_str()).is_err() {
            return Ok(Answer::Removed(0));
        }
        let queue = self.queue(&delete.queue)?;
        if delete.if_unused {
            self.demand_unused(&delete.queue, &queue).await?;
        }
        let mode = if delete.if_empty { DeleteMode::IfEmpty } else { DeleteMode::Force };
        match self.call(DeleteQueue { queue: queue.clone(), mode }).await {
            Ok(removed) => {
                self.shared.release(&queue);
                Ok(Answer::Removed(translate::count(removed.messages)))
            }
            Err(failure) => self.delete_stream(&delete, failure).await,
        }
    }

    /// What cannot be seen may be in use, and is not deleted.
    async fn demand_unused(&self, name: &ShortText, queue: &QueueRef) -> Result<(), Close> {
        match self.call(DescribeQueue { queue: queue.clone() }).await {
            Ok(description) if description.consumers > 0 => {
                let text = format!("queue '{name}' in vhost '{}' in use", self.host());
                Err(Close::new(ReplyCode::PreconditionFailed, text))
            }
            Ok(_) | Err(Failure::Refused(Refusal::QueueNotFound { .. })) => Ok(()),
            Err(failure) => Err(self.queue_failure(name, &failure)),
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
