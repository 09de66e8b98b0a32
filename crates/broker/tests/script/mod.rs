//! The world of a script: a machine, its log of payloads, and what was handed out. The only part of the
//! script tests that touches the interface of the machine.

mod answer;
mod routes;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use broker::Machine;
use broker::codec;
use broker::command::{Action, Command, LeaseEnd, Principal, Usage};
use broker::effect::Effect;
use broker::machine::Answer;
use broker::outcome::Outcome;
use broker::place::SourceId;
use broker::record;
use bytes::Bytes;
use model::access::{Role, Scope};
use model::name::UserName;
use model::number::{LogIndex, Timestamp, UserId};
use model::operation::Request;
use model::receipt::{Receipt, ReceiptSource};
use model::refusal::Refusal;

use words::Words;

pub(crate) struct World {
    machine: Machine,
    index: u64,
    now: u64,
    /// Payloads by batch, as the log would keep them.
    records: BTreeMap<LogIndex, Vec<Bytes>>,
    users: BTreeMap<String, UserId>,
    /// Receipts by the body of their message, newest last.
    receipts: BTreeMap<String, Vec<Receipt>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            machine: Machine::new(),
            index: 0,
            now: 0,
            records: BTreeMap::new(),
            users: BTreeMap::new(),
            receipts: BTreeMap::new(),
        }
    }

    /// Performs one line and says what came of it, a line an answer.
    pub(crate) fn perform(&mut self, line: &str) -> Vec<String> {
        let mut words = Words::new(line);
        self.now = words.time();
        let by = match words.user_among(&self.users) {
            Some(id) => Principal::User { id, scope: Scope::full() },
            None => Principal::System,
        };
        let verb = words.next();
        let answers = match verb.as_str() {
            "user" => vec![self.create_user(&mut words)],
            "restart" => vec![self.restart()],
            "take" => {
                self.pass_time();
                self.take(&by, &mut words)
            }
            "use" => self.note_use(&mut words),
            "wait" => self.submit(by, Action::Tick),
            _ => match words.request(&verb, &self.receipts) {
                words::Said::Action(action) => self.submit(by, action),
                words::Said::Read(request) => {
                    self.pass_time();
                    self.read(&by, &request)
                }
            },
        };
        words.done();
        self.check();
        answers
    }

    fn create_user(&mut self, words: &mut Words) -> String {
        let name = words.next();
        let roles: Vec<Role> = words.rest().iter().map(|word| Role::parse(word).unwrap()).collect();
        let action =
            Action::CreateUser { name: UserName::parse(&name).unwrap(), password_hash: "hash".to_owned(), roles };
        let answer = self.submit(Principal::System, action).join(", ");
        let (id, _) = self.machine.access().user_named(&name).unwrap();
        self.users.insert(name, id);
        answer
    }

    /// A new leader begins on a copy of the state.
    fn restart(&mut self) -> String {
        self.machine = restored(&self.machine);
        self.submit(Principal::System, Action::OpenEpoch).join(", ")
    }

    /// What the leader tells of the consumers of a queue.
    fn note_use(&mut self, words: &mut Words) -> Vec<String> {
        let source = words.source();
        let usage = match words.next().as_str() {
            "consumed" => Usage::Consumed,
            "left" => Usage::Left,
            "asked" => Usage::Asked,
            other => panic!("nothing is called {other} here"),
        };
        let Ok((SourceId::Queue(queue), _)) = self.machine.consumable(&Principal::System, &source) else {
            return vec!["no such queue".to_owned()];
        };
        let epoch = self.machine.epoch();
        self.submit(Principal::System, Action::NoteUse { queue, epoch, usage })
    }

    fn submit(&mut self, by: Principal, action: Action) -> Vec<String> {
        let (outcome, effects) = self.apply(by, action);
        let mut answers = vec![answer::outcome(&outcome)];
        let woken: BTreeSet<_> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Rebalanced(_) => Some("rebalance"),
                Effect::Attend(_) => Some("attend"),
                Effect::Gone(_) => Some("gone"),
                Effect::Wake(_) | Effect::Appended(..) => None,
            })
            .collect();
        answers.extend(woken.into_iter().map(|effect| format!("effect: {effect}")));
        answers
    }

    fn apply(&mut self, by: Principal, action: Action) -> (Result<Outcome, Refusal>, Vec<Effect>) {
        self.index += 1;
        let index = LogIndex::new(self.index);
        let bytes = codec::encode(Timestamp::new(self.now), &[Command { principal: by, action }]);
        let batch = codec::decode(bytes).unwrap();
        self.records.insert(index, batch.records());
        let mut effects = Vec::new();
        // Ten batches a segment.
        let segment = LogIndex::new((self.index - 1) / 10 * 10 + 1);
        let mut outcomes = self.machine.apply(index, segment, &batch, &mut effects);
        (outcomes.remove(0), effects)
    }

    /// The leader proposes a batch when something is due.
    fn pass_time(&mut self) {
        if self.machine.next_deadline().is_some_and(|due| due.get() <= self.now) {
            self.apply(Principal::System, Action::Tick).0.unwrap();
        }
    }

    /// What the leader's runtime does: choose, hand out, record the lease.
    fn take(&mut self, by: &Principal, words: &mut Words) -> Vec<String> {
        let source = words.source();
        let max = words.number("max").unwrap_or(1);
        let lease = words.number("lease").unwrap_or(30_000);
        let end = if words.flag("connection") {
            LeaseEnd::WithConnection
        } else {
            LeaseEnd::At(Timestamp::new(self.now + lease))
        };
        let id = match self.machine.consumable(by, &source) {
            Ok((id, _)) => id,
            Err(refusal) => return vec![answer::refusal(&refusal)],
        };
        let max = usize::try_from(max).unwrap();
        let picked = self.machine.pick(id, &BTreeSet::new(), max, u64::MAX);
        if picked.is_empty() {
            return vec!["nothing".to_owned()];
        }
        let epoch = self.machine.epoch();
        let picks = picked.iter().map(|picked| picked.pick).collect();
        let (outcome, _) = self.apply(Principal::System, Action::Lease { source: id, epoch, end, picks });
        assert!(matches!(outcome, Ok(Outcome::Leased(leased)) if leased.iter().all(|leased| *leased)));
        let source = match id {
            SourceId::Queue(id) => ReceiptSource::Queue(id),
            SourceId::Subscription(id) => ReceiptSource::Subscription(id),
        };
        let mut answers = Vec::new();
        for picked in picked {
            let pick = picked.pick;
            let receipt =
                Receipt { source, partition: pick.partition, sequence: pick.sequence, epoch, attempt: pick.attempt };
            let body = self.body(picked.stored.at);
            answers.push(answer::delivery(&body, &picked));
            self.receipts.entry(body).or_default().push(receipt);
        }
        answers
    }

    fn read(&self, by: &Principal, request: &Request) -> Vec<String> {
        match self.machine.read(by, request) {
            Err(refusal) => vec![answer::refusal(&refusal)],
            Ok(Answer::Response(response)) => answer::response(&response),
            Ok(Answer::Peeked { places, .. }) => {
                places.iter().map(|place| answer::peeked(&self.body(place.stored.at), place)).collect()
            }
            Ok(Answer::Read { places, extent, .. }) => {
                let record =
                    |place: &broker::machine::ReadPlace| format!("{} {}", place.offset, self.body(place.stored.at));
                let mut answers: Vec<_> = places.iter().map(record).collect();
                answers.push(format!("{} to {}", extent.earliest, extent.end));
                answers
            }
        }
    }

    /// The text of a message, out of the log.
    fn body(&self, at: broker::place::MessageRef) -> String {
        let record = self.records[&at.index][usize::try_from(at.position).unwrap()].clone();
        let message = record::decode(record, Timestamp::new(0), None).unwrap();
        // An empty body is said as it is published.
        if message.body.is_empty() { "-".to_owned() } else { String::from_utf8(message.body.to_vec()).unwrap() }
    }

    /// What must hold after every line.
    fn check(&self) {
        let references: u64 = self.machine.segments().map(|(_, live)| live.references).sum();
        let survivors = self.machine.survivors(LogIndex::new(0), LogIndex::new(u64::MAX), usize::MAX);
        assert_eq!(references, u64::try_from(survivors.len()).unwrap(), "the ledger counts every reference once");
        let bytes: u64 = survivors.iter().map(|survivor| u64::from(survivor.stored.bytes)).sum();
        assert_eq!(self.machine.live_bytes().get(), bytes, "the ledger counts every byte once");
        let copy = restored(&self.machine);
        assert_eq!(copy.state_hash(), self.machine.state_hash(), "a restored state is the same state");
        assert_eq!(copy.next_deadline(), self.machine.next_deadline(), "a restored state has the same deadlines");
    }
}

fn restored(machine: &Machine) -> Machine {
    let sections: Vec<_> = machine.sections().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    Machine::restore(&sections).unwrap()
}
