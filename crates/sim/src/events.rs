//! Rare things that must happen sometimes: a simulator that never meets them proves nothing about them.
//! Invariant: each event has one name and occurs at least once in `COVERAGE_SEEDS` seeds, or the run fails.
//! Noted by every room, summed by `campaign`. Tests: the campaign itself.

macro_rules! events {
    ($( $name:ident = $word:literal, )*) => {
        /// Something rare.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each is named by its word")]
        pub enum Event { $( $name, )* }

        impl Event {
            /// Every event, those of several nodes last.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// Its words.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $( Self::$name => $word, )* }
            }
        }
    };
}

events! {
    SegmentRolled = "segment rolled",
    SegmentDropped = "segment dropped",
    MessagesRelocated = "live messages relocated",
    CheckpointMade = "checkpoint made",
    CheckpointRestored = "start from a checkpoint",
    TailReplayed = "tail replayed behind a checkpoint",
    WholeLogReplayed = "whole log replayed",
    PowerCut = "power cut",
    PowerCutInFlush = "power cut inside of a flush",
    PowerCutAtStart = "power cut before a start was done",
    PowerCutAtFirstBoot = "power cut at the very first start",
    PowerCutInCheckpoint = "power cut while a checkpoint is written",
    Kill = "process killed",
    CleanRestart = "clean restart",
    WriteFailed = "write failed",
    SyncFailed = "sync failed",
    FolderSyncFailed = "sync of the folder failed",
    ReadFailed = "read failed",
    OpenFailed = "open failed",
    StopAfterFault = "shard stopped after a fault",
    DiskFull = "disk full, publish refused",
    DiskFullFreeing = "disk full, settling went on",
    DiskFullOver = "publish accepted after a full disk",
    DiskSlow = "disk slow",
    BitRotRefused = "flipped bit refused with its place",
    BitRotSurvived = "flipped bit without consequence",
    ClockForward = "clock jumps forward",
    ClockBack = "clock jumps back",
    ClientsVanish = "clients vanish",
    ReceiptsForgotten = "deliveries are never settled",
    OutcomeUnknown = "outcome unknown",
    UnknownWasDone = "unknown outcome, and it was done",
    UnknownWasLost = "unknown outcome, and it was not done",
    LeaseExpired = "lease expired",
    LateAckRefused = "late ack refused",
    LateNackRefused = "late nack refused",
    OldEpochRefused = "receipt of an older leadership refused",
    LeaseOutlivedRestart = "lease settled after a restart",
    LeaseExtended = "lease extended",
    PickVoid = "pick void",
    Redelivered = "redelivered",
    ConnectionLeaseEnded = "lease ended with its leadership",
    Released = "delivery released",
    NackDelayed = "nack with delay",
    DelayEnded = "delayed message became ready",
    Scheduled = "message scheduled for a time",
    Cancelled = "scheduled message cancelled",
    Expired = "message expired",
    LimitReached = "delivery limit reached",
    Rejected = "message rejected",
    Buried = "dead letter moved",
    BuriedFromSubscription = "dead letter of a subscription moved",
    DroppedWithoutDeadLetters = "message dropped where there are no dead letters",
    Redriven = "dead letter redriven",
    Overflowed = "oldest message dropped",
    QueueFull = "full queue refused",
    Duplicate = "duplicate recognised",
    DuplicateAfterRestart = "duplicate recognised after a restart",
    KeyBlocked = "message waits behind its key",
    PriorityFirst = "higher priority delivered first",
    Purged = "queue purged",
    QueueRecreated = "queue deleted and created again",
    QueueInUse = "delete of a dead-letter queue refused",
    Forbidden = "forbidden",
    Granted = "right granted and used",
    TopicRead = "partition read",
    Trimmed = "record trimmed",
    Compacted = "record replaced by a newer one of its key",
    Committed = "offset committed",
    CommitBehind = "commit behind the committed offset",
    CommitForeign = "commit of a foreign partition refused",
    SeekBack = "subscription moved back",
    SubscriptionRecreated = "subscription deleted and created again",
    PartitionsGrown = "topic got more partitions",
    ReadFromDisk = "message read from a segment",
    ReadMoved = "message moved between pick and fetch",
    ManyInOneBatch = "many commands in one batch",
    // Among several nodes.
    Elected = "leader elected",
    NobodyLed = "operation found no leader",
    GivenUp = "operation given up",
    LeadershipHandedOver = "leadership handed over",
    VoterAdded = "node became a voter",
    NodeRemoved = "node removed",
    CopyTaken = "copy of the store taken",
    CaughtUpByCopy = "node that lagged took a copy",
    DiskLost = "disk lost",
    LostDiskRefused = "node without its disk refused to start",
    PowerOfSome = "power cut of some nodes",
    PowerOfAll = "power cut of all nodes",
    Held = "node held still",
    Isolated = "node cut off",
    OneWayCut = "one direction cut",
    HalvesCut = "network cut in two",
    RingCut = "network cut to a ring",
    BadWeather = "bad weather in the network",
    MessageLost = "message lost without a word",
    MessageTwice = "message came twice",
    VoterFell = "voter lost its power behind its answer",
}

impl Event {
    /// Whether it takes several nodes.
    #[must_use]
    pub fn is_among_nodes(self) -> bool {
        Self::Elected <= self
    }
}

/// How often each event occurred.
#[derive(Clone, Debug)]
pub struct Tally(Vec<u64>);

impl Default for Tally {
    fn default() -> Self {
        Self(vec![0; Event::ALL.len()])
    }
}

fn place(event: Event) -> usize {
    Event::ALL.binary_search(&event).unwrap_or_default()
}

impl Tally {
    /// Notes an event.
    pub fn note(&mut self, event: Event) {
        self.0[place(event)] += 1;
    }

    /// How often it occurred.
    #[must_use]
    pub fn count(&self, event: Event) -> u64 {
        self.0[place(event)]
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(&other.0) {
            *sum += more;
        }
    }

    /// Events that never occurred.
    #[must_use]
    pub fn missing(&self) -> Vec<Event> {
        Event::ALL.iter().copied().filter(|event| self.count(*event) == 0).collect()
    }
}
