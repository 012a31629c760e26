//! Bearer tokens.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| longshore_fuzz::bearer::run(data));
