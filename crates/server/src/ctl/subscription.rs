//! `recado subscription`: create, describe, list, delete, receive, settle, commit, seek.
//! Invariant: stdout holds the reply and nothing else.
//! Called by `main`; documents are those of `web::wire`.

use model::Refusal;
use model::name::{MemberName, QueueName, Source, SubscriptionRef};
use model::number::{Offset, Partition};
use model::queue::{Ack, Nack, NackAction};
use model::subscription::{
    Commit, Committed, CreateSubscription, DeleteSubscription, DescribeSubscription, ListSubscriptions,
    PartitionOffset, Seek, SubscriptionDescription, SubscriptionKind, SubscriptionSettings,
};
use web::wire;

use super::queue::{more, snake_word};
use super::topic::start;
use super::{consume, names, settle};
use crate::args::topic::{
    CreateSubscriptionArguments, KindWord, ListSubscriptionsArguments, ReceiveSubscriptionArguments,
    SubscriptionCommand, SubscriptionName,
};
use crate::exit::Complaint;
use crate::output::or_dash;
use crate::quantity;
use crate::session::Session;

/// Does one command.
pub(crate) async fn run(session: &Session, namespace: &str, command: SubscriptionCommand) -> Result<(), Complaint> {
    let named = |name: &SubscriptionName| names::subscription(namespace, &name.topic, &name.subscription);
    match command {
        SubscriptionCommand::Create(arguments) => create(session, named(&arguments.name)?, &arguments).await,
        SubscriptionCommand::Describe(name) => {
            let found = session.call(DescribeSubscription { subscription: named(&name)? }).await?;
            describe(session, found)
        }
        SubscriptionCommand::List(arguments) => list(session, namespace, &arguments).await,
        SubscriptionCommand::Delete(name) => {
            let subscription = named(&name)?;
            session.confirm(&format!("Delete the subscription {subscription}?"))?;
            session.call(DeleteSubscription { subscription }).await?;
            session.output.note("deleted; the topic keeps its messages");
            Ok(())
        }
        SubscriptionCommand::Receive(arguments) => receive(session, named(&arguments.name)?, &arguments).await,
        SubscriptionCommand::Ack(arguments) => {
            let source = Source::Subscription(named(&arguments.name)?);
            let receipts = settle::receipts(&arguments.receipts)?;
            let settled = session.call(Ack { source, receipts: receipts.clone() }).await?;
            settle::report(session.output, &receipts, &settled)
        }
        SubscriptionCommand::Nack(arguments) => {
            let action = if arguments.reject { NackAction::Reject } else { NackAction::Retry(arguments.delay) };
            let deliveries = &arguments.deliveries;
            let source = Source::Subscription(named(&deliveries.name)?);
            let receipts = settle::receipts(&deliveries.receipts)?;
            let settled = session.call(Nack { source, receipts: receipts.clone(), action }).await?;
            settle::report(session.output, &receipts, &settled)
        }
        SubscriptionCommand::Commit(arguments) => {
            let offsets = arguments.offsets.iter().map(|text| offset(text)).collect::<Result<_, _>>()?;
            let member = arguments.member.as_deref().map(MemberName::parse).transpose()?;
            let reply = session.call(Commit { subscription: named(&arguments.name)?, member, offsets }).await?;
            committed(session, reply)
        }
        SubscriptionCommand::Seek(arguments) => {
            let to = start(&arguments.to)?;
            let partition = arguments.partition.map(Partition::new);
            let reply = session.call(Seek { subscription: named(&arguments.name)?, to, partition }).await?;
            committed(session, reply)
        }
    }
}

fn offset(text: &str) -> Result<PartitionOffset, Refusal> {
    let parsed = text.split_once('-').and_then(|(partition, offset)| {
        Some(PartitionOffset {
            partition: Partition::new(partition.parse().ok()?),
            offset: Offset::new(offset.parse().ok()?),
        })
    });
    parsed.ok_or_else(|| Refusal::invalid("offsets", "write PARTITION-OFFSET, such as 0-17"))
}

