//! Settling: receipts of the command line to an ack, nack or extend, and what became of each.
//! Invariant: a receipt whose lease is lost ends the command with 1, after every result is printed.
//! Called by `ctl::queue` and `ctl::subscription`.

use model::Refusal;
use model::queue::Settled;
use model::receipt::{Receipt, Settlement};
use web::wire;

use crate::exit::{Complaint, Exit};
use crate::output::Output;

/// The receipts that texts stand for.
pub(crate) fn receipts(texts: &[String]) -> Result<Vec<Receipt>, Refusal> {
    texts.iter().map(|text| Receipt::parse(text)).collect()
}

/// Prints what became of each receipt.
pub(crate) fn report(output: Output, receipts: &[Receipt], settled: &Settled) -> Result<(), Complaint> {
    let results = receipts.iter().zip(&settled.results).map(|(receipt, settlement)| wire::SettleResult {
        receipt: receipt.to_string(),
        status: settlement.clone().into(),
    });
    let document = wire::Settled { results: results.collect() };
    output.data(&document, &["receipt", "status"], |document| {
        let row = |result: &wire::SettleResult| vec![result.receipt.clone(), word(result.status).to_owned()];
        document.results.iter().map(row).collect()
    })?;
    check(settled)
}

/// Complains when a lease was lost.
pub(crate) fn check(settled: &Settled) -> Result<(), Complaint> {
    let lost = settled.results.iter().filter(|result| **result == Settlement::LeaseLost).count();
    if lost == 0 {
        return Ok(());
    }
    Err(Complaint::here(
        Exit::Found,
        "lease_lost",
        format!("{lost} of {} deliveries were not this caller's any more", settled.results.len()),
        "settle before the lease ends, or ask for a longer one with --lease",
    ))
}

const fn word(status: wire::SettleStatus) -> &'static str {
    match status {
        wire::SettleStatus::Settled => "settled",
        wire::SettleStatus::LeaseLost => "lease_lost",
        wire::SettleStatus::Invalid => "invalid",
    }
}
