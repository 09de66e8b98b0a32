//! Settles of a deliver stream: acks that arrive together become one submit.
//! Invariant: each settle gets one result under its own number, whether it was submitted alone or with others.

use std::task::{Context, Poll};

use model::limits::RECEIPTS_MAX;
use model::name::Source;
use model::number::Span;
use model::queue::{Ack, Extend, Nack, NackAction, Settled};
use model::receipt::{Receipt, Settlement};
use model::{Backend, Call, Caller, Failure, Refusal, Reply, Request, Response};

use crate::proto as pb;
use crate::server::wrong_response;
use crate::status::problem;
use crate::translate::Wire;

/// What a settle asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Ack,
    Nack(NackAction),
    Extend(Span),
}

/// One settle of the client inside a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    number: u64,
    receipts: usize,
}

/// Settles that wait for a submit.
pub(super) enum Waiting {
    Receipts { action: Action, shares: Vec<Share>, receipts: Vec<Receipt> },
    Refused { number: u64, refusal: Refusal },
}

/// Settles under way.
pub(super) struct Flight {
    action: Action,
    shares: Vec<Share>,
    answer: Answer,
}

enum Answer {
    Waiting(Reply<Response>),
    Here(Result<Settled, Failure>),
}

impl Waiting {
    /// Reads a settle; what cannot be read is refused in its turn.
    pub(super) fn translate(settle: pb::Settle) -> Self {
        use pb::settle::Action as Form;
        let action = match settle.action {
            None => Action::Ack,
            Some(Form::RetryAfterMs(delay)) => Action::Nack(NackAction::Retry(Span::new(delay))),
            Some(Form::Reject(pb::Reject {})) => Action::Nack(NackAction::Reject),
            Some(Form::ExtendMs(lease)) => Action::Extend(Span::new(lease)),
        };
        let number = settle.number;
        match Vec::from_wire(settle.receipts) {
            Err(refusal) => Self::Refused { number, refusal },
            Ok(receipts) => {
                Self::Receipts { action, shares: vec![Share { number, receipts: receipts.len() }], receipts }
            }
        }
    }

    /// Takes another one in when both ask for the same, or gives it back.
    pub(super) fn join(&mut self, other: Self) -> Option<Self> {
        match (self, other) {
            (
                Self::Receipts { action, shares, receipts },
                Self::Receipts { action: same, shares: mut more, receipts: mut others },
            ) if *action == same
                && !receipts.is_empty()
                && !others.is_empty()
                && receipts.len() + others.len() <= RECEIPTS_MAX =>
            {
                shares.append(&mut more);
                receipts.append(&mut others);
                None
            }
            (Self::Receipts { .. } | Self::Refused { .. }, other) => Some(other),
        }
    }

    /// Starts the submit.
    pub(super) fn launch(self, backend: &dyn Backend, caller: &Caller, source: &Source) -> Flight {
        let (action, shares, receipts) = match self {
            Self::Receipts { action, shares, receipts } => (action, shares, receipts),
            Self::Refused { number, refusal } => {
                let shares = vec![Share { number, receipts: 0 }];
                return Flight { action: Action::Ack, shares, answer: Answer::Here(Err(refusal.into())) };
            }
        };
        let source = source.clone();
        let request: Request = match action {
            Action::Ack => Ack { source, receipts }.into(),
            Action::Nack(action) => Nack { source, receipts, action }.into(),
            Action::Extend(lease) => Extend { source, receipts, lease }.into(),
        };
        Flight { action, shares, answer: Answer::Waiting(backend.submit(caller, request)) }
    }
}

impl Flight {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        if let Answer::Waiting(reply) = &mut self.answer
            && let Poll::Ready(result) = reply.as_mut().poll(context)
        {
            let action = self.action;
            self.answer = Answer::Here(result.and_then(|response| settled(action, response)));
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.answer, Answer::Here(_))
    }

    /// Adds one result for each settle.
    pub(super) fn report(self, results: &mut Vec<pb::SettleResult>) {
        let Answer::Here(result) = self.answer else { return };
        match result {
            Err(failure) => {
                let problem = problem(&failure);
                results.extend(self.shares.into_iter().map(|share| pb::SettleResult {
                    number: share.number,
                    lost: Vec::new(),
                    problem: Some(problem.clone()),
                }));
            }
            Ok(Settled { results: settlements }) => {
                let mut rest = settlements.as_slice();
                for share in self.shares {
                    let (its, others) = rest.split_at(share.receipts.min(rest.len()));
                    rest = others;
                    results.push(pb::SettleResult { number: share.number, lost: lost(its), problem: None });
                }
            }
        }
    }
}

fn settled(action: Action, response: Response) -> Result<Settled, Failure> {
    let settled = match action {
        Action::Ack => Ack::reply(response),
        Action::Nack(_) => Nack::reply(response),
        Action::Extend(_) => Extend::reply(response),
    };
    settled.ok_or_else(wrong_response)
}

/// The places of the lost ones.
fn lost(settlements: &[Settlement]) -> Vec<u32> {
    (0_u32..)
        .zip(settlements)
        .filter_map(|(place, settlement)| match settlement {
            Settlement::Settled => None,
            Settlement::LeaseLost => Some(place),
        })
        .collect()
}
