//! The page of a queue: what it holds, how it behaves, its rates, and a look at messages without taking them.
//! Invariant: payloads are read only when somebody asks to see them, a page at a time.
//! Actions are in `queue_actions`; tests in `tests.rs`.

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use maud::{Markup, html};
use model::message::{MessageState, Peeked};
use model::name::{QueueName, QueueRef};
use model::number::Span;
use model::queue::{DeliveryOrder, DescribeQueue, Overflow, Peek, PeekedMessages, QueueDescription, QueueSettings};

use super::address::{Address, curl, rest};
use super::overview::Reading;
use super::page::{Frame, Tab, Turned, equals, fact, notice, rates};
use super::publish::{message_view, publish_form, queue_fields};
use super::queue_actions::actions_view;
use super::session::Visitor;
use super::words;
use crate::door::Door;
use crate::translate::{cursor_of, place_of};

/// Messages that one look shows.
const PEEK: u32 = 20;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/console/queues/{queue}", get(show)).route("/console/queues/{queue}/rates", get(totals))
}

impl Visitor {
    /// The queue of the path, in the namespace of the query.
    pub(super) fn queue(&self, name: &str) -> Result<QueueRef, Turned> {
        let name = self.accept(QueueName::parse(name))?;
        Ok(QueueRef { namespace: self.namespace.clone(), name })
    }
}

/// The address of a queue's page without its namespace, for what lies below it.
pub(super) fn page_of(queue: &QueueRef) -> Address {
    Address::of("/console/queues").part(queue.name.as_str())
}

/// The address of a queue in REST.
pub(super) fn rest_of(queue: &QueueRef) -> Address {
    rest(&queue.namespace).part("queues").part(queue.name.as_str())
}

async fn totals(visitor: Visitor, Path(name): Path<String>) -> Result<Json<Reading>, Turned> {
    let queue = visitor.queue(&name)?;
    let found = visitor.call(DescribeQueue { queue }).await?;
    Ok(Reading::of(std::iter::once(found.totals)))
}

async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Markup, Turned> {
    let queue = visitor.queue(&name)?;
    let found = visitor.call(DescribeQueue { queue: queue.clone() }).await?;
    if visitor.frame.htmx {
        return Ok(counts_view(&visitor.frame, &found));
    }
    let looked = match MessageState::parse(visitor.query.text("state")) {
        None => None,
        Some(state) => {
            let after = visitor.accept(visitor.query.some("after").map(place_of).transpose())?;
            let peek = Peek { queue: queue.clone(), state, limit: PEEK, after };
            Some((state, visitor.call(peek).await?))
        }
    };
    let looked = looked.as_ref().map(|(state, found)| (*state, found));
    let content = html! { (notice(&visitor.query)) (queue_view(&visitor.frame, &found, looked)) };
    Ok(visitor.frame.page(&format!("Queue {}", queue.name), Tab::Queues, &content))
}

/// The page.
pub(super) fn queue_view(
    frame: &Frame,
    found: &QueueDescription,
    looked: Option<(MessageState, &PeekedMessages)>,
) -> Markup {
    let page = page_of(&found.queue);
    let publish = page.clone().part("publish").within(&frame.namespace);
    html! {
        (counts_view(frame, found))
        (rates(&page.clone().part("rates").within(&frame.namespace), "Messages a second"))
        (settings_view(found))
        h2 #messages { "Messages" }
        (publish_form(frame, &publish, &rest_of(&found.queue).part("messages"), &queue_fields()))
        (look_view(frame, &found.queue, looked))
        h2 { "Actions" }
        (actions_view(frame, found))
    }
}

