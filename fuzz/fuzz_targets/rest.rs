//! See `recado_fuzz::rest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recado_fuzz::rest(bytes));
