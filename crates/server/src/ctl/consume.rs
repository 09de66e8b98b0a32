//! Receiving from a queue or subscription and printing what came.
//! Invariant: with --ack a message is settled only after it was printed.
//! Called by `ctl::queue` and `ctl::subscription`.

use model::limits::{RECEIVE_MESSAGES_MAX, WAIT_MS_MAX};
use model::message::Delivery;
use model::name::{MemberName, Source};
use model::queue::{Ack, Receive};
use model::{Caller, Refusal};
use web::wire;

use super::{message, settle};
use crate::args::queue::TakeArguments;
use crate::exit::Complaint;
use crate::output::{self, or_dash};
use crate::session::Session;

/// Takes messages and prints them.
pub(crate) async fn receive(
    session: &Session,
    source: Source,
    member: Option<MemberName>,
    arguments: &TakeArguments,
) -> Result<(), Complaint> {
    if arguments.max == 0 || arguments.max > RECEIVE_MESSAGES_MAX {
        return Err(Refusal::invalid("max", "it must lie between 1 and 1000").into());
    }
    if arguments.wait.get() > WAIT_MS_MAX {
        return Err(Refusal::invalid("wait", "it is at most 60s").into());
    }
    let request =
        Receive { source: source.clone(), max: arguments.max, wait: arguments.wait, lease: arguments.lease, member };
    let received = session.call(request).await?;
    print(session, &received.deliveries, arguments.body)?;
    if received.deliveries.is_empty() {
        session.output.note("nothing to receive; --wait 30s waits for the next message");
    }
    let receipts: Vec<_> = received.deliveries.iter().filter_map(|delivery| delivery.receipt).collect();
    if !arguments.ack || receipts.is_empty() {
        return Ok(());
    }
    let settled = session.call(Ack { source, receipts }).await?;
    settle::check(&settled)
}

fn print(session: &Session, deliveries: &[Delivery], only_bodies: bool) -> Result<(), Complaint> {
    if only_bodies {
        for delivery in deliveries {
            output::raw(&delivery.message.body)?;
            output::raw(b"\n")?;
        }
        return Ok(());
    }
    let document = wire::Received { messages: deliveries.iter().cloned().map(wire::Delivery::from).collect() };
    let heads = ["id", "key", "attempt", "place", "sender", "body", "receipt"];
    session.output.data(&document, &heads, |_| deliveries.iter().map(row).collect())
}

fn row(delivery: &Delivery) -> Vec<String> {
    let place = match delivery.offset {
        Some(offset) => format!("{}-{offset}", delivery.partition),
        None => match delivery.receipt {
            Some(receipt) => format!("{}-{}", delivery.partition, receipt.sequence),
            None => delivery.partition.to_string(),
        },
    };
    vec![
        delivery.message.id.to_string(),
        message::key(&delivery.message),
        delivery.attempt.to_string(),
        place,
        delivery.message.sender.to_string(),
        message::shown(&delivery.message.body),
        or_dash(delivery.receipt),
    ]
}

/// The member name of a command that names none: the user and this process.
pub(crate) fn member(named: Option<&str>, caller: &Caller) -> Result<MemberName, Refusal> {
    match named {
        Some(name) => MemberName::parse(name),
        None => MemberName::parse(&format!("cli-{}", caller.name)),
    }
}
