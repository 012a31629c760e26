//! The test image, and what Docker says about the containers of an installation.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use bollard::query_parameters::{EventsOptions, ListContainersOptions};
use futures::{Stream, StreamExt as _};

/// The image that all test tasks run: a static busybox and `/server`, an HTTP server on port 80
/// that says `hello` and ends at once when told to stop.
pub const IMAGE: &str = "longshore-test:1";

/// The container instance a container belongs to.
const INSTANCE_LABEL: &str = "dev.longshore.instance";
/// The task a container belongs to, as anyone who knows ECS looks for it.
const TASK_ARN_LABEL: &str = "com.amazonaws.ecs.task-arn";

/// Process 1 has no default reaction to SIGTERM: it must be asked for.
const SERVER: &str = "#!/bin/sh
trap 'exit 0' TERM
httpd -p 80 -h /www
while :; do sleep 3600 & wait $!; done
";

/// A connection to the daemon.
#[derive(Debug, Clone)]
pub struct Docker {
    client: bollard::Docker,
}

/// One container that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Docker's id.
    pub id: String,
    /// `running`, `exited`, `created` ...
    pub state: String,
    /// ARN of its task.
    pub task: String,
}

impl Docker {
    /// Connects where the Docker command would.
    ///
    /// Errors: no daemon answers.
    pub async fn connect() -> anyhow::Result<Self> {
        let client = bollard::Docker::connect_with_defaults()?;
        client.ping().await.context(
            "no Docker daemon answers; start one with `sudo dockerd`, or run scripts/test",
        )?;
        Ok(Self { client })
    }

    /// Makes the test image, unless it is there.
    pub async fn build_image(&self) -> anyhow::Result<()> {
        if self.client.inspect_image(IMAGE).await.is_ok() {
            return Ok(());
        }
        let files = tempfile::tempdir()?;
        let root = files.path();
        for directory in ["bin", "www", "tmp", "etc"] {
            std::fs::create_dir(root.join(directory))?;
        }
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| Path::new(path).is_file())
            .context("no busybox; install the Debian package busybox-static")?;
        std::fs::copy(busybox, root.join("bin/busybox"))?;
        for command in [
            "sh", "httpd", "sleep", "cat", "echo", "true", "false", "env",
        ] {
            symlink("busybox", root.join("bin").join(command))?;
        }
        std::fs::write(root.join("www/index.html"), "hello\n")?;
        let server = root.join("server");
        std::fs::write(&server, SERVER)?;
        make_executable(&server)?;
        let mut tar = Command::new("tar")
            .args(["-c", "--owner=0", "--group=0", "-C"])
            .arg(root)
            .arg(".")
            .stdout(Stdio::piped())
            .spawn()?;
        let archive = tar.stdout.take().context("tar has no output")?;
        let output = Command::new("docker")
            .args(["import", "--change", "CMD [\"/server\"]", "-", IMAGE])
            .stdin(archive)
            .output()?;
        if !tar.wait()?.success() || !output.status.success() {
            bail!(
                "cannot import {IMAGE}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    /// The containers of these container instances, stopped ones too.
    pub async fn containers_of(&self, instances: &[String]) -> anyhow::Result<Vec<Container>> {
        let mut found = Vec::new();
        for instance in instances {
            let labels = vec![format!("{INSTANCE_LABEL}={instance}")];
            let options = ListContainersOptions {
                all: true,
                filters: Some(HashMap::from([("label".to_owned(), labels)])),
                ..ListContainersOptions::default()
            };
            for summary in self.client.list_containers(Some(options)).await? {
                let labels = summary.labels.unwrap_or_default();
                found.push(Container {
                    id: summary.id.unwrap_or_default(),
                    state: summary.state.map(|s| s.to_string()).unwrap_or_default(),
                    task: labels.get(TASK_ARN_LABEL).cloned().unwrap_or_default(),
                });
            }
        }
        Ok(found)
    }

    /// The containers that run, by the ARN of their task.
    pub async fn running(
        &self,
        instances: &[String],
    ) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let mut running: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for container in self.containers_of(instances).await? {
            if container.state == "running" {
                running
                    .entry(container.task)
                    .or_default()
                    .push(container.id);
            }
        }
        Ok(running)
    }

    /// The process id on this machine of a container's first process.
    pub async fn pid(&self, container: &str) -> anyhow::Result<u32> {
        let inspected = self.client.inspect_container(container, None).await?;
        let pid = inspected.state.and_then(|state| state.pid).unwrap_or(0);
        if pid <= 0 {
            bail!("container {container} has no process");
        }
        Ok(u32::try_from(pid)?)
    }

    /// What happened to the containers of these instances since a time, in seconds since the
    /// epoch: `(start or die, task ARN)`, in order.
    pub async fn starts_and_ends(
        &self,
        instances: &[String],
        since: u64,
    ) -> anyhow::Result<Vec<(String, String)>> {
        // To the end of this second, which Docker waits for.
        let until = seconds_since_epoch()? + 1;
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            (
                "event".to_owned(),
                vec!["start".to_owned(), "die".to_owned()],
            ),
        ]);
        let options = EventsOptions {
            since: Some(since.to_string()),
            until: Some(until.to_string()),
            filters: Some(filters),
        };
        let mut events = self.client.events(Some(options));
        let mut found = Vec::new();
        while let Some(event) = events.next().await {
            let event = event?;
            let labels = event
                .actor
                .and_then(|actor| actor.attributes)
                .unwrap_or_default();
            let ours = labels
                .get(INSTANCE_LABEL)
                .is_some_and(|instance| instances.contains(instance));
            if ours {
                let task = labels.get(TASK_ARN_LABEL).cloned().unwrap_or_default();
                found.push((event.action.unwrap_or_default(), task));
            }
        }
        Ok(found)
    }
}

