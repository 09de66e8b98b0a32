//! The page of a topic: partitions, subscriptions with their lag, a look at a partition, a live tail, publish, delete.
//! Invariant: records are read only when somebody asks to see them, a page at a time.
//! Tests in `tests.rs`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue};
use maud::{Markup, html};
use model::limits::PAGE_ITEMS_DEFAULT;
use model::name::{TopicName, TopicRef};
use model::number::{Offset, Partition, Span};
use model::page::PageRequest;
use model::queue::DeleteMode;
use model::refusal::Refusal;
use model::subscription::{ListSubscriptions, SubscriptionPage};
use model::topic::{
    DeleteTopic, DescribeTopic, PublishTopic, ReadPartition, Records, StartAt, TopicDescription, TopicMessage,
};

use super::address::{Address, curl, rest};
use super::fields::Form;
use super::overview::Reading;
use super::page::{Did, Frame, Tab, Turned, equals, fact, field, notice, rates};
use super::publish::{message_of, message_view, publish_form};
use super::queue_actions::confirmation;
use super::session::Visitor;
use super::subscription::{lag, new_subscription};
use super::topics::{extent, kept};
use super::words;
use crate::door::Door;
use crate::rest::follow_topic;
use crate::wire;

/// Records that one look shows.
const READ: u32 = 20;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/console/topics/{topic}", get(show))
        .route("/console/topics/{topic}/rates", get(totals))
        .route("/console/topics/{topic}/stream", get(stream))
        .route("/console/topics/{topic}/publish", post(publish))
        .route("/console/topics/{topic}/delete", post(delete))
}

impl Visitor {
    /// The topic of the path, in the namespace of the query.
    pub(super) fn topic(&self, name: &str) -> Result<TopicRef, Turned> {
        let name = self.accept(TopicName::parse(name))?;
        Ok(TopicRef { namespace: self.namespace.clone(), name })
    }
}

/// The address of a topic's page without its namespace.
pub(super) fn page_of(topic: &TopicRef) -> Address {
    Address::of("/console/topics").part(topic.name.as_str())
}

/// The address of a topic in REST.
pub(super) fn rest_of(topic: &TopicRef) -> Address {
    rest(&topic.namespace).part("topics").part(topic.name.as_str())
}

async fn totals(visitor: Visitor, Path(name): Path<String>) -> Result<Json<Reading>, Turned> {
    let topic = visitor.topic(&name)?;
    let subscriptions = ListSubscriptions { topic: topic.clone(), prefix: String::new(), page: PageRequest::default() };
    let subscriptions = visitor.call(subscriptions).await?;
    let found = visitor.call(DescribeTopic { topic }).await?;
    let followed = subscriptions.items.into_iter().map(|one| one.totals);
    Ok(Reading::of(std::iter::once(found.totals).chain(followed)))
}

/// Follows a topic through the stream of REST. A page that goes on after a pause names the last place it saw.
async fn stream(visitor: Visitor, Path(name): Path<String>, mut headers: HeaderMap) -> Result<Response, Turned> {
    let topic = visitor.topic(&name)?;
    if let (Some(after), false) = (visitor.query.some("after"), headers.contains_key("last-event-id")) {
        let refuse = |_| Refusal::invalid("after", "it must be the id of an event of this stream");
        let after = visitor.accept(HeaderValue::from_str(after).map_err(refuse))?;
        headers.insert("last-event-id", after);
    }
    let query = wire::FollowQuery::default();
    let followed = follow_topic(visitor.door.clone(), visitor.caller.clone(), topic, query, &headers).await;
    followed.map(IntoResponse::into_response).map_err(|problem| visitor.refuse(problem))
}

/// A look at a partition: which, from where, and what was there.
pub(super) struct Look {
    pub(super) partition: Partition,
    pub(super) records: Records,
}

async fn look(visitor: &Visitor, topic: &TopicRef) -> Result<Option<Look>, Turned> {
    let Some(partition) = visitor.accept(visitor.query.number("partition"))? else { return Ok(None) };
    let partition = Partition::new(partition);
    let offset = visitor.accept(visitor.query.number("offset"))?;
    let start = offset.map_or(StartAt::Earliest, |offset| StartAt::Offset(Offset::new(offset)));
    let read = ReadPartition { topic: topic.clone(), partition, start, limit: READ, wait: Span::new(0) };
    Ok(Some(Look { partition, records: visitor.call(read).await? }))
}

