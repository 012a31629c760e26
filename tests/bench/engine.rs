//! The Docker engine that everybody shares, and the bare API as the baseline.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, KillContainerOptions, ListContainersOptions, RemoveContainerOptions,
    StopContainerOptions,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::cpu::Usage;
use crate::report::Sample;
use crate::system::{MEMORY_MIB, PIDS_LIMIT, RELEASE_VARIABLE, Release, Surge, command};

/// Everything that waits gives up after this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// Polling for containers to go away is not measured.
const GONE_POLL: Duration = Duration::from_millis(50);
/// Removals at once; not measured.
const REMOVALS: usize = 4;
const BARE_PREFIX: &str = "longshore-bench-bare";

/// A connection to the engine. Clones share it.
#[derive(Clone)]
pub(crate) struct Engine {
    pub(crate) docker: Docker,
    pub(crate) image: String,
    /// `sha256:…`
    pub(crate) image_id: String,
}

/// One create and start over the bare API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BareStart {
    /// The create call.
    pub(crate) create: Duration,
    /// Create and start together.
    pub(crate) running: Duration,
}

impl Engine {
    /// Connects and looks the image up.
    pub(crate) async fn connect(image: &str) -> Result<Self> {
        let docker = Docker::connect_with_defaults()
            .context("no Docker engine; start dockerd or set DOCKER_HOST")?
            .negotiate_version()
            .await
            .context("the Docker engine does not answer")?;
        let inspect = docker
            .inspect_image(image)
            .await
            .with_context(|| format!("the image {image} is not on the engine"))?;
        let image_id = inspect
            .id
            .context("the engine shows the image without an id")?;
        Ok(Self {
            docker,
            image: image.to_owned(),
            image_id,
        })
    }

    /// Creates and starts one container.
    pub(crate) async fn start_bare(&self, number: u32) -> Result<BareStart> {
        let name = format!("{BARE_PREFIX}-{number}");
        let body = ContainerCreateBody {
            image: Some(self.image.clone()),
            cmd: Some(command()),
            env: Some(vec![format!(
                "{RELEASE_VARIABLE}={}",
                Release::One.number()
            )]),
            host_config: Some(HostConfig {
                memory: Some(i64::from(MEMORY_MIB) * 1024 * 1024),
                pids_limit: Some(PIDS_LIMIT),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..CreateContainerOptions::default()
        };
        let begin = Instant::now();
        self.docker.create_container(Some(options), body).await?;
        let create = begin.elapsed();
        self.docker.start_container(&name, None).await?;
        Ok(BareStart {
            create,
            running: begin.elapsed(),
        })
    }

    /// Creates and starts these, that many at a time; the time until the last start returned.
    pub(crate) async fn start_many(
        &self,
        numbers: Range<u32>,
        concurrency: usize,
    ) -> Result<Duration> {
        let begin = Instant::now();
        stream::iter(numbers)
            .map(|number| self.start_bare(number))
            .buffer_unordered(concurrency)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        Ok(begin.elapsed())
    }

    /// Replaces this many containers, numbered from 0, by as many new ones: what an update cannot
    /// be faster than by much. The time until the last call returned.
    pub(crate) async fn roll_bare(&self, count: u32, surge: Surge) -> Result<Sample> {
        self.start_many(0..count, count as usize).await?;
        let before = Usage::read()?;
        let begin = Instant::now();
        let at_once = match surge {
            Surge::Double => count,
            Surge::Half => count.div_ceil(2),
        };
        stream::iter(0..count)
            .map(|old| async move {
                match surge {
                    Surge::Double => {
                        self.start_bare(count + old).await?;
                        self.stop_bare(old).await
                    }
                    Surge::Half => {
                        self.stop_bare(old).await?;
                        self.start_bare(count + old).await.map(|_| ())
                    }
                }
            })
            .buffer_unordered(at_once as usize)
            .try_for_each(|()| async { Ok(()) })
            .await?;
        let mut sample = Sample::of(begin.elapsed());
        sample.cpu = Usage::read()?.since(&before);
        Ok(sample)
    }

    async fn stop_bare(&self, number: u32) -> Result<()> {
        let name = format!("{BARE_PREFIX}-{number}");
        self.docker
            .stop_container(&name, None::<StopContainerOptions>)
            .await?;
        Ok(())
    }

    /// Removes every container that [`Self::start_bare`] made, running or not.
    pub(crate) async fn remove_bare(&self) -> Result<()> {
        let ours = HashMap::from([("name".to_owned(), vec![format!("^/{BARE_PREFIX}-")])]);
        let containers = self.list(ours, true).await?;
        stream::iter(containers)
            .map(|id| async move {
                let options = RemoveContainerOptions {
                    force: true,
                    v: true,
                    ..RemoveContainerOptions::default()
                };
                self.docker.remove_container(&id, Some(options)).await
            })
            .buffer_unordered(REMOVALS)
            .try_for_each(|()| async { Ok(()) })
            .await?;
        Ok(())
    }

    /// Ends a container as a crash would.
    pub(crate) async fn kill(&self, container: &str) -> Result<()> {
        self.docker
            .kill_container(container, None::<KillContainerOptions>)
            .await?;
        Ok(())
    }

    /// Waits until no container of the image runs.
    pub(crate) async fn wait_idle(&self) -> Result<()> {
        let begin = Instant::now();
        loop {
            let ours = HashMap::from([("ancestor".to_owned(), vec![self.image.clone()])]);
            let running = self.list(ours, false).await?;
            if running.is_empty() {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!(
                    "{} containers of {} still run after {PATIENCE:?}; the first is {}",
                    running.len(),
                    self.image,
                    running.first().map_or("", String::as_str),
                );
            }
            tokio::time::sleep(GONE_POLL).await;
        }
    }

    /// Network, log driver and memory limit of a container, to show that all ran alike.
    pub(crate) async fn describe(&self, container: &str) -> Result<String> {
        let inspect = self.docker.inspect_container(container, None).await?;
        let host = inspect.host_config.unwrap_or_default();
        let networks = inspect
            .network_settings
            .and_then(|settings| settings.networks)
            .unwrap_or_default();
        let mut networks: Vec<_> = networks.into_keys().collect();
        networks.sort();
        Ok(format!(
            "network {}, log driver {}, memory {} MiB, cpu shares {}, pids limit {}, init {}",
            networks.join("+"),
            host.log_config.and_then(|log| log.typ).unwrap_or_default(),
            host.memory.unwrap_or_default() / (1024 * 1024),
            host.cpu_shares.unwrap_or_default(),
            host.pids_limit.unwrap_or_default(),
            host.init.unwrap_or_default(),
        ))
    }

    async fn list(&self, filters: HashMap<String, Vec<String>>, all: bool) -> Result<Vec<String>> {
        let options = ListContainersOptions {
            all,
            filters: Some(filters),
            ..ListContainersOptions::default()
        };
        let containers = self.docker.list_containers(Some(options)).await?;
        Ok(containers.into_iter().filter_map(|c| c.id).collect())
    }
}
