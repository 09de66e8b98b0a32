//! What replicas say to each other: the calls of the consensus library, written by hand. Format:
//! `docs/formats/peer.md`.
//! Invariant: what was written is read back equal; bytes of another version are an error, never a guess.
//! Called by `network` on the side that asks and by `Member::answer` on the other. Tests: below.

use broker::wire::{Reader, WireError, Writer};
use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse};
use storage::{Frame, FrameKind, LogIndex, Term};

use super::types::{Entry, LeaderId, LogId, Types, Vote};
use super::written::{entry_of, frame_of, read_position, write_position};
use crate::states::StateAt;

const VERSION: u8 = 1;
/// Bytes of an entry beside its payload.
const ENTRY_HEAD_BYTES: usize = 21;
/// Bytes of a state.
const STATE_BYTES: usize = 44;

/// A message to one replica.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Append(AppendEntriesRequest<Types>),
    Vote(VoteRequest<Types>),
    PreVote(VoteRequest<Types>),
    Transfer(TransferLeaderRequest<Types>),
    /// The log that the replica needs is gone here; it has to take a copy unless it reaches this far by now.
    Lacking(Vote, LogId),
    /// A piece of the sealed segment that starts here, from this offset on.
    Segment(u64, u64),
    /// The newest states of the leader, as this release writes them.
    States(String, Vec<StateAt>),
}

/// What the replica says to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Append(AppendEntriesResponse<Types>),
    Vote(VoteResponse<Types>),
    /// Whether it takes the leadership.
    Transfer(bool),
    /// Its vote, and whether its log reaches as far as it was asked.
    Lacking(Vote, bool),
    /// The length of the segment and the piece; both empty when it is not there, or not all of it is committed there.
    Segment(u64, Bytes),
    /// The first place at which its own state was another one.
    States(Option<u64>),
}

fn write_vote(writer: &mut Writer, vote: &Vote) {
    writer.u64(vote.leader_id.term);
    writer.u64(vote.leader_id.voted_for);
    writer.flag(vote.committed);
}

fn read_vote(reader: &mut Reader) -> Result<Vote, WireError> {
    let leader_id = LeaderId { term: reader.u64()?, voted_for: reader.u64()? };
    Ok(Vote { leader_id, committed: reader.flag()? })
}

fn write_entry(writer: &mut Writer, entry: &Entry) {
    let frame = frame_of(entry);
    writer.u64(frame.term.0);
    writer.u64(frame.index.0);
    writer.u8(frame.kind.0);
    writer.bytes(&frame.payload);
}

fn read_entry(reader: &mut Reader) -> Result<Entry, WireError> {
    let (term, index) = (Term(reader.u64()?), LogIndex(reader.u64()?));
    let kind = FrameKind(reader.u8()?);
    entry_of(Frame { index, term, kind, payload: reader.bytes()? })
}

fn write_state(writer: &mut Writer, state: &StateAt) {
    writer.u64(state.index);
    writer.bytes(&state.hash);
}

fn read_state(reader: &mut Reader) -> Result<StateAt, WireError> {
    let (index, hash) = (reader.u64()?, reader.bytes()?);
    let hash = hash[..].try_into().map_err(|_| reader.error("the hash of a state has 32 bytes"))?;
    Ok(StateAt { index, hash })
}

fn write_election(writer: &mut Writer, request: &VoteRequest<Types>) {
    write_vote(writer, &request.vote);
    writer.option(request.last_log_id.as_ref(), write_position);
    writer.flag(request.leadership_transfer);
}

fn read_election(reader: &mut Reader) -> Result<VoteRequest<Types>, WireError> {
    let mut request = VoteRequest::new(read_vote(reader)?, reader.option(read_position)?);
    request.leadership_transfer = reader.flag()?;
    Ok(request)
}

/// Writes a message for a node.
pub(crate) fn write_ask(to: u64, ask: &Ask) -> Bytes {
    let bytes = match ask {
        Ask::Append(request) => {
            let sizes = request.entries.iter().map(|entry| ENTRY_HEAD_BYTES + frame_of(entry).payload.len());
            128 + sizes.sum::<usize>()
        }
        Ask::Vote(_) | Ask::PreVote(_) | Ask::Transfer(_) | Ask::Lacking(..) | Ask::Segment(..) => 128,
        Ask::States(release, states) => 64 + release.len() + states.len() * STATE_BYTES,
    };
    let mut writer = Writer::with_capacity(bytes);
    writer.u8(VERSION);
    writer.u64(to);
    match ask {
        Ask::Append(request) => {
            writer.u8(1);
            write_vote(&mut writer, &request.vote);
            writer.option(request.prev_log_id.as_ref(), write_position);
            writer.option(request.leader_commit.as_ref(), write_position);
            writer.list(&request.entries, write_entry);
        }
        Ask::Vote(request) => {
            writer.u8(2);
            write_election(&mut writer, request);
        }
        Ask::PreVote(request) => {
            writer.u8(3);
            write_election(&mut writer, request);
        }
        Ask::Transfer(request) => {
            writer.u8(4);
            write_vote(&mut writer, request.from_leader());
            writer.u64(*request.to_node_id());
            writer.option(request.last_log_id(), write_position);
        }
        Ask::Lacking(vote, last) => {
            writer.u8(5);
            write_vote(&mut writer, vote);
            write_position(&mut writer, last);
        }
        Ask::Segment(first, offset) => {
            writer.u8(6);
            writer.u64(*first);
            writer.u64(*offset);
        }
        Ask::States(release, states) => {
            writer.u8(7);
            writer.bytes(release.as_bytes());
            writer.list(states, write_state);
        }
    }
    writer.finish()
}

