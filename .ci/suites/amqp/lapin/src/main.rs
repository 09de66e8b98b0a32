//! The whole scenario with lapin: topology, confirms in flight, requeue, dead letter, delay, a message that nobody wants,
//! and new connections after the broker is killed in the middle of publishing and consuming.
//! Called as: scenario URL RESTART, where RESTART is a command that kills the broker and starts it again.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MESSAGES: u32 = 2000;

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn next(consumer: &mut Consumer) -> Outcome<Delivery> {
    let came = tokio::time::timeout(Duration::from_secs(20), consumer.next()).await?;
    Ok(came.ok_or("the deliveries ended")??)
}

async fn consume(channel: &Channel, queue: &str) -> Outcome<Consumer> {
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.into(), queue.into(), options, FieldTable::default()).await?)
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &str, properties: BasicProperties) -> Outcome<()> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let confirm =
        channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await?.await?;
    match confirm.is_ack() && confirm.take_message().is_none() {
        true => Ok(()),
        false => Err("the message was not taken".into()),
    }
}

async fn topology(channel: &Channel) -> Outcome<()> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare("lapin".into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
    let later = ExchangeKind::Custom("x-delayed-message".to_owned());
    channel.exchange_declare("lapin-later".into(), later, durable, table([("x-delayed-type", text("direct"))])).await?;
    channel.queue_declare("lapin-dead".into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
    let arguments = table([
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("lapin-dead")),
        ("x-queue-type", text("quorum")),
    ]);
    channel.queue_declare("lapin-work".into(), QueueDeclareOptions::durable(), arguments).await?;
    for (exchange, key) in [("lapin", "eu.#"), ("lapin-later", "k")] {
        let options = QueueBindOptions::default();
        channel.queue_bind("lapin-work".into(), exchange.into(), key.into(), options, FieldTable::default()).await?;
    }
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(50, BasicQosOptions::default()).await?;
    Ok(())
}

async fn requeued_and_dead(channel: &Channel) -> Outcome<()> {
    let headers = table([("number", AMQPValue::LongInt(7)), ("text", text("é"))]);
    let sent =
        BasicProperties::default().with_headers(headers.clone()).with_delivery_mode(2).with_message_id("m".into());
    publish(channel, "lapin", "eu.de", "hello", sent.clone()).await?;
    let mut work = consume(channel, "lapin-work").await?;
    let first = next(&mut work).await?;
    assert_eq!((first.data.as_slice(), first.redelivered, &first.properties), (&b"hello"[..], false, &sent));
    first.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?;
    let second = next(&mut work).await?;
    assert!(second.redelivered);
    second.reject(BasicRejectOptions { requeue: false }).await?;
    channel.basic_cancel("lapin-work".into(), BasicCancelOptions::default()).await?;
    let mut dead = consume(channel, "lapin-dead").await?;
    let letter = next(&mut dead).await?;
    let headers = letter.properties.headers().clone().unwrap_or_default();
    let reason = headers.inner().get("x-first-death-reason").cloned();
    assert_eq!(reason, Some(text("rejected")));
    letter.ack(BasicAckOptions::default()).await?;
    channel.basic_cancel("lapin-dead".into(), BasicCancelOptions::default()).await?;
    Ok(())
}

async fn delayed(channel: &Channel) -> Outcome<()> {
    let began = Instant::now();
    let delay = BasicProperties::default().with_headers(table([("x-delay", AMQPValue::LongInt(500))]));
    publish(channel, "lapin-later", "k", "late", delay).await?;
    let mut work = consume(channel, "lapin-work").await?;
    next(&mut work).await?.ack(BasicAckOptions::default()).await?;
    assert!(began.elapsed() >= Duration::from_millis(500));
    channel.basic_cancel("lapin-work".into(), BasicCancelOptions::default()).await?;
    Ok(())
}

async fn unwanted(channel: &Channel) -> Outcome<()> {
    let refused = publish(channel, "lapin", "us", "lost", BasicProperties::default()).await;
    assert!(refused.is_err(), "a message that nobody wants comes back");
    Ok(())
}

/// A connection of its own to a broker that may just be starting, and a channel on it.
async fn connected(url: &str) -> Outcome<(Connection, Channel)> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let opened = async {
            let connection = Connection::connect(url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            lapin::Result::Ok((connection, channel))
        };
        match opened.await {
            Ok(opened) => return Ok(opened),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Publishes what waits until the connection breaks, and takes out what is confirmed.
async fn publish_waiting(channel: &Channel, waiting: &mut BTreeSet<u32>) -> lapin::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut confirms = Vec::new();
    let mut broken = None;
    for &number in &*waiting {
        let (options, body) = (BasicPublishOptions::default(), number.to_string());
        let properties = BasicProperties::default().with_delivery_mode(2);
        match channel.basic_publish("lapin".into(), "eu.x".into(), options, body.as_bytes(), properties).await {
            Ok(confirm) => confirms.push((number, confirm)),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    for (number, confirm) in confirms {
        if confirm.await?.is_ack() {
            waiting.remove(&number);
        }
    }
    broken.map_or(Ok(()), Err)
}

/// Publishes every number, each until it is confirmed.
async fn produce(url: String) -> Outcome<()> {
    let mut waiting: BTreeSet<u32> = (0..MESSAGES).collect();
    while !waiting.is_empty() {
        let (connection, channel) = connected(&url).await?;
        if publish_waiting(&channel, &mut waiting).await.is_ok() {
            connection.close(200, "done".into()).await?;
        }
    }
    Ok(())
}

/// Takes until the connection breaks or every number has come.
async fn take_some(channel: &Channel, seen: &mut BTreeSet<u32>) -> Outcome<()> {
    channel.basic_qos(50, BasicQosOptions::default()).await?;
    let mut consumer = consume(channel, "lapin-work").await?;
    while seen.len() < usize::try_from(MESSAGES)? {
        let delivery = next(&mut consumer).await?;
        seen.insert(std::str::from_utf8(&delivery.data)?.parse::<u32>()?);
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// Takes until every number has come; an ack that is lost with its connection lets its message come again.
async fn take(url: String) -> Outcome<()> {
    let mut seen = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let (_connection, channel) = connected(&url).await?;
        match take_some(&channel, &mut seen).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => {}
        }
    }
}

/// Kills the broker while messages go in and out, and starts it again. The client connects anew by itself: the recovery
/// that lapin has can stand still when a connection ends while frames are waiting to be read.
async fn restart(url: &str, command: &str) -> Outcome<()> {
    let producing = tokio::spawn(produce(url.to_owned()));
    let taking = tokio::spawn(take(url.to_owned()));
    let status = tokio::process::Command::new("bash").args(["-c", command]).status().await?;
    assert!(status.success(), "the broker starts again");
    producing.await??;
    taking.await??;
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, command] = arguments.as_slice() else { return Err("give a URL and a command".into()) };
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    topology(&channel).await?;
    requeued_and_dead(&channel).await?;
    delayed(&channel).await?;
    unwanted(&channel).await?;
    connection.close(200, "done".into()).await?;
    restart(url, command).await?;
    println!("lapin: all well");
    Ok(())
}
