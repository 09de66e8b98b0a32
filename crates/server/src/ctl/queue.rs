//! `recado queue`: create, describe, list, alter, delete, purge, transfer, publish, receive, settle, peek, redrive.
//! Invariant: stdout holds the reply and nothing else.
//! Called by `main`; documents are those of `web::wire`.

use model::message::Availability;
use model::name::{NamespaceName, QueueName, QueueRef, Source, UserName};
use model::number::{ByteSize, Priority, Timestamp};
use model::queue::{
    Ack, AlterQueue, CancelMessages, CreateQueue, DeleteMode, DeleteQueue, DescribeQueue, Extend, ListQueues, Nack,
    NackAction, Peek, Publish, PurgeQueue, QueueDescription, QueuePatch, QueueSettings, Redrive, RedriveFilter,
    TransferQueue,
};
use web::wire;

use super::{consume, message, names, settle};
use crate::args::client::PageArguments;
use crate::args::queue::{
    AlterArguments, CancelArguments, CreateArguments, DeleteArguments, PeekArguments, PublishArguments, QueueCommand,
    RedriveArguments,
};
use crate::exit::Complaint;
use crate::output::or_dash;
use crate::quantity;
use crate::session::Session;

/// Does one command.
pub(crate) async fn run(session: &Session, namespace: &str, command: QueueCommand) -> Result<(), Complaint> {
    let named = |name: &str| names::queue(namespace, name);
    match command {
        QueueCommand::Create(arguments) => create(session, named(&arguments.queue)?, &arguments).await,
        QueueCommand::Describe(of) => {
            let found = session.call(DescribeQueue { queue: named(&of.queue)? }).await?;
            describe(session, found)
        }
        QueueCommand::List(arguments) => list(session, namespace, &arguments).await,
        QueueCommand::Alter(arguments) => alter(session, named(&arguments.queue)?, &arguments).await,
        QueueCommand::Delete(arguments) => delete(session, named(&arguments.name)?, &arguments).await,
        QueueCommand::Purge(of) => purge(session, named(&of.queue)?).await,
        QueueCommand::Transfer(arguments) => {
            let owner = UserName::parse(&arguments.to)?;
            let changed = session.call(TransferQueue { queue: named(&arguments.name)?, owner }).await?;
            describe(session, changed)
        }
        QueueCommand::Publish(arguments) => publish(session, named(&arguments.queue)?, &arguments).await,
        QueueCommand::Receive(arguments) => {
            let source = Source::Queue(named(&arguments.queue)?);
            consume::receive(session, source, None, &arguments.take).await
        }
        QueueCommand::Ack(arguments) => {
            let (source, receipts) = (Source::Queue(named(&arguments.queue)?), settle::receipts(&arguments.receipts)?);
            let settled = session.call(Ack { source, receipts: receipts.clone() }).await?;
            settle::report(session.output, &receipts, &settled)
        }
        QueueCommand::Nack(arguments) => {
            let action = if arguments.reject { NackAction::Reject } else { NackAction::Retry(arguments.delay) };
            let deliveries = &arguments.deliveries;
            let source = Source::Queue(named(&deliveries.queue)?);
            let receipts = settle::receipts(&deliveries.receipts)?;
            let settled = session.call(Nack { source, receipts: receipts.clone(), action }).await?;
            settle::report(session.output, &receipts, &settled)
        }
        QueueCommand::Extend(arguments) => {
            let deliveries = &arguments.deliveries;
            let source = Source::Queue(named(&deliveries.queue)?);
            let receipts = settle::receipts(&deliveries.receipts)?;
            let lease = arguments.lease;
            let settled = session.call(Extend { source, receipts: receipts.clone(), lease }).await?;
            settle::report(session.output, &receipts, &settled)
        }
        QueueCommand::Peek(arguments) => peek(session, named(&arguments.queue)?, &arguments).await,
        QueueCommand::Cancel(arguments) => cancel(session, named(&arguments.queue)?, &arguments).await,
        QueueCommand::Redrive(arguments) => redrive(session, named(&arguments.queue)?, namespace, &arguments).await,
    }
}

async fn create(session: &Session, queue: QueueRef, arguments: &CreateArguments) -> Result<(), Complaint> {
    let settings = QueueSettings {
        max_messages: arguments.max_messages,
        max_bytes: arguments.max_bytes,
        overflow: arguments.overflow.into(),
        message_ttl: arguments.message_ttl,
        lease: arguments.lease,
        delivery_limit: arguments.delivery_limit,
        dead_letter: arguments.dead_letter.as_deref().map(QueueName::parse).transpose()?,
        deduplication: arguments.deduplication,
        order: arguments.order.into(),
        partitions: arguments.partitions,
        ..QueueSettings::default()
    };
    settings.check()?;
    let reply = session.call(CreateQueue { queue, settings }).await?;
    let name = reply.description.queue.name.clone();
    describe(session, reply.description)?;
    if reply.created {
        session.output.note(&format!("created; next: recado queue publish {name} \"hello\""));
    } else {
        session.output.note("it was there already, with equal settings");
    }
    Ok(())
}

