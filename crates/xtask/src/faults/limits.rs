//! Every bound of the campaigns, by name: how long anything may take, and what is wanted.
//! Invariant: no campaign waits, retries or collects past a figure on this page.
//! Used by all rooms of this folder.

use std::time::Duration;

/// A start that has not come up by then has failed.
pub(super) const START_MAX: Duration = Duration::from_secs(60);
/// A stop that was asked for must be over by then.
pub(super) const STOP_MAX: Duration = Duration::from_secs(40);
/// Longest wait for the bytes of an answer.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);
/// A kept connection that was idle for longer is opened again: the server closes one after ten seconds.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(5);
/// Pause before something that failed for now is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// Longest drain of a campaign.
pub(super) const DRAIN_MAX: Duration = Duration::from_secs(240);
/// Longest filling of a backlog.
pub(super) const FILL_MAX: Duration = Duration::from_secs(900);
/// Longest answer that is read.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Lines of a complaint that are printed for one kind of violation.
pub(super) const EXAMPLES_MAX: usize = 5;

/// Length of a message body.
pub(super) const BODY_BYTES: usize = 1024;
/// Length of a body that fills segments.
pub(super) const LONG_BYTES: usize = 1 << 20;
/// Messages in one publish of a backlog.
pub(super) const FILL_BATCH: u64 = 500;
/// Connections that fill a backlog.
pub(super) const FILL_CONNECTIONS: u64 = 4;
/// Messages that one receive asks for while a queue is drained.
pub(super) const DRAIN_BATCH: u64 = 1000;

/// Producers, and consumers, of a campaign of kills.
pub(super) const KILL_WORKERS: u64 = 8;
/// Keys of each producer.
pub(super) const KEYS_PER_PRODUCER: u64 = 64;
/// Most messages in one publish of a producer.
pub(super) const KILL_BATCH: u64 = 64;
/// A process lives this long, at least and at most, before it is killed, in milliseconds.
pub(super) const LIFE_MS: (u64, u64) = (400, 2500);

/// Longest wait for the injected failure.
pub(super) const INJECTION_MAX: Duration = Duration::from_secs(12);
/// How long publishers go on after the failure.
pub(super) const AFTER_FAILURE: Duration = Duration::from_millis(700);

/// Publishers beside one consumer while power, clocks, pauses or disks fail; one of them publishes to the topic.
pub(super) const TRAFFIC_PUBLISHERS: u64 = 4;
/// Most messages in one of their publishes.
pub(super) const TRAFFIC_BATCH: u64 = 16;
/// A lease of a client that is gone ends after this long.
pub(super) const TRAFFIC_LEASE_MS: u64 = 500;
/// Size of the disk in memory, in MiB: the reserve of 512 MiB, some segments, and what a filesystem takes.
pub(super) const DEVICE_MIB: usize = 1280;
/// Longest wait for a filesystem to let go.
pub(super) const UNMOUNT_MAX: Duration = Duration::from_secs(20);
/// The power goes after this long under load, at least and at most, in milliseconds.
pub(super) const CUT_AFTER_MS: (u64, u64) = (250, 1200);
/// In every second run flushes take this much longer.
pub(super) const CUT_FLUSH_MS: (u64, u64) = (2, 15);
/// The power goes this long after the first start began.
pub(super) const FIRST_BOOT_CUT_MS: (u64, u64) = (5, 400);
/// The power goes after a first life of this long under load, at least and at most, in milliseconds.
pub(super) const FIRST_LIFE_MS: (u64, u64) = (100, 600);
/// A segment that is rolled to is there within this time.
pub(super) const ROLL_MAX: Duration = Duration::from_secs(40);
/// How long a flush takes around a roll, so that there is a time between any two.
pub(super) const ROLL_FLUSH: Duration = Duration::from_millis(15);
/// The power goes when so many flushes have ended after a new segment has its name, at least and at most.
pub(super) const ROLL_FLUSHES: (u64, u64) = (0, 3);
/// Longest wait for these.
pub(super) const ROLL_FLUSHES_MAX: Duration = Duration::from_millis(250);
/// Segments are looked for this often.
pub(super) const ROLL_LOOK: Duration = Duration::from_millis(1);
/// Long messages that one receive asks for.
pub(super) const FILLING_BATCH: u64 = 8;
/// Longest drain of long messages, some of which may be with a client that is gone.
pub(super) const FILLING_DRAIN_MAX: Duration = Duration::from_secs(40);
/// How long the broker lives on a disk that is gone: long enough to confirm what it must not.
pub(super) const DEAD_DISK: Duration = Duration::from_millis(60);
/// Most long messages that go by until the segment of a message that stays is gone.
pub(super) const HOLDOUT_MESSAGES_MAX: u64 = 1024;
/// Messages that stay, each in a segment of its own.
pub(super) const HOLDOUTS: u64 = 4;
/// A held message is held for this long, which is longer than its segment lives.
pub(super) const HOLDOUT_LEASE: Duration = Duration::from_secs(20);
/// Wanted: a power cut with everything around it.
pub(super) const POWER_CYCLE_MS: u64 = 6000;

