//! A node on a real folder, used through the one door as every protocol uses it.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod broker;

use std::task::Poll;

use broker::{Broker, body, queue, topic};
use model::access::{AlterUser, CreateUser, Right};
use model::backend::{Consume, call};
use model::caller::Secret;
use model::failure::Failure;
use model::message::NewMessage;
use model::name::{MemberName, Source, SubscriptionName, SubscriptionRef, UserName};
use model::number::{Partition, Span};
use model::queue::{Ack, CreateQueue, DescribeQueue, Nack, NackAction, Peek, Publish, QueueSettings, Receive};
use model::receipt::Settlement;
use model::refusal::Refusal;
use model::subscription::{Commit, CreateSubscription, PartitionOffset, SubscriptionKind, SubscriptionSettings};
use model::topic::{CreateTopic, PublishTopic, ReadPartition, StartAt, TopicMessage, TopicSettings};
use model::{Backend, Deliveries};

fn publish(name: &str, bodies: &[&str]) -> Publish {
    let messages = bodies.iter().map(|body| NewMessage::new(body.as_bytes().to_vec())).collect();
    Publish { queue: queue(name), messages }
}

fn receive(source: Source, max: u32, wait: Span) -> Receive {
    Receive { source, max, wait, lease: None, member: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_names_outlive_a_restart() {
    let broker = Broker::start().await;
    let caller = broker.admin().await;
    broker.call(&caller, CreateQueue { queue: queue("orders"), settings: QueueSettings::default() }).await.unwrap();
    broker.call(&caller, publish("orders", &["a", "b", "c"])).await.unwrap();
    let taken = broker.call(&caller, receive(Source::Queue(queue("orders")), 1, Span::new(0))).await.unwrap();
    assert_eq!(body(&taken.deliveries[0]), "a");
    let broker = broker.restart().await;
    let caller = broker.admin().await;
    let left = broker.call(&caller, DescribeQueue { queue: queue("orders") }).await.unwrap();
    assert_eq!((left.counts.ready, left.counts.leased), (2, 1));
    let receipts = vec![taken.deliveries[0].receipt.unwrap()];
    let settled = broker.call(&caller, Ack { source: Source::Queue(queue("orders")), receipts }).await.unwrap();
    assert_eq!(settled.results, [Settlement::Settled]);
    let rest = broker.call(&caller, receive(Source::Queue(queue("orders")), 10, Span::new(0))).await.unwrap();
    assert_eq!(rest.deliveries.iter().map(body).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(&*rest.deliveries[0].message.sender, "admin");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_is_answered_by_the_next_publish() {
    let broker = Broker::start().await;
    let caller = broker.admin().await;
    broker.call(&caller, CreateQueue { queue: queue("jobs"), settings: QueueSettings::default() }).await.unwrap();
    let waiting = {
        let (broker, caller) = (broker.clone(), caller.clone());
        tokio::spawn(
            async move { broker.call(&caller, receive(Source::Queue(queue("jobs")), 5, Span::new(60_000))).await },
        )
    };
    while broker.call(&caller, DescribeQueue { queue: queue("jobs") }).await.unwrap().consumers == 0 {
        tokio::task::yield_now().await;
    }
    broker.call(&caller, publish("jobs", &["x"])).await.unwrap();
    assert_eq!(body(&waiting.await.unwrap().unwrap().deliveries[0]), "x");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_gives_back_what_it_has_not_settled() {
    let broker = Broker::start().await;
    let caller = broker.admin().await;
    let source = Source::Queue(queue("jobs"));
    broker.call(&caller, CreateQueue { queue: queue("jobs"), settings: QueueSettings::default() }).await.unwrap();
    broker.call(&caller, publish("jobs", &["a", "b", "c"])).await.unwrap();
    let open = Consume::new(source.clone(), 2);
    let mut stream = broker.node().consume(&caller, open).await.unwrap();
    let mut taken = Vec::new();
    while taken.len() < 2 {
        taken.extend(next(&mut *stream).await.unwrap().unwrap());
    }
    assert_eq!(taken.iter().map(body).collect::<Vec<_>>(), ["a", "b"]);
    let receipts = vec![taken[0].receipt.unwrap()];
    broker.call(&caller, Ack { source: source.clone(), receipts }).await.unwrap();
    stream.add_credit(1);
    assert_eq!(body(&next(&mut *stream).await.unwrap().unwrap()[0]), "c");
    drop(stream);
    let again = broker.call(&caller, receive(source, 10, Span::new(60_000))).await.unwrap();
    assert_eq!(body(&again.deliveries[0]), "b");
    assert_eq!(again.deliveries[0].attempt.get(), 2);
    broker.stop().await;
}

async fn next(stream: &mut dyn Deliveries) -> Option<Result<Vec<model::message::Delivery>, Failure>> {
    std::future::poll_fn(|context| match stream.poll_next(context) {
        Poll::Ready(next) => Poll::Ready(next),
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_ack_is_refused_and_a_retry_keeps_its_place() {
    let broker = Broker::start().await;
    let caller = broker.admin().await;
    let source = Source::Queue(queue("jobs"));
    broker.call(&caller, CreateQueue { queue: queue("jobs"), settings: QueueSettings::default() }).await.unwrap();
    broker.call(&caller, publish("jobs", &["a", "b"])).await.unwrap();
    let short = Receive { lease: Some(Span::new(100)), ..receive(source.clone(), 1, Span::new(0)) };
    let first = broker.call(&caller, short).await.unwrap().deliveries.remove(0);
    let other = broker.call(&caller, receive(source.clone(), 1, Span::new(0))).await.unwrap();
    // The lease of a ends by itself; the long poll is what waits for it.
    let again = broker.call(&caller, receive(source.clone(), 1, Span::new(60_000))).await.unwrap();
    assert_eq!((body(&again.deliveries[0]), again.deliveries[0].attempt.get()), ("a".to_owned(), 2));
    let late = Ack { source: source.clone(), receipts: vec![first.receipt.unwrap()] };
    assert_eq!(broker.call(&caller, late).await.unwrap().results, [Settlement::LeaseLost]);
    let receipts = vec![other.deliveries[0].receipt.unwrap()];
    let back = Nack { source: source.clone(), receipts, action: NackAction::Retry(Span::new(0)) };
    broker.call(&caller, back).await.unwrap();
    let third = broker.call(&caller, receive(source, 1, Span::new(0))).await.unwrap();
    assert_eq!(body(&third.deliveries[0]), "b");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subscription_reads_the_topic_and_history_stays() {
    let broker = Broker::start().await;
    let caller = broker.admin().await;
    let settings = TopicSettings { partitions: 2, ..TopicSettings::default() };
    broker.call(&caller, CreateTopic { topic: topic("flights"), settings }).await.unwrap();
    let name = |name: &str| SubscriptionRef { topic: topic("flights"), name: SubscriptionName::parse(name).unwrap() };
    for (subscription, kind) in [("stats", SubscriptionKind::stream()), ("jobs", SubscriptionKind::shared())] {
        let settings = SubscriptionSettings { kind, start: StartAt::Earliest };
        broker.call(&caller, CreateSubscription { subscription: name(subscription), settings }).await.unwrap();
    }
    let messages = ["a", "b", "c", "d"]
        .map(|body| TopicMessage { message: NewMessage::new(body.as_bytes().to_vec()), partition: None });
    broker.call(&caller, PublishTopic { topic: topic("flights"), messages: messages.to_vec() }).await.unwrap();
    let as_member = Receive {
        member: Some(MemberName::parse("m1").unwrap()),
        ..receive(Source::Subscription(name("stats")), 10, Span::new(60_000))
    };
    let read = broker.call(&caller, as_member.clone()).await.unwrap();
    let mut bodies: Vec<_> = read.deliveries.iter().map(body).collect();
    bodies.sort();
    assert_eq!(bodies, ["a", "b", "c", "d"]);
    let offsets = [0, 1].map(|partition| PartitionOffset {
        partition: Partition::new(partition),
        offset: model::number::Offset::new(2),
    });
    let commit = Commit { subscription: name("stats"), member: as_member.member.clone(), offsets: offsets.to_vec() };
    broker.call(&caller, commit).await.unwrap();
    let shared = broker.call(&caller, receive(Source::Subscription(name("jobs")), 10, Span::new(0))).await.unwrap();
    assert_eq!(shared.deliveries.len(), 4);
    let start = StartAt::Earliest;
    let partition = Partition::new(1);
    let again = ReadPartition { topic: topic("flights"), partition, start, limit: 10, wait: Span::new(0) };
    let records = broker.call(&caller, again).await.unwrap().records;
    assert_eq!(records.iter().map(|record| record.offset.get()).collect::<Vec<_>>(), [0, 1]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peek_shows_payloads_and_takes_nothing() {
    let broker = Broker::start().await;
    let caller = broker.admin().await;
    broker.call(&caller, CreateQueue { queue: queue("jobs"), settings: QueueSettings::default() }).await.unwrap();
    broker.call(&caller, publish("jobs", &["a", "b"])).await.unwrap();
    let state = model::message::MessageState::Ready;
    let seen = broker.call(&caller, Peek { queue: queue("jobs"), state, limit: 1, after: None }).await.unwrap();
    assert_eq!(&seen.messages[0].message.body[..], b"a");
    let more = Peek { queue: queue("jobs"), state, limit: 1, after: seen.next };
    assert_eq!(&broker.call(&caller, more).await.unwrap().messages[0].message.body[..], b"b");
    let counts = broker.call(&caller, DescribeQueue { queue: queue("jobs") }).await.unwrap().counts;
    assert_eq!(counts.ready, 2);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_unknown_users_look_the_same() {
    let broker = Broker::start().await;
    for (user, password) in [("admin", "wrong password"), ("nobody", "wrong password"), ("admin", "")] {
        assert_eq!(broker.log_in(user, password).await, Err(Refusal::Unauthenticated.into()), "{user}");
    }
    let caller = broker.log_in("admin", broker::PASSWORD).await.unwrap();
    assert!(call(broker.node(), &caller, model::access::WhoAmI).await.is_ok());
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_is_looked_at_before_a_password_is() {
    let broker = Broker::start().await;
    let named = |name: &str| UserName::parse(name).unwrap();
    let ann = CreateUser { name: named("ann"), password: Secret::new(broker::PASSWORD).into(), roles: Vec::new() };
    broker.call(&broker.admin().await, ann).await.unwrap();
    let ann = broker.log_in("ann", broker::PASSWORD).await.unwrap();
    // Too short to be hashed: whoever hears of that has passed the check of the right.
    let short = |name: &str| AlterUser {
        name: named(name),
        password: Some(Secret::new("short").into()),
        roles: None,
        disabled: None,
    };
    let forbidden = Refusal::Forbidden { right: Right::Administer };
    assert_eq!(broker.call(&ann, short("admin")).await, Err(forbidden.into()));
    let refused = broker.call(&ann, short("ann")).await.unwrap_err();
    assert_eq!(refused.code(), model::Code::ArgumentInvalid);
    broker.stop().await;
}
