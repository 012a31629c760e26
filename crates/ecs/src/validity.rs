//! What is valid in an input, whatever the state is: what the service model says of its members,
//! what ECS says beyond the model, and which members exclude each other.
//!
//! All of it is found at once, before the field ledger is looked at. Scripts in the field match on
//! what ECS answers, so `text` has that to the letter; what to do about it comes after it.

mod place;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod text;

use std::marker::PhantomData;

use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::{ApiError, ErrorKind, Violations};
use longshore_proto::ecs;
use longshore_shapes::{Constraint, Rule};
use longshore_store::View;
use serde_json::Value;

use crate::context::Ecs;
use crate::{exception, task_definition};
use place::{Capital, Place, each, is_set};
use text::{BATCHES, BEYOND_THE_MODEL, INVALID, OF_DEFINITIONS, RANGES, TEXTS, Text, Wrong};

/// An operation whose input is checked here first.
pub(crate) struct Valid<T>(PhantomData<fn() -> T>);

impl<T: Operation<Context = Ecs>> Operation for Valid<T> {
    const NAME: &'static str = T::NAME;
    type Context = Ecs;
    type Input = T::Input;
    type Output = T::Output;

    fn validate(input: &Value) -> Violations {
        check(T::NAME, input)
    }

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        T::resources(ecs, view, input)
    }

    async fn run(ecs: &Ecs, caller: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        T::run(ecs, caller, input).await
    }
}

/// Everything that is wrong with the input of an operation.
pub(crate) fn check(operation: &str, input: &Value) -> Violations {
    let mut violations = Violations::default();
    let inputs = longshore_shapes::ecs::INPUTS;
    let found = inputs.binary_search_by(|row| row.operation.cmp(operation));
    let constraints = found.map_or(&[][..], |row| inputs[row].constraints);
    for constraint in constraints {
        if operation != "RegisterTaskDefinition" || !OF_DEFINITIONS.contains(&constraint.path) {
            apply(operation, constraint, input, &mut violations);
        }
    }
    for (_, member, noun, most) in BATCHES.iter().filter(|row| row.0 == operation) {
        let given = input[*member].as_array().map_or(0, Vec::len);
        if given > *most {
            violations.add(
                INVALID,
                format_args!(
                    "{noun} can have at most {most} items. {member} has {given}: split it into several calls."
                ),
            );
        }
    }
    let ranges = RANGES.iter().filter(|row| row.0.contains(&operation));
    for (_, path, least, most, advice) in ranges {
        each(path, input, &mut |place, given| {
            range(
                operation,
                place,
                given,
                (*least, *most),
                advice,
                &mut violations,
            );
        });
    }
    combinations(operation, input, &mut violations);
    violations
}

/// The exception for an input of this operation that is not valid.
fn kind(operation: &str) -> ErrorKind {
    match operation {
        "RegisterTaskDefinition" => exception::CLIENT,
        _ => INVALID,
    }
}

fn apply(operation: &str, constraint: &Constraint, input: &Value, violations: &mut Violations) {
    let path = constraint.path;
    each(path, input, &mut |place, given| match constraint.rule {
        Rule::Required if !is_set(given) => missing(operation, constraint, place, violations),
        // Inside of what may be left out, an empty list means what it says, and looks absent.
        Rule::RequiredList if !is_set(given) && !path.contains(['.', '[']) => {
            missing(operation, constraint, place, violations);
        }
        Rule::OneOf(words) => {
            let Some(word) = given.and_then(Value::as_str) else {
                return;
            };
            let beyond = BEYOND_THE_MODEL.contains(&(path, word));
            // Clients write "" for members that nobody set; as an item it is none of the words.
            let unset = word.is_empty() && !path.ends_with("[]");
            if !unset && !beyond && !words.contains(&word) {
                not_one_of(operation, path, place, word, words, violations);
            }
        }
        Rule::Range(least, most) => {
            range(operation, place, given, (least, most), "", violations);
        }
        Rule::Required | Rule::RequiredList => {}
    });
}

