//! Lists of the API, read page by page and described in full.

use longshore_proto::ecs;

use crate::api::{self, Api, ApiError};

/// With 100 entries each, more than any quota of ECS lets one list hold on one screen.
const MAX_PAGES: usize = 1000;
/// What one Describe call takes, for clusters, container instances and tasks.
const DESCRIBE_BATCH: usize = 100;
/// What DescribeServices takes.
const DESCRIBE_SERVICES_BATCH: usize = 10;
const PAGE_SIZE: i32 = 100;

/// Follows `nextToken` to the end of a list.
///
/// Errors: those of the call; the list has more than [`MAX_PAGES`] pages.
async fn every_page<T>(
    mut page: impl AsyncFnMut(Option<String>) -> Result<(Vec<T>, Option<String>), ApiError>,
) -> Result<Vec<T>, ApiError> {
    let mut all = Vec::new();
    let mut token = None;
    for _ in 0..MAX_PAGES {
        let (entries, next) = page(token).await?;
        all.extend(entries);
        if next.is_none() {
            return Ok(all);
        }
        token = next;
    }
    Err(ApiError::EndlessList(MAX_PAGES))
}

/// Every cluster.
pub(crate) async fn clusters(api: &Api) -> Result<Vec<ecs::Cluster>, ApiError> {
    let arns = every_page(async |next_token| {
        let request = ecs::ListClustersRequest {
            next_token,
            max_results: Some(PAGE_SIZE),
        };
        let page = api::answer(api.ecs.clone().list_clusters(request).await)?;
        Ok((page.cluster_arns, page.next_token))
    })
    .await?;
    let mut clusters = Vec::new();
    for batch in arns.chunks(DESCRIBE_BATCH) {
        clusters.extend(describe_clusters(api, batch).await?);
    }
    Ok(clusters)
}

/// The named clusters; those that do not exist are left out.
pub(crate) async fn describe_clusters(
    api: &Api,
    clusters: &[String],
) -> Result<Vec<ecs::Cluster>, ApiError> {
    let request = ecs::DescribeClustersRequest {
        clusters: clusters.to_vec(),
        include: Vec::new(),
    };
    let response = api::answer(api.ecs.clone().describe_clusters(request).await)?;
    Ok(response.clusters)
}

/// Every container instance of a cluster, or those that `filter` holds for, an expression of the
/// cluster query language.
pub(crate) async fn container_instances(
    api: &Api,
    cluster: &str,
    filter: Option<&str>,
) -> Result<Vec<ecs::ContainerInstance>, ApiError> {
    let arns = every_page(async |next_token| {
        let request = ecs::ListContainerInstancesRequest {
            cluster: Some(cluster.to_owned()),
            filter: filter.map(str::to_owned),
            next_token,
            max_results: Some(PAGE_SIZE),
            ..Default::default()
        };
        let page = api::answer(api.ecs.clone().list_container_instances(request).await)?;
        Ok((page.container_instance_arns, page.next_token))
    })
    .await?;
    let mut instances = Vec::new();
    for batch in arns.chunks(DESCRIBE_BATCH) {
        let request = ecs::DescribeContainerInstancesRequest {
            cluster: Some(cluster.to_owned()),
            container_instances: batch.to_vec(),
            include: Vec::new(),
        };
        let response = api::answer(api.ecs.clone().describe_container_instances(request).await)?;
        instances.extend(response.container_instances);
    }
    Ok(instances)
}

/// The attributes of the container instances of a cluster; with `name` only those of that name.
pub(crate) async fn attributes(
    api: &Api,
    cluster: &str,
    name: Option<&str>,
) -> Result<Vec<ecs::Attribute>, ApiError> {
    every_page(async |next_token| {
        let request = ecs::ListAttributesRequest {
            cluster: Some(cluster.to_owned()),
            target_type: Some("container-instance".to_owned()),
            attribute_name: name.map(str::to_owned),
            next_token,
            max_results: Some(PAGE_SIZE),
            ..Default::default()
        };
        let page = api::answer(api.ecs.clone().list_attributes(request).await)?;
        Ok((page.attributes, page.next_token))
    })
    .await
}

