//! Amazon resource names: printed and parsed here and nowhere else.
//!
//! Long ARNs are always printed; the short forms that old clients send are understood.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{InstanceId, TaskId};
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
    /// `task-definition/FAMILY:REVISION`
    TaskDefinition(Family, u32),
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

    /// The ARN of a service as it was before clusters were part of it, which ECS still uses for
    /// services that it does not find.
    pub fn short_service(&self, name: &ServiceName) -> String {
        self.arn(format_args!("service/{name}"))
    }

    /// The ARN of a task.
    pub fn task(&self, cluster: &ClusterName, id: TaskId) -> String {
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

    /// The ARN of a container instance.
    pub fn instance(&self, cluster: &ClusterName, id: InstanceId) -> String {
        self.arn(format_args!("container-instance/{cluster}/{id}"))
    }

    /// The ARN of one revision of a task definition.
    pub fn task_definition(&self, family: &Family, revision: u32) -> String {
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
            ("task", c) => last
                .parse()
                .map(|id| Resource::Task(c, id))
                .map_err(|_| unknown()),
            ("container-instance", c) => last
                .parse()
                .map(|id| Resource::Instance(c, id))
                .map_err(|_| unknown()),
            ("task-definition", None) => {
                let (family, revision) = last.split_once(':').ok_or_else(unknown)?;
                let family = family.parse().map_err(|_| unknown())?;
                let revision = revision.parse().map_err(|_| unknown())?;
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
                Resource::TaskDefinition(family, 3),
            ),
        ];
        for (text, resource) in cases {
            assert_eq!(realm.parse(&text), Ok(resource), "{text}");
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
                "arn:aws:ecs:us-east-1:000000000000:task-definition/web",
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
