//! ARNs, names and ids. The input is the text.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::LazyLock;

use longshore_door::error::ApiError;
use longshore_ecs::identifier::{self, DefinitionName};
use longshore_model::arn::{Absent, Resource};
use longshore_model::{ClusterName, DeploymentId, Family, InstanceId, Realm, ServiceName, TaskId};

use crate::{assert_bounded, realm};

static REALM: LazyLock<Realm> = LazyLock::new(realm);

/// Reads a text as everything that a request could mean by it.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match REALM.parse(text) {
        Ok(resource) => {
            if let Some(printed) = print(&resource) {
                assert_eq!(
                    REALM.parse(&printed),
                    Ok(resource),
                    "{text} is printed as {printed}"
                );
            }
        }
        Err(error) => assert_bounded(&error.to_string(), data),
    }
    plain::<ClusterName>(text);
    plain::<ServiceName>(text);
    plain::<Family>(text);
    plain::<TaskId>(text);
    plain::<InstanceId>(text);
    plain::<DeploymentId>(text);

    let cluster = ClusterName::default_cluster();
    told(data, identifier::cluster(&REALM, Some(text)));
    if let Some(id) = told(data, identifier::task(&REALM, &cluster, "taskId", text)) {
        let printed = REALM.task(&cluster, &id);
        let again = identifier::task(&REALM, &cluster, "taskId", &printed);
        assert_eq!(again.ok(), Some(id));
    }
    if let Some(name) = told(data, identifier::service(&REALM, &cluster, text)) {
        let again = identifier::service(&REALM, &cluster, &REALM.service(&cluster, &name));
        assert_eq!(again.ok(), Some(name));
    }
    if let Some(id) = told(data, identifier::instance(&REALM, &cluster, text)) {
        let again = identifier::instance(&REALM, &cluster, &REALM.instance(&cluster, &id));
        assert_eq!(again.ok(), Some(id));
    }
    if let Some(DefinitionName::Exact(family, revision)) =
        told(data, DefinitionName::parse(&REALM, text))
    {
        let printed = REALM.task_definition(&family, revision);
        let again = DefinitionName::parse(&REALM, &printed);
        assert_eq!(again.ok(), Some(DefinitionName::Exact(family, revision)));
    }
}

/// The long form; short ARNs, which only clients of old send, are never printed.
fn print(resource: &Resource) -> Option<String> {
    Some(match resource {
        Resource::Cluster(name) => REALM.cluster(name),
        Resource::Service(cluster, name) => REALM.service(cluster.as_ref()?, name),
        Resource::Task(cluster, id) => REALM.task(cluster.as_ref()?, *id),
        Resource::Instance(cluster, id) => REALM.instance(cluster.as_ref()?, *id),
        Resource::TaskDefinition(family, revision) => REALM.task_definition(family, (*revision)?),
        Resource::Absent(Absent::Task, cluster, id) => REALM.task(cluster.as_ref()?, id),
        Resource::Absent(Absent::Instance, cluster, id) => REALM.instance(cluster.as_ref()?, id),
    })
}

/// A name or id is printed as it was read: there is one way to write each.
fn plain<T: FromStr<Err: Display> + Display + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string(), text),
        Err(error) => assert_bounded(&error.to_string(), text.as_bytes()),
    }
}

fn told<T>(data: &[u8], result: Result<T, ApiError>) -> Option<T> {
    result
        .map_err(|error| assert_bounded(&error.message, data))
        .ok()
}
