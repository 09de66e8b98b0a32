//! The defects of the system that Recado grows from, against the real binary.

mod suite;
mod world;

suite::seed::seed_suite!(Serve);
