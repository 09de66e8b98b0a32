//! Whole lists, put together from the pages that the broker gives.
//! Invariant: a list is complete or refused; it is never cut in silence. What only counts or pages keeps no list.
//! Used by every room that lists.

use std::collections::{BTreeMap, BTreeSet};

use model::access::{Grant, ListGrants, ListNamespaces, ListUsers, UserDescription};
use model::binding::{Binding, Destination, ListBindings};
use model::exchange::{ExchangeDescription, ListExchanges};
use model::limits::PAGE_ITEMS_MAX;
use model::name::{ExchangeName, NamespaceName};
use model::page::{Page, PageRequest};
use model::queue::{ListQueues, QueueDescription};
use model::topic::{ListTopics, TopicDescription};
use model::{Call, Caller};

use crate::answer::Trouble;
use crate::door::Door;
use crate::limits::LIST_ITEMS_MAX;

/// Shows every item of one list, a page at a time.
async fn each<C, T>(
    door: &Door,
    caller: &Caller,
    ask: impl Fn(PageRequest) -> C,
    mut see: impl FnMut(T) -> Result<(), Trouble>,
) -> Result<(), Trouble>
where
    C: Call<Reply = Page<T>>,
{
    let mut cursor = None;
    loop {
        let page = door.call(caller, ask(PageRequest { limit: PAGE_ITEMS_MAX, cursor })).await?;
        page.items.into_iter().try_for_each(&mut see)?;
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// Everything of one list.
async fn all<C, T>(door: &Door, caller: &Caller, what: &str, ask: impl Fn(PageRequest) -> C) -> Result<Vec<T>, Trouble>
where
    C: Call<Reply = Page<T>>,
{
    let mut items = Vec::new();
    let keep = |item| {
        if items.len() >= LIST_ITEMS_MAX {
            return Err(Trouble::bad(format!("there are more than {LIST_ITEMS_MAX} {what}: ask for one by its name")));
        }
        items.push(item);
        Ok(())
    };
    each(door, caller, ask, keep).await?;
    Ok(items)
}

/// The namespaces that are virtual hosts: the system's own is none.
pub(crate) async fn namespaces(door: &Door, caller: &Caller) -> Result<Vec<NamespaceName>, Trouble> {
    let found = all(door, caller, "virtual hosts", |page| ListNamespaces { page }).await?;
    Ok(found.into_iter().map(|found| found.name).filter(|name| !name.is_system()).collect())
}

/// The namespace asked for when it is there, or all of them.
pub(crate) async fn hosts(door: &Door, caller: &Caller, host: Option<&str>) -> Result<Vec<NamespaceName>, Trouble> {
    let mut there = namespaces(door, caller).await?;
    if let Some(host) = host {
        let wanted = crate::host::namespace(host)?;
        there.retain(|name| *name == wanted);
        if there.is_empty() {
            return Err(Trouble::not_found());
        }
    }
    Ok(there)
}

/// A virtual host that went since it was listed has nothing.
pub(crate) fn if_there<T: Default>(found: Result<T, Trouble>) -> Result<T, Trouble> {
    match found {
        Err(trouble) if trouble.is_missing() => Ok(T::default()),
        found => found,
    }
}

/// What RabbitMQ calls a queue.
#[allow(clippy::large_enum_variant, reason = "one lives at a time, and is looked at at once")]
pub(crate) enum Kept {
    /// A queue.
    Queue(QueueDescription),
    /// A stream: a topic, but for one whose name a queue has too.
    Stream(TopicDescription),
}

impl Kept {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Queue(queue) => queue.queue.name.as_str(),
            Self::Stream(topic) => topic.topic.name.as_str(),
        }
    }
}

/// Shows every queue and stream of a namespace that the caller may see, however many there are.
pub(crate) async fn each_queue(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    mut see: impl FnMut(Kept) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let topics = if_there(streams(door, caller, namespace, &[]).await)?;
    let mut topics: BTreeMap<String, TopicDescription> =
        topics.into_iter().map(|topic| (topic.topic.name.as_str().to_owned(), topic)).collect();
    let ask = |page| ListQueues { namespace: namespace.clone(), prefix: String::new(), page };
    let queue = |queue: QueueDescription| {
        topics.remove(queue.queue.name.as_str());
        see(Kept::Queue(queue))
    };
    if_there(each(door, caller, ask, queue).await)?;
    topics.into_values().map(Kept::Stream).try_for_each(see)
}

/// Shows every exchange of a namespace that the caller may see.
pub(crate) async fn each_exchange(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    see: impl FnMut(ExchangeDescription) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let ask = |page| ListExchanges { namespace: namespace.clone(), prefix: String::new(), page };
    if_there(each(door, caller, ask, see).await)
}

/// Shows every binding of a namespace between things that the caller may see.
pub(crate) async fn each_binding(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    see: impl FnMut(Binding) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let ask = |page| ListBindings { namespace: namespace.clone(), source: None, destination: None, page };
    if_there(each(door, caller, ask, see).await)
}

/// The queues of a namespace that the caller may see.
pub(crate) async fn queues(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
) -> Result<Vec<QueueDescription>, Trouble> {
    let ask = |page| ListQueues { namespace: namespace.clone(), prefix: String::new(), page };
    all(door, caller, "queues", ask).await
}

/// The streams of a namespace that the caller may see: topics, but for those whose name a queue has too.
pub(crate) async fn streams(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    queues: &[QueueDescription],
) -> Result<Vec<TopicDescription>, Trouble> {
    let ask = |page| ListTopics { namespace: namespace.clone(), prefix: String::new(), page };
    let mut topics = all(door, caller, "streams", ask).await?;
    let taken: BTreeSet<&str> = queues.iter().map(|queue| queue.queue.name.as_str()).collect();
    topics.retain(|topic| !taken.contains(topic.topic.name.as_str()));
    Ok(topics)
}

/// The exchanges of a namespace that the caller may see.
pub(crate) async fn exchanges(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
) -> Result<Vec<ExchangeDescription>, Trouble> {
    let ask = |page| ListExchanges { namespace: namespace.clone(), prefix: String::new(), page };
    all(door, caller, "exchanges", ask).await
}

/// The bindings of a namespace between things that the caller may see.
pub(crate) async fn bindings(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    source: Option<&ExchangeName>,
    destination: Option<&Destination>,
) -> Result<Vec<Binding>, Trouble> {
    let (source, destination) = (source.cloned(), destination.cloned());
    let ask = |page| ListBindings {
        namespace: namespace.clone(),
        source: source.clone(),
        destination: destination.clone(),
        page,
    };
    all(door, caller, "bindings", ask).await
}

/// All users.
pub(crate) async fn users(door: &Door, caller: &Caller) -> Result<Vec<UserDescription>, Trouble> {
    all(door, caller, "users", |page| ListUsers { prefix: String::new(), page }).await
}

/// All grants, or those of one user.
pub(crate) async fn grants(
    door: &Door,
    caller: &Caller,
    user: Option<&model::name::UserName>,
) -> Result<Vec<Grant>, Trouble> {
    Ok(door.call(caller, ListGrants { user: user.cloned() }).await?.grants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_meanwhile_is_empty_and_other_trouble_stays_trouble() {
        assert_eq!(if_there(Ok(vec![1])), Ok(vec![1]));
        assert_eq!(if_there::<Vec<u8>>(Err(Trouble::not_found())), Ok(Vec::new()));
        assert_eq!(if_there::<()>(Err(Trouble::bad("no"))), Err(Trouble::bad("no")));
    }
}
