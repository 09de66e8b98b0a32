//! Errors say what is so: a refusal comes when its reason holds and only then; a fault only after a fault.
//! Invariant checked: names that are there are found, rights are those granted, failures fit the life.
//! Called by the reference with each answer, and by the clients with each failure.

use broker::command::{Action, Command, Principal};
use model::code::Code;
use model::failure::{Failure, Unavailable};
use model::name::{NamespaceName, QueueName};
use model::refusal::Refusal;

use super::Property;
use crate::book::{Answer, Book, Notes};
use crate::events::Event;

/// An answer to a command.
pub fn check(book: &Book, command: &Command, answer: &Answer, notes: &mut Notes) {
    let code = answer.as_ref().err().map(Refusal::code);
    rights(book, command, code, notes);
    if command.principal == Principal::System {
        found(book, &command.action, answer, notes);
    }
    if let (Action::CreateQueue(request), Ok(_)) = (&command.action, answer) {
        let known = book.queue_ids.get(&request.queue.name).and_then(|id| book.queues.get(id));
        notes.verdicts.demand(Property::Errors, known.is_none_or(|queue| queue.settings == request.settings), || {
            format!("queue {} exists with other settings, and creating it was done", request.queue.name)
        });
    }
    if code == Some(Code::QueueInUse) {
        notes.tally.note(Event::QueueInUse);
    }
    if code == Some(Code::NotAssigned) {
        notes.tally.note(Event::CommitForeign);
    }
}

/// A queue that is not there is missed, and none else: neither the one that is meant nor one that it names, as an alter
/// names a queue for dead letters.
fn found(book: &Book, action: &Action, answer: &Answer, notes: &mut Notes) {
    let missed = match answer {
        Err(Refusal::QueueNotFound { name }) => Some(name.as_str()),
        Ok(_) | Err(_) => None,
    };
    let is_there = |name: &str| book.queue_ids.keys().any(|known| name == full_name(known));
    if let Some(meant) = queue_of(action).map(full_name) {
        notes.verdicts.demand(Property::Errors, is_there(&meant) || missed == Some(&meant), || {
            format!("queue {meant} is not there, and the answer is {answer:?}")
        });
    }
    if let Some(missed) = missed {
        notes.verdicts.demand(Property::Errors, !is_there(missed), || format!("queue {missed} is there, and missed"));
    }
}

/// A queue as refusals name it.
fn full_name(name: &QueueName) -> String {
    format!("{}/{name}", NamespaceName::default())
}

/// The guest does what was granted, and nothing else.
fn rights(book: &Book, command: &Command, code: Option<Code>, notes: &mut Notes) {
    let is_forbidden = code == Some(Code::Forbidden);
    let may = match (&command.principal, &command.action) {
        (Principal::System, _) => true,
        (Principal::User { id, .. }, Action::Publish { queue, .. }) => {
            Some(*id) == book.guest && book.guest_may(queue.name.as_str())
        }
        (Principal::User { .. }, _) => false,
    };
    // Whoever may not look is not told whether it exists.
    let is_there = queue_of(&command.action).is_none_or(|name| book.queue_ids.contains_key(name));
    notes.verdicts.demand(Property::Errors, may != is_forbidden || !is_there, || {
        format!("{:?} may do {:?}: {may}, and the answer is {code:?}", command.principal, command.action)
    });
    if command.principal != Principal::System {
        notes.tally.note(if is_forbidden { Event::Forbidden } else { Event::Granted });
    }
}

/// The queue that an action needs.
fn queue_of(action: &Action) -> Option<&QueueName> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these name a queue that must be there")]
    match action {
        Action::AlterQueue(request) => Some(&request.queue.name),
        Action::DeleteQueue(request) => Some(&request.queue.name),
        Action::PurgeQueue(request) => Some(&request.queue.name),
        Action::CancelMessages(request) => Some(&request.queue.name),
        Action::Publish { queue, .. } => Some(&queue.name),
        _ => None,
    }
}

/// What a life has met, so that failures can be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The disk was made to fail.
    pub disk_failed: bool,
    /// The disk was made small in this life.
    pub disk_small: bool,
    /// The disk is small now.
    pub disk_is_small: bool,
    /// A publish was refused for lack of room, and none was accepted since.
    pub was_refused_for_room: bool,
    /// The shard is closing.
    pub closing: bool,
    /// It has replicas on other nodes, and faults come: the leader may be another one, or none.
    pub is_contested: bool,
}

/// A submission failed.
pub fn failed(failure: &Failure, around: Circumstances, notes: &mut Notes) {
    let is_called_for = match failure {
        Failure::Refused(_) => true,
        Failure::Fault(_) => around.disk_failed || around.disk_small,
        Failure::Unavailable(unavailable) => match unavailable {
            Unavailable::DiskNearlyFull => around.disk_small,
            // A node of several closes by itself as well, when it has to take a copy.
            Unavailable::Draining => around.closing || around.is_contested,
            Unavailable::Unknown | Unavailable::NoLeader => {
                around.is_contested || around.disk_failed || around.disk_small || around.closing
            }
            Unavailable::Starting => around.is_contested,
            Unavailable::Busy | Unavailable::MemoryFull | Unavailable::Unreachable => false,
        },
    };
    notes.verdicts.demand(Property::Errors, is_called_for, || {
        format!("{failure:?} was answered, and nothing called for it ({around:?})")
    });
}

#[cfg(test)]
mod tests {
    use model::name::QueueRef;
    use model::number::QueueId;
    use model::queue::{AlterQueue, QueuePatch};

    use super::*;

    /// What is said about an alter of `q0` that a machine refuses, or does not, while the queues `known` are there.
    fn said(known: &[&str], answer: &Answer) -> usize {
        let mut book = Book::default();
        for (id, name) in (1..).zip(known) {
            book.queue_ids.insert(QueueName::parse(name).unwrap(), QueueId::new(id));
        }
        let queue = QueueRef { namespace: NamespaceName::default(), name: QueueName::parse("q0").unwrap() };
        let action = Action::AlterQueue(AlterQueue { queue, patch: QueuePatch::default() });
        let mut notes = Notes::default();
        check(&book, &Command { principal: Principal::System, action }, answer, &mut notes);
        notes.verdicts.violations.len()
    }

    fn missed(name: &str) -> Answer {
        Err(Refusal::QueueNotFound { name: name.to_owned() })
    }

    #[test]
    fn a_queue_that_is_not_there_is_missed_and_no_other() {
        assert_eq!(said(&["q0"], &missed("default/dead")), 0, "its dead letters go nowhere");
        assert_eq!(said(&[], &missed("default/q0")), 0);
        assert_eq!(said(&["q0"], &missed("default/q0")), 1, "it is there");
        assert_eq!(said(&["q0", "dead"], &missed("default/dead")), 1, "it is there");
        assert_eq!(said(&["dead"], &missed("default/other")), 1, "another is missed first");
    }
}