/// The counts, which are asked for again every two seconds.
fn counts_view(frame: &Frame, found: &QueueDescription) -> Markup {
    let here = page_of(&found.queue).within(&frame.namespace);
    let totals = &found.totals;
    html! {
        div #live hx-get=(here) hx-trigger="every 2s" hx-swap="outerHTML" {
            dl.facts {
                (fact("Ready", words::count(found.counts.ready)))
                (fact("Delayed", words::count(found.counts.delayed)))
                (fact("Leased", words::count(found.counts.leased)))
                (fact("Size", words::size(found.counts.bytes)))
                (fact("Oldest ready", words::age(found.oldest_ready_at)))
                (fact("Oldest leased", words::age(found.oldest_leased_at)))
                (fact("Consumers", found.consumers))
                (fact("Published", words::count(totals.published)))
                (fact("Delivered", words::count(totals.delivered)))
                (fact("Redelivered", words::count(totals.redelivered)))
                (fact("Acknowledged", words::count(totals.acknowledged)))
                (fact("Dead-lettered", words::count(totals.dead_lettered)))
                (fact("Dropped", words::count(totals.dropped)))
            }
            @if let Some(redrive) = &found.redrive {
                p.notice role="status" { "A redrive runs: " (words::count(redrive.moved)) " messages moved so far." }
            }
        }
    }
}

fn bound<T>(bound: Option<T>, word: impl Fn(T) -> String) -> String {
    bound.map_or_else(|| "none".to_owned(), word)
}

fn settings_view(found: &QueueDescription) -> Markup {
    let QueueSettings {
        max_messages,
        max_bytes,
        overflow,
        message_ttl,
        lease,
        delivery_limit,
        dead_letter,
        deduplication,
        order,
        partitions,
        ..
    } = &found.settings;
    let order = match order {
        DeliveryOrder::Fifo => "priority, then first in, first out",
        DeliveryOrder::PerKey => "one message of a key at a time",
    };
    let overflow = match overflow {
        Overflow::Reject => "refuse publishes",
        Overflow::DropOldest => "drop the oldest",
        Overflow::RejectToDeadLetter => "refuse publishes, to the dead letters",
    };
    let deduplication = if *deduplication == Span::new(0) { "off".to_owned() } else { words::span(*deduplication) };
    html! {
        details.action open {
            summary { "Settings" }
            dl.facts {
                (fact("Owner", found.owner.as_ref().map_or("nobody", |owner| owner.as_str())))
                (fact("Created", words::date(found.created_at)))
                (fact("Order", order))
                (fact("Partitions", partitions))
                (fact("Lease", words::span(*lease)))
                (fact("Delivery limit", words::count(u64::from(*delivery_limit))))
                (fact("Dead letters to", dead_letter.as_ref().map_or("nowhere: dropped", |name| name.as_str())))
                (fact("Lifetime", bound(*message_ttl, words::span)))
                (fact("Most messages", bound(*max_messages, words::count)))
                (fact("Most bytes", bound(*max_bytes, words::size)))
                (fact("When full", overflow))
                (fact("Same id within", deduplication))
            }
        }
    }
}

fn look_view(frame: &Frame, queue: &QueueRef, looked: Option<(MessageState, &PeekedMessages)>) -> Markup {
    let page = page_of(queue).within(&frame.namespace);
    let now = looked.map(|(state, _)| state);
    let line = curl(&frame.site, "GET", &rest_of(queue).part("messages").with("state", "ready"), None);
    html! {
        p { "Look, without taking: "
            @for state in MessageState::ALL {
                a href={(page.clone().with("state", state.word())) "#messages"}
                    aria-current=[(now == Some(state)).then_some("true")] { (state.word()) } " "
            }
        }
        @if let Some((state, found)) = looked {
            @if found.messages.is_empty() { p.muted { "No message is " (state.word()) "." } }
            @for one in &found.messages { (peeked_view(one)) }
            @if let Some(next) = found.next {
                p { a href={(page.with("state", state.word()).with("after", &cursor_of(next))) "#messages"} rel="next" {
                    "Next messages" } }
            }
        }
        (equals(&line))
    }
}

fn peeked_view(peeked: &Peeked) -> Markup {
    let place = format!("{}-{}", peeked.partition, peeked.sequence);
    let state = html! {
        span { (peeked.state.word()) ", " (peeked.attempts) " deliveries" }
        @if let Some(due) = peeked.due_at { span { "until " (words::date(due)) } }
        @if peeked.message.priority.get() > 0 { span { "priority " (peeked.message.priority.get()) } }
    };
    message_view(&place, &peeked.message, &state, peeked.dead_letter.as_ref())
}
