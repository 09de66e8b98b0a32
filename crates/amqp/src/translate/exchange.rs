//! Exchanges and bindings: types, flags and arguments.
//! Invariants: every argument is kept as it came, known or not; the text of a close is RabbitMQ's.

use model::binding::RoutingKey;
use model::exchange::{ExchangeKind, ExchangeSettings, HashOn, HashProperty};
use model::header::Headers;
use model::limits::EXTRA_KEYS_MAX;
use model::name::{ExchangeName, NamespaceName};

use super::{host, table};
use crate::codec::class::exchange::Declare;
use crate::codec::{Properties, ReplyCode, Table, Value};
use crate::session::Close;

/// The header with further keys, which stays.
const CC: &str = "CC";
/// The header with further keys, which nobody sees.
const BCC: &str = "BCC";
/// The type of the plugin for delayed messages.
const DELAYED: &str = "x-delayed-message";

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

fn word(settings: &ExchangeSettings) -> &'static str {
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

/// Reads the arguments of one declare.
struct Arguments<'a>(&'a Declare);

impl Arguments<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.arguments.get(name).and_then(Value::as_text)
    }

    /// The type by which it routes.
    fn kind(&self) -> Result<ExchangeKind, Close> {
        let asked = self.0.kind.as_str();
        let routes = if asked == DELAYED {
            let why = "invalid argument, 'x-delayed-type' must be an existing exchange type";
            self.text("x-delayed-type").ok_or_else(|| Close::new(ReplyCode::PreconditionFailed, why))?
        } else {
            asked
        };
        kind(routes)
            .ok_or_else(|| Close::new(ReplyCode::PreconditionFailed, format!("unknown exchange type '{routes}'")))
    }

    fn hash_on(&self) -> Result<HashOn, Close> {
        if let Some(header) = self.text("hash-header") {
            return Ok(HashOn::Header(header.to_owned()));
        }
        match self.text("hash-property") {
            None => Ok(HashOn::RoutingKey),
            Some("message_id") => Ok(HashOn::Property(HashProperty::MessageId)),
            Some("correlation_id") => Ok(HashOn::Property(HashProperty::CorrelationId)),
            Some("timestamp") => Ok(HashOn::Property(HashProperty::MadeAt)),
            Some(other) => {
                let why = format!("Unsupported property '{other}' of an exchange that spreads by hash");
                Err(Close::new(ReplyCode::PreconditionFailed, why))
            }
        }
    }

    fn alternate(&self) -> Result<Option<ExchangeName>, Close> {
        let parse = |text: &str| ExchangeName::parse(text).map_err(|refusal| super::close(&refusal.into()));
        self.text("alternate-exchange").map(parse).transpose()
    }
}

/// The settings that a declare asks for.
pub(crate) fn exchange_settings(declare: &Declare) -> Result<ExchangeSettings, Close> {
    let arguments = Arguments(declare);
    let kind = arguments.kind()?;
    Ok(ExchangeSettings {
        kind,
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        delays: declare.kind.as_str() == DELAYED,
        alternate: arguments.alternate()?,
        hash_on: if kind == ExchangeKind::ConsistentHash { arguments.hash_on()? } else { HashOn::RoutingKey },
        arguments: table::headers(declare.arguments.clone()),
    })
}

/// In what an exchange differs from what was declared, in RabbitMQ's words.
pub(crate) fn exchange_inequivalence(
    declare: &Declare,
    asked: &ExchangeSettings,
    there: &ExchangeSettings,
    namespace: &NamespaceName,
) -> Close {
    let shown = |truth: bool| truth.to_string();
    let differences = [
        ("type", word(asked).to_owned(), word(there).to_owned()),
        ("durable", shown(asked.durable), shown(there.durable)),
        ("auto_delete", shown(asked.auto_delete), shown(there.auto_delete)),
        ("internal", shown(asked.internal), shown(there.internal)),
    ];
    let (name, asked, there) = differences.into_iter().find(|(_, asked, there)| asked != there).unwrap_or((
        "arguments",
        "others".to_owned(),
        "those it was made with".to_owned(),
    ));
    let (exchange, host) = (&declare.exchange, host(namespace));
    let text = format!(
        "inequivalent arg '{name}' for exchange '{exchange}' in vhost '{host}': received '{asked}' but current is '{there}'"
    );
    Close::new(ReplyCode::PreconditionFailed, text)
}

/// The arguments of a binding.
pub(crate) fn binding_arguments(arguments: Table) -> Headers {
    table::headers(arguments)
}

/// The further keys of a message; the secret ones leave its headers.
pub(crate) fn extra_keys(properties: &mut Properties) -> Result<Vec<RoutingKey>, Close> {
    let Some(headers) = &mut properties.headers else { return Ok(Vec::new()) };
    let mut keys = Vec::new();
    for name in [CC, BCC] {
        let Some(value) = headers.get(name) else { continue };
        let wrong = || Close::new(ReplyCode::PreconditionFailed, format!("invalid {name} header: an array of strings"));
        let Value::Array(values) = value else { return Err(wrong()) };
        for value in values {
            let key = value.as_text().ok_or_else(wrong)?;
            keys.push(RoutingKey::parse(key).map_err(|refusal| super::close(&refusal.into()))?);
        }
    }
    if keys.len() > EXTRA_KEYS_MAX {
        return Err(Close::new(ReplyCode::PreconditionFailed, "a message has at most 256 further keys"));
    }
    headers.0.retain(|(name, _)| name.as_str() != BCC);
    Ok(keys)
}
