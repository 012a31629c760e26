//! Amazon resource names: printed and parsed here and nowhere else.
//!
//! Long ARNs are always printed; the short forms that old clients send are understood.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{self, InstanceId, TaskId};
use crate::name::{ClusterName, Family, ServiceName};

/// Where an installation says it is: the fixed part of all its ARNs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Realm {
    /// Usually `aws`.
    pub partition: String,
    /// For example `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

/// A resource of ours, named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// `cluster/NAME`
    Cluster(ClusterName),
    /// `service/CLUSTER/NAME`; the cluster is absent in short ARNs.
    Service(Option<ClusterName>, ServiceName),
    /// `task/CLUSTER/ID`
    Task(Option<ClusterName>, TaskId),
    /// `container-instance/CLUSTER/ID`
    Instance(Option<ClusterName>, InstanceId),
    /// `task-definition/FAMILY:REVISION`; the revision is absent where the newest ACTIVE one is
    /// meant, as schedulers write it.
    TaskDefinition(Family, Option<u32>),
    /// A task or container instance with an id as ECS has them, but in no form that one of ours
    /// has, such as the UUIDs of before 2018: it may be asked for, and is not there.
    Absent(Absent, Option<ClusterName>, String),
}

/// What a resource that is not there would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absent {
    /// `task/CLUSTER/ID`
    Task,
    /// `container-instance/CLUSTER/ID`
    Instance,
}

/// Text that is not an ARN of this installation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArn {
    /// Not of the form at all.
    #[error("\"{0}\" is not an ARN: expected arn:PARTITION:ecs:REGION:ACCOUNT:TYPE/NAME")]
    Form(String),
    /// An ARN, but of another installation.
    #[error("\"{arn}\" belongs to {found}; this installation is {realm}")]
    Elsewhere {
        /// What was given.
        arn: String,
        /// Region and account in it.
        found: String,
        /// Region and account here.
        realm: String,
    },
    /// An ARN of a resource type that is not known, or a name that no resource can have.
    #[error("\"{0}\" names no resource that can exist: check the part after the account")]
    Resource(String),
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.region, self.account)
    }
}

impl Realm {
    fn arn(&self, resource: fmt::Arguments<'_>) -> String {
        format!(
            "arn:{}:ecs:{}:{}:{resource}",
            self.partition, self.region, self.account
        )
    }

    /// The ARN of a cluster.
    pub fn cluster(&self, name: &ClusterName) -> String {
        self.arn(format_args!("cluster/{name}"))
    }

    /// The ARN of a service.
    pub fn service(&self, cluster: &ClusterName, name: &ServiceName) -> String {
        self.arn(format_args!("service/{cluster}/{name}"))
    }

    /// The ARN of a service without its cluster, as ECS wrote it once and still does for a service
    /// that does not exist.
    pub fn short_service(&self, name: &ServiceName) -> String {
        self.arn(format_args!("service/{name}"))
    }

    /// The ARN of a task; of a [`TaskId`], or of an id that no task has.
    pub fn task(&self, cluster: &ClusterName, id: impl fmt::Display) -> String {
        self.arn(format_args!("task/{cluster}/{id}"))
    }

    /// The ARN of a container of a task. Its last part is derived from the task and the container's
    /// place in it, so it never changes.
    pub fn container(&self, cluster: &ClusterName, task: TaskId, index: usize) -> String {
        let hex = format!("{:032x}", task.value() ^ (index as u128 + 1));
        let uuid = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-");
        self.arn(format_args!("container/{cluster}/{task}/{uuid}"))
    }

    /// The ARN of a container instance; of an [`InstanceId`], or of an id that no instance has.
    pub fn instance(&self, cluster: &ClusterName, id: impl fmt::Display) -> String {
        self.arn(format_args!("container-instance/{cluster}/{id}"))
    }

    /// The ARN of a capacity provider of this name, whether or not there is one.
    pub fn capacity_provider(&self, name: &str) -> String {
        self.arn(format_args!("capacity-provider/{name}"))
    }

    /// The ARN of one revision of a task definition; of a number, or of `*` for any.
    pub fn task_definition(&self, family: &Family, revision: impl fmt::Display) -> String {
        self.arn(format_args!("task-definition/{family}:{revision}"))
    }

