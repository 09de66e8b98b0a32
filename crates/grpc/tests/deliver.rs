//! Deliver streams over a loopback socket: credit, deliveries, settles, their order and the end of a consumer.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, missing_docs)]

mod common;

use std::sync::{Arc, Mutex};

use common::{HandedOut, Told, caller, delivery, orders, ready, receipt, remote, start};
use model::message::Delivery;
use model::name::{MemberName, Source};
use model::number::Span;
use model::queue::{NackAction, Settled};
use model::receipt::Settlement;
use model::{Backend, Consume, Deliveries, Failure, Refusal, Request, Response, Sharing, Unavailable};
use tokio::sync::mpsc;

fn consume() -> Consume {
    Consume {
        lease: Some(Span::new(5000)),
        member: Some(MemberName::parse("worker-1").unwrap()),
        priority: -3,
        sharing: Sharing::Alone,
        ..Consume::new(Source::Queue(orders()), 10)
    }
}

/// Settles everything but receipts with an odd sequence, whose lease is lost.
fn settled(request: Request) -> Response {
    let results = |receipts: &[model::receipt::Receipt]| {
        let settlement = |odd| if odd { Settlement::LeaseLost } else { Settlement::Settled };
        Settled { results: receipts.iter().map(|it| settlement(it.sequence.get() % 2 == 1)).collect() }
    };
    match request {
        Request::Ack(ack) => Response::Ack(results(&ack.receipts)),
        Request::Nack(nack) => Response::Nack(results(&nack.receipts)),
        Request::Extend(extend) => Response::Extend(results(&extend.receipts)),
        other => panic!("not a settle: {other:?}"),
    }
}

/// The test's side of a consumer.
struct Consumer {
    deliveries: mpsc::Sender<Result<Vec<Delivery>, Failure>>,
    credit: mpsc::UnboundedReceiver<u32>,
    opened: Arc<Mutex<Vec<Consume>>>,
    requests: Arc<Mutex<Vec<Request>>>,
    backend: Arc<dyn Backend>,
}

fn consumer() -> Consumer {
    let (deliveries, handed) = mpsc::channel(100);
    let (credit_given, credit) = mpsc::unbounded_channel();
    let opened = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let stream = Mutex::new(Some(HandedOut { deliveries: handed, credit: credit_given }));
    let (opens, asked) = (Arc::clone(&opened), Arc::clone(&requests));
    let backend = Arc::new(Told {
        submit: Box::new(move |_, request| {
            asked.lock().unwrap().push(request.clone());
            ready(Ok(settled(request)))
        }),
        consume: Box::new(move |_, request| {
            opens.lock().unwrap().push(request);
            let stream: Box<dyn Deliveries> = Box::new(stream.lock().unwrap().take().unwrap());
            ready(Ok(stream))
        }),
        authenticated: Mutex::default(),
        passes_on: false,
    });
    Consumer { deliveries, credit, opened, requests, backend }
}

#[tokio::test]
async fn deliveries_and_credit_pass_through() {
    let mut consumer = consumer();
    let running = start(Arc::clone(&consumer.backend)).await;
    let mut stream = remote(&[running.url()]).consume(&caller(), consume()).await.unwrap();
    assert_eq!(*consumer.opened.lock().unwrap(), [consume()]);
    consumer.deliveries.send(Ok(vec![delivery(2, 5), delivery(4, 7)])).await.unwrap();
    let arrived = std::future::poll_fn(|context| stream.poll_next(context)).await.unwrap().unwrap();
    assert_eq!(arrived, [delivery(2, 5), delivery(4, 7)]);
    stream.add_credit(2);
    stream.add_credit(3);
    let mut credit = 0;
    while credit < 5 {
        credit += consumer.credit.recv().await.unwrap();
    }
    assert_eq!(credit, 5);
}

