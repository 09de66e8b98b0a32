//! Queues of `/v1` against the real binary.

mod suite;
mod world;

suite::queues::queues_suite!(Serve);
suite::queue_life::queue_life_suite!(Serve);