/// Every service of a cluster.
pub(crate) async fn services(api: &Api, cluster: &str) -> Result<Vec<ecs::Service>, ApiError> {
    let arns = every_page(async |next_token| {
        let request = ecs::ListServicesRequest {
            cluster: Some(cluster.to_owned()),
            next_token,
            max_results: Some(PAGE_SIZE),
            ..Default::default()
        };
        let page = api::answer(api.ecs.clone().list_services(request).await)?;
        Ok((page.service_arns, page.next_token))
    })
    .await?;
    let mut services = Vec::new();
    for batch in arns.chunks(DESCRIBE_SERVICES_BATCH) {
        services.extend(describe_services(api, cluster, batch).await?);
    }
    services.sort_by(|a, b| a.service_name.cmp(&b.service_name));
    Ok(services)
}

/// The named services, at most 10; those that do not exist are left out.
pub(crate) async fn describe_services(
    api: &Api,
    cluster: &str,
    services: &[String],
) -> Result<Vec<ecs::Service>, ApiError> {
    let request = ecs::DescribeServicesRequest {
        cluster: Some(cluster.to_owned()),
        services: services.to_vec(),
        include: Vec::new(),
    };
    let response = api::answer(api.ecs.clone().describe_services(request).await)?;
    Ok(response.services)
}

/// ARNs of the tasks of a cluster with this desired status, RUNNING or STOPPED.
pub(crate) async fn task_arns(
    api: &Api,
    cluster: &str,
    desired_status: &str,
) -> Result<Vec<String>, ApiError> {
    every_page(async |next_token| {
        let request = ecs::ListTasksRequest {
            cluster: Some(cluster.to_owned()),
            desired_status: Some(desired_status.to_owned()),
            next_token,
            max_results: Some(PAGE_SIZE),
            ..Default::default()
        };
        let page = api::answer(api.ecs.clone().list_tasks(request).await)?;
        Ok((page.task_arns, page.next_token))
    })
    .await
}

/// The tasks with these ids or ARNs; those that do not exist are left out.
pub(crate) async fn describe_tasks(
    api: &Api,
    cluster: &str,
    tasks: &[String],
) -> Result<Vec<ecs::Task>, ApiError> {
    let mut described = Vec::new();
    for batch in tasks.chunks(DESCRIBE_BATCH) {
        let request = ecs::DescribeTasksRequest {
            cluster: Some(cluster.to_owned()),
            tasks: batch.to_vec(),
            include: Vec::new(),
        };
        let response = api::answer(api.ecs.clone().describe_tasks(request).await)?;
        described.extend(response.tasks);
    }
    Ok(described)
}

/// The tasks of a cluster, newest first: those that are to run and those still stopping, and
/// with `stopped` also those that have stopped.
pub(crate) async fn tasks(
    api: &Api,
    cluster: &str,
    stopped: bool,
) -> Result<Vec<ecs::Task>, ApiError> {
    let mut arns = task_arns(api, cluster, "RUNNING").await?;
    arns.extend(task_arns(api, cluster, "STOPPED").await?);
    // A task told to stop between the two calls is in both answers.
    arns.sort_unstable();
    arns.dedup();
    let mut tasks = describe_tasks(api, cluster, &arns).await?;
    tasks.retain(|task| stopped || task.last_status.as_deref() != Some("STOPPED"));
    tasks.sort_by_key(|task| std::cmp::Reverse(task.created_at));
    Ok(tasks)
}

/// ARNs of the ACTIVE task definitions, of one family or of all.
pub(crate) async fn task_definition_arns(
    api: &Api,
    family: Option<&str>,
) -> Result<Vec<String>, ApiError> {
    every_page(async |next_token| {
        let request = ecs::ListTaskDefinitionsRequest {
            family_prefix: family.map(str::to_owned),
            next_token,
            max_results: Some(PAGE_SIZE),
            ..Default::default()
        };
        let page = api::answer(api.ecs.clone().list_task_definitions(request).await)?;
        Ok((page.task_definition_arns, page.next_token))
    })
    .await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_are_followed_to_the_end_and_not_further() {
        let all = every_page(async |token: Option<String>| {
            let page: usize = token.map_or(0, |token| token.parse().unwrap());
            let next = (page < 2).then(|| (page + 1).to_string());
            Ok((vec![page], next))
        })
        .await;
        assert_eq!(all.unwrap(), [0, 1, 2]);
        let mut calls = 0;
        let endless = every_page(async |_| {
            calls += 1;
            Ok((vec![()], Some("again".to_owned())))
        })
        .await;
        assert!(matches!(endless, Err(ApiError::EndlessList(MAX_PAGES))));
        assert_eq!(calls, MAX_PAGES);
    }
}
