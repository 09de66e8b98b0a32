//! Numbers with kinds: ids, positions, times and sizes that cannot be mixed up.
//! Invariant: no arithmetic here wraps; a sum saturates or is checked by its caller.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($inner);

        impl $name {
            /// Wraps a raw number.
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The raw number, for encoding and display.
            pub const fn get(self) -> $inner {
                self.0
            }

            /// The number after this one; the last one stays where it is.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// A user, for ever: deleting a user and creating its name again gives another id.
    UserId(u64)
);
number!(
    /// A queue, for ever; a recreated name gets another id.
    QueueId(u64)
);
number!(
    /// A topic, for ever; a recreated name gets another id.
    TopicId(u64)
);
number!(
    /// A subscription, for ever; a recreated name gets another id.
    SubscriptionId(u64)
);
number!(
    /// A token or session, for ever.
    TokenId(u64)
);
number!(
    /// One partition of a topic or queue, counted from 0.
    Partition(u32)
);
number!(
    /// The position of a message in a topic partition, counted from 0, dense.
    Offset(u64)
);
number!(
    /// The position of a message in a queue partition, counted from 0, never reused.
    Sequence(u64)
);
number!(
    /// The leadership under which a lease was given; a receipt of an older one never settles.
    Epoch(u64)
);
number!(
    /// How often a message has been delivered; the first delivery is 1.
    Attempt(u32)
);
number!(
    /// The position of a batch in the log of a shard.
    LogIndex(u64)
);
number!(
    /// A generation of a stream subscription's assignment; it rises with every rebalance.
    Generation(u64)
);
number!(
    /// Milliseconds since 1970-01-01T00:00:00Z, stamped by the leader, never decreasing in a shard.
    Timestamp(u64)
);
number!(
    /// A length of time in milliseconds.
    Span(u64)
);
number!(
    /// A number of bytes.
    ByteSize(u64)
);

impl Timestamp {
    /// The time that lies `span` after this one; saturates at the end of time.
    #[must_use]
    pub const fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was, zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// Whole seconds as a span.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

impl ByteSize {
    /// The size of a buffer. A buffer longer than 2^64 bytes cannot exist.
    pub fn of(bytes: &[u8]) -> Self {
        Self(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    /// The sum of two sizes, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// The urgency of a message: 0 (default) to 255; a higher one is delivered first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// The priority of a message that names none.
    pub const DEFAULT: Self = Self(0);

    /// The highest there is.
    pub const MAX: Self = Self(crate::limits::PRIORITY_MAX);

    /// Wraps a raw number.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The raw number.
    pub const fn get(self) -> u8 {
        self.0
    }
}
