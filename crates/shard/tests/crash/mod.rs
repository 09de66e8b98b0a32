//! What the enumeration of crash points is made of.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod enumerate;
pub mod node;
pub mod recover;
pub mod workload;
