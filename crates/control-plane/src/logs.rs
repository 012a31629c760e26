//! `longshore.node.v1.Logs`: what a container wrote, read from the node it ran on.

use std::sync::Arc;

use longshore_api::context::Ecs;
use longshore_model::arn::Resource;
use longshore_model::{ClusterName, InstanceId, TaskId};
use longshore_proto::agent::LogRequest;
use longshore_proto::node::logs_server::Logs;
use longshore_proto::node::{LogLine, ReadLogsRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::gateway::sessions::Sessions;

/// Lines that may wait for the reader; a slow one slows its own stream only.
const BACKLOG: usize = 16;

/// Serves the RPC; the door's gate stands in front of it.
pub struct LogsService {
    ecs: Arc<Ecs>,
    sessions: Sessions,
}

impl LogsService {
    /// Logs of the agents that have a session here.
    pub fn new(ecs: Arc<Ecs>, sessions: Sessions) -> Self {
        Self { ecs, sessions }
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
        let task = view.tasks.get(&(cluster.clone(), id)).ok_or_else(|| {
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
        let request = request.into_inner();
        let (cluster, instance, task, container) = self.find(&request)?;
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
