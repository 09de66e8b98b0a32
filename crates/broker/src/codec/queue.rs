//! Requests of queues and of settling.

use model::message::DeadLetterReason;
use model::queue::{
    Ack, AlterQueue, CancelMessages, CreateQueue, DeleteMode, DeleteQueue, DeliveryOrder, Extend, Nack, NackAction,
    Overflow, PurgeQueue, QueuePatch, QueueSettings, Redrive, RedriveFilter, TransferQueue,
};

use super::{Wire, fields, numbers};
use crate::wire::{Reader, WireError, Writer};

numbers!(Overflow { 1 => Reject, 2 => DropOldest });
numbers!(DeliveryOrder { 1 => Fifo, 2 => PerKey });
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
