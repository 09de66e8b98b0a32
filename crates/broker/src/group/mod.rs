//! The members of a stream subscription and which partitions each has.
//!
//! Invariants: with members, every partition has exactly one owner and shares differ by at most one; a
//! change moves as few partitions as that allows; the generation rises with each change.
//! Called by `subscription::Stream`. Properties: `tests/group_properties.rs`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::limits::MEMBERS_PER_SUBSCRIPTION_MAX;
use model::name::MemberName;
use model::number::{Generation, Partition};
use model::refusal::Refusal;

use crate::codec::fields;

/// Members in the order in which they joined, and the owner of each partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    generation: Generation,
    members: Vec<MemberName>,
    owners: Vec<Option<MemberName>>,
}

fields!(Group { generation, members, owners });

impl Group {
    /// A group without members over so many partitions.
    pub fn new(partitions: u32) -> Self {
        let count = usize::try_from(partitions).unwrap_or(usize::MAX);
        Self { generation: Generation::new(0), members: Vec::new(), owners: vec![None; count] }
    }

    /// Which assignment this is.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The members in the order in which they joined.
    pub fn members(&self) -> &[MemberName] {
        &self.members
    }

    /// Who has a partition.
    pub fn owner(&self, partition: Partition) -> Option<&MemberName> {
        self.owners.get(usize::try_from(partition.get()).ok()?)?.as_ref()
    }

    /// The partitions of a member, in order.
    pub fn partitions_of<'a>(&'a self, member: &'a MemberName) -> impl Iterator<Item = Partition> + 'a {
        let owned = (0..).map(Partition::new).zip(&self.owners);
        owned.filter(move |(_, owner)| owner.as_ref() == Some(member)).map(|(partition, _)| partition)
    }

    /// Adds a member; false when it is in already.
    ///
    /// # Errors
    /// `LimitReached` beyond the members that a group may have.
    pub fn join(&mut self, member: MemberName) -> Result<bool, Refusal> {
        if self.members.contains(&member) {
            return Ok(false);
        }
        if self.members.len() >= MEMBERS_PER_SUBSCRIPTION_MAX {
            return Err(Refusal::LimitReached { what: "members of a subscription", limit: 1024 });
        }
        self.members.push(member);
        self.assign();
        Ok(true)
    }

    /// Takes a member out; false when it is not in.
    pub fn leave(&mut self, member: &MemberName) -> bool {
        let before = self.members.len();
        self.members.retain(|other| other != member);
        let left = self.members.len() < before;
        if left {
            self.assign();
        }
        left
    }

    /// Takes in partitions that the topic has grown.
    pub fn grow(&mut self, partitions: u32) {
        let count = usize::try_from(partitions).unwrap_or(usize::MAX);
        if count > self.owners.len() {
            self.owners.resize(count, None);
            self.assign();
        }
    }

    /// Shares the partitions out anew. Whoever has most keeps the larger shares, so that fewest move.
    fn assign(&mut self) {
        self.generation = self.generation.next();
        let count = self.members.len();
        if count == 0 {
            self.owners.fill(None);
            return;
        }
        let mut room = self.shares();
        let places: BTreeMap<&MemberName, usize> = self.members.iter().zip(0..).collect();
        for owner in &mut self.owners {
            match owner.as_ref().and_then(|name| places.get(name)).filter(|at| room[**at] > 0) {
                Some(at) => room[*at] -= 1,
                None => *owner = None,
            }
        }
        let mut with_room = 0;
        for owner in self.owners.iter_mut().filter(|owner| owner.is_none()) {
            while room[with_room] == 0 {
                with_room += 1;
            }
            room[with_room] -= 1;
            *owner = Some(self.members[with_room].clone());
        }
    }

    /// How many partitions each member is to have, in the order of the members.
    fn shares(&self) -> Vec<usize> {
        let mut held: BTreeMap<&MemberName, usize> = BTreeMap::new();
        self.owners.iter().flatten().for_each(|owner| *held.entry(owner).or_default() += 1);
        let most_first = |member| Reverse(held.get(member).copied().unwrap_or_default());
        let mut by_share: Vec<_> = self.members.iter().map(most_first).zip(0..).collect();
        by_share.sort_unstable();
        let count = self.members.len();
        let mut shares = vec![self.owners.len() / count; count];
        by_share.iter().take(self.owners.len() % count).for_each(|(_, at): &(_, usize)| shares[*at] += 1);
        shares
    }
}
