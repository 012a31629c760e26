//! Task definitions: RegisterTaskDefinition, DescribeTaskDefinition, ListTaskDefinitions,
//! ListTaskDefinitionFamilies, DeregisterTaskDefinition.

mod compatibility;
mod fargate;
pub mod image;
mod read;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::page::{MAX_RESULTS, PageRequest};
use longshore_model::task_definition::{MAX_REVISION, TaskDefinition, TaskDefinitionStatus};
use longshore_model::{Family, Realm};
use longshore_proto::ecs;
use longshore_store::table::FamilyCounter;
use longshore_store::{Txn, View};

use super::identifier::DefinitionName;
use super::wire::{self, number, recall, show_tags_if};
use super::{advise, includes_tags, required, word};
use crate::context::Ecs;
use crate::exception;
use crate::touched;

pub use read::read;
pub(super) use read::{read_environment, violations};

/// A task definition on the wire: the request it was registered with, in its normal form, and what
/// was computed since.
///
/// # Errors
/// ServerException if the kept request does not decode.
pub fn show(realm: &Realm, definition: &TaskDefinition) -> Result<ecs::TaskDefinition, ApiError> {
    let kept: ecs::RegisterTaskDefinitionRequest = recall(&definition.recorded)?;
    let requires_attributes = definition
        .requires_attributes
        .iter()
        .map(|name| ecs::Attribute {
            name: Some(name.clone()),
            ..ecs::Attribute::default()
        });
    Ok(ecs::TaskDefinition {
        task_definition_arn: Some(realm.task_definition(&definition.family, definition.revision)),
        container_definitions: kept.container_definitions,
        family: Some(definition.family.to_string()),
        task_role_arn: kept.task_role_arn,
        execution_role_arn: kept.execution_role_arn,
        network_mode: kept.network_mode,
        revision: Some(number(definition.revision)),
        volumes: kept.volumes,
        status: Some(definition.status.as_str().to_owned()),
        requires_attributes: requires_attributes.collect(),
        placement_constraints: kept.placement_constraints,
        compatibilities: compatibility::of(definition),
        runtime_platform: kept.runtime_platform,
        requires_compatibilities: kept.requires_compatibilities,
        cpu: kept.cpu,
        memory: kept.memory,
        inference_accelerators: kept.inference_accelerators,
        pid_mode: kept.pid_mode,
        ipc_mode: kept.ipc_mode,
        proxy_configuration: kept.proxy_configuration,
        registered_at: Some(wire::time(definition.registered_at)),
        deregistered_at: definition.deregistered_at.map(wire::time),
        delete_requested_at: None,
        registered_by: Some(definition.registered_by.clone()),
        ephemeral_storage: kept.ephemeral_storage,
        enable_fault_injection: kept.enable_fault_injection,
        trusted_execution_configuration: kept.trusted_execution_configuration,
    })
}

/// Adds a revision to a family; the first one makes the family.
pub struct RegisterTaskDefinition;

impl Operation for RegisterTaskDefinition {
    const NAME: &'static str = "RegisterTaskDefinition";
    type Context = Ecs;
    type Input = ecs::RegisterTaskDefinitionRequest;
    type Output = ecs::RegisterTaskDefinitionResponse;

    fn resources(ecs: &Ecs, _: &View, input: &Self::Input) -> Vec<Touched> {
        touched::new_task_definition(ecs, input)
    }

    async fn run(ecs: &Ecs, caller: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let read = read::read(input, caller.arn(), ecs.ctx().now)?;
        ecs.transact(|view| {
            let mut definition = read.clone();
            let counter = view.families.get(&read.family);
            definition.revision = counter.map_or(0, |counter| counter.newest) + 1;
            if definition.revision > MAX_REVISION {
                return Err(ApiError::limit_exceeded(format!(
                    "Family {} has {MAX_REVISION} revisions, which is the quota. Register under another family.",
                    read.family
                )));
            }
            let next = FamilyCounter { family: read.family.clone(), newest: definition.revision };
            let mut txn = Txn::new();
            match counter {
                Some(counter) => txn.replace(counter, &next),
                None => txn.create(&next),
            }
            txn.create(&definition);
            let output = ecs::RegisterTaskDefinitionResponse {
                task_definition: Some(show(&ecs.realm, &definition)?),
                tags: wire::show_tags(&definition.tags),
            };
            Ok((txn, output))
        })
        .await
    }
}

fn not_described(name: &DefinitionName) -> ApiError {
    advise(
        exception::task_definition_not_described(),
        format_args!("There is no {name}; see ListTaskDefinitions for those there are."),
    )
}

/// Shows one revision, ACTIVE or not.
pub struct DescribeTaskDefinition;

impl Operation for DescribeTaskDefinition {
    const NAME: &'static str = "DescribeTaskDefinition";
    type Context = Ecs;
    type Input = ecs::DescribeTaskDefinitionRequest;
    type Output = ecs::DescribeTaskDefinitionResponse;

    fn resources(_: &Ecs, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let text = required("taskDefinition", input.task_definition)?;
        let name = DefinitionName::parse(&ecs.realm, &text)?;
        let tags = includes_tags(&input.include, &["TAGS"])?;
        let view = ecs.db.view();
        let definition = name.find(&view).ok_or_else(|| not_described(&name))?;
        Ok(ecs::DescribeTaskDefinitionResponse {
            task_definition: Some(show(&ecs.realm, definition)?),
            tags: show_tags_if(tags, &definition.tags),
        })
    }
}

