//! Whether the node that leads answers this one. It may be heard and not be reached: packets can get lost one way alone.
//! Of a node that leads itself, whether the others do.
//! Invariant: a leader is out of reach only after looks that went wrong for so long in a row; a time in which this process
//! stood still counts as one look at most.
//! Asked by `doors`. Tests: below, and `tests/cluster.rs`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::slot::Slot;

/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// How long a leader may take to answer one.
const LOOK_WITHIN: Duration = Duration::from_millis(500);
/// A leader that has not answered for so long is asked nothing more, and what it was asked before is answered without it.
const OUT_AFTER: Duration = Duration::from_secs(2);
/// After so long nobody waits for another leader any more: when this one is gone there is one by then, and when there is
/// none the others still hear it, and serve.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(3);

/// For how long the leader has not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    leader: Option<u64>,
    unanswered: Duration,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Answered,
    /// For so long, with the pause before it.
    Unanswered(Duration),
}

impl Reach {
    /// The same after one more look at the node that leads.
    fn after(self, leader: Option<u64>, look: Look) -> Self {
        let known = if leader.is_some() && leader == self.leader { self.unanswered } else { Duration::ZERO };
        let unanswered = match look {
            Look::Answered => Duration::ZERO,
            // A process that stood still has not waited for an answer all that time.
            Look::Unanswered(time) => known + time.min(LOOK_WITHIN + LOOK_PAUSE),
        };
        Self { leader, unanswered }
    }

    /// Whether this leader is asked nothing more.
    pub(super) fn is_out(&self, leader: u64) -> bool {
        self.leader == Some(leader) && OUT_AFTER <= self.unanswered
    }

    /// Whether to wait for another one has no use either.
    pub(super) fn is_given_up(&self, leader: u64) -> bool {
        self.leader == Some(leader) && GIVEN_UP_AFTER <= self.unanswered
    }
}

/// Looks at the leader again and again.
pub(super) async fn look(slot: Arc<Slot>, reach: watch::Sender<Reach>) {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(LOOK_PAUSE).await;
        let (group, is_heard) = {
            let shard = slot.node().replica();
            (shard.group(), shard.is_heard())
        };
        let leader = group.others().find(|member| Some(member.node) == group.leader);
        let is_there = match leader {
            Some(leader) => tokio::time::timeout(LOOK_WITHIN, leads(&slot, leader.node, &leader.address)).await,
            // One that leads itself and is not heard may have a successor that it never hears of.
            None => Ok(group.leader.is_none() || is_heard),
        };
        let now = Instant::now();
        let look = if is_there == Ok(true) { Look::Answered } else { Look::Unanswered(now - last) };
        last = now;
        reach.send_if_modified(|reach| {
            let before = std::mem::replace(reach, reach.after(group.leader, look));
            let node = leader.map(|leader| leader.node);
            if let Some(node) = node.filter(|node| !before.is_out(*node) && reach.is_out(*node)) {
                tracing::warn!(node, "the leader does not answer this node; clients are sent elsewhere");
            }
            *reach != before
        });
    }
}

/// Whether a node answers, and leads.
async fn leads(slot: &Slot, node: u64, address: &str) -> bool {
    let Ok(client) = slot.links.to(Some(node), address) else { return false };
    client.leader().await.is_ok_and(|(leader, _)| leader == node)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Look = Look::Unanswered(Duration::from_secs(60));

    fn after(looks: &[(Option<u64>, Look)]) -> Reach {
        looks.iter().fold(Reach::default(), |reach, (leader, look)| reach.after(*leader, *look))
    }

    #[test]
    fn a_leader_is_out_after_looks_in_a_row() {
        let looks = [(Some(1), NEVER); 5];
        let found: Vec<_> = (0..5).map(|count| after(&looks[..count])).collect();
        assert_eq!(found.iter().map(|reach| reach.is_out(1)).collect::<Vec<_>>(), [false, false, false, true, true]);
        let given_up: Vec<_> = found.iter().map(|reach| reach.is_given_up(1)).collect();
        assert_eq!(given_up, [false, false, false, false, true]);
        assert!(!found[4].is_out(2), "nothing is known of another one");
    }

    #[test]
    fn one_answer_or_another_leader_begins_anew() {
        let mut looks = vec![(Some(1), NEVER); 4];
        looks.push((Some(1), Look::Answered));
        looks.push((Some(1), NEVER));
        assert!(!after(&looks).is_out(1));
        looks.truncate(4);
        looks.push((Some(2), NEVER));
        assert!(!after(&looks).is_out(2) && !after(&looks).is_out(1));
        looks.push((None, Look::Answered));
        looks.push((Some(2), NEVER));
        assert_eq!(after(&looks), after(&[(Some(2), NEVER)]));
    }
}
