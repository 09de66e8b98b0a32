//! From places and bytes to what a consumer gets.
//! A record that cannot be read was damaged after its checksum was right: a fault, never a skipped message.

use broker::command::LeaseEnd;
use broker::machine::ReadPlace;
use broker::queue::{PeekedPlace, Picked};
use broker::record;
use bytes::Bytes;
use model::failure::{Failure, Fault};
use model::message::{DeadLetter, Delivery, Message, Peeked, Record};
use model::number::{Attempt, Partition, Timestamp};
use model::receipt::Receipt;

fn message(record: Bytes, published_at: Timestamp, expires_at: Option<Timestamp>) -> Result<Message, Failure> {
    record::decode(record, published_at, expires_at)
        .map_err(|error| Fault { what: format!("a stored message cannot be read: {error}") }.into())
}

/// The history of a dead letter, completed with what its record knows of the first move.
fn history(letter: Option<DeadLetter>, message: &mut Message) -> Option<DeadLetter> {
    let mut letter = letter?;
    for death in &mut letter.deaths {
        if death.exchange.is_none()
            && let Some(way) = &message.routed
        {
            death.exchange = Some(way.exchange.clone());
            death.routing_keys = vec![way.routing_key.to_string()];
        }
    }
    // A dead letter does not expire on its old account: its lifetime is that of its first death.
    if let Some(first) = letter.deaths.last_mut() {
        first.ttl = message.ttl.take();
    }
    Some(letter)
}

/// A leased message with its receipt.
pub(crate) fn delivery(picked: &Picked, record: Bytes, receipt: Receipt, end: LeaseEnd) -> Result<Delivery, Failure> {
    let mut message = message(record, picked.published_at, picked.expires_at)?;
    let dead_letter = history(picked.dead_letter.clone(), &mut message).map(Box::new);
    Ok(Delivery {
        message,
        receipt: Some(receipt),
        attempt: picked.attempt,
        partition: picked.pick.partition,
        offset: picked.offset,
        leased_until: match end {
            LeaseEnd::At(time) => Some(time),
            LeaseEnd::WithConnection => None,
        },
        dead_letter,
    })
}

/// A record for the member of a stream subscription.
pub(crate) fn stream_delivery(partition: Partition, place: &ReadPlace, record: Bytes) -> Result<Delivery, Failure> {
    Ok(Delivery {
        message: message(record, place.published_at, None)?,
        receipt: None,
        attempt: Attempt::new(1),
        partition,
        offset: Some(place.offset),
        leased_until: None,
        dead_letter: None,
    })
}

/// A record read without a subscription.
pub(crate) fn record_at(place: &ReadPlace, bytes: Bytes) -> Result<Record, Failure> {
    Ok(Record { offset: place.offset, message: message(bytes, place.published_at, None)? })
}

/// A message looked at.
pub(crate) fn peeked(place: PeekedPlace, record: Bytes) -> Result<Peeked, Failure> {
    let mut message = message(record, place.published_at, place.expires_at)?;
    let dead_letter = history(place.dead_letter, &mut message);
    Ok(Peeked {
        message,
        partition: place.partition,
        sequence: place.sequence,
        state: place.state,
        attempts: place.attempts,
        due_at: place.due_at,
        dead_letter,
    })
}
