//! Topics and subscriptions of `/v1` against the real binary.

mod suite;
mod world;

suite::topics::topics_suite!(Serve);
suite::subscriptions::subscriptions_suite!(Serve);
