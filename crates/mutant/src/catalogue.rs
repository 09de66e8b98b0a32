//! The list of deliberate faults: the one place where each has its name and what it does.
//! Invariant: `ALL` names each variant once; a name never changes its meaning, for campaigns are repeated by it.
//! Printed by `cargo xtask mutants`. Tests: in the root of the crate.

macro_rules! catalogue {
    ($($variant:ident $name:literal $description:literal;)+) => {
        /// A deliberate fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $(#[doc = $description] $variant,)+
        }

        /// Every fault there is.
        pub const ALL: &[Mutant] = &[$(Mutant::$variant,)+];

        impl Mutant {
            /// Its name, as `RECADO_MUTANT` and the campaigns know it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mutant::$variant => $name,)+
                }
            }

            /// What goes wrong when it is on.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Mutant::$variant => $description,)+
                }
            }
        }
    };
}

catalogue! {
    // The store.
    AckBeforeSync "ack-before-sync" "The writer confirms frames that were written and not synced.";
    NoFolderSync "no-folder-sync" "Names of new, renamed and removed files are never synced.";
    RetryFailedSync "retry-failed-sync" "A failed sync is tried again, and the second answer is believed.";
    TruncateAtBadChecksum "truncate-at-bad-checksum" "Damage in durable frames is taken for a torn tail and cut off.";
    VoteNotSynced "vote-not-synced" "The vote is confirmed before it is synced.";
    CheckpointNotSynced "checkpoint-not-synced" "A checkpoint gets its final name before its bytes are synced.";
    RollWithoutSync "roll-without-sync" "A new segment gets its final name before its header is synced.";
    ChecksumWithoutLength "checksum-without-length" "The checksum of a frame does not cover its length.";
    CutKeepsOldFrames "cut-keeps-old-frames" "A truncation leaves the bytes of the frames that it cuts off.";
    // The shard.
    AckAtAppend "ack-at-append" "The log reports entries as flushed when they are handed to the writer.";
    ReserveOff "reserve-off" "Publishes are accepted until the disk is full to the last byte.";
    LogCutAtNewestCheckpoint "log-cut-at-newest-checkpoint" "The log is given up behind the newest checkpoint, not the one before.";
    // The shard: several replicas.
    AckBeforeMajority "ack-before-majority" "A leader counts what it has not been told that a follower has.";
    CommitOnReceived "commit-on-received" "A follower answers an append when it has received it, not when it is flushed.";
    VoteAnsweredEarly "vote-answered-early" "A vote is answered when it is handed to the writer.";
    IncarnationIgnored "incarnation-ignored" "A node that lost its disk comes back under the number it had.";
    // The machine: settling.
    SettleIgnoresEpoch "settle-ignores-epoch" "A receipt of an older leadership settles.";
    SettleIgnoresAttempt "settle-ignores-attempt" "A receipt of an earlier delivery settles the present one.";
    RedeliveryNotCounted "redelivery-not-counted" "A delivery that comes back is not counted, so no limit is reached.";
    KeyFreedAtLease "key-freed-at-lease" "The next message of a key is free when the one before is leased, not when it is settled.";
    // The machine: time.
    LocalClock "local-clock" "Applying a batch reads the clock of this machine instead of the time in the batch.";
    DelayEndsEarly "delay-ends-early" "A delayed message is available after half of its delay.";
    // The machine: one state on all replicas.
    HashOrder "hash-order" "A new id depends on the order of a hash map.";
    WindowNotSaved "window-not-saved" "A checkpoint does not hold the ids that are remembered against duplicates.";
    DelayedNotRestored "delayed-not-restored" "A restart from a checkpoint loses the delayed messages.";
    // The machine: messages that move.
    DeadLetterMoveHalf "dead-letter-move-half" "Of several messages given up at once only the first reaches the dead-letter queue.";
    RelocationDropsUnsettled "relocation-drops-unsettled" "A message that is leased or delayed is dropped when its segment is emptied.";
    DeleteLiveSegment "delete-live-segment" "A segment with one last live message is taken for dead and deleted.";
    // The machine: topics and rights.
    CommitIgnoresOwner "commit-ignores-owner" "A member commits offsets of a partition that another member has.";
    CommitRunsBackwards "commit-runs-backwards" "An older commit that comes late moves the offset back.";
    DeleteWithoutRight "delete-without-right" "Whoever may describe a queue may delete it.";
}

impl Mutant {
    /// The fault with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mutant> {
        ALL.iter().copied().find(|mutant| mutant.name() == name)
    }
}
