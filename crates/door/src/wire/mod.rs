//! The wires, each once: how bytes become the input of an operation, and its output bytes.
//!
//! | file | wire |
//! |---|---|
//! | [`aws_json`] | AWS JSON 1.1, signed with SigV4 |
//! | [`grpc`] | gRPC, with a bearer token |

pub mod aws_json;
pub mod grpc;

/// Which encoding a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// AWS JSON 1.1.
    AwsJson,
    /// Protobuf, the framing of gRPC taken off.
    Grpc,
}
