//! Every page with hostile text wherever text can stand: nothing of it may become markup.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use bytes::Bytes;
use maud::Markup;
use model::access::{
    Effect, Grant, Grants, NamePattern, NewToken, ResourceKind, ResourcePattern, Rights, Role, Scope, TokenDescription,
    TokenKind, Tokens, UserDescription,
};
use model::message::{
    DeadLetter, DeadLetterReason, HeaderValue, Message, MessageId, MessagePlace, MessageState, Peeked,
};
use model::name::{
    MemberName, NamespaceName, QueueName, QueueRef, SubscriptionName, SubscriptionRef, TopicName, TopicRef, UserName,
};
use model::node::{NodeDescription, Readiness};
use model::number::{
    Attempt, ByteSize, Generation, Offset, Partition, Priority, QueueId, Sequence, Span, SubscriptionId, Timestamp,
    TokenId, TopicId, UserId,
};
use model::page::Page;
use model::queue::{Durability, PeekedMessages, QueueCounts, QueueDescription, QueueSettings, Totals};
use model::subscription::{PartitionProgress, SubscriptionDescription, SubscriptionKind, SubscriptionSettings};
use model::topic::{PartitionExtent, Records, StartAt, TopicDescription, TopicSettings};
use model::{Code, Refusal, Secret};

use super::page::{Frame, Tab, Turned, notice_of};
use super::topic::Look;
use super::{login, overview, queue, queues, subscription, tokens, topic, topics, users};
use crate::translate::problem::Problem;

const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;{{x}}";
/// The worst that the grammar of names allows, in the kind that allows most.
const NAME: &str = "$a/b:c@d+e=f~g, h";

fn frame() -> Frame {
    Frame {
        user: HOSTILE.to_owned(),
        namespace: NamespaceName::parse("$n:@+=~,").unwrap(),
        form: "token of this session".to_owned(),
        site: format!("http://{HOSTILE}"),
        insecure: true,
        htmx: false,
    }
}

fn queue_ref() -> QueueRef {
    QueueRef { namespace: frame().namespace, name: QueueName::parse(NAME).unwrap() }
}

fn topic_ref() -> TopicRef {
    TopicRef { namespace: frame().namespace, name: TopicName::parse(NAME).unwrap() }
}

fn message() -> Message {
    Message {
        id: MessageId::parse(&HOSTILE[..60]).unwrap(),
        body: Bytes::from_static(HOSTILE.as_bytes()),
        headers: vec![(HOSTILE.to_owned(), HeaderValue::Text(HOSTILE.to_owned()))],
        content_type: Some(HOSTILE.to_owned()),
        key: Some(Bytes::from_static(HOSTILE.as_bytes())),
        priority: Priority::new(9),
        published_at: Timestamp::new(0),
        expires_at: None,
        sender: HOSTILE.into(),
        ttl: None,
        properties: None,
        routed: None,
    }
}

fn letter() -> DeadLetter {
    DeadLetter {
        reason: DeadLetterReason::Rejected,
        origin: HOSTILE.to_owned(),
        attempts: Attempt::new(3),
        count: 1,
        at: Timestamp::new(0),
        deaths: Vec::new(),
        routed: None,
    }
}

fn a_queue() -> QueueDescription {
    QueueDescription {
        queue: queue_ref(),
        id: QueueId::new(1),
        owner: UserName::parse(NAME).ok(),
        created_at: Timestamp::new(0),
        settings: QueueSettings { dead_letter: QueueName::parse(NAME).ok(), ..QueueSettings::default() },
        policy: None,
        counts: QueueCounts { ready: 1234, delayed: 2, leased: 3, bytes: ByteSize::new(4096) },
        oldest_ready_at: Some(Timestamp::new(0)),
        oldest_leased_at: None,
        totals: Totals::default(),
        consumers: 0,
        redrive: None,
    }
}

