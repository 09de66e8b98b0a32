//! Messages of a publish stream on their way to one submit.
//! Invariant: a batch holds whole requests, so the messages of a request are accepted or refused together; a request
//! with an impossible message is refused by itself and never spoils others.

use model::Refusal;
use model::limits::PUBLISH_MESSAGES_MAX;

use super::track::Track;
use crate::limits::PUBLISH_SUBMIT_BYTES;
use crate::translate::Wire;

/// The numbers of some messages of a stream, first to last, and their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) bytes: u64,
}

impl Span {
    /// The numbers of `count` messages that start at `first`, where `next` is due.
    pub(crate) fn of(first: u64, count: usize, next: Option<u64>) -> Result<Self, Refusal> {
        if next.is_some_and(|next| next != first) {
            return Err(Refusal::invalid("first", "the messages of a stream count up one by one without a gap"));
        }
        let more = u64::try_from(count)
            .ok()
            .and_then(|count| count.checked_sub(1))
            .ok_or_else(|| Refusal::invalid("messages", "a request after the first has at least one"))?;
        let last = first.checked_add(more).ok_or_else(|| Refusal::invalid("first", "it must leave room to count"))?;
        Ok(Self { first, last, bytes: 0 })
    }

    /// The number after the last.
    pub(crate) fn next(self) -> Result<u64, Refusal> {
        self.last.checked_add(1).ok_or_else(|| Refusal::invalid("first", "it must leave room to count"))
    }

    /// How many messages.
    pub(crate) fn messages(self) -> u64 {
        self.last - self.first + 1
    }
}

/// What one submit will hold, or why it will not be.
pub(crate) enum Batch<M> {
    /// Messages to be submitted.
    Messages { span: Span, messages: Vec<M> },
    /// A request that no backend would accept.
    Refused { span: Span, refusal: Refusal },
}

impl<M> Batch<M> {
    /// Translates and checks the messages of one request.
    pub(crate) fn translate<T>(mut span: Span, forms: Vec<<M as Wire>::Form>) -> Self
    where
        M: Wire,
        T: Track<Message = M>,
    {
        let mut messages = Vec::with_capacity(forms.len());
        for form in forms {
            let checked = M::from_wire(form).and_then(|message| {
                T::content(&message).check()?;
                Ok(message)
            });
            match checked {
                Err(refusal) => return Self::Refused { span, refusal },
                Ok(message) => {
                    let size = u64::try_from(T::content(&message).size()).unwrap_or(u64::MAX);
                    span.bytes = span.bytes.saturating_add(size);
                    messages.push(message);
                }
            }
        }
        Self::Messages { span, messages }
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Messages { span, .. } | Self::Refused { span, .. } => *span,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.span().bytes
    }

    /// Takes another batch in, or gives it back when both together would not make one submit.
    pub(crate) fn join(&mut self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Messages { span, messages }, Self::Messages { span: more, messages: mut others })
                if messages.len() + others.len() <= PUBLISH_MESSAGES_MAX
                    && span.bytes.saturating_add(more.bytes) <= PUBLISH_SUBMIT_BYTES =>
            {
                messages.append(&mut others);
                *span = Span { first: span.first, last: more.last, bytes: span.bytes + more.bytes };
                None
            }
            (Self::Messages { .. } | Self::Refused { .. }, other) => Some(other),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn batch(first: u64, count: usize, bytes: u64) -> Batch<u64> {
        let span = Span { bytes, ..Span::of(first, count, None).unwrap() };
        Batch::Messages { span, messages: (first..=span.last).collect() }
    }

    #[test]
    fn messages_count_without_a_gap() {
        assert_eq!(Span::of(7, 3, Some(7)).unwrap(), Span { first: 7, last: 9, bytes: 0 });
        assert!(Span::of(8, 3, Some(7)).is_err());
        assert!(Span::of(7, 0, None).is_err());
        assert!(Span::of(u64::MAX, 2, None).is_err());
        assert!(Span::of(u64::MAX, 1, None).unwrap().next().is_err());
    }

    #[test]
    fn batches_join_in_order_up_to_one_submit() {
        let mut first = batch(0, 4000, 10);
        assert!(first.join(batch(4000, 96, 10)).is_none());
        assert_eq!(first.span(), Span { first: 0, last: 4095, bytes: 20 });
        assert!(first.join(batch(4096, 1, 0)).is_some());
        let Batch::Messages { messages, .. } = first else { panic!("joined messages stay messages") };
        assert_eq!(messages, (0..4096).collect::<Vec<_>>());
        let mut large = batch(0, 1, PUBLISH_SUBMIT_BYTES);
        assert!(large.join(batch(1, 1, 1)).is_some());
    }
}
