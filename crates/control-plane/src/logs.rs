//! `longshore.node.v1.Logs`: what a container wrote, read from the node it ran on.
//!
//! The agent has a session with one control plane; any other one passes the call on to that. What
//! is passed on comes in through the listener for agents and is answered here or not at all, so
//! that a call is passed on once at most.

use std::sync::Arc;

use longshore_ecs::context::Ecs;
use longshore_model::arn::Resource;
use longshore_model::{ClusterName, InstanceId, TaskId};
use longshore_proto::agent::LogRequest;
use longshore_proto::node::logs_server::Logs;
use longshore_proto::node::{LogLine, ReadLogsRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::gateway::fresh;
use crate::gateway::sessions::Sessions;
use crate::peers::{self, Peers};
use crate::standing::Standing;

/// Lines that may wait for the reader; a slow one slows its own stream only.
const BACKLOG: usize = 16;

/// Where the call comes from.
#[derive(Debug, Clone)]
pub enum Asker {
    /// People; the door's gate stands in front.
    People(Arc<Peers>),
    /// Another control plane, whose certificate is checked here.
    Peers,
}

/// Serves the RPC.
pub struct LogsService {
    ecs: Arc<Ecs>,
    sessions: Sessions,
    standing: Arc<Standing>,
    asker: Asker,
}

impl LogsService {
    /// Logs of all agents, to people; of the agents that have a session here, to other control
    /// planes.
    pub fn new(ecs: Arc<Ecs>, sessions: Sessions, standing: Arc<Standing>, asker: Asker) -> Self {
        Self {
            ecs,
            sessions,
            standing,
            asker,
        }
    }

    /// Where the control plane that has the session of an instance is reached, if it is another
    /// one that lives.
    fn elsewhere(&self, cluster: &ClusterName, instance: InstanceId) -> Option<String> {
        let node = (cluster.clone(), instance);
        if self.sessions.is_open(&node) {
            return None;
        }
        let view = self.ecs.db.view();
        let replica = view.instances.get(&node)?.replica?;
        let holder = view.replicas.get(&replica)?;
        (replica != self.standing.id()).then(|| holder.agents.clone())?
    }

    /// The task, where it is, and the container that is meant.
    fn find(
        &self,
        request: &ReadLogsRequest,
    ) -> Result<(ClusterName, InstanceId, TaskId, String), Status> {
        let invalid = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
        let named = if request.cluster.is_empty() {
            ClusterName::default_cluster()
        } else {
            request
                .cluster
                .parse()
                .map_err(|error: longshore_model::name::InvalidName| invalid(&error))?
        };
        let (cluster, id) = if request.task.starts_with("arn:") {
            match self
                .ecs
                .realm
                .parse(&request.task)
                .map_err(|error| invalid(&error))?
            {
                Resource::Task(cluster, id) => (cluster.unwrap_or(named), id),
                _ => {
                    return Err(invalid(&format!(
                        "{} is not the ARN of a task",
                        request.task
                    )));
                }
            }
        } else {
            let id = request.task.parse();
            (
                named,
                id.map_err(|error: longshore_model::id::InvalidId| invalid(&error))?,
            )
        };
        let view = self.ecs.db.view();
        let task = view.tasks.get(&cluster, id).ok_or_else(|| {
            Status::not_found(format!(
                "cluster {cluster} has no task {id}; it may have been forgotten"
            ))
        })?;
        let names: Vec<&str> = task.containers.iter().map(|c| c.name.as_str()).collect();
        let container = match (request.container.as_str(), names.as_slice()) {
            ("", [only]) => (*only).to_owned(),
            ("", several) => {
                return Err(invalid(&format!(
                    "task {id} has several containers; name one of {}",
                    several.join(", ")
                )));
            }
            (name, names) if names.contains(&name) => name.to_owned(),
            (name, names) => {
                return Err(Status::not_found(format!(
                    "task {id} has no container {name}; it has {}",
                    names.join(", ")
                )));
            }
        };
        Ok((cluster, task.instance, id, container))
    }
}

#[tonic::async_trait]
impl Logs for LogsService {
    type ReadLogsStream = ReceiverStream<Result<LogLine, Status>>;

    async fn read_logs(
        &self,
        request: Request<ReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        if matches!(self.asker, Asker::Peers) {
            peers::check(&request)?;
        }
        let request = request.into_inner();
        fresh(&self.ecs).await?;
        let (cluster, instance, task, container) = self.find(&request)?;
        if let Asker::People(peers) = &self.asker
            && let Some(address) = self.elsewhere(&cluster, instance)
        {
            let lines = peers.read_logs(&address, request).await?;
            return Ok(Response::new(pass_on(lines)));
        }
        let wanted = LogRequest {
            request_id: 0,
            task_id: task.to_string(),
            container: container.clone(),
            follow: request.follow,
            tail: request.tail,
        };
        let mut chunks = self
            .sessions
            .read_logs(&(cluster, instance), wanted)
            .await?;
        let (sender, stream) = mpsc::channel(BACKLOG);
        tokio::spawn(async move {
            loop {
                let chunk = tokio::select! {
                    chunk = chunks.next() => chunk,
                    () = sender.closed() => return,
                };
                let item = match chunk {
                    Some(chunk) if chunk.end && chunk.error.is_empty() => return,
                    Some(chunk) if chunk.end => Err(Status::unavailable(chunk.error)),
                    Some(chunk) => Ok(LogLine {
                        container: container.clone(),
                        stream: chunk.stream,
                        data: chunk.data,
                    }),
                    None => Err(Status::unavailable(
                        "the agent disconnected or the reader was too slow; read again",
                    )),
                };
                let last = item.is_err();
                if sender.send(item).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// What another control plane answers, as our own answer.
fn pass_on(mut lines: Streaming<LogLine>) -> ReceiverStream<Result<LogLine, Status>> {
    let (sender, stream) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        loop {
            let line = tokio::select! {
                line = lines.message() => line,
                () = sender.closed() => return,
            };
            let Some(item) = line.transpose() else { return };
            let last = item.is_err();
            if sender.send(item).await.is_err() || last {
                return;
            }
        }
    });
    ReceiverStream::new(stream)
}
