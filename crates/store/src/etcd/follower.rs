//! Follows etcd's watch into the history that all watches of this process are served from.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{Client, Event, EventType, GetOptions, WatchOptions, WatchStream};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::contract::CALL_LIMIT;
use crate::watch::History;

use super::layout::Layout;
use super::plan::revision;
use super::servers::{Servers, TRY_LIMIT};
use super::tally::{Shown, Subject, Tally};

/// Pause before a watch is begun again on another server.
const PAUSE: Duration = Duration::from_millis(100);

/// Changes what a watch shows, for tests: what etcd showed goes in, and out comes what is taken
/// for it, once or in several parts.
#[cfg(any(test, feature = "conformance"))]
pub type Tamper = Box<dyn FnMut(Vec<Shown>) -> Vec<Vec<Shown>> + Send + Sync>;

/// How far the follower is, and how to wake it.
#[derive(Debug)]
pub(super) struct Followed {
    /// The revision of the newest `head` taken.
    pub(super) head_at: watch::Sender<i64>,
    /// The watch is silent though there is more: begin another.
    pub(super) restart: Notify,
}

/// The task that follows.
pub(super) struct Follower {
    pub(super) servers: Arc<Servers>,
    pub(super) layout: Layout,
    pub(super) history: Arc<History>,
    pub(super) followed: Arc<Followed>,
    pub(super) tally: Tally,
    #[cfg(any(test, feature = "conformance"))]
    pub(super) tamper: Option<Tamper>,
}

/// Why one watch ended.
#[derive(Debug)]
enum Ended {
    /// The server or the connection is gone.
    Lost(String),
    /// Something was not shown.
    Gap,
    /// The revision to begin at is compacted.
    Compacted,
}

impl Follower {
    /// Follows until the task is aborted.
    pub(super) async fn run(mut self) {
        let mut server = self.servers.current();
        // Where the newest gap was: a second one there cannot be bridged by watching again.
        let mut gap_after = None;
        loop {
            let ended = self.watch(server).await;
            let position = self.tally.position();
            self.tally.begin_again();
            match ended {
                Ended::Gap if gap_after != Some(position) => {
                    tracing::info!(position, "the watch of etcd has a gap; watching again");
                    gap_after = Some(position);
                }
                Ended::Gap | Ended::Compacted => {
                    tracing::warn!(position, ?ended, "changes were missed; readers list again");
                    self.reset().await;
                }
                Ended::Lost(cause) => {
                    tracing::debug!(position, cause, "the watch of etcd was cut off");
                    sleep(PAUSE).await;
                }
            }
            server = self.servers.after(server);
        }
    }

    /// One watch from where the tally is, until it ends.
    async fn watch(&mut self, server: usize) -> Ended {
        let begun = match timeout(TRY_LIMIT * 2, self.begin(server)).await {
            Ok(begun) => begun,
            Err(_) => Err("no answer in time".to_owned()),
        };
        let mut stream = match begun {
            Ok(stream) => stream,
            Err(cause) => return Ended::Lost(cause),
        };
        loop {
            let message = tokio::select! {
                message = stream.message() => message,
                () = self.followed.restart.notified() => return Ended::Gap,
            };
            let response = match message {
                Ok(Some(response)) => response,
                Ok(None) => return Ended::Lost("the server ended it".to_owned()),
                Err(error) => return Ended::Lost(error.to_string()),
            };
            if response.compact_revision() > 0 {
                return Ended::Compacted;
            }
            if response.canceled() {
                return Ended::Lost(response.cancel_reason().to_owned());
            }
            let shown = response.events().iter().filter_map(|e| self.shown(e));
            let shown: Vec<Shown> = shown.collect();
            if !self.take(shown) {
                return Ended::Gap;
            }
        }
    }

    async fn begin(&self, server: usize) -> Result<WatchStream, String> {
        let client = self.servers.client(server).await;
        let client: Arc<Client> = client.map_err(|failure| failure.text)?;
        let (start, end) = self.layout.watched();
        let options = WatchOptions::new()
            .with_range(end)
            .with_start_revision(self.tally.position() + 1)
            .with_fragment();
        let watching = client.watch_client();
        let mut watching = watching.max_decoding_message_size(usize::MAX);
        let stream = watching.watch(start, Some(options)).await;
        stream.map_err(|error| error.to_string())
    }

    fn shown(&self, event: &Event) -> Option<Shown> {
        let kv = event.kv()?;
        let put = event.event_type() == EventType::Put;
        let value = || Bytes::copy_from_slice(kv.value());
        let of = if let Some(key) = self.layout.record(kv.key()) {
            Subject::Record(key, put.then(value))
        } else if put && kv.key() == self.layout.head() {
            Subject::Head(kv.version(), value())
        } else {
            Subject::Other
        };
        Some(Shown {
            revision: kv.mod_revision(),
            of,
        })
    }

    /// Publishes what is complete; false for a gap.
    #[cfg(any(test, feature = "conformance"))]
    fn take(&mut self, shown: Vec<Shown>) -> bool {
        let parts = match &mut self.tamper {
            Some(tamper) => tamper(shown),
            None => vec![shown],
        };
        parts.into_iter().all(|part| self.take_as_shown(part))
    }

    /// Publishes what is complete; false for a gap.
    #[cfg(not(any(test, feature = "conformance")))]
    fn take(&mut self, shown: Vec<Shown>) -> bool {
        self.take_as_shown(shown)
    }

    fn take_as_shown(&mut self, shown: Vec<Shown>) -> bool {
        let mut complete = Vec::new();
        let taken = self.tally.take(shown, &mut complete);
        if !complete.is_empty() {
            self.history.publish(complete);
        }
        self.followed.head_at.send_replace(self.tally.head_at());
        taken.is_ok()
    }

    /// Begins anew at what is newest now; whoever follows the history lists again. Tries until
    /// etcd answers.
    async fn reset(&mut self) {
        loop {
            let asked = read_head(&self.servers, &self.layout, Instant::now() + CALL_LIMIT).await;
            match asked {
                Ok(Some(read)) if read.head_at >= self.tally.head_at() => {
                    self.history.reset(revision(read.head_at));
                    self.tally = Tally::new(read.revision, read.head_at, read.version);
                    self.followed.head_at.send_replace(read.head_at);
                    return;
                }
                // The inspector ends the store for it.
                Ok(_) => tracing::error!("etcd went back in time"),
                Err(failure) => tracing::debug!(%failure, "etcd does not answer"),
            }
            sleep(PAUSE).await;
        }
    }
}

/// Where `head` is.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadRead {
    /// The revision of etcd it was read at.
    pub(super) revision: i64,
    /// The revision it was last put at.
    pub(super) head_at: i64,
    pub(super) version: i64,
}

/// Reads `head`; none where it is not there.
pub(super) async fn read_head(
    servers: &Servers,
    layout: &Layout,
    deadline: Instant,
) -> Result<Option<HeadRead>, super::servers::Failure> {
    let options = GetOptions::new().with_keys_only();
    let response = servers.get(deadline, layout.head(), Some(options)).await?;
    let revision = response.header().map_or(0, |header| header.revision());
    Ok(response.kvs().first().map(|kv| HeadRead {
        revision,
        head_at: kv.mod_revision(),
        version: kv.version(),
    }))
}
