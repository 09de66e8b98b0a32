//! Every bound of the simulator, by name.
//! Invariant: no run, wait or list of the simulator goes past a figure on this page.
//! Used by all rooms.

use std::time::Duration;

/// Operations that the clients begin in one seed while faults come, at least.
pub const OPERATIONS: u64 = 2000;
/// Operations after which the storm of a seed is over, whatever was answered and struck.
pub const OPERATIONS_MAX: u64 = 6000;
/// Fewest operations of one seed that are answered while faults come.
pub const ANSWERED_MIN: u64 = 2000;
/// Fewest faults of one seed that strike.
pub const FAULTS_MIN: u64 = 20;
/// Fewest faults that are planned: some never strike, as another comes before.
pub const PLANNED_MIN: u64 = 22;
/// Most faults that are planned.
pub const PLANNED_MAX: u64 = 30;
/// Behind the plan: operations from one fault to the next.
pub const LATE_FAULT_EVERY: u64 = 50;
/// Violations of one run that are told.
pub const VIOLATIONS_KEPT: usize = 5;
/// Bytes of an operation's name after which no more is written.
pub const NAME_BYTES_MAX: usize = 80;
/// Virtual time after which an operation has hung.
pub const OPERATION_PATIENCE: Duration = Duration::from_secs(120);
/// The same while replicas are cut off from each other: then it is given up, and its outcome is unknown.
pub const CONTESTED_PATIENCE: Duration = Duration::from_secs(15);
/// How long a message that vanished lets its sender wait.
pub const NETWORK_SILENCE: Duration = Duration::from_secs(12);
/// Pause before something that was asked of the group is asked again.
pub const CLUSTER_PAUSE: Duration = Duration::from_millis(300);
/// How long a copy stays lent after it was taken.
pub const LOAN_KEPT: Duration = Duration::from_secs(10);
/// Batches that a node may lack when it begins to vote.
pub const LAG_MAX: u64 = 100;
/// How long an operation waits for a leader.
pub const LEADER_WITHIN: Duration = Duration::from_secs(8);
/// Pause between two looks for one.
pub const LEADER_LOOK: Duration = Duration::from_millis(50);
/// After so long a keeper looks by itself.
pub const LOOK_AT_MOST: Duration = Duration::from_secs(3600);
/// Virtual time in which nodes come together at the beginning.
pub const GROUP_WITHIN: Duration = Duration::from_secs(120);
/// Virtual time in which there is a leader, and all vote, once everything is healed.
pub const HEALED_WITHIN: Duration = Duration::from_secs(120);
/// The time at which a run begins, in milliseconds since 1970.
pub const DAWN_MS: u64 = 1_700_000_000_000;
/// The slowest piece of work of a disk.
pub const DISK_WORK_MAX: Duration = Duration::from_secs(2);
/// Virtual time in which a start must be done.
pub const START_PATIENCE: Duration = Duration::from_secs(60);
/// Virtual time in which everything must be drained once the faults are over.
pub const DRAIN_PATIENCE: Duration = Duration::from_secs(600);
/// Starts that may fail one after the other because faults hit them.
pub const STARTS_MAX: u64 = 200;
/// Rounds of housekeeping at the end.
pub const TIDY_ROUNDS: u64 = 5;
/// The same at most, where the log is kept for replicas that lag.
pub const TIDY_ROUNDS_MAX: u64 = 60;
/// Segments that may be left once everything was drained and deleted.
pub const SEGMENTS_LEFT_MAX: u64 = 3;
/// Seeds in which every event must occur.
pub const COVERAGE_SEEDS: u64 = 1000;
/// Seeds in which every mutant must be caught.
pub const MUTANT_SEEDS: u64 = 500;
/// Catches after which a mutant counts as caught often enough.
pub const MUTANT_CATCHES: u64 = 3;
/// Lives of the store alone in one seed.
pub const STORE_LIVES: u64 = 4;
/// Steps of one such life.
pub const STORE_STEPS: u64 = 60;
/// Bits that are flipped behind them.
pub const STORE_FLIPS: u64 = 6;
/// Batches between two comparisons of the whole state.
pub const COMPARE_EVERY: u64 = 16;
/// Batches between two hashes of the whole state.
pub const HASH_EVERY: u64 = 16;
/// Receipts that clients remember.
pub const RECEIPTS_KEPT: usize = 200;
/// Failing seeds after which a campaign stops, and that are told.
pub const FAILURES_TOLD: usize = 20;
/// Runs that the minimiser spends on one failure.
pub const MINIMISER_RUNS: u64 = 400;
