//! What policies make of queues: at once, later, after a restart, and when they are gone again.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test that meets the impossible stops there")]

use broker::Machine;
use broker::command::{Action, Batch, Command, Principal};
use broker::machine::Answer;
use broker::outcome::Outcome;
use model::Refusal;
use model::limits::POLICIES_PER_NAMESPACE_MAX;
use model::name::{NamespaceName, PolicyName, QueueName, QueueRef};
use model::number::{LogIndex, Timestamp};
use model::operation::{Request, Response};
use model::policy::{DeletePolicy, Policy, PolicySettings, PolicyTarget, SetPolicy};
use model::queue::{AlterQueue, CreateQueue, DescribeQueue, QueueDescription, QueuePatch, QueueSettings};

struct World {
    machine: Machine,
    index: u64,
}

impl World {
    fn new() -> Self {
        Self { machine: Machine::new(), index: 0 }
    }

    fn act(&mut self, action: Action) -> Result<Outcome, Refusal> {
        self.index += 1;
        let batch =
            Batch { now: Timestamp::new(self.index), commands: vec![Command { principal: Principal::System, action }] };
        let mut effects = Vec::new();
        let outcomes = self.machine.apply(LogIndex::new(self.index), LogIndex::new(1), &batch, &mut effects);
        let restored = Machine::restore(
            &self.machine.sections().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect::<Vec<_>>(),
        )
        .unwrap();
        assert_eq!(restored.state_hash(), self.machine.state_hash());
        // Everything that is looked at from here on is looked at in a machine that was restored.
        self.machine = restored;
        outcomes.into_iter().next().unwrap()
    }

    fn create(&mut self, name: &str, settings: QueueSettings) -> bool {
        let outcome = self.act(Action::CreateQueue(CreateQueue { queue: queue(name), settings })).unwrap();
        match outcome {
            Outcome::Response(response) => match *response {
                Response::CreateQueue(created) => created.created,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn set(&mut self, policy: Policy) -> Result<(), Refusal> {
        self.act(Action::SetPolicy(SetPolicy { policy })).map(drop)
    }

    fn described(&self, name: &str) -> QueueDescription {
        let request = Request::DescribeQueue(DescribeQueue { queue: queue(name) });
        match self.machine.read(&Principal::System, &request).unwrap() {
            Answer::Response(response) => match *response {
                Response::DescribeQueue(description) => description,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// The bound in effect, and the policy that it comes from.
    fn bound(&self, name: &str) -> (Option<u64>, Option<String>) {
        let description = self.described(name);
        let policy = description.policy.as_ref().map(|policy| policy.name.to_string());
        (description.effective().max_messages, policy)
    }
}

fn queue(name: &str) -> QueueRef {
    QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name).unwrap() }
}

fn policy(name: &str, pattern: &str, most: u64) -> Policy {
    Policy {
        namespace: NamespaceName::default(),
        name: PolicyName::parse(name).unwrap(),
        pattern: pattern.to_owned(),
        target: PolicyTarget::Queues,
        priority: 0,
        settings: PolicySettings { max_messages: Some(most), ..PolicySettings::default() },
    }
}

fn bounded(most: u64) -> QueueSettings {
    QueueSettings { max_messages: Some(most), ..QueueSettings::default() }
}

#[test]
fn a_policy_applies_at_once_and_later_and_no_longer_than_it_is_there() {
    let mut world = World::new();
    world.create("orders", QueueSettings::default());
    world.set(policy("bounds", "^o", 10)).unwrap();
    assert_eq!(world.bound("orders"), (Some(10), Some("bounds".to_owned())));
    world.create("other", bounded(5));
    world.create("bills", QueueSettings::default());
    assert_eq!(world.bound("other"), (Some(5), Some("bounds".to_owned())));
    assert_eq!(world.bound("bills"), (None, None));
    world.set(policy("bounds", "^b", 3)).unwrap();
    assert_eq!((world.bound("orders"), world.bound("bills").0), ((None, None), Some(3)));
    let name = PolicyName::parse("bounds").unwrap();
    let gone = || Action::DeletePolicy(DeletePolicy { namespace: NamespaceName::default(), name: name.clone() });
    world.act(gone()).unwrap();
    world.act(gone()).unwrap();
    assert_eq!(world.bound("bills"), (None, None));
}

#[test]
fn what_a_queue_was_made_with_stays_what_it_is_compared_with_and_altered_from() {
    let mut world = World::new();
    world.set(policy("bounds", "", 10)).unwrap();
    assert!(world.create("orders", QueueSettings::default()));
    assert!(!world.create("orders", QueueSettings::default()));
    let differs = world.act(Action::CreateQueue(CreateQueue { queue: queue("orders"), settings: bounded(10) }));
    assert!(matches!(differs, Err(Refusal::QueueExists { .. })), "{differs:?}");
    let patch = QueuePatch { max_messages: Some(Some(20)), ..QueuePatch::default() };
    world.act(Action::AlterQueue(AlterQueue { queue: queue("orders"), patch })).unwrap();
    assert_eq!(world.described("orders").settings.max_messages, Some(20));
    assert_eq!(world.bound("orders").0, Some(10));
    let patch = QueuePatch { max_messages: Some(Some(4)), ..QueuePatch::default() };
    world.act(Action::AlterQueue(AlterQueue { queue: queue("orders"), patch })).unwrap();
    assert_eq!(world.bound("orders").0, Some(4));
}

#[test]
fn a_namespace_has_so_many_policies_and_no_more() {
    let mut machine = Machine::new();
    let many = (0..POLICIES_PER_NAMESPACE_MAX).map(|number| policy(&format!("p{number}"), "^x", 1));
    let commands =
        many.map(|policy| Command { principal: Principal::System, action: Action::SetPolicy(SetPolicy { policy }) });
    let batch = Batch { now: Timestamp::new(1), commands: commands.collect() };
    let mut effects = Vec::new();
    assert!(machine.apply(LogIndex::new(1), LogIndex::new(1), &batch, &mut effects).iter().all(Result::is_ok));
    let mut world = World { machine, index: 1 };
    assert!(matches!(world.set(policy("more", "^x", 1)), Err(Refusal::LimitReached { .. })));
    assert_eq!(world.set(policy("p0", "^y", 1)), Ok(()), "one that is there can be set again");
    assert!(matches!(world.set(policy("p0", "(", 1)), Err(Refusal::ArgumentInvalid { .. })));
}

#[test]
fn a_state_from_before_there_were_policies_is_read() {
    let mut world = World::new();
    world.create("orders", bounded(3));
    let sections = world.machine.sections().into_iter().filter(|(name, _)| *name != "policies");
    let old: Vec<_> = sections
        .map(|(name, bytes)| {
            let mut bytes = bytes.to_vec();
            bytes[0] = 2;
            (name.to_owned(), bytes.into())
        })
        .collect();
    world.machine = Machine::restore(&old).unwrap();
    assert_eq!(world.bound("orders"), (Some(3), None));
}
