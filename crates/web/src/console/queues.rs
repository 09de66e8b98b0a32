//! The list of queues of a namespace: what each holds, how old it is, who takes it; and the form for a new one.
//! Invariant: a list is never longer than a page.
//! Tests in `tests.rs`.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use model::name::{QueueName, QueueRef};
use model::number::Span;
use model::page::PageRequest;
use model::queue::{CreateQueue, DeliveryOrder, ListQueues, QueueDescription, QueuePage, QueueSettings};
use model::refusal::Refusal;

use super::address::{Address, curl, rest};
use super::fields::{Fields, Form};
use super::page::{Did, Frame, Tab, Turned, equals, field, next_page, notice};
use super::session::Visitor;
use super::words;
use crate::door::Door;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/console/queues", get(list).post(create))
}

/// Which part of a list a query asks for.
pub(super) fn asked(query: &Fields) -> (String, PageRequest) {
    let cursor = query.some("cursor").map(str::to_owned);
    (query.text("prefix").trim().to_owned(), PageRequest { cursor, ..PageRequest::default() })
}

async fn list(visitor: Visitor) -> Result<Markup, Turned> {
    let (prefix, page) = asked(&visitor.query);
    let cursor = page.cursor.clone();
    let found = visitor.call(ListQueues { namespace: visitor.namespace.clone(), prefix: prefix.clone(), page }).await?;
    let content = html! { (notice(&visitor.query)) (list_view(&visitor.frame, &prefix, cursor.as_deref(), &found)) };
    Ok(visitor.frame.page("Queues", Tab::Queues, &content))
}

/// The filter of a list by how names start.
pub(super) fn filter(frame: &Frame, path: &'static str, prefix: &str) -> Markup {
    html! {
        form.filter method="get" action=(path) role="search" {
            @if frame.namespace != model::name::NamespaceName::default() {
                input type="hidden" name="ns" value=(frame.namespace);
            }
            label { span { "Names that start with" } input type="search" name="prefix" value=(prefix); }
            button.quiet type="submit" { "Filter" }
        }
    }
}

/// The list.
pub(super) fn list_view(frame: &Frame, prefix: &str, cursor: Option<&str>, found: &QueuePage) -> Markup {
    let mut first = Address::of("/console/queues").within(&frame.namespace);
    if !prefix.is_empty() {
        first = first.with("prefix", prefix);
    }
    let here = match cursor {
        Some(cursor) => first.clone().with("cursor", cursor),
        None => first.clone(),
    };
    html! {
        (filter(frame, "/console/queues", prefix))
        div #live hx-get=(here) hx-trigger="every 2s" hx-select="#live" hx-swap="outerHTML" {
            div.scroll { table {
                caption { "Queues in " (frame.namespace) }
                thead { tr {
                    th scope="col" { "Name" } th.n scope="col" { "Ready" } th.n scope="col" { "Delayed" }
                    th.n scope="col" { "Leased" } th.n scope="col" { "Size" } th.n scope="col" { "Oldest ready" }
                    th.n scope="col" { "Consumers" }
                } }
                tbody { @for queue in &found.items { (row(frame, queue)) } }
            } }
            @if found.items.is_empty() { p.muted { "There is no queue here that you may see." } }
            (next_page(&first, found.next.as_deref(), "cursor"))
        }
        (new_queue(frame))
    }
}

fn row(frame: &Frame, queue: &QueueDescription) -> Markup {
    let name = queue.queue.name.as_str();
    let address = Address::of("/console/queues").part(name).within(&frame.namespace);
    let unattended = queue.consumers == 0 && queue.counts.ready > 0;
    html! { tr {
        th scope="row" { a id={"queue " (name)} href=(address) { (name) } }
        td.n { (words::count(queue.counts.ready)) }
        td.n { (words::count(queue.counts.delayed)) }
        td.n { (words::count(queue.counts.leased)) }
        td.n { (words::size(queue.counts.bytes)) }
        td.n { (words::age(queue.oldest_ready_at)) }
        td.n { @if unattended { span.badge.warn { "none" } } @else { (queue.consumers) } }
    } }
}

fn new_queue(frame: &Frame) -> Markup {
    let line = curl(&frame.site, "PUT", &rest(&frame.namespace).part("queues").part("orders"), None);
    let action = Address::of("/console/queues").within(&frame.namespace);
    html! {
        details.action {
            summary { "New queue" }
            form.card method="post" action=(action) {
                (frame.token())
                (field("Name", &html! { input name="name" required maxlength="255" spellcheck="false"; }, ""))
                (field("Dead letters to", &html! { input name="dead_letter" maxlength="255" spellcheck="false"; },
                    "A queue of this namespace; empty: messages beyond the limit are dropped."))
                (field("Delivery limit", &html! { input name="delivery_limit" inputmode="numeric" placeholder="20"; }, ""))
                (field("Lease in ms", &html! { input name="lease_ms" inputmode="numeric" placeholder="30000"; }, ""))
                (field("Lifetime in ms", &html! { input name="message_ttl_ms" inputmode="numeric"; }, "Empty: for ever."))
                (field("Most messages", &html! { input name="max_messages" inputmode="numeric"; }, "Empty: no bound."))
                (field("Partitions", &html! { input name="partitions" inputmode="numeric" placeholder="1"; }, ""))
                label.tick { input type="checkbox" name="per_key" value="yes"; " One message of a key at a time, in order" }
                button type="submit" { "Create queue" }
            }
            (equals(&line))
        }
    }
}

fn settings(fields: &Fields) -> Result<QueueSettings, Refusal> {
    let usual = QueueSettings::default();
    let settings = QueueSettings {
        max_messages: fields.number("max_messages")?,
        message_ttl: fields.number("message_ttl_ms")?.map(Span::new),
        lease: fields.number("lease_ms")?.map_or(usual.lease, Span::new),
        delivery_limit: fields.number("delivery_limit")?.unwrap_or(usual.delivery_limit),
        dead_letter: fields.some("dead_letter").map(QueueName::parse).transpose()?,
        order: if fields.some("per_key").is_some() { DeliveryOrder::PerKey } else { usual.order },
        partitions: fields.number("partitions")?.unwrap_or(usual.partitions),
        ..usual
    };
    settings.check()?;
    Ok(settings)
}

async fn create(Form(visitor, fields): Form) -> Result<Response, Turned> {
    let name = visitor.accept(QueueName::parse(fields.text("name").trim()))?;
    let settings = visitor.accept(settings(&fields))?;
    let address = Address::of("/console/queues").part(name.as_str());
    let queue = QueueRef { namespace: visitor.namespace.clone(), name };
    visitor.call(CreateQueue { queue, settings }).await?;
    Ok(visitor.frame.done(address, Did::Created, None))
}
