//! Docker's events, inspections and listings.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| longshore_fuzz::docker::run(data));
