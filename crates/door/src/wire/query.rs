//! The query wire and EC2's form of it, as they are read: an `Action`, and parameters whose names
//! say where they belong, `Filter.1.Value.2=x`.

use std::collections::BTreeMap;

use longshore_shapes::{Member, Shape};
use serde_json::Value;

use super::tree::{self, object};
use crate::error::{ApiError, ErrorKind};

/// Most parameters of one request.
const MAX_PARAMETERS: usize = 2000;
/// Most parts of one parameter's name.
const MAX_PARTS: usize = 32;
/// So many bytes of a name or value are told.
const MAX_TOLD: usize = 128;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `Names.member.1`.
    Query,
    /// `Name.1`, and names of EC2's own.
    Ec2,
}

/// The parameters of a request, by the parts of their names.
#[derive(Debug, Default)]
pub struct Parameters {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Parameters {
    /// Reads a form. Of a name that comes twice the last value counts.
    ///
    /// # Errors
    /// SerializationException for too many parameters or parts of a name.
    pub fn read(form: &[u8]) -> Result<Self, ApiError> {
        let mut parameters = Self::default();
        for (count, (name, value)) in form_urlencoded::parse(form).enumerate() {
            if count == MAX_PARAMETERS {
                return Err(ApiError::serialization(format!(
                    "There are more than {MAX_PARAMETERS} parameters."
                )));
            }
            if name.split('.').count() > MAX_PARTS {
                return Err(ApiError::serialization(format!(
                    "The name of parameter {} has more than {MAX_PARTS} parts.",
                    told(&name)
                )));
            }
            let mut node = &mut parameters.root;
            for part in name.split('.') {
                node = node.children.entry(part.to_owned()).or_default();
            }
            node.value = Some(value.into_owned());
        }
        Ok(parameters)
    }

    /// The value of a parameter with a name of one part.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.root.children.get(name)?.value.as_deref()
    }

    /// The input of an operation.
    ///
    /// # Errors
    /// All parameters that are not of their type, and on EC2's wire those that are not known.
    pub fn input(&self, shape: Option<&Shape>, style: Style) -> Result<Value, ApiError> {
        let mut faults = Vec::new();
        let mut reader = Reader {
            style,
            faults: &mut faults,
        };
        let envelope = [
            "Action",
            "Version",
            "AWSAccessKeyId",
            "Timestamp",
            "Expires",
        ];
        let is_known = |name: &str| envelope.contains(&name) || name.starts_with("X-Amz-");
        let input = match shape {
            Some(shape) => reader.value(shape, &self.root, "", false),
            None => None,
        };
        if style == Style::Ec2 {
            let members = match shape {
                Some(Shape::Structure { members }) => *members,
                _ => &[],
            };
            for name in self.root.children.keys() {
                let has = |member: &Member| parameter_name(member, style) == *name;
                if !is_known(name) && !members.iter().any(has) {
                    faults.push(format!("The parameter {} is not recognized.", told(name)));
                }
            }
        }
        if !faults.is_empty() {
            faults.truncate(20);
            return Err(ApiError::new(INVALID_PARAMETER_VALUE, faults.join(" ")));
        }
        Ok(input.unwrap_or_else(|| object([])))
    }
}

/// A parameter that is not of its type, as the query wires call it.
pub const INVALID_PARAMETER_VALUE: ErrorKind = ErrorKind::new(
    "InvalidParameterValue",
    400,
    tonic::Code::InvalidArgument,
    false,
);

struct Reader<'a> {
    style: Style,
    faults: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// `None` if nothing there says anything.
    fn value(&mut self, shape: &Shape, node: &Node, path: &str, flat: bool) -> Option<Value> {
        match shape {
            Shape::Structure { members } => {
                let mut given = Vec::new();
                for member in *members {
                    let name = parameter_name(member, self.style);
                    let Some(node) = node.children.get(&name) else {
                        continue;
                    };
                    let path = join(path, &name);
                    let value = self.value(member.shape, node, &path, member.is_flattened);
                    given.extend(value.map(|value| (member.name.to_owned(), value)));
                }
                // A structure without members was named by a member that is not known.
                (!given.is_empty() || path.is_empty()).then(|| object(given))
            }
            Shape::List {
                member,
                location_name,
                is_flattened,
            } => {
                let flat = flat || *is_flattened || self.style == Style::Ec2;
                let items = match flat {
                    true => node,
                    false => match node.children.get(location_name.unwrap_or("member")) {
                        Some(items) => items,
                        // `Names=` says that there are none.
                        None => return node.value.is_some().then(|| Value::Array(Vec::new())),
                    },
                };
                let mut found = BTreeMap::new();
                for (index, item) in &items.children {
                    let path = join(path, index);
                    match index.parse::<u32>() {
                        Ok(number) => {
                            if let Some(value) = self.value(member, item, &path, false) {
                                found.insert(number, value);
                            }
                        }
                        Err(_) => self.faults.push(format!(
                            "The parameter {} has no number where one belongs.",
                            told(&path)
                        )),
                    }
                }
                Some(Value::Array(found.into_values().collect()))
            }
            Shape::Map {
                value,
                key_name,
                value_name,
                is_flattened,
            } => {
                let entries = match flat || *is_flattened {
                    true => node,
                    false => node.children.get("entry")?,
                };
                let mut map = Vec::new();
                for (index, entry) in &entries.children {
                    let part = |name| entry.children.get(name);
                    let key = part(key_name.unwrap_or("key")).and_then(|key| key.value.clone());
                    let path = join(path, index);
                    let of = part(value_name.unwrap_or("value"))
                        .and_then(|of| self.value(value, of, &path, false));
                    match key.zip(of) {
                        Some(entry) => map.push(entry),
                        None => self.faults.push(format!(
                            "The parameter {} lacks its key or its value.",
                            told(&path)
                        )),
                    }
                }
                Some(object(map))
            }
            scalar => {
                let text = node.value.as_deref()?;
                match tree::scalar(scalar, text) {
                    Ok(value) => Some(value),
                    Err(expected) => {
                        self.faults.push(format!(
                            "Invalid value '{}' for {}: it must be {expected}.",
                            told(text),
                            told(path)
                        ));
                        None
                    }
                }
            }
        }
    }
}

