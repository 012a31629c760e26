//! Inputs of all operations as protobuf.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| longshore_fuzz::request::protobuf(data));
