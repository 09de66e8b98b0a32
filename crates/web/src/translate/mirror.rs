//! Enumerations that are the same word for word on both sides.
//! Invariant: both matches are exhaustive, so a new word breaks the build here.
//! Used by the other files of `translate`; tests in `translate/tests.rs`.

use model::{access, binding, exchange, message, policy, properties, queue, topic};

use crate::wire;

macro_rules! mirror {
    ($wire:ty, $model:ty, $($word:ident)+) => {
        impl From<$wire> for $model {
            fn from(word: $wire) -> Self {
                match word { $( <$wire>::$word => Self::$word, )+ }
            }
        }

        impl From<$model> for $wire {
            fn from(word: $model) -> Self {
                match word { $( <$model>::$word => Self::$word, )+ }
            }
        }
    };
}

mirror!(wire::Overflow, queue::Overflow, Reject DropOldest RejectToDeadLetter);
mirror!(wire::Persistence, properties::Persistence, Transient Persistent);
mirror!(wire::DeliveryOrder, queue::DeliveryOrder, Fifo PerKey);
mirror!(wire::Durability, queue::Durability, Fsync FsyncMajority);
mirror!(wire::DeadLetterReason, message::DeadLetterReason, DeliveryLimit Rejected Expired Overflow);
mirror!(wire::MessageState, message::MessageState, Ready Delayed Leased);
mirror!(wire::Cleanup, topic::Cleanup, Delete Compact);
mirror!(wire::Right, access::Right,
    Create Describe Alter Delete Publish Consume Peek Purge Seek Administer Monitor Audit);
mirror!(wire::Role, access::Role, Admin Operator Developer Publisher Consumer Monitor Auditor);
mirror!(wire::ResourceKind, access::ResourceKind, Queue Topic Exchange Broker);
mirror!(wire::ExchangeKind, exchange::ExchangeKind, Direct Fanout Topic Headers ConsistentHash);
mirror!(wire::HashProperty, exchange::HashProperty, MessageId CorrelationId MadeAt);
mirror!(wire::Fate, binding::Fate, Taken Dropped Returned Refused);
mirror!(wire::PolicyTarget, policy::PolicyTarget, Queues All Classic Quorum Exchanges);
mirror!(wire::Effect, access::Effect, Allow Deny);
mirror!(wire::TokenKind, access::TokenKind, Session Api);
