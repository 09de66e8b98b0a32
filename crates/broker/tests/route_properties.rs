//! Routing against a plain matcher: whatever is bound and unbound, a message goes exactly where the rules say when
//! each of them is read for itself.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::{BTreeMap, BTreeSet};

use broker::route::{Exchange, Exchanges, Pace, Rule, Shore, Subject, Target};
use model::binding::RoutingKey;
use model::exchange::{ExchangeKind, ExchangeSettings};
use model::header::{HeaderValue, Headers};
use model::name::ExchangeName;
use model::number::{QueueId, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

/// A binding of the test: from an exchange to a queue or another exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    source: usize,
    target: Result<u64, usize>,
    key: String,
    headers: Vec<(String, i64)>,
}

#[derive(Clone, Debug)]
enum Step {
    Bind(Bound),
    Unbind(usize),
    Publish { exchange: usize, key: String, headers: Vec<(String, i64)> },
    DeleteQueue(u64),
}

const KINDS: [ExchangeKind; 4] =
    [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic, ExchangeKind::Headers];

fn key() -> impl Strategy<Value = String> {
    vec(prop::sample::select(&["a", "b", "", "*", "#"][..]), 0..5).prop_map(|words| words.join("."))
}

fn headers() -> impl Strategy<Value = Vec<(String, i64)>> {
    vec((prop::sample::select(&["x", "y", "z"][..]).prop_map(str::to_owned), 0_i64..2), 0..3)
}

