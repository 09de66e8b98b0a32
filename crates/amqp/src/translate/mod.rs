//! Where the words of AMQP and those of `model` meet.
//! Invariants: every failure is translated; what a property or header says survives the way in and out.
//! Called by `desk` and `serve`.

mod close;
mod death;
mod exchange;
mod message;
mod queue;
mod stream;
mod table;

use rabbit::Wrong;

use crate::codec::ReplyCode;
use crate::session::Close;

pub(crate) use close::close;
pub(crate) use exchange::{binding_arguments, exchange_inequivalence, exchange_settings, extra_keys};
pub(crate) use message::{delivered, direct_reply, new_message};
pub(crate) use queue::{inequivalence, queue_settings};
pub(crate) use stream::{
    StreamOffset, is_stream, not_a_queue, not_a_stream, stream_inequivalence, stream_offset, stream_settings,
};
pub(crate) use table::headers as client_properties;

/// What a declare cannot have, as a close.
fn wrong(wrong: Wrong) -> Close {
    match wrong {
        Wrong::Argument(text) => Close::new(ReplyCode::PreconditionFailed, text),
        Wrong::Refused(refusal) => close(&refusal.into()),
    }
}

/// A count as the wire has it.
pub(crate) fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
