//! The same scenario through four clients.

use longshore_tests::driver::{AwsCli, Boto3, Grpc, RustSdk};
use longshore_tests::scenario;

use crate::on_longshore;

#[tokio::test(flavor = "multi_thread")]
async fn scenario_through_the_aws_cli() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        scenario::run(&AwsCli::new(longshore)?).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_through_boto3() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        scenario::run(&Boto3::new(longshore)?).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_through_the_rust_sdk() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        scenario::run(&RustSdk::new(longshore).await?).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_through_grpc_and_reflection() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        scenario::run(&Grpc::new(longshore).await?).await
    })
    .await
}