fn bound() -> impl Strategy<Value = Bound> {
    let target = prop_oneof![(0_u64..4).prop_map(Ok), (0_usize..4).prop_map(Err)];
    (0_usize..4, target, key(), headers()).prop_map(|(source, target, key, headers)| Bound {
        source,
        target,
        key,
        headers,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => bound().prop_map(Step::Bind),
        1 => (0_usize..20).prop_map(Step::Unbind),
        4 => (0_usize..4, key(), headers())
            .prop_map(|(exchange, key, headers)| Step::Publish { exchange, key, headers }),
        1 => (0_u64..4).prop_map(Step::DeleteQueue),
    ]
}

fn name(exchange: usize) -> ExchangeName {
    ExchangeName::parse(&format!("e{exchange}")).unwrap()
}

fn table(headers: &[(String, i64)]) -> Headers {
    headers.iter().map(|(name, value)| (name.clone(), HeaderValue::Integer(*value))).collect()
}

impl Bound {
    fn parts(&self) -> (ExchangeName, Target, Rule) {
        let target = match self.target {
            Ok(queue) => Target::Queue(QueueId::new(queue)),
            Err(exchange) => Target::Exchange(name(exchange)),
        };
        let rule = Rule::new(RoutingKey::parse(&self.key).unwrap(), table(&self.headers));
        (name(self.source), target, rule)
    }

    /// The rule, read by itself.
    fn fits(&self, key: &str, headers: &[(String, i64)]) -> bool {
        match KINDS[self.source] {
            ExchangeKind::Direct => self.key == key,
            ExchangeKind::Fanout => true,
            ExchangeKind::Topic => pattern(&words(&self.key), &words(key)),
            ExchangeKind::Headers => self.headers.iter().all(|(name, wanted)| {
                headers.iter().find(|(known, _)| known == name).is_some_and(|(_, value)| value == wanted)
            }),
            ExchangeKind::ConsistentHash => unreachable!("not among the kinds of this test"),
        }
    }
}

fn words(key: &str) -> Vec<&str> {
    if key.is_empty() { Vec::new() } else { key.split('.').collect() }
}

fn pattern(pattern_words: &[&str], key: &[&str]) -> bool {
    match (pattern_words, key) {
        ([], key) => key.is_empty(),
        (["#", rest @ ..], key) => (0..=key.len()).any(|taken| pattern(rest, &key[taken..])),
        ([_, ..], []) => false,
        ([wanted, rest @ ..], [word, behind @ ..]) => (*wanted == "*" || wanted == word) && pattern(rest, behind),
    }
}

/// Everything reached from an exchange, each asked once.
fn expected(bindings: &[Bound], start: usize, key: &str, headers: &[(String, i64)]) -> BTreeSet<u64> {
    let (mut queues, mut asked, mut ahead) = (BTreeSet::new(), BTreeSet::new(), vec![start]);
    while let Some(exchange) = ahead.pop() {
        if !asked.insert(exchange) {
            continue;
        }
        for bound in bindings.iter().filter(|bound| bound.source == exchange && bound.fits(key, headers)) {
            match bound.target {
                Ok(queue) => {
                    queues.insert(queue);
                }
                Err(exchange) => ahead.push(exchange),
            }
        }
    }
    queues
}

fn same(one: &Bound, other: &Bound) -> bool {
    let ordered = |bound: &Bound| {
        let mut headers = bound.headers.clone();
        headers.sort();
        headers
    };
    (one.source, &one.target, &one.key, ordered(one)) == (other.source, &other.target, &other.key, ordered(other))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_goes_where_the_rules_say(steps in vec(step(), 1..60)) {
        let mut exchanges = Exchanges::default();
        for (at, kind) in KINDS.into_iter().enumerate() {
            exchanges.insert(name(at), Exchange::new(ExchangeSettings::of(kind), None, Timestamp::new(0)));
        }
        let mut bindings: Vec<Bound> = Vec::new();
        for step in steps {
            match step {
                Step::Bind(bound) => {
                    let (source, target, rule) = bound.parts();
                    let is_new = !bindings.iter().any(|known| same(known, &bound));
                    prop_assert_eq!(exchanges.bind(&source, &target, rule).unwrap(), is_new);
                    if is_new {
                        bindings.push(bound);
                    }
                }
                Step::Unbind(at) if !bindings.is_empty() => {
                    let (source, target, rule) = bindings.remove(at % bindings.len()).parts();
                    prop_assert!(exchanges.unbind(&source, &target, &rule));
                    prop_assert!(!exchanges.unbind(&source, &target, &rule));
                }
                Step::Unbind(_) => {}
                Step::DeleteQueue(queue) => {
                    exchanges.remove_target(&Target::Queue(QueueId::new(queue)));
                    bindings.retain(|bound| bound.target != Ok(queue));
                }
                Step::Publish { exchange, key, headers } => {
                    let keys = [RoutingKey::parse(&key).unwrap()];
                    let given = table(&headers);
                    let shores = exchanges.route(&name(exchange), &Subject::remembered(&keys, &given), &|_| None);
                    let wanted = expected(&bindings, exchange, &key, &headers);
                    let wanted: BTreeMap<_, _> =
                        wanted.into_iter().map(|queue| (Shore::Queue(QueueId::new(queue)), Pace::AtOnce)).collect();
                    prop_assert_eq!(shores, wanted, "{:?} by {:?} with {:?} among {:?}", exchange, key, headers, bindings);
                }
            }
            prop_assert_eq!(exchanges.binding_count(), u64::try_from(bindings.len()).unwrap());
        }
    }
}

/// Many `#` in many patterns do not make a key expensive: this ends at once, or never.
#[test]
fn patterns_cannot_be_made_to_explode() {
    let mut exchanges = Exchanges::default();
    let topic = ExchangeName::parse("amq.topic").unwrap();
    for number in 0..10_000_u64 {
        let pattern = if number < 60 { vec!["#.a"; 60].join(".") } else { format!("eu.*.{number}.#") };
        let rule = Rule::new(RoutingKey::parse(&pattern).unwrap(), Headers::new());
        exchanges.bind(&topic, &Target::Queue(QueueId::new(number)), rule).unwrap();
    }
    let long = RoutingKey::parse(&vec!["a"; 127].join(".")).unwrap();
    let keys = [long, RoutingKey::parse("eu.paris.777.late").unwrap()];
    let no_headers = Headers::new();
    let shores = exchanges.route(&topic, &Subject::remembered(&keys, &no_headers), &|_| None);
    assert_eq!(shores.len(), 61);
}
