//! See `recado_fuzz::amqp_conversation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recado_fuzz::amqp_conversation(bytes));
