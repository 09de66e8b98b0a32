//! Receiving and settling.
//! Invariant: each receipt of a request gets one result, in the order of the request; texts that are no receipts
//! never reach the backend.
//! Used by `rest::settling`; tests in `translate/tests.rs`.

use http::StatusCode;
use model::limits::{RECEIPTS_MAX, RECEIVE_MESSAGES_MAX, WAIT_MS_MAX};
use model::name::{MemberName, Source};
use model::number::Span;
use model::queue::{NackAction, Receive, Settled, check_lease};
use model::receipt::{Receipt, Settlement};
use model::refusal::Refusal;

use crate::limits::RECEIVE_DEFAULT;
use crate::wire;

/// A receive from the source of the path.
pub(crate) fn receive(source: Source, request: wire::ReceiveRequest) -> Result<Receive, Refusal> {
    let max = request.max.unwrap_or(RECEIVE_DEFAULT);
    if max == 0 || max > RECEIVE_MESSAGES_MAX {
        return Err(Refusal::invalid("max", "it must lie between 1 and 1000"));
    }
    let wait = Span::new(request.wait_ms.unwrap_or_default());
    check_wait(wait)?;
    let lease = request.lease_ms.map(Span::new);
    if let Some(lease) = lease {
        check_lease(lease)?;
    }
    let member = request.member.map(|name| MemberName::parse(&name.0)).transpose()?;
    Ok(Receive { source, max, wait, lease, member })
}

/// Checks the length of a long poll.
pub(crate) fn check_wait(wait: Span) -> Result<(), Refusal> {
    if wait.get() > WAIT_MS_MAX {
        return Err(Refusal::invalid("wait_ms", "it must lie between 0 and 60000"));
    }
    Ok(())
}

/// What a nack asks for.
pub(crate) fn nack_action(delay_ms: Option<u64>, reject: bool) -> Result<NackAction, Refusal> {
    match (delay_ms, reject) {
        (Some(_), true) => Err(Refusal::invalid("reject", "give delay_ms or reject, not both")),
        (None, true) => Ok(NackAction::Reject),
        (delay, false) => Ok(NackAction::Retry(Span::new(delay.unwrap_or_default()))),
    }
}

/// The texts of a settle, and the receipts among them.
pub(crate) struct Sorted {
    texts: Vec<String>,
    valid: Vec<bool>,
    /// The receipts, in the order of the request.
    pub(crate) receipts: Vec<Receipt>,
}

/// Sorts what is a receipt from what is none.
pub(crate) fn sort(texts: Vec<String>) -> Result<Sorted, Refusal> {
    if texts.is_empty() || texts.len() > RECEIPTS_MAX {
        return Err(Refusal::BatchSize { count: texts.len(), limit: RECEIPTS_MAX });
    }
    let parsed: Vec<_> = texts.iter().map(|text| Receipt::parse(text).ok()).collect();
    let receipts: Vec<_> = parsed.iter().flatten().copied().collect();
    if receipts.is_empty() {
        return Err(Refusal::ReceiptInvalid);
    }
    Ok(Sorted { valid: parsed.iter().map(Option::is_some).collect(), texts, receipts })
}

/// The results beside their receipts: 200 when every receipt was settled, else 409 with the same document.
pub(crate) fn settled(sorted: Sorted, settled: Settled) -> (StatusCode, wire::Settled) {
    let mut outcomes = settled.results.into_iter();
    let results: Vec<_> = sorted
        .texts
        .into_iter()
        .zip(sorted.valid)
        .map(|(receipt, valid)| {
            let status = if valid {
                outcomes.next().map_or(wire::SettleStatus::LeaseLost, Into::into)
            } else {
                wire::SettleStatus::Invalid
            };
            wire::SettleResult { receipt, status }
        })
        .collect();
    let all = results.iter().all(|result| result.status == wire::SettleStatus::Settled);
    (if all { StatusCode::OK } else { StatusCode::CONFLICT }, wire::Settled { results })
}

impl From<Settlement> for wire::SettleStatus {
    fn from(settlement: Settlement) -> Self {
        match settlement {
            Settlement::Settled => Self::Settled,
            Settlement::LeaseLost => Self::LeaseLost,
        }
    }
}
