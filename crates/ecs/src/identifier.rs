//! Names and ARNs in requests: what a text means, given the cluster of the request.

use std::fmt;
use std::str::FromStr;

use longshore_door::ApiError;
use longshore_model::arn::{Absent, InvalidArn, Resource};
use longshore_model::cluster::{Cluster, ClusterStatus};
use longshore_model::name::InvalidName;
use longshore_model::task_definition::{TaskDefinition, TaskDefinitionStatus};
use longshore_model::{ClusterName, Family, InstanceId, Realm, ServiceName, TaskId, id};
use longshore_store::{Stored, View};

use super::advise;
use crate::exception;

/// Whether a text is an ARN rather than a name or an id.
pub(super) fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// Reads an ARN.
pub(super) fn arn(realm: &Realm, text: &str) -> Result<Resource, ApiError> {
    realm.parse(text).map_err(|error| {
        let start = match &error {
            InvalidArn::Form(_) => "Unexpected number of separators. ",
            InvalidArn::Elsewhere { .. } | InvalidArn::Resource(_) => "",
        };
        ApiError::invalid_parameter(format!("Invalid identifier: {start}{error}."))
    })
}

fn wrong_kind(member: &str, text: &str, noun: &str) -> ApiError {
    ApiError::invalid_parameter(format!(
        "Invalid identifier: {member} \"{text}\" is not {noun}. Pass {noun} or its ARN."
    ))
}

/// The cluster a request means: a name or an ARN, `default` when left out.
///
/// # Errors
/// InvalidParameterException, here and below, says what the text is not.
pub fn cluster(realm: &Realm, given: Option<&str>) -> Result<ClusterName, ApiError> {
    match given {
        None => Ok(ClusterName::default_cluster()),
        Some(text) if is_arn(text) => match arn(realm, text)? {
            Resource::Cluster(name) => Ok(name),
            _ => Err(wrong_kind("cluster", text, "a cluster")),
        },
        Some("") => Err(ApiError::invalid_parameter(
            "Clusters can not be blank. Name a cluster, or leave the member out to mean cluster default.",
        )),
        Some(text) => text.parse().map_err(|error: InvalidName| {
            ApiError::invalid_parameter(format!(
                "Cluster must match ^[a-zA-Z0-9\\-_]{{1,255}}$, but was {}. The {error}.",
                error.shown()
            ))
        }),
    }
}

/// The record of a cluster that may be used.
pub(super) fn active_cluster<'a>(
    view: &'a View,
    name: &ClusterName,
) -> Result<&'a Stored<Cluster>, ApiError> {
    match view.clusters.get(name) {
        None => Err(advise(
            exception::cluster_not_found(),
            format_args!(
                "There is no cluster \"{name}\": create it with CreateCluster, or see ListClusters for those there are."
            ),
        )),
        Some(cluster) if cluster.status == ClusterStatus::Inactive => Err(advise(
            exception::cluster_inactive(),
            format_args!("Create cluster \"{name}\" anew with CreateCluster, or use another."),
        )),
        Some(cluster) => Ok(cluster),
    }
}

/// Refuses an ARN of another cluster than the request's.
fn same_cluster(request: &ClusterName, arn: Option<ClusterName>) -> Result<(), ApiError> {
    match arn {
        Some(other) if other != *request => Err(ApiError::invalid_parameter(format!(
            "Invalid identifier: Identifier is for cluster {other}. Your cluster is {request}. Pass cluster {other}, or the identifier of a resource in {request}."
        ))),
        _ => Ok(()),
    }
}

/// An id that a request may ask for: one that something here can have, or one that ECS would look
/// for and that names nothing here, such as the UUIDs of before 2018.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked<T> {
    text: String,
    id: Option<T>,
}

impl<T: Copy> Asked<T> {
    /// The id, if anything here can have it.
    pub fn id(&self) -> Option<T> {
        self.id
    }

    fn read(member: &str, text: &str) -> Result<Self, ApiError>
    where
        T: FromStr,
    {
        let id = text.parse().ok();
        if id.is_none() && !id::has_form(text) {
            return Err(ApiError::invalid_parameter(format!(
                "{member} length should be one of [32,36]. \"{}\" is no id; Describe and List show those there are.",
                start(text)
            )));
        }
        Ok(Self {
            text: text.to_owned(),
            id,
        })
    }
}

/// A text that has no bound, as far as an error tells it.
fn start(text: &str) -> &str {
    const SHOWN: usize = 255;
    &text[..text.floor_char_boundary(SHOWN)]
}

