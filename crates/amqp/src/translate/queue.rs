//! The flags and arguments of a queue: what `queue.declare` asks for, as settings.
//! Invariants: every argument is kept as it came, known or not; one that is known and wrong is refused with RabbitMQ's
//! words. What differs from RabbitMQ is in `docs/amqp.md`.

use model::binding::RoutingKey;
use model::header::{HeaderValue, Headers};
use model::limits::{DEDUPLICATION_MS_MAX, DELIVERY_LIMIT_DEFAULT, DELIVERY_LIMIT_MAX};
use model::name::{ExchangeName, NamespaceName};
use model::number::{ByteSize, Priority, Span};
use model::queue::{Life, Overflow, QueueSettings};

use super::{host, table};
use crate::codec::class::queue::Declare;
use crate::codec::{ReplyCode, Value};
use crate::session::Close;

/// Reads the arguments of one declare.
struct Arguments<'a> {
    declare: &'a Declare,
    host: &'a str,
}

impl Arguments<'_> {
    fn wrong(&self, name: &str, why: &str) -> Close {
        let (queue, host) = (&self.declare.queue, self.host);
        let text = format!("invalid arg '{name}' for queue '{queue}' in vhost '{host}': {why}");
        Close::new(ReplyCode::PreconditionFailed, text)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.declare.arguments.get(name)
    }

    fn integer(&self, name: &str, least: i64) -> Result<Option<i64>, Close> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_integer() {
            Some(number) if number >= least => Ok(Some(number)),
            Some(number) => Err(self.wrong(name, &format!("{{value_negative,{number}}}"))),
            None => Err(self.wrong(name, "{unacceptable_type,a number is needed}")),
        }
    }

    fn number(&self, name: &str, least: i64) -> Result<Option<u64>, Close> {
        // What is not below zero fits.
        Ok(self.integer(name, least)?.and_then(|number| u64::try_from(number).ok()))
    }

    fn word(&self, name: &str) -> Result<Option<&str>, Close> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_text().map(Some).ok_or_else(|| self.wrong(name, "{unacceptable_type,a string is needed}"))
    }

    fn truth(&self, name: &str) -> Result<bool, Close> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_boolean().ok_or_else(|| self.wrong(name, "{unacceptable_type,a boolean is needed}"))
    }

    fn overflow(&self) -> Result<Overflow, Close> {
        match self.word("x-overflow")? {
            None | Some("drop-head") => Ok(Overflow::DropOldest),
            Some("reject-publish") => Ok(Overflow::Reject),
            Some("reject-publish-dlx") if self.get("x-dead-letter-exchange").is_none() => Ok(Overflow::Reject),
            Some("reject-publish-dlx") => Ok(Overflow::RejectToDeadLetter),
            Some(other) => Err(self.wrong("x-overflow", &format!("invalid_overflow {other}"))),
        }
    }

    fn dead_letters(&self) -> Result<(Option<ExchangeName>, Option<RoutingKey>), Close> {
        let name = "x-dead-letter-exchange";
        let parse = |text: &str| ExchangeName::parse(text).map_err(|refusal| self.wrong(name, &refusal.to_string()));
        let exchange = self.word(name)?.map(parse).transpose()?;
        let name = "x-dead-letter-routing-key";
        let key = self.word(name)?;
        if key.is_some() && exchange.is_none() {
            return Err(self.wrong(name, "routing_key_but_no_dlx_defined"));
        }
        let key = key.map(|key| RoutingKey::parse(key).map_err(|refusal| self.wrong(name, &refusal.to_string())));
        Ok((exchange, key.transpose()?))
    }

    /// Without the argument a queue knows no priorities.
    fn priority_max(&self) -> Result<Priority, Close> {
        let most = self.number("x-max-priority", 0)?.unwrap_or_default();
        let most = u8::try_from(most).map_err(|_| self.wrong("x-max-priority", "{max_value_exceeded,255}"))?;
        Ok(Priority::new(most))
    }

    /// A classic queue delivers for ever; a quorum queue gives a message back twenty times.
    fn delivery_limit(&self, kind: &str) -> Result<u32, Close> {
        let returns = match self.integer("x-delivery-limit", -1)? {
            Some(-1) => return Ok(DELIVERY_LIMIT_MAX),
            Some(returns) => u32::try_from(returns).unwrap_or(DELIVERY_LIMIT_MAX),
            None if kind == "quorum" => DELIVERY_LIMIT_DEFAULT,
            None => return Ok(DELIVERY_LIMIT_MAX),
        };
        // The limit counts deliveries, the first one too.
        Ok(returns.saturating_add(1).min(DELIVERY_LIMIT_MAX))
    }

    fn deduplication(&self) -> Result<Span, Close> {
        if !self.truth("x-message-deduplication")? {
            return Ok(Span::new(0));
        }
        let window = self.number("x-cache-ttl", 1)?.unwrap_or(DEDUPLICATION_MS_MAX);
        Ok(Span::new(window.min(DEDUPLICATION_MS_MAX)))
    }

    fn life(&self, holder: &str) -> Life {
        match (self.declare.exclusive, self.declare.durable) {
            (true, _) => Life::Exclusive { holder: holder.to_owned() },
            (false, true) => Life::Permanent,
            (false, false) => Life::Transient,
        }
    }
}

