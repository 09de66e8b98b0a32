//! Exchanges that spread by hash: a message goes by one binding, the same for the same hash.
//!
//! Each binding has points on a ring, a number of them for each unit of its weight; a message goes to the next point
//! after its own hash. A binding that comes or goes moves only what lies before its own points.
//! Invariant: points follow from the bindings alone, so every replica has the same.

use std::collections::BTreeMap;
use std::hash::Hasher;

use model::binding::RoutingKey;
use model::exchange::HashOn;
use model::limits::BINDING_WEIGHT_MAX;
use model::refusal::Refusal;
use siphasher::sip::SipHasher24;

use super::Target;
use super::subject::Subject;
use super::targets::Targets;
use crate::limits::{HASH_POINTS_MAX, HASH_POINTS_PER_WEIGHT};

/// The ring.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hash(BTreeMap<u64, Targets>);

/// The weight that a binding's key names.
pub(super) fn weight(key: &RoutingKey) -> Result<u32, Refusal> {
    let weight = key.as_str().parse::<u32>().ok().filter(|weight| (1..=BINDING_WEIGHT_MAX).contains(weight));
    weight.ok_or_else(|| Refusal::invalid("routing_key", "here it is the weight of the binding: 1 to 1000"))
}

fn points(target: &Target, weight: u32) -> impl Iterator<Item = u64> {
    let seed = match target {
        Target::Queue(id) => format!("queue {id}"),
        Target::Topic(id) => format!("topic {id}"),
        Target::Exchange(name) => format!("exchange {name}"),
    };
    (0..weight.saturating_mul(HASH_POINTS_PER_WEIGHT)).map(move |number| {
        let mut hasher = SipHasher24::new();
        hasher.write(seed.as_bytes());
        hasher.write(&number.to_le_bytes());
        hasher.finish()
    })
}

impl Hash {
    pub(super) fn add(&mut self, weight: u32, target: &Target) -> Result<(), Refusal> {
        let more = usize::try_from(weight.saturating_mul(HASH_POINTS_PER_WEIGHT)).unwrap_or(usize::MAX);
        if self.0.len().saturating_add(more) > HASH_POINTS_MAX {
            let limit = u64::try_from(HASH_POINTS_MAX).unwrap_or(u64::MAX) / u64::from(HASH_POINTS_PER_WEIGHT);
            return Err(Refusal::LimitReached { what: "weight of all bindings of one exchange", limit });
        }
        points(target, weight).for_each(|point| self.0.entry(point).or_default().add(target));
        Ok(())
    }

    pub(super) fn remove(&mut self, weight: u32, target: &Target) {
        for point in points(target, weight) {
            let Some(targets) = self.0.get_mut(&point) else { continue };
            targets.remove(target);
            if targets.is_empty() {
                self.0.remove(&point);
            }
        }
    }

    pub(super) fn matching(&self, on: &HashOn, subject: &Subject<'_>, found: &mut dyn FnMut(&Target)) {
        let point = subject.hash(on);
        let next = self.0.range(point..).next().or_else(|| self.0.first_key_value());
        let Some((_, targets)) = next else { return };
        // Two bindings may share a point: the first of them has it.
        let mut first = None;
        targets.each(&mut |target| {
            first.get_or_insert_with(|| target.clone());
        });
        first.iter().for_each(found);
    }
}
