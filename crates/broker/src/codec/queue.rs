//! Requests of queues and of settling.

use model::message::DeadLetterReason;
use model::queue::{
    Ack, AlterQueue, CancelMessages, CreateQueue, DeleteMode, DeleteQueue, DeliveryOrder, Extend, Life, Nack,
    NackAction, Overflow, PurgeQueue, QueuePatch, QueueSettings, Redrive, RedriveFilter, TransferQueue,
};

use super::{Wire, fields, numbers};
use crate::command::Usage;
use crate::wire::{Reader, WireError, Writer};

numbers!(Overflow { 1 => Reject, 2 => DropOldest, 3 => RejectToDeadLetter });
numbers!(DeliveryOrder { 1 => Fifo, 2 => PerKey });
numbers!(Usage { 1 => Consumed, 2 => Left, 3 => Asked });
numbers!(DeleteMode { 1 => IfEmpty, 2 => Force });
numbers!(DeadLetterReason { 1 => DeliveryLimit, 2 => Rejected, 3 => Expired, 4 => Overflow });

fields!(QueueSettings {
    max_messages,
    max_bytes,
    overflow,
    message_ttl,
    lease,
    delivery_limit,
    dead_letter,
    deduplication,
    order,
    partitions,
} since 2 {
    dead_letter_exchange,
    dead_letter_key,
    priority_max,
    expires,
    life,
    auto_delete,
    single_active_consumer,
    consumer_timeout,
    arguments,
});
fields!(QueuePatch {
    max_messages,
    max_bytes,
    overflow,
    message_ttl,
    lease,
    delivery_limit,
    dead_letter,
    deduplication,
} since 2 {
    dead_letter_exchange,
    dead_letter_key,
    expires,
    consumer_timeout,
});
fields!(CreateQueue { queue, settings });
fields!(AlterQueue { queue, patch });
fields!(DeleteQueue { queue, mode });
fields!(PurgeQueue { queue });
fields!(TransferQueue { queue, owner });
fields!(Ack { source, receipts });
fields!(Nack { source, receipts, action });
fields!(Extend { source, receipts, lease });
fields!(CancelMessages { queue, places });
fields!(RedriveFilter { reason, origin, places, max });
fields!(Redrive { queue, filter, target, rate });

impl Wire for Life {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Permanent => writer.u8(1),
            Self::Transient => writer.u8(2),
            Self::Exclusive { holder } => {
                writer.u8(3);
                holder.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        match reader.u8()? {
            1 => Ok(Self::Permanent),
            2 => Ok(Self::Transient),
            3 => Ok(Self::Exclusive { holder: Wire::read(reader)? }),
            _ => Err(reader.error("an unknown life of a queue")),
        }
    }
}

impl Wire for NackAction {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Retry(delay) => {
                writer.u8(1);
                delay.write(writer);
            }
            Self::Reject => writer.u8(2),
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        match reader.u8()? {
            1 => Wire::read(reader).map(Self::Retry),
            2 => Ok(Self::Reject),
            _ => Err(reader.error("an unknown nack action")),
        }
    }
}
