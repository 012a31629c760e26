//! Inputs of the API's operations: one line with the operation's name, then the body.

use std::fmt::Debug;

use longshore_door::wire::Wire;
use longshore_door::wire::aws_json::{self, MAX_DEPTH};
use longshore_ecs::table;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::assert_bounded;
use crate::input::split_line;
use crate::operation::{self, Input};

/// A body as the AWS JSON door takes it.
pub fn aws_json(data: &[u8]) {
    let (name, body) = split_line(data);
    let input = operation::input(name);
    if (input.json)(body) {
        check(input, Wire::AwsJson, body);
    }
}

/// A message as the gRPC door takes it.
pub fn protobuf(data: &[u8]) {
    let (name, body) = split_line(data);
    let input = operation::input(name);
    if (input.grpc)(body) {
        check(input, Wire::Grpc, body);
    }
}

/// Decodes once more, with the field ledger.
fn check(input: &Input, wire: Wire, body: &[u8]) {
    match table::API.check(input.operation, wire, body) {
        Ok(recorded) => assert!(recorded.is_sorted_by(|a, b| a < b), "{recorded:?}"),
        Err(error) => assert_bounded(&error.message, body),
    }
}

/// Whether it is an input of this type.
pub(crate) fn json<T>(body: &[u8]) -> bool
where
    T: Message + Default + PartialEq + Debug + Serialize + DeserializeOwned,
{
    let input: T = match aws_json::decode(body) {
        Ok(input) => input,
        Err(error) => {
            assert_bounded(&error.message, &[]);
            return false;
        }
    };
    let written = serde_json::to_vec(&input).expect("what was read can be written");
    // An element of a list that says nothing still shows its lists that are never left out.
    assert!(
        written.len() <= 64 * body.len() + 4096,
        "{} bytes become {}",
        body.len(),
        written.len()
    );
    let again: T = aws_json::decode(&written).expect("what was written can be read");
    assert!(again == input, "JSON changes {input:?} to {again:?}");
    // Protobuf nests three messages per level of free-form JSON, and takes 100.
    if depth(body) < 30 {
        let again = T::decode(input.encode_to_vec().as_slice());
        let again = again.expect("what was encoded can be decoded");
        assert!(again == input, "protobuf changes {input:?} to {again:?}");
    }
    true
}

/// Whether it is an input of this type.
pub(crate) fn grpc<T>(body: &[u8]) -> bool
where
    T: Message + Default + PartialEq + Debug + Serialize + DeserializeOwned,
{
    let Ok(input) = T::decode(body) else {
        return false;
    };
    // Compared as bytes: a number that is none (NaN) equals nothing.
    let written = input.encode_to_vec();
    let again = T::decode(written.as_slice()).expect("what was encoded can be decoded");
    assert_eq!(again.encode_to_vec(), written, "protobuf changes {input:?}");
    // What one wire takes the other may refuse, such as a time in the year 10000; what both take
    // is the same.
    let json = serde_json::to_vec(&input).expect("a message can be written as JSON");
    if let Ok(read) = aws_json::decode::<T>(&json) {
        let once = serde_json::to_vec(&read).expect("what was read can be written");
        let twice: T = aws_json::decode(&once).expect("what was written can be read");
        assert!(twice == read, "JSON changes {read:?} to {twice:?}");
    }
    true
}

/// How deep brackets nest, those in strings included; [`MAX_DEPTH`] at most.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in body {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest.min(MAX_DEPTH)
}
