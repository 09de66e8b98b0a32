//! Names of things, checked at the door and trusted afterwards.
//!
//! Grammar of every name but the default exchange's, which is empty: 1 to 255 bytes of ASCII letters, digits and `. _ - : / @ + = ~ ,`, a space
//! only inside, not `.` or `..`; a namespace has no `/`. A name that starts with `$` belongs to the system. Names never become
//! file paths, patterns or markup.
//! Invariant: a value of a name type satisfies the grammar.

use std::fmt;
use std::sync::Arc;

use crate::limits::NAME_BYTES_MAX;
use crate::refusal::Refusal;

/// What a name is for; used in messages to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// A namespace.
    Namespace,
    /// A queue.
    Queue,
    /// A topic.
    Topic,
    /// A subscription of a topic.
    Subscription,
    /// A user.
    User,
    /// A member of a stream subscription.
    Member,
    /// An exchange.
    Exchange,
    /// A policy.
    Policy,
}

impl NameKind {
    /// The word for it in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::Subscription => "subscription",
            Self::User => "user",
            Self::Member => "member",
            Self::Exchange => "exchange",
            Self::Policy => "policy",
        }
    }
}

fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-:/@+=~, ".contains(&byte)
}

fn check(kind: NameKind, text: &str) -> Result<(), Refusal> {
    let refuse = |why: &'static str| Err(Refusal::NameInvalid { kind, why });
    if text.is_empty() {
        // The default exchange has no name.
        if kind == NameKind::Exchange {
            return Ok(());
        }
        return refuse("it is empty");
    }
    if text.len() > NAME_BYTES_MAX {
        return refuse("it is longer than 255 bytes");
    }
    if text == "." || text == ".." {
        return refuse("it is a path segment");
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return refuse("it starts or ends with a space");
    }
    let body = text.strip_prefix('$').unwrap_or(text);
    if body.is_empty() || !body.bytes().all(allowed) {
        return refuse("it may hold only letters, digits, spaces inside and . _ - : / @ + = ~ ,");
    }
    if kind == NameKind::Namespace && text.contains('/') {
        return refuse("a slash separates a namespace from what it holds");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the grammar.
            ///
            /// # Errors
            /// `NameInvalid` with what is wrong.
            pub fn parse(text: &str) -> Result<Self, Refusal> {
                check(NameKind::$kind, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether the name belongs to the system: it starts with `$`.
            pub fn is_system(&self) -> bool {
                self.0.starts_with('$')
            }
        }

        impl std::borrow::Borrow<str> for $name {
            /// Names order and compare as their text does, so maps of names can be asked with text.
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a namespace.
    NamespaceName,
    Namespace
);
name!(
    /// The name of a queue, unique in its namespace.
    QueueName,
    Queue
);
name!(
    /// The name of a topic, unique in its namespace; a queue may have the same one.
    TopicName,
    Topic
);
name!(
    /// The name of a subscription, unique in its topic.
    SubscriptionName,
    Subscription
);
name!(
    /// The name of a user, unique in the broker.
    UserName,
    User
);
name!(
    /// The name a consumer gives itself in a stream subscription.
    MemberName,
    Member
);

name!(
    /// The name of a policy, unique in its namespace.
    PolicyName,
    Policy
);
name!(
    /// The name of an exchange, unique in its namespace. The default exchange has the empty name, as in AMQP;
    /// where a name cannot be empty, such as in a path, `amq.default` stands for it.
    ExchangeName,
    Exchange
);

impl Default for ExchangeName {
    /// The exchange that every queue is bound to by its own name.
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl ExchangeName {
    /// What stands for the default exchange where a name cannot be empty.
    pub const DEFAULT_WORD: &'static str = "amq.default";

    /// Whether it is the default exchange.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the name is the broker's to give: those that start with `amq.`, and the empty one.
    pub fn is_reserved(&self) -> bool {
        self.is_default() || self.0.starts_with("amq.")
    }

    /// The name where it cannot be empty.
    pub fn word(&self) -> &str {
        if self.is_default() { Self::DEFAULT_WORD } else { &self.0 }
    }

    /// Reads what `word` says; the empty text is the default exchange too.
    ///
    /// # Errors
    /// `NameInvalid` with what is wrong.
    pub fn parse_word(text: &str) -> Result<Self, Refusal> {
        if text == Self::DEFAULT_WORD { Ok(Self::default()) } else { Self::parse(text) }
    }
}

impl Default for NamespaceName {
    /// The namespace that is meant when none is named: `default`.
    fn default() -> Self {
        Self(Arc::from("default"))
    }
}

impl NamespaceName {
    /// The namespace of the broker's own topics, such as the audit log: `$system`.
    pub fn system() -> Self {
        Self(Arc::from("$system"))
    }
}

/// A queue by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueRef {
    /// Its namespace.
    pub namespace: NamespaceName,
    /// Its name there.
    pub name: QueueName,
}

/// A topic by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicRef {
    /// Its namespace.
    pub namespace: NamespaceName,
    /// Its name there.
    pub name: TopicName,
}

/// A subscription by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionRef {
    /// The topic it follows.
    pub topic: TopicRef,
    /// Its name there.
    pub name: SubscriptionName,
}

/// An exchange by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeRef {
    /// Its namespace.
    pub namespace: NamespaceName,
    /// Its name there.
    pub name: ExchangeName,
}

/// Where messages are received from and settled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A queue.
    Queue(QueueRef),
    /// A subscription of a topic.
    Subscription(SubscriptionRef),
}

impl fmt::Display for QueueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for TopicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ExchangeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name.word())
    }
}

impl fmt::Display for SubscriptionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Subscription(subscription) => write!(f, "subscription {subscription}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> &'static str {
        match QueueName::parse(text) {
            Ok(_) => "ok",
            Err(Refusal::NameInvalid { why, .. }) => why,
            Err(_) => "another refusal",
        }
    }

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "orders", "amq.gen-x_1", "eu:orders/late", "two words", "$reply", &"x".repeat(255)] {
            assert_eq!(verdict(good), "ok", "{good}");
        }
        let characters = "it may hold only letters, digits, spaces inside and . _ - : / @ + = ~ ,";
        for (bad, why) in [
            ("", "it is empty"),
            (&"x".repeat(256), "it is longer than 255 bytes"),
            ("..", "it is a path segment"),
            (" a", "it starts or ends with a space"),
            ("<script>", characters),
            ("a\0b", characters),
            ("naïve", characters),
            ("$", characters),
            ("a%2fb", characters),
        ] {
            assert_eq!(verdict(bad), why, "{bad:?}");
        }
    }

    #[test]
    fn only_an_exchange_may_have_no_name() {
        assert!(ExchangeName::parse("").is_ok_and(|name| name.is_default() && name.is_reserved()));
        assert_eq!(ExchangeName::parse_word("amq.default"), Ok(ExchangeName::default()));
        assert!(ExchangeName::parse("amq.topic").is_ok_and(|name| name.is_reserved() && name.word() == "amq.topic"));
    }

    #[test]
    fn a_namespace_has_no_slash() {
        assert!(NamespaceName::parse("eu").is_ok());
        assert!(NamespaceName::parse("eu/west").is_err());
    }
}
