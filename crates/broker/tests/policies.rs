//! What policies make of queues: at once, later, after a restart, and when they are gone again.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test that meets the impossible stops there")]

use broker::Machine;
use broker::command::{Action, Batch, Command, Principal, RoutedRecord, Usage};
use broker::machine::Answer;
use broker::outcome::Outcome;
use broker::place::SourceId;
use broker::record;
use broker::wire::Writer;
use model::Refusal;
use model::binding::{Bind, Binding, Destination, RoutingKey, Unroutable};
use model::exchange::{CreateExchange, DescribeExchange, ExchangeKind, ExchangeSettings};
use model::limits::POLICIES_PER_NAMESPACE_MAX;
use model::message::{MessageId, NewMessage};
use model::name::{ExchangeName, ExchangeRef, NamespaceName, PolicyName, QueueName, QueueRef};
use model::number::{LogIndex, Span, Timestamp};
use model::operation::{Request, Response};
use model::policy::{DeletePolicy, Policy, PolicySettings, PolicyTarget, SetPolicy};
use model::properties::Routed;
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

    fn route(&mut self, name: &str) {
        let message = NewMessage::new("body".to_owned());
        let exchange = exchange(name);
        let way = Routed { exchange: exchange.name.clone(), routing_key: RoutingKey::parse("a.b").unwrap() };
        let mut writer = Writer::new();
        record::write(&mut writer, &message, &MessageId::parse("made").unwrap(), "ann", Some(&way));
        let record =
            RoutedRecord { keys: vec![way.routing_key], unroutable: Unroutable::Drop, record: writer.finish() };
        self.act(Action::PublishExchange { exchange, records: vec![record] }).unwrap();
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

fn exchange(name: &str) -> ExchangeRef {
    ExchangeRef { namespace: NamespaceName::default(), name: ExchangeName::parse(name).unwrap() }
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

#[test]
fn a_policy_makes_queues_expire_that_nobody_uses_from_then_on() {
    let mut world = World::new();
    world.create("used", QueueSettings::default());
    world.create("unused", QueueSettings::default());
    world.index = 1_000_000;
    let settings = PolicySettings { expires: Some(Span::new(1000)), ..PolicySettings::default() };
    world.set(Policy { settings, ..policy("short", "used$", 1) }).unwrap();
    let [used, unused] = ["used", "unused"].map(|name| world.described(name));
    assert_eq!((used.effective().expires, used.settings.expires), (Some(Span::new(1000)), None));
    assert!(world.machine.notes_use(used.id) && world.machine.notes_use(unused.id));
    let epoch = world.machine.epoch();
    world.act(Action::NoteUse { queue: used.id, epoch, usage: Usage::Consumed }).unwrap();
    let there = |world: &mut World, at: u64| {
        world.index = at;
        world.act(Action::Tick).unwrap();
        [used.id, unused.id].map(|id| world.machine.has_source(SourceId::Queue(id)))
    };
    // Whether somebody consumed before is not known at first: there is a while to say so.
    assert_eq!(there(&mut world, 1_059_000), [true, true]);
    assert_eq!(there(&mut world, 1_060_001), [true, false]);
    world.act(Action::NoteUse { queue: used.id, epoch, usage: Usage::Left }).unwrap();
    assert_eq!(there(&mut world, 1_061_500), [false, false]);
}

#[test]
fn a_policy_gives_exchanges_an_alternate_unless_they_have_one() {
    let mut world = World::new();
    let create = |name: &str, alternate: Option<&str>| {
        let alternate = alternate.map(|name| ExchangeName::parse(name).unwrap());
        let settings = ExchangeSettings { alternate, ..ExchangeSettings::of(ExchangeKind::Topic) };
        Action::CreateExchange(CreateExchange { exchange: exchange(name), settings })
    };
    world.act(create("events", None)).unwrap();
    world.create("rest", QueueSettings::default());
    let destination = Destination::Queue(QueueName::parse("rest").unwrap());
    let bind = |source: &str| {
        let (routing_key, arguments) = (RoutingKey::parse("").unwrap(), Vec::new());
        let source = exchange(source);
        Action::Bind(Bind { binding: Binding { source, destination: destination.clone(), routing_key, arguments } })
    };
    world.act(bind("amq.fanout")).unwrap();
    let settings = PolicySettings { alternate: ExchangeName::parse("amq.fanout").ok(), ..PolicySettings::default() };
    world
        .set(Policy { target: PolicyTarget::Exchanges, settings, ..policy("catch", "^(events|own|later)$", 1) })
        .unwrap();
    world.act(create("own", Some("amq.direct"))).unwrap();
    world.act(create("later", None)).unwrap();
    world.act(create("other", None)).unwrap();
    let reaches = |world: &World, name: &str| {
        let ask = Request::DescribeExchange(DescribeExchange { exchange: exchange(name) });
        let Answer::Response(response) = world.machine.read(&Principal::System, &ask).unwrap() else {
            panic!("{name}")
        };
        let Response::DescribeExchange(described) = *response else { panic!("{name}") };
        described.policy.map(|name| name.to_string())
    };
    let by = Some("catch".to_owned());
    for (name, policy, ready) in [("events", &by, 1), ("own", &by, 1), ("later", &by, 2), ("other", &None, 2)] {
        assert_eq!(&reaches(&world, name), policy, "{name}");
        world.route(name);
        assert_eq!(world.described("rest").counts.ready, ready, "{name}");
    }
    assert_eq!(world.bound("rest"), (None, None), "a policy of exchanges is for no queue");
}
