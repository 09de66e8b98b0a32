//! Queues: what `queue.declare` asks for, as settings, and in what a queue that is there differs from it.
//! Invariant: what is refused is said with RabbitMQ's words. What differs from RabbitMQ is in `docs/amqp.md`.

use model::header::{HeaderValue, Headers};
use model::name::NamespaceName;
use model::queue::{Life, QueueSettings};
use rabbit::QueueDeclare;

use super::table;
use crate::codec::ReplyCode;
use crate::codec::class::queue::Declare;
use crate::session::Close;

/// A declare in the words of both doors.
pub(super) fn declared<'a>(
    declare: &'a Declare,
    namespace: &'a NamespaceName,
    arguments: &'a Headers,
) -> QueueDeclare<'a> {
    QueueDeclare {
        name: declare.queue.as_str(),
        namespace,
        durable: declare.durable,
        exclusive: declare.exclusive,
        auto_delete: declare.auto_delete,
        arguments,
    }
}

/// The settings that a declare asks for; `holder` is the connection that an exclusive queue belongs to.
pub(crate) fn queue_settings(
    declare: &Declare,
    namespace: &NamespaceName,
    holder: &str,
) -> Result<QueueSettings, Close> {
    let arguments = table::headers(declare.arguments.clone());
    rabbit::queue_settings(&declared(declare, namespace, &arguments), holder).map_err(super::wrong)
}

/// In what a queue differs from what was declared, in RabbitMQ's words.
pub(crate) fn inequivalence(declare: &Declare, asked: &QueueSettings, there: &QueueSettings, host: &str) -> Close {
    let durable = |settings: &QueueSettings| settings.life == Life::Permanent;
    let exclusive = |settings: &QueueSettings| matches!(settings.life, Life::Exclusive { .. });
    let flags = [
        ("durable", durable(asked), durable(there)),
        ("exclusive", exclusive(asked), exclusive(there)),
        ("auto_delete", asked.auto_delete, there.auto_delete),
    ];
    let queue = &declare.queue;
    let text = |name: &str, asked: &str, there: &str| {
        format!(
            "inequivalent arg '{name}' for queue '{queue}' in vhost '{host}': received '{asked}' but current is '{there}'"
        )
    };
    let flag = flags.into_iter().find(|(_, asked, there)| asked != there);
    let why = match (flag, different_argument(&asked.arguments, &there.arguments)) {
        (Some((name, asked, there)), _) => text(name, &asked.to_string(), &there.to_string()),
        (None, Some((name, asked, there))) => text(&name, &asked, &there),
        (None, None) => format!("queue '{queue}' in vhost '{host}' was made elsewhere with other settings"),
    };
    Close::new(ReplyCode::PreconditionFailed, why)
}

fn different_argument(asked: &Headers, there: &Headers) -> Option<(String, String, String)> {
    let value_of = |headers: &Headers, name: &str| model::header::header(headers, name).cloned();
    let mut names = asked.iter().chain(there).map(|(name, _)| name);
    let name = names.find(|name| value_of(asked, name) != value_of(there, name))?;
    Some((name.clone(), shown(value_of(asked, name)), shown(value_of(there, name))))
}

fn shown(value: Option<HeaderValue>) -> String {
    let Some(value) = value else { return "none".to_owned() };
    match (value.as_integer(), value.as_text()) {
        (Some(number), _) => number.to_string(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => format!("{value:?}"),
    }
}
