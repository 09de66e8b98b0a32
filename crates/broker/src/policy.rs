//! The policies of a namespace, with their patterns compiled.
//! Invariant: of those that fit a queue or an exchange the same one is found on every replica: highest priority, then first
//! name. Used by the machine; tests: below, `tests/policies.rs`.

use std::collections::BTreeMap;

use model::name::PolicyName;
use model::policy::Policy;
use model::queue::QueueSettings;
use model::refusal::Refusal;
use regex::bytes::{Regex, RegexBuilder};

use crate::limits::POLICY_PROGRAM_BYTES_MAX;

/// A policy and its compiled pattern.
#[derive(Clone, Debug)]
pub struct Compiled {
    policy: Policy,
    pattern: Regex,
}

impl PartialEq for Compiled {
    /// The pattern follows from the policy.
    fn eq(&self, other: &Self) -> bool {
        self.policy == other.policy
    }
}

impl Compiled {
    /// Compiles the pattern of a policy.
    ///
    /// # Errors
    /// `ArgumentInvalid` when it is no regular expression, or too large a one.
    pub fn new(policy: Policy) -> Result<Self, Refusal> {
        // Names are ASCII; the same bytes fit on every replica.
        let built = RegexBuilder::new(&policy.pattern).unicode(false).size_limit(POLICY_PROGRAM_BYTES_MAX).build();
        let pattern = built.map_err(|error| Refusal::invalid("pattern", error.to_string()))?;
        Ok(Self { policy, pattern })
    }

    /// The policy.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    fn fits(&self, name: &str) -> bool {
        self.pattern.is_match(name.as_bytes())
    }
}

/// The policies of a namespace.
pub type Policies = BTreeMap<PolicyName, Compiled>;

/// The policy that applies to a queue.
pub fn applying<'a>(policies: &'a Policies, name: &str, own: &QueueSettings) -> Option<&'a Policy> {
    first(policies.values().filter(|one| one.policy.target.takes(own) && one.fits(name)))
}

/// The policy that applies to an exchange.
pub fn applying_to_exchange<'a>(policies: &'a Policies, name: &str) -> Option<&'a Policy> {
    first(policies.values().filter(|one| one.policy.target.takes_exchanges() && one.fits(name)))
}

/// The one that applies, of those that fit by name.
fn first<'a>(fitting: impl DoubleEndedIterator<Item = &'a Compiled>) -> Option<&'a Policy> {
    // Of equal priorities the first by name: the last one that is not lower, from behind.
    fitting.map(Compiled::policy).rev().max_by_key(|policy| policy.priority)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

    use model::name::NamespaceName;
    use model::policy::{PolicySettings, PolicyTarget};

    use super::*;

    fn policy(name: &str, pattern: &str, priority: i32) -> Policy {
        Policy {
            namespace: NamespaceName::default(),
            name: PolicyName::parse(name).unwrap(),
            pattern: pattern.to_owned(),
            target: PolicyTarget::Queues,
            priority,
            settings: PolicySettings::default(),
        }
    }

    #[test]
    fn the_highest_priority_applies_and_of_equal_ones_the_first_by_name() {
        let all = [policy("b", "^o", 1), policy("a", "^o", 1), policy("c", "^orders$", 0), policy("d", "^x", 9)];
        let policies: Policies = all.into_iter().map(|one| (one.name.clone(), Compiled::new(one).unwrap())).collect();
        let found = |name: &str| applying(&policies, name, &QueueSettings::default()).map(|one| one.name.to_string());
        assert_eq!(found("orders").as_deref(), Some("a"));
        assert_eq!(found("bills"), None);
    }

    #[test]
    fn a_pattern_that_is_none_or_too_large_is_refused() {
        for pattern in ["(", "(a{1000}){1000}"] {
            assert!(Compiled::new(policy("p", pattern, 0)).is_err(), "{pattern}");
        }
    }
}
