//! Rules by which messages leave exchanges: the exchanges of one namespace with their bindings.
//!
//! Pure tables: who may do what, and what becomes of a message where it arrives, is the machine's.
//! Invariants: a message reaches each queue or topic at most once, however many rules lead there; exchanges that
//! lead to each other in a circle are each asked once; a binding leads to something that exists.
//! Scripts: `tests/scripts/route_*.txt`; against a plain matcher: `tests/route_properties.rs`.

mod direct;
mod exchange;
mod fanout;
mod hash;
mod headers;
mod subject;
mod targets;
mod topic;

use std::collections::{BTreeMap, BTreeSet};

use model::exchange::{ALWAYS, ExchangeSettings};
use model::name::ExchangeName;
use model::number::{QueueId, TopicId, UserId};
use model::refusal::Refusal;

pub use exchange::{Exchange, Rule, Ruling};
pub use subject::Subject;

/// Where a rule leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// To a queue.
    Queue(QueueId),
    /// To a topic.
    Topic(TopicId),
    /// To another exchange of the namespace.
    Exchange(ExchangeName),
}

/// A queue or topic that a message is to be put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shore {
    /// A queue.
    Queue(QueueId),
    /// A topic.
    Topic(TopicId),
}

/// Whether a message that arrives waits for the time that its header `x-delay` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// It does not.
    AtOnce,
    /// It does: an exchange that delays lies on its way.
    Delayed,
}

/// All exchanges of a namespace but the default one, which has no bindings of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchanges {
    exchanges: BTreeMap<ExchangeName, Exchange>,
    /// From which exchanges bindings lead to a target, and how many.
    inbound: BTreeMap<Target, BTreeMap<ExchangeName, u64>>,
    bindings: u64,
}

impl Default for Exchanges {
    /// Those that are always there.
    fn default() -> Self {
        let always = ALWAYS.map(|(name, kind)| {
            let name = ExchangeName::parse(name).expect("these names are names");
            (name, Exchange::new(ExchangeSettings::of(kind), None, model::number::Timestamp::new(0)))
        });
        Self { exchanges: always.into_iter().collect(), inbound: BTreeMap::new(), bindings: 0 }
    }
}

impl Exchanges {
    /// The exchange of a name; the default one is none of these.
    pub fn get(&self, name: &ExchangeName) -> Option<&Exchange> {
        self.exchanges.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ExchangeName, &Exchange)> {
        self.exchanges.iter()
    }

