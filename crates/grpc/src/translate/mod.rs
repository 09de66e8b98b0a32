//! Between the words of the model and the messages of the contract: tables, one line a field.
//! Invariant: what `from_wire` accepts is what `to_wire` gives, and every name and receipt was parsed.
//! Called by the server for requests and by the client for responses. Tests: `tests.rs` beside this file.

pub(crate) mod access;
pub(crate) mod exchange;
pub(crate) mod header;
pub(crate) mod message;
pub(crate) mod node;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod subscription;
pub(crate) mod topic;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use model::Refusal;
use model::binding::RoutingKey;
use model::caller::Secret;
use model::message::MessageId;
use model::name::{
    ExchangeName, MemberName, NamespaceName, PolicyName, QueueName, QueueRef, Source, SubscriptionName,
    SubscriptionRef, TopicName, TopicRef, UserName,
};
use model::number::{
    Attempt, ByteSize, Epoch, Generation, LogIndex, Offset, Partition, Priority, QueueId, Sequence, Span,
    SubscriptionId, Timestamp, TokenId, TopicId, UserId,
};
use model::page::PageRequest;

use crate::proto as pb;

/// A model type with its form in the contract.
pub(crate) trait Wire: Sized {
    /// What prost generates for it as a field.
    type Form;

    /// Translates it for sending.
    fn to_wire(self) -> Self::Form;

    /// Translates what was received.
    ///
    /// # Errors
    /// A refusal that names what is not valid.
    fn from_wire(form: Self::Form) -> Result<Self, Refusal>;
}

/// How one field is translated, where its own form is not enough.
pub(crate) trait Way<M> {
    /// The field in the contract.
    type Form;

    /// Translates the field for sending.
    fn encode(self, value: M) -> Self::Form;

    /// Translates the field of that name as it was received.
    fn decode(self, field: &'static str, form: Self::Form) -> Result<M, Refusal>;
}

/// By its own form.
pub(crate) struct Plain;
/// A message that must be there.
pub(crate) struct Required;
/// A message whose absence means the default.
pub(crate) struct OrDefault;
/// A value whose absence means this one.
pub(crate) struct Or<M>(pub(crate) M);
/// A bound in a patch: absent, taken away, or a number.
pub(crate) struct BoundPatch;
/// A bound whose absence means this one, and which may be none.
pub(crate) struct BoundOr<M>(pub(crate) Option<M>);
/// A name in a patch: absent, taken away, or a name.
pub(crate) struct NamePatch;

pub(crate) fn missing(field: &'static str) -> Refusal {
    Refusal::invalid(field, "it must be set")
}

impl<M: Wire> Way<M> for Plain {
    type Form = M::Form;

    fn encode(self, value: M) -> M::Form {
        value.to_wire()
    }

    fn decode(self, _field: &'static str, form: M::Form) -> Result<M, Refusal> {
        M::from_wire(form)
    }
}

impl<M: Wire> Way<M> for Required {
    type Form = Option<M::Form>;

    fn encode(self, value: M) -> Self::Form {
        Some(value.to_wire())
    }

    fn decode(self, field: &'static str, form: Self::Form) -> Result<M, Refusal> {
        M::from_wire(form.ok_or_else(|| missing(field))?)
    }
}

impl<M: Wire + Default> Way<M> for OrDefault {
    type Form = Option<M::Form>;

    fn encode(self, value: M) -> Self::Form {
        Some(value.to_wire())
    }

    fn decode(self, _field: &'static str, form: Self::Form) -> Result<M, Refusal> {
        form.map_or_else(|| Ok(M::default()), M::from_wire)
    }
}

impl<M: Wire> Way<M> for Or<M> {
    type Form = Option<M::Form>;

    fn encode(self, value: M) -> Self::Form {
        Some(value.to_wire())
    }

    fn decode(self, _field: &'static str, form: Self::Form) -> Result<M, Refusal> {
        form.map_or(Ok(self.0), M::from_wire)
    }
}

impl<M: Wire<Form = u64>> Way<Option<Option<M>>> for BoundPatch {
    type Form = Option<pb::Bound>;

