//! From requests to commands: messages encoded, passwords hashed before, secrets drawn.
//!
//! Invariant: a command holds only what may be written down: no password, no token, no address.
//! Called by `backend`. The match is exhaustive, so a new operation is decided here.

use broker::command::{Action, Principal, RoutedRecord};
use broker::record;
use broker::wire::Writer;
use bytes::Bytes;
use model::binding::PublishExchange;
use model::caller::Caller;
use model::limits::{PUBLISH_BYTES_MAX, PUBLISH_MESSAGES_MAX, RECEIPTS_MAX};
use model::message::{MessageId, NewMessage};
use model::operation::Request;
use model::properties::Routed;
use model::queue::Publish;
use model::refusal::Refusal;
use model::topic::PublishTopic;

use crate::random::MessageIds;

/// In whose name the machine works for a caller.
pub(crate) fn principal(caller: &Caller) -> Principal {
    Principal::User { id: caller.user, scope: caller.scope.clone() }
}

/// A publish, ready for the log.
pub(crate) struct Prepared {
    pub(crate) action: Action,
    /// The ids of its messages, in order.
    pub(crate) ids: Vec<MessageId>,
    /// Bytes of all records.
    pub(crate) bytes: usize,
}

/// Encodes the messages of a publish to a queue.
pub(crate) fn publish(request: &Publish, ids: &MessageIds, sender: &str) -> Result<Prepared, Refusal> {
    check_batch(request.messages.len(), PUBLISH_MESSAGES_MAX)?;
    let (records, ids) = encode(request.messages.iter(), ids, sender)?;
    let bytes = bounded(records.iter())?;
    Ok(Prepared { action: Action::Publish { queue: request.queue.clone(), records }, ids, bytes })
}

/// Encodes the messages of a publish to a topic.
pub(crate) fn publish_topic(request: &PublishTopic, ids: &MessageIds, sender: &str) -> Result<Prepared, Refusal> {
    check_batch(request.messages.len(), PUBLISH_MESSAGES_MAX)?;
    let (records, ids) = encode(request.messages.iter().map(|routed| &routed.message), ids, sender)?;
    let bytes = bounded(records.iter())?;
    let partitions = request.messages.iter().map(|routed| routed.partition);
    let records = partitions.zip(records).collect();
    Ok(Prepared { action: Action::PublishTopic { topic: request.topic.clone(), records }, ids, bytes })
}

/// Encodes the messages of a publish through an exchange.
pub(crate) fn publish_exchange(request: &PublishExchange, ids: &MessageIds, sender: &str) -> Result<Prepared, Refusal> {
    check_batch(request.messages.len(), PUBLISH_MESSAGES_MAX)?;
    let mut writer = buffer(request.messages.iter().map(|routed| &routed.message));
    let mut routed = Vec::with_capacity(request.messages.len());
    let mut known = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        message.check()?;
        let id = message.message.id.clone().unwrap_or_else(|| ids.next());
        let way = Routed { exchange: request.exchange.name.clone(), routing_key: message.routing_key.clone() };
        record::write(&mut writer, &message.message, &id, sender, Some(&way));
        let keys = std::iter::once(&message.routing_key).chain(&message.extra_keys).cloned().collect();
        routed.push(RoutedRecord { keys, unroutable: message.unroutable, record: writer.part() });
        known.push(id);
    }
    let bytes = bounded(routed.iter().map(|routed| &routed.record))?;
    let action = Action::PublishExchange { exchange: request.exchange.clone(), records: routed };
    Ok(Prepared { action, ids: known, bytes })
}

fn encode<'a>(
    messages: impl Iterator<Item = &'a NewMessage> + Clone,
    ids: &MessageIds,
    sender: &str,
) -> Result<(Vec<Bytes>, Vec<MessageId>), Refusal> {
    let mut writer = buffer(messages.clone());
    let mut records = Vec::with_capacity(messages.size_hint().0);
    let mut known = Vec::with_capacity(messages.size_hint().0);
    for message in messages {
        message.check()?;
        let id = message.id.clone().unwrap_or_else(|| ids.next());
        record::write(&mut writer, message, &id, sender, None);
        records.push(writer.part());
        known.push(id);
    }
    Ok((records, known))
}

/// One buffer for the records of a publish: a piece of memory for each would cost more than writing it.
fn buffer<'a>(messages: impl Iterator<Item = &'a NewMessage>) -> Writer {
    Writer::with_capacity(messages.map(record::room).sum())
}