fn a_topic() -> TopicDescription {
    TopicDescription {
        topic: topic_ref(),
        id: TopicId::new(1),
        owner: None,
        created_at: Timestamp::new(0),
        settings: TopicSettings::default(),
        partitions: vec![extent()],
        subscriptions: 1,
        totals: Totals::default(),
    }
}

fn extent() -> PartitionExtent {
    PartitionExtent {
        partition: Partition::new(0),
        earliest: Offset::new(0),
        end: Offset::new(9),
        messages: 9,
        bytes: ByteSize::new(99),
    }
}

fn a_subscription() -> SubscriptionDescription {
    SubscriptionDescription {
        subscription: SubscriptionRef { topic: topic_ref(), name: SubscriptionName::parse(NAME).unwrap() },
        id: SubscriptionId::new(1),
        owner: UserName::parse(NAME).ok(),
        created_at: Timestamp::new(0),
        settings: SubscriptionSettings { kind: SubscriptionKind::shared(), start: StartAt::Earliest },
        generation: Generation::new(1),
        members: vec![MemberName::parse(NAME).unwrap()],
        partitions: vec![PartitionProgress {
            partition: Partition::new(0),
            committed: Offset::new(2),
            end: Offset::new(9),
            lag: 7,
            lag_time: Span::new(61_500),
            member: MemberName::parse(NAME).ok(),
        }],
        lag: 7,
        lag_time: Span::new(61_500),
        leased: 1,
        totals: Totals::default(),
    }
}

fn a_user() -> UserDescription {
    UserDescription {
        name: UserName::parse(NAME).unwrap(),
        id: UserId::new(1),
        roles: vec![Role::Admin],
        disabled: true,
        created_at: Timestamp::new(0),
    }
}

fn a_token() -> TokenDescription {
    TokenDescription {
        id: TokenId::new(1),
        user: UserName::parse(NAME).unwrap(),
        label: HOSTILE.to_owned(),
        kind: TokenKind::Api,
        scope: Scope { rights: Rights::NONE, resource: None },
        created_at: Timestamp::new(0),
        expires_at: Timestamp::new(1),
    }
}

fn a_node() -> NodeDescription {
    NodeDescription {
        version: HOSTILE.to_owned(),
        started_at: Timestamp::new(0),
        uptime: Span::new(1),
        readiness: Readiness::Stopped { fault: HOSTILE.to_owned() },
        durability: Durability::Fsync,
        disk_free: ByteSize::new(1),
        memory: ByteSize::new(1),
        queues: 1,
        topics: 1,
        users: 1,
        messages: 1,
        consumers: 1,
        shards: vec![],
    }
}

fn page<T>(item: T) -> Page<T> {
    Page { items: vec![item], next: Some(HOSTILE.to_owned()) }
}

fn queue_page() -> Markup {
    let peeked = Peeked {
        message: message(),
        partition: Partition::new(0),
        sequence: Sequence::new(1),
        state: MessageState::Ready,
        attempts: Attempt::new(1),
        due_at: Some(Timestamp::new(0)),
        dead_letter: Some(letter()),
    };
    let next = Some(MessagePlace { partition: Partition::new(0), sequence: Sequence::new(1) });
    let looked = PeekedMessages { messages: vec![peeked], next };
    queue::queue_view(&frame(), &a_queue(), Some((MessageState::Ready, &looked)))
}

fn topic_page() -> Markup {
    let record = model::message::Record { offset: Offset::new(1), message: message() };
    let records = Records { records: vec![record], next: Offset::new(2), extent: extent() };
    let look = Look { partition: Partition::new(0), records };
    topic::topic_view(&frame(), &a_topic(), &page(a_subscription()), Some(&look))
}

fn user_page() -> Markup {
    let over = |name| ResourcePattern { kind: ResourceKind::Queue, namespace: frame().namespace, name };
    let grant = |name| Grant { user: a_user().name, resource: over(name), rights: Rights::ALL, effect: Effect::Deny };
    let grants = vec![grant(NamePattern::Literal(HOSTILE.into())), grant(NamePattern::Prefix(HOSTILE.into()))];
    users::user_view(&frame(), &a_user(), Some(&Grants { grants }))
}