    /// All whose name is not before this one.
    pub fn from<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a ExchangeName, &'a Exchange)> {
        self.exchanges.range::<str, _>((std::ops::Bound::Included(start), std::ops::Bound::Unbounded))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.exchanges.len()
    }

    /// How many bindings there are.
    pub const fn binding_count(&self) -> u64 {
        self.bindings
    }

    /// Whether only what is always there is there.
    pub fn is_untouched(&self) -> bool {
        self.bindings == 0 && self.exchanges.len() == ALWAYS.len()
    }

    /// Lets nobody own what this user owned.
    pub fn disown(&mut self, user: UserId) {
        self.exchanges.values_mut().filter(|exchange| exchange.owner() == Some(user)).for_each(Exchange::disown);
    }

    /// Takes out what does not outlive a restart.
    pub fn end_transient(&mut self) {
        let passing = self.exchanges.iter().filter(|(_, exchange)| !exchange.settings().durable);
        let passing: Vec<_> = passing.map(|(name, _)| name.clone()).collect();
        passing.iter().for_each(|name| self.remove(name));
    }

    /// Adds an exchange of a name that none has.
    pub fn insert(&mut self, name: ExchangeName, exchange: Exchange) {
        let before = self.exchanges.insert(name, exchange);
        assert!(before.is_none(), "an exchange is added once");
    }

    /// Puts policies into effect: the one that applies to each name.
    pub fn rule(&mut self, applying: impl Fn(&ExchangeName) -> Option<Ruling>) {
        self.exchanges.iter_mut().for_each(|(name, exchange)| exchange.set_ruling(applying(name)));
    }

    /// Takes an exchange out, with the bindings that leave it or lead to it.
    pub fn remove(&mut self, name: &ExchangeName) {
        let Some(exchange) = self.exchanges.remove(name) else { return };
        for (target, _) in exchange.rules() {
            self.forget(target, name);
        }
        self.remove_target(&Target::Exchange(name.clone()));
    }

    /// Adds a binding; false when it was there.
    ///
    /// # Errors
    /// `ArgumentInvalid` when the exchange cannot use such a rule.
    pub fn bind(&mut self, source: &ExchangeName, target: &Target, rule: Rule) -> Result<bool, Refusal> {
        let exchange = self.exchanges.get_mut(source).expect("the source was looked up before");
        if !exchange.add(target, rule)? {
            return Ok(false);
        }
        *self.inbound.entry(target.clone()).or_default().entry(source.clone()).or_default() += 1;
        self.bindings += 1;
        Ok(true)
    }

    /// Removes a binding; false when it was not there. An exchange that goes with its last binding goes.
    pub fn unbind(&mut self, source: &ExchangeName, target: &Target, rule: &Rule) -> bool {
        let exchange = self.exchanges.get_mut(source).expect("the source was looked up before");
        if !exchange.remove(target, rule) {
            return false;
        }
        self.forget(target, source);
        self.remove_if_unused(source);
        true
    }

    /// Notes that one binding less leads from a source to a target.
    fn forget(&mut self, target: &Target, source: &ExchangeName) {
        let sources = self.inbound.get_mut(target).expect("every binding is noted at its target");
        let count = sources.get_mut(source).expect("every binding is noted with its source");
        *count -= 1;
        if *count == 0 {
            sources.remove(source);
        }
        if sources.is_empty() {
            self.inbound.remove(target);
        }
        self.bindings -= 1;
    }

    /// Removes every binding that leads to something that goes.
    pub fn remove_target(&mut self, target: &Target) {
        let Some(sources) = self.inbound.remove(target) else { return };
        for (source, count) in sources {
            self.bindings -= count;
            let exchange = self.exchanges.get_mut(&source).expect("a binding leaves an exchange that exists");
            exchange.remove_target(target);
            self.remove_if_unused(&source);
        }
    }

    fn remove_if_unused(&mut self, name: &ExchangeName) {
        if self.exchanges.get(name).is_some_and(|exchange| exchange.settings().auto_delete && exchange.is_unused()) {
            self.remove(name);
        }
    }

    /// Where a message goes that is published to an exchange. `named` finds what the default exchange leads to.
    pub fn route(
        &self,
        start: &ExchangeName,
        subject: &Subject<'_>,
        named: &dyn Fn(&str) -> Option<Shore>,
    ) -> BTreeMap<Shore, Pace> {
        let mut shores = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut ahead = vec![(start.clone(), Pace::AtOnce)];
        while let Some((name, pace)) = ahead.pop() {
            if !asked.insert(name.clone()) {
                continue;
            }
            if name.is_default() {
                let found = subject.keys().filter_map(named);
                found.for_each(|shore| note(&mut shores, shore, pace));
                continue;
            }
            let Some(exchange) = self.exchanges.get(&name) else { continue };
            let pace = if exchange.settings().delays { Pace::Delayed } else { pace };
            let mut any = false;
            exchange.matching(subject, &mut |target| {
                any = true;
                match target {
                    Target::Queue(id) => note(&mut shores, Shore::Queue(*id), pace),
                    Target::Topic(id) => note(&mut shores, Shore::Topic(*id), pace),
                    Target::Exchange(name) => ahead.push((name.clone(), pace)),
                }
            });
            if !any {
                ahead.extend(exchange.alternate().cloned().map(|name| (name, pace)));
            }
        }
        shores
    }
}

/// A message that reaches a queue both at once and delayed comes at once.
fn note(shores: &mut BTreeMap<Shore, Pace>, shore: Shore, pace: Pace) {
    shores.entry(shore).and_modify(|known| *known = pace.min(*known)).or_insert(pace);
}
