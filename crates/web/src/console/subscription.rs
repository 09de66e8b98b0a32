//! The page of a subscription: how far it is, who follows, and the forms to make, move and delete one.
//! Invariant: a seek and a delete say what they do to work under way before they do it.
//! Tests in `tests.rs`.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use model::name::{SubscriptionName, SubscriptionRef, TopicRef};
use model::number::{Offset, Partition, Span, Timestamp};
use model::refusal::Refusal;
use model::subscription::{
    CreateSubscription, DeleteSubscription, DescribeSubscription, Seek, SubscriptionDescription, SubscriptionKind,
    SubscriptionSettings,
};
use model::topic::StartAt;
use serde_json::json;

use super::address::{Address, curl};
use super::fields::{Fields, Form};
use super::page::{Did, Frame, Tab, Turned, equals, fact, field, notice};
use super::queue_actions::confirmation;
use super::session::Visitor;
use super::{topic, words};
use crate::door::Door;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/console/topics/{topic}/subscriptions", post(create))
        .route("/console/topics/{topic}/subscriptions/{subscription}", get(show))
        .route("/console/topics/{topic}/subscriptions/{subscription}/seek", post(seek))
        .route("/console/topics/{topic}/subscriptions/{subscription}/delete", post(delete))
}

/// The word for a kind of subscription.
pub(super) const fn kind(kind: &SubscriptionKind) -> &'static str {
    match kind {
        SubscriptionKind::Stream { .. } => "stream",
        SubscriptionKind::Shared { .. } => "shared",
    }
}

/// A lag in time, in whole seconds.
pub(super) fn lag(time: Span) -> String {
    words::span(Span::new(time.get() / 1000 * 1000 + u64::from(time.get() > 0 && time.get() < 1000)))
}

fn page_of(subscription: &SubscriptionRef) -> Address {
    topic::page_of(&subscription.topic).part("subscriptions").part(subscription.name.as_str())
}

fn rest_of(subscription: &SubscriptionRef) -> Address {
    topic::rest_of(&subscription.topic).part("subscriptions").part(subscription.name.as_str())
}

fn named(visitor: &Visitor, topic: &str, name: &str) -> Result<SubscriptionRef, Turned> {
    let topic = visitor.topic(topic)?;
    Ok(SubscriptionRef { topic, name: visitor.accept(SubscriptionName::parse(name))? })
}

/// The form for a new one, on the page of its topic.
pub(super) fn new_subscription(frame: &Frame, topic: &TopicRef) -> Markup {
    let action = topic::page_of(topic).part("subscriptions").within(&frame.namespace);
    let rest = topic::rest_of(topic).part("subscriptions").part("billing");
    let line = curl(&frame.site, "PUT", &rest, Some(&json!({ "kind": "shared", "start": "earliest" })));
    html! {
        details.action {
            summary { "New subscription" }
            form.card method="post" action=(action) {
                (frame.token())
                (field("Name", &html! { input name="name" required maxlength="255" spellcheck="false"; }, ""))
                (field("Kind", &html! { select name="kind" {
                    option value="shared" { "shared: each message to one consumer, under a lease" }
                    option value="stream" { "stream: members share the partitions and commit offsets" }
                } }, ""))
                (field("Starts", &html! { select name="start" {
                    option value="latest" { "after the newest message" }
                    option value="earliest" { "at the oldest message" }
                } }, ""))
                button type="submit" { "Create subscription" }
            }
            (equals(&line))
        }
    }
}

async fn show(visitor: Visitor, Path((topic, name)): Path<(String, String)>) -> Result<Markup, Turned> {
    let subscription = named(&visitor, &topic, &name)?;
    let found = visitor.call(DescribeSubscription { subscription: subscription.clone() }).await?;
    if visitor.frame.htmx {
        return Ok(progress_view(&visitor.frame, &found));
    }
    let content = html! { (notice(&visitor.query)) (subscription_view(&visitor.frame, &found)) };
    Ok(visitor.frame.page(&format!("Subscription {}", subscription.name), Tab::Topics, &content))
}

/// The page.
pub(super) fn subscription_view(frame: &Frame, found: &SubscriptionDescription) -> Markup {
    let topic = &found.subscription.topic;
    html! {
        p.crumbs { "of topic " a href=(topic::page_of(topic).within(&frame.namespace)) { (topic.name) } }
        (progress_view(frame, found))
        (settings_view(found))
        h2 { "Actions" }
        (seek_view(frame, found))
        (delete_view(frame, found))
    }
}

fn progress_view(frame: &Frame, found: &SubscriptionDescription) -> Markup {
    let here = page_of(&found.subscription).within(&frame.namespace);
    html! {
        div #live hx-get=(here) hx-trigger="every 2s" hx-swap="outerHTML" {
            dl.facts {
                (fact("Lag", words::count(found.lag)))
                (fact("Lag in time", lag(found.lag_time)))
                (fact("Leased", words::count(found.leased)))
                (fact("Members", found.members.len()))
                (fact("Delivered", words::count(found.totals.delivered)))
                (fact("Redelivered", words::count(found.totals.redelivered)))
                (fact("Acknowledged", words::count(found.totals.acknowledged)))
                (fact("Dead-lettered", words::count(found.totals.dead_lettered)))
                (fact("Dropped", words::count(found.totals.dropped)))
            }
            div.scroll { table {
                caption { "Progress" }
                thead { tr { th scope="col" { "Partition" } th.n scope="col" { "Position" } th.n scope="col" { "End" }
                    th.n scope="col" { "Lag" } th.n scope="col" { "Lag in time" } th scope="col" { "Member" } } }
                tbody { @for one in &found.partitions { tr {
                    th scope="row" { (one.partition.get()) }
                    td.n { (one.committed.get()) } td.n { (one.end.get()) } td.n { (words::count(one.lag)) }
                    td.n { (lag(one.lag_time)) }
                    td { (one.member.as_ref().map_or("–", |member| member.as_str())) }
                } } }
            } }
            @if !found.members.is_empty() {
                p { "Members: " @for member in &found.members { code { (member) } " " } }
            }
        }
    }
}

