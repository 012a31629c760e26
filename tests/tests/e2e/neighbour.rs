//! The AWS services beside ECS, through stock clients and nothing but what `longshore env` sets:
//! those that are served answer on each wire, and every other is refused by its name.

use anyhow::{Context as _, bail, ensure};
use longshore_tests::driver::{AwsCli, configuration};
use longshore_tests::longshore::Longshore;
use longshore_tests::wire::Fault;
use serde_json::{Value, json};

use crate::on_longshore;

#[tokio::test(flavor = "multi_thread")]
async fn services_beside_ecs_answer_on_their_own_wires() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let aws = AwsCli::new(longshore)?;
        served(&aws).await?;
        refused(&aws).await?;
        cloudwatch_by_the_rust_sdk(longshore).await
    })
    .await
}

async fn called(aws: &AwsCli, service: &str, arguments: &[&str]) -> anyhow::Result<Value> {
    let mut all = arguments.to_vec();
    all.extend(["--output", "json"]);
    let printed = aws.of(service, &all).await?;
    serde_json::from_str(&printed).with_context(|| format!("aws {service} prints {printed}"))
}

async fn served(aws: &AwsCli) -> anyhow::Result<()> {
    // Query.
    let who = called(aws, "sts", &["get-caller-identity"]).await?;
    ensure!(who["Account"] == "000000000000", "{who}");
    let arn = who["Arn"].as_str().unwrap_or_default();
    ensure!(arn.ends_with(":user/admin"), "{who}");
    // AWS JSON 1.1 and 1.0.
    let targets = ["describe-scalable-targets", "--service-namespace", "ecs"];
    let targets = called(aws, "application-autoscaling", &targets).await?;
    ensure!(targets == json!({"ScalableTargets": []}), "{targets}");
    let metrics = called(aws, "cloudwatch", &["list-metrics"]).await?;
    ensure!(metrics == json!({"Metrics": []}), "{metrics}");
    // EC2's query.
    let zones = [
        "describe-availability-zones",
        "--filters",
        "Name=zone-name,Values=*",
    ];
    let zones = called(aws, "ec2", &zones).await?;
    let names: Vec<_> = zones["AvailabilityZones"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|zone| zone["ZoneName"].clone())
        .collect();
    ensure!(names.contains(&json!("us-east-1a")), "{zones}");
    // REST-JSON.
    let groups = [
        "list-schedule-groups",
        "--name-prefix",
        "def",
        "--max-results",
        "1",
    ];
    let groups = called(aws, "scheduler", &groups).await?;
    ensure!(groups["ScheduleGroups"][0]["Name"] == "default", "{groups}");
    Ok(())
}

/// The code that the client sees, and words that its message must hold.
async fn refused(aws: &AwsCli) -> anyhow::Result<()> {
    for (service, arguments, code, words) in [
        (
            "logs",
            &["describe-log-groups"][..],
            "UnsupportedOperationException",
            "longshore task logs",
        ),
        (
            "elbv2",
            &["describe-load-balancers"],
            "UnsupportedOperation",
            "(elbv2)",
        ),
        (
            "s3api",
            &["list-buckets"],
            "UnsupportedOperation",
            "AWS_ENDPOINT_URL_S3",
        ),
        (
            "iam",
            &["list-users"],
            "UnsupportedOperation",
            "access-keys.json",
        ),
        (
            "lambda",
            &["list-functions"],
            "UnsupportedOperationException",
            "as a task",
        ),
        (
            "dynamodb",
            &["list-tables"],
            "UnsupportedOperationException",
            "DynamoDB",
        ),
        (
            "ec2",
            &["describe-instances"],
            "UnsupportedOperation",
            "DescribeInstances of Amazon EC2",
        ),
        (
            "scheduler",
            &["list-schedules"],
            "UnsupportedOperationException",
            "GET /schedules",
        ),
        (
            "ec2",
            &["describe-availability-zones", "--dry-run"],
            "DryRunOperation",
            "would have",
        ),
        (
            "ec2",
            &["describe-availability-zones", "--zone-names", "mars"],
            "InvalidParameterValue",
            "[mars]",
        ),
        (
            "ecs",
            &["describe-capacity-providers"],
            "UnsupportedFeatureException",
            "DescribeCapa",
        ),
    ] {
        let called = aws.of(service, arguments).await;
        let Err(error) = called else {
            bail!("aws {service} {arguments:?} is answered");
        };
        let fault: &Fault = error
            .downcast_ref()
            .with_context(|| format!("aws {service} says {error:#}"))?;
        ensure!(fault.kind == code, "aws {service}: {fault:?}");
        ensure!(fault.message.contains(words), "aws {service}: {fault:?}");
    }
    Ok(())
}

/// The SDK speaks RPC v2 CBOR to CloudWatch.
async fn cloudwatch_by_the_rust_sdk(longshore: &Longshore) -> anyhow::Result<()> {
    let configuration = configuration(longshore).await?;
    let client = aws_sdk_cloudwatch::Client::new(&configuration);
    let answered = client.list_metrics().namespace("AWS/ECS").send().await?;
    ensure!(answered.metrics().is_empty(), "{answered:?}");
    let refused = client.describe_alarms().send().await;
    let Err(error) = refused else {
        bail!("DescribeAlarms is answered");
    };
    let told = format!("{:?}", error.as_service_error());
    ensure!(
        told.contains("Longshore does not offer DescribeAlarms"),
        "{told}"
    );
    Ok(())
}