/// A container of ours started or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// Milliseconds since the epoch.
    pub at: i64,
    /// `start` or `die`.
    pub action: String,
    /// ARN of its task.
    pub task: String,
}

impl Docker {
    /// What happens to the containers of these instances from now on, until the stream is dropped.
    /// Docker itself remembers the last few hundred only.
    pub fn happenings(
        &self,
        instances: &[String],
    ) -> impl Stream<Item = anyhow::Result<Happening>> + Send + use<> {
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            (
                "event".to_owned(),
                vec!["start".to_owned(), "die".to_owned()],
            ),
        ]);
        let options = EventsOptions {
            filters: Some(filters),
            ..EventsOptions::default()
        };
        let instances = instances.to_vec();
        let events = self.client.events(Some(options));
        events.filter_map(move |event| {
            let happening = event
                .map_err(anyhow::Error::from)
                .map(|event| {
                    let labels = event.actor?.attributes?;
                    let ours = instances.contains(labels.get(INSTANCE_LABEL)?);
                    ours.then_some(Happening {
                        at: event.time_nano.unwrap_or_default() / 1_000_000,
                        action: event.action.unwrap_or_default(),
                        task: labels.get(TASK_ARN_LABEL).cloned().unwrap_or_default(),
                    })
                })
                .transpose();
            std::future::ready(happening)
        })
    }
}

/// The time, as Docker's event filters take it.
pub fn seconds_since_epoch() -> anyhow::Result<u64> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(since.as_secs())
}

/// Removes whatever is left of a container instance. Runs without a runtime, for destructors.
pub fn remove_containers_of(instance: &str) -> anyhow::Result<()> {
    let label = format!("label={INSTANCE_LABEL}={instance}");
    let output = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter", &label])
        .output()?;
    let ids = String::from_utf8(output.stdout)?;
    let ids: Vec<&str> = ids.split_whitespace().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let output = Command::new("docker")
        .args(["rm", "--force", "--volumes"])
        .args(ids)
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}
