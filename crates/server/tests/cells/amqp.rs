//! The operations of the table that AMQP has a method for, asked over it.
//! Invariant: what is expected here is the rules' answer, said as AMQP says it; nothing else is known of the rules.
//! Asked by `matrix`. A name does not say here whether it is a queue's or a topic's: of topics only what is allowed counts.

use amqp::codec::class::{basic, exchange, queue};
use amqp::codec::{Properties, Table, Value};
use model::OperationKind as Kind;

use super::people::Person;
use super::rules;
use super::things::{Subject, Thing};
use crate::world::{Amqp, Closed, Confirmed, short};

/// What AMQP says where the rules say this; `None` where it is not asked.
pub(crate) fn expected(kind: Kind, person: &Person, thing: &Thing, by_rules: &str) -> Option<&'static str> {
    let (Subject::Queue(place) | Subject::Topic(place) | Subject::Exchange(place)) = &thing.subject else {
        return None;
    };
    if place.namespace != "default" {
        return None;
    }
    let is_topic = matches!(thing.subject, Subject::Topic(_));
    Some(match (kind, by_rules) {
        // Deleting a topic with its messages is what AMQP does; the matrix needs them.
        (Kind::DeleteTopic, answer) if answer != "forbidden" || !thing.there => return None,
        // A queue of this name would be seen, and is not there; the topic that is there is not seen, and stays.
        (Kind::DeleteTopic, _) if !rules::may(person, "describe", thing) && sees_queue(person, thing) => "done",
        // To find a topic takes to see it.
        (Kind::ReadPartition, "done") if !rules::may(person, "describe", thing) => "forbidden",
        (_, "forbidden") => "forbidden",
        // What is not there is deleted already.
        (Kind::DeleteQueue | Kind::DeleteExchange, "queue_not_found" | "exchange_not_found") => "done",
        (_, answer) if answer.ends_with("_not_found") && is_topic => "forbidden",
        (_, answer) if answer.ends_with("_not_found") => "not_found",
        (_, "queue_not_empty" | "exchange_in_use") => "refused",
        // AMQP's own settings are not those of the other doors.
        (Kind::CreateQueue | Kind::CreateTopic, "done") if thing.there => "refused",
        (_, "done") => "done",
        (_, other) => panic!("AMQP has no word for {other}"),
    })
}

/// Whether a person would be told of a queue with the name of a topic that there is none.
fn sees_queue(person: &Person, thing: &Thing) -> bool {
    let Subject::Topic(place) = &thing.subject else { return false };
    let queue = Thing { subject: Subject::Queue(place.clone()), mine: false, ..thing.clone() };
    ["describe", "delete"].into_iter().any(|right| rules::may(person, right, &queue))
}

/// Asks, and says what came back; `None` when there is no method for it.
pub(crate) fn ask(amqp: &mut Amqp, kind: Kind, subject: &Subject) -> Option<String> {
    let said = match subject {
        Subject::Queue(place) => on_queue(amqp, kind, &place.name)?,
        Subject::Exchange(place) => on_exchange(amqp, kind, &place.name)?,
        Subject::Topic(place) => on_topic(amqp, kind, &place.name)?,
        _ => return None,
    };
    let is_topic = matches!(subject, Subject::Topic(_));
    Some(match said {
        Ok(()) => "done".to_owned(),
        Err(Closed { code: 403 | 404, .. }) if is_topic => "forbidden".to_owned(),
        Err(Closed { code: 403, .. }) => "forbidden".to_owned(),
        Err(Closed { code: 404, .. }) => "not_found".to_owned(),
        Err(Closed { code: 406, .. }) => "refused".to_owned(),
        Err(other) => format!("{other:?}"),
    })
}

fn publish(amqp: &mut Amqp, exchange: &str, key: &str) -> Result<Confirmed, Closed> {
    amqp.publish(exchange, key, Properties::default(), b"x")
}

