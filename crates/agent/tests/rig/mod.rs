//! An agent without its session: the test says what it is told and hears what it reports.

#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use longshore_agent::journal::Journal;
use longshore_agent::node::{Input, Node, Settings};
use longshore_agent::pass::{self, Event, Pass, QUEUE};
use longshore_agent::runtime::Runtime;
use longshore_agent::runtime::docker::login::Logins;
use longshore_agent::runtime::docker::{self, DockerRuntime, Engine};
use longshore_agent::wire::Assignments;
use longshore_model::assignment::Assignment;
use longshore_model::task::DesiredStatus;
use longshore_model::task_definition::{ContainerDefinition, NetworkMode};
use longshore_model::{ClusterName, InstanceId, Mib, TaskId};
use longshore_proto::agent::agent_message::Body;
use longshore_proto::agent::{AgentMessage, TaskReport};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub const IMAGE: &str = "longshore-test/busybox:1";
/// The engine of the docker command, so that both speak to one.
fn engine() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}
/// Longest wait for anything; nothing here takes long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the test image from this machine's static busybox, once.
pub fn image() -> &'static str {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::create_dir(directory.path().join("tmp")).unwrap();
        std::fs::copy("/bin/busybox", bin.join("busybox"))
            .expect("these tests make their image from /bin/busybox: install busybox-static");
        for applet in [
            "sh", "sleep", "echo", "httpd", "env", "cat", "true", "false", "id", "dd", "hostname",
            "pwd", "wget", "yes", "head", "tail",
        ] {
            std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
        }
        let mut tar = Command::new("tar")
            .args(["-C", directory.path().to_str().unwrap(), "-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let done = Command::new("docker")
            .args(["import", "--change", "CMD [\"sleep\",\"3600\"]", "-", IMAGE])
            .stdin(tar.stdout.take().unwrap())
            .output()
            .expect("these tests need the docker command");
        assert!(
            done.status.success(),
            "docker import failed; these tests need a running Docker: {done:?}"
        );
        tar.wait().unwrap();
    });
    IMAGE
}

pub fn random_instance() -> InstanceId {
    InstanceId::new(rand::random())
}

pub fn random_task() -> TaskId {
    TaskId::new(rand::random())
}

pub async fn docker(instance: InstanceId) -> DockerRuntime {
    docker_with(instance, Logins::default()).await
}

/// With logins to image registries.
pub async fn docker_with(instance: InstanceId, logins: Logins) -> DockerRuntime {
    let engine = Engine::connect(&engine()).await.expect(
        "these tests need a Docker engine that answers at DOCKER_HOST or /var/run/docker.sock, and none does",
    );
    let settings = docker::Settings {
        instance,
        concurrency: 8,
        pids_limit: Some(4096),
        logins,
    };
    DockerRuntime::new(&engine, &settings)
}

pub fn container(name: &str, command: &[&str]) -> ContainerDefinition {
    ContainerDefinition {
        name: name.into(),
        image: image().into(),
        memory: Some(Mib(64)),
        essential: true,
        command: command.iter().map(|&word| word.into()).collect(),
        stop_timeout: Some(2),
        ..ContainerDefinition::default()
    }
}

pub fn task(containers: Vec<ContainerDefinition>) -> Assignment {
    let task = random_task();
    Assignment {
        task,
        desired_status: DesiredStatus::Running,
        cluster: ClusterName::default_cluster(),
        task_arn: format!("arn:aws:ecs:eu-central-1:000000000000:task/default/{task}"),
        family: "test".parse().unwrap(),
        revision: 1,
        network_mode: NetworkMode::Bridge,
        cpu: None,
        memory: None,
        containers,
    }
}

/// An agent's loop over some runtime.
pub struct Rig {
    pub events: Sender<Event>,
    heard: Receiver<AgentMessage>,
    tasks: Vec<JoinHandle<()>>,
    generation: u64,
    told: BTreeMap<TaskId, Assignment>,
    pub reports: BTreeMap<TaskId, TaskReport>,
    /// Whether reports are acknowledged as they come.
    pub acknowledge: bool,
}