#[tokio::test]
async fn many_large_deliveries_come_in_several_answers() {
    let consumer = consumer();
    let running = start(Arc::clone(&consumer.backend)).await;
    let mut stream = remote(&[running.url()]).deliver(&caller(), consume()).await.unwrap();
    // Sixty MiB at once: more than one answer may hold.
    let large: Vec<_> = (0..60).map(|number| delivery(number, 1024 * 1024)).collect();
    consumer.deliveries.send(Ok(large)).await.unwrap();
    let mut arrived = Vec::new();
    while arrived.len() < 60 {
        arrived.extend(stream.next().await.unwrap().unwrap().into_iter().map(|it| it.receipt.unwrap().sequence.get()));
    }
    assert_eq!(arrived, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_settle_gets_its_own_result() {
    let consumer = consumer();
    let running = start(Arc::clone(&consumer.backend)).await;
    let stream = remote(&[running.url()]).deliver(&caller(), consume()).await.unwrap();
    let settler = stream.settler();
    let ack = settler.ack(vec![receipt(2), receipt(3), receipt(4)]).await.unwrap();
    let more = settler.ack(vec![receipt(5)]).await.unwrap();
    let nack = settler.nack(vec![receipt(6)], NackAction::Retry(Span::new(9))).await.unwrap();
    let reject = settler.nack(vec![receipt(8)], NackAction::Reject).await.unwrap();
    let extend = settler.extend(vec![receipt(7), receipt(10)], Span::new(100)).await.unwrap();
    use Settlement::{LeaseLost, Settled as Done};
    assert_eq!(ack.await.unwrap().results, [Done, LeaseLost, Done]);
    assert_eq!(more.await.unwrap().results, [LeaseLost]);
    assert_eq!(nack.await.unwrap().results, [Done]);
    assert_eq!(reject.await.unwrap().results, [Done]);
    assert_eq!(extend.await.unwrap().results, [LeaseLost, Done]);
    let requests = consumer.requests.lock().unwrap();
    let actions: Vec<_> = requests
        .iter()
        .filter_map(|request| if let Request::Nack(nack) = request { Some(nack.action) } else { None })
        .collect();
    assert_eq!(actions, [NackAction::Retry(Span::new(9)), NackAction::Reject]);
}

#[tokio::test]
async fn many_acks_become_few_submits() {
    let consumer = consumer();
    let running = start(Arc::clone(&consumer.backend)).await;
    let stream = remote(&[running.url()]).deliver(&caller(), consume()).await.unwrap();
    let settler = stream.settler();
    let mut results = Vec::new();
    for number in 0..2000 {
        results.push((number, settler.ack(vec![receipt(number)]).await.unwrap()));
    }
    for (number, result) in results {
        let expected = if number % 2 == 1 { Settlement::LeaseLost } else { Settlement::Settled };
        assert_eq!(result.await.unwrap().results, [expected]);
    }
    let submits = consumer.requests.lock().unwrap().len();
    assert!(submits < 1000, "{submits} submits for 2000 acks");
}

#[tokio::test]
async fn a_failed_settle_is_told_as_it_was() {
    let (_deliveries, handed) = mpsc::channel(1);
    let (credit, _given) = mpsc::unbounded_channel();
    let stream = Mutex::new(Some(HandedOut { deliveries: handed, credit }));
    let backend = Arc::new(Told {
        submit: Box::new(|_, _| ready(Err(Unavailable::NoLeader.into()))),
        consume: Box::new(move |_, _| {
            let stream: Box<dyn Deliveries> = Box::new(stream.lock().unwrap().take().unwrap());
            ready(Ok(stream))
        }),
        authenticated: Mutex::default(),
        passes_on: false,
    });
    let running = start(backend).await;
    let stream = remote(&[running.url()]).deliver(&caller(), consume()).await.unwrap();
    let result = stream.settler().ack(vec![receipt(2)]).await.unwrap().await;
    assert_eq!(result, Err(Unavailable::NoLeader.into()));
}

#[tokio::test]
async fn a_consumer_that_cannot_open_is_told_why() {
    let backend = Arc::new(Told {
        submit: Box::new(|_, _| panic!("nothing is submitted")),
        consume: Box::new(|_, _| ready(Err(Refusal::QueueNotFound { name: "default/orders".to_owned() }.into()))),
        authenticated: Mutex::default(),
        passes_on: false,
    });
    let running = start(backend).await;
    let refused = remote(&[running.url()]).deliver(&caller(), consume()).await.err();
    assert_eq!(refused, Some(Refusal::QueueNotFound { name: "default/orders".to_owned() }.into()));
}

#[tokio::test]
async fn dropping_the_stream_ends_the_consumer_after_its_settles() {
    let consumer = consumer();
    let running = start(Arc::clone(&consumer.backend)).await;
    let stream = remote(&[running.url()]).deliver(&caller(), consume()).await.unwrap();
    let result = stream.settler().ack(vec![receipt(2)]).await.unwrap();
    drop(stream);
    assert_eq!(result.await.unwrap().results, [Settlement::Settled]);
    // The backend's side is dropped: nobody takes deliveries any more.
    consumer.deliveries.closed().await;
}

#[tokio::test]
async fn a_client_that_vanishes_ends_the_consumer() {
    let consumer = consumer();
    let running = start(Arc::clone(&consumer.backend)).await;
    let wire = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", wire.local_addr().unwrap());
    let broker = running.address;
    let carrier = tokio::spawn(async move {
        let (mut near, _) = wire.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(broker).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let mut stream = remote(&[url]).deliver(&caller(), consume()).await.unwrap();
    carrier.abort();
    consumer.deliveries.closed().await;
    assert_eq!(stream.next().await, Some(Err(Unavailable::Unreachable.into())));
    assert!(stream.settler().ack(vec![receipt(2)]).await.is_err());
}

#[tokio::test]
async fn the_end_of_the_source_and_a_failure_end_the_stream() {
    let gone = consumer();
    let running = start(Arc::clone(&gone.backend)).await;
    let mut stream = remote(&[running.url()]).deliver(&caller(), consume()).await.unwrap();
    gone.deliveries.send(Ok(vec![delivery(2, 1)])).await.unwrap();
    drop(gone.deliveries);
    assert_eq!(stream.next().await, Some(Ok(vec![delivery(2, 1)])));
    assert_eq!(stream.next().await, None);

    let failing = consumer();
    let running = start(Arc::clone(&failing.backend)).await;
    let mut stream = remote(&[running.url()]).deliver(&caller(), consume()).await.unwrap();
    failing.deliveries.send(Err(Unavailable::NoLeader.into())).await.unwrap();
    assert_eq!(stream.next().await, Some(Err(Unavailable::NoLeader.into())));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn draining_ends_the_consumer_and_the_server() {
    let consumer = consumer();
    let running = start(Arc::clone(&consumer.backend)).await;
    let mut stream = remote(&[running.url()]).deliver(&caller(), consume()).await.unwrap();
    running.draining.send(true).unwrap();
    assert_eq!(stream.next().await, None);
    drop(stream);
    running.ended.await.unwrap().unwrap();
}
