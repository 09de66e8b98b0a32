//! Requests of policies.

use model::policy::{DeletePolicy, Policy, PolicySettings, PolicyTarget, SetPolicy};

use super::{Wire, fields, numbers};
use crate::wire::{Reader, WireError, Writer};

numbers!(PolicyTarget { 1 => Queues, 2 => Classic, 3 => Quorum, 4 => All, 5 => Exchanges });

fields!(PolicySettings {
    max_messages,
    max_bytes,
    overflow,
    message_ttl,
    delivery_limit,
    dead_letter_exchange,
    dead_letter_key,
    consumer_timeout,
    arguments,
} since 4 {
    expires,
    alternate,
});
fields!(Policy { namespace, name, pattern, target, priority, settings });
fields!(SetPolicy { policy });
fields!(DeletePolicy { namespace, name });

impl Wire for i32 {
    /// Four bytes, in two's complement.
    fn write(&self, writer: &mut Writer) {
        writer.u32(u32::from_be_bytes(self.to_be_bytes()));
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.u32().map(|bits| Self::from_be_bytes(bits.to_be_bytes()))
    }
}
