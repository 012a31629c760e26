//! Carries out commits, each exactly once or not at all.
//!
//! Commits wait in one queue. Each of [`LANES`] lanes takes what waits and fits together as one
//! transaction, and takes the next when that is answered (`lane.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::contract::{Commit, CommitError, Guard, Revision, Unreachable};

use super::lane::{Lane, decide};
use super::layout::Layout;
use super::options::too_large_for_server;
use super::plan::{Check, Plan, revision, uncertain};
use super::servers::{Failure, Kind, Servers};

/// Transactions under way at once. While etcd syncs one to disk, the next is on its way.
const LANES: usize = 2;

/// Most commits that wait; callers beyond wait before they enter the queue.
const QUEUE: usize = 1024;

/// Most KiB of commits inside the store, as in the embedded one.
const INFLIGHT_KIB: usize = 64 * 1024;

/// What a plan came to.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// It happened at this revision of etcd.
    Done(Revision),
    /// It did not happen: this guard does not hold.
    Conflict(Guard),
    /// It did not happen: something else does not hold that was found out before.
    Stale,
    /// It did not happen: etcd takes no request of this size.
    TooLarge,
    /// Whether it happens is unknown.
    Unknown(Failure),
}

/// A plan on its way through a lane.
pub(super) struct Request {
    pub(super) plan: Plan,
    pub(super) caller: oneshot::Sender<Outcome>,
    /// Gives its share of [`INFLIGHT_KIB`] back when the request is done.
    _share: OwnedSemaphorePermit,
}

/// The callers' side. The lanes end when it is dropped.
pub(super) struct Committer {
    servers: Arc<Servers>,
    layout: Layout,
    queue: mpsc::Sender<Request>,
    inflight: Arc<Semaphore>,
    _lanes: JoinSet<()>,
}

impl Committer {
    pub(super) fn start(servers: Arc<Servers>, layout: Layout) -> Committer {
        let (queue, requests) = mpsc::channel(QUEUE);
        let requests = Arc::new(Mutex::new(requests));
        let mut lanes = JoinSet::new();
        for _ in 0..LANES {
            let lane = Lane::new(Arc::clone(&servers), layout.clone());
            lanes.spawn(lane.run(Arc::clone(&requests)));
        }
        Committer {
            servers,
            layout,
            queue,
            inflight: Arc::new(Semaphore::new(INFLIGHT_KIB)),
            _lanes: lanes,
        }
    }

    /// Carries out a valid commit, to the deadline at most. The second value is false where it
    /// changed nothing, and the revision then only the newest.
    pub(super) async fn commit(
        &self,
        commit: Commit,
        deadline: Instant,
    ) -> Result<(Revision, bool), CommitError> {
        let uncertain = uncertain(&commit, &self.layout);
        loop {
            let mut plan = Plan::of(&commit, &self.layout, &BTreeMap::new());
            if !uncertain.is_empty() {
                match self.look(&commit, &uncertain, deadline).await? {
                    Looked::Plan(looked) => plan = looked,
                    Looked::Nothing(newest) => return Ok((newest, false)),
                }
            }
            let bytes = commit.bytes();
            match self.carry_out(plan, bytes, deadline).await {
                Outcome::Done(revision) => return Ok((revision, true)),
                Outcome::Conflict(guard) => return Err(CommitError::Conflict { guard }),
                Outcome::TooLarge => {
                    return Err(CommitError::TooLarge {
                        what: too_large_for_server(),
                        key: None,
                        actual: bytes,
                        limit: SERVER_BYTES,
                    });
                }
                Outcome::Unknown(failure) => return Err(failure.unreachable(COMMITTING).into()),
                Outcome::Stale if Instant::now() >= deadline => {
                    let cause = "others were faster again and again";
                    return Err(Unreachable::new(COMMITTING, cause).into());
                }
                Outcome::Stale => {}
            }
        }
    }

    /// Queues a plan and waits for what it comes to.
    pub(super) async fn carry_out(&self, plan: Plan, bytes: usize, deadline: Instant) -> Outcome {
        let carried = async {
            let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
            let share = Arc::clone(&self.inflight).acquire_many_owned(kib).await;
            let (caller, answer) = oneshot::channel();
            let request = Request {
                plan,
                caller,
                _share: share.map_err(|_| closed())?,
            };
            self.queue.send(request).await.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())
        };
        match tokio::time::timeout_at(deadline, carried).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(failure)) => Outcome::Unknown(failure),
            Err(_) => Outcome::Unknown(Failure {
                kind: Kind::Again,
                text: "no answer of etcd in time".to_owned(),
            }),
        }
    }

    /// Finds out which of the keys that a commit deletes are there, and decides what can be
    /// decided by that.
    async fn look(
        &self,
        commit: &Commit,
        uncertain: &[Vec<u8>],
        deadline: Instant,
    ) -> Result<Looked, CommitError> {
        let plan = Plan::of(commit, &self.layout, &BTreeMap::new());
        let keys = uncertain.iter().cloned().map(Check::Exists);
        let mut checks: Vec<Check> = keys.collect();
        checks.extend(plan.checks().cloned());
        let decided = decide(&self.servers, &self.layout, &checks, None, deadline).await;
        let decided = decided.map_err(|failure| failure.unreachable(COMMITTING))?;
        let broken: BTreeSet<Check> = decided.broken.into_iter().collect();
        if let Some(guard) = plan.first_broken(&broken) {
            return Err(CommitError::Conflict { guard });
        }
        let exists = |key: &Vec<u8>| !broken.contains(&Check::Exists(key.clone()));
        let known = uncertain.iter().map(|key| (key.clone(), exists(key)));
        let plan = Plan::of(commit, &self.layout, &known.collect());
        if plan.changes.is_empty() {
            return Ok(Looked::Nothing(revision(decided.head_at)));
        }
        Ok(Looked::Plan(plan))
    }
}

/// What looking at a commit's keys came to.
enum Looked {
    Plan(Plan),
    /// It changes nothing; the newest revision.
    Nothing(Revision),
}

const COMMITTING: &str = "committing";

/// What a server takes in one request unless it is told otherwise, in bytes.
const SERVER_BYTES: usize = 1024 * 1536;

fn closed() -> Failure {
    Failure {
        kind: Kind::Again,
        text: "the store was closed".to_owned(),
    }
}
