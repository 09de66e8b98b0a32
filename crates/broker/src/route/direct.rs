//! Exchanges of kind direct: a message goes by the bindings with its key.

use std::collections::BTreeMap;

use model::binding::RoutingKey;

use super::Target;
use super::subject::Subject;
use super::targets::Targets;

/// The targets of each key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Direct(BTreeMap<RoutingKey, Targets>);

impl Direct {
    pub(super) fn add(&mut self, key: &RoutingKey, target: &Target) {
        self.0.entry(key.clone()).or_default().add(target);
    }

    pub(super) fn remove(&mut self, key: &RoutingKey, target: &Target) {
        let Some(targets) = self.0.get_mut(key) else { return };
        targets.remove(target);
        if targets.is_empty() {
            self.0.remove(key);
        }
    }

    pub(super) fn matching(&self, subject: &Subject<'_>, found: &mut dyn FnMut(&Target)) {
        for key in subject.keys() {
            if let Some(targets) = self.0.get(key) {
                targets.each(found);
            }
        }
    }
}
