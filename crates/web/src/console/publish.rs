//! The form for one message, and how a message is shown.
//! Invariant: a message is text on a page, whatever it holds.
//! Used by `queue` and `topic`; tests in `tests.rs`.

use bytes::Bytes;
use maud::{Markup, html};
use model::message::{Availability, DeadLetter, HeaderValue, Message, NewMessage};
use model::number::{Priority, Span};
use model::refusal::Refusal;
use serde_json::json;

use super::address::{Address, curl};
use super::fields::Fields;
use super::page::{Frame, equals, field};
use super::words;

/// The form, for a queue or a topic; `more` holds the fields that only one of them has.
pub(super) fn publish_form(frame: &Frame, action: &Address, rest: &Address, more: &Markup) -> Markup {
    let line = curl(&frame.site, "POST", rest, Some(&json!({ "messages": [{ "body": "hello" }] })));
    html! {
        details.action {
            summary { "Publish a message" }
            form.card.wide method="post" action=(action) hx-post=(action) hx-target="next .result" hx-swap="innerHTML" {
                (frame.token())
                (field("Body", &html! { textarea name="body" spellcheck="false" {} }, "Text; binary bodies go through REST."))
                (field("Headers", &html! { textarea.low name="headers" rows="2" spellcheck="false" {} },
                    "One a line: name: value"))
                div.columns {
                    (field("Content type", &html! { input name="content_type" placeholder="text/plain"; }, ""))
                    (field("Key", &html! { input name="key" spellcheck="false"; }, ""))
                    (field("Lifetime in ms", &html! { input name="ttl_ms" inputmode="numeric"; }, ""))
                    (more)
                }
                button type="submit" { "Publish" }
            }
            div.result aria-live="polite" {}
            (equals(&line))
        }
    }
}

/// The fields that only a queue acts on.
pub(super) fn queue_fields() -> Markup {
    html! {
        (field("Priority", &html! { input type="number" name="priority" min="0" max="9" placeholder="0"; }, ""))
        (field("Delay in ms", &html! { input name="delay_ms" inputmode="numeric"; }, ""))
    }
}

/// The message of a form.
pub(super) fn message_of(fields: &Fields) -> Result<NewMessage, Refusal> {
    let lines = fields.text("headers").lines().map(str::trim).filter(|line| !line.is_empty());
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').ok_or_else(|| Refusal::invalid("headers", "write name: value"))?;
        Ok((name.trim().to_owned(), HeaderValue::Text(value.trim().to_owned())))
    });
    let priority = fields.number::<u8>("priority")?.unwrap_or_default();
    let message = NewMessage {
        // Browsers send the line ends of a text area as two characters.
        body: Bytes::from(fields.text("body").replace("\r\n", "\n")),
        headers: headers.collect::<Result<_, Refusal>>()?,
        content_type: fields.some("content_type").map(str::to_owned),
        key: fields.some("key").map(|key| Bytes::from(key.to_owned())),
        priority: Priority::new(priority),
        ttl: fields.number("ttl_ms")?.map(Span::new),
        availability: fields
            .number("delay_ms")?
            .map_or(Availability::Now, |delay| Availability::After(Span::new(delay))),
        id: None,
        properties: None,
    };
    message.check()?;
    Ok(message)
}

/// A message with its place and what else is known about it.
pub(super) fn message_view(place: &str, message: &Message, state: &Markup, letter: Option<&DeadLetter>) -> Markup {
    let (kind, text, rest) = words::payload(&message.body);
    html! {
        article.message {
            header {
                strong { (place) }
                span { "id " (message.id) }
                span { (words::date(message.published_at)) }
                span { "from " (message.sender) }
                span { (words::count(u64::try_from(message.body.len()).unwrap_or(u64::MAX))) " bytes, as " (kind) }
                (state)
            }
            @if message.key.is_some() || message.content_type.is_some() || !message.headers.is_empty() || letter.is_some() {
                dl {
                    @if let Some(key) = &message.key { dt { "key" } dd { (String::from_utf8_lossy(key)) } }
                    @if let Some(kind) = &message.content_type { dt { "content type" } dd { (kind) } }
                    @for (name, value) in &message.headers { dt { (name) } dd { (header(value)) } }
                    @if let Some(letter) = letter {
                        dt { "dead letter" }
                        dd { (letter.reason.word()) ", from " (letter.origin) ", after " (letter.attempts)
                            " deliveries, " (words::date(letter.at)) }
                    }
                }
            }
            pre { (text) }
            @if rest > 0 { p.muted { (rest) " bytes more; read it whole through REST." } }
        }
    }
}

fn header(value: &HeaderValue) -> String {
    match value {
        HeaderValue::Text(text) => text.clone(),
        HeaderValue::Integer(number) => number.to_string(),
        HeaderValue::Real(number) => number.to_string(),
        HeaderValue::Boolean(truth) => truth.to_string(),
        HeaderValue::Binary(bytes) => format!("{} bytes", bytes.len()),
        HeaderValue::Null => "nothing".to_owned(),
        HeaderValue::Narrow(number) => number.get().to_string(),
        HeaderValue::Single(number) => number.to_string(),
        HeaderValue::Decimal { scale, digits } => format!("{digits} / 10^{scale}"),
        HeaderValue::Time(time) => words::date(*time),
        HeaderValue::List(values) => format!("[{}]", values.iter().map(header).collect::<Vec<_>>().join(", ")),
        HeaderValue::Table(headers) => {
            let entries = headers.iter().map(|(name, value)| format!("{name}: {}", header(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}