fn bounded<'a>(records: impl ExactSizeIterator<Item = &'a Bytes>) -> Result<usize, Refusal> {
    let count = records.len();
    let bytes = records.map(Bytes::len).sum();
    // One message may be as large as a message may be; many together are bounded.
    if count > 1 && bytes > PUBLISH_BYTES_MAX {
        return Err(Refusal::MessageTooLarge { bytes, limit: PUBLISH_BYTES_MAX });
    }
    Ok(bytes)
}

fn check_batch(count: usize, limit: usize) -> Result<(), Refusal> {
    if count == 0 || count > limit { Err(Refusal::BatchSize { count, limit }) } else { Ok(()) }
}

/// The action of a request that becomes a command as it is; `None` for those that need more: publishes,
/// receives, reads, and whatever carries a secret.
#[allow(clippy::too_many_lines, reason = "one arm an operation; the table is the documentation")]
pub(crate) fn action(request: Request) -> Result<Option<Action>, Refusal> {
    let action = match request {
        Request::CreateQueue(request) => Action::CreateQueue(request),
        Request::AlterQueue(request) => Action::AlterQueue(request),
        Request::DeleteQueue(request) => Action::DeleteQueue(request),
        Request::PurgeQueue(request) => Action::PurgeQueue(request),
        Request::TransferQueue(request) => Action::TransferQueue(request),
        Request::Ack(request) => {
            check_batch(request.receipts.len(), RECEIPTS_MAX)?;
            Action::Ack(request)
        }
        Request::Nack(request) => {
            check_batch(request.receipts.len(), RECEIPTS_MAX)?;
            Action::Nack(request)
        }
        Request::Extend(request) => {
            check_batch(request.receipts.len(), RECEIPTS_MAX)?;
            Action::Extend(request)
        }
        Request::CancelMessages(request) => {
            check_batch(request.places.len(), RECEIPTS_MAX)?;
            Action::CancelMessages(request)
        }
        Request::Redrive(request) => Action::Redrive(request),
        Request::CreateTopic(request) => Action::CreateTopic(request),
        Request::AlterTopic(request) => Action::AlterTopic(request),
        Request::DeleteTopic(request) => Action::DeleteTopic(request),
        Request::TransferTopic(request) => Action::TransferTopic(request),
        Request::CreateSubscription(request) => Action::CreateSubscription(request),
        Request::DeleteSubscription(request) => Action::DeleteSubscription(request),
        Request::Commit(request) => Action::Commit(request),
        Request::Seek(request) => Action::Seek(request),
        Request::LeaveSubscription(request) => Action::Leave(request),
        Request::CreateExchange(request) => Action::CreateExchange(request),
        Request::DeleteExchange(request) => Action::DeleteExchange(request),
        Request::Bind(request) => Action::Bind(request),
        Request::Unbind(request) => Action::Unbind(request),
        Request::SetPolicy(request) => Action::SetPolicy(request),
        Request::DeletePolicy(request) => Action::DeletePolicy(request),
        Request::DeleteUser(request) => Action::DeleteUser(request),
        Request::AddGrant(request) => Action::AddGrant(request),
        Request::RemoveGrant(request) => Action::RemoveGrant(request),
        Request::RevokeToken(request) => Action::RevokeToken(request),
        Request::CreateNamespace(request) => Action::CreateNamespace(request),
        Request::DeleteNamespace(request) => Action::DeleteNamespace(request),
        Request::Publish(_)
        | Request::PublishTopic(_)
        | Request::PublishExchange(_)
        | Request::DescribeExchange(_)
        | Request::ListExchanges(_)
        | Request::ListBindings(_)
        | Request::ListPolicies(_)
        | Request::Receive(_)
        | Request::Peek(_)
        | Request::ReadPartition(_)
        | Request::DescribeQueue(_)
        | Request::ListQueues(_)
        | Request::DescribeTopic(_)
        | Request::ListTopics(_)
        | Request::DescribeSubscription(_)
        | Request::ListSubscriptions(_)
        | Request::CreateUser(_)
        | Request::AlterUser(_)
        | Request::DescribeUser(_)
        | Request::ListUsers(_)
        | Request::ListGrants(_)
        | Request::CreateToken(_)
        | Request::ListTokens(_)
        | Request::Login(_)
        | Request::Logout(_)
        | Request::WhoAmI(_)
        | Request::ListNamespaces(_)
        | Request::DescribeNode(_) => return Ok(None),
    };
    Ok(Some(action))
}
