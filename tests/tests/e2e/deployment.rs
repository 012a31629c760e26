//! A rolling update stays within what the service allows, at every moment.

use std::time::Instant;

use anyhow::ensure;
use longshore_tests::watcher::{Watcher, outside};
use serde_json::json;

use crate::on_longshore;
use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_keeps_floor_and_ceiling() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let service = Service::create(longshore, 4, 50, 100).await?;
        for (minimum, maximum, floor, ceiling) in [(50, 100, 2, 4), (100, 200, 4, 8)] {
            let definition = service.register().await?;
            let watcher = Watcher::start(longshore, "web")?;
            let started = Instant::now();
            service
                .update(json!({
                    "taskDefinition": definition,
                    "deploymentConfiguration": {
                        "minimumHealthyPercent": minimum,
                        "maximumPercent": maximum,
                    },
                }))
                .await?;
            service.deployed().await?;
            let took = started.elapsed();
            let samples = watcher.stop().await?;
            println!(
                "measured: update of 4 tasks with {minimum}/{maximum} took {:.1} s, {} samples, {} to {} containers",
                took.as_secs_f64(),
                samples.len(),
                samples.iter().map(|s| s.containers).min().unwrap_or(0),
                samples.iter().map(|s| s.containers).max().unwrap_or(0),
            );
            ensure!(samples.len() > 5, "only {} samples", samples.len());
            let faults = outside(&samples, floor, ceiling);
            ensure!(faults.is_empty(), "{minimum}/{maximum}:\n{}", faults.join("\n"));
            // It went as far as it may, so that the bounds were tried.
            ensure!(
                samples.iter().any(|sample| sample.containers != 4),
                "the number of containers never changed"
            );
            for task in service.tasks().await? {
                ensure!(task["taskDefinitionArn"] == *definition, "{task}");
            }
        }
        Ok(())
    })
    .await
}
