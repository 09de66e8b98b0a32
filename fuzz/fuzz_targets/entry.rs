//! See `recado_fuzz::entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recado_fuzz::entry(bytes));