impl<T> fmt::Display for Asked<T> {
    /// As it was given, without the rest of an ARN.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A task: its id or ARN. `member` is what ECS calls it in what it says.
pub fn task(
    realm: &Realm,
    of: &ClusterName,
    member: &str,
    text: &str,
) -> Result<Asked<TaskId>, ApiError> {
    if !is_arn(text) {
        return Asked::read(member, text);
    }
    let (cluster, text, id) = match arn(realm, text)? {
        Resource::Task(cluster, id) => (cluster, id.to_string(), Some(id)),
        Resource::Absent(Absent::Task, cluster, text) => (cluster, text, None),
        _ => return Err(wrong_kind("task", text, "a task id")),
    };
    same_cluster(of, cluster)?;
    Ok(Asked { text, id })
}

/// A service: its name or ARN.
pub fn service(realm: &Realm, of: &ClusterName, text: &str) -> Result<ServiceName, ApiError> {
    if !is_arn(text) {
        return text.parse().map_err(|error| {
            ApiError::invalid_parameter(format!("Invalid identifier for service: {error}."))
        });
    }
    match arn(realm, text)? {
        Resource::Service(cluster, name) => same_cluster(of, cluster).map(|()| name),
        _ => Err(wrong_kind("service", text, "a service name")),
    }
}

/// A container instance: its id or ARN.
pub fn instance(
    realm: &Realm,
    of: &ClusterName,
    text: &str,
) -> Result<Asked<InstanceId>, ApiError> {
    instance_in("instanceId", realm, of, text)
}

/// A container instance that another member than those for container instances names.
pub(super) fn instance_in(
    member: &str,
    realm: &Realm,
    of: &ClusterName,
    text: &str,
) -> Result<Asked<InstanceId>, ApiError> {
    if !is_arn(text) {
        return Asked::read(member, text);
    }
    let (cluster, text, id) = match arn(realm, text)? {
        Resource::Instance(cluster, id) => (cluster, id.to_string(), Some(id)),
        Resource::Absent(Absent::Instance, cluster, text) => (cluster, text, None),
        _ => return Err(wrong_kind(member, text, "a container instance id")),
    };
    same_cluster(of, cluster)?;
    Ok(Asked { text, id })
}

/// What a request says of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefinitionName {
    /// The newest ACTIVE revision of a family.
    Newest(Family),
    /// This revision.
    Exact(Family, u32),
}

impl DefinitionName {
    /// A revision of a family; the newest ACTIVE one where none is named.
    pub(super) fn new(family: Family, revision: Option<u32>) -> Self {
        match revision {
            Some(revision) => Self::Exact(family, revision),
            None => Self::Newest(family),
        }
    }

    /// `family`, `family:revision`, or an ARN with or without a revision.
    pub fn parse(realm: &Realm, text: &str) -> Result<Self, ApiError> {
        if is_arn(text) {
            return match arn(realm, text)? {
                Resource::TaskDefinition(family, revision) => Ok(Self::new(family, revision)),
                _ => Err(wrong_kind("taskDefinition", text, "a task definition")),
            };
        }
        match text.split_once(':') {
            None => Ok(Self::Newest(text.parse()?)),
            Some((family, revision)) => {
                let number = revision.parse().map_err(|_| {
                    ApiError::invalid_parameter(format!(
                        "Invalid revision number. Number: {revision}. Pass FAMILY:REVISION with a whole number."
                    ))
                })?;
                Ok(Self::Exact(family.parse()?, number))
            }
        }
    }

    /// The record it means; for a family the newest ACTIVE one, for a revision any.
    pub(super) fn find<'a>(&self, view: &'a View) -> Option<&'a Stored<TaskDefinition>> {
        match self {
            Self::Exact(family, revision) => {
                view.task_definitions.get(&(family.clone(), *revision))
            }
            Self::Newest(family) => view
                .task_definitions
                .range((family.clone(), 0)..=(family.clone(), u32::MAX))
                .rev()
                .map(|(_, definition)| definition)
                .find(|definition| definition.status == TaskDefinitionStatus::Active),
        }
    }

    /// The record it means for something that is to run it: never an INACTIVE one.
    /// `inactive` makes the exception that the operation answers with.
    pub(super) fn find_active<'a>(
        &self,
        view: &'a View,
        inactive: impl Fn(String) -> ApiError,
    ) -> Result<&'a Stored<TaskDefinition>, ApiError> {
        let definition = self.find(view).ok_or_else(|| {
            advise(
                exception::task_definition_not_found(),
                format_args!(
                    "There is no {self}: register it with RegisterTaskDefinition, or see ListTaskDefinitions."
                ),
            )
        })?;
        match definition.status {
            TaskDefinitionStatus::Active => Ok(definition),
            TaskDefinitionStatus::Inactive => Err(inactive(format!(
                "TaskDefinition is inactive. {self} was deregistered: use an ACTIVE revision."
            ))),
        }
    }
}