fn describe(session: &Session, description: QueueDescription) -> Result<(), Complaint> {
    let document = wire::QueueDescription::from(description.clone());
    session.output.thing(&document, |_| properties(&description))
}

fn properties(queue: &QueueDescription) -> Vec<(&'static str, String)> {
    let settings = wire::QueueSettings::from(queue.settings.clone());
    let mut properties = vec![
        ("name", queue.queue.name.to_string()),
        ("namespace", queue.queue.namespace.to_string()),
        ("owner", or_dash(queue.owner.as_ref())),
        ("created", quantity::moment(queue.created_at)),
        ("ready", queue.counts.ready.to_string()),
        ("delayed", queue.counts.delayed.to_string()),
        ("leased", queue.counts.leased.to_string()),
        ("bytes", quantity::rough_size(queue.counts.bytes)),
        ("oldest ready", or_dash(queue.oldest_ready_at.map(quantity::moment))),
        ("oldest leased", or_dash(queue.oldest_leased_at.map(quantity::moment))),
        ("consumers", queue.consumers.to_string()),
        ("published", queue.totals.published.to_string()),
        ("delivered", queue.totals.delivered.to_string()),
        ("acknowledged", queue.totals.acknowledged.to_string()),
        ("redelivered", queue.totals.redelivered.to_string()),
        ("dead-lettered", queue.totals.dead_lettered.to_string()),
        ("dropped", queue.totals.dropped.to_string()),
        ("max messages", or_dash(queue.settings.max_messages)),
        ("max bytes", or_dash(queue.settings.max_bytes.map(quantity::size))),
        ("overflow", snake_word(&settings.overflow)),
        ("message ttl", or_dash(queue.settings.message_ttl.map(quantity::span))),
        ("lease", quantity::span(queue.settings.lease)),
        ("delivery limit", queue.settings.delivery_limit.to_string()),
        ("dead letter", or_dash(queue.settings.dead_letter.as_ref())),
        ("deduplication", quantity::span(queue.settings.deduplication)),
        ("order", snake_word(&settings.order)),
        ("partitions", queue.settings.partitions.to_string()),
    ];
    if let Some(redrive) = queue.redrive {
        properties.push(("redrive", format!("{} moved, {} a second", redrive.moved, or_dash(redrive.rate))));
    }
    properties
}

/// The word that a value has in a document.
pub(crate) fn snake_word<V: serde::Serialize>(value: &V) -> String {
    let text = serde_json::to_value(value).ok();
    text.as_ref().and_then(serde_json::Value::as_str).unwrap_or("-").to_owned()
}

async fn list(session: &Session, namespace: &str, arguments: &PageArguments) -> Result<(), Complaint> {
    let page = names::page(arguments)?;
    let namespace = NamespaceName::parse(namespace)?;
    let found = session.call(ListQueues { namespace, prefix: arguments.prefix.clone(), page }).await?;
    let document = wire::Page::<wire::QueueDescription>::from(found);
    let heads = ["name", "ready", "delayed", "leased", "size", "consumers", "dead letter", "owner"];
    session.output.data(&document, &heads, |page| {
        let row = |queue: &wire::QueueDescription| {
            vec![
                queue.name.0.clone(),
                queue.counts.ready.to_string(),
                queue.counts.delayed.to_string(),
                queue.counts.leased.to_string(),
                quantity::rough_size(ByteSize::new(queue.counts.bytes)),
                queue.consumers.to_string(),
                or_dash(queue.settings.dead_letter.as_ref().map(|name| &name.0)),
                or_dash(queue.owner.as_ref().map(|name| &name.0)),
            ]
        };
        page.items.iter().map(row).collect()
    })?;
    more(session, document.next.as_deref());
    Ok(())
}

/// Says how to get the rest of a list.
pub(crate) fn more(session: &Session, next: Option<&str>) {
    if let Some(next) = next {
        session.output.note(&format!("there are more: --cursor {next:?}"));
    }
}

async fn alter(session: &Session, queue: QueueRef, arguments: &AlterArguments) -> Result<(), Complaint> {
    let dead_letter = match arguments.dead_letter.as_deref() {
        None => None,
        Some("none") => Some(None),
        Some(name) => Some(Some(QueueName::parse(name)?)),
    };
    let patch = QueuePatch {
        max_messages: arguments.max_messages.map(|bound| bound.0),
        max_bytes: arguments.max_bytes.map(|bound| bound.0),
        overflow: arguments.overflow.map(Into::into),
        message_ttl: arguments.message_ttl.map(|bound| bound.0),
        lease: arguments.lease,
        delivery_limit: arguments.delivery_limit,
        dead_letter,
        deduplication: arguments.deduplication,
        ..QueuePatch::default()
    };
    if patch == QueuePatch::default() {
        return Err(Complaint::usage("nothing to alter", "name a setting, such as --lease 2m; see --help"));
    }
    let changed = session.call(AlterQueue { queue, patch }).await?;
    describe(session, changed)
}

