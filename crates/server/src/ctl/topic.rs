//! `recado topic`: create, describe, list, alter, delete, transfer, publish, read, tail.
//! Invariant: a tail never skips: each partition is read from the offset after the last one printed.
//! Called by `main`; documents are those of `web::wire`.

use model::Refusal;
use model::name::{NamespaceName, TopicRef, UserName};
use model::number::{ByteSize, Offset, Partition, Span, Timestamp};
use model::queue::DeleteMode;
use model::topic::{
    AlterTopic, CreateTopic, DeleteTopic, DescribeTopic, ListTopics, PublishTopic, ReadPartition, Records, StartAt,
    TopicDescription, TopicMessage, TopicPatch, TopicSettings, TransferTopic,
};
use tokio::task::JoinSet;
use web::wire;

use super::queue::{more, removed_report, snake_word, with_messages};
use super::{message, names};
use crate::args::client::PageArguments;
use crate::args::queue::DeleteArguments;
use crate::args::topic::{
    AlterArguments, CreateArguments, PublishArguments, ReadArguments, TailArguments, TopicCommand,
};
use crate::exit::Complaint;
use crate::output::{self, Format, or_dash};
use crate::quantity;
use crate::session::Session;

/// How long one read of a tail waits for a message.
const TAIL_WAIT: Span = Span::seconds(30);
/// Most messages that one read of a tail takes.
const TAIL_MESSAGES: u32 = 500;

/// Does one command.
pub(crate) async fn run(session: &Session, namespace: &str, command: TopicCommand) -> Result<(), Complaint> {
    let named = |name: &str| names::topic(namespace, name);
    match command {
        TopicCommand::Create(arguments) => create(session, named(&arguments.topic)?, &arguments).await,
        TopicCommand::Describe(of) => {
            let found = session.call(DescribeTopic { topic: named(&of.topic)? }).await?;
            describe(session, found)
        }
        TopicCommand::List(arguments) => list(session, namespace, &arguments).await,
        TopicCommand::Alter(arguments) => alter(session, named(&arguments.topic)?, &arguments).await,
        TopicCommand::Delete(arguments) => delete(session, named(&arguments.name)?, &arguments).await,
        TopicCommand::Transfer(arguments) => {
            let owner = UserName::parse(&arguments.to)?;
            let changed = session.call(TransferTopic { topic: named(&arguments.name)?, owner }).await?;
            describe(session, changed)
        }
        TopicCommand::Publish(arguments) => publish(session, named(&arguments.topic)?, &arguments).await,
        TopicCommand::Read(arguments) => read(session, named(&arguments.topic)?, &arguments).await,
        TopicCommand::Tail(arguments) => tail(session, named(&arguments.topic)?, &arguments).await,
    }
}

/// A place in a topic: earliest, latest, an offset, or @milliseconds.
pub(crate) fn start(text: &str) -> Result<StartAt, Refusal> {
    match text {
        "earliest" => return Ok(StartAt::Earliest),
        "latest" => return Ok(StartAt::Latest),
        _ => {}
    }
    let parsed = match text.strip_prefix('@') {
        Some(time) => time.parse().ok().map(|ms| StartAt::Time(Timestamp::new(ms))),
        None => text.parse().ok().map(|offset| StartAt::Offset(Offset::new(offset))),
    };
    parsed.ok_or_else(|| Refusal::invalid("from", "write earliest, latest, an offset, or @MILLISECONDS since 1970"))
}

async fn create(session: &Session, topic: TopicRef, arguments: &CreateArguments) -> Result<(), Complaint> {
    let settings = TopicSettings {
        partitions: arguments.partitions,
        retention: arguments.retention.0,
        retention_bytes: arguments.retention_bytes,
        cleanup: arguments.cleanup.into(),
        deduplication: arguments.deduplication,
    };
    settings.check()?;
    let reply = session.call(CreateTopic { topic, settings }).await?;
    let name = reply.description.topic.name.clone();
    describe(session, reply.description)?;
    if reply.created {
        session.output.note(&format!("created; next: recado subscription create {name} mine"));
    } else {
        session.output.note("it was there already, with equal settings");
    }
    Ok(())
}

