//! Policies: settings that queues and exchanges of fitting names have beside their own, for as long as the policy is there.
//!
//! Of the policies of a namespace that fit a queue the one with the highest priority applies, and of equal ones the first by
//! name. Where a queue has a bound or time of its own the smaller of both counts; where it has a place for dead letters of its
//! own, that one does; a policy's behaviour at a bound counts for queues without a bound of their own.
//! Invariant: `check` bounds everything before the log sees it; none changes what a queue was created with.
//! Used by the management door, by REST and gRPC, and by the machine.

use crate::binding::RoutingKey;
use crate::header::{Headers, check_headers};
use crate::limits::{DELIVERY_LIMIT_MAX, EXPIRES_MS_MAX, POLICY_PATTERN_BYTES_MAX};
use crate::name::{ExchangeName, NamespaceName, PolicyName};
use crate::number::{ByteSize, Span};
use crate::queue::{Overflow, QueueSettings};
use crate::refusal::Refusal;

/// What a policy is for, beside the pattern of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyTarget {
    /// All queues.
    #[default]
    Queues,
    /// All queues and exchanges.
    All,
    /// Those that were not declared as quorum queues.
    Classic,
    /// Those that were declared as quorum queues.
    Quorum,
    /// All exchanges, and no queue.
    Exchanges,
}

impl PolicyTarget {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Queues, Self::All, Self::Classic, Self::Quorum, Self::Exchanges];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queues => "queues",
            Self::All => "all",
            Self::Classic => "classic_queues",
            Self::Quorum => "quorum_queues",
            Self::Exchanges => "exchanges",
        }
    }

    /// The one that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// Whether it takes a queue with these settings.
    pub fn takes(self, settings: &QueueSettings) -> bool {
        match self {
            Self::Queues | Self::All => true,
            Self::Classic => !settings.is_quorum(),
            Self::Quorum => settings.is_quorum(),
            Self::Exchanges => false,
        }
    }

    /// Whether it takes exchanges.
    pub const fn takes_exchanges(self) -> bool {
        matches!(self, Self::All | Self::Exchanges)
    }
}

/// What a policy gives to a queue or an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySettings {
    /// Most messages.
    pub max_messages: Option<u64>,
    /// Most bytes of messages.
    pub max_bytes: Option<ByteSize>,
    /// What happens at either bound.
    pub overflow: Option<Overflow>,
    /// Lifetime of messages that name none.
    pub message_ttl: Option<Span>,
    /// Deliveries before a message is given up.
    pub delivery_limit: Option<u32>,
    /// Where dead letters go.
    pub dead_letter_exchange: Option<ExchangeName>,
    /// The routing key of dead letters.
    pub dead_letter_key: Option<RoutingKey>,
    /// How long a consumer stream may keep a message unsettled.
    pub consumer_timeout: Option<Span>,
    /// What a door wants to be remembered beyond that; not looked at.
    pub arguments: Headers,
    /// How long a queue stays that nobody uses.
    pub expires: Option<Span>,
    /// Where an exchange sends what no binding of it fits.
    pub alternate: Option<ExchangeName>,
}

/// The smaller of two, of which each may be absent.
fn least<T: Ord>(one: Option<T>, two: Option<T>) -> Option<T> {
    one.into_iter().chain(two).min()
}

