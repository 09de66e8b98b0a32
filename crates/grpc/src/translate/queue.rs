//! Queues, and receiving and settling, between the model and the contract.
//! Invariant: an absent setting means the default that `QueueSettings::default` has.

use model::Refusal;
use model::backend::Sharing;
use model::number::Span;
use model::policy::AppliedPolicy;
use model::queue::{
    Ack, AlterQueue, CancelMessages, Cancelled, CreateQueue, Created, DeleteQueue, DeliveryOrder, DescribeQueue,
    Extend, Life, ListQueues, Nack, NackAction, Overflow, Peek, PeekedMessages, Publish, Published, PublishedMessage,
    PurgeQueue, QueueCounts, QueueDescription, QueuePage, QueuePatch, QueueSettings, Receive, Received, Redrive,
    RedriveFilter, RedriveProgress, Redriven, Settled, TransferQueue,
};

use super::{BoundPatch, NamePatch, Or, OrDefault, Required, Wire, enumeration, messages, missing};
use crate::proto as pb;

type CreatedQueue = Created<QueueDescription>;

enumeration! {
    Overflow, unset Reject { Reject DropOldest RejectToDeadLetter }
    DeliveryOrder, unset Fifo { Fifo PerKey }
    Sharing, unset Shared { Shared Alone }
}

messages! {
    QueueSettings = QueueSettings {
        max_messages = max_messages;
        max_bytes = max_bytes;
        overflow = overflow;
        message_ttl = message_ttl_ms;
        lease = lease_ms, Or(QueueSettings::default().lease);
        delivery_limit = delivery_limit, Or(QueueSettings::default().delivery_limit);
        dead_letter = dead_letter;
        deduplication = deduplication_ms, Or(QueueSettings::default().deduplication);
        order = order;
        partitions = partitions, Or(QueueSettings::default().partitions);
        dead_letter_exchange = dead_letter_exchange;
        dead_letter_key = dead_letter_key;
        priority_max = priority_max;
        expires = expires_ms;
        life = life, OrDefault;
        auto_delete = auto_delete;
        single_active_consumer = single_active_consumer;
        consumer_timeout = consumer_timeout_ms;
        arguments = arguments;
    }
    QueuePatch = QueuePatch {
        max_messages = max_messages, BoundPatch;
        max_bytes = max_bytes, BoundPatch;
        overflow = overflow;
        message_ttl = message_ttl_ms, BoundPatch;
        lease = lease_ms;
        delivery_limit = delivery_limit;
        dead_letter = dead_letter, NamePatch;
        deduplication = deduplication_ms;
        dead_letter_exchange = dead_letter_exchange, NamePatch;
        dead_letter_key = dead_letter_key, NamePatch;
        expires = expires_ms, BoundPatch;
        consumer_timeout = consumer_timeout_ms, BoundPatch;
    }
    QueueCounts = QueueCounts { ready = ready; delayed = delayed; leased = leased; bytes = bytes; }
    RedriveProgress = RedriveProgress { moved = moved; rate = rate; }
    QueueDescription = QueueDescription {
        queue = queue, Required;
        id = id;
        owner = owner;
        created_at = created_at_ms;
        settings = settings, Required;
        counts = counts, Required;
        oldest_ready_at = oldest_ready_at_ms;
        oldest_leased_at = oldest_leased_at_ms;
        totals = totals, Required;
        consumers = consumers;
        redrive = redrive;
        policy = policy;
    }
    AppliedPolicy = AppliedPolicy { name = name; settings = settings, Required; }
    CreateQueue = CreateQueueRequest { queue = queue, Required; settings = settings, OrDefault; }
    CreatedQueue = CreatedQueue { created = created; description = description, Required; }
    DescribeQueue = DescribeQueueRequest { queue = queue, Required; }
    AlterQueue = AlterQueueRequest { queue = queue, Required; patch = patch, OrDefault; }
    DeleteQueue = DeleteQueueRequest { queue = queue, Required; mode = mode; }
    ListQueues = ListQueuesRequest { namespace = namespace; prefix = prefix; page = page, OrDefault; }
    QueuePage = QueuePage { items = items; next = next; }
    PurgeQueue = PurgeQueueRequest { queue = queue, Required; }
    TransferQueue = TransferQueueRequest { queue = queue, Required; owner = owner; }
    Publish = PublishRequest { queue = queue, Required; messages = messages; }
    PublishedMessage = PublishedMessage {
        id = id;
        partition = partition;
        sequence = sequence;
        duplicate = duplicate;
    }
    Published = Published { messages = messages; durability = durability; position = position; }
    Receive = ReceiveRequest {
        source = source, Required;
        max = max;
        wait = wait_ms;
        lease = lease_ms;
        member = member;
    }
    Received = Received { deliveries = deliveries; }
    Ack = AckRequest { source = source, Required; receipts = receipts; }
    Extend = ExtendRequest { source = source, Required; receipts = receipts; lease = lease_ms; }
    Settled = Settled { results = results; }
    Peek = PeekRequest { queue = queue, Required; state = state; limit = limit; after = after; }
    PeekedMessages = PeekedMessages { messages = messages; next = next; }
    CancelMessages = CancelMessagesRequest { queue = queue, Required; places = places; }
    Cancelled = Cancelled { cancelled = cancelled; }
    RedriveFilter = RedriveFilter { reason = reason; origin = origin; places = places; max = max; }
    Redrive = RedriveRequest {
        queue = queue, Required;
        filter = filter, OrDefault;
        target = target;
        rate = rate;
    }
    Redriven = Redriven { moved = moved; running = running; }
}

impl Wire for Life {
    type Form = pb::Life;

    fn to_wire(self) -> pb::Life {
        use pb::life::Life as Form;
        pb::Life {
            life: match self {
                Self::Permanent => None,
                Self::Transient => Some(Form::Transient(pb::Done {})),
                Self::Exclusive { holder } => Some(Form::Holder(holder)),
            },
        }
    }

    fn from_wire(form: pb::Life) -> Result<Self, Refusal> {
        use pb::life::Life as Form;
        Ok(match form.life {
            None => Self::Permanent,
            Some(Form::Transient(pb::Done {})) => Self::Transient,
            Some(Form::Holder(holder)) => Self::Exclusive { holder },
        })
    }
}

impl Wire for Nack {
    type Form = pb::NackRequest;

    fn to_wire(self) -> pb::NackRequest {
        use pb::nack_request::Action;
        pb::NackRequest {
            source: Some(self.source.to_wire()),
            receipts: self.receipts.to_wire(),
            action: Some(match self.action {
                NackAction::Retry(delay) => Action::RetryAfterMs(delay.get()),
                NackAction::Reject => Action::Reject(pb::Reject {}),
            }),
        }
    }

    fn from_wire(form: pb::NackRequest) -> Result<Self, Refusal> {
        use pb::nack_request::Action;
        Ok(Self {
            source: Wire::from_wire(form.source.ok_or_else(|| missing("source"))?)?,
            receipts: Wire::from_wire(form.receipts)?,
            action: match form.action.ok_or_else(|| missing("action"))? {
                Action::RetryAfterMs(delay) => NackAction::Retry(Span::new(delay)),
                Action::Reject(pb::Reject {}) => NackAction::Reject,
            },
        })
    }
}
