//! Exchanges and bindings: what a declare asks for, in what it differs, and the further keys of a message.
//! Invariants: every argument is kept as it came, known or not; the text of a close is RabbitMQ's.

use model::binding::RoutingKey;
use model::exchange::ExchangeSettings;
use model::header::Headers;
use model::limits::EXTRA_KEYS_MAX;
use model::name::NamespaceName;
use rabbit::{ExchangeDeclare, exchange_kind, host};

use super::table;
use crate::codec::class::exchange::Declare;
use crate::codec::{Properties, ReplyCode, Table, Value};
use crate::session::Close;

/// The header with further keys, which stays.
const CC: &str = "CC";
/// The header with further keys, which nobody sees.
const BCC: &str = "BCC";
/// The settings that a declare asks for.
pub(crate) fn exchange_settings(declare: &Declare) -> Result<ExchangeSettings, Close> {
    let arguments = table::headers(declare.arguments.clone());
    let declare = ExchangeDeclare {
        kind: declare.kind.as_str(),
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        arguments: &arguments,
    };
    rabbit::exchange_settings(&declare).map_err(super::wrong)
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
        ("type", exchange_kind(asked).to_owned(), exchange_kind(there).to_owned()),
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
