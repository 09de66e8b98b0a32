//! Policies: a definition as settings, and settings as a definition.
//! Invariant: a key that would have to do something here and cannot is refused; one that says where a queue lies is kept.
//! Used by the management API; tests below.

use model::binding::RoutingKey;
use model::header::{HeaderValue, Headers, header};
use model::limits::DELIVERY_LIMIT_MAX;
use model::name::ExchangeName;
use model::number::{ByteSize, Span};
use model::policy::PolicySettings;
use model::queue::{Overflow, QueueSettings};

use crate::wrong::Wrong;

/// Keys that say where a queue lies or how it is stored, which is nothing that a policy decides here.
const PLACEMENT: [&str; 14] = [
    "dead-letter-strategy",
    "ha-mode",
    "ha-params",
    "ha-promote-on-failure",
    "ha-promote-on-shutdown",
    "ha-sync-batch-size",
    "ha-sync-mode",
    "initial-cluster-size",
    "queue-leader-locator",
    "queue-master-locator",
    "queue-mode",
    "queue-version",
    "target-group-size",
    "stream-max-segment-size-bytes",
];
/// Keys that are acted on.
const KNOWN: [&str; 10] = [
    "alternate-exchange",
    "consumer-timeout",
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "delivery-limit",
    "expires",
    "max-length",
    "max-length-bytes",
    "message-ttl",
    "overflow",
];

fn wrong(name: &str, why: &str) -> Wrong {
    Wrong::Argument(format!("Validation failed: {name} {why}"))
}

fn number(definition: &Headers, name: &str) -> Result<Option<u64>, Wrong> {
    let Some(value) = header(definition, name) else { return Ok(None) };
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    // A bound or lifetime of zero is the smallest that there is.
    number.map(|number| Some(number.max(1))).ok_or_else(|| wrong(name, "must be a number from zero"))
}

fn text<'a>(definition: &'a Headers, name: &str) -> Result<Option<&'a str>, Wrong> {
    let Some(value) = header(definition, name) else { return Ok(None) };
    value.as_text().map(Some).ok_or_else(|| wrong(name, "must be a text"))
}

/// What a definition gives to queues and exchanges.
///
/// # Errors
/// For a key that is not known or not supported, and for a value that is wrong.
pub fn policy_settings(definition: &Headers) -> Result<PolicySettings, Wrong> {
    if definition.is_empty() {
        return Err(Wrong::Argument("Validation failed: no policy is provided".to_owned()));
    }
    let unknown = definition.iter().find(|(name, _)| !KNOWN.contains(&&**name) && !PLACEMENT.contains(&&**name));
    if let Some((name, _)) = unknown {
        return Err(wrong(name, "is not a key that policies have here"));
    }
    let overflow = match text(definition, "overflow")? {
        None => None,
        Some("drop-head") => Some(Overflow::DropOldest),
        Some("reject-publish") => Some(Overflow::Reject),
        Some("reject-publish-dlx") => Some(Overflow::RejectToDeadLetter),
        Some(other) => return Err(wrong("overflow", &format!("cannot be {other}"))),
    };
    let limit = |returns: u64| u32::try_from(returns.saturating_add(1)).unwrap_or(u32::MAX).min(DELIVERY_LIMIT_MAX);
    let returns = header(definition, "delivery-limit").map(|_| number(definition, "delivery-limit")).transpose()?;
    let is_bounded = header(definition, "max-length").or_else(|| header(definition, "max-length-bytes")).is_some();
    Ok(PolicySettings {
        max_messages: number(definition, "max-length")?,
        max_bytes: number(definition, "max-length-bytes")?.map(ByteSize::new),
        // RabbitMQ drops the oldest when a policy does not say otherwise.
        overflow: overflow.or(is_bounded.then_some(Overflow::DropOldest)),
        message_ttl: number(definition, "message-ttl")?.map(Span::new),
        delivery_limit: returns.flatten().map(limit),
        dead_letter_exchange: text(definition, "dead-letter-exchange")?.map(ExchangeName::parse).transpose()?,
        dead_letter_key: text(definition, "dead-letter-routing-key")?.map(RoutingKey::parse).transpose()?,
        consumer_timeout: number(definition, "consumer-timeout")?.map(Span::new),
        arguments: definition.clone(),
        expires: number(definition, "expires")?.map(Span::new),
        alternate: text(definition, "alternate-exchange")?.map(ExchangeName::parse).transpose()?,
    })
}

