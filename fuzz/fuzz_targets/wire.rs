//! Inputs of other services on their own wires.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| longshore_fuzz::wire::run(data));