fn describe(session: &Session, description: TopicDescription) -> Result<(), Complaint> {
    let document = wire::TopicDescription::from(description.clone());
    session.output.thing(&document, |document| {
        let messages: u64 = description.partitions.iter().map(|extent| extent.messages).sum();
        let bytes: u64 = description.partitions.iter().map(|extent| extent.bytes.get()).sum();
        let mut properties = vec![
            ("name", description.topic.name.to_string()),
            ("namespace", description.topic.namespace.to_string()),
            ("owner", or_dash(description.owner.as_ref())),
            ("created", quantity::moment(description.created_at)),
            ("messages", messages.to_string()),
            ("bytes", quantity::rough_size(ByteSize::new(bytes))),
            ("subscriptions", description.subscriptions.to_string()),
            ("published", description.totals.published.to_string()),
            ("retention", or_dash(description.settings.retention.map(quantity::span))),
            ("retention bytes", or_dash(description.settings.retention_bytes.map(quantity::size))),
            ("cleanup", snake_word(&document.settings.cleanup)),
            ("deduplication", quantity::span(description.settings.deduplication)),
            ("partitions", description.settings.partitions.to_string()),
        ];
        let extents = description.partitions.iter().map(|extent| {
            let text = format!(
                "{}: {} to {}, {} messages, {}",
                extent.partition,
                extent.earliest,
                extent.end,
                extent.messages,
                quantity::rough_size(extent.bytes)
            );
            ("partition", text)
        });
        properties.extend(extents);
        properties
    })
}

async fn list(session: &Session, namespace: &str, arguments: &PageArguments) -> Result<(), Complaint> {
    let page = names::page(arguments)?;
    let namespace = NamespaceName::parse(namespace)?;
    let found = session.call(ListTopics { namespace, prefix: arguments.prefix.clone(), page }).await?;
    let document = wire::Page::<wire::TopicDescription>::from(found);
    let heads = ["name", "partitions", "messages", "size", "subscriptions", "owner"];
    session.output.data(&document, &heads, |page| {
        let row = |topic: &wire::TopicDescription| {
            let messages: u64 = topic.partitions.iter().map(|extent| extent.messages).sum();
            let bytes: u64 = topic.partitions.iter().map(|extent| extent.bytes).sum();
            vec![
                topic.name.0.clone(),
                topic.settings.partitions.to_string(),
                messages.to_string(),
                quantity::rough_size(ByteSize::new(bytes)),
                topic.subscriptions.to_string(),
                or_dash(topic.owner.as_ref().map(|name| &name.0)),
            ]
        };
        page.items.iter().map(row).collect()
    })?;
    more(session, document.next.as_deref());
    Ok(())
}

async fn alter(session: &Session, topic: TopicRef, arguments: &AlterArguments) -> Result<(), Complaint> {
    let patch = TopicPatch {
        partitions: arguments.partitions,
        retention: arguments.retention.map(|bound| bound.0),
        retention_bytes: arguments.retention_bytes.map(|bound| bound.0),
        cleanup: arguments.cleanup.map(Into::into),
        deduplication: arguments.deduplication,
    };
    if patch == TopicPatch::default() {
        return Err(Complaint::usage("nothing to alter", "name a setting, such as --retention 30d; see --help"));
    }
    let changed = session.call(AlterTopic { topic, patch }).await?;
    describe(session, changed)
}

async fn delete(session: &Session, topic: TopicRef, arguments: &DeleteArguments) -> Result<(), Complaint> {
    let mode = if arguments.force { DeleteMode::Force } else { DeleteMode::IfEmpty };
    session.confirm(&format!("Delete the topic {topic}{}?", with_messages(mode)))?;
    let removed = session.call(DeleteTopic { topic, mode }).await?;
    removed_report(session, removed)
}

async fn publish(session: &Session, topic: TopicRef, arguments: &PublishArguments) -> Result<(), Complaint> {
    let partition = arguments.partition.map(Partition::new);
    let mut published = None;
    for messages in message::batches(&arguments.message)? {
        let messages = messages.into_iter().map(|message| TopicMessage { message, partition }).collect();
        let reply = session.call(PublishTopic { topic: topic.clone(), messages }).await?;
        let document = wire::PublishedRecords::from(reply);
        let whole =
            published.get_or_insert_with(|| wire::PublishedRecords { messages: Vec::new(), ..document.clone() });
        whole.position = document.position;
        whole.messages.extend(document.messages);
    }
    let Some(published) = published else {
        session.output.note("nothing to publish: the input is empty");
        return Ok(());
    };
    session.output.data(&published, &["id", "partition", "offset", "duplicate"], |published| {
        let row = |record: &wire::PublishedRecord| {
            let duplicate = if record.duplicate { "yes" } else { "no" }.to_owned();
            vec![record.id.clone(), record.partition.to_string(), record.offset.to_string(), duplicate]
        };
        published.messages.iter().map(row).collect()
    })
}

