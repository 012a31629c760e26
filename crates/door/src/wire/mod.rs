//! The wires, each once: how bytes become the input of an operation, and its output bytes.
//!
//! | file | wire |
//! |---|---|
//! | [`aws`] | which of the wires of AWS a request is on, the gate, and the answer there |
//! | [`aws_json`] | AWS JSON 1.0 and 1.1 |
//! | [`query`] | the query wire, and EC2's form of it |
//! | [`rest`] | REST-JSON: methods, paths, query strings |
//! | [`cbor`] | RPC v2 CBOR |
//! | `xml` | XML, as the query wires answer |
//! | [`tree`] | the tree of values that all of these translate to |
//! | [`grpc`] | gRPC, with a bearer token |

pub mod aws;
pub mod aws_json;
pub mod cbor;
pub mod grpc;
pub mod query;
pub mod rest;
pub mod tree;
mod xml;

/// Which encoding a body has that an operation is handed as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// AWS JSON 1.1.
    AwsJson,
    /// Protobuf, the framing of gRPC taken off.
    Grpc,
}
