//! See `recado_fuzz::checkpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recado_fuzz::checkpoint(bytes));
