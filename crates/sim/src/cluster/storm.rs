//! A seed of several nodes: they come together, the storm comes, everything heals, and what was confirmed is drained.
//! Invariant: the same schedule gives the same report; once all is healed everything ends in its time.
//! Called by `run`.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::check::errors::Circumstances;
use crate::check::replicas;
use crate::client::Client;
use crate::events::Event;
use crate::life::{Course, Drawn, found};
use crate::limits::{GROUP_WITHIN, HEALED_WITHIN, LEADER_LOOK, LEADER_WITHIN};
use crate::nemesis::Fault;
use crate::observer::state_hash;
use crate::operation::Kind;
use crate::run::{finish, is_broken, runtime};
use crate::world::world;

use super::blows::Blow;
use super::hall::Hall;
use super::keeper::keep;
use super::network::Weather;

/// Runs a schedule of several nodes.
pub fn storm(course: &mut Course) {
    let runtime = runtime();
    let (seed, nodes) = (course.schedule.seed, course.schedule.nodes);
    world(|world| world.around.is_contested = true);
    let hall = runtime.block_on(async move { Hall::new(seed, usize::try_from(nodes).unwrap_or(3)) });
    runtime.block_on(async {
        for slot in 0..hall.size() {
            tokio::spawn(keep(hall.clone(), slot));
        }
        if !come_together(&hall).await {
            return;
        }
        rage(&hall, course).await;
        world(|world| course.answered = world.operations);
        if !is_broken() {
            heal(&hall).await;
        }
    });
    drop(runtime);
    hall.clear();
}

/// Something was not reached in time.
fn never(hall: &Hall, what: &str) {
    world(|world| replicas::never(what, &mut world.notes));
    hall.tell();
}

/// Waits for something, looking again and again; false when it does not come.
async fn until(within: Duration, is_there: impl Fn() -> bool) -> bool {
    let until = Instant::now() + within;
    while !is_there() {
        if until < Instant::now() || is_broken() {
            return false;
        }
        tokio::time::sleep(LEADER_LOOK).await;
    }
    true
}

/// The first node gets what clients use, and the others join it meanwhile.
async fn come_together(hall: &Hall) -> bool {
    let is_led = until(GROUP_WITHIN, || hall.client().is_some()).await;
    if let Some((process, client)) = hall.client().filter(|_| is_led) {
        // Nobody kills it yet.
        let _lived = process.run(found(&client)).await;
    }
    let is_whole = until(GROUP_WITHIN, || hall.can_lose_one()).await;
    if !is_whole && !is_broken() {
        never(hall, "the nodes do not come together");
    }
    is_whole
}

/// Does operations while blows strike.
async fn rage(hall: &Hall, course: &mut Course) {
    let configuration = world(|world| world.configuration.clone());
    let mut clients = JoinSet::new();
    let mut struck = 0;
    while !course.is_over() && !is_broken() {
        while let Some(planned) = course.faults.pop_if(|planned| planned.at <= course.next) {
            let Fault::Among(blow) = planned.fault else { continue };
            world(|world| {
                world.note_step("blow", planned.number);
                world.tell(format!("operation {}: blow {}: {blow:?}", course.next, planned.number));
            });
            struck += u64::from(blow.strikes_at_once());
            meet(hall, blow, &mut clients).await;
        }
        if let Some(Drawn { kind, chance, pause }) = course.draw(&configuration) {
            clients.spawn(operate(hall.clone(), kind, chance));
            tokio::time::sleep(pause).await;
        }
        while configuration.window <= clients.len() {
            joined(clients.join_next().await);
        }
        course.struck = struck + world(|world| world.struck);
    }
    if is_broken() {
        return;
    }
    calm_down(hall);
    let ended = tokio::time::timeout(HEALED_WITHIN, async {
        while let Some(ended) = clients.join_next().await {
            joined(Some(ended));
        }
    });
    if ended.await.is_err() {
        never(hall, "operations of the storm do not end");
    }
}

fn joined(ended: Option<Result<(), tokio::task::JoinError>>) {
    if let Some(Err(error)) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "all others strike machines")]
async fn meet(hall: &Hall, blow: Blow, clients: &mut JoinSet<()>) {
    match blow {
        Blow::Vanish => {
            world(|world| world.notes.tally.note(Event::ClientsVanish));
            clients.abort_all();
            while clients.join_next().await.is_some() {}
            world(|world| world.desk.on_its_way.clear());
        }
        Blow::Forget => world(|world| {
            world.notes.tally.note(Event::ReceiptsForgotten);
            world.desk.forget();
        }),
        other => hall.strike(other),
    }
}