impl PolicySettings {
    /// Checks every number against its limit.
    ///
    /// # Errors
    /// `ArgumentInvalid` naming the field and its range.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.max_messages == Some(0) || self.max_bytes == Some(ByteSize::new(0)) {
            return Err(Refusal::invalid("max_messages", "a bound is at least 1; leave it out for none"));
        }
        if self.delivery_limit.is_some_and(|limit| limit == 0 || limit > DELIVERY_LIMIT_MAX) {
            return Err(Refusal::invalid("delivery_limit", "it must lie between 1 and 1000000"));
        }
        if self.message_ttl == Some(Span::new(0)) || self.consumer_timeout == Some(Span::new(0)) {
            return Err(Refusal::invalid("message_ttl_ms", "a time is at least 1 ms; leave it out for none"));
        }
        if self.expires.is_some_and(|span| !(1..=EXPIRES_MS_MAX).contains(&span.get())) {
            return Err(Refusal::invalid("expires_ms", "it must lie between 1 ms and ten years"));
        }
        check_headers("arguments", &self.arguments)
    }

    /// The settings of a queue that this applies to.
    #[must_use]
    pub fn over(&self, own: &QueueSettings) -> QueueSettings {
        let is_bounded = own.max_messages.is_some() || own.max_bytes.is_some();
        let has_place = own.dead_letter.is_some() || own.dead_letter_exchange.is_some();
        let policy = self.dead_letter_exchange.clone().filter(|_| !has_place);
        let exchange = own.dead_letter_exchange.clone().or(policy);
        let key = own.dead_letter_key.clone().or_else(|| self.dead_letter_key.clone()).filter(|_| exchange.is_some());
        let overflow = self.overflow.filter(|_| !is_bounded).unwrap_or(own.overflow);
        let is_lost = overflow == Overflow::RejectToDeadLetter && exchange.is_none() && own.dead_letter.is_none();
        QueueSettings {
            max_messages: least(own.max_messages, self.max_messages),
            max_bytes: least(own.max_bytes, self.max_bytes),
            // Without a place for dead letters a message that is refused is only refused.
            overflow: if is_lost { Overflow::Reject } else { overflow },
            message_ttl: least(own.message_ttl, self.message_ttl),
            delivery_limit: self.delivery_limit.map_or(own.delivery_limit, |limit| limit.min(own.delivery_limit)),
            dead_letter_exchange: exchange,
            dead_letter_key: key,
            consumer_timeout: least(own.consumer_timeout, self.consumer_timeout),
            expires: least(own.expires, self.expires),
            ..own.clone()
        }
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where.
    pub namespace: NamespaceName,
    /// Its name there.
    pub name: PolicyName,
    /// A regular expression that the names of its queues and exchanges fit: at most 1024 bytes.
    pub pattern: String,
    /// Which of those.
    pub target: PolicyTarget,
    /// The highest one of those that fit applies.
    pub priority: i32,
    /// What it gives.
    pub settings: PolicySettings,
}

impl Policy {
    /// Checks the length of the pattern, all settings, and whether the target can have them.
    ///
    /// # Errors
    /// `ArgumentInvalid` naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.pattern.len() > POLICY_PATTERN_BYTES_MAX {
            return Err(Refusal::invalid("pattern", "at most 1024 bytes"));
        }
        let PolicySettings { alternate, arguments, .. } = &self.settings;
        let of_exchanges =
            PolicySettings { alternate: alternate.clone(), arguments: arguments.clone(), ..PolicySettings::default() };
        if self.target == PolicyTarget::Exchanges && self.settings != of_exchanges {
            return Err(Refusal::invalid("target", "exchanges are given an alternate exchange and nothing else"));
        }
        if alternate.is_some() && !self.target.takes_exchanges() {
            return Err(Refusal::invalid("target", "an alternate exchange is for exchanges: say exchanges, or all"));
        }
        self.settings.check()
    }
}

/// The policy that applies to a queue, and what the queue's settings are with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedPolicy {
    /// Its name.
    pub name: PolicyName,
    /// The settings in effect.
    pub settings: QueueSettings,
}

/// Adds a policy, or replaces the one of its name. Queues that it fits are as it says at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPolicy {
    /// What is set.
    pub policy: Policy,
}

/// Takes a policy away; done when it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletePolicy {
    /// Where.
    pub namespace: NamespaceName,
    /// Its name there.
    pub name: PolicyName,
}

/// Lists the policies of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPolicies {
    /// Where.
    pub namespace: NamespaceName,
}

/// The policies asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    /// Ordered by name.
    pub policies: Vec<Policy>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::QueueName;

    #[test]
    fn the_smaller_counts_and_the_queues_own_place_for_dead_letters() {
        let policy = PolicySettings {
            max_messages: Some(10),
            message_ttl: Some(Span::new(1000)),
            overflow: Some(Overflow::DropOldest),
            dead_letter_exchange: Some(ExchangeName::default()),
            dead_letter_key: RoutingKey::parse("dead").ok(),
            ..PolicySettings::default()
        };
        let bare = policy.over(&QueueSettings::default());
        assert_eq!((bare.max_messages, bare.overflow), (Some(10), Overflow::DropOldest));
        assert_eq!(bare.dead_letter_key.as_ref().map(RoutingKey::as_str), Some("dead"));
        let own = QueueSettings {
            max_messages: Some(5),
            message_ttl: Some(Span::new(2000)),
            dead_letter: QueueName::parse("mine").ok(),
            ..QueueSettings::default()
        };
        let both = policy.over(&own);
        assert_eq!((both.max_messages, both.overflow), (Some(5), Overflow::Reject));
        assert_eq!(both.message_ttl, Some(Span::new(1000)));
        assert_eq!((both.dead_letter_exchange, both.dead_letter_key), (None, None));
        assert_eq!(both.dead_letter, own.dead_letter);
        assert_eq!(PolicySettings::default().over(&own), own);
    }

    #[test]
    fn whatever_a_policy_gives_can_stand_together() {
        let policy = PolicySettings { overflow: Some(Overflow::RejectToDeadLetter), ..PolicySettings::default() };
        assert_eq!(policy.over(&QueueSettings::default()).check(), Ok(()));
    }
}
