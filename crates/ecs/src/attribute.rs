//! Attributes that users put on container instances: PutAttributes, DeleteAttributes,
//! ListAttributes.
//!
//! An instance has two kinds: what its agent says when it registers, and what users put on it. They
//! are kept apart, so that neither undoes the other: a registration changes nothing that users put,
//! and where both have one name, the users' counts. Taking it away brings back the agent's.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::page::{MAX_RESULTS, PageRequest};
use longshore_model::instance::{Instance, InstanceStatus, MAX_CUSTOM_ATTRIBUTES};
use longshore_model::{ClusterName, InstanceId, Realm};
use longshore_proto::ecs;
use longshore_store::{Stored, Txn, View};

use super::wire::creation_key;
use super::{identifier, required, word};
use crate::context::Ecs;
use crate::exception;
use crate::identifier::Asked;
use crate::touched;

/// Longest name and longest value, in characters.
const MAX_LENGTH: usize = 128;
/// What attributes can be put on.
const TARGET_TYPE: &str = "container-instance";
/// How names begin that only an agent may give.
const RESERVED: [&str; 2] = ["ecs.", "com.amazonaws.ecs."];

/// An attribute of a request, checked.
struct Given {
    target: Asked<InstanceId>,
    name: String,
    value: Option<String>,
}

/// The attributes of a request; each name once per target.
fn read_all(
    realm: &Realm,
    cluster: &ClusterName,
    given: Vec<ecs::Attribute>,
) -> Result<Vec<Given>, ApiError> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for (index, attribute) in given.into_iter().enumerate() {
        let read = read(realm, cluster, &format!("attributes[{index}]"), attribute)?;
        if !seen.insert((read.target.clone(), read.name.clone())) {
            return Err(ApiError::invalid_parameter(format!(
                "attributes names {} twice for one target. Keep one.",
                read.name
            )));
        }
        all.push(read);
    }
    Ok(all)
}

fn read(
    realm: &Realm,
    cluster: &ClusterName,
    place: &str,
    wire: ecs::Attribute,
) -> Result<Given, ApiError> {
    let name = required(&format!("{place}.name"), wire.name)?;
    check_name(&format!("{place}.name"), &name)?;
    let target = required(&format!("{place}.targetId"), wire.target_id)?;
    match wire.target_type.as_deref() {
        Some(given) => {
            word(&format!("{place}.targetType"), given, &[TARGET_TYPE])?;
        }
        None if identifier::is_arn(&target) => {}
        None => {
            return Err(ApiError::invalid_parameter(format!(
                "{place}.targetType can not be blank where targetId is not an ARN. Set it to {TARGET_TYPE}, or pass the ARN of the container instance."
            )));
        }
    }
    let target = identifier::instance_in(&format!("{place}.targetId"), realm, cluster, &target)?;
    Ok(Given {
        target,
        name,
        value: wire.value,
    })
}

/// Names: 1 to 128 letters, digits and `- _ . / \` (ECS API reference, `Attribute`).
pub(super) fn check_name(member: &str, name: &str) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || r"-_./\".contains(c);
    if name.chars().count() > MAX_LENGTH || !name.chars().all(allowed) {
        return Err(ApiError::invalid_parameter(format!(
            "{member} \"{name}\" is not valid. Use 1 to {MAX_LENGTH} letters, digits and - _ . / \\."
        )));
    }
    Ok(())
}

/// Values: 1 to 128 letters, digits, spaces and `- _ . @ / \ :`, no space at either end.
fn check_value(member: &str, value: &str) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || r"-_.@/\: ".contains(c);
    let length = value.chars().count();
    if !(1..=MAX_LENGTH).contains(&length) || !value.chars().all(allowed) {
        return Err(ApiError::invalid_parameter(format!(
            "{member} \"{value}\" is not valid. Use 1 to {MAX_LENGTH} letters, digits, spaces and - _ . @ / \\ :, or leave it out."
        )));
    }
    if value.starts_with(' ') || value.ends_with(' ') {
        return Err(ApiError::invalid_parameter(format!(
            "{member} \"{value}\" is not valid. Take away the space at its start or end."
        )));
    }
    Ok(())
}