async fn create(
    session: &Session,
    subscription: SubscriptionRef,
    arguments: &CreateSubscriptionArguments,
) -> Result<(), Complaint> {
    let kind = match arguments.kind {
        KindWord::Stream => SubscriptionKind::Stream { session: arguments.session },
        KindWord::Shared => SubscriptionKind::Shared {
            lease: arguments.lease,
            delivery_limit: arguments.delivery_limit,
            dead_letter: arguments.dead_letter.as_deref().map(QueueName::parse).transpose()?,
        },
    };
    let settings = SubscriptionSettings { kind, start: start(&arguments.from)? };
    let reply = session.call(CreateSubscription { subscription, settings }).await?;
    describe(session, reply.description)?;
    let next = "created; next: recado subscription receive";
    let name = &arguments.name;
    if reply.created {
        session.output.note(&format!("{next} {} {} --max 10 --wait 30s", name.topic, name.subscription));
    } else {
        session.output.note("it was there already, with equal settings");
    }
    Ok(())
}

fn describe(session: &Session, found: SubscriptionDescription) -> Result<(), Complaint> {
    let document = wire::SubscriptionDescription::from(found.clone());
    session.output.thing(&document, |document| {
        let settings = &document.settings;
        let members: Vec<_> = found.members.iter().map(ToString::to_string).collect();
        let mut properties = vec![
            ("name", found.subscription.name.to_string()),
            ("topic", found.subscription.topic.to_string()),
            ("kind", snake_word(&settings.kind)),
            ("owner", or_dash(found.owner.as_ref())),
            ("created", quantity::moment(found.created_at)),
            ("lag", found.lag.to_string()),
            ("lag time", quantity::span(found.lag_time)),
            ("leased", found.leased.to_string()),
            ("delivered", found.totals.delivered.to_string()),
            ("acknowledged", found.totals.acknowledged.to_string()),
            ("redelivered", found.totals.redelivered.to_string()),
            ("dead-lettered", found.totals.dead_lettered.to_string()),
        ];
        match &found.settings.kind {
            SubscriptionKind::Stream { session } => {
                properties.push(("session", quantity::span(*session)));
                properties.push(("generation", found.generation.to_string()));
                properties.push(("members", if members.is_empty() { "-".to_owned() } else { members.join(" ") }));
            }
            SubscriptionKind::Shared { lease, delivery_limit, dead_letter } => {
                properties.push(("lease", quantity::span(*lease)));
                properties.push(("delivery limit", delivery_limit.to_string()));
                properties.push(("dead letter", or_dash(dead_letter.as_ref())));
            }
        }
        let progress = found.partitions.iter().map(|progress| {
            let member = or_dash(progress.member.as_ref());
            let text = format!(
                "{}: at {} of {}, lag {}, member {member}",
                progress.partition, progress.committed, progress.end, progress.lag
            );
            ("partition", text)
        });
        properties.extend(progress);
        properties
    })
}

async fn list(session: &Session, namespace: &str, arguments: &ListSubscriptionsArguments) -> Result<(), Complaint> {
    let request = ListSubscriptions {
        topic: names::topic(namespace, &arguments.topic)?,
        prefix: arguments.page.prefix.clone(),
        page: names::page(&arguments.page)?,
    };
    let found = session.call(request).await?;
    let document = wire::Page::<wire::SubscriptionDescription>::from(found);
    let heads = ["name", "kind", "lag", "lag ms", "leased", "members", "owner"];
    session.output.data(&document, &heads, |page| {
        let row = |found: &wire::SubscriptionDescription| {
            vec![
                found.name.0.clone(),
                snake_word(&found.settings.kind),
                found.lag.to_string(),
                found.lag_ms.to_string(),
                found.leased.to_string(),
                found.members.len().to_string(),
                or_dash(found.owner.as_ref().map(|name| &name.0)),
            ]
        };
        page.items.iter().map(row).collect()
    })?;
    more(session, document.next.as_deref());
    Ok(())
}

async fn receive(
    session: &Session,
    subscription: SubscriptionRef,
    arguments: &ReceiveSubscriptionArguments,
) -> Result<(), Complaint> {
    let found = session.call(DescribeSubscription { subscription: subscription.clone() }).await?;
    let member = match found.settings.kind {
        SubscriptionKind::Stream { .. } => Some(consume::member(arguments.member.as_deref(), &session.caller)?),
        SubscriptionKind::Shared { .. } => None,
    };
    let source = Source::Subscription(subscription);
    consume::receive(session, source, member, &arguments.take).await
}

fn committed(session: &Session, reply: Committed) -> Result<(), Complaint> {
    let document = wire::Committed::from(reply);
    session.output.data(&document, &["partition", "offset"], |document| {
        document.offsets.iter().map(|at| vec![at.partition.to_string(), at.offset.to_string()]).collect()
    })
}
