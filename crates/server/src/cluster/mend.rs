//! A node whose files are damaged takes a copy of the leader's store in their place.
//! Invariants: while it does, its shard is closed, so that it votes for nobody and acknowledges nothing; it goes on under
//! its number only when its vote is whole (`docs/adr/0013-damage-is-mended-from-the-others.md`).
//! Called by `slot`. Tests: `tests/cluster.rs`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::failure::{Failure, Fault};
use node::{Arrival, Disk, RealDisk, SHARD_FOLDER};
use peer::{Borrowed, Links, Refused};

use crate::exit::Complaint;

use super::folder::{Folder, Member};
use super::{configuration, slot};

/// Pause before a copy that could not be taken is tried again.
const MEND_PAUSE: Duration = Duration::from_secs(1);

/// Takes the copy; again until there is a leader that lends one. What was lent comes back, still lent.
///
/// # Errors
/// When there is nobody to copy from, or the vote of this node is damaged as well.
pub(super) async fn mend(
    folder: &Folder,
    member: &Member,
    links: &Links,
    data: &Path,
    fault: &Fault,
) -> Result<Borrowed, Complaint> {
    let others = folder.others(member.node);
    if others.is_empty() {
        return Err(Failure::from(fault.clone()).into());
    }
    check_vote(member, data).await?;
    tracing::error!(fault = %fault.what, "this node takes a copy of the leader's store and serves nothing until it has it");
    loop {
        match copy(links, &others, data).await {
            Ok(borrowed) => return Ok(borrowed),
            Err(why) => tracing::warn!(%why, "the damaged store cannot be copied yet; it is tried again"),
        }
        tokio::time::sleep(MEND_PAUSE).await;
    }
}

/// A node that does not know what it voted could vote twice.
async fn check_vote(member: &Member, data: &Path) -> Result<(), Complaint> {
    let shard = data.join(SHARD_FOLDER);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let checking = tokio::task::spawn_blocking(move || Arrival::check_vote(&disk, &shard));
    let checked = checking.await.map_err(super::unreachable)?;
    checked.map_err(|fault| {
        let what = format!("{}; node {} may have voted and does not know how", fault.what, member.node);
        configuration(what, "remove the node (recado cluster remove), empty its folder, and join as a new node")
    })
}

async fn copy(links: &Links, others: &[(u64, String)], data: &Path) -> Result<Borrowed, String> {
    let (leader, address) = leader(links, others).await.map_err(|refused| refused.to_string())?;
    let lender = links.to(Some(leader), &address).map_err(|refused| refused.to_string())?;
    let (terms, borrowed) = lender.borrow().await.map_err(|refused| refused.to_string())?;
    slot::take(data, terms, borrowed).await.map_err(|complaint| complaint.to_string())
}

/// Who leads, as any of the others tells.
async fn leader(links: &Links, others: &[(u64, String)]) -> Result<(u64, String), Refused> {
    let mut last = Refused::Unavailable("no other node is known".to_owned());
    for (node, address) in others {
        let asked = async { links.to(Some(*node), address)?.leader().await };
        match asked.await {
            Ok(leader) => return Ok(leader),
            Err(refused) => last = refused,
        }
    }
    Err(last)
}
