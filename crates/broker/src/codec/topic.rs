//! Requests of topics.

use model::topic::{AlterTopic, Cleanup, CreateTopic, DeleteTopic, StartAt, TopicPatch, TopicSettings, TransferTopic};

use super::{Wire, fields, numbers};
use crate::wire::{Reader, WireError, Writer};

numbers!(Cleanup { 1 => Delete, 2 => Compact });

fields!(TopicSettings { partitions, retention, retention_bytes, cleanup, deduplication });
fields!(TopicPatch { partitions, retention, retention_bytes, cleanup, deduplication });
fields!(CreateTopic { topic, settings });
fields!(AlterTopic { topic, patch });
fields!(DeleteTopic { topic, mode });
fields!(TransferTopic { topic, owner });

impl Wire for StartAt {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Earliest => writer.u8(1),
            Self::Latest => writer.u8(2),
            Self::Offset(offset) => {
                writer.u8(3);
                offset.write(writer);
            }
            Self::Time(time) => {
                writer.u8(4);
                time.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        match reader.u8()? {
            1 => Ok(Self::Earliest),
            2 => Ok(Self::Latest),
            3 => Wire::read(reader).map(Self::Offset),
            4 => Wire::read(reader).map(Self::Time),
            _ => Err(reader.error("an unknown start")),
        }
    }
}
