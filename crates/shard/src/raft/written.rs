//! What the shard itself writes down: frames of the log, the vote, the committed hint, and its section of a
//! checkpoint. Format: `docs/formats/entry.md`.
//!
//! ```text
//! frame kind 1 blank       nothing
//! frame kind 2 membership  version u8 = 1 · membership
//! frame kind 3 batch       the batch as the machine encodes it
//! vote                     version u8 = 1 · term u64 · node u64 · committed flag
//! committed                version u8 = 1 · term u64 · index u64
//! section "shard"          version u8 = 1 · position · option(position) of the membership · membership
//! position                 term u64 · index u64
//! membership               list(list(node u64)) · list(node u64 · address text)
//! ```
//! Invariant: what was written is read back equal; bytes of another version are an error, never a guess.
//! Called by `log` and `state`. Tests: below.

use std::collections::{BTreeMap, BTreeSet};

use broker::wire::{Reader, WireError, Writer};
use bytes::Bytes;
use openraft::{BasicNode, EntryPayload};
use storage::{Frame, FrameKind, LogIndex, Term};

use super::types::{BatchBytes, Entry, LeaderId, LogId, Membership, StoredMembership, Vote, log_id, term_of};

const VERSION: u8 = 1;
const BLANK: FrameKind = FrameKind(1);
const MEMBERSHIP: FrameKind = FrameKind(2);
const BATCH: FrameKind = FrameKind(3);
/// The name of the shard's own section of a checkpoint.
pub(crate) const SECTION: &str = "shard";

fn check_version(reader: &mut Reader, what: &'static str) -> Result<(), WireError> {
    if reader.u8()? == VERSION { Ok(()) } else { Err(reader.error(what)) }
}

pub(crate) fn write_position(writer: &mut Writer, id: &LogId) {
    writer.u64(term_of(id));
    writer.u64(id.index);
}

pub(crate) fn read_position(reader: &mut Reader) -> Result<LogId, WireError> {
    let term = reader.u64()?;
    Ok(log_id(term, reader.u64()?))
}

fn write_membership(writer: &mut Writer, membership: &Membership) {
    writer.list(membership.get_joint_config(), |writer, voters| {
        writer.count(voters.len());
        for node in voters {
            writer.u64(*node);
        }
    });
    let nodes: Vec<_> = membership.nodes().collect();
    writer.list(&nodes, |writer, (node, address)| {
        writer.u64(**node);
        writer.text(&address.addr);
    });
}

fn read_membership(reader: &mut Reader) -> Result<Membership, WireError> {
    let configs = reader.list(4, |reader| {
        let voters = reader.list(8, Reader::u64)?;
        Ok(voters.into_iter().collect::<BTreeSet<_>>())
    })?;
    let nodes = reader.list(12, |reader| Ok((reader.u64()?, BasicNode { addr: reader.text()? })))?;
    let nodes: BTreeMap<_, _> = nodes.into_iter().collect();
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|_| reader.error("a membership that does not hold together"))
}

/// The frame of an entry. A batch is not copied.
pub(crate) fn frame_of(entry: &Entry) -> Frame {
    let (kind, payload) = match &entry.payload {
        EntryPayload::Blank => (BLANK, Bytes::new()),
        EntryPayload::Normal(batch) => (BATCH, batch.0.clone()),
        EntryPayload::Membership(membership) => {
            let mut writer = Writer::new();
            writer.u8(VERSION);
            write_membership(&mut writer, membership);
            (MEMBERSHIP, writer.finish())
        }
    };
    Frame { index: LogIndex(entry.log_id.index), term: Term(term_of(&entry.log_id)), kind, payload }
}

/// The entry of a frame. A batch is not copied.
pub(crate) fn entry_of(frame: Frame) -> Result<Entry, WireError> {
    let mut reader = Reader::new(frame.payload.clone());
    let payload = match frame.kind {
        BLANK => EntryPayload::Blank,
        BATCH => EntryPayload::Normal(BatchBytes(frame.payload)),
        MEMBERSHIP => {
            check_version(&mut reader, "an unknown version of a membership")?;
            let membership = read_membership(&mut reader)?;
            reader.finish()?;
            EntryPayload::Membership(membership)
        }
        FrameKind(_) => return Err(reader.error("an unknown kind of frame")),
    };
    Ok(Entry { log_id: log_id(frame.term.0, frame.index.0), payload })
}

/// The bytes of the batch in a frame; `None` when it is another kind.
pub(crate) fn batch_of(frame: Frame) -> Option<Bytes> {
    (frame.kind == BATCH).then_some(frame.payload)
}

/// The written form of a vote.
pub(crate) fn write_vote(vote: &Vote) -> Bytes {
    let mut writer = Writer::new();
    writer.u8(VERSION);
    writer.u64(vote.leader_id.term);
    writer.u64(vote.leader_id.voted_for);
    writer.flag(vote.committed);
    writer.finish()
}

/// Reads a vote.
pub(crate) fn read_vote(bytes: Bytes) -> Result<Vote, WireError> {
    let mut reader = Reader::new(bytes);
    check_version(&mut reader, "an unknown version of a vote")?;
    let leader_id = LeaderId { term: reader.u64()?, voted_for: reader.u64()? };
    let committed = reader.flag()?;
    reader.finish()?;
    Ok(Vote { leader_id, committed })
}