/// Through the default exchange, where a queue that is not there sends back.
fn publish_to(amqp: &mut Amqp, name: &str) -> Result<(), Closed> {
    match publish(amqp, "", name)? {
        Confirmed::Returned => Err(Closed { code: 404, text: "returned".to_owned() }),
        Confirmed::Kept | Confirmed::Refused => Ok(()),
    }
}

fn on_queue(amqp: &mut Amqp, kind: Kind, name: &str) -> Option<Result<(), Closed>> {
    let queue = short(name);
    let declare = queue::Declare { queue: queue.clone(), durable: true, ..queue::Declare::default() };
    Some(match kind {
        Kind::CreateQueue => amqp.call(declare).map(|_| ()),
        Kind::DescribeQueue => amqp.call(queue::Declare { passive: true, ..declare }).map(|_| ()),
        Kind::DeleteQueue => {
            let delete = queue::Delete { queue, if_empty: true, ..queue::Delete::default() };
            amqp.call(delete).map(|_| ())
        }
        Kind::PurgeQueue => amqp.call(queue::Purge { queue, ..queue::Purge::default() }).map(|_| ()),
        Kind::Publish => publish_to(amqp, name),
        Kind::Receive => amqp.get(name).map(|got| got.into_iter().for_each(|got| give_back(amqp, got.tag))),
        _ => return None,
    })
}

fn give_back(amqp: &mut Amqp, delivery_tag: u64) {
    amqp.tell(basic::Reject { delivery_tag, requeue: true });
}

fn on_topic(amqp: &mut Amqp, kind: Kind, name: &str) -> Option<Result<(), Closed>> {
    let queue = short(name);
    let arguments: Table = [("x-queue-type", Value::text("stream"))].into_iter().collect();
    let declare = queue::Declare { queue: queue.clone(), durable: true, arguments, ..queue::Declare::default() };
    Some(match kind {
        Kind::CreateTopic => amqp.call(declare).map(|_| ()),
        Kind::DescribeTopic => amqp.call(queue::Declare { passive: true, ..declare }).map(|_| ()),
        Kind::DeleteTopic => amqp.call(queue::Delete { queue, ..queue::Delete::default() }).map(|_| ()),
        Kind::PublishTopic => publish_to(amqp, name),
        Kind::ReadPartition => {
            amqp.prefetch(1);
            let consumer_tag = short("reader");
            let consume = basic::Consume { queue, consumer_tag: consumer_tag.clone(), ..basic::Consume::default() };
            amqp.call(consume).map(|_| drop(amqp.call(basic::Cancel { consumer_tag, no_wait: false })))
        }
        _ => return None,
    })
}

fn on_exchange(amqp: &mut Amqp, kind: Kind, name: &str) -> Option<Result<(), Closed>> {
    let exchange = short(name);
    let declare = exchange::Declare {
        exchange: exchange.clone(),
        kind: short("direct"),
        durable: true,
        ..exchange::Declare::default()
    };
    let (source, destination, routing_key) = (exchange.clone(), exchange.clone(), short("asked"));
    Some(match kind {
        Kind::CreateExchange => amqp.call(declare).map(|_| ()),
        Kind::DescribeExchange => amqp.call(exchange::Declare { passive: true, ..declare }).map(|_| ()),
        Kind::DeleteExchange => {
            amqp.call(exchange::Delete { exchange, if_unused: true, ..exchange::Delete::default() }).map(|_| ())
        }
        Kind::PublishExchange => publish(amqp, name, "x").map(|_| ()),
        Kind::Bind => {
            amqp.call(exchange::Bind { source, destination, routing_key, ..exchange::Bind::default() }).map(|_| ())
        }
        Kind::Unbind => {
            amqp.call(exchange::Unbind { source, destination, routing_key, ..exchange::Unbind::default() }).map(|_| ())
        }
        _ => return None,
    })
}
