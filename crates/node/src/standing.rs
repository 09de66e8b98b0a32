//! Whether a caller that waits or consumes is still who it was: meanwhile its token may be revoked or run out, its user
//! disabled or deleted, a grant taken away.
//! Invariant: whatever lasts longer than `STANDING_CHECK` is looked at that often, and ends when its caller has no
//! standing any more.
//! Called by `backend`. Tests: `tests/suite/standing.rs` of the binary.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use model::caller::Caller;
use model::failure::Failure;
use model::message::Delivery;
use model::name::Source;
use model::number::{TokenId, UserId};
use model::refusal::Refusal;
use model::{Consume, Deliveries};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::limits::{STANDING_CHECK, STANDINGS_KEPT};
use crate::node::Core;
use crate::translate::principal;

/// Who was seen to have standing, and when: looking asks for the machine, which a large batch holds for milliseconds,
/// and a stream publishes thousands of times a second. Holds at most `STANDINGS_KEPT`.
#[derive(Default)]
pub(crate) struct Standings(Mutex<BTreeMap<(UserId, Option<TokenId>), Instant>>);

impl Standings {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<(UserId, Option<TokenId>), Instant>> {
        self.0.lock().expect("no holder panics")
    }

    fn is_recent(&self, caller: &Caller) -> bool {
        self.seen().get(&(caller.user, caller.token)).is_some_and(|at| at.elapsed() < STANDING_CHECK)
    }

    fn note(&self, caller: &Caller) {
        let mut seen = self.seen();
        if STANDINGS_KEPT <= seen.len() {
            seen.clear();
        }
        seen.insert((caller.user, caller.token), Instant::now());
    }
}

impl Core {
    /// As `demand_standing`, but believes what was seen less than `STANDING_CHECK` ago.
    pub(crate) fn demand_recent_standing(&self, caller: &Caller) -> Result<(), Failure> {
        if self.standings.is_recent(caller) {
            return Ok(());
        }
        self.demand_standing(caller)?;
        self.standings.note(caller);
        Ok(())
    }

    /// Refuses a caller whose token or user is gone since it was authenticated.
    pub(crate) fn demand_standing(&self, caller: &Caller) -> Result<(), Failure> {
        let now = self.log.now();
        let stands = self
            .log
            .read(|machine| machine.access().has_standing(caller.user, caller.token, now.max(machine.now())))?;
        if stands { Ok(()) } else { Err(Refusal::Unauthenticated.into()) }
    }

    /// Refuses a caller that may not consume any more.
    pub(crate) fn demand_consuming(&self, caller: &Caller, source: &Source) -> Result<(), Failure> {
        self.demand_standing(caller)?;
        let by = principal(caller);
        self.log.read(|machine| machine.consumable(&by, source).map(drop))??;
        Ok(())
    }

    /// Opens a stream that ends with the standing of its caller.
    pub(crate) async fn consume(
        self: Arc<Self>,
        caller: Caller,
        request: Consume,
    ) -> Result<Box<dyn Deliveries>, Failure> {
        self.refuse_when_draining()?;
        self.demand_standing(&caller)?;
        let source = request.source.clone();
        let deliveries = Some(self.runtime.consume(&caller, request).await?);
        let mut check = interval_at(Instant::now() + STANDING_CHECK, STANDING_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Box::new(WhileStanding { core: self, caller, source, deliveries, check }))
    }
}

/// Does what may wait, as long as `standing` has nothing against it.
pub(crate) async fn while_standing<T>(
    standing: impl Fn() -> Result<(), Failure>,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut work = pin!(work);
    loop {
        match timeout(STANDING_CHECK, &mut work).await {
            Ok(answer) => return answer,
            Err(_) => standing()?,
        }
    }
}

struct WhileStanding {
    core: Arc<Core>,
    caller: Caller,
    source: Source,
    /// Gone once the caller's standing is; what was not settled goes back with it.
    deliveries: Option<Box<dyn Deliveries>>,
    check: Interval,
}

impl Deliveries for WhileStanding {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        while self.check.poll_tick(context).is_ready() {
            if let Err(failure) = self.core.demand_consuming(&self.caller, &self.source) {
                let consumed = self.deliveries.take();
                return Poll::Ready(consumed.map(|_| Err(failure)));
            }
        }
        match &mut self.deliveries {
            Some(deliveries) => deliveries.poll_next(context),
            None => Poll::Ready(None),
        }
    }

    fn add_credit(&mut self, messages: u32) {
        if let Some(deliveries) = &mut self.deliveries {
            deliveries.add_credit(messages);
        }
    }

    fn stop(&mut self) {
        if let Some(deliveries) = &mut self.deliveries {
            deliveries.stop();
        }
    }
}
