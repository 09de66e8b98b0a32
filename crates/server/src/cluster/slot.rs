//! The node of this process, which is closed and opened again when it has to take a copy of another one's store: because
//! it was away too long, or because its own is damaged.
//! Invariant: a copy is taken only while the node is closed, and its own vote stays in the folder.
//! Held by everything in `cluster`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::failure::Fault;
use node::{Arrival, Damage, LoanedFile, Node, RealDisk, SHARD_FOLDER, Scrubbing, Terms};
use peer::{Authority, AuthorityBroken, Borrowed, Identity, Links, Refused};
use tokio::runtime::Handle;

use crate::exit::Complaint;

use super::folder::{Folder, Member};
use super::mend::mend;
use super::wire::Wire;

/// How long the lender keeps a copy after it was taken, so that its log is still there when this node comes for it.
const KEPT_AFTER: Duration = Duration::from_secs(10);
/// Pause before a copy that could not be taken is tried again.
const COPY_PAUSE: Duration = Duration::from_secs(1);

/// How often a damaged store is copied before the node is given up.
const MENDS_MAX: u32 = 3;
/// How long another node may take to lead before one that is damaged is closed.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(5);

/// A node, and what tells that its files are damaged.
#[derive(Clone)]
struct Opened {
    node: Node,
    damage: Damage,
}

/// The node, wherever it is in its life.
pub(crate) struct Slot {
    opened: RwLock<Opened>,
    /// How often a damaged store was replaced.
    repairs: Arc<AtomicU64>,
    pub(super) folder: Folder,
    pub(super) member: Member,
    pub(super) links: Arc<Links>,
    place: Place,
}

/// Where the store is, and how it is kept.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) data: PathBuf,
    pub(super) scrubbing: Option<Scrubbing>,
}

/// Makes the connections of a node, or of a caller that is none.
pub(super) fn links(authority: &Authority, node: Option<u64>) -> Result<Arc<Links>, Complaint> {
    let identity = authority.identity(node).map_err(super::unreachable)?;
    Ok(Arc::new(Links::new(authority.clone(), identity)))
}

impl Slot {
    /// Opens the node that the folder says.
    pub(super) async fn open(folder: Folder, member: Member, place: Place) -> Result<Arc<Self>, Complaint> {
        let links = links(&member.authority, Some(member.node))?;
        let repairs = Arc::default();
        let opened = open_whole(&folder, &member, &links, &place, &repairs).await?;
        Ok(Arc::new(Self { opened: RwLock::new(opened), repairs, folder, member, links, place }))
    }

    /// The node as it is now.
    pub(crate) fn node(&self) -> Node {
        self.opened().node
    }

