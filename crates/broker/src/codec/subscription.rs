//! Requests of subscriptions.

use model::subscription::{
    Commit, CreateSubscription, DeleteSubscription, LeaveSubscription, PartitionOffset, Seek, SubscriptionKind,
    SubscriptionSettings,
};

use super::{Wire, fields};
use crate::wire::{Reader, WireError, Writer};

fields!(SubscriptionSettings { kind, start });
fields!(CreateSubscription { subscription, settings });
fields!(DeleteSubscription { subscription });
fields!(PartitionOffset { partition, offset });
fields!(Commit { subscription, member, offsets });
fields!(Seek { subscription, to, partition });
fields!(LeaveSubscription { subscription, member });

impl Wire for SubscriptionKind {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Stream { session } => {
                writer.u8(1);
                session.write(writer);
            }
            Self::Shared { lease, delivery_limit, dead_letter } => {
                writer.u8(2);
                lease.write(writer);
                delivery_limit.write(writer);
                dead_letter.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        match reader.u8()? {
            1 => Ok(Self::Stream { session: Wire::read(reader)? }),
            2 => Ok(Self::Shared {
                lease: Wire::read(reader)?,
                delivery_limit: Wire::read(reader)?,
                dead_letter: Wire::read(reader)?,
            }),
            _ => Err(reader.error("an unknown subscription kind")),
        }
    }
}
