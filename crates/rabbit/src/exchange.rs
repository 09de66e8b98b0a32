//! Exchanges: types, flags and arguments.
//! Invariant: an exchange is shown by the type and the arguments that it was declared with.
//! Used by the doors' declares; tests below.

use model::exchange::{ExchangeKind, ExchangeSettings, HashOn, HashProperty};
use model::header::{HeaderValue, Headers, header};
use model::name::ExchangeName;

use crate::wrong::Wrong;

/// The type of the plugin for delayed messages.
const DELAYED: &str = "x-delayed-message";

/// What a declare of an exchange says.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeDeclare<'a> {
    /// The type.
    pub kind: &'a str,
    /// Whether it outlives a restart.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether only other exchanges reach it.
    pub internal: bool,
    /// The arguments.
    pub arguments: &'a Headers,
}

fn kind(word: &str) -> Option<ExchangeKind> {
    match word {
        "direct" => Some(ExchangeKind::Direct),
        "fanout" => Some(ExchangeKind::Fanout),
        "topic" => Some(ExchangeKind::Topic),
        "headers" => Some(ExchangeKind::Headers),
        "x-consistent-hash" => Some(ExchangeKind::ConsistentHash),
        _ => None,
    }
}

/// The type of an exchange.
pub const fn exchange_kind(settings: &ExchangeSettings) -> &'static str {
    if settings.delays {
        return DELAYED;
    }
    match settings.kind {
        ExchangeKind::Direct => "direct",
        ExchangeKind::Fanout => "fanout",
        ExchangeKind::Topic => "topic",
        ExchangeKind::Headers => "headers",
        ExchangeKind::ConsistentHash => "x-consistent-hash",
    }
}

impl ExchangeDeclare<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        header(self.arguments, name).and_then(HeaderValue::as_text)
    }

    /// The type by which it routes.
    fn routes(&self) -> Result<ExchangeKind, Wrong> {
        let routes = if self.kind == DELAYED {
            let why = "invalid argument, 'x-delayed-type' must be an existing exchange type";
            self.text("x-delayed-type").ok_or_else(|| Wrong::Argument(why.to_owned()))?
        } else {
            self.kind
        };
        kind(routes).ok_or_else(|| Wrong::Argument(format!("unknown exchange type '{routes}'")))
    }

    fn hash_on(&self) -> Result<HashOn, Wrong> {
        if let Some(header) = self.text("hash-header") {
            return Ok(HashOn::Header(header.to_owned()));
        }
        match self.text("hash-property") {
            None => Ok(HashOn::RoutingKey),
            Some("message_id") => Ok(HashOn::Property(HashProperty::MessageId)),
            Some("correlation_id") => Ok(HashOn::Property(HashProperty::CorrelationId)),
            Some("timestamp") => Ok(HashOn::Property(HashProperty::MadeAt)),
            Some(other) => {
                Err(Wrong::Argument(format!("Unsupported property '{other}' of an exchange that spreads by hash")))
            }
        }
    }
}

/// The settings that a declare asks for.
///
/// # Errors
/// What RabbitMQ would refuse too.
pub fn exchange_settings(declare: &ExchangeDeclare<'_>) -> Result<ExchangeSettings, Wrong> {
    let kind = declare.routes()?;
    Ok(ExchangeSettings {
        kind,
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        delays: declare.kind == DELAYED,
        alternate: declare.text("alternate-exchange").map(ExchangeName::parse).transpose()?,
        hash_on: if kind == ExchangeKind::ConsistentHash { declare.hash_on()? } else { HashOn::RoutingKey },
        arguments: declare.arguments.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_shown_as_it_was_declared() {
        let delayed = vec![("x-delayed-type".to_owned(), HeaderValue::Text("topic".to_owned()))];
        let none = Headers::new();
        for (kind, arguments) in [
            ("direct", &none),
            ("fanout", &none),
            ("topic", &none),
            ("headers", &none),
            ("x-consistent-hash", &none),
            (DELAYED, &delayed),
        ] {
            let declare = ExchangeDeclare { kind, durable: true, auto_delete: false, internal: false, arguments };
            let settings = exchange_settings(&declare).expect(kind);
            assert_eq!((exchange_kind(&settings), &settings.arguments), (kind, arguments));
        }
        for kind in ["x-lvc", "", DELAYED] {
            let declare =
                ExchangeDeclare { kind, durable: true, auto_delete: false, internal: false, arguments: &none };
            assert!(exchange_settings(&declare).is_err(), "{kind}");
        }
    }
}
