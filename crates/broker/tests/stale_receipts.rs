//! Receipts of an older leadership or an earlier delivery settle nothing, though place and attempt may fit.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use broker::Machine;
use broker::codec;
use broker::command::{Action, Command, LeaseEnd, Pick, Principal};
use broker::machine::Handout;
use broker::outcome::Outcome;
use broker::place::SourceId;
use broker::record;
use bytes::Bytes;
use model::message::{MessageId, NewMessage};
use model::name::{NamespaceName, QueueName, QueueRef, Source};
use model::number::{Epoch, LogIndex, Timestamp};
use model::operation::Response;
use model::queue::{Ack, CreateQueue, QueueSettings};
use model::receipt::{Receipt, ReceiptSource, Settlement};

struct World {
    machine: Machine,
    index: u64,
}

impl World {
    fn submit(&mut self, action: Action) -> Outcome {
        self.index += 1;
        let command = Command { principal: Principal::System, action };
        let batch = codec::decode(codec::encode(Timestamp::new(self.index), &[command])).unwrap();
        let outcomes = self.machine.apply(LogIndex::new(self.index), LogIndex::new(1), &batch, &mut Vec::new());
        outcomes.into_iter().next().unwrap().unwrap()
    }

    fn open_epoch(&mut self) -> Epoch {
        self.submit(Action::OpenEpoch);
        self.machine.epoch()
    }

    fn next(&self, source: SourceId) -> Pick {
        self.machine.pick(source, &BTreeSet::new(), 1, u64::MAX)[0].pick
    }

    fn ack(&mut self, queue: &QueueRef, receipt: Receipt) -> Settlement {
        let outcome = self.submit(Action::Ack(Ack { source: Source::Queue(queue.clone()), receipts: vec![receipt] }));
        let Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
        let Response::Ack(settled) = *response else { panic!("{response:?}") };
        settled.results[0].clone()
    }
}

#[test]
fn a_delivery_whose_lease_never_reached_the_log_is_not_settled_under_the_next_leader() {
    let mut world = World { machine: Machine::new(), index: 0 };
    let queue = QueueRef { namespace: NamespaceName::default(), name: QueueName::parse("work").unwrap() };
    let first = world.open_epoch();
    world.submit(Action::CreateQueue(CreateQueue { queue: queue.clone(), settings: QueueSettings::default() }));
    let record = record::encode(&NewMessage::new(Bytes::new()), &MessageId::parse("a").unwrap(), "sender");
    world.submit(Action::Publish { queue: queue.clone(), records: vec![record] });
    let named = world.machine.consumable(&Principal::System, &Source::Queue(queue.clone()));
    let (source, Handout::Leases(_)) = named.unwrap() else { panic!("a queue hands out under leases") };
    let SourceId::Queue(id) = source else { panic!("{source:?} is no queue") };
    // The first leader hands the message out and is lost before its lease command is committed.
    let pick = world.next(source);
    let receipt = |epoch| Receipt {
        source: ReceiptSource::Queue(id),
        partition: pick.partition,
        sequence: pick.sequence,
        epoch,
        attempt: pick.attempt,
    };
    // The second hands it out as well: the same place, the same attempt.
    let second = world.open_epoch();
    assert_eq!(world.next(source), pick);
    let end = LeaseEnd::At(Timestamp::new(1_000));
    assert_eq!(
        world.submit(Action::Lease { source, epoch: second, end, picks: vec![pick] }),
        Outcome::Leased(vec![true])
    );
    assert_eq!(world.ack(&queue, receipt(first)), Settlement::LeaseLost);
    assert_eq!(world.ack(&queue, receipt(second)), Settlement::Settled);
    assert_eq!(world.ack(&queue, receipt(second)), Settlement::LeaseLost);
}
