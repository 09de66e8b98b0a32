//! Exchanges and bindings between the documents and the model.
//! Invariant: settings that passed `check` are within every limit.
//! Used by `rest::exchanges` and `rest::bindings`; tests in `translate/tests.rs`.

use model::binding::{
    Binding, Destination, ListBindings, Rebound, RoutedMessage, RoutedPlace, RoutedPlaces, RoutingKey, Unroutable,
};
use model::exchange::{DeleteExchangeMode, ExchangeDescription, ExchangeSettings, HashOn};
use model::name::{ExchangeName, ExchangeRef, NamespaceName, QueueName, TopicName};
use model::page::PageRequest;
use model::refusal::Refusal;

use super::message::{check_count, new_message};
use super::queue::owner;
use crate::wire;

impl From<ExchangeSettings> for wire::ExchangeSettings {
    fn from(settings: ExchangeSettings) -> Self {
        Self {
            kind: settings.kind.into(),
            durable: settings.durable,
            auto_delete: settings.auto_delete,
            internal: settings.internal,
            delays: settings.delays,
            alternate: settings.alternate.map(|name| name.word().into()),
            hash_on: match settings.hash_on {
                HashOn::RoutingKey => wire::HashOn::RoutingKey,
                HashOn::Header(name) => wire::HashOn::Header(name),
                HashOn::Property(property) => wire::HashOn::Property(property.into()),
            },
            arguments: settings.arguments.into(),
        }
    }
}

impl TryFrom<wire::ExchangeSettings> for ExchangeSettings {
    type Error = Refusal;

    fn try_from(settings: wire::ExchangeSettings) -> Result<Self, Refusal> {
        let translated = Self {
            kind: settings.kind.into(),
            durable: settings.durable,
            auto_delete: settings.auto_delete,
            internal: settings.internal,
            delays: settings.delays,
            alternate: settings.alternate.map(|name| ExchangeName::parse_word(&name.0)).transpose()?,
            hash_on: match settings.hash_on {
                wire::HashOn::RoutingKey => HashOn::RoutingKey,
                wire::HashOn::Header(name) => HashOn::Header(name),
                wire::HashOn::Property(property) => HashOn::Property(property.into()),
            },
            arguments: settings.arguments.try_into()?,
        };
        translated.check()?;
        Ok(translated)
    }
}

impl From<ExchangeDescription> for wire::ExchangeDescription {
    fn from(found: ExchangeDescription) -> Self {
        Self {
            namespace: found.exchange.namespace.as_str().into(),
            name: found.exchange.name.word().into(),
            owner: owner(found.owner),
            created_at: found.created_at.get(),
            settings: found.settings.into(),
            bindings: found.bindings,
            policy: found.policy.map(|name| name.as_str().into()),
        }
    }
}

impl wire::DeleteQuery {
    /// What a delete of an exchange does about its bindings.
    pub(crate) const fn exchange_mode(self) -> DeleteExchangeMode {
        if self.force { DeleteExchangeMode::Force } else { DeleteExchangeMode::IfUnused }
    }
}

impl From<Destination> for wire::Destination {
    fn from(destination: Destination) -> Self {
        let kind = match &destination {
            Destination::Queue(_) => wire::DestinationKind::Queue,
            Destination::Topic(_) => wire::DestinationKind::Topic,
            Destination::Exchange(_) => wire::DestinationKind::Exchange,
        };
        Self { kind, name: destination.name().into() }
    }
}

impl TryFrom<wire::Destination> for Destination {
    type Error = Refusal;

    fn try_from(destination: wire::Destination) -> Result<Self, Refusal> {
        let name = &destination.name.0;
        match destination.kind {
            wire::DestinationKind::Queue => QueueName::parse(name).map(Self::Queue),
            wire::DestinationKind::Topic => TopicName::parse(name).map(Self::Topic),
            wire::DestinationKind::Exchange => ExchangeName::parse_word(name).map(Self::Exchange),
        }
    }
}

impl From<Binding> for wire::Binding {
    fn from(binding: Binding) -> Self {
        Self {
            source: binding.source.name.word().into(),
            destination: binding.destination.into(),
            routing_key: binding.routing_key.as_str().to_owned(),
            arguments: binding.arguments.into(),
        }
    }
}

/// The binding of a document, in a namespace.
pub(crate) fn binding(namespace: NamespaceName, binding: wire::Binding) -> Result<Binding, Refusal> {
    let translated = Binding {
        source: ExchangeRef { namespace, name: ExchangeName::parse_word(&binding.source.0)? },
        destination: binding.destination.try_into()?,
        routing_key: RoutingKey::parse(&binding.routing_key)?,
        arguments: binding.arguments.try_into()?,
    };
    translated.check()?;
    Ok(translated)
}

/// The list that a query asks for.
pub(crate) fn bindings(namespace: NamespaceName, query: wire::BindingsQuery) -> Result<ListBindings, Refusal> {
    let named = [("queue", query.queue), ("topic", query.topic), ("exchange", query.exchange)];
    let mut destinations = named.into_iter().filter_map(|(kind, name)| Some((kind, name?)));
    let destination = destinations.next().map(|(kind, name)| Destination::parse(kind, &name)).transpose()?;
    if let Some((kind, _)) = destinations.next() {
        return Err(Refusal::invalid(kind, "give one destination: queue, topic or exchange"));
    }
    Ok(ListBindings {
        namespace,
        source: query.source.as_deref().map(ExchangeName::parse_word).transpose()?,
        destination,
        page: PageRequest::new(query.limit, query.cursor)?,
    })
}

impl From<Rebound> for wire::Rebound {
    fn from(rebound: Rebound) -> Self {
        Self { changed: rebound.changed }
    }
}

/// Messages to route; the number of them is checked.
pub(crate) fn routed_messages(messages: Vec<wire::RoutedMessage>) -> Result<Vec<RoutedMessage>, Refusal> {
    check_count(messages.len())?;
    messages.into_iter().map(routed_message).collect()
}

fn routed_message(routed: wire::RoutedMessage) -> Result<RoutedMessage, Refusal> {
    let (message, partition) = new_message(routed.message, None)?;
    if partition.is_some() {
        return Err(Refusal::invalid("partition", "an exchange routes to queues and topics, which choose; use key"));
    }
    let translated = RoutedMessage {
        message,
        routing_key: RoutingKey::parse(&routed.routing_key)?,
        extra_keys: routed.extra_keys.iter().map(|key| RoutingKey::parse(key)).collect::<Result<_, _>>()?,
        unroutable: if routed.mandatory { Unroutable::Return } else { Unroutable::Drop },
    };
    translated.check()?;
    Ok(translated)
}

impl From<RoutedPlace> for wire::RoutedPlace {
    fn from(place: RoutedPlace) -> Self {
        Self {
            id: place.id.as_str().to_owned(),
            fate: place.fate.into(),
            taken: place.taken,
            duplicates: place.duplicates,
            refused: place.refused,
        }
    }
}

impl From<RoutedPlaces> for wire::RoutedPlaces {
    fn from(places: RoutedPlaces) -> Self {
        Self {
            messages: places.messages.into_iter().map(wire::RoutedPlace::from).collect(),
            durability: places.durability.into(),
            position: places.position.get(),
        }
    }
}
