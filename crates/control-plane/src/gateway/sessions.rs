//! The open sessions, one per container instance.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use longshore_model::{ClusterName, InstanceId};
use longshore_proto::agent::control_message::Body;
use longshore_proto::agent::{ControlMessage, LogCancel, LogChunk, LogRequest};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Chunks of one log answer that may wait for its reader.
const LOG_BACKLOG: usize = 64;
/// Log answers one instance may be giving at once.
const MAX_LOG_REQUESTS: usize = 32;

type Node = (ClusterName, InstanceId);
type Outbound = mpsc::Sender<Result<ControlMessage, Status>>;

/// The open sessions. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    open: Arc<Mutex<BTreeMap<Node, Session>>>,
    next: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
struct Session {
    id: u64,
    outbound: Outbound,
    fenced: CancellationToken,
    logs: Arc<Mutex<BTreeMap<u64, mpsc::Sender<LogChunk>>>>,
}

/// A session's place among the open ones, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    sessions: Sessions,
    node: Node,
    session: Session,
}

/// A log answer as it comes in; dropping it tells the agent to stop.
#[derive(Debug)]
pub struct LogStream {
    chunks: mpsc::Receiver<LogChunk>,
    request_id: u64,
    session: Session,
}

impl Sessions {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Opens a session; an older one of the same instance is fenced.
    pub(super) fn open(&self, node: Node, outbound: Outbound) -> Place {
        let session = Session {
            id: self.number(),
            outbound,
            fenced: CancellationToken::new(),
            logs: Arc::default(),
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = open.insert(node.clone(), session.clone()) {
            older.fenced.cancel();
        }
        Place {
            sessions: self.clone(),
            node,
            session,
        }
    }

    /// Whether the agent of an instance has a session here.
    pub fn is_open(&self, node: &Node) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.contains_key(node)
    }

    /// Asks the agent of an instance for the output of a container.
    ///
    /// # Errors
    /// `unavailable` if the agent is not connected, `resource_exhausted` if it is giving too many
    /// answers already.
    pub async fn read_logs(
        &self,
        node: &Node,
        mut request: LogRequest,
    ) -> Result<LogStream, Status> {
        let session = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.get(node).cloned()
        };
        let session = session.ok_or_else(|| {
            Status::unavailable(format!(
                "the agent of container instance {} is not connected; its logs can be read once it is back",
                node.1
            ))
        })?;
        request.request_id = self.number();
        let request_id = request.request_id;
        let (sender, chunks) = mpsc::channel(LOG_BACKLOG);
        {
            let mut logs = session.logs.lock().unwrap_or_else(PoisonError::into_inner);
            if logs.len() >= MAX_LOG_REQUESTS {
                return Err(Status::resource_exhausted(format!(
                    "container instance {} is giving {MAX_LOG_REQUESTS} log answers already; try again later",
                    node.1
                )));
            }
            logs.insert(request_id, sender);
        }
        let message = ControlMessage {
            body: Some(Body::LogRequest(request)),
        };
        let stream = LogStream {
            chunks,
            request_id,
            session,
        };
        match stream.session.outbound.send(Ok(message)).await {
            Ok(()) => Ok(stream),
            Err(_) => Err(Status::unavailable(
                "the agent has just disconnected; try again",
            )),
        }
    }
}

impl Place {
    /// Resolves when a newer session of the same instance has taken over.
    pub(super) async fn fenced(&self) {
        self.session.fenced.cancelled().await;
    }

    /// Whether this is the session of its instance. Only that one may say it is disconnected.
    pub(super) fn is_current(&self) -> bool {
        !self.session.fenced.is_cancelled()
    }

    /// Hands a chunk to whoever asked for it. A reader that does not keep up is dropped, so that
    /// it never holds up the session.
    pub(super) fn deliver(&self, chunk: LogChunk) {
        let mut logs = self
            .session
            .logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (id, end) = (chunk.request_id, chunk.end);
        let delivered = logs
            .get(&id)
            .is_some_and(|reader| reader.try_send(chunk).is_ok());
        if end || !delivered {
            logs.remove(&id);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self
            .sessions
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if open
            .get(&self.node)
            .is_some_and(|current| current.id == self.session.id)
        {
            open.remove(&self.node);
        }
        self.session
            .logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl LogStream {
    /// The next chunk; `None` when the answer broke off.
    pub async fn next(&mut self) -> Option<LogChunk> {
        self.chunks.recv().await
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        let asked = {
            let mut logs = self
                .session
                .logs
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            logs.remove(&self.request_id).is_some()
        };
        if asked {
            let cancel = LogCancel {
                request_id: self.request_id,
            };
            let message = ControlMessage {
                body: Some(Body::LogCancel(cancel)),
            };
            // If the queue is full the agent's next chunk finds no reader and is dropped.
            let _ = self.session.outbound.try_send(Ok(message));
        }
    }
}
