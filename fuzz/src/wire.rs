//! Inputs of the services beside ECS on their own wires: one line with the wire and the operation,
//! then the body, or the path and query of a REST request.

use http::Request;
use longshore_door::error::ApiError;
use longshore_door::wire::query::{Parameters, Style};
use longshore_door::wire::{cbor, rest, tree};
use longshore_shapes::{
    Operation, Service, application_autoscaling, cloudwatch, ec2, scheduler, sts,
};
use serde_json::Value;

use crate::assert_bounded;
use crate::input::split_line;

const SERVICES: [&Service; 5] = [
    &application_autoscaling::SERVICE,
    &cloudwatch::SERVICE,
    &ec2::SERVICE,
    &scheduler::SERVICE,
    &sts::SERVICE,
];

/// Reads an input as its wire does, and checks it as the door does.
pub fn run(data: &[u8]) {
    let (line, body) = split_line(data);
    let line = String::from_utf8_lossy(line);
    let (wire, name) = line.split_once(' ').unwrap_or((&line, ""));
    let mut operations = SERVICES.iter().flat_map(|service| service.operations);
    let named = operations.find(|operation| operation.name == name);
    let operation = named.copied().unwrap_or(&ec2::DESCRIBE_AVAILABILITY_ZONES);
    let read = match wire {
        "cbor" => cbor_input(body),
        "rest" => rest_input(body),
        "query" => form_input(operation, Style::Query, body),
        _ => form_input(operation, Style::Ec2, body),
    };
    match read.and_then(|input| tree::validate(operation.input, &input)) {
        Ok(()) => {}
        // An enumeration is told whole.
        Err(error) => assert_bounded(&error.message[..error.message.len().min(4096)], body),
    }
}

fn form_input(operation: &Operation, style: Style, body: &[u8]) -> Result<Value, ApiError> {
    let input = Parameters::read(body)?.input(operation.input, style)?;
    assert!(input.is_object(), "{input}");
    Ok(input)
}

/// What is read is written, and read to the same.
fn cbor_input(body: &[u8]) -> Result<Value, ApiError> {
    let input = cbor::decode(body)?;
    assert!(input.is_object(), "{input}");
    let written = cbor::encode(None, &input);
    assert_eq!(cbor::decode(&written).ok().as_ref(), Some(&input));
    Ok(input)
}

fn rest_input(body: &[u8]) -> Result<Value, ApiError> {
    let target = String::from_utf8_lossy(body);
    let Ok(request) = Request::get(target.as_ref()).body(()) else {
        return Ok(Value::Object(serde_json::Map::new()));
    };
    let (head, ()) = request.into_parts();
    let found = rest::find(&scheduler::SERVICE, "GET", head.uri.path());
    let Some((operation, labels)) = found else {
        return Ok(Value::Object(serde_json::Map::new()));
    };
    rest::input(operation, &labels, &head, b"")
}