/// The settings that a declare asks for; `holder` is the connection that an exclusive queue belongs to.
pub(crate) fn queue_settings(
    declare: &Declare,
    namespace: &NamespaceName,
    holder: &str,
) -> Result<QueueSettings, Close> {
    let arguments = Arguments { declare, host: host(namespace) };
    let kind = arguments.word("x-queue-type")?.unwrap_or("classic");
    if !matches!(kind, "classic" | "quorum") {
        return Err(arguments.wrong("x-queue-type", "unsupported queue type"));
    }
    if kind == "quorum" && (declare.exclusive || !declare.durable) {
        return Err(arguments.wrong("x-queue-type", "a quorum queue is durable and not exclusive"));
    }
    let (dead_letter_exchange, dead_letter_key) = arguments.dead_letters()?;
    // A bound or lifetime of zero is the smallest that there is.
    let at_least_one = |number: Option<u64>| number.map(|number| number.max(1));
    Ok(QueueSettings {
        max_messages: at_least_one(arguments.number("x-max-length", 0)?),
        max_bytes: at_least_one(arguments.number("x-max-length-bytes", 0)?).map(ByteSize::new),
        overflow: arguments.overflow()?,
        message_ttl: at_least_one(arguments.number("x-message-ttl", 0)?).map(Span::new),
        delivery_limit: arguments.delivery_limit(kind)?,
        deduplication: arguments.deduplication()?,
        dead_letter_exchange,
        dead_letter_key,
        priority_max: Some(arguments.priority_max()?),
        expires: arguments.number("x-expires", 1)?.map(Span::new),
        life: arguments.life(holder),
        auto_delete: declare.auto_delete,
        single_active_consumer: arguments.truth("x-single-active-consumer")?,
        consumer_timeout: arguments.number("x-consumer-timeout", 1)?.map(Span::new),
        arguments: table::headers(declare.arguments.clone()),
        ..QueueSettings::default()
    })
}

/// In what a queue differs from what was declared, in RabbitMQ's words.
pub(crate) fn inequivalence(declare: &Declare, asked: &QueueSettings, there: &QueueSettings, host: &str) -> Close {
    let durable = |settings: &QueueSettings| settings.life == Life::Permanent;
    let exclusive = |settings: &QueueSettings| matches!(settings.life, Life::Exclusive { .. });
    let flags = [
        ("durable", durable(asked), durable(there)),
        ("exclusive", exclusive(asked), exclusive(there)),
        ("auto_delete", asked.auto_delete, there.auto_delete),
    ];
    let queue = &declare.queue;
    let text = |name: &str, asked: &str, there: &str| {
        format!(
            "inequivalent arg '{name}' for queue '{queue}' in vhost '{host}': received '{asked}' but current is '{there}'"
        )
    };
    let flag = flags.into_iter().find(|(_, asked, there)| asked != there);
    let why = match (flag, different_argument(&asked.arguments, &there.arguments)) {
        (Some((name, asked, there)), _) => text(name, &asked.to_string(), &there.to_string()),
        (None, Some((name, asked, there))) => text(&name, &asked, &there),
        (None, None) => format!("queue '{queue}' in vhost '{host}' was made elsewhere with other settings"),
    };
    Close::new(ReplyCode::PreconditionFailed, why)
}

fn different_argument(asked: &Headers, there: &Headers) -> Option<(String, String, String)> {
    let value_of = |headers: &Headers, name: &str| model::header::header(headers, name).cloned();
    let mut names = asked.iter().chain(there).map(|(name, _)| name);
    let name = names.find(|name| value_of(asked, name) != value_of(there, name))?;
    Some((name.clone(), shown(value_of(asked, name)), shown(value_of(there, name))))
}

fn shown(value: Option<HeaderValue>) -> String {
    let Some(value) = value else { return "none".to_owned() };
    match (value.as_integer(), value.as_text()) {
        (Some(number), _) => number.to_string(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => format!("{value:?}"),
    }
}