/// How long clients are at work before something goes wrong, and after it.
pub(super) const BEFORE_FAULT: Duration = Duration::from_millis(400);
/// A pause of the whole process, at least and at most, in milliseconds: longer than leases of the traffic.
pub(super) const PAUSED_MS: (u64, u64) = (700, 3000);
/// Wanted: from the end of a pause, or of a slow disk, to work as before.
pub(super) const RESUME_MS: u64 = 2000;

/// A jump of the wall clock, at least and at most, in seconds.
pub(super) const CLOCK_JUMP_S: (u64, u64) = (3600, 6 * 3600);
/// How long delayed messages wait while the clock jumps.
pub(super) const DELAY: Duration = Duration::from_secs(3);
/// They are looked for this much longer while the clock is wrong.
pub(super) const DELAY_SLACK: Duration = Duration::from_millis(500);
/// Once the clock is right, they come within this time.
pub(super) const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// Starts of a storm that are killed before they are ready.
pub(super) const STORM_STARTS: u64 = 5;
/// A start of a storm is killed after this long, at least and at most, in milliseconds.
pub(super) const BOOT_KILL_MS: (u64, u64) = (1, 120);
/// A broker that was asked to end is killed after this long, at least and at most, in milliseconds.
pub(super) const DRAIN_KILL_MS: (u64, u64) = (0, 60);

/// How long a flush takes on a slow disk.
pub(super) const SLOW_FLUSH: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(3)];
/// How long a disk is slow, at least.
pub(super) const SLOW_TIME: Duration = Duration::from_secs(4);
/// So many writes of the filesystem pass before one fails.
pub(super) const WRITES_BEFORE: (u64, u64) = (0, 60);

/// Messages in one publish over gRPC: a program is started for each.
pub(super) const DOORS_BATCH: u64 = 50;
/// Receives of one drain over gRPC.
pub(super) const DRAIN_TURNS_MAX: u64 = 500;

/// The durable mark has followed the log by then.
pub(super) const MARK_MAX: Duration = Duration::from_millis(500);

/// A data folder that is consumed must fall below this within `SHRINK_MAX`: two segments.
pub(super) const EMPTY_FOLDER_BYTES: u64 = 2 * (64 << 20);
/// How long the folder has to shrink.
pub(super) const SHRINK_MAX: Duration = Duration::from_secs(60);
/// Size of the small filesystem, in MiB: the reserve of 512 MiB and some room above it.
pub(super) const SMALL_DISK_MIB: u64 = 768;