/// Makes a revision INACTIVE. What runs on it goes on.
pub struct DeregisterTaskDefinition;

impl Operation for DeregisterTaskDefinition {
    const NAME: &'static str = "DeregisterTaskDefinition";
    type Context = Ecs;
    type Input = ecs::DeregisterTaskDefinitionRequest;
    type Output = ecs::DeregisterTaskDefinitionResponse;

    fn resources(_: &Ecs, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let text = required("taskDefinition", input.task_definition)?;
        let name = DefinitionName::parse(&ecs.realm, &text)?;
        if let DefinitionName::Newest(family) = &name {
            return Err(exception::client(format!(
                "Revision is missing. \"{text}\" names none: pass {family}:REVISION, or an ARN that ends so."
            )));
        }
        let now = ecs.ctx().now;
        ecs.transact(|view| {
            let definition = name.find(view).ok_or_else(|| not_described(&name))?;
            let mut inactive = TaskDefinition::clone(definition);
            let mut txn = Txn::new();
            if definition.status == TaskDefinitionStatus::Active {
                inactive.status = TaskDefinitionStatus::Inactive;
                inactive.deregistered_at = Some(now);
                txn.replace(definition, &inactive);
            }
            let output = ecs::DeregisterTaskDefinitionResponse {
                task_definition: Some(show(&ecs.realm, &inactive)?),
            };
            Ok((txn, output))
        })
        .await
    }
}

/// Lists revisions: families in the order of their names, revisions by number.
pub struct ListTaskDefinitions;

impl Operation for ListTaskDefinitions {
    const NAME: &'static str = "ListTaskDefinitions";
    type Context = Ecs;
    type Input = ecs::ListTaskDefinitionsRequest;
    type Output = ecs::ListTaskDefinitionsResponse;

    fn resources(_: &Ecs, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let page = PageRequest::new(
            Self::NAME,
            input.next_token.as_deref(),
            input.max_results,
            MAX_RESULTS,
            MAX_RESULTS,
        )?;
        let status = word(
            "status",
            input.status.as_deref().unwrap_or("ACTIVE"),
            &["ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"],
        )?;
        let sort = word(
            "sort",
            input.sort.as_deref().unwrap_or("ASC"),
            &["ASC", "DESC"],
        )?;
        // Despite its name this filter is the whole family in ECS.
        let family = input
            .family_prefix
            .as_deref()
            .filter(|family| !family.is_empty());
        let view = ecs.db.view();
        let mut found: Vec<&(Family, u32)> = view
            .task_definitions
            .iter()
            .filter(|(_, definition)| definition.status.as_str() == status)
            .map(|(name, _)| name)
            .filter(|(name, _)| family.is_none_or(|family| family == name.as_str()))
            .collect();
        // A space sorts before every character of a name, so text sorts as the pairs do.
        let key = |(family, revision): &&(Family, u32)| format!("{family} {revision:07}");
        let order = |a: &str, b: &str| match sort {
            "DESC" => b.cmp(a),
            _ => a.cmp(b),
        };
        if order("a", "b") == Ordering::Greater {
            found.reverse();
        }
        let page = page.cut_by(found, key, order);
        let arns = page
            .items
            .iter()
            .map(|(family, rev)| ecs.realm.task_definition(family, *rev));
        Ok(ecs::ListTaskDefinitionsResponse {
            task_definition_arns: arns.collect(),
            next_token: page.next_token,
        })
    }
}

/// Lists families by name.
pub struct ListTaskDefinitionFamilies;

impl Operation for ListTaskDefinitionFamilies {
    const NAME: &'static str = "ListTaskDefinitionFamilies";
    type Context = Ecs;
    type Input = ecs::ListTaskDefinitionFamiliesRequest;
    type Output = ecs::ListTaskDefinitionFamiliesResponse;

    fn resources(_: &Ecs, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let page = PageRequest::new(
            Self::NAME,
            input.next_token.as_deref(),
            input.max_results,
            MAX_RESULTS,
            MAX_RESULTS,
        )?;
        let status = word(
            "status",
            input.status.as_deref().unwrap_or("ALL"),
            &["ACTIVE", "INACTIVE", "ALL"],
        )?;
        let prefix = input.family_prefix.as_deref().unwrap_or_default();
        // By family: whether any revision is ACTIVE.
        let mut families: BTreeMap<String, bool> = BTreeMap::new();
        for ((family, _), definition) in &ecs.db.view().task_definitions {
            if family.as_str().starts_with(prefix) {
                let active = definition.status == TaskDefinitionStatus::Active;
                *families.entry(family.to_string()).or_default() |= active;
            }
        }
        let found = families.into_iter().filter(|(_, active)| match status {
            "ACTIVE" => *active,
            "INACTIVE" => !*active,
            _ => true,
        });
        let page = page.cut(found, |(family, _)| family.clone());
        Ok(ecs::ListTaskDefinitionFamiliesResponse {
            families: page.items.into_iter().map(|(family, _)| family).collect(),
            next_token: page.next_token,
        })
    }
}
