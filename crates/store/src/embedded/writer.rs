//! The one thread that decides commits and makes them durable.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::contract::{Commit, CommitError, Revision, Unavailable, Write};
use crate::index::Index;
use crate::watch::{Batch, History};

use super::checkpoint::Checkpoints;
use super::disk::CLOSED;
use super::layers::Layers;
use super::log::Log;
use super::record;

/// Most commits that share one fsync. By eye: it bounds how long a commit waits for others.
const GROUP_COMMITS: usize = 512;

/// A group takes no further commit once it holds this many bytes. With one commit of
/// [`MAX_COMMIT_BYTES`](crate::MAX_COMMIT_BYTES) on top it fits into a segment of the log.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Longest that the thread looks out for the next commits before it sleeps, or begins with fewer
/// than it has just answered. Waking a thread takes about as long, and whoever is answered often
/// commits again at once: without this a group of one would go ahead of all others.
const LOOK_OUT: Duration = Duration::from_micros(50);

/// Most commits that wait in the queue. Callers beyond wait in turn before they enter it.
const QUEUE_COMMITS: usize = 1024;

/// Most KiB of commits inside the store, queued or being written. Callers beyond wait in turn.
const INFLIGHT_KIB: usize = 64 * 1024;

type Decision = Result<Revision, CommitError>;
type Caller = oneshot::Sender<Decision>;

/// One caller's commit, on its way to the writer thread.
#[derive(Debug)]
struct Request {
    commit: Commit,
    bytes: usize,
    caller: Caller,
    /// Gives its share of [`INFLIGHT_KIB`] back when the request is done.
    share: OwnedSemaphorePermit,
}