async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Markup, Turned> {
    let topic = visitor.topic(&name)?;
    let found = visitor.call(DescribeTopic { topic: topic.clone() }).await?;
    let page = PageRequest { limit: PAGE_ITEMS_DEFAULT, cursor: visitor.query.some("cursor").map(str::to_owned) };
    let subscriptions = ListSubscriptions { topic: topic.clone(), prefix: String::new(), page };
    let subscriptions = visitor.call(subscriptions).await?;
    if visitor.frame.htmx {
        return Ok(state_view(&visitor.frame, &found, &subscriptions));
    }
    let looked = look(&visitor, &topic).await?;
    let content = html! {
        (notice(&visitor.query))
        (topic_view(&visitor.frame, &found, &subscriptions, looked.as_ref()))
    };
    Ok(visitor.frame.page(&format!("Topic {}", topic.name), Tab::Topics, &content))
}

/// The page.
pub(super) fn topic_view(
    frame: &Frame,
    found: &TopicDescription,
    subscriptions: &SubscriptionPage,
    looked: Option<&Look>,
) -> Markup {
    let page = page_of(&found.topic);
    let publish = page.clone().part("publish").within(&frame.namespace);
    let partition =
        field("Partition", &html! { input name="partition" inputmode="numeric"; }, "Empty: by key, or in turn.");
    html! {
        (state_view(frame, found, subscriptions))
        (new_subscription(frame, &found.topic))
        (rates(&page.clone().part("rates").within(&frame.namespace), "Messages a second"))
        h2 #messages { "Messages" }
        (publish_form(frame, &publish, &rest_of(&found.topic).part("messages"), &partition))
        (look_view(frame, found, looked))
        (tail_view(frame, &found.topic))
        h2 { "Actions" }
        (delete_view(frame, found))
    }
}

/// What changes by itself, asked for again every two seconds.
fn state_view(frame: &Frame, found: &TopicDescription, subscriptions: &SubscriptionPage) -> Markup {
    let here = page_of(&found.topic).within(&frame.namespace);
    let (messages, bytes) = extent(found);
    html! {
        div #live hx-get=(here) hx-trigger="every 2s" hx-swap="outerHTML" {
            dl.facts {
                (fact("Messages", words::count(messages)))
                (fact("Size", words::size(bytes)))
                (fact("Kept", kept(&found.settings)))
                (fact("Published", words::count(found.totals.published)))
                (fact("Owner", found.owner.as_ref().map_or("nobody", |owner| owner.as_str())))
                (fact("Created", words::date(found.created_at)))
            }
            div.scroll { table {
                caption { "Partitions" }
                thead { tr { th scope="col" { "Partition" } th.n scope="col" { "Earliest" } th.n scope="col" { "End" }
                    th.n scope="col" { "Messages" } th.n scope="col" { "Size" } } }
                tbody { @for one in &found.partitions { tr {
                    th scope="row" { (one.partition.get()) }
                    td.n { (one.earliest.get()) } td.n { (one.end.get()) }
                    td.n { (words::count(one.messages)) } td.n { (words::size(one.bytes)) }
                } } }
            } }
            (subscriptions_view(frame, found, subscriptions))
        }
    }
}

fn subscriptions_view(frame: &Frame, found: &TopicDescription, subscriptions: &SubscriptionPage) -> Markup {
    let page = |name: &str| page_of(&found.topic).part("subscriptions").part(name).within(&frame.namespace);
    html! {
        div.scroll { table {
            caption { "Subscriptions" }
            thead { tr { th scope="col" { "Name" } th scope="col" { "Kind" } th.n scope="col" { "Lag" }
                th.n scope="col" { "Lag in time" } th.n scope="col" { "Leased" } th.n scope="col" { "Members" } } }
            tbody { @for one in &subscriptions.items { tr {
                th scope="row" { a id={"subscription " (one.subscription.name)} href=(page(one.subscription.name.as_str())) {
                    (one.subscription.name) } }
                td { (super::subscription::kind(&one.settings.kind)) }
                td.n { (words::count(one.lag)) } td.n { (lag(one.lag_time)) }
                td.n { (words::count(one.leased)) } td.n { (one.members.len()) }
            } } }
        } }
        @if subscriptions.items.is_empty() { p.muted { "Nobody follows this topic yet." } }
        @if let Some(next) = &subscriptions.next {
            p { a href=(page_of(&found.topic).within(&frame.namespace).with("cursor", next)) rel="next" {
                "More subscriptions" } }
        }
    }
}

