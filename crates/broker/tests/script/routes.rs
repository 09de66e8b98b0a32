//! The words of exchanges and bindings.
//!
//! `route EXCHANGE KEY [cc=K,K] [mandatory] [h:NAME=TEXT] [n:NAME=NUMBER] [prio=N] [ttl=N] BODY`; `default` is the
//! default exchange; `bind EXCHANGE queue|topic|exchange NAME [KEY] [h:NAME=TEXT] [match=WORD]`.

use broker::command::{Action, RoutedRecord};
use broker::record;
use broker::wire::Writer;
use model::binding::{Bind, Binding, Destination, ListBindings, RoutingKey, Unbind, Unroutable};
use model::exchange::{
    CreateExchange, DeleteExchange, DeleteExchangeMode, ExchangeKind, ExchangeSettings, HashOn, ListExchanges,
};
use model::header::{HeaderValue, Headers};
use model::message::{MessageId, NewMessage};
use model::name::{ExchangeName, ExchangeRef, NamespaceName};
use model::number::{Priority, Span};
use model::operation::Request;
use model::page::PageRequest;
use model::properties::Routed;

use super::words::Words;

fn key(text: &str) -> RoutingKey {
    RoutingKey::parse(if text == "-" { "" } else { text }).unwrap()
}

pub(crate) fn exchange_name(text: &str) -> ExchangeName {
    ExchangeName::parse(if text == "default" { "" } else { text }).unwrap()
}

impl Words {
    fn exchange(&mut self) -> ExchangeRef {
        ExchangeRef { namespace: NamespaceName::default(), name: exchange_name(&self.next()) }
    }

    /// `h:name=text`, `n:name=number` and `null:name=` are headers or arguments.
    fn headers(&mut self) -> Headers {
        let mut headers = Headers::new();
        while let Some((prefix, word)) = self.prefixed(&["h:", "n:", "null:"]) {
            let (name, value) = word.split_once('=').unwrap();
            let value = match prefix {
                "h:" => HeaderValue::Text(value.to_owned()),
                "n:" => HeaderValue::Integer(value.parse().unwrap()),
                _ => HeaderValue::Null,
            };
            headers.push((name.to_owned(), value));
        }
        headers
    }

    fn binding(&mut self) -> Binding {
        let mut arguments = self.headers();
        if let Some(how) = self.text("match") {
            arguments.push(("x-match".to_owned(), HeaderValue::Text(how)));
        }
        let source = self.exchange();
        let (kind, name) = (self.next(), self.next());
        let destination = match kind.as_str() {
            "exchange" => Destination::Exchange(exchange_name(&name)),
            kind => Destination::parse(kind, &name).unwrap(),
        };
        let routing_key = self.rest().first().map(|text| key(text)).unwrap_or_default();
        Binding { source, destination, routing_key, arguments }
    }

    fn exchange_settings(&mut self) -> ExchangeSettings {
        let hash_header = self.text("hash").map(HashOn::Header);
        let settings = ExchangeSettings::of(ExchangeKind::Direct);
        let settings = ExchangeSettings {
            durable: !self.flag("transient"),
            auto_delete: self.flag("auto-delete"),
            internal: self.flag("internal"),
            delays: self.flag("delays"),
            alternate: self.text("alternate").map(|name| exchange_name(&name)),
            hash_on: hash_header.unwrap_or_default(),
            ..settings
        };
        ExchangeSettings { kind: ExchangeKind::parse(&self.next()).unwrap(), ..settings }
    }

    fn routed(&mut self) -> Action {
        let headers = self.headers();
        let extra = self.text("cc");
        let unroutable = if self.flag("mandatory") { Unroutable::Return } else { Unroutable::Drop };
        let priority = self.number("prio").map_or(0, |number| u8::try_from(number).unwrap());
        let ttl = self.number("ttl").map(Span::new);
        let id = self.text("id").map(|id| MessageId::parse(&id).unwrap());
        let exchange = self.exchange();
        let main = key(&self.next());
        let extra = extra.iter().flat_map(|keys| keys.split(',')).map(key);
        let keys: Vec<_> = std::iter::once(main.clone()).chain(extra).collect();
        let way = Routed { exchange: exchange.name.clone(), routing_key: main };
        let priority = Priority::new(priority);
        let made = MessageId::parse("made").unwrap();
        let record = |body: &String| {
            let message =
                NewMessage { headers: headers.clone(), priority, ttl, id: id.clone(), ..NewMessage::new(body.clone()) };
            let mut writer = Writer::new();
            record::write(&mut writer, &message, id.as_ref().unwrap_or(&made), "ann", Some(&way));
            let record = writer.finish();
            RoutedRecord { keys: keys.clone(), unroutable, record }
        };
        let records = self.rest().iter().map(record).collect();
        Action::PublishExchange { exchange, records }
    }

    pub(super) fn exchange_action(&mut self, verb: &str) -> Option<Action> {
        Some(match verb {
            "exchange" => {
                let exchange = self.exchange();
                Action::CreateExchange(CreateExchange { exchange, settings: self.exchange_settings() })
            }
            "delete-exchange" => {
                let force = self.flag("force");
                let mode = if force { DeleteExchangeMode::Force } else { DeleteExchangeMode::IfUnused };
                Action::DeleteExchange(DeleteExchange { exchange: self.exchange(), mode })
            }
            "bind" => Action::Bind(Bind { binding: self.binding() }),
            "unbind" => Action::Unbind(Unbind { binding: self.binding() }),
            "route" => self.routed(),
            _ => return None,
        })
    }

    pub(super) fn exchange_question(&mut self, verb: &str) -> Option<Request> {
        let namespace = NamespaceName::default();
        let page = PageRequest::default();
        Some(match verb {
            "exchanges" => ListExchanges { namespace, prefix: String::new(), page }.into(),
            "bindings" => ListBindings { namespace, source: None, destination: None, page }.into(),
            _ => return None,
        })
    }
}
