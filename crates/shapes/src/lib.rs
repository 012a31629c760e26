//! What the AWS services beside ECS look like: structures for handlers, and static tables for the
//! wires. `scripts/generate-schema` makes the modules from the published service models, for the
//! operations that `proto/services.toml` names.
//!
//! Between wire and handler a message is a tree of JSON values with the names of the model. In it
//! times are seconds since 1970 as numbers, and bytes are base64.

mod generated;

pub use generated::{application_autoscaling, catalog, cloudwatch, ec2, ecs, scheduler, sts};

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON 1.0 or 1.1: `POST /`, the operation in `X-Amz-Target`.
    AwsJson,
    /// `Action=` in a form, XML back.
    Query,
    /// The same with EC2's own names.
    Ec2,
    /// Methods and paths, JSON bodies.
    RestJson,
    /// Methods and paths, XML bodies.
    RestXml,
    /// RPC v2: `POST /service/S/operation/O`, CBOR bodies.
    Cbor,
}

/// An AWS service that there is a model of.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The command's name for it, such as `elbv2`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The service of the credential scope. Several services may share one.
    pub signing_name: &'static str,
    /// What `X-Amz-Target` starts with, the dot left out.
    pub target_prefix: Option<&'static str>,
    /// Of its API.
    pub version: &'static str,
    /// The ones it speaks, its first choice first.
    pub protocols: &'static [Protocol],
}

/// A service of which operations are served.
#[derive(Debug)]
pub struct Service {
    /// The command's name for it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The service of the credential scope.
    pub signing_name: &'static str,
    /// Of its API; `Version` in queries.
    pub version: &'static str,
    /// The ones it speaks.
    pub protocols: &'static [Protocol],
    /// What `X-Amz-Target` starts with, the dot left out; the service of RPC v2 paths as well.
    pub target_prefix: Option<&'static str>,
    /// `1.0` or `1.1`, where it speaks AWS JSON.
    pub json_version: Option<&'static str>,
    /// Of its XML answers.
    pub xml_namespace: Option<&'static str>,
    /// Whether errors on other wires carry the code of the query wire as well.
    pub query_compatible: bool,
    /// Those that are served, sorted by name.
    pub operations: &'static [&'static Operation],
}

impl Service {
    /// The operation of this name; names are case-sensitive.
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        let operations = self.operations.iter();
        operations.copied().find(|operation| operation.name == name)
    }

    /// Whether it speaks this.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }
}

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// On the REST wires.
    pub method: &'static str,
    /// On the REST wires, with `{Member}` for parts that are members.
    pub uri: &'static str,
    /// A structure.
    pub input: Option<&'static Shape>,
    /// A structure.
    pub output: Option<&'static Shape>,
    /// The element around the output on the query wire.
    pub result_wrapper: Option<&'static str>,
    /// The exceptions that it declares.
    pub errors: &'static [Error],
}

/// An exception.
#[derive(Debug)]
pub struct Error {
    /// Its name.
    pub name: &'static str,
    /// Its name on the query wires.
    pub query_code: &'static str,
    /// Its HTTP status.
    pub status: u16,
    /// Whether it is the service's fault and not the caller's.
    pub is_ours: bool,
}

/// A type, as the wires look at it.
#[derive(Debug)]
pub enum Shape {
    /// Named members.
    Structure {
        /// In the model's order.
        members: &'static [Member],
    },
    /// A list.
    List {
        /// Type of the items.
        member: &'static Shape,
        /// What an item is called in XML, where not `member`.
        location_name: Option<&'static str>,
        /// Whether there is no element around the items.
        is_flattened: bool,
    },
    /// A map with texts as keys.
    Map {
        /// Type of the values.
        value: &'static Shape,
        /// What a key is called in XML, where not `key`.
        key_name: Option<&'static str>,
        /// What a value is called in XML, where not `value`.
        value_name: Option<&'static str>,
        /// Whether there is no element around the entries.
        is_flattened: bool,
    },
    /// Text.
    String {
        /// The values of an enumeration; empty for any text.
        values: &'static [&'static str],
    },
    /// Bytes.
    Blob,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    /// A number with a fraction.
    Double,
    /// True or false.
    Boolean,
    /// A time; how it is written, where not as the wire does.
    Timestamp(Option<TimeFormat>),
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-12-01T12:00:00Z`.
    Iso8601,
    /// `Tue, 01 Dec 2026 12:00:00 GMT`.
    Rfc822,
    /// Seconds since 1970.
    Epoch,
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name in the model, and in the tree.
    pub name: &'static str,
    /// Its type.
    pub shape: &'static Shape,
    /// Where it stands on the REST wires.
    pub location: Location,
    /// What it is called there, in XML, and in EC2's queries.
    pub location_name: Option<&'static str>,
    /// What it is called in queries.
    pub query_name: Option<&'static str>,
    /// Whether a list or map has no element around its items here.
    pub is_flattened: bool,
    /// Whether it must be there.
    pub is_required: bool,
    /// How a time is written here, where not as the wire does.
    pub time_format: Option<TimeFormat>,
}

impl Member {
    /// What it is called in XML and at its place in a request.
    pub fn wire_name(&self) -> &'static str {
        self.location_name.unwrap_or(self.name)
    }
}

/// Where a member stands on the REST wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body.
    Body,
    /// In the path.
    Uri,
    /// In the query string.
    Query,
    /// In a header.
    Header,
    /// It is the HTTP status.
    Status,
}

/// What a model says of the input of an operation.
#[derive(Debug)]
pub struct Input {
    /// The name of the operation.
    pub operation: &'static str,
    /// In the model's order.
    pub constraints: &'static [Constraint],
}

/// What a model says of one member of an input.
#[derive(Debug)]
pub struct Constraint {
    /// Where it stands: `tags[].key` is the key of any tag.
    pub path: &'static str,
    /// What holds there.
    pub rule: Rule,
}

impl Constraint {
    const fn required(path: &'static str) -> Self {
        Self {
            path,
            rule: Rule::Required,
        }
    }

    const fn required_list(path: &'static str) -> Self {
        Self {
            path,
            rule: Rule::RequiredList,
        }
    }

    const fn one_of(path: &'static str, words: &'static [&'static str]) -> Self {
        Self {
            path,
            rule: Rule::OneOf(words),
        }
    }

    const fn range(path: &'static str, least: i32, most: i32) -> Self {
        Self {
            path,
            rule: Rule::Range(least, most),
        }
    }
}

/// What holds for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It must be there, where what it is a member of is.
    Required,
    /// The same for a list. In the tree of a decoded ECS message an empty list is absent too.
    RequiredList,
    /// It is one of these words.
    OneOf(&'static [&'static str]),
    /// It is a whole number between these, both included.
    Range(i32, i32),
}
