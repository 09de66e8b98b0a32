//! The tags of actions and the order of their fields. A released tag keeps its meaning for ever.

use super::{Wire, fields};
use crate::command::{Action, Relocation};
use crate::wire::{Reader, WireError, Writer};

fields!(Relocation { holder, from, published_at, record });

macro_rules! actions {
    (
        unit { $($unit_tag:literal => $unit:ident),* $(,)? }
        request { $($request_tag:literal => $request:ident),* $(,)? }
        record { $($record_tag:literal => $record:ident { $($field:ident),* }),* $(,)? }
    ) => {
        impl Wire for Action {
            #[allow(clippy::too_many_lines, reason = "one arm a tag; the table is the documentation")]
            fn write(&self, writer: &mut Writer) {
                match self {
                    $( Self::$unit => writer.u8($unit_tag), )*
                    $( Self::$request(request) => {
                        writer.u8($request_tag);
                        request.write(writer);
                    } )*
                    $( Self::$record { $($field),* } => {
                        writer.u8($record_tag);
                        $( $field.write(writer); )*
                    } )*
                }
            }

            #[allow(clippy::too_many_lines, reason = "one arm a tag; the table is the documentation")]
            fn read(reader: &mut Reader) -> Result<Self, WireError> {
                match reader.u8()? {
                    $( $unit_tag => Ok(Self::$unit), )*
                    $( $request_tag => Wire::read(reader).map(Self::$request), )*
                    $( $record_tag => Ok(Self::$record { $($field: Wire::read(reader)?),* }), )*
                    _ => Err(reader.error("an unknown action")),
                }
            }
        }
    };
}

actions! {
    unit {
        1 => OpenEpoch,
        2 => Tick,
    }
    request {
        10 => CreateQueue,
        11 => AlterQueue,
        12 => DeleteQueue,
        13 => PurgeQueue,
        14 => TransferQueue,
        18 => Ack,
        19 => Nack,
        20 => Extend,
        21 => CancelMessages,
        22 => Redrive,
        30 => CreateTopic,
        31 => AlterTopic,
        32 => DeleteTopic,
        33 => TransferTopic,
        40 => CreateSubscription,
        41 => DeleteSubscription,
        42 => Commit,
        43 => Seek,
        45 => Leave,
        52 => DeleteUser,
        53 => AddGrant,
        54 => RemoveGrant,
        56 => RevokeToken,
        58 => CreateNamespace,
        59 => DeleteNamespace,
        60 => CreateExchange,
        61 => DeleteExchange,
        62 => Bind,
        63 => Unbind,
        65 => SetPolicy,
        66 => DeletePolicy,
        70 => Relocate,
    }
    record {
        3 => Claim { name, password_hash },
        15 => Publish { queue, records },
        16 => Lease { source, epoch, end, picks },
        17 => Release { source, receipts },
        23 => NoteUse { queue, epoch, usage },
        34 => PublishTopic { topic, records },
        44 => Join { subscription, member },
        50 => CreateUser { name, password_hash, roles },
        51 => AlterUser { name, password_hash, roles, disabled },
        55 => CreateToken { label, kind, scope, lifetime, secret_hash },
        57 => Logout { token },
        64 => PublishExchange { exchange, records },
        71 => DropSegments { first },
    }
}
