//! The headers of a dead letter: `x-death` and what is said of its first and last end.
//! Invariant: newest first, one entry a queue and reason, as RabbitMQ has them.

use model::message::{DeadLetter, DeadLetterReason, Death};

use super::table;
use crate::codec::{Table, Value};

const fn word(reason: DeadLetterReason) -> &'static str {
    match reason {
        DeadLetterReason::DeliveryLimit => "delivery_limit",
        DeadLetterReason::Rejected => "rejected",
        DeadLetterReason::Expired => "expired",
        DeadLetterReason::Overflow => "maxlen",
    }
}

/// The name in `queue default/orders`.
fn queue(origin: &str) -> &str {
    origin.split_once('/').map_or(origin, |(_, name)| name)
}

fn exchange(death: &Death) -> &str {
    death.exchange.as_ref().map_or("", |exchange| exchange.as_str())
}

/// Puts the headers of a dead letter to others.
pub(super) fn put_headers(headers: &mut Table, dead: &DeadLetter) {
    let (Some(last), Some(first)) = (dead.deaths.first(), dead.deaths.last()) else { return };
    headers.put("x-death", Value::Array(dead.deaths.iter().map(|death| Value::Table(entry(death))).collect()));
    for (which, death) in [("first", first), ("last", last)] {
        headers.put(&format!("x-{which}-death-exchange"), Value::text(exchange(death)));
        headers.put(&format!("x-{which}-death-queue"), Value::text(queue(&death.origin)));
        headers.put(&format!("x-{which}-death-reason"), Value::text(word(death.reason)));
    }
}

fn entry(death: &Death) -> Table {
    let keys = death.routing_keys.iter().map(Value::text).collect();
    let mut entry: Table = [
        ("count", Value::I64(i64::from(death.count))),
        ("exchange", Value::text(exchange(death))),
        ("queue", Value::text(queue(&death.origin))),
        ("reason", Value::text(word(death.reason))),
        ("routing-keys", Value::Array(keys)),
        ("time", Value::Timestamp(table::seconds(death.at))),
    ]
    .into_iter()
    .collect();
    if let Some(ttl) = death.ttl {
        entry.put("original-expiration", Value::text(ttl.get().to_string()));
    }
    entry
}
