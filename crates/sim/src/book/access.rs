//! Rights in the reference: one user, the guest, has no role and publishes only where it was granted.
//! Invariant: a deny beats an allow.
//! Called by `Book::perform`; asked by `check::errors`.

use broker::outcome::Outcome;
use model::access::{Effect, Grant, NamePattern, RemoveGrant};
use model::operation::Response;

use super::Book;

impl Book {
    pub(super) fn create_user(&mut self, outcome: &Outcome) {
        if let Outcome::Response(response) = outcome
            && let Response::CreateUser(user) = &**response
        {
            self.guest = Some(user.id);
        }
    }

    pub(super) fn add_grant(&mut self, grant: &Grant) {
        let NamePattern::Literal(name) = &grant.resource.name else { return };
        let entry = self.grants.entry(name.clone()).or_default();
        match grant.effect {
            Effect::Allow => entry.0 = true,
            Effect::Deny => entry.1 = true,
        }
    }

    pub(super) fn remove_grant(&mut self, request: &RemoveGrant) {
        let NamePattern::Literal(name) = &request.resource.name else { return };
        let entry = self.grants.entry(name.clone()).or_default();
        match request.effect {
            Effect::Allow => entry.0 = false,
            Effect::Deny => entry.1 = false,
        }
    }

    /// Whether the guest may publish to a queue.
    #[must_use]
    pub fn guest_may(&self, queue: &str) -> bool {
        self.grants.get(queue).is_some_and(|(allowed, denied)| *allowed && !denied)
    }
}
