//! What a consumer gets was sent, byte for byte.
//! Invariant checked: the record is the one that was published, and it is the one that the place stands for.
//! Called with each delivery, peek and read.

use bytes::Bytes;

use super::Property;
use crate::book::{Book, Notes, message_of};
use crate::trace::fold;

/// A record came to a consumer that was promised message `expected`.
pub fn delivered(book: &Book, expected: Option<u64>, record: &Bytes, notes: &mut Notes) -> Option<u64> {
    let Some((number, message)) = message_of(record) else {
        notes.verdicts.broken(Property::Authentic, format!("what was delivered for {expected:?} is no message"));
        return None;
    };
    let verdicts = &mut notes.verdicts;
    verdicts.demand(Property::Authentic, expected.is_none_or(|expected| expected == number), || {
        format!("message {number} was delivered for {expected:?}")
    });
    verdicts.demand(Property::Authentic, book.sent.get(&number) == Some(&fold(0, record)), || {
        format!("message {number} was delivered with other bytes than it was sent with")
    });
    verdicts.demand(Property::Authentic, &*message.sender == "simulator", || {
        format!("message {number} has the sender {}", message.sender)
    });
    Some(number)
}
