//! boto3, in a Python process that answers line by line (`tests/python/boto3_driver.py`).

use std::process::Stdio;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::{Driver, Waiter};
use crate::binary;
use crate::longshore::Longshore;
use crate::wire::Fault;

/// A Python process with a boto3 client.
#[derive(Debug)]
pub struct Boto3 {
    pipes: Mutex<Pipes>,
    _child: Child,
}

#[derive(Debug)]
struct Pipes {
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Boto3 {
    /// For an installation.
    pub fn new(longshore: &Longshore) -> anyhow::Result<Self> {
        let mut child = Command::new(binary::python_program("python")?)
            .arg(binary::root().join("tests/python/boto3_driver.py"))
            .env_clear()
            .envs(longshore.environment()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let requests = child.stdin.take().context("Python has no input")?;
        let answers = child.stdout.take().context("Python has no output")?;
        Ok(Self {
            pipes: Mutex::new(Pipes {
                requests,
                answers: BufReader::new(answers),
            }),
            _child: child,
        })
    }

    async fn ask(&self, request: Value) -> anyhow::Result<Value> {
        let mut pipes = self.pipes.lock().await;
        let mut line = request.to_string();
        line.push('\n');
        pipes.requests.write_all(line.as_bytes()).await?;
        line.clear();
        if pipes.answers.read_line(&mut line).await? == 0 {
            bail!("the Python process ended; its error is above");
        }
        let mut answer: Value = serde_json::from_str(&line)?;
        if let Some(fault) = answer.get("fault") {
            let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
            return Err(anyhow!(Fault {
                status: 0,
                kind: text("kind"),
                message: text("message"),
            }));
        }
        if let Some(error) = answer.get("error") {
            bail!("boto3: {error}");
        }
        Ok(answer["output"].take())
    }
}

impl Driver for Boto3 {
    async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        self.ask(json!({"operation": operation, "input": input}))
            .await
    }

    async fn wait(&self, waiter: Waiter, input: Value) -> anyhow::Result<()> {
        self.ask(json!({"waiter": waiter.name(), "input": input}))
            .await
            .map(drop)
    }
}