async fn read(session: &Session, topic: TopicRef, arguments: &ReadArguments) -> Result<(), Complaint> {
    let request = ReadPartition {
        topic,
        partition: Partition::new(arguments.partition),
        start: start(&arguments.from)?,
        limit: arguments.limit,
        wait: arguments.wait,
    };
    let records = session.call(request).await?;
    if arguments.body {
        for record in &records.records {
            output::raw(&record.message.body)?;
            output::raw(b"\n")?;
        }
        return Ok(());
    }
    let document = wire::Records::from(records.clone());
    session.output.data(&document, &["offset", "key", "published", "sender", "body"], |_| {
        records
            .records
            .iter()
            .map(|record| {
                vec![
                    record.offset.to_string(),
                    message::key(&record.message),
                    quantity::moment(record.message.published_at),
                    record.message.sender.to_string(),
                    message::shown(&record.message.body),
                ]
            })
            .collect()
    })?;
    session.output.note(&format!("next: --from {}; the partition ends at {}", records.next, records.extent.end));
    Ok(())
}

/// One partition of a tail: where it is, and the read that is under way.
struct Follow {
    partition: Partition,
    start: StartAt,
}

async fn tail(session: &Session, topic: TopicRef, arguments: &TailArguments) -> Result<(), Complaint> {
    let description = session.call(DescribeTopic { topic: topic.clone() }).await?;
    let from = start(&arguments.from)?;
    let wanted = |partition: Partition| arguments.partition.is_none_or(|only| only == partition.get());
    let mut reads = JoinSet::new();
    for extent in description.partitions.iter().filter(|extent| wanted(extent.partition)) {
        let start = match from {
            // The end as it is now: a message published before the first read arrives is not missed.
            StartAt::Latest => StartAt::Offset(extent.end),
            StartAt::Earliest | StartAt::Offset(_) | StartAt::Time(_) => from,
        };
        spawn(&mut reads, session, &topic, Follow { partition: extent.partition, start });
    }
    if reads.is_empty() {
        let partition = Partition::new(arguments.partition.unwrap_or_default());
        return Err(Refusal::PartitionNotFound { name: topic.to_string(), partition }.into());
    }
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let read = tokio::select! {
            read = reads.join_next() => read,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(Ok((partition, records))) = read else { break };
        let records: Records = records?;
        for record in &records.records {
            if left == 0 {
                break;
            }
            print(session, partition, record, arguments.body)?;
            left -= 1;
        }
        spawn(&mut reads, session, &topic, Follow { partition, start: StartAt::Offset(records.next) });
    }
    Ok(())
}

type Reads = JoinSet<(Partition, Result<Records, Complaint>)>;

fn spawn(reads: &mut Reads, session: &Session, topic: &TopicRef, follow: Follow) {
    let Follow { partition, start } = follow;
    let request = ReadPartition { topic: topic.clone(), partition, start, limit: TAIL_MESSAGES, wait: TAIL_WAIT };
    let (backend, caller) = (session.backend.clone(), session.caller.clone());
    reads.spawn(async move {
        let read = model::backend::call(&*backend, &caller, request).await;
        (partition, read.map_err(Complaint::from))
    });
}

fn print(
    session: &Session,
    partition: Partition,
    record: &model::message::Record,
    only_body: bool,
) -> Result<(), Complaint> {
    if only_body {
        output::raw(&record.message.body)?;
        return output::raw(b"\n");
    }
    match session.output.format {
        Format::Json => session.output.document_line(&wire::Record {
            partition: partition.get(),
            offset: record.offset.get(),
            message: record.message.clone().into(),
        }),
        Format::Table => output::line(&format!(
            "{}-{}  {}  {}  {}",
            partition,
            record.offset,
            quantity::moment(record.message.published_at),
            message::key(&record.message),
            message::shown(&record.message.body)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_topic_are_words_offsets_and_times() {
        assert_eq!(start("earliest"), Ok(StartAt::Earliest));
        assert_eq!(start("latest"), Ok(StartAt::Latest));
        assert_eq!(start("17"), Ok(StartAt::Offset(Offset::new(17))));
        assert_eq!(start("@1356998400000"), Ok(StartAt::Time(Timestamp::new(1_356_998_400_000))));
        assert!(start("yesterday").is_err());
    }
}
