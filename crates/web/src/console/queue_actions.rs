//! What a queue's page does: publish, purge, delete, redrive.
//! Invariant: what cannot be undone names what will be lost and needs the queue's name typed again.
//! Shown by `queue`; tests in `tests.rs` and `tests/console.rs`.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use maud::{Markup, html};
use model::message::DeadLetterReason;
use model::name::{QueueName, QueueRef};
use model::queue::{DeleteMode, DeleteQueue, Publish, PurgeQueue, QueueDescription, Redrive, RedriveFilter};
use model::refusal::Refusal;
use serde_json::json;

use super::address::{Address, curl};
use super::fields::{Fields, Form};
use super::page::{Did, Frame, Turned, equals, field};
use super::publish::message_of;
use super::queue::{page_of, rest_of};
use super::words;
use crate::door::Door;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/console/queues/{queue}/publish", post(publish))
        .route("/console/queues/{queue}/purge", post(purge))
        .route("/console/queues/{queue}/delete", post(delete))
        .route("/console/queues/{queue}/redrive", post(redrive))
}

/// The field that must repeat a name before something is lost.
pub(super) fn confirmation(name: &str) -> Markup {
    field(
        "Type the name to confirm",
        &html! {
            input name="confirm" required autocomplete="off" spellcheck="false" placeholder=(name);
        },
        "",
    )
}

/// The forms.
pub(super) fn actions_view(frame: &Frame, found: &QueueDescription) -> Markup {
    let page = page_of(&found.queue);
    let action = |name: &str| page.clone().part(name).within(&frame.namespace);
    let name = found.queue.name.as_str();
    let counts = &found.counts;
    let all = counts.ready.saturating_add(counts.delayed).saturating_add(counts.leased);
    let rest = rest_of(&found.queue);
    html! {
        (redrive_view(frame, &action("redrive"), &rest))
        details.action.danger {
            summary { "Purge" }
            p { "This deletes " (words::count(counts.ready)) " ready and " (words::count(counts.delayed))
                " delayed messages for good; " (words::count(counts.leased)) " leased ones stay with their "
                "consumers. These are the counts of when this page was loaded." }
            form.card method="post" action=(action("purge")) {
                (frame.token())
                (confirmation(name))
                button.danger type="submit" { "Purge this queue" }
            }
            (equals(&curl(&frame.site, "POST", &rest.clone().part("purge"), None)))
        }
        details.action.danger {
            summary { "Delete" }
            p { "This deletes the queue with its settings"
                @if all > 0 { " and " (words::count(all)) " messages" }
                " for good. " (found.consumers) " consumers lose their source. It is refused while another "
                "queue sends its dead letters here." }
            form.card method="post" action=(action("delete")) {
                (frame.token())
                (confirmation(name))
                label.tick { input type="checkbox" name="force" value="yes"; " Also while it holds messages" }
                p { button.danger type="submit" { "Delete this queue" } }
            }
            (equals(&curl(&frame.site, "DELETE", &rest.with("force", "true"), None)))
        }
    }
}

fn redrive_view(frame: &Frame, action: &Address, rest: &Address) -> Markup {
    let line = curl(&frame.site, "POST", &rest.clone().part("redrive"), Some(&json!({ "rate": 100 })));
    html! {
        details.action {
            summary { "Redrive dead letters" }
            p { "Moves dead letters that lie here back to where they came from, or to a queue you name." }
            form.card method="post" action=(action) {
                (frame.token())
                div.columns {
                    (field("Only for this reason", &html! { select name="reason" {
                        option value="" { "any" }
                        @for reason in DeadLetterReason::ALL { option value=(reason.word()) { (reason.word()) } }
                    } }, ""))
                    (field("To this queue", &html! { input name="target" spellcheck="false"; }, "Empty: their origin."))
                    (field("At most", &html! { input name="max" inputmode="numeric"; }, "Empty: all."))
                    (field("A second", &html! { input name="rate" inputmode="numeric"; }, "Empty: all at once."))
                }
                button type="submit" { "Redrive" }
            }
            (equals(&line))
        }
    }
}

async fn publish(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let queue = visitor.queue(&name)?;
    let message = visitor.accept(message_of(&fields))?;
    let page = page_of(&queue);
    let published = visitor.call(Publish { queue, messages: vec![message] }).await?;
    if !visitor.frame.htmx {
        return Ok(visitor.frame.done(page, Did::Published, Some(1)));
    }
    let said = html! { @for one in &published.messages {
        p.notice.done { "Published as " code { (one.id) } " at " (one.partition) "-" (one.sequence) ". "
            (words::durability(published.durability)) }
    } };
    Ok(said.into_response())
}

async fn purge(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let queue = visitor.queue(&name)?;
    visitor.accept(fields.confirmed(queue.name.as_str()))?;
    let page = page_of(&queue);
    let removed = visitor.call(PurgeQueue { queue }).await?;
    Ok(visitor.frame.done(page, Did::Purged, Some(removed.messages)))
}

async fn delete(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let queue = visitor.queue(&name)?;
    visitor.accept(fields.confirmed(queue.name.as_str()))?;
    let mode = if fields.some("force").is_some() { DeleteMode::Force } else { DeleteMode::IfEmpty };
    let removed = visitor.call(DeleteQueue { queue, mode }).await?;
    Ok(visitor.frame.done(Address::of("/console/queues"), Did::Deleted, Some(removed.messages)))
}

fn redrive_of(queue: QueueRef, fields: &Fields) -> Result<Redrive, Refusal> {
    let unknown = || Refusal::invalid("reason", "it must be one of those offered");
    let reason = fields.some("reason").map(|word| DeadLetterReason::parse(word).ok_or_else(unknown)).transpose()?;
    let target = fields.some("target").map(QueueName::parse).transpose()?;
    let target = target.map(|name| QueueRef { namespace: queue.namespace.clone(), name });
    let filter = RedriveFilter { reason, max: fields.number("max")?, ..RedriveFilter::default() };
    let redrive = Redrive { queue, filter, target, rate: fields.number("rate")? };
    redrive.check()?;
    Ok(redrive)
}

async fn redrive(Path(name): Path<String>, Form(visitor, fields): Form) -> Result<Response, Turned> {
    let queue = visitor.queue(&name)?;
    let page = page_of(&queue);
    let redrive = visitor.accept(redrive_of(queue, &fields))?;
    let redriven = visitor.call(redrive).await?;
    let did = if redriven.running { Did::Redriving } else { Did::Redriven };
    Ok(visitor.frame.done(page, did, Some(redriven.moved)))
}
