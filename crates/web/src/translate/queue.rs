//! Queues: settings, patches, descriptions, and pages of anything.
//! Invariant: settings that passed `check` are within every limit.
//! Used by `rest::queues`; tests in `translate/tests.rs`.

use model::binding::RoutingKey;
use model::name::{ExchangeName, QueueName, UserName};
use model::number::{ByteSize, Priority, Span, Timestamp};
use model::page;
use model::queue::{Life, QueueCounts, QueueDescription, QueuePatch, QueueSettings, RedriveProgress, Removed, Totals};
use model::refusal::Refusal;
use utoipa::ToSchema;

use crate::wire;

pub(super) fn owner(owner: Option<UserName>) -> Option<wire::Name> {
    owner.map(|name| name.as_str().into())
}

impl Default for wire::QueueSettings {
    fn default() -> Self {
        QueueSettings::default().into()
    }
}

impl From<QueueSettings> for wire::QueueSettings {
    fn from(settings: QueueSettings) -> Self {
        Self {
            max_messages: settings.max_messages,
            max_bytes: settings.max_bytes.map(ByteSize::get),
            overflow: settings.overflow.into(),
            message_ttl_ms: settings.message_ttl.map(Span::get),
            lease_ms: settings.lease.get(),
            delivery_limit: settings.delivery_limit,
            dead_letter: settings.dead_letter.map(|name| name.as_str().into()),
            deduplication_ms: settings.deduplication.get(),
            order: settings.order.into(),
            partitions: settings.partitions,
            dead_letter_exchange: settings.dead_letter_exchange.map(|name| name.word().into()),
            dead_letter_key: settings.dead_letter_key.map(|key| key.as_str().to_owned()),
            priority_max: settings.priority_max.map(Priority::get),
            expires_ms: settings.expires.map(Span::get),
            life: match settings.life {
                Life::Permanent => wire::Life::Permanent,
                Life::Transient => wire::Life::Transient,
                Life::Exclusive { holder } => wire::Life::Exclusive(holder),
            },
            auto_delete: settings.auto_delete,
            single_active_consumer: settings.single_active_consumer,
            consumer_timeout_ms: settings.consumer_timeout.map(Span::get),
            arguments: settings.arguments.into(),
        }
    }
}

fn exchange(name: &wire::Name) -> Result<ExchangeName, Refusal> {
    ExchangeName::parse_word(&name.0)
}

/// A change that may take away, with its value read.
fn patched<W, M>(
    patch: Option<Option<W>>,
    read: impl Fn(W) -> Result<M, Refusal>,
) -> Result<Option<Option<M>>, Refusal> {
    patch.map(|value| value.map(&read).transpose()).transpose()
}

impl TryFrom<wire::QueueSettings> for QueueSettings {
    type Error = Refusal;

    fn try_from(settings: wire::QueueSettings) -> Result<Self, Refusal> {
        let translated = Self {
            max_messages: settings.max_messages,
            max_bytes: settings.max_bytes.map(ByteSize::new),
            overflow: settings.overflow.into(),
            message_ttl: settings.message_ttl_ms.map(Span::new),
            lease: Span::new(settings.lease_ms),
            delivery_limit: settings.delivery_limit,
            dead_letter: settings.dead_letter.map(|name| QueueName::parse(&name.0)).transpose()?,
            deduplication: Span::new(settings.deduplication_ms),
            order: settings.order.into(),
            partitions: settings.partitions,
            dead_letter_exchange: settings.dead_letter_exchange.as_ref().map(exchange).transpose()?,
            dead_letter_key: settings.dead_letter_key.as_deref().map(RoutingKey::parse).transpose()?,
            priority_max: settings.priority_max.map(Priority::new),
            expires: settings.expires_ms.map(Span::new),
            life: match settings.life {
                wire::Life::Permanent => Life::Permanent,
                wire::Life::Transient => Life::Transient,
                wire::Life::Exclusive(holder) => Life::Exclusive { holder },
            },
            auto_delete: settings.auto_delete,
            single_active_consumer: settings.single_active_consumer,
            consumer_timeout: settings.consumer_timeout_ms.map(Span::new),
            arguments: settings.arguments.try_into()?,
        };
        translated.check()?;
        Ok(translated)
    }
}

