//! Subscriptions: settings, descriptions, offsets.
//! Invariant: a setting of the other kind is refused, not ignored.
//! Used by `rest::subscriptions`; tests in `translate/tests.rs`.

use model::limits::{DELIVERY_LIMIT_DEFAULT, DELIVERY_LIMIT_MAX, LEASE_MS_DEFAULT, MEMBER_SESSION_MS_DEFAULT};
use model::name::QueueName;
use model::number::{Offset, Partition, Span};
use model::queue::check_lease;
use model::refusal::Refusal;
use model::subscription::{
    Committed, PartitionOffset, PartitionProgress, SubscriptionDescription, SubscriptionKind, SubscriptionSettings,
};
use model::topic::StartAt;

use super::queue::owner;
use crate::wire;

impl TryFrom<wire::SubscriptionSettings> for SubscriptionSettings {
    type Error = Refusal;

    fn try_from(settings: wire::SubscriptionSettings) -> Result<Self, Refusal> {
        let start = settings.start.map_or(StartAt::Latest, StartAt::from);
        let kind = match settings.kind {
            wire::SubscriptionKind::Stream => stream(&settings)?,
            wire::SubscriptionKind::Shared => shared(&settings)?,
        };
        Ok(Self { kind, start })
    }
}

fn stream(settings: &wire::SubscriptionSettings) -> Result<SubscriptionKind, Refusal> {
    if settings.lease_ms.is_some() || settings.delivery_limit.is_some() || settings.dead_letter.is_some() {
        return Err(Refusal::invalid("kind", "lease_ms, delivery_limit and dead_letter belong to a shared one"));
    }
    let session = settings.session_ms.unwrap_or(MEMBER_SESSION_MS_DEFAULT);
    if session == 0 {
        return Err(Refusal::invalid("session_ms", "it must be at least 1"));
    }
    Ok(SubscriptionKind::Stream { session: Span::new(session) })
}

fn shared(settings: &wire::SubscriptionSettings) -> Result<SubscriptionKind, Refusal> {
    if settings.session_ms.is_some() {
        return Err(Refusal::invalid("session_ms", "it belongs to a stream subscription"));
    }
    let lease = Span::new(settings.lease_ms.unwrap_or(LEASE_MS_DEFAULT));
    check_lease(lease)?;
    let delivery_limit = settings.delivery_limit.unwrap_or(DELIVERY_LIMIT_DEFAULT);
    if delivery_limit == 0 || delivery_limit > DELIVERY_LIMIT_MAX {
        return Err(Refusal::invalid("delivery_limit", "it must lie between 1 and 1000000"));
    }
    let dead_letter = settings.dead_letter.as_ref().map(|name| QueueName::parse(&name.0)).transpose()?;
    Ok(SubscriptionKind::Shared { lease, delivery_limit, dead_letter })
}

impl From<SubscriptionSettings> for wire::SubscriptionSettings {
    fn from(settings: SubscriptionSettings) -> Self {
        let start = Some(settings.start.into());
        match settings.kind {
            SubscriptionKind::Stream { session } => {
                Self { kind: wire::SubscriptionKind::Stream, start, session_ms: Some(session.get()), ..Self::default() }
            }
            SubscriptionKind::Shared { lease, delivery_limit, dead_letter } => Self {
                kind: wire::SubscriptionKind::Shared,
                start,
                lease_ms: Some(lease.get()),
                delivery_limit: Some(delivery_limit),
                dead_letter: dead_letter.map(|name| name.as_str().into()),
                ..Self::default()
            },
        }
    }
}

impl From<PartitionProgress> for wire::PartitionProgress {
    fn from(progress: PartitionProgress) -> Self {
        Self {
            partition: progress.partition.get(),
            committed: progress.committed.get(),
            end: progress.end.get(),
            lag: progress.lag,
            lag_ms: progress.lag_time.get(),
            member: progress.member.map(|name| name.as_str().into()),
        }
    }
}

impl From<SubscriptionDescription> for wire::SubscriptionDescription {
    fn from(found: SubscriptionDescription) -> Self {
        Self {
            namespace: found.subscription.topic.namespace.as_str().into(),
            topic: found.subscription.topic.name.as_str().into(),
            name: found.subscription.name.as_str().into(),
            id: found.id.get(),
            owner: owner(found.owner),
            created_at: found.created_at.get(),
            settings: found.settings.into(),
            generation: found.generation.get(),
            members: found.members.iter().map(|name| name.as_str().into()).collect(),
            partitions: found.partitions.into_iter().map(wire::PartitionProgress::from).collect(),
            lag: found.lag,
            lag_ms: found.lag_time.get(),
            leased: found.leased,
            totals: found.totals.into(),
        }
    }
}

impl From<wire::PartitionOffset> for PartitionOffset {
    fn from(place: wire::PartitionOffset) -> Self {
        Self { partition: Partition::new(place.partition), offset: Offset::new(place.offset) }
    }
}

impl From<PartitionOffset> for wire::PartitionOffset {
    fn from(place: PartitionOffset) -> Self {
        Self { partition: place.partition.get(), offset: place.offset.get() }
    }
}

impl From<Committed> for wire::Committed {
    fn from(committed: Committed) -> Self {
        Self { offsets: committed.offsets.into_iter().map(wire::PartitionOffset::from).collect() }
    }
}
