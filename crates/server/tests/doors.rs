//! Both doors of one process, against each other.

mod suite;
mod world;

suite::doors::doors_suite!(Serve);
