//! One exchange: its settings, its bindings, and the table of its kind that finds them fast.
//! Invariant: the table has exactly the rules of the bindings.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::binding::{HeaderMatch, RoutingKey};
use model::exchange::{ExchangeKind, ExchangeSettings};
use model::header::Headers as Arguments;
use model::name::{ExchangeName, PolicyName};
use model::number::{Timestamp, UserId};
use model::policy::Policy;
use model::refusal::Refusal;

use super::Target;
use super::direct::Direct;
use super::fanout::Fanout;
use super::hash::{Hash, weight};
use super::headers::Headers;
use super::subject::Subject;
use super::topic::Topic;
use crate::codec::Wire;
use crate::wire::Writer;

/// What a binding asks for. Two are the same when key and arguments are, in whatever order.
#[derive(Clone, Debug)]
pub struct Rule {
    key: RoutingKey,
    arguments: Arguments,
    encoded: Bytes,
}

impl Rule {
    /// The rule of a key and arguments.
    pub fn new(key: RoutingKey, arguments: Arguments) -> Self {
        let mut ordered: Vec<_> = arguments
            .iter()
            .map(|(name, value)| {
                let mut writer = Writer::new();
                writer.text(name);
                value.write(&mut writer);
                writer.finish()
            })
            .collect();
        ordered.sort_unstable();
        Self { key, arguments, encoded: ordered.concat().into() }
    }

    /// Its key.
    pub const fn key(&self) -> &RoutingKey {
        &self.key
    }

    /// Its arguments.
    pub const fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    pub(super) const fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    fn order(&self) -> (&RoutingKey, &Bytes) {
        (&self.key, &self.encoded)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Rule {}

impl PartialOrd for Rule {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rule {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Table {
    Direct(Direct),
    Fanout(Fanout),
    Topic(Topic),
    Headers(Headers),
    Hash(Hash),
}

/// The policy that applies to an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Its name.
    pub policy: PolicyName,
    /// Where it sends what no binding fits, unless the exchange says so itself.
    pub alternate: Option<ExchangeName>,
}

impl Ruling {
    /// What a policy makes of exchanges.
    pub fn of(policy: &Policy) -> Self {
        Self { policy: policy.name.clone(), alternate: policy.settings.alternate.clone() }
    }
}

/// One exchange.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    settings: Box<ExchangeSettings>,
    /// Follows from the policies of the namespace.
    ruling: Option<Box<Ruling>>,
    owner: Option<UserId>,
    created_at: Timestamp,
    bindings: BTreeMap<Target, BTreeSet<Rule>>,
    table: Table,
}

impl Exchange {
    /// An exchange without bindings.
    pub fn new(settings: ExchangeSettings, owner: Option<UserId>, created_at: Timestamp) -> Self {
        let table = match settings.kind {
            ExchangeKind::Direct => Table::Direct(Direct::default()),
            ExchangeKind::Fanout => Table::Fanout(Fanout::default()),
            ExchangeKind::Topic => Table::Topic(Topic::default()),
            ExchangeKind::Headers => Table::Headers(Headers::default()),
            ExchangeKind::ConsistentHash => Table::Hash(Hash::default()),
        };
        Self { settings: Box::new(settings), ruling: None, owner, created_at, bindings: BTreeMap::new(), table }
    }

    /// How it behaves.
    pub const fn settings(&self) -> &ExchangeSettings {
        &self.settings
    }

    /// The policy that applies to it.
    pub fn policy(&self) -> Option<&PolicyName> {
        self.ruling.as_ref().map(|ruling| &ruling.policy)
    }

    /// Puts a policy into effect.
    pub fn set_ruling(&mut self, ruling: Option<Ruling>) {
        self.ruling = ruling.map(Box::new);
    }

    /// Where messages go that no binding fits: what it was created with comes before what a policy says.
    pub fn alternate(&self) -> Option<&ExchangeName> {
        let by_policy = || self.ruling.as_ref().and_then(|ruling| ruling.alternate.as_ref());
        self.settings.alternate.as_ref().or_else(by_policy)
    }

    /// Who owns it.
    pub const fn owner(&self) -> Option<UserId> {
        self.owner
    }

    /// Lets nobody own it.
    pub const fn disown(&mut self) {
        self.owner = None;
    }

    /// When it was created.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Whether no binding leaves it.
    pub fn is_unused(&self) -> bool {
        self.bindings.is_empty()
    }

    /// The bindings that leave it, by target, key and arguments.
    pub fn rules(&self) -> impl Iterator<Item = (&Target, &Rule)> {
        self.bindings.iter().flat_map(|(target, rules)| rules.iter().map(move |rule| (target, rule)))
    }

    pub(super) fn add(&mut self, target: &Target, rule: Rule) -> Result<bool, Refusal> {
        if self.bindings.get(target).is_some_and(|rules| rules.contains(&rule)) {
            return Ok(false);
        }
        match &mut self.table {
            Table::Direct(direct) => direct.add(rule.key(), target),
            Table::Fanout(fanout) => fanout.add(target),
            Table::Topic(topic) => topic.add(rule.key(), target),
            Table::Headers(headers) => headers.add(&rule, HeaderMatch::of(rule.arguments())?, target),
            Table::Hash(hash) => hash.add(weight(rule.key())?, target)?,
        }
        self.bindings.entry(target.clone()).or_default().insert(rule);
        Ok(true)
    }

    pub(super) fn remove(&mut self, target: &Target, rule: &Rule) -> bool {
        let Some(rules) = self.bindings.get_mut(target) else { return false };
        if !rules.remove(rule) {
            return false;
        }
        if rules.is_empty() {
            self.bindings.remove(target);
        }
        self.table.remove(target, rule);
        true
    }

    pub(super) fn remove_target(&mut self, target: &Target) {
        let rules = self.bindings.remove(target).unwrap_or_default();
        rules.iter().for_each(|rule| self.table.remove(target, rule));
    }

    pub(super) fn matching(&self, subject: &Subject<'_>, found: &mut dyn FnMut(&Target)) {
        match &self.table {
            Table::Direct(direct) => direct.matching(subject, found),
            Table::Fanout(fanout) => fanout.matching(found),
            Table::Topic(topic) => topic.matching(subject, found),
            Table::Headers(headers) => headers.matching(subject, found),
            Table::Hash(hash) => hash.matching(&self.settings.hash_on, subject, found),
        }
    }
}

impl Table {
    fn remove(&mut self, target: &Target, rule: &Rule) {
        match self {
            Self::Direct(direct) => direct.remove(rule.key(), target),
            Self::Fanout(fanout) => fanout.remove(target),
            Self::Topic(topic) => topic.remove(rule.key(), target),
            Self::Headers(headers) => headers.remove(rule, target),
            Self::Hash(hash) => hash.remove(weight(rule.key()).unwrap_or_default(), target),
        }
    }
}