async fn delete(session: &Session, queue: QueueRef, arguments: &DeleteArguments) -> Result<(), Complaint> {
    let mode = if arguments.force { DeleteMode::Force } else { DeleteMode::IfEmpty };
    session.confirm(&format!("Delete the queue {queue}{}?", with_messages(mode)))?;
    let removed = session.call(DeleteQueue { queue, mode }).await?;
    removed_report(session, removed)
}

/// What a question adds when messages go too.
pub(crate) const fn with_messages(mode: DeleteMode) -> &'static str {
    match mode {
        DeleteMode::IfEmpty => "",
        DeleteMode::Force => " with everything in it",
    }
}

async fn purge(session: &Session, queue: QueueRef) -> Result<(), Complaint> {
    session.confirm(&format!("Delete all ready and delayed messages of {queue}?"))?;
    let removed = session.call(PurgeQueue { queue }).await?;
    removed_report(session, removed)
}

/// Prints how many messages went.
pub(crate) fn removed_report(session: &Session, removed: model::queue::Removed) -> Result<(), Complaint> {
    let document = wire::Removed::from(removed);
    session.output.thing(&document, |document| vec![("messages deleted", document.messages.to_string())])
}

async fn publish(session: &Session, queue: QueueRef, arguments: &PublishArguments) -> Result<(), Complaint> {
    let priority = Priority::new(arguments.priority);
    let availability = arguments.delay.map_or(Availability::Now, Availability::After);
    let mut published = None;
    for mut messages in message::batches(&arguments.message)? {
        for message in &mut messages {
            message.priority = priority;
            message.availability = availability;
        }
        let reply = session.call(Publish { queue: queue.clone(), messages }).await?;
        let document = wire::Published::from(reply);
        let whole = published.get_or_insert_with(|| wire::Published { messages: Vec::new(), ..document.clone() });
        whole.position = document.position;
        whole.messages.extend(document.messages);
    }
    let Some(published) = published else {
        session.output.note("nothing to publish: the input is empty");
        return Ok(());
    };
    session.output.data(&published, &["id", "place", "duplicate"], |published| {
        let row = |message: &wire::PublishedMessage| {
            let place = format!("{}-{}", message.partition, message.sequence);
            vec![message.id.clone(), place, if message.duplicate { "yes" } else { "no" }.to_owned()]
        };
        published.messages.iter().map(row).collect()
    })
}

async fn peek(session: &Session, queue: QueueRef, arguments: &PeekArguments) -> Result<(), Complaint> {
    let after = arguments.after.as_deref().map(names::place).transpose()?;
    let request = Peek { queue, state: arguments.state, limit: arguments.limit, after };
    let seen = session.call(request).await?;
    let next = seen.next;
    let document = wire::PeekedMessages::from(seen.clone());
    let heads = ["place", "id", "key", "priority", "attempts", "published", "due", "sender", "body"];
    session.output.data(&document, &heads, |_| {
        let row = |peeked: &model::message::Peeked| {
            vec![
                format!("{}-{}", peeked.partition, peeked.sequence),
                peeked.message.id.to_string(),
                message::key(&peeked.message),
                peeked.message.priority.get().to_string(),
                peeked.attempts.to_string(),
                quantity::moment(peeked.message.published_at),
                or_dash(peeked.due_at.map(|due: Timestamp| quantity::moment(due))),
                peeked.message.sender.to_string(),
                message::shown(&peeked.message.body),
            ]
        };
        seen.messages.iter().map(row).collect()
    })?;
    if let Some(next) = next {
        session.output.note(&format!("there are more: --after {}-{}", next.partition, next.sequence));
    }
    Ok(())
}

async fn cancel(session: &Session, queue: QueueRef, arguments: &CancelArguments) -> Result<(), Complaint> {
    let places = names::places(&arguments.places)?;
    session.confirm(&format!("Delete {} messages of {queue}?", places.len()))?;
    let reply = session.call(CancelMessages { queue, places }).await?;
    let document = wire::Cancelled::from(reply);
    session.output.data(&document, &["place", "cancelled"], |document| {
        let row = |(place, done): (&String, &bool)| {
            vec![place.clone(), if *done { "yes" } else { "no: gone or leased" }.to_owned()]
        };
        arguments.places.iter().zip(&document.cancelled).map(row).collect()
    })
}

async fn redrive(
    session: &Session,
    queue: QueueRef,
    namespace: &str,
    arguments: &RedriveArguments,
) -> Result<(), Complaint> {
    let filter = RedriveFilter {
        reason: arguments.reason,
        origin: arguments.origin.clone(),
        places: names::places(&arguments.places)?,
        max: arguments.max,
    };
    let target = arguments.target.as_deref().map(|name| names::queue(namespace, name)).transpose()?;
    let request = Redrive { queue, filter, target, rate: arguments.rate };
    request.check()?;
    let document = wire::Redriven::from(session.call(request).await?);
    session.output.thing(&document, |document| {
        let rest = if document.running { "follows at the rate; see recado queue describe" } else { "nothing" };
        vec![("moved", document.moved.to_string()), ("rest", rest.to_owned())]
    })
}