fn whole(number: u64) -> HeaderValue {
    HeaderValue::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

const fn word(overflow: Overflow) -> &'static str {
    match overflow {
        Overflow::DropOldest => "drop-head",
        Overflow::Reject => "reject-publish",
        Overflow::RejectToDeadLetter => "reject-publish-dlx",
    }
}

/// The definition of a policy: as it was given, or made of the settings that another door gave it.
pub fn shown_policy(settings: &PolicySettings) -> Headers {
    if !settings.arguments.is_empty() {
        return settings.arguments.clone();
    }
    let text = |text: &str| HeaderValue::Text(text.to_owned());
    let told = [
        ("max-length", settings.max_messages.map(whole)),
        ("max-length-bytes", settings.max_bytes.map(|bytes| whole(bytes.get()))),
        ("overflow", settings.overflow.map(|overflow| text(word(overflow)))),
        ("message-ttl", settings.message_ttl.map(|span| whole(span.get()))),
        ("delivery-limit", settings.delivery_limit.map(|limit| whole(u64::from(limit.saturating_sub(1))))),
        ("dead-letter-exchange", settings.dead_letter_exchange.as_ref().map(|name| text(name.as_str()))),
        ("dead-letter-routing-key", settings.dead_letter_key.as_ref().map(|key| text(key.as_str()))),
        ("consumer-timeout", settings.consumer_timeout.map(|span| whole(span.get()))),
        ("expires", settings.expires.map(|span| whole(span.get()))),
        ("alternate-exchange", settings.alternate.as_ref().map(|name| text(name.as_str()))),
    ];
    told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What a policy changed of a queue, by the keys of a definition.
pub fn shown_effect(own: &QueueSettings, effective: &QueueSettings) -> Headers {
    let changed = PolicySettings {
        max_messages: effective.max_messages.filter(|_| own.max_messages != effective.max_messages),
        max_bytes: effective.max_bytes.filter(|_| own.max_bytes != effective.max_bytes),
        overflow: (own.overflow != effective.overflow).then_some(effective.overflow),
        message_ttl: effective.message_ttl.filter(|_| own.message_ttl != effective.message_ttl),
        delivery_limit: (own.delivery_limit != effective.delivery_limit).then_some(effective.delivery_limit),
        dead_letter_exchange: effective
            .dead_letter_exchange
            .clone()
            .filter(|_| own.dead_letter_exchange != effective.dead_letter_exchange),
        dead_letter_key: effective.dead_letter_key.clone().filter(|_| own.dead_letter_key != effective.dead_letter_key),
        consumer_timeout: effective.consumer_timeout.filter(|_| own.consumer_timeout != effective.consumer_timeout),
        expires: effective.expires.filter(|_| own.expires != effective.expires),
        alternate: None,
        arguments: Headers::new(),
    };
    shown_policy(&changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(fields: &[(&str, HeaderValue)]) -> Headers {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_definition_becomes_settings_and_is_shown_again() {
        let given = definition(&[
            ("max-length", HeaderValue::Integer(7)),
            ("delivery-limit", HeaderValue::Integer(5)),
            ("dead-letter-exchange", HeaderValue::Text("dead".to_owned())),
            ("queue-mode", HeaderValue::Text("lazy".to_owned())),
        ]);
        let settings = policy_settings(&given).expect("it is right");
        assert_eq!((settings.max_messages, settings.overflow), (Some(7), Some(Overflow::DropOldest)));
        assert_eq!(settings.delivery_limit, Some(6));
        assert_eq!(shown_policy(&settings), given);
        let effect = shown_effect(&QueueSettings::default(), &settings.over(&QueueSettings::default()));
        assert_eq!(
            effect.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["max-length", "overflow", "delivery-limit", "dead-letter-exchange"]
        );
        let bare = PolicySettings { arguments: Headers::new(), ..settings };
        assert_eq!(policy_settings(&shown_policy(&bare)).map(|read| read.delivery_limit), Ok(Some(6)));
    }

    #[test]
    fn what_a_policy_cannot_do_here_is_refused_by_its_key() {
        for (name, value) in [
            ("expires", HeaderValue::Text("1".to_owned())),
            ("max-age", HeaderValue::Text("7D".to_owned())),
            ("max-length", HeaderValue::Text("7".to_owned())),
            ("max-length", HeaderValue::Integer(-1)),
            ("overflow", HeaderValue::Text("spill".to_owned())),
        ] {
            let refused = policy_settings(&definition(&[(name, value)])).expect_err(name).to_string();
            assert!(refused.contains(name), "{refused}");
        }
        assert!(policy_settings(&Headers::new()).is_err());
    }
}
