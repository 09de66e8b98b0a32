//! Subscriptions between the model and the contract.
//! Invariant: an absent setting means the default that `SubscriptionKind` has for its kind.

use model::Refusal;
use model::limits::{DELIVERY_LIMIT_DEFAULT, LEASE_MS_DEFAULT, MEMBER_SESSION_MS_DEFAULT};
use model::number::Span;
use model::queue::Created;
use model::subscription::{
    Commit, Committed, CreateSubscription, DeleteSubscription, DescribeSubscription, LeaveSubscription,
    ListSubscriptions, PartitionOffset, PartitionProgress, Seek, SubscriptionDescription, SubscriptionKind,
    SubscriptionPage, SubscriptionSettings,
};

use super::{OrDefault, Required, Wire, messages, missing};
use crate::proto as pb;

type CreatedSubscription = Created<SubscriptionDescription>;

messages! {
    PartitionProgress = PartitionProgress {
        partition = partition;
        committed = committed;
        end = end;
        lag = lag;
        lag_time = lag_ms;
        member = member;
    }
    SubscriptionDescription = SubscriptionDescription {
        subscription = subscription, Required;
        id = id;
        owner = owner;
        created_at = created_at_ms;
        settings = settings, Required;
        generation = generation;
        members = members;
        partitions = partitions;
        lag = lag;
        lag_time = lag_ms;
        leased = leased;
        totals = totals, Required;
    }
    CreateSubscription = CreateSubscriptionRequest { subscription = subscription, Required; settings = settings, Required; }
    CreatedSubscription = CreatedSubscription { created = created; description = description, Required; }
    DescribeSubscription = DescribeSubscriptionRequest { subscription = subscription, Required; }
    DeleteSubscription = DeleteSubscriptionRequest { subscription = subscription, Required; }
    ListSubscriptions = ListSubscriptionsRequest { topic = topic, Required; prefix = prefix; page = page, OrDefault; }
    SubscriptionPage = SubscriptionPage { items = items; next = next; }
    PartitionOffset = PartitionOffset { partition = partition; offset = offset; }
    Commit = CommitRequest { subscription = subscription, Required; member = member; offsets = offsets; }
    Committed = Committed { offsets = offsets; }
    Seek = SeekRequest { subscription = subscription, Required; to = to, Required; partition = partition; }
    LeaveSubscription = LeaveSubscriptionRequest { subscription = subscription, Required; member = member; }
}

impl Wire for SubscriptionSettings {
    type Form = pb::SubscriptionSettings;

    fn to_wire(self) -> pb::SubscriptionSettings {
        use pb::subscription_settings::Kind;
        let kind = match self.kind {
            SubscriptionKind::Stream { session } => Kind::Stream(pb::StreamKind { session_ms: Some(session.get()) }),
            SubscriptionKind::Shared { lease, delivery_limit, dead_letter } => Kind::Shared(pb::SharedKind {
                lease_ms: Some(lease.get()),
                delivery_limit: Some(delivery_limit),
                dead_letter: dead_letter.to_wire(),
            }),
        };
        pb::SubscriptionSettings { kind: Some(kind), start: Some(self.start.to_wire()) }
    }

    fn from_wire(form: pb::SubscriptionSettings) -> Result<Self, Refusal> {
        use pb::subscription_settings::Kind;
        let kind = match form.kind.ok_or_else(|| missing("kind"))? {
            Kind::Stream(stream) => {
                SubscriptionKind::Stream { session: Span::new(stream.session_ms.unwrap_or(MEMBER_SESSION_MS_DEFAULT)) }
            }
            Kind::Shared(shared) => SubscriptionKind::Shared {
                lease: Span::new(shared.lease_ms.unwrap_or(LEASE_MS_DEFAULT)),
                delivery_limit: shared.delivery_limit.unwrap_or(DELIVERY_LIMIT_DEFAULT),
                dead_letter: Wire::from_wire(shared.dead_letter)?,
            },
        };
        Ok(Self { kind, start: Wire::from_wire(form.start.ok_or_else(|| missing("start"))?)? })
    }
}
