//! What Recado promises, as tests that know only HTTP, in `doors` and `exchanges` also gRPC, in `amqp` and `management`
//! AMQP: each gets a world and names of its own.
//! Invariant: no test here depends on what stands between the client and the broker.
//! Run by `seed`, `queues`, `topics`, `people` and `doors` against one process, and by `gateway` against two.

#![allow(clippy::unwrap_used, dead_code, unused_imports, unused_macros, reason = "each file runs a part")]

pub(crate) mod amqp;
pub(crate) mod doors;
pub(crate) mod exchanges;
pub(crate) mod management;
pub(crate) mod pairs;
pub(crate) mod people;
pub(crate) mod queue_life;
pub(crate) mod queues;
pub(crate) mod seed;
pub(crate) mod seed_codes;
pub(crate) mod standing;
pub(crate) mod subscriptions;
pub(crate) mod topics;

/// Makes a test of each named function, in a world of the given shape.
macro_rules! run {
    ($shape:ident, $suite:ident: $($name:ident),* $(,)?) => {
        mod $suite {
            $(
                #[test]
                fn $name() {
                    let world = crate::world::World::shared(crate::world::Shape::$shape);
                    let _report = crate::world::Report(&world);
                    crate::suite::$suite::$name(&world);
                }
            )*
        }
    };
}

pub(crate) use run;
