//! Tags of every resource: TagResource, UntagResource, ListTagsForResource.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_model::arn::Resource;
use longshore_model::cluster::{Cluster, ClusterStatus};
use longshore_model::instance::Instance;
use longshore_model::service::{Service, ServiceStatus};
use longshore_model::tag::Tags;
use longshore_model::task::Task;
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, Realm};
use longshore_proto::ecs;
use longshore_store::{Stored, Txn, View};

use super::wire::{merge_tags, show_tags};
use super::{identifier, required};
use crate::context::Ecs;
use crate::identifier::DefinitionName;
use crate::touched;

/// A record that can have tags.
enum Tagged<'a> {
    Cluster(&'a Stored<Cluster>),
    Service(&'a Stored<Service>),
    Task(&'a Stored<Task>),
    Instance(&'a Stored<Instance>),
    TaskDefinition(&'a Stored<TaskDefinition>),
}

impl<'a> Tagged<'a> {
    /// Looks a resource up. `unknown` makes the exception for one that does not exist.
    fn find(
        view: &'a View,
        resource: &Resource,
        unknown: impl Fn(String) -> ApiError,
    ) -> Result<Self, ApiError> {
        let found = match resource {
            Resource::Cluster(name) => {
                identifier::active_cluster(view, name)?;
                view.clusters.get(name).map(Self::Cluster)
            }
            Resource::Service(cluster, name) => {
                let key = (in_cluster(view, cluster.as_ref())?, name.clone());
                view.services.get(&key).map(Self::Service)
            }
            Resource::Task(cluster, id) => {
                let cluster = in_cluster(view, cluster.as_ref())?;
                view.tasks.get(&cluster, *id).map(Self::Task)
            }
            Resource::Instance(cluster, id) => {
                let key = (in_cluster(view, cluster.as_ref())?, *id);
                view.instances.get(&key).map(Self::Instance)
            }
            Resource::TaskDefinition(family, revision) => {
                let name = DefinitionName::new(family.clone(), *revision);
                name.find(view).map(Self::TaskDefinition)
            }
            Resource::Absent(_, cluster, _) => {
                in_cluster(view, cluster.as_ref())?;
                None
            }
        };
        found.ok_or_else(|| {
            unknown(
                "The specified resource was not found. Check resourceArn; Describe and List show the ARNs there are."
                    .to_owned(),
            )
        })
    }

    fn arn(&self, realm: &Realm) -> String {
        match self {
            Self::Cluster(cluster) => realm.cluster(&cluster.name),
            Self::Service(service) => realm.service(&service.cluster, &service.name),
            Self::Task(task) => realm.task(&task.cluster, task.id),
            Self::Instance(instance) => realm.instance(&instance.cluster, instance.id),
            Self::TaskDefinition(definition) => {
                realm.task_definition(&definition.family, definition.revision)
            }
        }
    }

    fn tags(&self) -> &Tags {
        match self {
            Self::Cluster(cluster) => &cluster.tags,
            Self::Service(service) => &service.tags,
            Self::Task(task) => &task.tags,
            Self::Instance(instance) => &instance.tags,
            Self::TaskDefinition(definition) => &definition.tags,
        }
    }

    /// Refuses what was deleted.
    fn check_in_use(&self) -> Result<(), ApiError> {
        let inactive = match self {
            Self::Cluster(cluster) => cluster.status == ClusterStatus::Inactive,
            Self::Service(service) => service.status == ServiceStatus::Inactive,
            Self::Task(_) | Self::Instance(_) | Self::TaskDefinition(_) => false,
        };
        if inactive {
            return Err(ApiError::invalid_parameter(
                "The specified resource is inactive. Specify an active one and try again.",
            ));
        }
        Ok(())
    }

    /// Writes it back with other tags, if they are other.
    fn set_tags(&self, tags: Tags) -> Txn {
        let mut txn = Txn::new();
        if tags == *self.tags() {
            return txn;
        }
        match self {
            Self::Cluster(read) => txn.replace(
                read,
                &Cluster {
                    tags,
                    ..Cluster::clone(read)
                },
            ),
            Self::Service(read) => txn.replace(
                read,
                &Service {
                    tags,
                    ..Service::clone(read)
                },
            ),
            Self::Task(read) => txn.replace(
                read,
                &Task {
                    tags,
                    ..Task::clone(read)
                },
            ),
            Self::Instance(read) => txn.replace(
                read,
                &Instance {
                    tags,
                    ..Instance::clone(read)
                },
            ),
            Self::TaskDefinition(read) => {
                txn.replace(
                    read,
                    &TaskDefinition {
                        tags,
                        ..TaskDefinition::clone(read)
                    },
                );
            }
        }
        txn
    }
}

fn in_cluster(view: &View, cluster: Option<&ClusterName>) -> Result<ClusterName, ApiError> {
    let cluster = cluster.ok_or_else(|| {
        ApiError::invalid_parameter(
            "Long arn format must be used for tagging operations. Pass the ARN with the name of the cluster in it.",
        )
    })?;
    identifier::active_cluster(view, cluster)?;
    Ok(cluster.clone())
}

fn resource(realm: &Realm, given: Option<String>) -> Result<Resource, ApiError> {
    identifier::arn(realm, &required("resourceArn", given)?)
}

/// What an ARN names, for the gate: with its whole ARN and the tags that it has. One that names
/// nothing is asked for as it is written.
pub(super) fn touched(ecs: &Ecs, view: &View, given: Option<&str>) -> Touched {
    let text = given.unwrap_or_default();
    let Ok(resource) = ecs.realm.parse(text) else {
        return Touched::any();
    };
    let found = Tagged::find(view, &resource, ApiError::resource_not_found);
    match found {
        Ok(tagged) => touched::with_tags(Touched::new(tagged.arn(&ecs.realm)), tagged.tags()),
        Err(_) => Touched::new(text),
    }
}

/// Adds tags; those with keys that are there already take their place.
pub struct TagResource;

impl Operation for TagResource {
    const NAME: &'static str = "TagResource";
    type Context = Ecs;
    type Input = ecs::TagResourceRequest;
    type Output = ecs::TagResourceResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::tagged(ecs, view, input.resource_arn.as_deref(), &input.tags)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let resource = resource(&ecs.realm, input.resource_arn)?;
        ecs.transact(|view| {
            let tagged = Tagged::find(view, &resource, ApiError::resource_not_found)?;
            tagged.check_in_use()?;
            let mut tags = tagged.tags().clone();
            merge_tags(&mut tags, input.tags.clone())?;
            Ok((tagged.set_tags(tags), ecs::TagResourceResponse {}))
        })
        .await
    }
}

/// Takes tags away; keys that are not there are passed over.
pub struct UntagResource;

impl Operation for UntagResource {
    const NAME: &'static str = "UntagResource";
    type Context = Ecs;
    type Input = ecs::UntagResourceRequest;
    type Output = ecs::UntagResourceResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::untagged(ecs, view, input.resource_arn.as_deref(), &input.tag_keys)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let resource = resource(&ecs.realm, input.resource_arn)?;
        for key in &input.tag_keys {
            longshore_model::tag::check(key, "")?;
        }
        ecs.transact(|view| {
            let tagged = Tagged::find(view, &resource, ApiError::resource_not_found)?;
            tagged.check_in_use()?;
            let mut tags = tagged.tags().clone();
            tags.retain(|key, _| !input.tag_keys.contains(key));
            Ok((tagged.set_tags(tags), ecs::UntagResourceResponse {}))
        })
        .await
    }
}

/// Shows the tags of a resource.
pub struct ListTagsForResource;

impl Operation for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    type Context = Ecs;
    type Input = ecs::ListTagsForResourceRequest;
    type Output = ecs::ListTagsForResourceResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::tagged(ecs, view, input.resource_arn.as_deref(), &[])
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let resource = resource(&ecs.realm, input.resource_arn)?;
        let view = ecs.db.view();
        let tagged = Tagged::find(&view, &resource, ApiError::invalid_parameter)?;
        Ok(ecs::ListTagsForResourceResponse {
            tags: show_tags(tagged.tags()),
        })
    }
}