/// The callers' side: hands commits to the thread, and stops it on drop.
#[derive(Debug)]
pub(super) struct Writer {
    /// Taken on drop, which ends the thread once the queue is empty.
    queue: Option<mpsc::Sender<Request>>,
    inflight: Arc<Semaphore>,
    history: Arc<History>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on an empty log over the layers, whose newest revision and keys are
    /// given.
    pub(super) fn start(
        layers: Arc<Layers>,
        log: Log,
        history: Arc<History>,
        revision: Revision,
        index: Index,
    ) -> io::Result<Writer> {
        let (queue, requests) = mpsc::channel(QUEUE_COMMITS);
        let checkpoints =
            Checkpoints::start(Arc::clone(&layers), Arc::clone(&history), log.meta())?;
        let log_writer = LogWriter {
            layers,
            log,
            checkpoints,
            history: Arc::clone(&history),
            revision,
            index,
        };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || log_writer.run(requests))?;
        Ok(Writer {
            queue: Some(queue),
            inflight: Arc::new(Semaphore::new(INFLIGHT_KIB)),
            history,
            thread: Some(thread),
        })
    }

    /// Queues a valid commit and waits for its answer.
    pub(super) async fn commit(&self, commit: Commit) -> Result<Revision, CommitError> {
        let bytes = commit.bytes();
        // A valid commit is far below u32::MAX KiB, so the conversion always fits.
        let share = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.inflight).acquire_many_owned(share).await;
        let (Ok(share), Some(queue)) = (share, &self.queue) else {
            return Err(self.stopped());
        };
        let (caller, answered) = oneshot::channel();
        let request = Request {
            commit,
            bytes,
            caller,
            share,
        };
        if queue.send(request).await.is_err() {
            return Err(self.stopped());
        }
        answered.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// How many commits wait for the thread.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.queue
            .as_ref()
            .map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Why the thread no longer answers.
    fn stopped(&self) -> CommitError {
        match self.history.check_available() {
            Err(fault) => fault.into(),
            Ok(()) => Unavailable::new("queueing a commit", "the store was closed").into(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        // A panic in the thread was already noted as the store's failure.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

/// The thread's side: the only owner of the log, the index and the next revision.
struct LogWriter {
    layers: Arc<Layers>,
    log: Log,
    checkpoints: Checkpoints,
    history: Arc<History>,
    revision: Revision,
    index: Index,
}

/// A group whose guards are decided, before it is durable.
#[derive(Default)]
struct Group {
    answers: Vec<(Caller, Decision)>,
    /// Held until the answers are out, and never looked at.
    shares: Vec<OwnedSemaphorePermit>,
    batches: Vec<Batch>,
}

impl LogWriter {
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let _end = EndOfHistory(Arc::clone(&self.history));
        let mut answered = 1;
        while let Some(first) = Self::next(&mut requests, answered) {
            let before = self.revision;
            let group = self.decide(first, &mut requests);
            answered = group.answers.len();
            if let Err(fault) = self.make_durable(before, &group.batches) {
                self.fail(&fault);
                for (caller, _) in group.answers {
                    answer(caller, Err(fault.clone().into()));
                }
                return;
            }
            if !group.batches.is_empty() {
                self.history.publish(group.batches);
            }
            for (caller, decision) in group.answers {
                answer(caller, decision);
            }
        }
        self.close();
    }

    /// The next request, or none once the queue is closed and empty. Looks out for a moment for as
    /// many as were `answered` last.
    fn next(requests: &mut mpsc::Receiver<Request>, answered: usize) -> Option<Request> {
        let begin = Instant::now();
        while requests.len() < answered && begin.elapsed() < LOOK_OUT {
            thread::yield_now();
        }
        requests.blocking_recv()
    }

    /// Makes the batches durable, all or none, with one fsync. After an error it is unknown
    /// whether they are on disk.
    fn make_durable(&mut self, before: Revision, batches: &[Batch]) -> Result<(), Unavailable> {
        // A checkpoint or a read may have failed meanwhile.
        self.history.check_available()?;
        if batches.is_empty() {
            return Ok(());
        }
        if self.log.prepare(before, batches) {
            // Waits while the segment to go on in is still being settled.
            if !self.layers.freeze() {
                self.history.check_available()?;
            }
            self.log.turn();
            self.checkpoints.order();
        }
        let appended = self.log.append();
        appended.map_err(|error| Unavailable::new("writing a commit", error))?;
        self.layers.add(batches);
        Ok(())
    }

    /// Known before anyone is told, and before queued callers lose their answers.
    fn fail(&self, fault: &Unavailable) {
        tracing::error!(
            error = fault as &dyn std::error::Error,
            "the store has failed"
        );
        self.history.fail(fault.clone());
        self.layers.fail();
    }

    /// Settles what is only in the log, so that the base file is whole without it.
    fn close(&mut self) {
        self.checkpoints.end();
        if self.history.check_available().is_err() || !self.layers.freeze() {
            return;
        }
        if let Err(error) = self.layers.settle(CLOSED) {
            self.fail(&Unavailable::new("closing the data file", error));
        }
    }

    /// Takes what is queued, up to the group's bounds, and decides each commit in turn, seeing
    /// the writes of those before it. A refused caller too is answered only once the group is
    /// durable, so that reading again shows it what it conflicted with.
    fn decide(&mut self, first: Request, requests: &mut mpsc::Receiver<Request>) -> Group {
        let mut group = Group::default();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(request) = next {
            bytes += request.bytes + request.commit.writes.len() * record::EVENT_BYTES;
            let decision = self.decide_one(request.commit, &mut group.batches);
            group.answers.push((request.caller, decision));
            group.shares.push(request.share);
            let full = group.answers.len() >= GROUP_COMMITS || bytes >= GROUP_BYTES;
            next = if full { None } else { requests.try_recv().ok() };
        }
        group
    }

    fn decide_one(&mut self, commit: Commit, batches: &mut Vec<Batch>) -> Decision {
        if let Some(guard) = self.index.first_broken(&commit.guards) {
            return Err(CommitError::Conflict {
                guard: guard.clone(),
            });
        }
        let writes = self.index.effective(commit.writes);
        if writes.is_empty() {
            return Ok(self.revision);
        }
        self.revision += 1;
        for write in &writes {
            match write {
                Write::Put { key, .. } => self.index.put(key.clone(), self.revision),
                Write::Delete { key } => self.index.delete(key),
            }
        }
        batches.push(Batch::new(self.revision, writes));
        Ok(self.revision)
    }
}

/// A caller that no longer waits has dropped its commit's future; the commit stands either way.
fn answer(caller: Caller, decision: Decision) {
    drop(caller.send(decision));
}

/// Ends the watches when the thread ends, however it ends.
struct EndOfHistory(Arc<History>);

impl Drop for EndOfHistory {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(Unavailable::new(
                "running the writer thread",
                "the thread panicked",
            ));
        } else {
            self.0.close();
        }
    }
}
