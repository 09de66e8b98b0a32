//! The network between the machines: what becomes of each message and of each answer.
//! Invariant: a message comes late, once, twice or never, and never changed; what is on its way does not stop when its
//! sender does. All chance is drawn in the order of the messages.
//! Given to each shard as its `Peers`. Tests: every seed of several nodes.

use std::time::Duration;

use bytes::Bytes;
use model::failure::Failure;
use shard::{Answer, Peers, Shard, Unreached, asks_for_vote};
use tokio::sync::oneshot;

use crate::chance::Chance;
use crate::events::Event;
use crate::limits::NETWORK_SILENCE;
use crate::watched::Watched;
use crate::world::world;

use super::hall::Hall;

/// How the network is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Most microseconds of a usual way.
    pub(super) micros_max: u64,
    /// Of a thousand messages so many take much longer.
    pub(super) late_permille: u64,
    /// Of a thousand messages so many never come.
    pub(super) lost_permille: u64,
    /// Of a thousand messages so many come twice.
    pub(super) twice_permille: u64,
}

impl Weather {
    /// The usual one of a seed.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        Self {
            micros_max: *chance.among(&[100, 1000, 5000, 30_000]),
            late_permille: *chance.among(&[0, 5, 30]),
            lost_permille: *chance.among(&[0, 0, 2, 10]),
            twice_permille: *chance.among(&[0, 2, 10]),
        }
    }

    /// Nothing gets lost, and hardly anything is late.
    pub(super) const fn calm() -> Self {
        Self { micros_max: 1000, late_permille: 0, lost_permille: 0, twice_permille: 0 }
    }
}

/// What becomes of something that is sent.
enum Fate {
    Comes(Duration),
    /// The connection breaks, and the sender hears of it.
    Breaks(Duration),
    /// Nobody hears of it.
    Vanishes,
}

impl Hall {
    fn fate(&self, from: usize, to: usize) -> Fate {
        let mut state = self.state();
        let weather = state.weather;
        let micros = state.chance.below(weather.micros_max.max(1));
        let is_late = state.chance.below(1000) < weather.late_permille;
        let way = Duration::from_micros(if is_late { micros * 200 } else { micros });
        if state.chance.below(1000) < weather.lost_permille {
            return if state.chance.one_in(2) { Fate::Breaks(way) } else { Fate::Vanishes };
        }
        if state.cut.contains(&(from, to)) { Fate::Vanishes } else { Fate::Comes(way) }
    }

    fn is_twice(&self) -> bool {
        let mut state = self.state();
        let permille = state.weather.twice_permille;
        state.chance.below(1000) < permille
    }

    /// One way over the network.
    async fn hop(&self, from: usize, to: usize) -> Result<(), &'static str> {
        match self.fate(from, to) {
            Fate::Comes(way) => tokio::time::sleep(way).await,
            Fate::Breaks(way) => {
                tokio::time::sleep(way).await;
                return Err("the connection broke");
            }
            Fate::Vanishes => return silence().await,
        }
        // Cut while it was on its way.
        if self.state().cut.contains(&(from, to)) { silence().await } else { Ok(()) }
    }

    /// Brings something to the node on another machine; the answer is still there.
    async fn bring<T, F: Future<Output = T>>(
        &self,
        from: usize,
        to: usize,
        work: impl FnOnce(Shard<Watched>) -> F,
    ) -> Result<T, String> {
        self.hop(from, to).await?;
        let running = self.running(to).ok_or("nobody listens there")?;
        let shard = running.shard.ok_or("nobody listens there yet")?;
        let answer = running.process.run(work(shard)).await.map_err(|killed| killed.to_string())?;
        // A machine without power answers nothing.
        if running.disk.is_cut() { Err("the connection broke".to_owned()) } else { Ok(answer) }
    }

    /// A message of a replica, there and back.
    async fn message(&self, from: usize, to: usize, message: Bytes) -> Result<Result<Bytes, Failure>, String> {
        let is_vote = self.state().machines[to].falls_after_vote.is_some() && asks_for_vote(message.clone());
        let answer = self.bring(from, to, |shard| async move { shard.answer(message).await }).await?;
        // Then the answer is the last that left.
        if !(is_vote && self.fall_after_vote(from, to)) {
            self.hop(to, from).await?;
        }
        Ok(answer)
    }

    /// Asks something of the node on another machine: there and back.
    pub(super) async fn ask<T, F: Future<Output = T>>(
        &self,
        from: usize,
        to: usize,
        work: impl FnOnce(Shard<Watched>) -> F,
    ) -> Result<T, String> {
        let answer = self.bring(from, to, work).await?;
        self.hop(to, from).await?;
        Ok(answer)
    }
}

async fn silence() -> Result<(), &'static str> {
    world(|world| world.notes.tally.note(Event::MessageLost));
    tokio::time::sleep(NETWORK_SILENCE).await;
    Err("no answer came")
}

/// The name of a machine in the network.
pub(super) fn address_of(slot: usize) -> String {
    format!("wire-{slot}")
}

/// What the node of one machine has of the network.
pub(super) struct Wire {
    pub(super) slot: usize,
    pub(super) hall: Hall,
}

impl Peers for Wire {
    fn send(&self, node: u64, address: &str, message: Bytes, within: Duration) -> Answer {
        let unreached = {
            let address = address.to_owned();
            move |why: String| Unreached { node, address, why }
        };
        let to: Option<usize> = address.strip_prefix("wire-").and_then(|slot| slot.parse().ok());
        let (from, hall) = (self.slot, self.hall.clone());
        Box::pin(async move {
            let Some(to) = to else { return Err(unreached("there is no such machine".to_owned())) };
            let (sender, receiver) = oneshot::channel();
            // Not a task of the node: what is on its way stays so when the node falls.
            tokio::spawn(async move {
                if hall.is_twice() {
                    world(|world| world.notes.tally.note(Event::MessageTwice));
                    let (hall, message) = (hall.clone(), message.clone());
                    tokio::spawn(async move { drop(hall.message(from, to, message).await) });
                }
                let answer = hall.message(from, to, message).await;
                // Whoever asked may be gone.
                drop(sender.send(answer));
            });
            let answer = match tokio::time::timeout(within, receiver).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err("the connection broke".to_owned()),
                Err(_) => Err("it takes too long".to_owned()),
            };
            match answer {
                Ok(Ok(bytes)) => Ok(bytes),
                Ok(Err(failure)) => Err(unreached(failure.to_string())),
                Err(why) => Err(unreached(why)),
            }
        })
    }
}
