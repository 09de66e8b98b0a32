//! The targets that equal rules lead to; two bindings that differ only in what the exchange does not look at are
//! counted, so that one of them may go.

use std::collections::BTreeMap;

use super::Target;

/// Targets with the number of bindings to each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Targets(BTreeMap<Target, u32>);

impl Targets {
    pub(super) fn add(&mut self, target: &Target) {
        *self.0.entry(target.clone()).or_default() += 1;
    }

    /// Takes one binding out.
    pub(super) fn remove(&mut self, target: &Target) {
        if let Some(count) = self.0.get_mut(target) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(target);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn each(&self, found: &mut dyn FnMut(&Target)) {
        self.0.keys().for_each(found);
    }
}
