//! The REST wires, as they are read: the operation by its method and path, members in path, query
//! string, headers and a JSON body.

use http::request::Parts;
use longshore_shapes::{Location, Operation, Service, Shape};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{aws_json, tree};
use crate::error::ApiError;

/// The operation of this method and path, with what stands in the path for its members.
pub fn find(
    service: &Service,
    method: &str,
    path: &str,
) -> Option<(&'static Operation, Vec<(String, String)>)> {
    let mut operations = service.operations.iter().copied();
    operations.find_map(|operation| {
        let labels = (operation.method == method).then(|| labels(operation.uri, path))??;
        Some((operation, labels))
    })
}

/// What stands for `{Member}` in a path of this form; `None` for another path.
fn labels(uri: &str, path: &str) -> Option<Vec<(String, String)>> {
    let uri = uri.split('?').next()?.trim_end_matches('/');
    let (mut forms, mut parts) = (uri.split('/'), path.trim_end_matches('/').split('/'));
    let mut labels = Vec::new();
    loop {
        let (form, part) = match (forms.next(), parts.next()) {
            (None, None) => return Some(labels),
            (Some(form), Some(part)) => (form, part),
            _ => return None,
        };
        let label = form
            .strip_prefix('{')
            .and_then(|form| form.strip_suffix('}'));
        match label {
            Some(name) => {
                let greedy = name.strip_suffix('+');
                let mut text = part.to_owned();
                if greedy.is_some() {
                    for more in parts.by_ref() {
                        text.push('/');
                        text.push_str(more);
                    }
                }
                let text = percent_decode_str(&text).decode_utf8().ok()?.into_owned();
                labels.push((greedy.unwrap_or(name).to_owned(), text));
            }
            None if form == part => {}
            None => return None,
        }
    }
}

/// The input of an operation.
///
/// # Errors
/// SerializationException for a body that is no JSON object, ValidationException for a text that
/// is not of its member's type.
pub fn input(
    operation: &Operation,
    labels: &[(String, String)],
    head: &Parts,
    body: &[u8],
) -> Result<Value, ApiError> {
    let mut given = match aws_json::decode::<Value>(body)? {
        Value::Object(given) => given,
        _ => return Err(ApiError::serialization("The body is not a JSON object.")),
    };
    let Some(Shape::Structure { members }) = operation.input else {
        return Ok(Value::Object(Map::new()));
    };
    let query = head.uri.query().unwrap_or_default();
    let query: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let mut faults = Vec::new();
    for member in *members {
        let name = member.wire_name();
        let texts: Vec<String> = match member.location {
            Location::Body | Location::Status => continue,
            Location::Uri => {
                let own = labels.iter().filter(|(label, _)| label == name);
                own.map(|(_, text)| text.clone()).collect()
            }
            Location::Query => {
                let own = query.iter().filter(|(key, _)| key == name);
                own.map(|(_, text)| text.to_string()).collect()
            }
            Location::Header => {
                let own = head.headers.get_all(name).iter();
                own.filter_map(|text| text.to_str().ok().map(str::to_owned))
                    .collect()
            }
        };
        given.remove(member.name);
        let read = match member.shape {
            Shape::List { member: item, .. } if !texts.is_empty() => {
                let items = texts.iter().map(|text| tree::scalar(item, text));
                items
                    .collect::<Result<Vec<_>, _>>()
                    .map(|items| Some(Value::Array(items)))
            }
            shape => match texts.last() {
                Some(text) => tree::scalar(shape, text).map(Some),
                None => Ok(None),
            },
        };
        match read {
            Ok(value) => given.extend(value.map(|value| (member.name.to_owned(), value))),
            Err(expected) => faults.push(format!("{name} must be {expected}.")),
        }
    }
    if !faults.is_empty() {
        return Err(ApiError::new(tree::VALIDATION, faults.join(" ")));
    }
    Ok(Value::Object(given))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use longshore_shapes::scheduler;
    use serde_json::json;

    fn head(uri: &str) -> Parts {
        http::Request::get(uri).body(()).unwrap().into_parts().0
    }

    #[test]
    fn an_operation_is_found_by_method_and_path() {
        let find = |method, path| find(&scheduler::SERVICE, method, path).map(|found| found.0.name);
        assert_eq!(find("GET", "/schedule-groups"), Some("ListScheduleGroups"));
        assert_eq!(find("GET", "/schedule-groups/"), Some("ListScheduleGroups"));
        for (method, path) in [
            ("POST", "/schedule-groups"),
            ("GET", "/schedules"),
            ("GET", "/"),
        ] {
            assert_eq!(find(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn parts_of_a_path_are_members() {
        let read = |uri, path| labels(uri, path);
        assert_eq!(
            read("/a/{Name}", "/a/x%20y"),
            Some(vec![("Name".to_owned(), "x y".to_owned())])
        );
        assert_eq!(
            read("/tags/{Arn+}", "/tags/arn:a/b/c"),
            Some(vec![("Arn".to_owned(), "arn:a/b/c".to_owned())])
        );
        assert_eq!(read("/a/{Name}", "/a/b/c"), None);
        assert_eq!(read("/a/{Name}", "/a/%ff"), None);
    }

    #[test]
    fn members_come_from_the_query_string() {
        let operation = &scheduler::LIST_SCHEDULE_GROUPS;
        let input = |uri: &str| input(operation, &[], &head(uri), b"");
        assert_eq!(
            input("/schedule-groups?NamePrefix=a%2Fb&MaxResults=5").unwrap(),
            json!({"NamePrefix": "a/b", "MaxResults": 5})
        );
        let message = input("/schedule-groups?MaxResults=many")
            .unwrap_err()
            .message;
        assert!(
            message.starts_with("MaxResults must be a whole number"),
            "{message}"
        );
    }
}
