//! The receipt of one delivery: settles that delivery and no other, under that leadership and no other.
//!
//! Text form: 62 hexadecimal digits, big-endian: kind (1 byte), source id (8), partition (4),
//! sequence (8), epoch (6), attempt (4). Opaque to clients.
//! Invariant: no two deliveries share a receipt; a receipt of an older epoch or attempt is refused.

use std::fmt;

use crate::number::{Attempt, Epoch, Partition, QueueId, Sequence, SubscriptionId};
use crate::refusal::Refusal;

/// What a receipt was given by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReceiptSource {
    /// A queue.
    Queue(QueueId),
    /// A shared subscription.
    Subscription(SubscriptionId),
}

/// Token of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// Who gave it.
    pub source: ReceiptSource,
    /// The partition of the message.
    pub partition: Partition,
    /// The message's place there.
    pub sequence: Sequence,
    /// The leadership that gave it; at most 2^48 - 1.
    pub epoch: Epoch,
    /// Which delivery of the message.
    pub attempt: Attempt,
}

const BYTES: usize = 31;
const QUEUE: u8 = 1;
const SUBSCRIPTION: u8 = 2;

impl Receipt {
    fn to_bytes(self) -> [u8; BYTES] {
        let (kind, id) = match self.source {
            ReceiptSource::Queue(id) => (QUEUE, id.get()),
            ReceiptSource::Subscription(id) => (SUBSCRIPTION, id.get()),
        };
        let mut bytes = [0; BYTES];
        bytes[0] = kind;
        bytes[1..9].copy_from_slice(&id.to_be_bytes());
        bytes[9..13].copy_from_slice(&self.partition.get().to_be_bytes());
        bytes[13..21].copy_from_slice(&self.sequence.get().to_be_bytes());
        bytes[21..27].copy_from_slice(&self.epoch.get().to_be_bytes()[2..]);
        bytes[27..31].copy_from_slice(&self.attempt.get().to_be_bytes());
        bytes
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// `ReceiptInvalid` when it is not the text of a receipt.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let bytes = from_hex(text).ok_or(Refusal::ReceiptInvalid)?;
        let long = |at: usize| -> u64 {
            let mut part = [0; 8];
            part.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(part)
        };
        let short = |at: usize| -> u32 {
            let mut part = [0; 4];
            part.copy_from_slice(&bytes[at..at + 4]);
            u32::from_be_bytes(part)
        };
        let mut epoch = [0; 8];
        epoch[2..].copy_from_slice(&bytes[21..27]);
        let source = match bytes[0] {
            QUEUE => ReceiptSource::Queue(QueueId::new(long(1))),
            SUBSCRIPTION => ReceiptSource::Subscription(SubscriptionId::new(long(1))),
            _ => return Err(Refusal::ReceiptInvalid),
        };
        Ok(Self {
            source,
            partition: Partition::new(short(9)),
            sequence: Sequence::new(long(13)),
            epoch: Epoch::new(u64::from_be_bytes(epoch)),
            attempt: Attempt::new(short(27)),
        })
    }
}

fn from_hex(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != BYTES * 2 {
        return None;
    }
    let digit = |byte: u8| -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    };
    let mut bytes = [0; BYTES];
    for (slot, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *slot = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.to_bytes() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// What became of one receipt in an ack, nack or extend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done as asked.
    Settled,
    /// The lease had ended, or another delivery has the message: nothing was changed.
    LeaseLost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_survives_its_text_form() {
        for source in
            [ReceiptSource::Queue(QueueId::new(u64::MAX)), ReceiptSource::Subscription(SubscriptionId::new(7))]
        {
            let receipt = Receipt {
                source,
                partition: Partition::new(1023),
                sequence: Sequence::new(1 << 40),
                epoch: Epoch::new((1 << 48) - 1),
                attempt: Attempt::new(21),
            };
            assert_eq!(Receipt::parse(&receipt.to_string()), Ok(receipt));
        }
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        for text in ["", "00", &"z".repeat(62), &"0".repeat(62), &"é".repeat(31)] {
            assert_eq!(Receipt::parse(text), Err(Refusal::ReceiptInvalid), "{text}");
        }
    }
}