    fn encode(self, value: Option<Option<M>>) -> Self::Form {
        value.map(|bound| pb::Bound { value: bound.to_wire() })
    }

    fn decode(self, _field: &'static str, form: Self::Form) -> Result<Option<Option<M>>, Refusal> {
        form.map(|bound| Option::from_wire(bound.value)).transpose()
    }
}

impl<M: Wire<Form = u64>> Way<Option<M>> for BoundOr<M> {
    type Form = Option<pb::Bound>;

    fn encode(self, value: Option<M>) -> Self::Form {
        Some(pb::Bound { value: value.to_wire() })
    }

    fn decode(self, _field: &'static str, form: Self::Form) -> Result<Option<M>, Refusal> {
        form.map_or(Ok(self.0), |bound| Option::from_wire(bound.value))
    }
}

impl<M: Wire<Form = String>> Way<Option<Option<M>>> for NamePatch {
    type Form = Option<pb::NameOrNone>;

    fn encode(self, value: Option<Option<M>>) -> Self::Form {
        value.map(|name| pb::NameOrNone { value: name.to_wire() })
    }

    fn decode(self, _field: &'static str, form: Self::Form) -> Result<Option<Option<M>>, Refusal> {
        form.map(|name| Option::from_wire(name.value)).transpose()
    }
}

/// The way of a field: the one that was named, or its own form.
macro_rules! way {
    () => {
        $crate::translate::Plain
    };
    ($way:expr) => {
        $way
    };
}

/// Ties a model struct to a message of the contract, `model field = contract field, by a way`.
macro_rules! messages {
    ($( $model:ident = $wire:ident { $( $field:ident = $wire_field:ident $(, $way:expr)?; )* } )*) => { $(
        impl $crate::translate::Wire for $model {
            type Form = $crate::proto::$wire;

            fn to_wire(self) -> Self::Form {
                $crate::proto::$wire {
                    $( $wire_field: $crate::translate::Way::encode($crate::translate::way!($($way)?), self.$field), )*
                }
            }

            #[allow(unused_variables, reason = "a message without fields has nothing to read")]
            fn from_wire(form: Self::Form) -> Result<Self, model::Refusal> {
                Ok($model {
                    $( $field: $crate::translate::Way::decode(
                        $crate::translate::way!($($way)?), stringify!($wire_field), form.$wire_field,
                    )?, )*
                })
            }
        }
    )* };
}

/// Ties a model enum of plain words to an enum of the contract with the same words. `unset` is what the absent
/// value means; without it the value must be set.
macro_rules! enumeration {
    ($( $model:ident $(, unset $unset:ident)? { $( $word:ident )* } )*) => { $(
        impl $crate::translate::Wire for $model {
            type Form = i32;

            fn to_wire(self) -> i32 {
                i32::from(match self { $( Self::$word => $crate::proto::$model::$word, )* })
            }

            #[allow(unreachable_code, reason = "where the absent value means something, it is not refused")]
            fn from_wire(form: i32) -> Result<Self, model::Refusal> {
                match $crate::proto::$model::try_from(form) {
                    $( Ok($crate::proto::$model::$word) => Ok(Self::$word), )*
                    Ok($crate::proto::$model::Unspecified) => {
                        $( return Ok(Self::$unset); )?
                        Err($crate::translate::missing(stringify!($model)))
                    }
                    Err(_) => Err(model::Refusal::invalid(
                        stringify!($model),
                        format!("this broker does not know the value {form}"),
                    )),
                }
            }
        }
    )* };
}

macro_rules! same {
    ($( $kind:ty )*) => { $(
        impl Wire for $kind {
            type Form = $kind;

            fn to_wire(self) -> $kind {
                self
            }

            fn from_wire(form: $kind) -> Result<Self, Refusal> {
                Ok(form)
            }
        }
    )* };
}

macro_rules! numbers {
    ($( $kind:ident($inner:ty) )*) => { $(
        impl Wire for $kind {
            type Form = $inner;

            fn to_wire(self) -> $inner {
                self.get()
            }

            fn from_wire(form: $inner) -> Result<Self, Refusal> {
                Ok($kind::new(form))
            }
        }
    )* };
}

macro_rules! names {
    ($( $kind:ident )*) => { $(
        impl Wire for $kind {
            type Form = String;

            fn to_wire(self) -> String {
                self.as_str().to_owned()
            }

            fn from_wire(form: String) -> Result<Self, Refusal> {
                $kind::parse(&form)
            }
        }
    )* };
}

pub(crate) use {enumeration, messages, way};

same! { bool u32 u64 i32 String Bytes }
names! { QueueName TopicName SubscriptionName UserName MemberName MessageId ExchangeName PolicyName RoutingKey }
numbers! {
    UserId(u64) QueueId(u64) TopicId(u64) SubscriptionId(u64) TokenId(u64) Offset(u64) Sequence(u64) Epoch(u64)
    LogIndex(u64) Generation(u64) Timestamp(u64) Span(u64) ByteSize(u64) Partition(u32) Attempt(u32)
}

impl<M: Wire> Wire for Option<M> {
    type Form = Option<M::Form>;

