//! See `recado_fuzz::grpc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recado_fuzz::grpc(bytes));
