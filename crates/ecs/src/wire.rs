//! What the nouns share between wire and model: times, tags, failures, kept documents.

use aws_lc_rs::digest;
use longshore_door::ApiError;
use longshore_model::recorded::Recorded;
use longshore_model::tag::{self, Tags};
use longshore_model::task::{DesiredStatus, Task, TaskStatus};
use longshore_model::{Mib, Timestamp};
use longshore_proto::ecs;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A time on the wire.
pub(super) fn time(at: Timestamp) -> longshore_proto::Timestamp {
    longshore_proto::Timestamp::from_millis(at.millis())
}

/// A number on the wire; what does not fit becomes the largest that does.
pub(super) fn number<N: TryInto<i32>>(n: N) -> i32 {
    n.try_into().unwrap_or(i32::MAX)
}

/// An amount of memory on the wire of Task and Container, which write it as text.
pub(super) fn memory_text(memory: Mib) -> String {
    memory.0.to_string()
}

/// Checked tags of a request.
pub(super) fn read_tags(given: Vec<ecs::Tag>) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    merge_tags(&mut tags, given)?;
    Ok(tags)
}

/// Checks the tags of a request and adds them to those of a resource.
pub(super) fn merge_tags(tags: &mut Tags, given: Vec<ecs::Tag>) -> Result<(), ApiError> {
    let pairs = given
        .into_iter()
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    Ok(tag::merge(tags, pairs)?)
}

/// Tags on the wire, in the order of their keys.
pub(super) fn show_tags(tags: &Tags) -> Vec<ecs::Tag> {
    tags.iter()
        .map(|(key, value)| ecs::Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        })
        .collect()
}

/// The same, or nothing where the request does not include tags.
pub(super) fn show_tags_if(include: bool, tags: &Tags) -> Vec<ecs::Tag> {
    if include { show_tags(tags) } else { Vec::new() }
}

/// An entry of `failures`.
pub(super) fn failure(arn: String, reason: &str, detail: Option<String>) -> ecs::Failure {
    ecs::Failure {
        arn: Some(arn),
        reason: Some(reason.to_owned()),
        detail,
    }
}

/// The entry for something that does not exist.
pub(super) fn missing(arn: String) -> ecs::Failure {
    failure(arn, "MISSING", None)
}

/// A name and a value.
pub(super) fn pair(name: &str, value: impl ToString) -> ecs::KeyValuePair {
    ecs::KeyValuePair {
        name: Some(name.to_owned()),
        value: Some(value.to_string()),
    }
}

/// SHA-256 of a request, in hex, to recognise the same request made again.
pub(super) fn request_digest<T: Serialize>(request: &T) -> Result<String, ApiError> {
    let json = to_json(request)?;
    Ok(hex::encode(digest::digest(
        &digest::SHA256,
        json.as_bytes(),
    )))
}

/// A document as JSON.
pub(super) fn to_json<T: Serialize>(document: &T) -> Result<String, ApiError> {
    serde_json::to_string(document).map_err(|error| {
        tracing::error!(%error, "a message does not encode as JSON");
        ApiError::internal()
    })
}

/// Reads back what [`to_json`] wrote.
pub(super) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, ApiError> {
    serde_json::from_str(json).map_err(|error| {
        tracing::error!(%error, "a kept document does not decode");
        ApiError::internal()
    })
}

/// Keeps a document with a noun.
pub(super) fn record<T: Serialize>(document: &T) -> Result<Recorded, ApiError> {
    to_json(document).map(Recorded::new)
}

/// The document kept with a noun; its default where none is.
pub(super) fn recall<T: DeserializeOwned + Default>(recorded: &Recorded) -> Result<T, ApiError> {
    match recorded.document() {
        "" => Ok(T::default()),
        document => from_json(document),
    }
}

/// The key that puts a list in the order of creation.
pub(super) fn creation_key(created_at: Timestamp, name: impl std::fmt::Display) -> String {
    format!("{:020} {name}", created_at.millis().max(0))
}

/// Tasks as the counts of clusters, services and instances tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TaskCounts {
    /// Running, and to go on running.
    pub(super) running: i32,
    /// To run, and not running yet.
    pub(super) pending: i32,
}

impl TaskCounts {
    /// Counts tasks; those that stop or have stopped are in neither number.
    pub(super) fn of<'a>(tasks: impl Iterator<Item = &'a Task>) -> Self {
        let mut counts = Self::default();
        for task in tasks.filter(|task| task.desired_status == DesiredStatus::Running) {
            match task.last_status {
                TaskStatus::Running => counts.running += 1,
                TaskStatus::Pending | TaskStatus::Activating => counts.pending += 1,
                TaskStatus::Stopping | TaskStatus::Stopped => {}
            }
        }
        counts
    }
}
