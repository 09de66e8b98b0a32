//! Exchanges and bindings in a checkpoint: those that are always there are not kept, what was bound to them is.
//!
//! Bindings are kept by the names of their ends; the tables of the kinds are made anew.
//! Format: `docs/formats/state.md`, section `exchanges`.

use model::binding::{Binding, Destination};
use model::exchange::ExchangeSettings;
use model::name::{ExchangeRef, NamespaceName};
use model::number::{Timestamp, UserId};

use super::Machine;
use crate::codec::Wire;
use crate::route::{Exchange, Rule, Target};
use crate::wire::{Reader, WireError, Writer};

impl Machine {
    pub(super) fn write_exchanges(&self, writer: &mut Writer) {
        let all = self.namespaces.iter().flat_map(|(namespace, names)| {
            names.exchanges.iter().map(move |(name, exchange)| {
                (ExchangeRef { namespace: namespace.clone(), name: name.clone() }, exchange)
            })
        });
        let (mut made, mut bindings) = (Vec::new(), Vec::new());
        for (exchange, found) in all {
            bindings.extend(found.rules().map(|(target, rule)| Binding {
                source: exchange.clone(),
                destination: self.destination(target),
                routing_key: rule.key().clone(),
                arguments: rule.arguments().clone(),
            }));
            if !exchange.name.is_reserved() {
                made.push((exchange, found));
            }
        }
        writer.list(&made, |writer, (exchange, found)| {
            exchange.write(writer);
            found.owner().write(writer);
            found.created_at().write(writer);
            found.settings().write(writer);
        });
        bindings.write(writer);
    }

    pub(super) fn read_exchanges(&mut self, reader: &mut Reader) -> Result<(), WireError> {
        for _ in 0..reader.count(1)? {
            let exchange = ExchangeRef::read(reader)?;
            let (owner, created_at) = (Option::<UserId>::read(reader)?, Timestamp::read(reader)?);
            let made = Exchange::new(ExchangeSettings::read(reader)?, owner, created_at);
            let names = self.namespaces.get_mut(&exchange.namespace);
            let names = names.ok_or_else(|| reader.error("an exchange of no namespace"))?;
            if names.exchanges.get(&exchange.name).is_some() || exchange.name.is_reserved() {
                return Err(reader.error("an exchange that is there already"));
            }
            names.exchanges.insert(exchange.name, made);
        }
        for _ in 0..reader.count(1)? {
            let Binding { source, destination, routing_key, arguments } = Binding::read(reader)?;
            let target = self.target(&source.namespace, destination);
            let target = target.ok_or_else(|| reader.error("a binding to nothing"))?;
            if self.exchange(&source).is_none() {
                return Err(reader.error("a binding from nothing"));
            }
            let rule = Rule::new(routing_key, arguments);
            let bound = self.exchanges_mut(&source.namespace).bind(&source.name, &target, rule);
            bound.map_err(|_| reader.error("a binding that its exchange does not take"))?;
        }
        Ok(())
    }

    fn target(&self, namespace: &NamespaceName, destination: Destination) -> Option<Target> {
        let names = self.namespaces.get(namespace)?;
        match destination {
            Destination::Queue(name) => names.queues.get(&name).copied().map(Target::Queue),
            Destination::Topic(name) => names.topics.get(&name).copied().map(Target::Topic),
            Destination::Exchange(name) => names.exchanges.get(&name).map(|_| Target::Exchange(name)),
        }
    }
}
