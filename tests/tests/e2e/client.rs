//! The same scenario through four clients, and the client in Python that `proto/README.md` shows.

use std::process::Command;

use anyhow::{Context as _, ensure};
use longshore_tests::binary;
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

/// The block of this language in a document.
fn block<'a>(document: &'a str, language: &str) -> anyhow::Result<&'a str> {
    let start = format!("```{language}\n");
    let (_, rest) = document
        .split_once(&start)
        .with_context(|| format!("there is no {language} block"))?;
    let (block, _) = rest.split_once("```").context("the block does not end")?;
    Ok(block)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_client_in_python_works() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let python = binary::python_program("python")?;
        let document = std::fs::read_to_string(binary::root().join("proto/README.md"))?;
        let scratch = tempfile::tempdir()?;
        std::os::unix::fs::symlink(binary::root().join("proto"), scratch.path().join("proto"))?;
        // What it installs is there already; the rest is run as it stands.
        let commands = block(&document, "sh")?;
        let (install, generate) = commands.split_once('\n').context("two commands")?;
        ensure!(install == "pip install grpcio grpcio-tools", "{install}");
        let generate = generate.replacen("python", &python.display().to_string(), 1);
        let run = |program: &str, arguments: &[&str]| -> anyhow::Result<String> {
            let output = Command::new(program)
                .args(arguments)
                .current_dir(scratch.path())
                .envs(longshore.environment()?)
                .output()?;
            let error = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{program}: {error}");
            Ok(String::from_utf8(output.stdout)?)
        };
        run("sh", &["-c", &generate])?;
        let python = python.display().to_string();
        let printed = run(&python, &["-c", block(&document, "python")?])?;
        let expected = "arn:aws:ecs:us-east-1:000000000000:cluster/default\n";
        ensure!(printed == expected, "{printed}");
        Ok(())
    })
    .await
}
