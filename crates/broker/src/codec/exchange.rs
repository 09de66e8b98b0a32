//! Requests of exchanges and bindings.

use model::binding::{Bind, Binding, Destination, Unbind, Unroutable};
use model::exchange::{
    CreateExchange, DeleteExchange, DeleteExchangeMode, ExchangeKind, ExchangeSettings, HashOn, HashProperty,
};

use super::{Wire, fields, name::variants, numbers};
use crate::command::RoutedRecord;
use crate::wire::{Reader, WireError, Writer};

numbers!(ExchangeKind { 1 => Direct, 2 => Fanout, 3 => Topic, 4 => Headers, 5 => ConsistentHash });
numbers!(HashProperty { 1 => MessageId, 2 => CorrelationId, 3 => MadeAt });
numbers!(DeleteExchangeMode { 1 => IfUnused, 2 => Force });
numbers!(Unroutable { 1 => Drop, 2 => Return });
variants!(Destination { 1 => Queue(name), 2 => Topic(name), 3 => Exchange(name) });

fields!(ExchangeSettings { kind, durable, auto_delete, internal, delays, alternate, hash_on, arguments });
fields!(CreateExchange { exchange, settings });
fields!(DeleteExchange { exchange, mode });
fields!(Binding { source, destination, routing_key, arguments });
fields!(Bind { binding });
fields!(Unbind { binding });
fields!(RoutedRecord { keys, unroutable, record });

impl Wire for HashOn {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::RoutingKey => writer.u8(1),
            Self::Header(name) => {
                writer.u8(2);
                name.write(writer);
            }
            Self::Property(property) => {
                writer.u8(3);
                property.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        match reader.u8()? {
            1 => Ok(Self::RoutingKey),
            2 => Wire::read(reader).map(Self::Header),
            3 => Wire::read(reader).map(Self::Property),
            _ => Err(reader.error("an unknown thing to hash")),
        }
    }
}
