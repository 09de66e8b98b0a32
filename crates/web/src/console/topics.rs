//! The list of topics of a namespace, and the form for a new one.
//! Invariant: a list is never longer than a page.
//! Tests in `tests.rs`.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use model::name::{TopicName, TopicRef};
use model::number::{ByteSize, Span};
use model::refusal::Refusal;
use model::topic::{Cleanup, CreateTopic, ListTopics, TopicDescription, TopicPage, TopicSettings};

use super::address::{Address, curl, rest};
use super::fields::{Fields, Form};
use super::page::{Did, Frame, Tab, Turned, equals, field, next_page, notice};
use super::queues::{asked, filter};
use super::session::Visitor;
use super::words;
use crate::door::Door;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/console/topics", get(list).post(create))
}

/// Messages and bytes of all partitions.
pub(super) fn extent(topic: &TopicDescription) -> (u64, ByteSize) {
    topic
        .partitions
        .iter()
        .fold((0, ByteSize::new(0)), |(messages, bytes), one| (messages + one.messages, bytes.plus(one.bytes)))
}

async fn list(visitor: Visitor) -> Result<Markup, Turned> {
    let (prefix, page) = asked(&visitor.query);
    let cursor = page.cursor.clone();
    let found = visitor.call(ListTopics { namespace: visitor.namespace.clone(), prefix: prefix.clone(), page }).await?;
    let content = html! { (notice(&visitor.query)) (list_view(&visitor.frame, &prefix, cursor.as_deref(), &found)) };
    Ok(visitor.frame.page("Topics", Tab::Topics, &content))
}

/// The list.
pub(super) fn list_view(frame: &Frame, prefix: &str, cursor: Option<&str>, found: &TopicPage) -> Markup {
    let first = Address::of("/console/topics").within(&frame.namespace);
    let first = if prefix.is_empty() { first } else { first.with("prefix", prefix) };
    let here = match cursor {
        Some(cursor) => first.clone().with("cursor", cursor),
        None => first.clone(),
    };
    html! {
        (filter(frame, "/console/topics", prefix))
        div #live hx-get=(here) hx-trigger="every 2s" hx-select="#live" hx-swap="outerHTML" {
            div.scroll { table {
                caption { "Topics in " (frame.namespace) }
                thead { tr {
                    th scope="col" { "Name" } th.n scope="col" { "Partitions" } th.n scope="col" { "Messages" }
                    th.n scope="col" { "Size" } th.n scope="col" { "Subscriptions" } th scope="col" { "Kept" }
                } }
                tbody { @for topic in &found.items { (row(frame, topic)) } }
            } }
            @if found.items.is_empty() { p.muted { "There is no topic here that you may see." } }
            (next_page(&first, found.next.as_deref(), "cursor"))
        }
        (new_topic(frame))
    }
}

/// How long a topic keeps messages.
pub(super) fn kept(settings: &TopicSettings) -> String {
    let time = settings.retention.map_or_else(|| "for ever".to_owned(), words::span);
    let bytes = settings.retention_bytes.map(|bytes| format!(", {} a partition", words::size(bytes)));
    let compact = match settings.cleanup {
        Cleanup::Delete => "",
        Cleanup::Compact => ", newest of each key",
    };
    format!("{time}{}{compact}", bytes.unwrap_or_default())
}

fn row(frame: &Frame, topic: &TopicDescription) -> Markup {
    let name = topic.topic.name.as_str();
    let (messages, bytes) = extent(topic);
    html! { tr {
        th scope="row" {
            a id={"topic " (name)} href=(Address::of("/console/topics").part(name).within(&frame.namespace)) { (name) }
        }
        td.n { (topic.settings.partitions) }
        td.n { (words::count(messages)) }
        td.n { (words::size(bytes)) }
        td.n { (words::count(topic.subscriptions)) }
        td { (kept(&topic.settings)) }
    } }
}

fn new_topic(frame: &Frame) -> Markup {
    let line = curl(&frame.site, "PUT", &rest(&frame.namespace).part("topics").part("flights"), None);
    html! {
        details.action {
            summary { "New topic" }
            form.card method="post" action=(Address::of("/console/topics").within(&frame.namespace)) {
                (frame.token())
                (field("Name", &html! { input name="name" required maxlength="255" spellcheck="false"; }, ""))
                (field("Partitions", &html! { input name="partitions" inputmode="numeric" placeholder="1"; },
                    "May grow later, never shrink."))
                (field("Hours that messages stay", &html! { input name="hours" inputmode="numeric" placeholder="168"; }, ""))
                (field("Most bytes of a partition", &html! { input name="bytes" inputmode="numeric"; }, "Empty: no bound."))
                label.tick { input type="checkbox" name="compact" value="yes"; " Keep only the newest of each key" }
                p { button type="submit" { "Create topic" } }
            }
            (equals(&line))
        }
    }
}

fn settings(fields: &Fields) -> Result<TopicSettings, Refusal> {
    let usual = TopicSettings::default();
    let hours = fields.number::<u64>("hours")?.map(|hours| Span::seconds(hours.saturating_mul(3600)));
    let settings = TopicSettings {
        partitions: fields.number("partitions")?.unwrap_or(usual.partitions),
        retention: hours.or(usual.retention),
        retention_bytes: fields.number("bytes")?.map(ByteSize::new),
        cleanup: if fields.some("compact").is_some() { Cleanup::Compact } else { Cleanup::Delete },
        ..usual
    };
    settings.check()?;
    Ok(settings)
}

async fn create(Form(visitor, fields): Form) -> Result<Response, Turned> {
    let name = visitor.accept(TopicName::parse(fields.text("name").trim()))?;
    let settings = visitor.accept(settings(&fields))?;
    let address = Address::of("/console/topics").part(name.as_str());
    let topic = TopicRef { namespace: visitor.namespace.clone(), name };
    visitor.call(CreateTopic { topic, settings }).await?;
    Ok(visitor.frame.done(address, Did::Created, None))
}