    /// Reads an ARN of this installation.
    pub fn parse(&self, text: &str) -> Result<Resource, InvalidArn> {
        let form = || InvalidArn::Form(text.to_owned());
        let unknown = || InvalidArn::Resource(text.to_owned());
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, "ecs", region, account, resource] = parts.as_slice() else {
            return Err(form());
        };
        if (partition, region, account) != (&self.partition, &self.region, &self.account) {
            return Err(InvalidArn::Elsewhere {
                arn: text.to_owned(),
                found: format!("{region}:{account}"),
                realm: self.to_string(),
            });
        }
        let (kind, name) = resource.split_once('/').ok_or_else(form)?;
        let (cluster, last) = match name.split_once('/') {
            Some((cluster, last)) => (
                Some(cluster.parse::<ClusterName>().map_err(|_| unknown())?),
                last,
            ),
            None => (None, name),
        };
        match (kind, cluster) {
            ("cluster", None) => last.parse().map(Resource::Cluster).map_err(|_| unknown()),
            ("service", c) => last
                .parse()
                .map(|n| Resource::Service(c, n))
                .map_err(|_| unknown()),
            ("task", c) => match last.parse() {
                Ok(id) => Ok(Resource::Task(c, id)),
                Err(_) if id::has_form(last) => {
                    Ok(Resource::Absent(Absent::Task, c, last.to_owned()))
                }
                Err(_) => Err(unknown()),
            },
            ("container-instance", c) => match last.parse() {
                Ok(id) => Ok(Resource::Instance(c, id)),
                Err(_) if id::has_form(last) => {
                    Ok(Resource::Absent(Absent::Instance, c, last.to_owned()))
                }
                Err(_) => Err(unknown()),
            },
            ("task-definition", None) => {
                let (family, revision) = match last.split_once(':') {
                    Some((family, revision)) => {
                        (family, Some(revision.parse().map_err(|_| unknown())?))
                    }
                    None => (last, None),
                };
                let family = family.parse().map_err(|_| unknown())?;
                Ok(Resource::TaskDefinition(family, revision))
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm {
            partition: "aws".into(),
            region: "us-east-1".into(),
            account: "000000000000".into(),
        }
    }

    #[test]
    fn what_is_printed_is_parsed() {
        let (realm, cluster) = (realm(), ClusterName::default_cluster());
        let service: ServiceName = "web".parse().unwrap();
        let family: Family = "web".parse().unwrap();
        let cases = [
            (realm.cluster(&cluster), Resource::Cluster(cluster.clone())),
            (
                realm.service(&cluster, &service),
                Resource::Service(Some(cluster.clone()), service),
            ),
            (
                realm.task(&cluster, TaskId::new(7)),
                Resource::Task(Some(cluster.clone()), TaskId::new(7)),
            ),
            (
                realm.instance(&cluster, InstanceId::new(7)),
                Resource::Instance(Some(cluster.clone()), InstanceId::new(7)),
            ),
            (
                realm.task_definition(&family, 3),
                Resource::TaskDefinition(family, Some(3)),
            ),
        ];
        for (text, resource) in cases {
            assert_eq!(realm.parse(&text), Ok(resource), "{text}");
        }
    }

    #[test]
    fn what_others_send_is_parsed() {
        let (realm, cluster) = (realm(), Some(ClusterName::default_cluster()));
        let uuid = "01234567-89ab-cdef-0123-456789abcdef".to_owned();
        let family: Family = "web".parse().unwrap();
        for (resource, wanted) in [
            (
                "task-definition/web".to_owned(),
                Resource::TaskDefinition(family, None),
            ),
            (
                format!("task/{uuid}"),
                Resource::Absent(Absent::Task, None, uuid.clone()),
            ),
            (
                format!("container-instance/default/{uuid}"),
                Resource::Absent(Absent::Instance, cluster, uuid.clone()),
            ),
        ] {
            let arn = format!("arn:aws:ecs:us-east-1:000000000000:{resource}");
            assert_eq!(realm.parse(&arn), Ok(wanted), "{arn}");
        }
    }

    #[test]
    fn foreign_and_broken_arns_are_told_apart() {
        let realm = realm();
        for (text, wanted) in [
            ("web", "is not an ARN"),
            ("arn:aws:s3:::bucket", "is not an ARN"),
            (
                "arn:aws:ecs:eu-west-1:000000000000:cluster/a",
                "belongs to eu-west-1:000000000000",
            ),
            (
                "arn:aws:ecs:us-east-1:000000000000:cluster/a b",
                "names no resource",
            ),
            (
                "arn:aws:ecs:us-east-1:000000000000:task-definition/web:latest",
                "names no resource",
            ),
            (
                "arn:aws:ecs:us-east-1:000000000000:task/web/1234",
                "names no resource",
            ),
            (
                "arn:aws:ecs:us-east-1:000000000000:planet/x",
                "names no resource",
            ),
        ] {
            let message = realm.parse(text).unwrap_err().to_string();
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }
}
