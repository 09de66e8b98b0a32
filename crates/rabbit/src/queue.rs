//! The flags and arguments of a queue: what a declare asks for, as settings; and settings as arguments.
//! Invariant: settings that came from arguments are shown by the very same arguments.
//! Used by the doors' declares; tests below, and with real clients at the binary.

use model::binding::RoutingKey;
use model::header::{HeaderValue, Headers, header};
use model::limits::{DEDUPLICATION_MS_MAX, DELIVERY_LIMIT_DEFAULT, DELIVERY_LIMIT_MAX};
use model::name::{ExchangeName, NamespaceName};
use model::number::{ByteSize, Priority, Span};
use model::queue::{Life, Overflow, QueueSettings};

use crate::arguments::Arguments;
use crate::host;
use crate::wrong::Wrong;

/// The argument with the type of a queue.
pub(crate) const KIND: &str = "x-queue-type";

/// What a declare of a queue says.
#[derive(Clone, Copy, Debug)]
pub struct QueueDeclare<'a> {
    /// The name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a NamespaceName,
    /// Whether it outlives a restart.
    pub durable: bool,
    /// Whether it belongs to the connection.
    pub exclusive: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// The arguments.
    pub arguments: &'a Headers,
}

impl<'a> QueueDeclare<'a> {
    pub(crate) fn read(&self) -> Arguments<'a> {
        Arguments { queue: self.name, host: host(self.namespace), headers: self.arguments }
    }
}

impl Arguments<'_> {
    fn overflow(&self) -> Result<Overflow, Wrong> {
        match self.word("x-overflow")? {
            None | Some("drop-head") => Ok(Overflow::DropOldest),
            Some("reject-publish") => Ok(Overflow::Reject),
            Some("reject-publish-dlx") if self.get("x-dead-letter-exchange").is_none() => Ok(Overflow::Reject),
            Some("reject-publish-dlx") => Ok(Overflow::RejectToDeadLetter),
            Some(other) => Err(self.wrong("x-overflow", &format!("invalid_overflow {other}"))),
        }
    }

    fn dead_letters(&self) -> Result<(Option<ExchangeName>, Option<RoutingKey>), Wrong> {
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
    fn priority_max(&self) -> Result<Priority, Wrong> {
        let most = self.number("x-max-priority", 0)?.unwrap_or_default();
        let most = u8::try_from(most).map_err(|_| self.wrong("x-max-priority", "{max_value_exceeded,255}"))?;
        Ok(Priority::new(most))
    }

    /// A classic queue delivers for ever; a quorum queue gives a message back twenty times.
    fn delivery_limit(&self, kind: &str) -> Result<u32, Wrong> {
        let returns = match self.integer("x-delivery-limit", -1)? {
            Some(-1) => return Ok(DELIVERY_LIMIT_MAX),
            Some(returns) => u32::try_from(returns).unwrap_or(DELIVERY_LIMIT_MAX),
            None if kind == "quorum" => DELIVERY_LIMIT_DEFAULT,
            None => return Ok(DELIVERY_LIMIT_MAX),
        };
        // The limit counts deliveries, the first one too.
        Ok(returns.saturating_add(1).min(DELIVERY_LIMIT_MAX))
    }

    fn deduplication(&self) -> Result<Span, Wrong> {
        if !self.truth("x-message-deduplication")? {
            return Ok(Span::new(0));
        }
        let window = self.number("x-cache-ttl", 1)?.unwrap_or(DEDUPLICATION_MS_MAX);
        Ok(Span::new(window.min(DEDUPLICATION_MS_MAX)))
    }
}

fn life(declare: &QueueDeclare<'_>, holder: &str) -> Life {
    match (declare.exclusive, declare.durable) {
        (true, _) => Life::Exclusive { holder: holder.to_owned() },
        (false, true) => Life::Permanent,
        (false, false) => Life::Transient,
    }
}

/// The settings that a declare asks for; `holder` is the connection that an exclusive queue belongs to.
///
/// # Errors
/// What RabbitMQ would refuse too.
pub fn queue_settings(declare: &QueueDeclare<'_>, holder: &str) -> Result<QueueSettings, Wrong> {
    let arguments = declare.read();
    let kind = arguments.word(KIND)?.unwrap_or("classic");
    if !matches!(kind, "classic" | "quorum") {
        return Err(arguments.wrong(KIND, "unsupported queue type"));
    }
    if kind == "quorum" && (declare.exclusive || !declare.durable) {
        return Err(arguments.wrong(KIND, "a quorum queue is durable and not exclusive"));
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
        life: life(declare, holder),
        auto_delete: declare.auto_delete,
        single_active_consumer: arguments.truth("x-single-active-consumer")?,
        consumer_timeout: arguments.number("x-consumer-timeout", 1)?.map(Span::new),
        arguments: declare.arguments.clone(),
        ..QueueSettings::default()
    })
}