/// The vote that a replica has after it took a copy of its leader's store: that of the leader, which forgets nothing that
/// the replica promised.
///
/// # Errors
/// When the lender does not lead, or led before the vote of the replica.
pub(crate) fn vote_of_copy(own: Option<Bytes>, leaders: Bytes) -> Result<Bytes, String> {
    let unknown = |error: WireError| error.to_string();
    let theirs = read_vote(leaders.clone()).map_err(unknown)?;
    if !theirs.committed {
        return Err("whoever lent this copy does not lead".to_owned());
    }
    let ours = own.map(read_vote).transpose().map_err(unknown)?;
    // A leader of a later term may have entries that this replica acknowledged, and the lender has not.
    if ours.is_some_and(|ours| theirs.leader_id.term < ours.leader_id.term) {
        return Err("whoever lent this copy led before the vote of this replica; ask the leader of now".to_owned());
    }
    Ok(leaders)
}

/// The written form of the committed hint.
pub(crate) fn write_committed(id: &LogId) -> Bytes {
    let mut writer = Writer::new();
    writer.u8(VERSION);
    write_position(&mut writer, id);
    writer.finish()
}

/// Reads a committed hint.
pub(crate) fn read_committed(bytes: Bytes) -> Result<LogId, WireError> {
    let mut reader = Reader::new(bytes);
    check_version(&mut reader, "an unknown version of a committed hint")?;
    let id = read_position(&mut reader)?;
    reader.finish()?;
    Ok(id)
}

/// What a checkpoint says about the log: what it covers, and who the members were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) last: LogId,
    pub(crate) membership: StoredMembership,
}

/// The written form of the shard's section.
pub(crate) fn write_covered(covered: &Covered) -> Bytes {
    let mut writer = Writer::new();
    writer.u8(VERSION);
    write_position(&mut writer, &covered.last);
    writer.option(covered.membership.log_id().as_ref(), write_position);
    write_membership(&mut writer, covered.membership.membership());
    writer.finish()
}

/// Reads the shard's section.
pub(crate) fn read_covered(bytes: Bytes) -> Result<Covered, WireError> {
    let mut reader = Reader::new(bytes);
    check_version(&mut reader, "an unknown version of the shard's section")?;
    let last = read_position(&mut reader)?;
    let at = reader.option(read_position)?;
    let membership = StoredMembership::new(at, read_membership(&mut reader)?);
    reader.finish()?;
    Ok(Covered { last, membership })
}

/// Reads bytes as everything that is written here, and what was read once more after writing it again. For the fuzzer.
#[cfg(fuzzing)]
pub fn read_written(bytes: &Bytes) {
    if let Ok(vote) = read_vote(bytes.clone()) {
        assert_eq!(read_vote(write_vote(&vote)), Ok(vote));
    }
    if let Ok(committed) = read_committed(bytes.clone()) {
        assert_eq!(read_committed(write_committed(&committed)), Ok(committed));
    }
    if let Ok(covered) = read_covered(bytes.clone()) {
        assert_eq!(read_covered(write_covered(&covered)), Ok(covered));
    }
    for kind in [BLANK, MEMBERSHIP, BATCH, FrameKind(9)] {
        let frame = Frame { index: LogIndex(1), term: Term(1), kind, payload: bytes.clone() };
        if let Ok(entry) = entry_of(frame) {
            assert_eq!(entry_of(frame_of(&entry)), Ok(entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership() -> Membership {
        let configs = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])];
        let nodes = (1..=5).map(|node| (node, BasicNode { addr: format!("node-{node}:7000") }));
        Membership::new(configs, nodes.collect::<BTreeMap<_, _>>()).unwrap()
    }

    #[test]
    fn every_kind_of_entry_survives_its_frame() {
        let payloads = [
            EntryPayload::Blank,
            EntryPayload::Normal(BatchBytes(Bytes::from_static(b"batch"))),
            EntryPayload::Membership(membership()),
        ];
        for payload in payloads {
            let entry = Entry { log_id: log_id(7, 9), payload };
            assert_eq!(entry_of(frame_of(&entry)), Ok(entry));
        }
    }

    #[test]
    fn votes_hints_and_sections_survive_their_written_form() {
        let vote = Vote { leader_id: LeaderId { term: 3, voted_for: 2 }, committed: true };
        assert_eq!(read_vote(write_vote(&vote)), Ok(vote));
        assert_eq!(read_committed(write_committed(&log_id(3, 4))), Ok(log_id(3, 4)));
        for membership in [StoredMembership::default(), StoredMembership::new(Some(log_id(1, 2)), membership())] {
            let covered = Covered { last: log_id(5, 6), membership };
            assert_eq!(read_covered(write_covered(&covered)), Ok(covered));
        }
    }

    #[test]
    fn a_membership_keeps_the_bytes_of_version_one() {
        let voters = vec![BTreeSet::from([1])];
        let nodes = BTreeMap::from([(1, BasicNode { addr: "a".to_owned() })]);
        let payload = EntryPayload::Membership(Membership::new(voters, nodes).unwrap());
        let frame = frame_of(&Entry { log_id: log_id(0, 0), payload });
        let expected = "01 01000000 01000000 0100000000000000 01000000 0100000000000000 01000000 61";
        let written: String = frame.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, expected.replace(' ', ""));
    }

    #[test]
    fn other_versions_and_kinds_are_errors() {
        assert!(read_vote(Bytes::from_static(&[9])).is_err());
        assert!(read_covered(Bytes::new()).is_err());
        let mut frame = frame_of(&Entry { log_id: log_id(1, 1), payload: EntryPayload::Membership(membership()) });
        frame.kind = FrameKind(200);
        assert!(entry_of(frame.clone()).is_err());
        frame.kind = FrameKind(2);
        frame.payload = frame.payload.slice(..frame.payload.len() - 1);
        assert!(entry_of(frame).is_err());
    }
}
