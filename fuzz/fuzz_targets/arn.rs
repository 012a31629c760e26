//! ARNs, names and ids.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| longshore_fuzz::arn::run(data));