/// The type that a queue was declared with.
pub fn queue_kind(settings: &QueueSettings) -> &str {
    header(&settings.arguments, KIND).and_then(|kind| kind.as_text()).unwrap_or("classic")
}

/// The arguments that say what a queue is: its own, and those that tell of settings which another door gave it.
pub fn shown_arguments(settings: &QueueSettings) -> Headers {
    let number = |number: u64| HeaderValue::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let text = |text: &str| HeaderValue::Text(text.to_owned());
    // A queue of another door that has a dead-letter queue reaches it as if by the default exchange.
    let queue = settings.dead_letter.as_ref().map(|queue| queue.as_str());
    let exchange = settings.dead_letter_exchange.as_ref().map(|exchange| exchange.as_str()).or(queue.map(|_| ""));
    let key = settings.dead_letter_key.as_ref().map(RoutingKey::as_str).or(queue);
    let bounded = settings.max_messages.is_some() || settings.max_bytes.is_some();
    let overflow = match settings.overflow {
        Overflow::Reject if bounded => Some(text("reject-publish")),
        Overflow::RejectToDeadLetter => Some(text("reject-publish-dlx")),
        Overflow::Reject | Overflow::DropOldest => None,
    };
    let told = [
        ("x-max-length", settings.max_messages.map(number)),
        ("x-max-length-bytes", settings.max_bytes.map(|bytes| number(bytes.get()))),
        ("x-message-ttl", settings.message_ttl.map(|span| number(span.get()))),
        ("x-expires", settings.expires.map(|span| number(span.get()))),
        ("x-dead-letter-exchange", exchange.map(text)),
        ("x-dead-letter-routing-key", key.map(text)),
        ("x-overflow", overflow),
        ("x-consumer-timeout", settings.consumer_timeout.map(|span| number(span.get()))),
        ("x-single-active-consumer", settings.single_active_consumer.then_some(HeaderValue::Boolean(true))),
    ];
    let mut arguments = settings.arguments.clone();
    for (name, value) in told {
        if let Some(value) = value
            && header(&arguments, name).is_none()
        {
            arguments.push((name.to_owned(), value));
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &Headers) -> Result<QueueSettings, Wrong> {
        let namespace = NamespaceName::default();
        let declare = QueueDeclare {
            name: "orders",
            namespace: &namespace,
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments,
        };
        queue_settings(&declare, "")
    }

    fn argument(name: &str, value: HeaderValue) -> Headers {
        vec![(name.to_owned(), value)]
    }

    #[test]
    fn arguments_become_settings_and_are_shown_again() {
        let arguments = vec![
            ("x-max-length".to_owned(), HeaderValue::Integer(7)),
            ("x-dead-letter-exchange".to_owned(), HeaderValue::Text("dead".to_owned())),
            ("x-unknown".to_owned(), HeaderValue::Boolean(true)),
        ];
        let settings = settings(&arguments).expect("they are right");
        assert_eq!((settings.max_messages, settings.overflow), (Some(7), Overflow::DropOldest));
        assert_eq!(shown_arguments(&settings), arguments);
    }

    #[test]
    fn a_queue_of_another_door_tells_its_settings_in_arguments() {
        let made = QueueSettings {
            max_messages: Some(5),
            dead_letter: model::name::QueueName::parse("dead").ok(),
            ..QueueSettings::default()
        };
        let shown = shown_arguments(&made);
        let read = settings(&shown).expect("what is shown can be declared");
        assert_eq!((read.max_messages, read.overflow), (Some(5), Overflow::Reject));
        assert_eq!(read.dead_letter_exchange, Some(ExchangeName::default()));
        assert_eq!(read.dead_letter_key.as_ref().map(RoutingKey::as_str), Some("dead"));
    }

    #[test]
    fn wrong_arguments_are_refused_by_name() {
        for (name, value) in [
            ("x-max-length", HeaderValue::Integer(-1)),
            ("x-max-length", HeaderValue::Text("7".to_owned())),
            ("x-overflow", HeaderValue::Text("spill".to_owned())),
            ("x-queue-type", HeaderValue::Text("stack".to_owned())),
            ("x-dead-letter-routing-key", HeaderValue::Text("dead".to_owned())),
            ("x-single-active-consumer", HeaderValue::Integer(1)),
        ] {
            let wrong = settings(&argument(name, value)).expect_err(name).to_string();
            assert!(wrong.starts_with(&format!("invalid arg '{name}' for queue 'orders' in vhost '/'")), "{wrong}");
        }
    }
}