fn every_page() -> Vec<(&'static str, Markup)> {
    let problem = Problem::new(Code::ArgumentInvalid, HOSTILE);
    let refused = match frame().refuse(Refusal::QueueNotFound { name: HOSTILE.to_owned() }.into()) {
        Turned::Refused(_, page) => page,
        Turned::LogIn { .. } => panic!("a queue that is not there needs no login"),
    };
    let made = NewToken { secret: Secret::new(HOSTILE), description: a_token() };
    let tokens = Tokens { tokens: vec![a_token()] };
    vec![
        ("login", login::login_page(Some(&problem), HOSTILE)),
        ("claim", login::claim_page(Some(&problem), HOSTILE)),
        ("refused", refused),
        ("notice", notice_of(&problem)),
        ("overview", overview::node_view(&a_node())),
        ("queues", queues::list_view(&frame(), HOSTILE, Some(HOSTILE), &page(a_queue()))),
        ("queue", queue_page()),
        ("topics", topics::list_view(&frame(), HOSTILE, Some(HOSTILE), &page(a_topic()))),
        ("topic", topic_page()),
        ("subscription", subscription::subscription_view(&frame(), &a_subscription())),
        ("users", users::list_view(&frame(), HOSTILE, &page(a_user()))),
        ("user", user_page()),
        ("tokens", tokens::list_view(&frame(), &tokens)),
        ("token", tokens::made_view(&frame(), &made)),
    ]
}

/// The tags of a page, each from `<` to `>`; an attribute cannot hold either, since both are escaped.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.split('<').skip(1).map(|rest| rest.split_once('>').expect("a tag ends").0)
}

#[test]
fn hostile_text_never_becomes_markup() {
    for (name, view) in every_page() {
        let whole = frame().page(HOSTILE, Tab::None, &view).into_string();
        assert!(whole.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{name}: the text is shown");
        for tag in tags(&whole) {
            // What is quoted is a value, and ends at the next quotation mark whatever it holds.
            let bare: String = tag.split('"').step_by(2).collect();
            let mut words = tag.split([' ', '=']);
            let first = words.next().unwrap_or_default();
            assert!(
                first != "img" && (first != "script" || tag.starts_with("script defer src=\"/assets/")),
                "{name}: {tag}"
            );
            assert!(
                !bare.contains(" style=") && !bare.contains(" on") && !bare.contains("javascript"),
                "{name}: {tag}"
            );
        }
    }
}

#[test]
fn what_stands_in_an_address_stays_in_its_part() {
    for (name, view) in every_page() {
        let whole = view.into_string();
        for tag in tags(&whole) {
            for attribute in ["href=\"", "action=\"", "hx-get=\"", "hx-post=\"", "data-rates=\"", "data-tail=\""] {
                let Some((_, rest)) = tag.split_once(attribute) else { continue };
                let address = rest.split('"').next().unwrap();
                if ["data:,", "#content"].contains(&address) {
                    continue;
                }
                let plain = address.strip_prefix('/').expect("pages lead to this site only");
                let fine = |letter: char| letter.is_ascii_alphanumeric() || "/%?=&;#-._~".contains(letter);
                assert!(!plain.starts_with('/') && plain.chars().all(fine), "{name}: {address}");
            }
        }
    }
}

#[test]
fn every_form_that_changes_something_carries_the_token() {
    for (name, view) in every_page() {
        if ["login", "claim"].contains(&name) {
            continue;
        }
        let text = view.into_string();
        for form in text.split("<form ").skip(1).filter(|form| form.contains("method=\"post\"")) {
            let form = form.split("</form>").next().unwrap();
            assert!(form.contains("name=\"form\" value=\"token of this session\""), "{name}: {form}");
        }
    }
}