    fn opened(&self) -> Opened {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a damaged store was replaced since the start.
    pub(crate) fn repairs(&self) -> u64 {
        self.repairs.load(Ordering::Relaxed)
    }

    async fn open_again(&self) -> Result<(), Complaint> {
        let opened = open_whole(&self.folder, &self.member, &self.links, &self.place, &self.repairs).await?;
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    /// Lets another node lead, and closes this one.
    async fn withdraw(&self) -> Result<(), Fault> {
        let node = self.node();
        // Without it the others elect one a little later.
        drop(tokio::time::timeout(HAND_OVER_WITHIN, node.replica().hand_over(None)).await);
        node.close().await
    }

    /// Closes this node, and opens it again with a copy in place of what is damaged.
    async fn replace(&self, fault: &Fault) -> Result<(), Complaint> {
        if let Err(closing) = self.withdraw().await {
            tracing::debug!(%closing, "the damaged store was closed");
        }
        let borrowed = mend(&self.folder, &self.member, &self.links, &self.place.data, fault).await?;
        self.repairs.fetch_add(1, Ordering::Relaxed);
        give_back_later(borrowed);
        self.open_again().await
    }

    pub(super) const fn authority(&self) -> &Authority {
        &self.member.authority
    }

    /// What this node shows to the others.
    pub(super) fn identity(&self) -> Result<Identity, AuthorityBroken> {
        self.member.authority.identity(Some(self.member.node))
    }

    /// Closes the node, takes a copy of the leader's store, and opens it again.
    async fn take_copy(&self, lender: u64, address: &str) -> Result<(), Complaint> {
        let client = self.links.to(Some(lender), address).map_err(super::unreachable)?;
        let (terms, borrowed) = client.borrow().await.map_err(super::unreachable)?;
        self.node().close().await.map_err(model::Failure::from)?;
        let taken = take(&self.place.data, terms, borrowed).await;
        // With or without the copy: what the folder holds is whole.
        self.open_again().await?;
        taken.map(give_back_later)
    }
}

/// Opens the node; where its files are damaged, with a copy of the leader's in their place.
async fn open_whole(
    folder: &Folder,
    member: &Member,
    links: &Arc<Links>,
    place: &Place,
    repairs: &AtomicU64,
) -> Result<Opened, Complaint> {
    let mut mends = 0;
    loop {
        let damage = Damage::default();
        let opening = open_node(member, links, place, damage.clone()).await;
        match (opening, damage.fault()) {
            (Ok(node), _) => return Ok(Opened { node, damage }),
            (Err(_), Some(fault)) if mends < MENDS_MAX => {
                mends += 1;
                give_back_later(mend(folder, member, links, &place.data, &fault).await?);
                repairs.fetch_add(1, Ordering::Relaxed);
            }
            (Err(complaint), _) => return Err(complaint),
        }
    }
}

async fn open_node(member: &Member, links: &Arc<Links>, place: &Place, damage: Damage) -> Result<Node, Complaint> {
    let mut settings = node::Settings::new(place.data.clone());
    settings.shard.damage = damage;
    settings.shard.scrubbing = place.scrubbing;
    settings.shard.node = member.node;
    settings.shard.peers = Some(Arc::new(Wire { links: Arc::clone(links), threads: Handle::current() }));
    Ok(Node::open_replica(Arc::new(RealDisk), settings).await?)
}

/// Keeps a copy lent for a moment.
pub(super) fn give_back_later(borrowed: Borrowed) {
    tokio::spawn(async move {
        tokio::time::sleep(KEPT_AFTER).await;
        drop(borrowed);
    });
}

/// Takes a copy into the folder of a shard that is closed; what was lent comes back, still lent.
pub(super) async fn take(
    data: &std::path::Path,
    terms: peer::Terms,
    mut borrowed: Borrowed,
) -> Result<Borrowed, Complaint> {
    let folder = data.join(SHARD_FOLDER);
    let loaned = |file: &peer::File| LoanedFile { name: file.name.clone(), bytes: file.bytes, length: file.length };
    let files: Vec<LoanedFile> = terms.files.iter().map(loaned).collect();
    let terms = Terms {
        segment_bytes: terms.segment_bytes,
        last: terms.last,
        purged: terms.purged.map(|purged| (purged.term, purged.index)),
        vote: terms.vote,
        files: files.clone(),
    };
    let begin = tokio::task::spawn_blocking(move || Arrival::begin(Arc::new(RealDisk), &folder, &terms));
    let mut arrival = begin.await.map_err(super::unreachable)?.map_err(model::Failure::from)?;
    for file in files {
        let mut offset = 0;
        while let Some(piece) = borrowed.piece().await.map_err(super::unreachable)? {
            let end = offset + u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if file.bytes < end {
                return Err(super::unreachable(Refused::Unavailable("a file is longer than was said".to_owned())));
            }
            let at = std::mem::replace(&mut offset, end);
            arrival = on_disk(arrival, file.clone(), move |arrival, file| arrival.write(file, at, &piece)).await?;
        }
        arrival = on_disk(arrival, file, |arrival, file| arrival.finish_file(file)).await?;
    }
    let finish = tokio::task::spawn_blocking(move || arrival.finish());
    finish.await.map_err(super::unreachable)?.map_err(model::Failure::from)?;
    Ok(borrowed)
}

async fn on_disk(
    mut arrival: Arrival,
    file: LoanedFile,
    work: impl FnOnce(&mut Arrival, &LoanedFile) -> Result<(), model::failure::Fault> + Send + 'static,
) -> Result<Arrival, Complaint> {
    let working = tokio::task::spawn_blocking(move || work(&mut arrival, &file).map(|()| arrival));
    Ok(working.await.map_err(super::unreachable)?.map_err(model::Failure::from)?)
}

/// Takes a copy whenever the leader has given up the log that this node lacks, or its own store is damaged.
pub(super) async fn keep_up(slot: Arc<Slot>) {
    loop {
        let Opened { node, damage } = slot.opened();
        let shard = node.replica();
        let found = tokio::select! {
            found = damage.found() => Some(found),
            () = shard.lacks() => None,
        };
        if let Some(found) = found {
            drop((node, shard));
            if !found.is_mendable {
                // The others cannot mend it, but they can do the work.
                drop(slot.withdraw().await);
                return;
            }
            if let Err(complaint) = slot.replace(&found.fault).await {
                tracing::error!(%complaint, "the store of this node stays as it is");
                return;
            }
            tracing::info!("the damaged store was replaced by a copy of the leader's");
            continue;
        }
        let group = shard.group();
        let leader = group.leader.and_then(|leader| group.member(leader));
        let taken = match leader {
            Some(leader) if leader.node != group.own => slot.take_copy(leader.node, &leader.address).await,
            Some(_) | None => Ok(()),
        };
        match taken {
            Ok(()) => tracing::info!("a copy of the store was taken, because the log behind it was gone"),
            Err(complaint) => tracing::warn!(%complaint, "a copy of the store could not be taken"),
        }
        tokio::time::sleep(COPY_PAUSE).await;
    }
}