/// Does one operation at whoever leads, as a door does: waits for a leader, and asks it once.
async fn operate(hall: Hall, kind: Kind, mut chance: Chance) {
    let until = Instant::now() + LEADER_WITHIN;
    loop {
        if let Some((process, client)) = route(&hall, &mut chance) {
            if process.run(client.perform(kind, &mut chance)).await.is_err() {
                world(|world| world.notes.tally.note(Event::OutcomeUnknown));
            }
            return;
        }
        if until < Instant::now() {
            world(|world| world.notes.tally.note(Event::NobodyLed));
            return;
        }
        tokio::time::sleep(LEADER_LOOK).await;
    }
}

/// The leader as some node knows it, if it is one.
fn route(hall: &Hall, chance: &mut Chance) -> Option<(shard::Process, Client)> {
    let open = hall.open();
    if open.is_empty() {
        return None;
    }
    let (_, asked, shard) = chance.among(&open);
    if asked.process.is_held() {
        return None;
    }
    let leader = shard.group().leader?;
    let (_, running, shard) = open.iter().find(|(.., shard)| shard.group().own == leader)?;
    let leads = shard.epoch().is_some() && shard.is_heard();
    leads.then(|| (running.process.clone(), Client { shard: shard.clone(), disk: running.disk.clone() }))
}

/// Ends everything that is still wrong.
fn calm_down(hall: &Hall) {
    let mut state = hall.state();
    state.is_healed = true;
    state.cut.clear();
    state.weather = Weather::calm();
    drop(state);
    // A clock behind the newest stamp would let no time pass.
    let newest = world(|world| world.book.now.get());
    let ahead = i64::try_from(newest.saturating_sub(hall.time_ms())).unwrap_or_default();
    for slot in 0..hall.size() {
        hall.give_room(slot);
        {
            let mut state = hall.state();
            let machine = &mut state.machines[slot];
            machine.skew_ms = ahead;
            machine.cut_at_start = None;
            machine.falls_after_vote = None;
            machine.up_at = machine.up_at.min(Instant::now() + Duration::from_millis(10));
        }
        let Some(running) = hall.running(slot) else { continue };
        running.process.resume();
        running.disk.cut_before(0);
        running.pace.slow_down(1);
        let now = i64::try_from(shard::Clock::now(&*running.clock).get()).unwrap_or_default();
        let right = i64::try_from(hall.time_ms()).unwrap_or_default() + ahead;
        running.clock.jump(right - now);
        if running.is_hurt {
            // What was planned for its disk goes with the process.
            running.process.kill();
        }
    }
    hall.ring();
}

/// All is well again: one leads, all vote, everything is drained, and all have the same.
async fn heal(hall: &Hall) {
    if !until(HEALED_WITHIN, || hall.client().is_some()).await {
        return never(hall, "nobody leads");
    }
    if !until(HEALED_WITHIN, || hall.can_lose_one()).await {
        return never(hall, "not all nodes vote");
    }
    // Another leadership: leases that lasted as long as their connections end with the one before.
    if !hand_over(hall).await {
        return never(hall, "the leadership is not handed over");
    }
    let is_settled = until(HEALED_WITHIN, || {
        let applied = hall.client().map(|(_, client)| client.shard.with_replica(|machine| machine.0.applied()));
        applied.is_some() && applied == world(|world| world.observer.front())
    });
    if !is_settled.await {
        return never(hall, "nobody leads after a hand-over");
    }
    world(|world| world.around = Circumstances::default());
    let Some((process, client)) = hall.client() else { return };
    let _lived = process.run(finish(&client)).await;
    if !is_broken() {
        agree(hall).await;
    }
}

/// Asks for another leader; again, as whoever is chosen may be a moment behind.
async fn hand_over(hall: &Hall) -> bool {
    let began = Instant::now();
    while began.elapsed() < HEALED_WITHIN && !is_broken() {
        if let Some((_, running, shard)) = hall.leading()
            && let Ok(Ok(())) = running.process.run(async move { shard.hand_over(None).await }).await
        {
            return true;
        }
        tokio::time::sleep(LEADER_LOOK).await;
    }
    false
}

/// All replicas have applied the same, and have the same state.
async fn agree(hall: &Hall) {
    let applied = || {
        let open = hall.open();
        let applied = open.iter().map(|(.., shard)| Some(shard.with_replica(|machine| machine.0.applied())));
        let front = world(|world| world.observer.front());
        open.len() == hall.size() && applied.into_iter().all(|applied| applied == front)
    };
    if !until(HEALED_WITHIN, applied).await {
        return never(hall, "not all replicas have applied the same");
    }
    let hashes: Vec<u64> =
        hall.open().iter().map(|(.., shard)| shard.with_replica(|machine| state_hash(&machine.0))).collect();
    for (slot, hash) in hashes.iter().enumerate() {
        world(|world| replicas::agree(slot, Some(hash) == hashes.first(), &mut world.notes));
    }
}