fn check_not_reserved(name: &str) -> Result<(), ApiError> {
    let lower = name.to_ascii_lowercase();
    match RESERVED.iter().find(|prefix| lower.starts_with(**prefix)) {
        Some(prefix) => Err(ApiError::invalid_parameter(format!(
            "Attribute {name} can not be changed: names that begin with {prefix} are set by Longshore and its agents. Choose another name."
        ))),
        None => Ok(()),
    }
}

/// The instance that attributes are put on.
fn target<'a>(
    view: &'a View,
    cluster: &ClusterName,
    asked: &Asked<InstanceId>,
) -> Result<&'a Stored<Instance>, ApiError> {
    let not_found = |why: &str| {
        ApiError::new(
            exception::TARGET_NOT_FOUND,
            format!("The specified target was not found. {why}"),
        )
    };
    let id = asked.id();
    let found = id.and_then(|id| view.instances.get(&(cluster.clone(), id)));
    let found = found.ok_or_else(|| {
        not_found(&format!(
            "Cluster {cluster} has no container instance {asked}; see ListContainerInstances."
        ))
    })?;
    if found.status == InstanceStatus::Inactive {
        return Err(not_found(&format!(
            "Container instance {asked} was deregistered; let the node join again."
        )));
    }
    Ok(found)
}

/// The targets of a request with the attributes that users have put on them.
struct Targets<'a>(BTreeMap<Asked<InstanceId>, (&'a Stored<Instance>, Instance)>);

impl<'a> Targets<'a> {
    fn find(view: &'a View, cluster: &ClusterName, given: &[Given]) -> Result<Self, ApiError> {
        identifier::active_cluster(view, cluster)?;
        let mut targets = BTreeMap::new();
        for attribute in given {
            let read = target(view, cluster, &attribute.target)?;
            targets.insert(attribute.target.clone(), (read, Instance::clone(read)));
        }
        Ok(Self(targets))
    }

    fn custom(&mut self, id: &Asked<InstanceId>) -> &mut BTreeMap<String, Option<String>> {
        let (_, changed) = self
            .0
            .get_mut(id)
            .expect("every attribute's target was looked up");
        &mut changed.custom_attributes
    }

    /// Writes those that changed.
    fn write(&self) -> Txn {
        let mut txn = Txn::new();
        for (read, changed) in self.0.values() {
            if changed.custom_attributes != read.custom_attributes {
                txn.replace(read, changed);
            }
        }
        txn
    }
}

fn show(
    realm: &Realm,
    cluster: &ClusterName,
    target: impl std::fmt::Display,
    name: &str,
    value: Option<&str>,
) -> ecs::Attribute {
    ecs::Attribute {
        name: Some(name.to_owned()),
        value: value.map(str::to_owned),
        target_type: Some(TARGET_TYPE.to_owned()),
        target_id: Some(realm.instance(cluster, target)),
    }
}

fn show_given(realm: &Realm, cluster: &ClusterName, given: &[Given]) -> Vec<ecs::Attribute> {
    given
        .iter()
        .map(|one| show(realm, cluster, &one.target, &one.name, one.value.as_deref()))
        .collect()
}

/// Puts attributes on instances, all or none; one that is there already gets the new value.
pub struct PutAttributes;

impl Operation for PutAttributes {
    const NAME: &'static str = "PutAttributes";
    type Context = Ecs;
    type Input = ecs::PutAttributesRequest;
    type Output = ecs::PutAttributesResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::targets(ecs, view, input.cluster.as_deref(), &input.attributes)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let given = read_all(&ecs.realm, &cluster, input.attributes)?;
        for (index, attribute) in given.iter().enumerate() {
            check_not_reserved(&attribute.name)?;
            if let Some(value) = &attribute.value {
                check_value(&format!("attributes[{index}].value"), value)?;
            }
        }
        ecs.transact(|view| {
            let mut targets = Targets::find(view, &cluster, &given)?;
            for attribute in &given {
                let custom = targets.custom(&attribute.target);
                custom.insert(attribute.name.clone(), attribute.value.clone());
                if custom.len() > MAX_CUSTOM_ATTRIBUTES {
                    return Err(ApiError::new(
                        exception::ATTRIBUTE_LIMIT_EXCEEDED,
                        format!(
                            "Container instance {} would have {} custom attributes. At most {MAX_CUSTOM_ATTRIBUTES} are allowed: take some away with DeleteAttributes.",
                            attribute.target,
                            custom.len()
                        ),
                    ));
                }
            }
            Ok((targets.write(), ()))
        })
        .await?;
        Ok(ecs::PutAttributesResponse {
            attributes: show_given(&ecs.realm, &cluster, &given),
        })
    }
}

