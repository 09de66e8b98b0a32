//! The publisher of the demonstration: flights to the topic, late departures to the queue.
//! Invariant: it ends only when the broker has confirmed every message.
//! Called by `demo`.

use std::collections::VecDeque;

use bytes::Bytes;
use grpc::PublisherSettings;
use model::message::{MessageId, NewMessage};
use model::name::{QueueRef, TopicRef};
use model::topic::TopicMessage;

use super::flights::Flight;
use super::show::Progress;
use crate::exit::{Complaint, Exit};
use crate::local::Client;

/// Messages that travel together.
const TOGETHER: usize = 100;
/// Groups whose confirm may be waited for at the same time.
const UNCONFIRMED: usize = 64;

/// A flight as a message, keyed by its carrier.
fn message(flight: &Flight) -> Result<NewMessage, Complaint> {
    let body = serde_json::to_vec(flight)
        .map_err(|error| Complaint::here(Exit::Fault, "internal", format!("a flight is no JSON: {error}"), ""))?;
    Ok(NewMessage {
        body: Bytes::from(body),
        content_type: Some("application/json".to_owned()),
        key: Some(Bytes::from(flight.carrier.clone())),
        id: Some(MessageId::parse(&flight.flight)?),
        ..NewMessage::default()
    })
}

/// Publishes every flight to a topic, over one stream.
pub(super) async fn flights(
    client: &Client,
    topic: TopicRef,
    flights: &[Flight],
    progress: &Progress,
) -> Result<(), Complaint> {
    let settings = PublisherSettings::default();
    let publisher = client.backend.topic_publisher(&client.caller, topic, settings).await?;
    let mut unconfirmed = VecDeque::new();
    for group in flights.chunks(TOGETHER) {
        let messages = group.iter().map(|flight| Ok(TopicMessage { message: message(flight)?, partition: None }));
        let messages = messages.collect::<Result<Vec<_>, Complaint>>()?;
        let steps = steps(messages.len());
        unconfirmed.push_back((steps, publisher.publish(messages).await?));
        if unconfirmed.len() >= UNCONFIRMED
            && let Some((steps, confirm)) = unconfirmed.pop_front()
        {
            confirm.await?;
            progress.advance(steps);
        }
    }
    for (steps, confirm) in unconfirmed {
        confirm.await?;
        progress.advance(steps);
    }
    progress.end();
    Ok(())
}

/// Publishes every late departure to a queue, over another stream.
pub(super) async fn late(
    client: &Client,
    queue: QueueRef,
    flights: &[Flight],
    progress: &Progress,
) -> Result<(), Complaint> {
    let settings = PublisherSettings::default();
    let publisher = client.backend.publisher(&client.caller, queue, settings).await?;
    let late: Vec<&Flight> = flights.iter().filter(|flight| flight.is_late()).collect();
    let mut confirms = Vec::new();
    for group in late.chunks(TOGETHER) {
        let messages = group.iter().map(|flight| message(flight)).collect::<Result<Vec<_>, _>>()?;
        let steps = steps(messages.len());
        confirms.push((steps, publisher.publish(messages).await?));
    }
    for (steps, confirm) in confirms {
        confirm.await?;
        progress.advance(steps);
    }
    progress.end();
    Ok(())
}

fn steps(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
