//! Messages, deliveries and receipts between the model and the contract.
//! Invariant: payloads, keys and binary headers are shared, never copied.
//! Receipts travel as 31 bytes whose hexadecimal text is the model's: the layout is in `model::receipt`.

use bytes::Bytes;
use model::Refusal;
use model::message::{
    Availability, DeadLetter, DeadLetterReason, Death, Delivery, Message, MessagePlace, MessageState, NewMessage,
    Peeked, Record,
};
use model::number::{Attempt, Epoch, Partition, QueueId, Sequence, Span, SubscriptionId, Timestamp};
use model::queue::{DeleteMode, Durability, Removed, Totals};
use model::receipt::{Receipt, ReceiptSource, Settlement};
use model::subscription::Done;
use model::topic::StartAt;

use super::{Required, Wire, enumeration, messages, missing};
use crate::proto as pb;

enumeration! {
    DeadLetterReason { DeliveryLimit Rejected Expired Overflow }
    MessageState { Ready Delayed Leased }
    Settlement { Settled LeaseLost }
    Durability { Fsync FsyncMajority }
    DeleteMode, unset IfEmpty { IfEmpty Force }
}

messages! {
    DeadLetter = DeadLetter {
        reason = reason;
        origin = origin;
        attempts = attempts;
        count = count;
        at = at_ms;
        deaths = deaths;
        routed = routed;
    }
    Death = Death {
        reason = reason;
        origin = origin;
        count = count;
        at = at_ms;
        exchange = exchange;
        routing_keys = routing_keys;
        ttl = ttl_ms;
    }
    Message = Message {
        id = id;
        body = body;
        headers = headers;
        content_type = content_type;
        key = key;
        priority = priority;
        published_at = published_at_ms;
        expires_at = expires_at_ms;
        sender = sender;
        ttl = ttl_ms;
        properties = properties;
        routed = routed;
    }
    Delivery = Delivery {
        message = message, Required;
        receipt = receipt;
        attempt = attempt;
        partition = partition;
        offset = offset;
        leased_until = leased_until_ms;
        dead_letter = dead_letter;
    }
    Peeked = Peeked {
        message = message, Required;
        partition = partition;
        sequence = sequence;
        state = state;
        attempts = attempts;
        due_at = due_at_ms;
        dead_letter = dead_letter;
    }
    Record = Record { offset = offset; message = message, Required; }
    MessagePlace = MessagePlace { partition = partition; sequence = sequence; }
    Totals = Totals {
        published = published;
        delivered = delivered;
        acknowledged = acknowledged;
        redelivered = redelivered;
        dead_lettered = dead_lettered;
        dropped = dropped;
    }
    Removed = Removed { messages = messages; }
    Done = Done {}
}

impl Wire for NewMessage {
    type Form = pb::NewMessage;

    fn to_wire(self) -> pb::NewMessage {
        use pb::new_message::Availability as Form;
        pb::NewMessage {
            body: self.body,
            headers: self.headers.to_wire(),
            content_type: self.content_type,
            key: self.key,
            priority: self.priority.to_wire(),
            ttl_ms: self.ttl.to_wire(),
            availability: match self.availability {
                Availability::Now => None,
                Availability::After(delay) => Some(Form::DelayMs(delay.get())),
                Availability::At(time) => Some(Form::AvailableAtMs(time.get())),
            },
            id: self.id.to_wire(),
            properties: self.properties.to_wire(),
        }
    }

    fn from_wire(form: pb::NewMessage) -> Result<Self, Refusal> {
        use pb::new_message::Availability as Form;
        Ok(Self {
            body: form.body,
            headers: Wire::from_wire(form.headers)?,
            content_type: form.content_type,
            key: form.key,
            priority: Wire::from_wire(form.priority)?,
            ttl: Wire::from_wire(form.ttl_ms)?,
            availability: match form.availability {
                None => Availability::Now,
                Some(Form::DelayMs(delay)) => Availability::After(Span::new(delay)),
                Some(Form::AvailableAtMs(time)) => Availability::At(Timestamp::new(time)),
            },
            id: Wire::from_wire(form.id)?,
            properties: Wire::from_wire(form.properties)?,
        })
    }
}

impl Wire for StartAt {
    type Form = pb::StartAt;

    fn to_wire(self) -> pb::StartAt {
        use pb::start_at::At;
        let at = match self {
            Self::Earliest => At::Edge(i32::from(pb::StartEdge::Earliest)),
            Self::Latest => At::Edge(i32::from(pb::StartEdge::Latest)),
            Self::Offset(offset) => At::Offset(offset.get()),
            Self::Time(time) => At::TimeMs(time.get()),
        };
        pb::StartAt { at: Some(at) }
    }

    fn from_wire(form: pb::StartAt) -> Result<Self, Refusal> {
        use pb::start_at::At;
        match form.at.ok_or_else(|| missing("start"))? {
            At::Edge(edge) => match pb::StartEdge::try_from(edge) {
                Ok(pb::StartEdge::Earliest) => Ok(Self::Earliest),
                Ok(pb::StartEdge::Latest) => Ok(Self::Latest),
                Ok(pb::StartEdge::Unspecified) | Err(_) => {
                    Err(Refusal::invalid("start", "it must be earliest or latest"))
                }
            },
            At::Offset(offset) => Ok(Self::Offset(Wire::from_wire(offset)?)),
            At::TimeMs(time) => Ok(Self::Time(Wire::from_wire(time)?)),
        }
    }
}

const RECEIPT_BYTES: usize = 31;
const RECEIPT_OF_QUEUE: u8 = 1;
const RECEIPT_OF_SUBSCRIPTION: u8 = 2;

impl Wire for Receipt {
    type Form = Bytes;

    fn to_wire(self) -> Bytes {
        let (kind, id) = match self.source {
            ReceiptSource::Queue(id) => (RECEIPT_OF_QUEUE, id.get()),
            ReceiptSource::Subscription(id) => (RECEIPT_OF_SUBSCRIPTION, id.get()),
        };
        let mut bytes = [0; RECEIPT_BYTES];
        bytes[0] = kind;
        bytes[1..9].copy_from_slice(&id.to_be_bytes());
        bytes[9..13].copy_from_slice(&self.partition.get().to_be_bytes());
        bytes[13..21].copy_from_slice(&self.sequence.get().to_be_bytes());
        bytes[21..27].copy_from_slice(&self.epoch.get().to_be_bytes()[2..]);
        bytes[27..31].copy_from_slice(&self.attempt.get().to_be_bytes());
        Bytes::copy_from_slice(&bytes)
    }

    fn from_wire(form: Bytes) -> Result<Self, Refusal> {
        let bytes: &[u8; RECEIPT_BYTES] = form.as_ref().try_into().map_err(|_| Refusal::ReceiptInvalid)?;
        let source = match bytes[0] {
            RECEIPT_OF_QUEUE => ReceiptSource::Queue(QueueId::new(long(&bytes[1..9]))),
            RECEIPT_OF_SUBSCRIPTION => ReceiptSource::Subscription(SubscriptionId::new(long(&bytes[1..9]))),
            _ => return Err(Refusal::ReceiptInvalid),
        };
        Ok(Self {
            source,
            partition: Partition::new(short(&bytes[9..13])),
            sequence: Sequence::new(long(&bytes[13..21])),
            epoch: Epoch::new(long(&bytes[21..27])),
            attempt: Attempt::new(short(&bytes[27..31])),
        })
    }
}

fn long(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn short(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
