//! Properties of a group: every partition has one owner, shares are even, nothing moves that need not, and
//! the same changes give the same assignment.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use broker::group::Group;
use model::limits::MEMBERS_PER_SUBSCRIPTION_MAX;
use model::name::MemberName;
use model::number::Partition;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Change {
    Join(u8),
    Leave(u8),
    Grow(u32),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        5 => (0..9_u8).prop_map(Change::Join),
        4 => (0..9_u8).prop_map(Change::Leave),
        1 => (1..4_u32).prop_map(Change::Grow),
    ]
}

fn member(number: usize) -> MemberName {
    MemberName::parse(&format!("m{number}")).unwrap()
}

type Owners = Vec<Option<MemberName>>;

fn owners(group: &Group, partitions: u32) -> Owners {
    (0..partitions).map(|partition| group.owner(Partition::new(partition)).cloned()).collect()
}

fn share(owners: &Owners, member: &MemberName) -> usize {
    owners.iter().flatten().filter(|owner| *owner == member).count()
}

/// The fewest partitions that must change hands: those without an owner who is still there, and what members
/// hold above shares that are even, where those who hold most are allowed the larger ones.
fn moves_min(before: &Owners, members: &[MemberName]) -> usize {
    let mut held: Vec<_> = members.iter().map(|member| share(before, member)).collect();
    held.sort_unstable_by(|left, right| right.cmp(left));
    let orphans = before.len() - held.iter().sum::<usize>();
    let (base, larger) = (before.len() / members.len(), before.len() % members.len());
    let above = |(at, held): (usize, &usize)| held.saturating_sub(base + usize::from(at < larger));
    orphans + held.iter().enumerate().map(above).sum::<usize>()
}

fn check(group: &Group, before: &Owners, partitions: u32) {
    let after = owners(group, partitions);
    let members = group.members();
    if members.is_empty() {
        assert!(after.iter().all(Option::is_none), "nobody is there to own");
        return;
    }
    assert!(after.iter().flatten().all(|owner| members.contains(owner)), "only members own");
    assert!(after.iter().all(Option::is_some), "every partition has an owner");
    let shares: Vec<_> = members.iter().map(|member| share(&after, member)).collect();
    assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "shares are even: {shares:?}");
    for member in members {
        let own = (0..).map(Partition::new).zip(&after).filter(|(_, owner)| owner.as_ref() == Some(member));
        assert!(group.partitions_of(member).eq(own.map(|(partition, _)| partition)));
    }
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(moved, moves_min(before, members), "nothing moves that need not");
}

proptest! {
    #[test]
    fn shares_are_even_and_moves_are_few(start in 1..12_u32, changes in vec(change(), 1..40)) {
        let mut partitions = start;
        let mut group = Group::new(start);
        let mut twin = Group::new(start);
        for change in &changes {
            let mut before = owners(&group, partitions);
            let generation = group.generation();
            let changed = match change {
                Change::Join(number) => {
                    let name = member(usize::from(*number));
                    prop_assert_eq!(twin.join(name.clone()), group.join(name.clone()));
                    prop_assert!(group.members().contains(&name));
                    group.generation() > generation
                }
                Change::Leave(number) => {
                    let name = member(usize::from(*number));
                    twin.leave(&name);
                    group.leave(&name)
                }
                Change::Grow(by) => {
                    partitions += by;
                    before.resize(before.len() + usize::try_from(*by).unwrap(), None);
                    twin.grow(partitions);
                    group.grow(partitions);
                    true
                }
            };
            prop_assert_eq!(group.generation() > generation, changed);
            if changed {
                check(&group, &before, partitions);
            } else {
                prop_assert_eq!(owners(&group, partitions), before, "what changes nothing moves nothing");
            }
            prop_assert_eq!(&twin, &group);
        }
    }
}

#[test]
fn the_last_member_who_fits_is_let_in_and_the_next_is_not() {
    let mut group = Group::new(3);
    for number in 0..MEMBERS_PER_SUBSCRIPTION_MAX {
        assert_eq!(group.join(member(number)), Ok(true));
    }
    let before = group.clone();
    assert!(group.join(member(MEMBERS_PER_SUBSCRIPTION_MAX)).is_err());
    assert_eq!(group.join(member(0)), Ok(false), "who is in stays in");
    assert_eq!(group, before);
    group.leave(&member(0));
    assert_eq!(group.join(member(MEMBERS_PER_SUBSCRIPTION_MAX)), Ok(true));
}
