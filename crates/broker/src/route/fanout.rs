//! Exchanges of kind fanout: a message goes by every binding.

use super::Target;
use super::targets::Targets;

/// The targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fanout(Targets);

impl Fanout {
    pub(super) fn add(&mut self, target: &Target) {
        self.0.add(target);
    }

    pub(super) fn remove(&mut self, target: &Target) {
        self.0.remove(target);
    }

    pub(super) fn matching(&self, found: &mut dyn FnMut(&Target)) {
        self.0.each(found);
    }
}
