//! Policies: set, taken away, and what they make of queues and exchanges.
//!
//! A queue keeps the settings that it was made with; the settings in effect follow from those and from the policies of its
//! namespace, and are made anew whenever either changes. They are in no checkpoint.
//! Invariant: the settings of an entry are those in effect.

use model::access::Right;
use model::limits::POLICIES_PER_NAMESPACE_MAX;
use model::name::NamespaceName;
use model::number::QueueId;
use model::operation::Response;
use model::policy::{DeletePolicy, ListPolicies, Policies, Policy, SetPolicy};
use model::refusal::Refusal;
use model::subscription::Done;

use super::Machine;
use super::entry::Ruled;
use crate::codec::Wire;
use crate::command::Principal;
use crate::effect::Effect;
use crate::outcome::Outcome;
use crate::place::SourceId;
use crate::policy::{Compiled, applying, applying_to_exchange};
use crate::queue::Rules;
use crate::route::Ruling;
use crate::wire::{Reader, WireError, Writer};

impl Machine {
    pub(super) fn set_policy(
        &mut self,
        by: &Principal,
        request: &SetPolicy,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        self.access.demand_broker(by, Right::Administer)?;
        let policy = &request.policy;
        let there = &self.namespace(&policy.namespace)?.policies;
        let is_new = !there.contains_key(&policy.name);
        if is_new && u64::try_from(there.len()).is_ok_and(|count| count >= POLICIES_PER_NAMESPACE_MAX) {
            return Err(Refusal::LimitReached { what: "policies in a namespace", limit: POLICIES_PER_NAMESPACE_MAX });
        }
        policy.check()?;
        let compiled = Compiled::new(policy.clone())?;
        let namespace = self.namespaces.get_mut(&policy.namespace).expect("the namespace was found above");
        namespace.policies.insert(policy.name.clone(), compiled);
        self.rule_all(&policy.namespace, effects);
        Ok(Outcome::response(Response::SetPolicy(Done)))
    }

    pub(super) fn delete_policy(
        &mut self,
        by: &Principal,
        request: &DeletePolicy,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        self.access.demand_broker(by, Right::Administer)?;
        self.namespace(&request.namespace)?;
        let namespace = self.namespaces.get_mut(&request.namespace).expect("the namespace was found above");
        if namespace.policies.remove(&request.name).is_some() {
            self.rule_all(&request.namespace, effects);
        }
        Ok(Outcome::response(Response::DeletePolicy(Done)))
    }

    pub(super) fn list_policies(&self, by: &Principal, request: &ListPolicies) -> Result<Policies, Refusal> {
        self.access.user_of(by)?;
        let namespace = self.namespace(&request.namespace)?;
        Ok(Policies { policies: namespace.policies.values().map(|one| one.policy().clone()).collect() })
    }

    /// Looks at every queue of a namespace again.
    fn rule_all(&mut self, namespace: &NamespaceName, effects: &mut Vec<Effect>) {
        let ids: Vec<QueueId> = self.namespaces[namespace].queues.values().copied().collect();
        for id in ids {
            let before = self.queues[&id].ends();
            if self.rule(id) {
                self.attend(id, before, effects);
                effects.push(Effect::Wake(SourceId::Queue(id)));
            }
        }
        self.rule_exchanges(namespace);
    }

    /// Looks at every exchange of a namespace again.
    pub(super) fn rule_exchanges(&mut self, namespace: &NamespaceName) {
        let namespace = self.namespaces.get_mut(namespace).expect("the namespace was looked up before");
        let policies = &namespace.policies;
        namespace.exchanges.rule(|name| applying_to_exchange(policies, name.as_str()).map(Ruling::of));
    }

    /// Puts the settings of a queue into effect, with the policy that applies to it; says whether anything changed.
    pub(super) fn rule(&mut self, id: QueueId) -> bool {
        if !self.find_rule(id) {
            return false;
        }
        let entry = self.queues.get_mut(&id).expect("the queue was found before");
        entry.core.set_rules(Rules::from(&entry.settings));
        self.reschedule_queue(id);
        true
    }

    /// Finds the policy that applies to a queue and makes its settings; says whether they or the policy are others now.
    pub(super) fn find_rule(&mut self, id: QueueId) -> bool {
        let entry = &self.queues[&id];
        let own = entry.own();
        let policies = &self.namespaces[&entry.queue.namespace].policies;
        let found = applying(policies, entry.queue.name.as_str(), own);
        let settings = found.map_or_else(|| own.clone(), |policy| policy.settings.over(own));
        let ruled = found.map(|policy| Box::new(Ruled { policy: policy.name.clone(), own: own.clone() }));
        let entry = self.queues.get_mut(&id).expect("the queue was found above");
        let changed = entry.settings != settings || entry.ruled != ruled;
        (entry.settings, entry.ruled) = (settings, ruled);
        changed
    }

    pub(super) fn write_policies(&self, writer: &mut Writer) {
        let all = self.namespaces.values().flat_map(|namespace| namespace.policies.values());
        all.map(|one| one.policy().clone()).collect::<Vec<_>>().write(writer);
    }

    pub(super) fn read_policies(&mut self, reader: &mut Reader) -> Result<(), WireError> {
        for policy in Vec::<Policy>::read(reader)? {
            let compiled = Compiled::new(policy.clone()).map_err(|_| reader.error("a pattern that is none"))?;
            let namespace = self.namespaces.get_mut(&policy.namespace);
            let namespace = namespace.ok_or_else(|| reader.error("a policy of no namespace"))?;
            namespace.policies.insert(policy.name, compiled);
        }
        Ok(())
    }
}
