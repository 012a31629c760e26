//! Inputs of all operations as AWS JSON.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| longshore_fuzz::request::aws_json(data));
