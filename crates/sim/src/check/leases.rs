//! One holder a message: it is handed out while nobody has it, and a receipt settles its own delivery alone.
//! Invariant checked: a settle takes effect exactly when its delivery is the present one.
//! Called by the reference with each lease, ack, nack and extend. Mutants: a receipt's epoch or attempt ignored.

use model::message::MessagePlace;
use model::queue::DeliveryOrder;
use model::receipt::{Receipt, Settlement};

use super::Property;
use crate::book::Notes;
use crate::book::line::{Life, Line};

/// A pick took effect, or did not.
pub fn granted(
    line: Option<&Line>,
    place: MessagePlace,
    attempt: u32,
    is_present_epoch: bool,
    given: bool,
    notes: &mut Notes,
) {
    let kept = line.and_then(|line| line.kept.get(&place));
    let is_free = kept.is_some_and(|kept| kept.life == Life::Waiting);
    let next = line.map_or(0, |line| line.next_attempt(place));
    let fits = is_present_epoch && is_free && next == attempt;
    let verdicts = &mut notes.verdicts;
    if given {
        verdicts.demand(Property::Leases, is_present_epoch, || format!("{place:?} was leased under an old epoch"));
        verdicts.demand(Property::Leases, is_free, || {
            format!("{place:?} was handed out while it is {:?}", kept.map(|kept| kept.life))
        });
        verdicts.demand(Property::Attempts, !is_free || next == attempt, || {
            format!("{place:?} was handed out as attempt {attempt}, not {next}")
        });
        let is_taken = line.is_some_and(|line| line.key_is_taken(place));
        verdicts.demand(Property::Order, !is_taken, || format!("{place:?} was handed out beside another of its key"));
    } else {
        let is_plain = line.is_some_and(|line| line.order == DeliveryOrder::Fifo);
        verdicts.demand(Property::Leases, !(fits && is_plain), || {
            format!("{place:?} is free, but attempt {attempt} was not recorded")
        });
    }
}

/// A receipt was used.
pub fn settled(receipt: &Receipt, is_present: bool, result: &Settlement, notes: &mut Notes) {
    let expected = if is_present { Settlement::Settled } else { Settlement::LeaseLost };
    notes.verdicts.demand(Property::Leases, *result == expected, || {
        format!("{receipt:?} gave {result:?} where {expected:?} is right")
    });
}
