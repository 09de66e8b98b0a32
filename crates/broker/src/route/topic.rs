//! Exchanges of kind topic: a message goes by the bindings whose pattern fits its key.
//!
//! Patterns share a tree of words. A key walks all fitting branches at once, word by word, as a set of places in
//! the tree: the cost is bounded by words times places, whatever patterns there are, and `#` cannot make it grow
//! beyond that. Invariant: a node but the root has a pattern that ends in it or below it.

use std::collections::{BTreeMap, BTreeSet};

use model::binding::RoutingKey;

use super::Target;
use super::subject::Subject;
use super::targets::Targets;

/// A place in the tree.
type Place = usize;

const ROOT: Place = 0;

#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    words: BTreeMap<Box<str>, Place>,
    targets: Targets,
}

/// The patterns as a tree; `*` and `#` are words of it like any other.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    nodes: Vec<Node>,
    free: Vec<Place>,
}

impl Default for Topic {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], free: Vec::new() }
    }
}

impl Topic {
    pub(super) fn add(&mut self, pattern: &RoutingKey, target: &Target) {
        let mut at = ROOT;
        for word in words(pattern.as_str()) {
            at = match self.nodes[at].words.get(word) {
                Some(next) => *next,
                None => self.grow(at, word),
            };
        }
        self.nodes[at].targets.add(target);
    }

    fn grow(&mut self, at: Place, word: &str) -> Place {
        let next = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len() - 1
        });
        self.nodes[at].words.insert(word.into(), next);
        next
    }

    pub(super) fn remove(&mut self, pattern: &RoutingKey, target: &Target) {
        let mut path = Vec::new();
        let mut at = ROOT;
        for word in words(pattern.as_str()) {
            path.push((at, word));
            let Some(next) = self.nodes[at].words.get(word) else { return };
            at = *next;
        }
        self.nodes[at].targets.remove(target);
        while let Some((parent, word)) = path.pop() {
            if !self.nodes[at].words.is_empty() || !self.nodes[at].targets.is_empty() {
                return;
            }
            self.nodes[parent].words.remove(word);
            self.free.push(at);
            at = parent;
        }
    }

    pub(super) fn matching(&self, subject: &Subject<'_>, found: &mut dyn FnMut(&Target)) {
        subject.keys().for_each(|key| self.walk(key, found));
    }

    fn walk(&self, key: &str, found: &mut dyn FnMut(&Target)) {
        // Whether a place was reached by `#`, which goes on taking words.
        let mut places: BTreeSet<(Place, bool)> = BTreeSet::new();
        self.reach(ROOT, false, &mut places);
        for word in words(key) {
            let mut next = BTreeSet::new();
            for (at, goes_on) in places {
                if goes_on {
                    self.reach(at, true, &mut next);
                }
                for step in [word, "*"] {
                    // `#` in a key is a word like any other, but the tree's own `#` is a rule.
                    let step = self.nodes[at].words.get(step).filter(|_| step != "#");
                    if let Some(to) = step {
                        self.reach(*to, false, &mut next);
                    }
                    if word == "*" {
                        break;
                    }
                }
            }
            if next.is_empty() {
                return;
            }
            places = next;
        }
        places.into_iter().for_each(|(at, _)| self.nodes[at].targets.each(found));
    }

    /// Adds a place, and those behind any number of `#`, which may stand for no word.
    fn reach(&self, at: Place, goes_on: bool, places: &mut BTreeSet<(Place, bool)>) {
        let mut next = Some((at, goes_on));
        while let Some(place) = next.filter(|place| places.insert(*place)) {
            next = self.nodes[place.0].words.get("#").map(|to| (*to, true));
        }
    }
}

impl PartialEq for Topic {
    /// Equal patterns; where their nodes lie is nobody's business.
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = vec![(ROOT, ROOT)];
        while let Some((one, two)) = pairs.pop() {
            let (one, two) = (&self.nodes[one], &other.nodes[two]);
            if one.targets != two.targets || !one.words.keys().eq(two.words.keys()) {
                return false;
            }
            pairs.extend(one.words.values().copied().zip(two.words.values().copied()));
        }
        true
    }
}

/// The words of a key; the empty key has none.
fn words(key: &str) -> impl Iterator<Item = &str> {
    let none = key.is_empty();
    key.split('.').filter(move |_| !none)
}