fn find(operation: &str, path: &str, wrong: Wrong) -> Option<&'static Text> {
    TEXTS.iter().find(|text| {
        text.operations.contains(&operation) && text.member == path && text.wrong == wrong
    })
}

fn missing(
    operation: &str,
    constraint: &Constraint,
    place: &Place<'_>,
    violations: &mut Violations,
) {
    let many = constraint.rule == Rule::RequiredList;
    let advice = if many { "Name at least one in" } else { "Set" };
    match find(operation, constraint.path, Wrong::Missing) {
        Some(text) => violations.add(text.kind, format_args!("{} {advice} {place}.", text.text)),
        None => {
            let words = if many {
                "cannot be empty."
            } else {
                "can not be blank."
            };
            violations.add(
                kind(operation),
                format_args!("{} {words} {advice} {place}.", Capital(place)),
            );
        }
    }
}

fn not_one_of(
    operation: &str,
    path: &str,
    place: &Place<'_>,
    word: &str,
    words: &[&str],
    violations: &mut Violations,
) {
    let (kind, text) = match find(operation, path, Wrong::NotOneOf) {
        Some(text) => (text.kind, text.text),
        None => (kind(operation), ""),
    };
    let gap = if text.is_empty() { "" } else { " " };
    violations.add(
        kind,
        format_args!(
            "{text}{gap}{place} \"{word}\" is not valid. Use {}.",
            crate::alternatives(words)
        ),
    );
}

fn range(
    operation: &str,
    place: &Place<'_>,
    given: Option<&Value>,
    (least, most): (i32, i32),
    advice: &str,
    violations: &mut Violations,
) {
    let Some(number) = given.and_then(Value::as_i64) else {
        return;
    };
    if (i64::from(least)..=i64::from(most)).contains(&number) {
        return;
    }
    let bounds = match most {
        i32::MAX => format!("{least} or more"),
        most => format!("{least} to {most}"),
    };
    violations.add(
        kind(operation),
        format_args!("{place} is {number}. Use {bounds}{advice}."),
    );
}

/// Rules that hold between members.
fn combinations(operation: &str, input: &Value, violations: &mut Violations) {
    let set = |member: &str| is_set(input.get(member));
    match operation {
        "RunTask" | "CreateService" if set("launchType") && set("capacityProviderStrategy") => {
            violations.add(
                INVALID,
                format_args!(
                    "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
                ),
            );
        }
        _ => {}
    }
    match operation {
        "CreateService" => of_new_service(input, violations),
        "RegisterTaskDefinition" => {
            // What was decoded once decodes again.
            let request: Result<ecs::RegisterTaskDefinitionRequest, _> =
                serde_json::from_value(input.clone());
            if let Ok(request) = request {
                task_definition::violations(request, violations);
            }
        }
        _ => {}
    }
}

fn of_new_service(input: &Value, violations: &mut Violations) {
    let word = |pointer: &str| input.pointer(pointer).and_then(Value::as_str);
    let external = word("/deploymentController/type") == Some("EXTERNAL");
    if !external && !is_set(input.get("taskDefinition")) {
        violations.add(INVALID, format_args!("{}", crate::blank("taskDefinition")));
    }
    if word("/schedulingStrategy") == Some("DAEMON") {
        if is_set(input.get("capacityProviderStrategy")) {
            violations.add(
                INVALID,
                format_args!(
                    "Specifying a capacity provider strategy is not supported when you create a service using the DAEMON scheduling strategy. Leave capacityProviderStrategy out."
                ),
            );
        }
    } else if !is_set(input.get("desiredCount")) {
        violations.add(
            INVALID,
            format_args!(
                "desiredCount is required for a service of schedulingStrategy REPLICA. Set it; 0 is allowed."
            ),
        );
    }
}
