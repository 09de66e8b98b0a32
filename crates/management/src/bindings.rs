//! Bindings: listed, made and removed. Each is named by its properties key: the routing key, and a hash of the arguments
//! where there are any.
//! Invariant: two bindings between the same things have different properties keys.
//! Routed by `door`; tests below.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use model::binding::{Bind, Binding, Destination, RoutingKey, Unbind};
use model::name::{ExchangeName, ExchangeRef, NamespaceName, QueueName, TopicName};
use model::queue::DescribeQueue;
use model::{Caller, Failure, Refusal};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::answer::{Answer, Trouble, document, done};
use crate::body::{Fields, Object};
use crate::caller::Authenticated;
use crate::door::Door;
use crate::lists::Kept;
use crate::paging::Paging;
use crate::{arguments, host, lists};

/// Stands for an empty routing key, and before the hash of arguments.
const SIGN: char = '~';
/// Bytes of the hash of arguments that a properties key shows.
const HASH_BYTES: usize = 16;

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/bindings", get(list))
        .route("/bindings/{vhost}", get(list))
        .route("/bindings/{vhost}/e/{source}/{kind}/{destination}", get(between).post(bind))
        .route("/bindings/{vhost}/e/{source}/{kind}/{destination}/{properties}", get(describe).delete(unbind))
        .route("/queues/{vhost}/{name}/bindings", get(of_queue))
        .route("/exchanges/{vhost}/{name}/bindings/{side}", get(of_exchange))
}

/// The name of a binding among those between the same things.
pub(crate) fn properties_key(binding: &Binding) -> String {
    let key = encoded(binding.routing_key.as_str());
    if binding.arguments.is_empty() {
        return if key.is_empty() { SIGN.to_string() } else { key };
    }
    let shown = arguments::shown(&binding.arguments).to_string();
    let hash = Sha256::digest(shown.as_bytes());
    format!("{key}{SIGN}{}", URL_SAFE_NO_PAD.encode(&hash[..HASH_BYTES]))
}

/// A routing key as it stands in an address, with `~` encoded too.
fn encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// A binding as RabbitMQ tells of it. A topic is a stream, and so a queue.
pub(crate) fn shown(binding: &Binding) -> Value {
    let kind = match binding.destination {
        Destination::Exchange(_) => "exchange",
        Destination::Queue(_) | Destination::Topic(_) => "queue",
    };
    let destination = match &binding.destination {
        Destination::Exchange(name) => name.as_str(),
        Destination::Queue(_) | Destination::Topic(_) => binding.destination.name(),
    };
    json!({
        "source": binding.source.name.as_str(),
        "vhost": rabbit::host(&binding.source.namespace),
        "destination": destination,
        "destination_type": kind,
        "routing_key": binding.routing_key.as_str(),
        "arguments": arguments::shown(&binding.arguments),
        "properties_key": properties_key(binding),
    })
}

/// The binding of the default exchange that every queue has by its name.
fn own(namespace: &NamespaceName, queue: &str) -> Value {
    json!({
        "source": "",
        "vhost": rabbit::host(namespace),
        "destination": queue,
        "destination_type": "queue",
        "routing_key": queue,
        "arguments": {},
        "properties_key": encoded(queue),
    })
}

async fn list(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    vhost: Option<Path<String>>,
    paging: Paging,
) -> Answer {
    let mut gathering = paging.gather();
    for namespace in lists::hosts(&door, &caller, vhost.as_deref().map(String::as_str)).await? {
        let of_default = |kept: Kept| match &kept {
            Kept::Queue(_) => gathering.offer(kept.name(), || own(&namespace, kept.name())),
            Kept::Stream(_) => Ok(()),
        };
        lists::each_queue(&door, &caller, &namespace, of_default).await?;
        let take = |binding: Binding| gathering.offer(binding.destination.name(), || shown(&binding));
        lists::each_binding(&door, &caller, &namespace, take).await?;
    }
    Ok(document(&gathering.finish()?))
}