/// Whether a message asks for a vote: a simulation lets the power fail behind the answer.
#[must_use]
pub fn asks_for_vote(message: Bytes) -> bool {
    matches!(read_ask(message), Ok((_, Ask::Vote(_))))
}

/// Reads a message, and for which node it is. Payloads share the memory of `bytes`.
pub(crate) fn read_ask(bytes: Bytes) -> Result<(u64, Ask), WireError> {
    let mut reader = Reader::new(bytes);
    reader.read_version(VERSION..=VERSION, "an unknown version of a message between replicas")?;
    let to = reader.u64()?;
    let ask = match reader.u8()? {
        1 => Ask::Append(AppendEntriesRequest {
            vote: read_vote(&mut reader)?,
            prev_log_id: reader.option(read_position)?,
            leader_commit: reader.option(read_position)?,
            entries: reader.list(ENTRY_HEAD_BYTES, read_entry)?,
        }),
        2 => Ask::Vote(read_election(&mut reader)?),
        3 => Ask::PreVote(read_election(&mut reader)?),
        4 => {
            let (vote, node) = (read_vote(&mut reader)?, reader.u64()?);
            Ask::Transfer(TransferLeaderRequest::new(vote, node, reader.option(read_position)?))
        }
        5 => Ask::Lacking(read_vote(&mut reader)?, read_position(&mut reader)?),
        6 => Ask::Segment(reader.u64()?, reader.u64()?),
        7 => {
            let release = reader.bytes()?;
            let release = std::str::from_utf8(&release).map_err(|_| reader.error("a release is text"))?.to_owned();
            Ask::States(release, reader.list(STATE_BYTES, read_state)?)
        }
        _ => return Err(reader.error("an unknown message between replicas")),
    };
    reader.finish()?;
    Ok((to, ask))
}

/// Writes an answer.
pub(crate) fn write_told(told: &Told) -> Bytes {
    let mut writer = Writer::new();
    writer.u8(VERSION);
    match told {
        Told::Append(response) => {
            writer.u8(1);
            match response {
                AppendEntriesResponse::Success => writer.u8(0),
                AppendEntriesResponse::PartialSuccess(last) => {
                    writer.u8(1);
                    writer.option(last.as_ref(), write_position);
                }
                AppendEntriesResponse::Conflict => writer.u8(2),
                AppendEntriesResponse::HigherVote(vote) => {
                    writer.u8(3);
                    write_vote(&mut writer, vote);
                }
            }
        }
        Told::Vote(response) => {
            writer.u8(2);
            write_vote(&mut writer, &response.vote);
            writer.option(response.last_log_id.as_ref(), write_position);
            writer.flag(response.vote_granted);
        }
        Told::Transfer(taken) => {
            writer.u8(3);
            writer.flag(*taken);
        }
        Told::Lacking(vote, reaches) => {
            writer.u8(4);
            write_vote(&mut writer, vote);
            writer.flag(*reaches);
        }
        Told::Segment(length, piece) => {
            writer.u8(5);
            writer.u64(*length);
            writer.bytes(piece);
        }
        Told::States(difference) => {
            writer.u8(6);
            writer.option(difference.as_ref(), |writer, index| writer.u64(*index));
        }
    }
    writer.finish()
}

