//! See `recado_fuzz::segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recado_fuzz::segment(bytes));