impl Rig {
    pub async fn start<R: Runtime>(runtime: Arc<R>, data: &Path, settings: Settings) -> Self {
        let (events, inbox) = channel(QUEUE);
        let (journal, records) = Journal::open(data, pass::now(), events.clone()).unwrap();
        let pass = Pass {
            node: Node::new(settings, records),
            runtime: Arc::clone(&runtime),
            journal,
            operations: tokio_util::task::TaskTracker::new(),
            events: events.clone(),
        };
        let tasks = vec![
            tokio::spawn(pass.run(inbox)),
            tokio::spawn(pass::observe(runtime, events.clone())),
        ];
        let (outgoing, heard) = channel(256);
        events.send(Event::SessionOpened(outgoing)).await.unwrap();
        Self {
            events,
            heard,
            tasks,
            generation: 0,
            told: BTreeMap::new(),
            reports: BTreeMap::new(),
            acknowledge: true,
        }
    }

    /// Ends the agent as a crash would.
    pub async fn kill(mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            task.await.ok();
        }
    }

    /// Tells it the complete set.
    pub async fn tell_all(&mut self, tasks: Vec<Assignment>) {
        self.told = tasks.into_iter().map(|task| (task.task, task)).collect();
        self.generation += 1;
        let set = Assignments {
            generation: self.generation,
            complete: true,
            tasks: self.told.values().cloned().collect(),
            removed: vec![],
            revision: self.generation,
            history: String::new(),
            is_put_back: false,
        };
        self.input(Input::Assigned(set)).await;
    }

    /// Tells it to stop a task.
    pub async fn stop(&mut self, task: TaskId) {
        self.told.get_mut(&task).unwrap().desired_status = DesiredStatus::Stopped;
        let tasks = self.told.values().cloned().collect();
        self.tell_all(tasks).await;
    }

    /// Makes the journal hold all that is known by now: the stop of a task that never began is
    /// reported once it is written, and what waits is written with it.
    pub async fn write_journal(&mut self) {
        let mut mark = task(vec![container("mark", &[])]);
        mark.desired_status = DesiredStatus::Stopped;
        let id = mark.task;
        let told = self.told.values().cloned();
        self.tell_all(told.chain([mark]).collect()).await;
        self.status(id, "STOPPED").await;
    }

    async fn input(&self, input: Input) {
        self.events.send(Event::Input(input)).await.unwrap();
    }

    /// Hears reports until one of the task fits.
    pub async fn hear(
        &mut self,
        task: TaskId,
        what: &str,
        fits: impl Fn(&TaskReport) -> bool,
    ) -> TaskReport {
        let id = task.to_string();
        loop {
            if let Some(report) = self.reports.get(&task)
                && fits(report)
            {
                return report.clone();
            }
            let message = timeout(PATIENCE, self.heard.recv()).await;
            let Ok(Some(message)) = message else {
                panic!(
                    "task {id} never came to {what}; last: {:?}",
                    self.reports.get(&task)
                );
            };
            if let Some(Body::Reports(reports)) = message.body {
                for report in reports.tasks {
                    self.reports.insert(report.task_id.parse().unwrap(), report);
                }
                if self.acknowledge {
                    let sequence = reports.sequence;
                    let unread = BTreeSet::new();
                    self.input(Input::ReportsAcknowledged { sequence, unread })
                        .await;
                }
            }
        }
    }

    pub async fn status(&mut self, task: TaskId, status: &str) -> TaskReport {
        self.hear(task, status, |report| report.last_status == status)
            .await
    }
}

/// Removes the containers of an instance when dropped, also when the test fails.
pub struct Sweep(pub InstanceId);

impl Drop for Sweep {
    fn drop(&mut self) {
        for id in containers(self.0) {
            docker_cli(&["rm", "-f", "-v", &id]);
        }
    }
}

pub fn containers(instance: InstanceId) -> Vec<String> {
    let label = format!("label=dev.longshore.instance={instance}");
    let list = docker_cli(&["ps", "-aq", "--no-trunc", "--filter", &label]);
    list.lines().map(str::to_owned).collect()
}

pub fn docker_cli(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// One value of an inspection, in Docker's template language.
pub fn inspect(id: &str, format: &str) -> String {
    docker_cli(&["inspect", "--format", format, id])
}
