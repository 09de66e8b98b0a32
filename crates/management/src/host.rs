//! The virtual host of a path, as the namespace that it is, and the names below it.
//! Invariant: a name that cannot be one is not found, as one that is not there.
//! Used by every room with paths below a virtual host.

use model::name::{ExchangeName, ExchangeRef, NamespaceName, QueueName, QueueRef, TopicName, TopicRef};

use crate::answer::Trouble;

/// The namespace of a virtual host.
pub(crate) fn namespace(host: &str) -> Result<NamespaceName, Trouble> {
    rabbit::namespace(host).ok_or_else(Trouble::not_found)
}

/// A queue of a virtual host.
pub(crate) fn queue(host: &str, name: &str) -> Result<QueueRef, Trouble> {
    let name = QueueName::parse(name).map_err(|_| Trouble::not_found())?;
    Ok(QueueRef { namespace: namespace(host)?, name })
}

/// A stream of a virtual host.
pub(crate) fn topic(host: &str, name: &str) -> Result<TopicRef, Trouble> {
    let name = TopicName::parse(name).map_err(|_| Trouble::not_found())?;
    Ok(TopicRef { namespace: namespace(host)?, name })
}

/// An exchange of a virtual host; `amq.default` is the default one.
pub(crate) fn exchange(host: &str, name: &str) -> Result<ExchangeRef, Trouble> {
    let name = ExchangeName::parse_word(name).map_err(|_| Trouble::not_found())?;
    Ok(ExchangeRef { namespace: namespace(host)?, name })
}