/// The bindings to a queue or stream.
async fn to_queue(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    name: &str,
    source: Option<&ExchangeName>,
) -> Result<Vec<Binding>, Trouble> {
    let queue = Destination::Queue(QueueName::parse(name).map_err(|_| Trouble::not_found())?);
    let topic = Destination::Topic(TopicName::parse(name).map_err(|_| Trouble::not_found())?);
    let mut found = lists::bindings(door, caller, namespace, source, Some(&queue)).await?;
    found.extend(lists::bindings(door, caller, namespace, source, Some(&topic)).await?);
    Ok(found)
}

async fn of_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name)): Path<(String, String)>,
) -> Answer {
    let queue = host::queue(&vhost, &name)?;
    let namespace = queue.namespace.clone();
    let mut items = Vec::new();
    match door.ask(&caller, DescribeQueue { queue }).await {
        Ok(_) => items.push(own(&namespace, &name)),
        Err(_) if crate::streams::is_there(&door, &caller, &vhost, &name).await => {}
        Err(failure) => return Err(failure.into()),
    }
    items.extend(to_queue(&door, &caller, &namespace, &name, None).await?.iter().map(shown));
    Ok(document(&Value::Array(items)))
}

async fn of_exchange(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, name, side)): Path<(String, String, String)>,
) -> Answer {
    let ExchangeRef { namespace, name } = host::exchange(&vhost, &name)?;
    door.call(
        &caller,
        model::exchange::DescribeExchange {
            exchange: ExchangeRef { namespace: namespace.clone(), name: name.clone() },
        },
    )
    .await?;
    let found = match side.as_str() {
        "source" if name.is_default() => {
            let queues = lists::queues(&door, &caller, &namespace).await?;
            let own = queues.iter().map(|queue| own(&namespace, queue.queue.name.as_str()));
            return Ok(document(&Value::Array(own.collect())));
        }
        "source" => lists::bindings(&door, &caller, &namespace, Some(&name), None).await?,
        "destination" => {
            let to = Destination::Exchange(name);
            lists::bindings(&door, &caller, &namespace, None, Some(&to)).await?
        }
        _ => return Err(Trouble::not_found()),
    };
    Ok(document(&Value::Array(found.iter().map(shown).collect())))
}

type Ends = (String, String, String, String);

async fn found_between(door: &Door, caller: &Caller, ends: &Ends) -> Result<Vec<Binding>, Trouble> {
    let (vhost, source, kind, destination) = ends;
    let source = host::exchange(vhost, source)?;
    match kind.as_str() {
        "q" => to_queue(door, caller, &source.namespace, destination, Some(&source.name)).await,
        "e" => {
            let to = Destination::Exchange(host::exchange(vhost, destination)?.name);
            lists::bindings(door, caller, &source.namespace, Some(&source.name), Some(&to)).await
        }
        _ => Err(Trouble::not_found()),
    }
}

async fn between(State(door): State<Door>, Authenticated(caller): Authenticated, Path(ends): Path<Ends>) -> Answer {
    let found = found_between(&door, &caller, &ends).await?;
    Ok(document(&Value::Array(found.iter().map(shown).collect())))
}

async fn named(
    door: &Door,
    caller: &Caller,
    (vhost, source, kind, destination, properties): (String, String, String, String, String),
) -> Result<Binding, Trouble> {
    let found = found_between(door, caller, &(vhost, source, kind, destination)).await?;
    // Some clients encode the key once more, others send it as it was shown to them.
    let fits = |binding: &Binding| {
        let key = properties_key(binding);
        key == properties || (binding.arguments.is_empty() && binding.routing_key.as_str() == properties)
    };
    found.into_iter().find(fits).ok_or_else(Trouble::not_found)
}

async fn describe(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(path): Path<(String, String, String, String, String)>,
) -> Answer {
    Ok(document(&shown(&named(&door, &caller, path).await?)))
}

async fn unbind(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path(path): Path<(String, String, String, String, String)>,
) -> Answer {
    let binding = named(&door, &caller, path).await?;
    door.call(&caller, Unbind { binding }).await?;
    Ok(done())
}