/// Takes away attributes that users put on instances; one that is not there is passed over.
pub struct DeleteAttributes;

impl Operation for DeleteAttributes {
    const NAME: &'static str = "DeleteAttributes";
    type Context = Ecs;
    type Input = ecs::DeleteAttributesRequest;
    type Output = ecs::DeleteAttributesResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::targets(ecs, view, input.cluster.as_deref(), &input.attributes)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let given = read_all(&ecs.realm, &cluster, input.attributes)?;
        for (index, attribute) in given.iter().enumerate() {
            check_not_reserved(&attribute.name)?;
            if attribute.value.is_some() {
                return Err(ApiError::invalid_parameter(format!(
                    "attributes[{index}].value can not be given: an attribute is deleted by its name. Leave it out."
                )));
            }
        }
        ecs.transact(|view| {
            let mut targets = Targets::find(view, &cluster, &given)?;
            for attribute in &given {
                let removed = targets.custom(&attribute.target).remove(&attribute.name);
                let (read, _) = &targets.0[&attribute.target];
                if removed.is_none() && read.attributes.contains_key(&attribute.name) {
                    return Err(ApiError::invalid_parameter(format!(
                        "Attribute {} of container instance {} is set by its agent. Start the agent without it, or put another value over it with PutAttributes.",
                        attribute.name, attribute.target
                    )));
                }
            }
            Ok((targets.write(), ()))
        })
        .await?;
        Ok(ecs::DeleteAttributesResponse {
            attributes: show_given(&ecs.realm, &cluster, &given),
        })
    }
}

/// Lists the attributes of all instances that are not INACTIVE, oldest instance first.
pub struct ListAttributes;

impl Operation for ListAttributes {
    const NAME: &'static str = "ListAttributes";
    type Context = Ecs;
    type Input = ecs::ListAttributesRequest;
    type Output = ecs::ListAttributesResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::cluster(ecs, view, input.cluster.as_deref())
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let set = |filter: &Option<String>| filter.clone().filter(|text| !text.is_empty());
        let (name, value) = (set(&input.attribute_name), set(&input.attribute_value));
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let page = PageRequest::filtered(
            Self::NAME,
            &[
                name.as_deref().unwrap_or_default(),
                value.as_deref().unwrap_or_default(),
            ],
            input.next_token.as_deref(),
            input.max_results,
            MAX_RESULTS,
            MAX_RESULTS,
        )?;
        let target_type = required("targetType", input.target_type)?;
        word("targetType", &target_type, &[TARGET_TYPE])?;
        match (&name, &value) {
            (Some(name), _) => check_name("attributeName", name)?,
            (None, Some(_)) => {
                return Err(ApiError::invalid_parameter(
                    "attributeValue needs attributeName. Set it too, or leave both out.",
                ));
            }
            (None, None) => {}
        }
        let view = ecs.db.view();
        identifier::active_cluster(&view, &cluster)?;
        let mut found: Vec<(String, ecs::Attribute)> = Vec::new();
        for instance in view
            .cluster_instances(&cluster)
            .filter(|instance| instance.status != InstanceStatus::Inactive)
        {
            let first = creation_key(instance.registered_at, instance.id);
            let wanted = instance
                .all_attributes()
                .into_iter()
                .filter(|(given, _)| name.as_ref().is_none_or(|name| name == given))
                .filter(|(_, given)| value.is_none() || value == *given);
            found.extend(wanted.map(|(name, value)| {
                let shown = show(&ecs.realm, &cluster, instance.id, &name, value.as_deref());
                (format!("{first} {name}"), shown)
            }));
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let page = page.cut(found, |(key, _)| key.clone());
        Ok(ecs::ListAttributesResponse {
            attributes: page.items.into_iter().map(|(_, shown)| shown).collect(),
            next_token: page.next_token,
        })
    }
}
