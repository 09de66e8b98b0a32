//! How a node comes into a cluster, and stays in it.
//! Invariant: a number is given once; a node that lost its store never goes on under the number it had, because it may
//! have promised a vote that it does not remember.
//! Called by `cluster`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use node::{Arrival, Disk, FIRST_NODE, Group, GroupChange, RealDisk};
use peer::{Authority, Client, JoinToken, Links, Refused};

use crate::config::Settings;
use crate::exit::Complaint;

use super::folder::{Folder, Member, Stage};
use super::slot::{self, Slot};
use super::{configuration, unreachable};

/// Pause before a node that is not in yet asks again.
const ASK_PAUSE: Duration = Duration::from_millis(500);
/// How often a node that is in looks whether it still is.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often the leader is looked for before a join is given up.
const LEADER_LOOKS: u32 = 60;

/// Who this node is: as its folder says, as the cluster says that it joins, or the first one.
pub(super) async fn member(folder: &Folder, settings: &Settings, own: SocketAddr) -> Result<Member, Complaint> {
    let shard = settings.data.join(node::SHARD_FOLDER);
    let known = folder.read()?;
    if known.is_some() {
        let (disk, shard): (Arc<dyn Disk>, _) = (Arc::new(RealDisk), shard.clone());
        let settling = tokio::task::spawn_blocking(move || Arrival::settle(&disk, &shard));
        settling.await.map_err(unreachable)?.map_err(model::Failure::from)?;
    }
    let has_store = shard.join("store").exists();
    let member = match (known, &settings.join) {
        (Some(member), _) if member.stage != Stage::Joining => {
            if !has_store {
                let what = format!("the store of node {} is gone from {}", member.node, settings.data.display());
                let hint = "remove the node (recado cluster remove), empty the folder, and join as a new node";
                return Err(configuration(what, hint));
            }
            member
        }
        (Some(member), Some(through)) => copied(folder, member, through, settings).await?,
        (Some(_), None) => {
            return Err(configuration("this node has not joined yet", "start it once more with --join HOST:PORT"));
        }
        (None, Some(through)) => {
            if has_store {
                let what = format!("{} holds the data of another broker", settings.data.display());
                return Err(configuration(what, "join with an empty folder: what is there would be lost"));
            }
            let member = numbered(through, settings).await?;
            folder.write(&member)?;
            copied(folder, member, through, settings).await?
        }
        (None, None) => {
            let member =
                Member { authority: Authority::new().map_err(unreachable)?, node: FIRST_NODE, stage: Stage::Voting };
            folder.write(&member)?;
            member
        }
    };
    folder.put_address(&own.to_string())?;
    Ok(member)
}

/// Exchanges the token, and gets a number from the leader.
async fn numbered(through: &str, settings: &Settings) -> Result<Member, Complaint> {
    let hint = "make one at a node of the cluster with recado cluster join-token";
    let token = settings.join_token.as_deref().ok_or_else(|| configuration("--join needs --join-token", hint))?;
    let token: JoinToken = token.parse().map_err(|error: peer::TokenBroken| configuration(error.to_string(), hint))?;
    let joined = peer::join(through, &token).await.map_err(|refused| match refused {
        Refused::Unknown(why) => configuration(why, hint),
        Refused::Never(why) => configuration(why, "run the same version on all nodes"),
        Refused::Unavailable(why) => unreachable(format!("{through} does not answer: {why}")),
    })?;
    let links = slot::links(&joined.authority, None)?;
    let number = of_leader(&links, through, async |leader| leader.number().await).await?;
    Ok(Member { authority: joined.authority, node: number, stage: Stage::Joining })
}

/// Takes a copy of the leader's store.
async fn copied(folder: &Folder, member: Member, through: &str, settings: &Settings) -> Result<Member, Complaint> {
    let links = slot::links(&member.authority, None)?;
    let (terms, borrowed) = of_leader(&links, through, async |leader| leader.borrow().await).await?;
    let borrowed = slot::take(&settings.data, terms, borrowed).await?;
    slot::give_back_later(borrowed);
    let member = Member { stage: Stage::Following, ..member };
    folder.write(&member)?;
    Ok(member)
}

/// Asks the leader, as a node of the cluster knows it; again while there is none or it cannot be reached.
async fn of_leader<T>(
    links: &Links,
    through: &str,
    ask: impl AsyncFn(Client) -> Result<T, Refused>,
) -> Result<T, Complaint> {
    let mut last = String::new();
    for _ in 0..LEADER_LOOKS {
        let asked = async {
            let (leader, address) = links.to(None, through)?.leader().await?;
            ask(links.to(Some(leader), &address)?).await
        };
        match asked.await {
            Ok(answer) => return Ok(answer),
            Err(Refused::Unavailable(why)) => last = why,
            Err(refused) => return Err(configuration(refused.to_string(), "look with recado cluster status")),
        }
        tokio::time::sleep(ASK_PAUSE).await;
    }
    Err(unreachable(format!("the leader of the cluster, asked for at {through}, does not answer: {last}")))
}

/// Sees to it that the cluster has this node, at this address, as a voter.
pub(super) async fn stay(slot: Arc<Slot>, address: String) {
    let mut stage = slot.member.stage;
    let mut others = Vec::new();
    loop {
        let shard = slot.node().replica();
        let group = shard.group();
        note_others(&slot, &group, &mut others);
        let known = group.member(group.own);
        if known.is_some_and(|known| known.votes && known.address == address) {
            if stage != Stage::Voting {
                stage = Stage::Voting;
                let member = Member { stage, ..slot.member.clone() };
                if let Err(complaint) = slot.folder.write(&member) {
                    tracing::error!(%complaint, "the folder of the cluster cannot be written");
                }
                tracing::info!(node = group.own, "this node is in the cluster and votes");
            }
            tokio::select! {
                () = shard.regrouped(&group) => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            continue;
        }
        if known.is_none() && stage == Stage::Voting {
            tracing::error!(node = group.own, "this node was removed; empty its folder to join as a new one");
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        let asked = match group.leader {
            Some(leader) if leader == group.own => {
                let here = GroupChange::Follow { node: group.own, address: address.clone() };
                shard.change_group(&here).await.map_err(|failure| failure.to_string())
            }
            _ => ask_leader(&slot, &address).await,
        };
        if let Err(why) = asked {
            tracing::info!(%why, "the cluster does not have this node yet, it asks again");
        }
        tokio::time::sleep(ASK_PAUSE).await;
    }
}

/// Keeps where the other nodes are, for a start at which the store cannot tell.
fn note_others(slot: &Slot, group: &Group, noted: &mut Vec<(u64, String)>) {
    let others: Vec<_> = group.others().map(|member| (member.node, member.address.clone())).collect();
    if others.is_empty() || *noted == others {
        return;
    }
    match slot.folder.put_others(&others) {
        Ok(()) => *noted = others,
        Err(complaint) => tracing::error!(%complaint, "the folder of the cluster cannot be written"),
    }
}

/// Asks whoever leads, as any node that is known tells.
async fn ask_leader(slot: &Slot, address: &str) -> Result<(), String> {
    let group = slot.node().replica().group();
    let mut last = "no other node is known".to_owned();
    for other in group.others() {
        let asked = async {
            let (leader, place) = slot.links.to(Some(other.node), &other.address)?.leader().await?;
            slot.links.to(Some(leader), &place)?.enter(group.own, address.to_owned()).await
        };
        match asked.await {
            Ok(()) => return Ok(()),
            Err(refused) => last = refused.to_string(),
        }
    }
    Err(last)
}