    fn to_wire(self) -> Self::Form {
        self.map(M::to_wire)
    }

    fn from_wire(form: Self::Form) -> Result<Self, Refusal> {
        form.map(M::from_wire).transpose()
    }
}

impl<M: Wire> Wire for Vec<M> {
    type Form = Vec<M::Form>;

    fn to_wire(self) -> Self::Form {
        self.into_iter().map(M::to_wire).collect()
    }

    fn from_wire(form: Self::Form) -> Result<Self, Refusal> {
        form.into_iter().map(M::from_wire).collect()
    }
}

impl Wire for NamespaceName {
    type Form = String;

    fn to_wire(self) -> String {
        self.as_str().to_owned()
    }

    fn from_wire(form: String) -> Result<Self, Refusal> {
        if form.is_empty() { Ok(Self::default()) } else { Self::parse(&form) }
    }
}

impl Wire for Secret {
    type Form = String;

    fn to_wire(self) -> String {
        self.reveal().to_owned()
    }

    fn from_wire(form: String) -> Result<Self, Refusal> {
        Ok(Self::new(form))
    }
}

impl Wire for Arc<str> {
    type Form = String;

    fn to_wire(self) -> String {
        self.as_ref().to_owned()
    }

    fn from_wire(form: String) -> Result<Self, Refusal> {
        Ok(Self::from(form))
    }
}

impl Wire for Priority {
    type Form = u32;

    fn to_wire(self) -> u32 {
        u32::from(self.get())
    }

    fn from_wire(form: u32) -> Result<Self, Refusal> {
        let fitting = u8::try_from(form).map(Self::new);
        fitting.map_err(|_| Refusal::invalid("priority", "it must lie between 0 and 255"))
    }
}

messages! {
    QueueRef = QueueRef { namespace = namespace; name = name; }
    TopicRef = TopicRef { namespace = namespace; name = name; }
    SubscriptionRef = SubscriptionRef { topic = topic, Required; name = name; }
}

impl Wire for Source {
    type Form = pb::Source;

    fn to_wire(self) -> pb::Source {
        let source = match self {
            Self::Queue(queue) => pb::source::Source::Queue(queue.to_wire()),
            Self::Subscription(subscription) => pb::source::Source::Subscription(subscription.to_wire()),
        };
        pb::Source { source: Some(source) }
    }

    fn from_wire(form: pb::Source) -> Result<Self, Refusal> {
        match form.source.ok_or_else(|| missing("source"))? {
            pb::source::Source::Queue(queue) => Ok(Self::Queue(Wire::from_wire(queue)?)),
            pb::source::Source::Subscription(subscription) => Ok(Self::Subscription(Wire::from_wire(subscription)?)),
        }
    }
}

impl Wire for PageRequest {
    type Form = pb::PageRequest;

    fn to_wire(self) -> pb::PageRequest {
        pb::PageRequest { limit: Some(self.limit), cursor: self.cursor }
    }

    fn from_wire(form: pb::PageRequest) -> Result<Self, Refusal> {
        Self::new(form.limit, form.cursor)
    }
}
