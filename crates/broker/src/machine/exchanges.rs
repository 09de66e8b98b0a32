//! Exchanges and bindings: created, deleted, bound, described.
//!
//! Who binds takes from the source and gives to the destination, and needs both rights at that moment; what is routed
//! later is not asked again. Invariant: a binding leads to something that exists in the namespace of its source.

use model::access::ResourceKind;
use model::binding::{Bind, Binding, BindingPage, Destination, ListBindings, Rebound, Unbind};
use model::exchange::{
    CreateExchange, DeleteExchange, DeleteExchangeMode, ExchangeDescription, ExchangeKind, ExchangePage,
    ExchangeSettings, HashOn, ListExchanges,
};
use model::limits::{BINDINGS_PER_NAMESPACE_MAX, EXCHANGES_PER_NAMESPACE_MAX};
use model::name::{ExchangeName, ExchangeRef, NamespaceName, QueueRef, TopicRef};
use model::number::Timestamp;
use model::operation::{OperationKind, Response};
use model::page::Page;
use model::queue::Created;
use model::refusal::Refusal;
use model::subscription::Done;

use super::Machine;
use super::find::user_id;
use super::queues::{arguments, first_difference, or_none};
use crate::command::Principal;
use crate::outcome::Outcome;
use crate::policy::applying_to_exchange;
use crate::route::{Exchange, Exchanges, Rule, Ruling, Target};

impl Machine {
    pub(super) fn exchange(&self, exchange: &ExchangeRef) -> Option<&Exchange> {
        self.namespaces.get(&exchange.namespace)?.exchanges.get(&exchange.name)
    }

    pub(super) fn exchanges_mut(&mut self, namespace: &NamespaceName) -> &mut Exchanges {
        &mut self.namespaces.get_mut(namespace).expect("the namespace was looked up before").exchanges
    }

    /// Whether there is an exchange of this name; the default one always is.
    pub(super) fn has_exchange(&self, exchange: &ExchangeRef) -> bool {
        if exchange.name.is_default() {
            return self.namespaces.contains_key(&exchange.namespace);
        }
        self.exchange(exchange).is_some()
    }

    pub(super) fn create_exchange(&mut self, by: &Principal, request: &CreateExchange) -> Result<Outcome, Refusal> {
        let CreateExchange { exchange, settings } = request;
        if self.has_exchange(exchange) {
            self.exchange_for(by, OperationKind::DescribeExchange, exchange)?;
            return self.same_exchange(exchange, settings);
        }
        self.demand_create(by, ResourceKind::Exchange, &exchange.namespace, exchange.name.as_str())?;
        if exchange.name.is_reserved() {
            return Err(Refusal::ExchangeReserved { name: exchange.to_string() });
        }
        settings.check()?;
        self.check_alternate(by, exchange, settings)?;
        let held = self.namespace(&exchange.namespace)?.exchanges.count();
        if u64::try_from(held).is_ok_and(|held| held >= EXCHANGES_PER_NAMESPACE_MAX) {
            let limit = EXCHANGES_PER_NAMESPACE_MAX;
            return Err(Refusal::LimitReached { what: "exchanges in a namespace", limit });
        }
        let mut made = Exchange::new(settings.clone(), user_id(by), self.now);
        let namespace = self.namespaces.get_mut(&exchange.namespace).expect("the namespace was looked up above");
        made.set_ruling(applying_to_exchange(&namespace.policies, exchange.name.as_str()).map(Ruling::of));
        namespace.exchanges.insert(exchange.name.clone(), made);
        let description = self.describe_exchange(exchange);
        Ok(Outcome::response(Response::CreateExchange(Created { created: true, description })))
    }

    fn same_exchange(&self, exchange: &ExchangeRef, settings: &ExchangeSettings) -> Result<Outcome, Refusal> {
        let description = self.describe_exchange(exchange);
        if let Some(difference) = difference(&description.settings, settings) {
            return Err(Refusal::ExchangeExists { name: exchange.to_string(), difference });
        }
        Ok(Outcome::response(Response::CreateExchange(Created { created: false, description })))
    }