impl TryFrom<wire::QueuePatch> for QueuePatch {
    type Error = Refusal;

    fn try_from(patch: wire::QueuePatch) -> Result<Self, Refusal> {
        let translated = Self {
            max_messages: patch.max_messages,
            max_bytes: patch.max_bytes.map(|bound| bound.map(ByteSize::new)),
            overflow: patch.overflow.map(Into::into),
            message_ttl: patch.message_ttl_ms.map(|span| span.map(Span::new)),
            lease: patch.lease_ms.map(Span::new),
            delivery_limit: patch.delivery_limit,
            dead_letter: patched(patch.dead_letter, |name| QueueName::parse(&name.0))?,
            deduplication: patch.deduplication_ms.map(Span::new),
            dead_letter_exchange: patched(patch.dead_letter_exchange, |name| exchange(&name))?,
            dead_letter_key: patched(patch.dead_letter_key, |key| RoutingKey::parse(&key))?,
            expires: patch.expires_ms.map(|span| span.map(Span::new)),
            consumer_timeout: patch.consumer_timeout_ms.map(|span| span.map(Span::new)),
        };
        Ok(translated)
    }
}

impl From<QueueCounts> for wire::QueueCounts {
    fn from(counts: QueueCounts) -> Self {
        Self { ready: counts.ready, delayed: counts.delayed, leased: counts.leased, bytes: counts.bytes.get() }
    }
}

impl From<Totals> for wire::Totals {
    fn from(totals: Totals) -> Self {
        Self {
            published: totals.published,
            delivered: totals.delivered,
            acknowledged: totals.acknowledged,
            redelivered: totals.redelivered,
            dead_lettered: totals.dead_lettered,
            dropped: totals.dropped,
        }
    }
}

impl From<RedriveProgress> for wire::RedriveProgress {
    fn from(progress: RedriveProgress) -> Self {
        Self { moved: progress.moved, rate: progress.rate }
    }
}

impl From<QueueDescription> for wire::QueueDescription {
    fn from(queue: QueueDescription) -> Self {
        Self {
            namespace: queue.queue.namespace.as_str().into(),
            name: queue.queue.name.as_str().into(),
            id: queue.id.get(),
            owner: owner(queue.owner),
            created_at: queue.created_at.get(),
            settings: queue.settings.into(),
            policy: queue.policy.map(|policy| wire::AppliedPolicy {
                name: policy.name.as_str().into(),
                settings: policy.settings.into(),
            }),
            counts: queue.counts.into(),
            oldest_ready_at: queue.oldest_ready_at.map(Timestamp::get),
            oldest_leased_at: queue.oldest_leased_at.map(Timestamp::get),
            totals: queue.totals.into(),
            consumers: queue.consumers,
            redrive: queue.redrive.map(wire::RedriveProgress::from),
        }
    }
}

impl From<Removed> for wire::Removed {
    fn from(removed: Removed) -> Self {
        Self { messages: removed.messages }
    }
}

impl<M, W: From<M> + ToSchema> From<page::Page<M>> for wire::Page<W> {
    fn from(page: page::Page<M>) -> Self {
        Self { items: page.items.into_iter().map(W::from).collect(), next: page.next }
    }
}

impl wire::PageQuery {
    /// The prefix and the part of the list.
    pub(crate) fn split(self) -> Result<(String, page::PageRequest), Refusal> {
        Ok((self.prefix, page::PageRequest::new(self.limit, self.cursor)?))
    }
}

impl wire::DeleteQuery {
    /// What a delete does with what is left.
    pub(crate) const fn mode(self) -> model::queue::DeleteMode {
        if self.force { model::queue::DeleteMode::Force } else { model::queue::DeleteMode::IfEmpty }
    }
}
