//! The promises of the REST door through a gateway in front of three nodes, while one that does not lead is killed and
//! started again every ten seconds: no client notices.

mod suite;
mod world;

suite::seed::seed_suite!(Harmed);
suite::seed_codes::seed_codes_suite!(Harmed);
suite::queues::queues_suite!(Harmed);
suite::queue_life::queue_life_suite!(Harmed);
suite::topics::topics_suite!(Harmed);
suite::subscriptions::subscriptions_suite!(Harmed);
suite::people::people_suite!(Harmed);
suite::standing::standing_suite!(Harmed);
suite::exchanges::exchanges_suite!(Harmed);