impl std::fmt::Display for DefinitionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newest(family) => write!(f, "ACTIVE revision of family {family}"),
            Self::Exact(family, revision) => write!(f, "{family}:{revision}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::realm;

    #[test]
    fn clusters_are_names_or_arns() {
        let arn = "arn:aws:ecs:us-east-1:000000000000:cluster/prod";
        for (given, wanted) in [
            (None, Ok("default")),
            (Some("prod"), Ok("prod")),
            (Some(arn), Ok("prod")),
            (Some("a b"), Err("\"a b\" is not valid")),
            (Some(""), Err("Clusters can not be blank.")),
            (
                Some("prod "),
                Err(
                    "Cluster must match ^[a-zA-Z0-9\\-_]{1,255}$, but was prod . The cluster name \"prod \" is not valid: it ends with a blank;",
                ),
            ),
            (
                Some("arn:aws:ecs:prod"),
                Err("Invalid identifier: Unexpected number of separators."),
            ),
            (
                Some("arn:aws:ecs:eu-west-1:000000000000:cluster/prod"),
                Err("belongs to eu-west-1"),
            ),
            (
                Some("arn:aws:ecs:us-east-1:000000000000:service/prod/web"),
                Err("is not a cluster"),
            ),
        ] {
            match (cluster(&realm(), given), wanted) {
                (Ok(name), Ok(wanted)) => assert_eq!(name.as_str(), wanted),
                (Err(error), Err(wanted)) => {
                    assert!(error.message.contains(wanted), "{error}");
                    assert_eq!(error.kind.name(), "InvalidParameterException");
                }
                (found, wanted) => panic!("{given:?}: {found:?}, wanted {wanted:?}"),
            }
        }
    }

    #[test]
    fn an_arn_of_another_cluster_is_refused() {
        let (realm, prod) = (realm(), "prod".parse().unwrap());
        let id = "000000000000000000000000000000ab";
        let arn = |middle: &str| format!("arn:aws:ecs:us-east-1:000000000000:{middle}{id}");
        let task = |text: &str| task(&realm, &prod, "taskId", text);
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        for (text, known) in [
            (id.to_owned(), true),
            (arn("task/prod/"), true),
            // The short ARN of before.
            (arn("task/"), true),
            (uuid.to_owned(), false),
            (arn("task/").replace(id, uuid), false),
            (arn("task/prod/").replace(id, uuid), false),
        ] {
            let asked = task(&text).unwrap();
            assert_eq!(asked.id().is_some(), known, "{text}");
            assert_eq!(asked.to_string(), if known { id } else { uuid });
        }
        for (text, wanted) in [
            (
                arn("task/other/"),
                "Identifier is for cluster other. Your cluster is prod.",
            ),
            (arn("container-instance/prod/"), "is not a task id"),
            (
                arn("task/other/").replace(id, uuid),
                "Identifier is for cluster other. Your cluster is prod.",
            ),
            (
                "nonsense".to_owned(),
                "taskId length should be one of [32,36].",
            ),
        ] {
            let error = task(&text).unwrap_err();
            assert!(error.message.contains(wanted), "{error}");
        }
        assert!(instance(&realm, &prod, &arn("container-instance/other/")).is_err());
        let service_arn = "arn:aws:ecs:us-east-1:000000000000:service/other/web";
        assert!(service(&realm, &prod, service_arn).is_err());
        assert!(service(&realm, &prod, "web").is_ok());
    }

    #[test]
    fn task_definitions_are_families_revisions_or_arns() {
        let realm = realm();
        let web: Family = "web".parse().unwrap();
        for (text, wanted) in [
            ("web", DefinitionName::Newest(web.clone())),
            ("web:3", DefinitionName::Exact(web.clone(), 3)),
            (
                "arn:aws:ecs:us-east-1:000000000000:task-definition/web:3",
                DefinitionName::Exact(web.clone(), 3),
            ),
            (
                "arn:aws:ecs:us-east-1:000000000000:task-definition/web",
                DefinitionName::Newest(web.clone()),
            ),
        ] {
            assert_eq!(DefinitionName::parse(&realm, text), Ok(wanted));
        }
        for (text, wanted) in [
            ("web:latest", "Invalid revision number. Number: latest."),
            ("web:-1", "Invalid revision number."),
            ("", "is not valid"),
            ("w b", "is not valid"),
        ] {
            let error = DefinitionName::parse(&realm, text).unwrap_err();
            assert!(error.message.contains(wanted), "{error}");
        }
    }
}
