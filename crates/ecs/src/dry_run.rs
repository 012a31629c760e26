//! What requests would do, checked as their operations check them and refused with the same
//! errors, and nothing done: for explanations and plans of placement.
//!
//! The gate stands in front of whoever calls; the field ledger is looked at here.

use longshore_door::ApiError;
use longshore_model::service::Service;
use longshore_model::task::Task;
use longshore_proto::ecs;
use longshore_store::{Stored, View};
use serde::Serialize;

use super::task::AskedTasks;
use super::{identifier, required, service, task};
use crate::context::Ecs;
use crate::table::API;

/// Refuses what the operation refuses before it runs.
fn check<T: Serialize>(operation: &str, input: &T) -> Result<(), ApiError> {
    let value =
        serde_json::to_value(input).map_err(|error| ApiError::serialization(error.to_string()))?;
    API.check_tree(operation, &value).map(drop)
}

/// What a RunTask request asks of placement.
///
/// # Errors
/// Those of RunTask.
pub fn run_task(
    ecs: &Ecs,
    view: &View,
    input: ecs::RunTaskRequest,
) -> Result<AskedTasks, ApiError> {
    check("RunTask", &input)?;
    task::dry_run(ecs, view, input)
}

/// The service that a CreateService request would make; nobody made it.
///
/// # Errors
/// Those of CreateService.
pub fn create_service(
    ecs: &Ecs,
    view: &View,
    input: ecs::CreateServiceRequest,
) -> Result<Service, ApiError> {
    check("CreateService", &input)?;
    service::create::dry_run(ecs, view, input)
}

/// The service as an UpdateService request would leave it.
///
/// # Errors
/// Those of UpdateService.
pub fn update_service(
    ecs: &Ecs,
    view: &View,
    input: ecs::UpdateServiceRequest,
) -> Result<Service, ApiError> {
    check("UpdateService", &input)?;
    service::update::dry_run(ecs, view, input)
}

/// A service that exists, by name or ARN; the empty `cluster` is `default`.
///
/// # Errors
/// ClusterNotFoundException, ServiceNotFoundException, and InvalidParameterException for what is
/// neither a name nor an ARN.
pub fn existing_service<'a>(
    ecs: &Ecs,
    view: &'a View,
    cluster: &str,
    name: &str,
) -> Result<&'a Stored<Service>, ApiError> {
    let cluster = identifier::cluster(&ecs.realm, Some(cluster).filter(|c| !c.is_empty()))?;
    identifier::active_cluster(view, &cluster)?;
    let name = required("service", Some(name.to_owned()))?;
    let name = identifier::service(&ecs.realm, &cluster, &name)?;
    service::find(view, &cluster, &name)
}

/// A task that exists, by id or ARN; the empty `cluster` is `default`.
///
/// # Errors
/// ClusterNotFoundException, and InvalidParameterException for a task that is not there.
pub fn existing_task<'a>(
    ecs: &Ecs,
    view: &'a View,
    cluster: &str,
    id: &str,
) -> Result<&'a Stored<Task>, ApiError> {
    let cluster = identifier::cluster(&ecs.realm, Some(cluster).filter(|c| !c.is_empty()))?;
    identifier::active_cluster(view, &cluster)?;
    let id = required("task", Some(id.to_owned()))?;
    let asked = identifier::task(&ecs.realm, &cluster, "task", &id)?;
    task::find(view, &cluster, &asked)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::Fixture;
    use crate::service::CreateService;
    use crate::task::RunTask;
    use longshore_store::Store as _;

    fn read<T: serde::de::DeserializeOwned>(input: Value) -> T {
        serde_json::from_value(input).unwrap()
    }

    #[tokio::test]
    async fn dry_runs_say_what_would_be_and_write_nothing() {
        let fixture = Fixture::with_instance().await;
        let constraints = json!([{"type": "memberOf", "expression": "attribute:disk exists"}]);
        let service = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 1});
        fixture.ok::<CreateService>(&service.to_string()).await;
        let before = fixture.store.list("").await.unwrap();
        {
            let (ecs, view) = (&fixture.ecs, fixture.ecs.db.view());
            let asked = run_task(
                ecs,
                &view,
                read(
                    json!({"taskDefinition": "web", "count": 3, "placementConstraints": constraints,
                "overrides": {"memory": "128"}}),
                ),
            )
            .unwrap();
            assert_eq!((asked.count, asked.group.as_str()), (3, "family:web"));
            assert_eq!(asked.definition.demand().memory.0, 128);
            assert_eq!(asked.constraints.len(), 1);

            let mut other = service.clone();
            other["serviceName"] = json!("other");
            other["placementConstraints"] = constraints.clone();
            let made = create_service(ecs, &view, read(other)).unwrap();
            assert_eq!(made.placement_constraints, asked.constraints);
            assert_eq!(made.primary().unwrap().revision, 1);

            let update = json!({"service": "web", "desiredCount": 5,
            "placementConstraints": constraints});
            let updated = update_service(ecs, &view, read(update)).unwrap();
            assert_eq!(updated.desired_count, 5);
            assert_eq!(updated.placement_constraints, asked.constraints);
            assert_eq!(
                existing_service(ecs, &view, "", "web")
                    .unwrap()
                    .desired_count,
                1
            );
        }
        assert_eq!(fixture.store.list("").await.unwrap(), before);
    }

    #[tokio::test]
    async fn dry_runs_are_refused_as_the_operations_refuse() {
        let fixture = Fixture::with_instance().await;
        let output = fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
        let arn = output["tasks"][0]["taskArn"].as_str().unwrap();
        let (ecs, view) = (&fixture.ecs, fixture.ecs.db.view());
        let of_task = |input| run_task(ecs, &view, read(input)).unwrap_err();
        for (input, words) in [
            (
                json!({"taskDefinition": "none"}),
                "TaskDefinition not found.",
            ),
            (json!({"taskDefinition": "web", "count": 11}), "count is 11"),
            (
                json!({"taskDefinition": "web", "enableExecuteCommand": true}),
                "enableExecuteCommand is not supported",
            ),
            (
                json!({"taskDefinition": "web", "placementStrategy": [{"type": "spread"}]}),
                "placementStrategy[0].field",
            ),
        ] {
            let error = of_task(input);
            assert!(error.message.contains(words), "{error}");
        }
        let daemon = json!({"serviceName": "a", "taskDefinition": "web",
            "schedulingStrategy": "DAEMON"});
        assert!(create_service(ecs, &view, read(daemon)).is_err());
        let none = json!({"service": "none"});
        let error = update_service(ecs, &view, read(none)).unwrap_err();
        assert_eq!(error.kind.name(), "ServiceNotFoundException");
        assert!(existing_service(ecs, &view, "", "none").is_err());
        assert!(existing_service(ecs, &view, "none", "web").is_err());
        assert!(existing_task(ecs, &view, "default", arn).is_ok());
        let error = existing_task(ecs, &view, "", &"0".repeat(32)).unwrap_err();
        assert!(error.message.contains("was not found"), "{error}");
    }
}
