//! Chance: the only place of the node that draws random bytes, from the operating system.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use model::message::MessageId;

/// Random bytes. A system without them cannot make a secret, so the process ends.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Random bytes as hexadecimal text.
pub(crate) fn text<const N: usize>() -> String {
    let mut text = String::with_capacity(N * 2);
    for byte in bytes::<N>() {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

/// Bytes of a message id that is made here: 16 of the process, a dash, and a count of at most 16.
const ID_BYTES_MAX: usize = 33;

/// Makes message ids that no other process makes: a random part for the process, and a count.
pub(crate) struct MessageIds {
    process: String,
    count: AtomicU64,
}

impl MessageIds {
    pub(crate) fn new() -> Self {
        Self { process: text::<8>(), count: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> MessageId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        // One for each message: the text is put together without a piece of memory of its own.
        let mut text = Cursor::new([0; ID_BYTES_MAX]);
        write!(text, "{}-{count:x}", self.process).expect("the longest id fits");
        let length = usize::try_from(text.position()).expect("a position in a short text");
        let text = std::str::from_utf8(&text.get_ref()[..length]).expect("hexadecimal digits are text");
        MessageId::parse(text).expect("hexadecimal text is an id")
    }
}
