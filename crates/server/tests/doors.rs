//! Both doors of one process, against each other.

mod suite;
mod world;

suite::amqp::amqp_suite!(Serve);
suite::pairs::pairs_suite!(Serve);
suite::exchanges::exchanges_suite!(Serve);
suite::doors::doors_suite!(Serve);
suite::management::management_suite!(Serve);
