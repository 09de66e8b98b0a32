//! A consumer over AMQP: takes with a prefetch, checks the numbers, acknowledges each message by itself.
//! Invariant: a message counts once; what comes again or never comes is reported.
//! Called by `bench::amqp`.

use std::time::{Duration, Instant};

use amqp::codec::class::{basic, queue};
use amqp::codec::{Frame, ShortText, Table};

use super::address::Address;
use super::link::{CHANNEL, Link, broken, method};
use crate::bench::load::head;
use crate::bench::measure::Tally;
use crate::exit::Complaint;

/// Messages that a consumer may hold unsettled.
const PREFETCH: u16 = 1000;
/// How long nothing may come before a consumer gives up.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Takes and acknowledges until so many messages came, or none for a while. The time goes until the broker has read the
/// last acknowledgement, since it answers what was asked behind it.
pub(super) async fn drain(address: &Address, name: &str, expected: u64) -> Result<(Tally, Duration), Complaint> {
    let mut link = Link::open(address).await?;
    let qos = basic::Qos { prefetch_count: PREFETCH, ..basic::Qos::default() };
    link.ask::<basic::QosOk>(&qos).await?;
    let queue = ShortText::cut(name);
    let begun = Instant::now();
    let consume = basic::Consume { queue, no_wait: true, arguments: Table::default(), ..basic::Consume::default() };
    link.send(CHANNEL, &consume);
    let mut tally = Tally::new(expected);
    let (mut count, mut tag) = (0, 0);
    while count < expected {
        let Ok(turned) = tokio::time::timeout(SILENCE_MAX, link.turn()).await else { break };
        turned?;
        while let Some(frame) = link.frame()? {
            match frame {
                Frame::Method(_, payload) => tag = delivery_tag(payload)?,
                Frame::Header(..) | Frame::Heartbeat => {}
                Frame::Body(_, body) => {
                    let (number, _) = head(&body).ok_or_else(|| broken("a message is not what was published"))?;
                    count += u64::from(tally.mark(number));
                    link.send(CHANNEL, &basic::Ack { delivery_tag: tag, multiple: false });
                }
            }
        }
    }
    // Answered behind the last acknowledgement.
    let look = queue::Declare { queue: ShortText::cut(name), passive: true, ..queue::Declare::default() };
    link.ask::<queue::DeclareOk>(&look).await?;
    Ok((tally, begun.elapsed()))
}

fn delivery_tag(payload: bytes::Bytes) -> Result<u64, Complaint> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "a consumer that asks for nothing else is told nothing else")]
    match method(payload)? {
        basic::Method::Deliver(deliver) => Ok(deliver.delivery_tag),
        other => Err(broken(format!("{:?} came to a consumer", other.numbers()))),
    }
}
