//! Containers' output, sent to whoever asks for it through the control plane.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use longshore_proto::agent::agent_message::Body;
use longshore_proto::agent::{AgentMessage, LogChunk, LogRequest};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

use crate::runtime::{LogPiece, LogStream, Runtime};
use crate::wire;

/// Requests answered at once in one session.
const MAX_STREAMS: usize = 32;
/// Most bytes in one chunk.
const MAX_CHUNK_BYTES: usize = 32 << 10;

/// The log requests of one session. Dropping it ends them all.
#[derive(Debug)]
pub(crate) struct LogStreams<R> {
    runtime: Arc<R>,
    outgoing: Sender<AgentMessage>,
    open: BTreeMap<u64, JoinHandle<()>>,
}

impl<R: Runtime> LogStreams<R> {
    pub(crate) fn new(runtime: Arc<R>, outgoing: Sender<AgentMessage>) -> Self {
        Self {
            runtime,
            outgoing,
            open: BTreeMap::new(),
        }
    }

    /// Begins to answer a request.
    pub(crate) fn open(&mut self, request: LogRequest) {
        self.open.retain(|_, stream| !stream.is_finished());
        let id = request.request_id;
        let refusal = if self.open.len() >= MAX_STREAMS {
            Some(format!(
                "the node answers {MAX_STREAMS} log requests already; end one and try again"
            ))
        } else if self.open.contains_key(&id) {
            Some(format!("log request {id} is being answered already"))
        } else {
            None
        };
        let runtime = Arc::clone(&self.runtime);
        let outgoing = self.outgoing.clone();
        let answer = tokio::spawn(async move {
            let error = match refusal {
                Some(refusal) => refusal,
                None => answer(&*runtime, &request, &outgoing)
                    .await
                    .err()
                    .unwrap_or_default(),
            };
            let end = LogChunk {
                request_id: id,
                end: true,
                error,
                ..LogChunk::default()
            };
            send(&outgoing, end).await;
        });
        self.open.entry(id).or_insert(answer);
    }

    /// Stops answering a request; nobody waits for an end.
    pub(crate) fn cancel(&mut self, request_id: u64) {
        if let Some(stream) = self.open.remove(&request_id) {
            stream.abort();
        }
    }
}

impl<R> Drop for LogStreams<R> {
    fn drop(&mut self) {
        for stream in self.open.values() {
            stream.abort();
        }
    }
}

async fn answer<R: Runtime>(
    runtime: &R,
    request: &LogRequest,
    outgoing: &Sender<AgentMessage>,
) -> Result<(), String> {
    let task = wire::task_id(&request.task_id).map_err(|error| error.to_string())?;
    let tail = (request.tail > 0).then_some(request.tail);
    let mut pieces = runtime.logs(task, &request.container, tail, request.follow);
    while let Some(piece) = pieces.next().await {
        let LogPiece { stream, data } = piece.map_err(|error| error.to_string())?;
        for part in data.chunks(MAX_CHUNK_BYTES) {
            let chunk = LogChunk {
                request_id: request.request_id,
                stream: match stream {
                    LogStream::Stdout => "stdout".to_owned(),
                    LogStream::Stderr => "stderr".to_owned(),
                },
                data: part.to_vec(),
                ..LogChunk::default()
            };
            if !send(outgoing, chunk).await {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn send(outgoing: &Sender<AgentMessage>, chunk: LogChunk) -> bool {
    let body = Some(Body::LogChunk(chunk));
    outgoing.send(AgentMessage { body }).await.is_ok()
}