/// What a member is called in parameters.
fn parameter_name(member: &Member, style: Style) -> String {
    match style {
        Style::Query => {
            let of_items = match member.shape {
                Shape::List {
                    location_name: Some(name),
                    is_flattened,
                    ..
                } if member.is_flattened || *is_flattened => Some(*name),
                _ => None,
            };
            of_items.unwrap_or(member.wire_name()).to_owned()
        }
        Style::Ec2 => match member.query_name {
            Some(name) => name.to_owned(),
            None => {
                let mut letters = member.wire_name().chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                first.into_iter().chain(letters).collect()
            }
        },
    }
}

fn join(path: &str, part: &str) -> String {
    match path {
        "" => part.to_owned(),
        path => format!("{path}.{part}"),
    }
}

fn told(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TOLD))
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use longshore_shapes::{cloudwatch, ec2};
    use proptest::prelude::*;
    use serde_json::json;

    fn ec2(form: &str) -> Result<Value, String> {
        let parameters = Parameters::read(form.as_bytes()).unwrap();
        let input = parameters.input(ec2::DESCRIBE_AVAILABILITY_ZONES.input, Style::Ec2);
        input.map_err(|error| error.message)
    }

    #[test]
    fn ec2_has_names_of_its_own_and_flat_lists() {
        let form = "Action=DescribeAvailabilityZones&Version=2016-11-15&ZoneName.1=a&ZoneName.2=b\
            &Filter.1.Name=state&Filter.1.Value.1=available&DryRun=false";
        let expected = json!({"ZoneNames": ["a", "b"], "DryRun": false,
            "Filters": [{"Name": "state", "Values": ["available"]}]});
        assert_eq!(ec2(form), Ok(expected));
        let faults = ec2("DryRun=perhaps&Nonsense=1&ZoneName.x=a").unwrap_err();
        for part in [
            "'perhaps' for DryRun",
            "Nonsense is not recognized",
            "ZoneName.x has no",
        ] {
            assert!(faults.contains(part), "{faults}");
        }
    }

    #[test]
    fn query_has_members_in_lists() {
        let form = "Action=ListMetrics&Namespace=AWS%2FECS&Dimensions.member.2.Name=b\
            &Dimensions.member.1.Name=a&Dimensions.member.1.Value=1+2&Unknown=1";
        let parameters = Parameters::read(form.as_bytes()).unwrap();
        assert_eq!(parameters.get("Action"), Some("ListMetrics"));
        let input = parameters.input(cloudwatch::LIST_METRICS.input, Style::Query);
        let expected = json!({"Namespace": "AWS/ECS",
            "Dimensions": [{"Name": "a", "Value": "1 2"}, {"Name": "b"}]});
        assert_eq!(input.unwrap(), expected);
    }

    #[test]
    fn parameters_are_bounded() {
        let many = "a=1&".repeat(MAX_PARAMETERS + 1);
        assert!(Parameters::read(many.as_bytes()).is_err());
        assert!(Parameters::read("a.".repeat(MAX_PARTS).as_bytes()).is_err());
        let sparse = ec2("ZoneName.4294967295=z&ZoneName.0=a").unwrap();
        assert_eq!(sparse, json!({"ZoneNames": ["a", "z"]}));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(form in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(parameters) = Parameters::read(&form) {
                for style in [Style::Query, Style::Ec2] {
                    let _ = parameters.input(ec2::DESCRIBE_AVAILABILITY_ZONES.input, style);
                }
            }
        }
    }
}
