//! Names, references to named things, numbers and places.

use model::binding::RoutingKey;
use model::message::MessagePlace;
use model::name::{
    ExchangeName, ExchangeRef, MemberName, NamespaceName, PolicyName, QueueName, QueueRef, Source, SubscriptionName,
    SubscriptionRef, TopicName, TopicRef, UserName,
};
use model::number::{
    Attempt, ByteSize, Epoch, Generation, LogIndex, Offset, Partition, Priority, QueueId, Sequence, Span,
    SubscriptionId, Timestamp, TokenId, TopicId, UserId,
};
use model::receipt::{Receipt, ReceiptSource};

use super::{Wire, fields};
use crate::command::{Holder, LeaseEnd, Pick};
use crate::place::{MessageRef, SourceId};
use crate::wire::{Reader, WireError, Writer};

macro_rules! names {
    ($($name:ident),*) => { $(
        impl Wire for $name {
            fn write(&self, writer: &mut Writer) {
                writer.text(self.as_str());
            }

            fn read(reader: &mut Reader) -> Result<Self, WireError> {
                let text = reader.text()?;
                Self::parse(&text).map_err(|_| reader.error(concat!("not a ", stringify!($name))))
            }
        }
    )* };
}

names!(
    NamespaceName,
    QueueName,
    TopicName,
    SubscriptionName,
    UserName,
    MemberName,
    ExchangeName,
    PolicyName,
    RoutingKey
);

macro_rules! wide {
    ($($name:ident),*) => { $(
        impl Wire for $name {
            fn write(&self, writer: &mut Writer) {
                writer.u64(self.get());
            }

            fn read(reader: &mut Reader) -> Result<Self, WireError> {
                reader.u64().map(Self::new)
            }
        }
    )* };
}

wide!(
    UserId,
    QueueId,
    TopicId,
    SubscriptionId,
    TokenId,
    Offset,
    Sequence,
    Epoch,
    LogIndex,
    Generation,
    Timestamp,
    Span,
    ByteSize
);

macro_rules! narrow {
    ($($name:ident),*) => { $(
        impl Wire for $name {
            fn write(&self, writer: &mut Writer) {
                writer.u32(self.get());
            }

            fn read(reader: &mut Reader) -> Result<Self, WireError> {
                reader.u32().map(Self::new)
            }
        }
    )* };
}

narrow!(Partition, Attempt);

impl Wire for Priority {
    fn write(&self, writer: &mut Writer) {
        writer.u8(self.get());
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.u8().map(Self::new)
    }
}

fields!(QueueRef { namespace, name });
fields!(TopicRef { namespace, name });
fields!(ExchangeRef { namespace, name });
fields!(SubscriptionRef { topic, name });
fields!(MessagePlace { partition, sequence });
fields!(MessageRef { index, position });
fields!(Pick { partition, sequence, attempt });
fields!(Receipt { source, partition, sequence, epoch, attempt });

/// Writes a tag and then the fields of the variant; reads them back.
macro_rules! variants {
    ($type:ident { $($tag:literal => $variant:ident($($field:ident),*)),* $(,)? }) => {
        impl Wire for $type {
            fn write(&self, writer: &mut Writer) {
                match self { $(
                    Self::$variant($($field),*) => {
                        writer.u8($tag);
                        $( $field.write(writer); )*
                    }
                )* }
            }

            fn read(reader: &mut Reader) -> Result<Self, WireError> {
                match reader.u8()? {
                    $( $tag => {
                        $( let $field = Wire::read(reader)?; )*
                        Ok(Self::$variant($($field),*))
                    } )*
                    _ => Err(reader.error(concat!("an unknown ", stringify!($type)))),
                }
            }
        }
    };
}

pub(super) use variants;

variants!(Source { 1 => Queue(queue), 2 => Subscription(subscription) });
variants!(ReceiptSource { 1 => Queue(id), 2 => Subscription(id) });
variants!(SourceId { 1 => Queue(id), 2 => Subscription(id) });
variants!(Holder {
    1 => Queue(id, partition, sequence),
    2 => Topic(id, partition, offset),
    3 => Subscription(id, partition, sequence),
});

impl Wire for LeaseEnd {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::At(time) => {
                writer.u8(1);
                time.write(writer);
            }
            Self::WithConnection => writer.u8(2),
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        match reader.u8()? {
            1 => Wire::read(reader).map(Self::At),
            2 => Ok(Self::WithConnection),
            _ => Err(reader.error("an unknown lease end")),
        }
    }
}
