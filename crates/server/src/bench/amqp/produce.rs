//! Producers over AMQP: persistent messages with confirms, as fast as a window allows or at a fixed rate.
//! Invariant: a message is confirmed once and positively, or the measurement fails; a latency counts from the moment that
//! the message was meant to be sent.
//! Called by `bench::amqp`; tests below.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use amqp::codec::class::{basic, confirm};
use amqp::codec::frame::{put_body, put_header, put_method};
use amqp::codec::method::Payload;
use amqp::codec::properties::ContentHeader;
use amqp::codec::{Frame, Properties, ShortText};
use bytes::BytesMut;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::address::Address;
use super::link::{CHANNEL, Link, broken, method};
use crate::bench::load::{HEAD_BYTES, Load, body};
use crate::bench::measure::Latencies;
use crate::exit::Complaint;
use crate::local::joined;

/// Bytes that wait to be written before more is put to them.
const AHEAD_BYTES: usize = 256 * 1024;
/// How often it is looked which messages are due.
const STEP: Duration = Duration::from_millis(1);

/// Messages that are due and unconfirmed, oldest first, by the moments they were meant for.
struct Unconfirmed {
    first_tag: u64,
    meant: VecDeque<Option<Instant>>,
    count: usize,
}

impl Unconfirmed {
    const fn new() -> Self {
        Self { first_tag: 1, meant: VecDeque::new(), count: 0 }
    }

    fn add(&mut self, meant: Instant) {
        self.meant.push_back(Some(meant));
        self.count += 1;
    }

    /// A confirm of one message, or of all up to it.
    fn confirm(&mut self, tag: u64, multiple: bool, latencies: &mut Latencies) -> Result<(), Complaint> {
        let place = tag.checked_sub(self.first_tag).and_then(|place| usize::try_from(place).ok());
        let place = place.filter(|place| *place < self.meant.len());
        let place = place.ok_or_else(|| broken(format!("confirm {tag} is of no message that waits for one")))?;
        let now = Instant::now();
        let from = if multiple { 0 } else { place };
        for meant in self.meant.range_mut(from..=place).filter_map(Option::take) {
            latencies.record(now.saturating_duration_since(meant));
            self.count -= 1;
        }
        while self.meant.front().is_some_and(Option::is_none) {
            self.meant.pop_front();
            self.first_tag += 1;
        }
        Ok(())
    }
}

/// The frames of one message to a queue; its number is patched in.
struct Template {
    frames: BytesMut,
    head_at: usize,
}

impl Template {
    fn new(queue: &str, size: usize) -> Self {
        let mut frames = BytesMut::new();
        let publish = basic::Publish { routing_key: ShortText::cut(queue), ..basic::Publish::default() };
        put_method(&mut frames, CHANNEL, |out| publish.write(out));
        let properties = Properties { delivery_mode: Some(2), ..Properties::default() };
        let body = body(0, Duration::ZERO, size);
        let body_size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        put_header(&mut frames, CHANNEL, |out| ContentHeader { body_size, properties }.write(out));
        // Type, channel and length come before the body.
        let head_at = frames.len() + 7;
        put_body(&mut frames, CHANNEL, &body, usize::MAX);
        Self { frames, head_at }
    }

    fn put(&mut self, out: &mut BytesMut, number: u64) {
        self.frames[self.head_at..self.head_at + HEAD_BYTES / 2].copy_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&self.frames);
    }
}

/// When messages may be sent.
pub(super) enum Pace {
    /// As soon as the window has room.
    Flood,
    /// So many are due, from a thread that counts the time; a step and what is due in it.
    Due(Instant, watch::Receiver<u64>, u64),
}

impl Pace {
    /// Whether this message may be sent, and since when.
    fn due(&mut self, number: u64) -> Option<Instant> {
        match self {
            Self::Flood => Some(Instant::now()),
            Self::Due(begun, due, rate) => (number < *due.borrow_and_update()).then(|| *begun + step_of(number, *rate)),
        }
    }

    /// Waits until more may be due.
    async fn wait(&mut self) {
        match self {
            Self::Flood => std::future::pending().await,
            // A sender that is gone has said all there is: then only confirms are waited for.
            Self::Due(_, due, _) => {
                if due.changed().await.is_err() {
                    std::future::pending().await
                }
            }
        }
    }
}

/// The end of the step in which a message is due.
fn step_of(number: u64, rate: u64) -> Duration {
    let nanos = number.saturating_mul(1_000_000_000) / rate.max(1);
    let step = u64::try_from(STEP.as_nanos()).unwrap_or(1);
    Duration::from_nanos((nanos / step + 1) * step)
}

