//! The same promises through a gateway in front of a broker: two processes, one address for clients.

mod suite;
mod world;

suite::seed::seed_suite!(Gateway);
suite::seed_codes::seed_codes_suite!(Gateway);
suite::queues::queues_suite!(Gateway);
suite::queue_life::queue_life_suite!(Gateway);
suite::topics::topics_suite!(Gateway);
suite::subscriptions::subscriptions_suite!(Gateway);
suite::people::people_suite!(Gateway);
suite::standing::standing_suite!(Gateway);
suite::doors::doors_suite!(Gateway);
suite::amqp::amqp_suite!(Gateway);
suite::pairs::pairs_suite!(Gateway);
suite::exchanges::exchanges_suite!(Gateway);
suite::management::management_suite!(Gateway);