    /// Messages go to an alternate exchange in the name of whoever created the first: it takes from the one and gives
    /// to the other. The alternate need not exist yet.
    fn check_alternate(
        &self,
        by: &Principal,
        exchange: &ExchangeRef,
        settings: &ExchangeSettings,
    ) -> Result<(), Refusal> {
        let Some(name) = settings.alternate.clone() else { return Ok(()) };
        let alternate = ExchangeRef { namespace: exchange.namespace.clone(), name };
        match self.exchange_for(by, OperationKind::PublishExchange, &alternate) {
            Ok(()) | Err(Refusal::ExchangeNotFound { .. }) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn delete_exchange(&mut self, by: &Principal, request: &DeleteExchange) -> Result<Outcome, Refusal> {
        self.exchange_for(by, OperationKind::DeleteExchange, &request.exchange)?;
        if request.exchange.name.is_reserved() {
            return Err(Refusal::ExchangeReserved { name: request.exchange.to_string() });
        }
        let bindings = self.describe_exchange(&request.exchange).bindings;
        if request.mode == DeleteExchangeMode::IfUnused && bindings > 0 {
            return Err(Refusal::ExchangeInUse { name: request.exchange.to_string(), bindings });
        }
        self.exchanges_mut(&request.exchange.namespace).remove(&request.exchange.name);
        Ok(Outcome::response(Response::DeleteExchange(Done)))
    }

    /// Source and destination of a binding, if the principal may bind them.
    fn ends(&self, by: &Principal, operation: OperationKind, binding: &Binding) -> Result<Target, Refusal> {
        binding.check()?;
        let ExchangeRef { namespace, name } = &binding.source;
        let namespace = namespace.clone();
        self.exchange_for(by, operation, &binding.source)?;
        let into_default = matches!(&binding.destination, Destination::Exchange(name) if name.is_default());
        if name.is_default() || into_default {
            let name = ExchangeRef { namespace, name: ExchangeName::default() };
            return Err(Refusal::ExchangeReserved { name: name.to_string() });
        }
        match &binding.destination {
            Destination::Queue(name) => {
                let queue = QueueRef { namespace, name: name.clone() };
                self.queue_for(by, OperationKind::Publish, &queue).map(Target::Queue)
            }
            Destination::Topic(name) => {
                let topic = TopicRef { namespace, name: name.clone() };
                self.topic_for(by, OperationKind::PublishTopic, &topic).map(Target::Topic)
            }
            Destination::Exchange(name) => {
                let exchange = ExchangeRef { namespace, name: name.clone() };
                self.exchange_for(by, OperationKind::PublishExchange, &exchange)?;
                Ok(Target::Exchange(name.clone()))
            }
        }
    }

    pub(super) fn bind(&mut self, by: &Principal, request: &Bind) -> Result<Outcome, Refusal> {
        let Binding { source, routing_key, arguments, .. } = &request.binding;
        let target = self.ends(by, OperationKind::Bind, &request.binding)?;
        let exchanges = self.exchanges_mut(&source.namespace);
        if exchanges.binding_count() >= BINDINGS_PER_NAMESPACE_MAX {
            return Err(Refusal::LimitReached { what: "bindings in a namespace", limit: BINDINGS_PER_NAMESPACE_MAX });
        }
        let rule = Rule::new(routing_key.clone(), arguments.clone());
        let changed = exchanges.bind(&source.name, &target, rule)?;
        Ok(Outcome::response(Response::Bind(Rebound { changed })))
    }

    pub(super) fn unbind(&mut self, by: &Principal, request: &Unbind) -> Result<Outcome, Refusal> {
        let Binding { source, routing_key, arguments, .. } = &request.binding;
        let target = self.ends(by, OperationKind::Unbind, &request.binding)?;
        let rule = Rule::new(routing_key.clone(), arguments.clone());
        let changed = self.exchanges_mut(&source.namespace).unbind(&source.name, &target, &rule);
        Ok(Outcome::response(Response::Unbind(Rebound { changed })))
    }

    pub(super) fn describe_exchange(&self, exchange: &ExchangeRef) -> ExchangeDescription {
        let Some(found) = self.exchange(exchange) else {
            let settings = ExchangeSettings::of(ExchangeKind::Direct);
            let (owner, created_at) = (None, Timestamp::new(0));
            let exchange = exchange.clone();
            return ExchangeDescription { exchange, owner, created_at, settings, bindings: 0, policy: None };
        };
        ExchangeDescription {
            exchange: exchange.clone(),
            owner: self.owner_name(found.owner()),
            created_at: found.created_at(),
            settings: found.settings().clone(),
            bindings: u64::try_from(found.rules().count()).unwrap_or(u64::MAX),
            policy: found.policy().cloned(),
        }
    }

    pub(super) fn list_exchanges(&self, by: &Principal, request: &ListExchanges) -> Result<ExchangePage, Refusal> {
        self.access.user_of(by)?;
        let namespace = self.namespace(&request.namespace)?;
        let start = super::read::start_of(&request.prefix, request.page.cursor.as_deref());
        let default = ExchangeName::default();
        let first = Some(&default).filter(|_| start.is_empty() && request.page.cursor.is_none());
        let names = first.into_iter().chain(namespace.exchanges.from(&start).map(|(name, _)| name));
        let fitting = names.take_while(|name| name.as_str().starts_with(&request.prefix));
        Ok(crate::page::page(
            fitting,
            &request.page,
            |name| name.as_str(),
            |name| {
                let exchange = ExchangeRef { namespace: request.namespace.clone(), name: (*name).clone() };
                self.shows_exchange(by, &exchange).then(|| self.describe_exchange(&exchange))
            },
        ))
    }

    pub(super) fn list_bindings(&self, by: &Principal, request: &ListBindings) -> Result<BindingPage, Refusal> {
        self.access.user_of(by)?;
        let namespace = self.namespace(&request.namespace)?;
        let sources = namespace.exchanges.iter();
        let sources = sources.filter(|(name, _)| request.source.as_ref().is_none_or(|wanted| wanted == *name));
        let all = sources.flat_map(|(name, exchange)| exchange.rules().map(move |(target, rule)| (name, target, rule)));
        let skipped = request.page.cursor.as_deref().map_or(Ok(0), |cursor| {
            cursor.parse::<usize>().map_err(|_| Refusal::invalid("cursor", "send back what the page before gave"))
        })?;
        let limit = usize::try_from(request.page.limit).unwrap_or(usize::MAX);
        let mut shown = all.filter_map(|(name, target, rule)| {
            let source = ExchangeRef { namespace: request.namespace.clone(), name: name.clone() };
            let destination = self.destination(target);
            let wanted = request.destination.as_ref().is_none_or(|wanted| *wanted == destination);
            let is_shown = wanted && self.shows_exchange(by, &source) && self.shows(by, &source.namespace, target);
            let (routing_key, arguments) = (rule.key().clone(), rule.arguments().clone());
            is_shown.then_some(Binding { source, destination, routing_key, arguments })
        });
        let items: Vec<_> = shown.by_ref().skip(skipped).take(limit).collect();
        let next = shown.next().map(|_| (skipped + items.len()).to_string());
        Ok(Page { items, next })
    }

    /// A target by name.
    pub(super) fn destination(&self, target: &Target) -> Destination {
        match target {
            Target::Queue(id) => Destination::Queue(self.queues[id].queue.name.clone()),
            Target::Topic(id) => Destination::Topic(self.topics[id].topic.name.clone()),
            Target::Exchange(name) => Destination::Exchange(name.clone()),
        }
    }

    fn shows(&self, by: &Principal, namespace: &NamespaceName, target: &Target) -> bool {
        match target {
            Target::Queue(id) => self.shows_queue(by, &self.queues[id].queue),
            Target::Topic(id) => self.shows_topic(by, &self.topics[id].topic),
            Target::Exchange(name) => {
                let exchange = ExchangeRef { namespace: namespace.clone(), name: name.clone() };
                self.shows_exchange(by, &exchange)
            }
        }
    }
}

/// The first setting that differs, in words.
fn difference(old: &ExchangeSettings, new: &ExchangeSettings) -> Option<String> {
    let alternate = |settings: &ExchangeSettings| or_none(settings.alternate.as_ref().map(ExchangeName::word));
    let hash_on = |settings: &ExchangeSettings| match &settings.hash_on {
        HashOn::RoutingKey => "routing_key".to_owned(),
        HashOn::Header(name) => format!("header {name}"),
        HashOn::Property(property) => property.word().to_owned(),
    };
    first_difference([
        ("kind", old.kind.word().to_owned(), new.kind.word().to_owned()),
        ("durable", old.durable.to_string(), new.durable.to_string()),
        ("auto_delete", old.auto_delete.to_string(), new.auto_delete.to_string()),
        ("internal", old.internal.to_string(), new.internal.to_string()),
        ("delays", old.delays.to_string(), new.delays.to_string()),
        ("alternate", alternate(old), alternate(new)),
        ("hash_on", hash_on(old), hash_on(new)),
        ("arguments", arguments(&old.arguments), arguments(&new.arguments)),
    ])
}
