//! Exchanges and bindings between the model and the contract.
//! Invariant: the empty name of an exchange is the default one, on both sides.

use model::Refusal;
use model::binding::{
    Bind, Binding, BindingPage, Destination, Fate, ListBindings, PublishExchange, Rebound, RoutedMessage, RoutedPlace,
    RoutedPlaces, Unbind, Unroutable,
};
use model::exchange::{
    CreateExchange, DeleteExchange, DeleteExchangeMode, DescribeExchange, ExchangeDescription, ExchangeKind,
    ExchangePage, ExchangeSettings, HashOn, HashProperty, ListExchanges,
};
use model::name::ExchangeRef;
use model::queue::Created;

use super::{OrDefault, Required, Wire, enumeration, messages, missing};
use crate::proto as pb;

type CreatedExchange = Created<ExchangeDescription>;

enumeration! {
    ExchangeKind { Direct Fanout Topic Headers ConsistentHash }
    HashProperty { MessageId CorrelationId MadeAt }
    DeleteExchangeMode, unset IfUnused { IfUnused Force }
    Unroutable, unset Drop { Drop Return }
    Fate { Taken Dropped Returned Refused }
}

messages! {
    ExchangeRef = ExchangeRef { namespace = namespace; name = name; }
    ExchangeDescription = ExchangeDescription {
        exchange = exchange, Required;
        owner = owner;
        created_at = created_at_ms;
        settings = settings, Required;
        bindings = bindings;
        policy = policy;
    }
    CreateExchange = CreateExchangeRequest { exchange = exchange, Required; settings = settings, Required; }
    CreatedExchange = CreatedExchange { created = created; description = description, Required; }
    DescribeExchange = DescribeExchangeRequest { exchange = exchange, Required; }
    DeleteExchange = DeleteExchangeRequest { exchange = exchange, Required; mode = mode; }
    ListExchanges = ListExchangesRequest { namespace = namespace; prefix = prefix; page = page, OrDefault; }
    ExchangePage = ExchangePage { items = items; next = next; }
    Binding = Binding {
        source = source, Required;
        destination = destination, Required;
        routing_key = routing_key;
        arguments = arguments;
    }
    Bind = BindRequest { binding = binding, Required; }
    Unbind = UnbindRequest { binding = binding, Required; }
    Rebound = Rebound { changed = changed; }
    ListBindings = ListBindingsRequest {
        namespace = namespace;
        source = source;
        destination = destination;
        page = page, OrDefault;
    }
    BindingPage = BindingPage { items = items; next = next; }
    RoutedMessage = RoutedMessage {
        message = message, Required;
        routing_key = routing_key;
        extra_keys = extra_keys;
        unroutable = unroutable;
    }
    PublishExchange = PublishExchangeRequest { exchange = exchange, Required; messages = messages; }
    RoutedPlace = RoutedPlace {
        id = id;
        fate = fate;
        taken = taken;
        duplicates = duplicates;
        refused = refused;
    }
    RoutedPlaces = RoutedPlaces { messages = messages; durability = durability; position = position; }
}

impl Wire for ExchangeSettings {
    type Form = pb::ExchangeSettings;

    fn to_wire(self) -> pb::ExchangeSettings {
        pb::ExchangeSettings {
            kind: self.kind.to_wire(),
            transient: !self.durable,
            auto_delete: self.auto_delete,
            internal: self.internal,
            delays: self.delays,
            alternate: self.alternate.to_wire(),
            hash_on: Some(self.hash_on.to_wire()),
            arguments: self.arguments.to_wire(),
        }
    }

    fn from_wire(form: pb::ExchangeSettings) -> Result<Self, Refusal> {
        Ok(Self {
            kind: Wire::from_wire(form.kind)?,
            durable: !form.transient,
            auto_delete: form.auto_delete,
            internal: form.internal,
            delays: form.delays,
            alternate: Wire::from_wire(form.alternate)?,
            hash_on: form.hash_on.map_or(Ok(HashOn::RoutingKey), Wire::from_wire)?,
            arguments: Wire::from_wire(form.arguments)?,
        })
    }
}

impl Wire for HashOn {
    type Form = pb::HashOn;

    fn to_wire(self) -> pb::HashOn {
        use pb::hash_on::On;
        pb::HashOn {
            on: match self {
                Self::RoutingKey => None,
                Self::Header(name) => Some(On::Header(name)),
                Self::Property(property) => Some(On::Property(property.to_wire())),
            },
        }
    }

    fn from_wire(form: pb::HashOn) -> Result<Self, Refusal> {
        use pb::hash_on::On;
        Ok(match form.on {
            None => Self::RoutingKey,
            Some(On::Header(name)) => Self::Header(name),
            Some(On::Property(property)) => Self::Property(Wire::from_wire(property)?),
        })
    }
}

impl Wire for Destination {
    type Form = pb::Destination;

    fn to_wire(self) -> pb::Destination {
        use pb::destination::Destination as Form;
        let destination = match self {
            Self::Queue(name) => Form::Queue(name.to_wire()),
            Self::Topic(name) => Form::Topic(name.to_wire()),
            Self::Exchange(name) => Form::Exchange(name.to_wire()),
        };
        pb::Destination { destination: Some(destination) }
    }

    fn from_wire(form: pb::Destination) -> Result<Self, Refusal> {
        use pb::destination::Destination as Form;
        match form.destination.ok_or_else(|| missing("destination"))? {
            Form::Queue(name) => Wire::from_wire(name).map(Self::Queue),
            Form::Topic(name) => Wire::from_wire(name).map(Self::Topic),
            Form::Exchange(name) => Wire::from_wire(name).map(Self::Exchange),
        }
    }
}
