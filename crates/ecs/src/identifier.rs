//! Names and ARNs in requests: what a text means, given the cluster of the request.

use std::str::FromStr;

use longshore_door::ApiError;
use longshore_model::arn::Resource;
use longshore_model::cluster::{Cluster, ClusterStatus};
use longshore_model::task_definition::{TaskDefinition, TaskDefinitionStatus};
use longshore_model::{ClusterName, Family, InstanceId, Realm, ServiceName, TaskId};
use longshore_store::{Stored, View};

use super::advise;
use crate::exception;

/// Whether a text is an ARN rather than a name or an id.
pub(super) fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
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
        Some(text) if is_arn(text) => match realm.parse(text)? {
            Resource::Cluster(name) => Ok(name),
            _ => Err(wrong_kind("cluster", text, "a cluster")),
        },
        Some(text) => Ok(text.parse()?),
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

/// An id or name that stands alone.
fn plain<T: FromStr<Err: std::fmt::Display>>(member: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error| {
        ApiError::invalid_parameter(format!("Invalid identifier for {member}: {error}."))
    })
}

/// An id that stands alone: 32 hex digits, or 36 characters with the hyphens of a UUID.
fn id<T: FromStr<Err: std::fmt::Display>>(member: &str, text: &str) -> Result<T, ApiError> {
    match text.chars().count() {
        32 | 36 => plain(member, text),
        _ => Err(ApiError::invalid_parameter(format!(
            "{member} length should be one of [32,36]. \"{}\" is neither an id nor an ARN.",
            text.chars().take(64).collect::<String>()
        ))),
    }
}

/// A task: its id or ARN.
pub fn task(realm: &Realm, of: &ClusterName, text: &str) -> Result<TaskId, ApiError> {
    if !is_arn(text) {
        return id("task", text);
    }
    match realm.parse(text)? {
        Resource::Task(cluster, id) => same_cluster(of, cluster).map(|()| id),
        _ => Err(wrong_kind("task", text, "a task id")),
    }
}

/// A service: its name or ARN.
pub fn service(realm: &Realm, of: &ClusterName, text: &str) -> Result<ServiceName, ApiError> {
    if !is_arn(text) {
        return plain("service", text);
    }
    match realm.parse(text)? {
        Resource::Service(cluster, name) => same_cluster(of, cluster).map(|()| name),
        _ => Err(wrong_kind("service", text, "a service name")),
    }
}

/// A container instance: its id or ARN.
pub fn instance(realm: &Realm, of: &ClusterName, text: &str) -> Result<InstanceId, ApiError> {
    instance_in("containerInstance", realm, of, text)
}

/// A container instance that another member than `containerInstance` names.
pub(super) fn instance_in(
    member: &str,
    realm: &Realm,
    of: &ClusterName,
    text: &str,
) -> Result<InstanceId, ApiError> {
    if !is_arn(text) {
        return id(member, text);
    }
    match realm.parse(text)? {
        Resource::Instance(cluster, id) => same_cluster(of, cluster).map(|()| id),
        _ => Err(wrong_kind(member, text, "a container instance id")),
    }
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
    /// `family`, `family:revision` or an ARN.
    pub fn parse(realm: &Realm, text: &str) -> Result<Self, ApiError> {
        if is_arn(text) {
            // Schedulers name a family by an ARN without a revision.
            let newest = realm.parse(&format!("{text}:1"));
            return match realm.parse(text).or(newest.clone())? {
                Resource::TaskDefinition(family, revision) => Ok(match realm.parse(text) {
                    Ok(_) => Self::Exact(family, revision),
                    Err(_) => Self::Newest(family),
                }),
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
            (Some(""), Err("is not valid")),
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
        assert!(task(&realm, &prod, id).is_ok());
        assert!(task(&realm, &prod, &arn("task/prod/")).is_ok());
        assert!(task(&realm, &prod, &arn("task/")).is_ok(), "short ARN");
        for (text, wanted) in [
            (
                arn("task/other/"),
                "Identifier is for cluster other. Your cluster is prod.",
            ),
            (arn("container-instance/prod/"), "is not a task id"),
            (
                "nonsense".to_owned(),
                "task length should be one of [32,36].",
            ),
        ] {
            let error = task(&realm, &prod, &text).unwrap_err();
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
