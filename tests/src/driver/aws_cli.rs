//! The stock AWS CLI, with nothing but what `eval "$(longshore env)"` sets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use tokio::process::Command;

use super::{Driver, Waiter, in_lower_case};
use crate::binary;
use crate::longshore::Longshore;
use crate::wire::Fault;

/// Runs `aws ...`.
#[derive(Debug)]
pub struct AwsCli {
    program: PathBuf,
    environment: BTreeMap<String, String>,
}

impl AwsCli {
    /// For an installation.
    pub fn new(longshore: &Longshore) -> anyhow::Result<Self> {
        Ok(Self {
            program: binary::python_program("aws")?,
            environment: longshore.environment()?,
        })
    }

    /// Runs `aws ecs` with these arguments. Returns what it prints.
    ///
    /// Errors: a [`Fault`] if the service answered with one; else what it said.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.of("ecs", arguments).await
    }

    /// Runs the command of any service, such as `sts`, with these arguments.
    ///
    /// Errors: as [`AwsCli::run`].
    pub async fn of(&self, service: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.program)
            .arg(service)
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .output()
            .await?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        let error = String::from_utf8_lossy(&output.stderr);
        match fault(&error) {
            Some(fault) => Err(anyhow!(fault)),
            None => bail!("aws {service} {}: {}", arguments.join(" "), error.trim()),
        }
    }
}

/// Reads `An error occurred (KIND) when calling the NAME operation: MESSAGE`.
fn fault(error: &str) -> Option<Fault> {
    let (_, rest) = error.split_once("An error occurred (")?;
    let (kind, rest) = rest.split_once(')')?;
    let (_, message) = rest.split_once("operation: ")?;
    Some(Fault {
        status: 0,
        kind: kind.to_owned(),
        message: message.trim().to_owned(),
    })
}

impl Driver for AwsCli {
    async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        let command = in_lower_case(operation, '-');
        let input = input.to_string();
        let printed = self
            .run(&[&command, "--output", "json", "--cli-input-json", &input])
            .await?;
        serde_json::from_str(&printed).with_context(|| format!("aws ecs {command}: {printed}"))
    }

    async fn wait(&self, waiter: Waiter, input: Value) -> anyhow::Result<()> {
        let name = in_lower_case(waiter.name(), '-');
        let mut arguments = vec!["wait".to_owned(), name];
        for (field, value) in input.as_object().into_iter().flatten() {
            arguments.push(format!("--{field}"));
            let values = value.as_array().cloned().unwrap_or(vec![value.clone()]);
            arguments.extend(values.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run(&arguments).await.map(drop)
    }
}