fn settings_view(found: &SubscriptionDescription) -> Markup {
    html! {
        details.action open {
            summary { "Settings" }
            dl.facts {
                (fact("Kind", kind(&found.settings.kind)))
                @match &found.settings.kind {
                    SubscriptionKind::Stream { session } => (fact("Member is lost after", words::span(*session))),
                    SubscriptionKind::Shared { lease, delivery_limit, dead_letter } => {
                        (fact("Lease", words::span(*lease)))
                        (fact("Delivery limit", delivery_limit))
                        (fact("Dead letters to", dead_letter.as_ref().map_or("nowhere: dropped", |name| name.as_str())))
                    }
                }
                (fact("Owner", found.owner.as_ref().map_or("nobody", |owner| owner.as_str())))
                (fact("Created", words::date(found.created_at)))
            }
        }
    }
}

fn seek_view(frame: &Frame, found: &SubscriptionDescription) -> Markup {
    let action = page_of(&found.subscription).part("seek").within(&frame.namespace);
    let line =
        curl(&frame.site, "POST", &rest_of(&found.subscription).part("seek"), Some(&json!({ "to": "earliest" })));
    html! {
        details.action.danger {
            summary { "Seek" }
            p { "This moves the subscription. Backwards, messages are delivered again; forwards, "
                (words::count(found.lag)) " waiting messages may never be. "
                (words::count(found.leased)) " leases end: what those consumers settle no longer counts." }
            form.card method="post" action=(action) {
                (frame.token())
                div.columns {
                    (field("To", &html! { select name="to" {
                        option value="earliest" { "the oldest message" }
                        option value="latest" { "after the newest message" }
                        option value="offset" { "an offset" }
                        option value="time" { "a time" }
                    } }, ""))
                    (field("Offset, or time in ms since 1970", &html! { input name="at" inputmode="numeric"; }, ""))
                    (field("Only this partition", &html! { input name="partition" inputmode="numeric"; }, "Empty: all."))
                }
                (confirmation(found.subscription.name.as_str()))
                button.danger type="submit" { "Move this subscription" }
            }
            (equals(&line))
        }
    }
}

fn delete_view(frame: &Frame, found: &SubscriptionDescription) -> Markup {
    let action = page_of(&found.subscription).part("delete").within(&frame.namespace);
    html! {
        details.action.danger {
            summary { "Delete" }
            p { "This deletes the subscription with its progress for good; the topic keeps its messages. "
                (found.members.len()) " members lose their source." }
            form.card method="post" action=(action) {
                (frame.token())
                (confirmation(found.subscription.name.as_str()))
                button.danger type="submit" { "Delete this subscription" }
            }
            (equals(&curl(&frame.site, "DELETE", &rest_of(&found.subscription), None)))
        }
    }
}

fn settings(fields: &Fields) -> Result<SubscriptionSettings, Refusal> {
    let kind = match fields.text("kind") {
        "shared" => SubscriptionKind::shared(),
        "stream" => SubscriptionKind::stream(),
        _ => return Err(Refusal::invalid("kind", "it must be shared or stream")),
    };
    let start = match fields.text("start") {
        "earliest" => StartAt::Earliest,
        "latest" => StartAt::Latest,
        _ => return Err(Refusal::invalid("start", "it must be earliest or latest")),
    };
    Ok(SubscriptionSettings { kind, start })
}

fn place(fields: &Fields) -> Result<StartAt, Refusal> {
    let at = || fields.number("at")?.ok_or_else(|| Refusal::invalid("at", "give the offset or time to move to"));
    match fields.text("to") {
        "earliest" => Ok(StartAt::Earliest),
        "latest" => Ok(StartAt::Latest),
        "offset" => at().map(|offset| StartAt::Offset(Offset::new(offset))),
        "time" => at().map(|time| StartAt::Time(Timestamp::new(time))),
        _ => Err(Refusal::invalid("to", "it must be one of those offered")),
    }
}

async fn create(Path(topic): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let subscription = named(&visitor, &topic, fields.text("name").trim())?;
    let settings = visitor.accept(settings(&fields))?;
    let page = page_of(&subscription);
    visitor.call(CreateSubscription { subscription, settings }).await?;
    Ok(visitor.frame.done(page, Did::Created, None))
}

async fn seek(Path((topic, name)): Path<(String, String)>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let subscription = named(&visitor, &topic, &name)?;
    visitor.accept(fields.confirmed(subscription.name.as_str()))?;
    let to = visitor.accept(place(&fields))?;
    let partition = visitor.accept(fields.number("partition"))?.map(Partition::new);
    let page = page_of(&subscription);
    visitor.call(Seek { subscription, to, partition }).await?;
    Ok(visitor.frame.done(page, Did::Moved, None))
}

async fn delete(Path((topic, name)): Path<(String, String)>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let subscription = named(&visitor, &topic, &name)?;
    visitor.accept(fields.confirmed(subscription.name.as_str()))?;
    let page = topic::page_of(&subscription.topic);
    visitor.call(DeleteSubscription { subscription }).await?;
    Ok(visitor.frame.done(page, Did::Deleted, None))
}
