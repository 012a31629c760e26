//! What is valid in an input, whatever the state is: what the service model says of its members,
//! what ECS says beyond the model, and which members exclude each other.
//!
//! All of it is found at once, before the field ledger is looked at. Scripts in the field match on
//! what ECS answers, so `text` has that to the letter; what to do about it comes after it.

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

fn missing(operation: &str, constraint: &Constraint, place: &str, violations: &mut Violations) {
    let many = constraint.rule == Rule::RequiredList;
    let (kind, said) = match find(operation, constraint.path, Wrong::Missing) {
        Some(text) => (text.kind, text.text.to_owned()),
        None if many => (
            kind(operation),
            format!("{} cannot be empty.", crate::capital(place)),
        ),
        None => {
            violations.add(kind(operation), format_args!("{}", crate::blank(place)));
            return;
        }
    };
    let advice = if many {
        format!("Name at least one in {place}.")
    } else {
        format!("Set {place}.")
    };
    violations.add(kind, format_args!("{said} {advice}"));
}

fn not_one_of(
    operation: &str,
    path: &str,
    place: &str,
    word: &str,
    words: &[&str],
    violations: &mut Violations,
) {
    let (kind, start) = match find(operation, path, Wrong::NotOneOf) {
        Some(text) => (text.kind, format!("{} ", text.text)),
        None => (kind(operation), String::new()),
    };
    violations.add(
        kind,
        format_args!(
            "{start}{place} \"{word}\" is not valid. Use {}.",
            crate::alternatives(words)
        ),
    );
}

fn range(
    operation: &str,
    place: &str,
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

/// Whether a member says anything.
fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Bool(_) | Value::Number(_)) => true,
    }
}

/// What is called with a place in an input and what stands there.
type Found<'f, 'a> = &'f mut dyn FnMut(&str, Option<&'a Value>);

/// Calls `found` for every place that a path means. Of what is absent or empty nothing can be
/// missing.
fn each<'a>(path: &str, input: &'a Value, found: Found<'_, 'a>) {
    step(path, Some(input), "", found);
}

fn step<'a>(path: &str, value: Option<&'a Value>, place: &str, found: Found<'_, 'a>) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let (name, is_list) = match first.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (first, false),
    };
    let place = match place {
        "" => name.to_owned(),
        place => format!("{place}.{name}"),
    };
    let member = value.and_then(|value| value.get(name));
    match (is_list, member) {
        (true, Some(Value::Array(items))) => {
            for (index, item) in items.iter().enumerate() {
                below(rest, Some(item), &format!("{place}[{index}]"), found);
            }
        }
        (true, _) => {}
        (false, member) if rest.is_empty() || is_set(member) => {
            below(rest, member, &place, found);
        }
        (false, _) => {}
    }
}

fn below<'a>(rest: &str, value: Option<&'a Value>, place: &str, found: Found<'_, 'a>) {
    match rest {
        "" => found(place, value),
        rest => step(rest, value, place, found),
    }
}
