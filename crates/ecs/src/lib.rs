//! Every ECS operation once: one file for each noun, with its operations, the way between wire and
//! model, and tests.
//!
//! To add an operation:
//!
//! 1. write its type and its `Operation` in the file of its noun;
//! 2. name that type in its row of [`table`], in place of `unsupported`;
//! 3. classify its input members in `fields/NOUN.toml`; a test lists those that are missing.
//!
//! An operation reads the view once and writes through one guarded commit, which is decided again
//! when something it was decided from has changed meanwhile. So a request that is refused leaves
//! nothing behind, and two requests made at once end as if one had come after the other.
//!
//! | file | noun |
//! |---|---|
//! | [`cluster`] | clusters |
//! | [`task_definition`] | task definitions and their families |
//! | [`task`] | tasks: run, start, stop, describe, list |
//! | [`service`] | services and their deployments |
//! | [`instance`] | container instances |
//! | [`attribute`] | attributes that users put on container instances |
//! | [`account_setting`] | account settings and their defaults |
//! | [`tag`] | tags of all of them |
//! | [`identifier`] | names and ARNs in requests |
//! | [`dry_run`] | what requests would do, for explanations |
//! | `placement` | placement constraints and strategies of requests |
//! | [`context`] | what the handlers work with: the backend, and placement |
//! | [`exception`] | the exceptions of ECS and their texts |
//! | [`table`] | the list of all operations |
//! | `amount` | CPU and memory as text |
//! | `touched` | what requests touch, for the gate |
//! | `validity` | what is valid in an input, in the words of ECS |
//! | `wire` | what all of them share between wire and model |

pub mod account_setting;
mod amount;
pub mod attribute;
pub mod cluster;
pub mod context;
pub mod dry_run;
pub mod exception;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fixture;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod habits;
pub mod identifier;
pub mod instance;
mod placement;
pub mod service;
pub mod table;
pub mod tag;
pub mod task;
pub mod task_definition;
mod touched;
mod validity;
mod wire;

use longshore_door::error::ApiError;

pub use context::Ecs;

/// Adds to a text of ECS, which scripts match on, what to do about it.
fn advise(mut error: ApiError, advice: impl std::fmt::Display) -> ApiError {
    error.message = format!("{} {advice}", error.message);
    error
}

/// A member that ECS requires.
fn required(member: &str, value: Option<String>) -> Result<String, ApiError> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| ApiError::invalid_parameter(blank(member)))
}

/// What ECS says of a member that must be there: it writes its name as it writes types.
fn blank(member: &str) -> String {
    format!("{} can not be blank. Set {member}.", capital(member))
}

/// The name of a member with a capital first letter.
fn capital(member: &str) -> String {
    let mut name = member.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

/// Words as a sentence offers them.
fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}

/// A member with one of a few words as its value.
fn word<'a>(member: &str, value: &'a str, allowed: &[&str]) -> Result<&'a str, ApiError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    Err(ApiError::invalid_parameter(format!(
        "{member} \"{value}\" is not valid. Use {}.",
        alternatives(allowed)
    )))
}

/// Checks the length of a list that may be empty.
fn at_most(noun: &str, given: usize, most: usize) -> Result<(), ApiError> {
    if given > most {
        return Err(ApiError::invalid_parameter(format!(
            "{noun} can have at most {most} items. There are {given}: split the call into several."
        )));
    }
    Ok(())
}

/// Checks the `include` member of a Describe and says whether it holds `TAGS`.
fn includes_tags(given: &[String], allowed: &[&str]) -> Result<bool, ApiError> {
    for value in given {
        word("include", value, allowed)?;
    }
    Ok(given.iter().any(|value| value == "TAGS"))
}

/// EC2 or EXTERNAL; EC2 when left out.
fn launch_type(given: Option<&str>) -> Result<String, ApiError> {
    match given {
        None | Some("EC2") => Ok("EC2".to_owned()),
        Some("EXTERNAL") => Ok("EXTERNAL".to_owned()),
        Some(other @ ("FARGATE" | "MANAGED_INSTANCES")) => {
            Err(ApiError::invalid_parameter(format!(
                "Task definition does not support launch_type {other}. Tasks run on the container instances of your cluster: use EC2 or EXTERNAL."
            )))
        }
        Some(other) => Err(ApiError::invalid_parameter(format!(
            "launch type should be one of [EC2,FARGATE,EXTERNAL]. launchType \"{other}\" is not valid. Use EC2 or EXTERNAL."
        ))),
    }
}

/// Refuses members that only make sense with network mode awsvpc, which no task here has.
fn no_network_configuration(given: bool) -> Result<(), ApiError> {
    if given {
        return Err(ApiError::invalid_parameter(
            "Network Configuration is not valid for the given networkMode of this task definition. Leave networkConfiguration out: it is for networkMode awsvpc only.",
        ));
    }
    Ok(())
}

/// Checks a client token: `most` printable ASCII characters without space.
fn client_token(given: Option<&str>, most: usize) -> Result<(), ApiError> {
    let fits = |token: &str| {
        (1..=most).contains(&token.len()) && token.bytes().all(|b| (33..=126).contains(&b))
    };
    match given {
        Some(token) if !fits(token) => Err(ApiError::invalid_parameter(format!(
            "clientToken is not valid. Use 1 to {most} ASCII characters without spaces."
        ))),
        _ => Ok(()),
    }
}
