//! Policies between the documents and the model.
//! Invariant: a policy that passed `check` is within every limit.
//! Used by `rest::policies`; tests in `tests/suite` of the binary.

use model::binding::RoutingKey;
use model::name::{ExchangeName, NamespaceName, PolicyName};
use model::number::{ByteSize, Span};
use model::policy::{Policies, Policy, PolicySettings};
use model::refusal::Refusal;

use crate::wire;

/// The policy of a path and its body.
pub(crate) fn policy(
    namespace: NamespaceName,
    name: PolicyName,
    request: wire::PolicyRequest,
) -> Result<Policy, Refusal> {
    let wire::PolicyRequest { pattern, target, priority, settings } = request;
    let settings = PolicySettings::try_from(settings)?;
    let policy = Policy { namespace, name, pattern, target: target.into(), priority, settings };
    policy.check()?;
    Ok(policy)
}

impl TryFrom<wire::PolicySettings> for PolicySettings {
    type Error = Refusal;

    fn try_from(settings: wire::PolicySettings) -> Result<Self, Refusal> {
        Ok(Self {
            max_messages: settings.max_messages,
            max_bytes: settings.max_bytes.map(ByteSize::new),
            overflow: settings.overflow.map(Into::into),
            message_ttl: settings.message_ttl_ms.map(Span::new),
            delivery_limit: settings.delivery_limit,
            dead_letter_exchange: settings
                .dead_letter_exchange
                .map(|name| ExchangeName::parse_word(&name.0))
                .transpose()?,
            dead_letter_key: settings.dead_letter_key.as_deref().map(RoutingKey::parse).transpose()?,
            consumer_timeout: settings.consumer_timeout_ms.map(Span::new),
            arguments: settings.arguments.try_into()?,
            expires: settings.expires_ms.map(Span::new),
            alternate: settings.alternate.map(|name| ExchangeName::parse_word(&name.0)).transpose()?,
        })
    }
}

impl From<PolicySettings> for wire::PolicySettings {
    fn from(settings: PolicySettings) -> Self {
        Self {
            max_messages: settings.max_messages,
            max_bytes: settings.max_bytes.map(ByteSize::get),
            overflow: settings.overflow.map(Into::into),
            message_ttl_ms: settings.message_ttl.map(Span::get),
            delivery_limit: settings.delivery_limit,
            dead_letter_exchange: settings.dead_letter_exchange.map(|name| name.word().into()),
            dead_letter_key: settings.dead_letter_key.map(|key| key.as_str().to_owned()),
            consumer_timeout_ms: settings.consumer_timeout.map(Span::get),
            arguments: settings.arguments.into(),
            expires_ms: settings.expires.map(Span::get),
            alternate: settings.alternate.map(|name| name.word().into()),
        }
    }
}

impl From<Policy> for wire::Policy {
    fn from(policy: Policy) -> Self {
        Self {
            name: policy.name.as_str().into(),
            pattern: policy.pattern,
            target: policy.target.into(),
            priority: policy.priority,
            settings: policy.settings.into(),
        }
    }
}

impl From<Policies> for wire::Policies {
    fn from(found: Policies) -> Self {
        Self { policies: found.policies.into_iter().map(Into::into).collect() }
    }
}
