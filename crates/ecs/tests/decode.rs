//! What a caller is told of a body that does not decode.
#![allow(clippy::unwrap_used)]

use longshore_door::error::ErrorKind;
use longshore_door::wire::aws_json::{MAX_MESSAGE_LENGTH, decode};
use longshore_proto::ecs::RegisterTaskDefinitionRequest;

fn message(body: &str) -> String {
    let error = decode::<RegisterTaskDefinitionRequest>(body.as_bytes()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::SERIALIZATION);
    error.message
}

#[test]
fn errors_name_the_member() {
    for (body, expected) in [
        (
            r#"{"containerDefinitions":[{"cpu":"99"}]}"#,
            r#"containerDefinitions[0].cpu: invalid type: string "99", expected i32"#,
        ),
        (
            r#"{"family":7}"#,
            "family: invalid type: integer `7`, expected a string",
        ),
        (
            r#"{"tags":{}}"#,
            "tags: invalid type: map, expected a sequence",
        ),
        (
            "{",
            "the body is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "{} x",
            "the body is not JSON: trailing characters at line 1 column 4",
        ),
    ] {
        assert_eq!(message(body), expected);
    }
    assert!(
        message("[]").starts_with("invalid type: sequence"),
        "{}",
        message("[]")
    );
}

#[test]
fn messages_are_bounded() {
    let body = format!(r#"{{"family":[{:?}]}}"#, "é".repeat(100_000));
    assert!(message(&body).len() <= MAX_MESSAGE_LENGTH + 3);
    let body = format!(r#"{{"cpu":{{"{}":1}}}}"#, "é".repeat(100_000));
    assert!(message(&body).len() <= MAX_MESSAGE_LENGTH + 3);
}

#[test]
fn an_empty_body_is_an_empty_object() {
    for body in ["", " \n", "{}", "null"] {
        let decoded: Result<RegisterTaskDefinitionRequest, _> = decode(body.as_bytes());
        assert_eq!(decoded.is_ok(), body != "null", "{body:?}");
    }
}