fn look_view(frame: &Frame, found: &TopicDescription, looked: Option<&Look>) -> Markup {
    let page = page_of(&found.topic).within(&frame.namespace);
    let partition = looked.map_or(0, |look| look.partition.get());
    let first = looked.and_then(|look| look.records.records.first()).map(|record| record.offset.get());
    let part = rest_of(&found.topic).part("partitions").part(&partition.to_string()).part("messages");
    html! {
        form.filter method="get" action={(page_of(&found.topic)) "#messages"} {
            @if frame.namespace != model::name::NamespaceName::default() {
                input type="hidden" name="ns" value=(frame.namespace);
            }
            label.short { span { "Partition" } input name="partition" inputmode="numeric" required value=(partition); }
            label.short { span { "From offset" } input name="offset" inputmode="numeric" placeholder="earliest" value=[first]; }
            button.quiet type="submit" { "Read" }
        }
        @if let Some(Look { partition, records }) = looked {
            @if records.records.is_empty() { p.muted { "There is nothing from there on." } }
            @for one in &records.records {
                (message_view(&format!("{partition}:{}", one.offset), &one.message, &html! {}, None))
            }
            @if records.next < records.extent.end {
                @let next = page.with("partition", &partition.to_string()).with("offset", &records.next.to_string());
                p { a href={(next) "#messages"} rel="next" { "Next messages" } }
            }
        }
        (equals(&curl(&frame.site, "GET", &part.with("offset", "0"), None)))
    }
}

fn tail_view(frame: &Frame, topic: &TopicRef) -> Markup {
    let line = curl(&frame.site, "GET", &rest_of(topic).part("stream"), None);
    html! {
        section.tail data-tail=(page_of(topic).part("stream").within(&frame.namespace)) aria-label="Live tail" {
            p { button.quiet type="button" { "Follow" } " "
                span.muted role="status" { "Shows new messages as they come." } }
            ol aria-label="New messages, newest first" {}
            (equals(&line))
        }
    }
}

fn delete_view(frame: &Frame, found: &TopicDescription) -> Markup {
    let (messages, _) = extent(found);
    let action = page_of(&found.topic).part("delete").within(&frame.namespace);
    html! {
        details.action.danger {
            summary { "Delete" }
            p { "This deletes the topic with " (words::count(messages)) " messages and "
                (words::count(found.subscriptions)) " subscriptions for good." }
            form.card method="post" action=(action) {
                (frame.token())
                (confirmation(found.topic.name.as_str()))
                label.tick { input type="checkbox" name="force" value="yes"; " Also while it holds messages or is followed" }
                p { button.danger type="submit" { "Delete this topic" } }
            }
            (equals(&curl(&frame.site, "DELETE", &rest_of(&found.topic).with("force", "true"), None)))
        }
    }
}

async fn publish(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let topic = visitor.topic(&name)?;
    let message = visitor.accept(message_of(&fields))?;
    let partition = visitor.accept(fields.number("partition"))?.map(Partition::new);
    let page = page_of(&topic);
    let messages = vec![TopicMessage { message, partition }];
    let published = visitor.call(PublishTopic { topic, messages }).await?;
    if !visitor.frame.htmx {
        return Ok(visitor.frame.done(page, Did::Published, Some(1)));
    }
    let said = html! { @for one in &published.records {
        p.notice.done { "Published as " code { (one.id) } " at " (one.partition.get()) ":" (one.offset.get()) ". "
            (words::durability(published.durability)) }
    } };
    Ok(said.into_response())
}

async fn delete(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let topic = visitor.topic(&name)?;
    visitor.accept(fields.confirmed(topic.name.as_str()))?;
    let mode = if fields.some("force").is_some() { DeleteMode::Force } else { DeleteMode::IfEmpty };
    let removed = visitor.call(DeleteTopic { topic, mode }).await?;
    Ok(visitor.frame.done(Address::of("/console/topics"), Did::Deleted, Some(removed.messages)))
}