/// Publishes with all producers; answers with the time until the last confirm, and the latencies of the confirms.
pub(super) async fn publish(
    address: &Address,
    queue: &str,
    load: Load,
    rate: Option<u64>,
) -> Result<(Duration, Latencies), Complaint> {
    let mut links = Vec::new();
    for _ in 0..load.producers {
        let mut link = Link::open(address).await?;
        link.ask::<confirm::SelectOk>(&confirm::Select::default()).await?;
        links.push(link);
    }
    let begun = Instant::now();
    let due = rate.map(|rate| (paced(begun, load.messages, rate), rate));
    let mut tasks = JoinSet::new();
    for (first, link) in (0..).zip(links) {
        let pace = due.clone().map_or(Pace::Flood, |(due, rate)| Pace::Due(begun, due, rate));
        tasks.spawn(produce(link, Template::new(queue, load.size), first, load, pace));
    }
    // The thread ends when nobody listens any more.
    drop(due);
    let mut latencies = Latencies::new();
    while let Some(ended) = tasks.join_next().await {
        latencies.add(&joined(ended)?);
    }
    Ok((begun.elapsed(), latencies))
}

/// Says how many messages are due, from a thread of its own: the timers of the runtime are too coarse.
fn paced(begun: Instant, messages: u64, rate: u64) -> watch::Receiver<u64> {
    let (sender, due) = watch::channel(0);
    std::thread::spawn(move || {
        let mut step = 1;
        loop {
            std::thread::sleep((STEP * step).saturating_sub(begun.elapsed()));
            let micros = u64::try_from((STEP * step).as_micros()).unwrap_or(u64::MAX);
            let count = (micros.saturating_mul(rate) / 1_000_000).min(messages);
            if sender.send(count).is_err() || count == messages {
                return;
            }
            step += 1;
        }
    });
    due
}

/// One producer: the numbers `first`, `first + producers`, …
async fn produce(
    mut link: Link,
    mut template: Template,
    first: u64,
    load: Load,
    mut pace: Pace,
) -> Result<Latencies, Complaint> {
    let (mut latencies, mut unconfirmed) = (Latencies::new(), Unconfirmed::new());
    let mut number = first;
    while number < load.messages || unconfirmed.count > 0 {
        while number < load.messages && unconfirmed.count < load.window && link.out.len() < AHEAD_BYTES {
            let Some(meant) = pace.due(number) else { break };
            template.put(&mut link.out, number);
            unconfirmed.add(meant);
            number += load.producers.max(1);
        }
        tokio::select! {
            turned = link.turn() => turned?,
            () = pace.wait() => {}
        }
        while let Some(frame) = link.frame()? {
            match frame {
                Frame::Method(_, payload) => confirmed(payload, &mut unconfirmed, &mut latencies)?,
                Frame::Heartbeat => {}
                other @ (Frame::Header(..) | Frame::Body(..)) => return Err(broken(format!("{other:?} came"))),
            }
        }
    }
    Ok(latencies)
}

fn confirmed(payload: bytes::Bytes, unconfirmed: &mut Unconfirmed, latencies: &mut Latencies) -> Result<(), Complaint> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "a producer that asks for nothing else is told nothing else")]
    match method(payload)? {
        basic::Method::Ack(ack) => unconfirmed.confirm(ack.delivery_tag, ack.multiple, latencies),
        basic::Method::Nack(nack) => Err(broken(format!("it did not take message {}", nack.delivery_tag))),
        other => Err(broken(format!("{:?} came to a producer", other.numbers()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::head;

    #[test]
    fn confirms_come_one_by_one_many_at_once_and_in_any_order() {
        let (mut unconfirmed, mut latencies) = (Unconfirmed::new(), Latencies::new());
        for _ in 0..5 {
            unconfirmed.add(Instant::now());
        }
        unconfirmed.confirm(2, false, &mut latencies).unwrap();
        assert_eq!((unconfirmed.count, unconfirmed.first_tag), (4, 1));
        unconfirmed.confirm(3, true, &mut latencies).unwrap();
        assert_eq!((unconfirmed.count, unconfirmed.first_tag, latencies.count()), (2, 4, 3));
        assert!(unconfirmed.confirm(3, false, &mut latencies).is_err(), "a confirm comes once");
        assert!(unconfirmed.confirm(6, false, &mut latencies).is_err(), "only what was sent is confirmed");
    }

    #[test]
    fn a_template_is_three_frames_with_the_number_in_the_body() {
        let mut template = Template::new("queue", 100);
        let mut out = BytesMut::new();
        template.put(&mut out, 77);
        let mut frames = Vec::new();
        while let Some(frame) = Frame::take(&mut out, 4096).unwrap() {
            frames.push(frame);
        }
        let [Frame::Method(..), Frame::Header(..), Frame::Body(_, body)] = frames.as_slice() else {
            panic!("{frames:?}")
        };
        assert_eq!((body.len(), head(body)), (100, Some((77, Duration::ZERO))));
    }

    #[test]
    fn a_message_is_meant_for_the_end_of_its_step() {
        assert_eq!(step_of(0, 10_000), Duration::from_millis(1));
        assert_eq!(step_of(9, 10_000), Duration::from_millis(1));
        assert_eq!(step_of(10, 10_000), Duration::from_millis(2));
    }
}