/// Wanted: from exec to ready, after a kill.
pub(super) const RESTART_MS: u64 = 2000;
/// Wanted: from exec to ready, of an empty broker.
pub(super) const EMPTY_START_MS: u64 = 60;
/// Wanted: from exec to ready, after a clean stop, with a backlog or with many queues.
pub(super) const CLEAN_START_MS: u64 = 1000;
/// Wanted: resident memory of an idle broker, in MiB.
pub(super) const IDLE_MIB: u64 = 25;
/// Wanted: resident memory with a million messages waiting.
pub(super) const BACKLOG_MIB: u64 = 100;
/// Wanted: resident memory with a hundred thousand empty queues.
pub(super) const QUEUES_MIB: u64 = 256;
/// Empty queues of the campaign of memory.
pub(super) const QUEUES: u64 = 100_000;
/// Idle connections over AMQP.
pub(super) const IDLE_CONNECTIONS: u64 = 10_000;
/// Wanted: resident memory with them, in MiB.
pub(super) const CONNECTIONS_MIB: u64 = 300;
/// Threads that open them.
pub(super) const CONNECTORS: u64 = 16;
/// Nodes of a cluster.
pub(super) const CLUSTER_NODES: u64 = 3;
/// How long one of them is away.
pub(super) const CLUSTER_AWAY_MS: (u64, u64) = (2_000, 6_000);
/// Longest time without a confirmation while a majority of them runs.
pub(super) const CLUSTER_GAP_MS: u64 = 5_000;
/// How long a node may take to put its files right and to read them again.
pub(super) const MENDED_MAX: Duration = Duration::from_secs(120);

/// Publishers to a cluster with hosts of its own: so many that a slow network does not make them slow.
pub(super) const CLUSTER_PUBLISHERS: u64 = 8;
/// Keys of each of them.
pub(super) const KEYS_OF_A_CLUSTER: u64 = 4;
/// How long its consumers hold messages.
pub(super) const CLUSTER_LEASE_MS: u64 = 3_000;
/// Of so many receives, one is settled only when its leases are over.
pub(super) const CLUSTER_LATE_ONE_IN: u64 = 40;
/// Gateways before a cluster.
pub(super) const CLUSTER_GATEWAYS: u8 = 2;
/// Pause in a storm of kills, moves or resets.
pub(super) const CLUSTER_STORM_PAUSE: Duration = Duration::from_millis(1_000);
/// A leader that gets too little of the processor stands still and goes on for so long.
pub(super) const CLUSTER_STUTTER: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(100));
/// What is left free of a disk that fills up, in MiB: less than the reserve for publishes, more than a segment.
pub(super) const LEFT_MIB: u64 = 200;
/// Runs after which a cluster makes room for a new one.
pub(super) const CLUSTER_RUNS_MAX: u64 = 20;
/// Seconds of a run.
pub(super) const CLUSTER_RUN_S: u64 = 40;
/// Wanted: confirmed messages a second before a harm, and during one that leaves a majority.
pub(super) const CLUSTER_RATE: (u64, u64) = (500, 100);
/// Wanted: longest silence of a client after the leader was killed, in milliseconds.
pub(super) const KILLED_GAP_MS: u64 = 3_000;
/// Wanted: the same when the leadership was handed over.
pub(super) const PLANNED_GAP_MS: u64 = 500;
/// Wanted: the same when the leader stands still or is cut off.
pub(super) const CUT_OFF_GAP_MS: u64 = 5_000;

/// Most messages in a publish while a cluster grows.
pub(super) const GROWTH_BATCH: u64 = 200;
/// Messages a second of each publisher meanwhile.
pub(super) const GROWTH_EACH: u64 = 700;
/// Wanted: confirmed messages a second meanwhile.
pub(super) const GROWTH_RATE: u64 = 5_000;
/// How long a cluster works between its changes.
pub(super) const GROWTH_PAUSE: Duration = Duration::from_secs(4);
/// Wanted: longest silence of a client meanwhile, in milliseconds.
pub(super) const GROWTH_GAP_MS: u64 = 1_000;