/// Reads an answer.
pub(crate) fn read_told(bytes: Bytes) -> Result<Told, WireError> {
    let mut reader = Reader::new(bytes);
    reader.read_version(VERSION..=VERSION, "an unknown version of an answer between replicas")?;
    let told = match reader.u8()? {
        1 => Told::Append(match reader.u8()? {
            0 => AppendEntriesResponse::Success,
            1 => AppendEntriesResponse::PartialSuccess(reader.option(read_position)?),
            2 => AppendEntriesResponse::Conflict,
            3 => AppendEntriesResponse::HigherVote(read_vote(&mut reader)?),
            _ => return Err(reader.error("an unknown answer to an append")),
        }),
        2 => {
            let (vote, last) = (read_vote(&mut reader)?, reader.option(read_position)?);
            Told::Vote(VoteResponse::new(vote, last, reader.flag()?))
        }
        3 => Told::Transfer(reader.flag()?),
        4 => Told::Lacking(read_vote(&mut reader)?, reader.flag()?),
        5 => Told::Segment(reader.u64()?, reader.bytes()?),
        6 => Told::States(reader.option(Reader::u64)?),
        _ => return Err(reader.error("an unknown answer between replicas")),
    };
    reader.finish()?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::raft::types::{BatchBytes, log_id};

    fn vote() -> Vote {
        Vote { leader_id: LeaderId { term: 3, voted_for: 2 }, committed: true }
    }

    #[test]
    fn every_message_survives_its_written_form() {
        let batch = EntryPayload::Normal(BatchBytes(Bytes::from_static(b"batch")));
        let entries = vec![
            Entry { log_id: log_id(3, 8), payload: batch },
            Entry { log_id: log_id(3, 9), payload: EntryPayload::Blank },
        ];
        let append =
            AppendEntriesRequest { vote: vote(), prev_log_id: Some(log_id(2, 7)), leader_commit: None, entries };
        let mut election = VoteRequest::new(vote(), Some(log_id(1, 2)));
        election.leadership_transfer = true;
        let asks = [
            Ask::Append(append),
            Ask::Vote(election.clone()),
            Ask::PreVote(election),
            Ask::Transfer(TransferLeaderRequest::new(vote(), 3, Some(log_id(3, 9)))),
            Ask::Lacking(vote(), log_id(2, 4)),
            Ask::Segment(7, 1 << 20),
            Ask::States("0.1.0".to_owned(), vec![StateAt { index: 9, hash: [7; 32] }]),
        ];
        for ask in asks {
            let (to, again) = read_ask(write_ask(7, &ask)).unwrap();
            assert_eq!((to, format!("{again:?}")), (7, format!("{ask:?}")));
        }
    }

    #[test]
    fn every_answer_survives_its_written_form() {
        let answers = [
            Told::Append(AppendEntriesResponse::Success),
            Told::Append(AppendEntriesResponse::PartialSuccess(Some(log_id(3, 9)))),
            Told::Append(AppendEntriesResponse::Conflict),
            Told::Append(AppendEntriesResponse::HigherVote(vote())),
            Told::Vote(VoteResponse::new(vote(), None, true)),
            Told::Transfer(true),
            Told::Lacking(vote(), false),
            Told::Segment(4096, Bytes::from_static(b"piece")),
            Told::States(None),
            Told::States(Some(9)),
        ];
        for told in answers {
            assert_eq!(read_told(write_told(&told)), Ok(told));
        }
    }

    #[test]
    fn a_vote_keeps_the_bytes_of_version_one() {
        let ask = Ask::Vote(VoteRequest::new(vote(), Some(log_id(1, 2))));
        let written: String = write_ask(7, &ask).iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "01 0700000000000000 02 0300000000000000 0200000000000000 01 01 0100000000000000 \
                        0200000000000000 00";
        assert_eq!(written, expected.replace(' ', ""));
    }

    #[test]
    fn pieces_and_states_keep_the_bytes_of_version_one() {
        let hex = |bytes: Bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let segment = hex(write_ask(7, &Ask::Segment(9, 4096)));
        assert_eq!(segment, "01 0700000000000000 06 0900000000000000 0010000000000000".replace(' ', ""));
        let states = hex(write_ask(7, &Ask::States("1".to_owned(), vec![StateAt { index: 9, hash: [0xab; 32] }])));
        let expected = "01 0700000000000000 07 01000000 31 01000000 0900000000000000 20000000";
        assert_eq!(states, expected.replace(' ', "") + &"ab".repeat(32));
        let piece = hex(write_told(&Told::Segment(4096, Bytes::from_static(b"a"))));
        assert_eq!(piece, "01 05 0010000000000000 01000000 61".replace(' ', ""));
        assert_eq!(hex(write_told(&Told::States(Some(9)))), "01 06 01 0900000000000000".replace(' ', ""));
    }

    #[test]
    fn other_versions_and_kinds_and_lengths_are_errors() {
        for bytes in [&[2, 0][..], &[1, 0, 0, 0, 0, 0, 0, 0, 0, 9], &[]] {
            assert!(read_ask(Bytes::copy_from_slice(bytes)).is_err());
            assert!(read_told(Bytes::copy_from_slice(bytes)).is_err());
        }
        let longer = [write_told(&Told::Transfer(true)).as_ref(), &[0]].concat();
        assert!(read_told(Bytes::from(longer)).is_err());
    }
}