async fn bind(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    Path((vhost, source, kind, destination)): Path<Ends>,
    Object(mut fields): Object,
) -> Answer {
    let namespace = host::namespace(&vhost)?;
    let kind = match kind.as_str() {
        "q" => "queue",
        "e" => "exchange",
        _ => return Err(Trouble::not_found()),
    };
    fields.insert("source".to_owned(), Value::String(source));
    fields.insert("destination".to_owned(), Value::String(destination.clone()));
    fields.insert("destination_type".to_owned(), Value::String(kind.to_owned()));
    let binding = bound(&door, &caller, &namespace, &fields).await?;
    let place = place_of(&destination, &binding);
    let mut response: Response = StatusCode::CREATED.into_response();
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// Where a binding is found, below the path that made it. What is encoded in its key is encoded once more, as the path of
/// any name is: who decodes the path has the key.
fn place_of(destination: &str, binding: &Binding) -> String {
    format!("{}/{}", encoded(destination), encoded(&properties_key(binding)).replace("%7E", &SIGN.to_string()))
}

/// Makes a binding.
pub(crate) async fn bound(
    door: &Door,
    caller: &Caller,
    namespace: &NamespaceName,
    fields: &Map<String, Value>,
) -> Result<Binding, Trouble> {
    let source =
        ExchangeRef { namespace: namespace.clone(), name: ExchangeName::parse_word(fields.needed("source")?)? };
    let name = fields.needed("destination")?;
    let destination = match fields.needed("destination_type")? {
        "queue" => Destination::Queue(QueueName::parse(name)?),
        "exchange" => Destination::Exchange(ExchangeName::parse(name)?),
        _ => return Err(Trouble::bad("destination_type must be queue or exchange")),
    };
    let binding = Binding {
        source,
        destination,
        routing_key: RoutingKey::parse(fields.text("routing_key")?.unwrap_or_default())?,
        arguments: arguments::headers(fields.object("arguments")?)?,
    };
    match door.patiently(caller, Bind { binding: binding.clone() }).await {
        Ok(_) => Ok(binding),
        Err(failure @ Failure::Refused(Refusal::QueueNotFound { .. })) => {
            let binding = Binding { destination: Destination::Topic(TopicName::parse(name)?), ..binding };
            match door.patiently(caller, Bind { binding: binding.clone() }).await {
                Ok(_) => Ok(binding),
                Err(Failure::Refused(Refusal::TopicNotFound { .. })) => Err(failure.into()),
                Err(other) => Err(other.into()),
            }
        }
        Err(failure) => Err(failure.into()),
    }
}

#[cfg(test)]
mod tests {
    use model::header::HeaderValue;

    use super::*;

    fn binding(routing_key: &str, arguments: &[(&str, HeaderValue)]) -> Binding {
        Binding {
            source: ExchangeRef { namespace: NamespaceName::default(), name: ExchangeName::default() },
            destination: Destination::Exchange(ExchangeName::default()),
            routing_key: RoutingKey::parse(routing_key).expect("it is short"),
            arguments: arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        }
    }

    fn key(routing_key: &str, arguments: &[(&str, HeaderValue)]) -> String {
        properties_key(&binding(routing_key, arguments))
    }

    #[test]
    fn who_decodes_the_place_of_a_binding_has_its_key() {
        assert_eq!(place_of("orders", &binding("a.#", &[])), "orders/a.%2523");
        assert_eq!(place_of("a/b", &binding("", &[])), "a%2Fb/~");
    }

    #[test]
    fn a_properties_key_is_the_routing_key_and_a_hash() {
        assert_eq!(key("", &[]), "~");
        assert_eq!(key("a.b", &[]), "a.b");
        assert_eq!(key("a~b/#", &[]), "a%7Eb%2F%23");
        let (one, two) = (key("", &[("n", HeaderValue::Integer(1))]), key("", &[("n", HeaderValue::Integer(2))]));
        assert!(one.starts_with(SIGN) && one.len() > 10 && one != two, "{one} {two}");
        assert!(key("a", &[("n", HeaderValue::Integer(1))]).starts_with("a~"));
    }
}
