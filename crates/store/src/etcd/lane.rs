//! One transaction after the other, each carried out exactly once or not at all.
//!
//! A lane has a key of its own in etcd: every transaction compares the revision that the lane's
//! last one left there, and puts the key. So of the tries to carry out one transaction at most one
//! succeeds, whatever became of connections and answers in between, and a try that finds the key
//! changed reads there whether an earlier one did it. A try that finds out that a guard does not
//! hold also moves the key on where an earlier try may still be on its way: what a caller is told
//! did not happen can then never happen.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, TxnOpResponse};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use crate::contract::{CALL_LIMIT, Revision};

use super::committer::{Outcome, Request};
use super::layout::Layout;
use super::plan::{Check, Pack, revision};
use super::servers::{Failure, Kind, Pauses, Servers, TRY_LIMIT};

/// How long the key of a lane lives, and how long the lane uses it.
const LANE_LEASE: (i64, Duration) = (60, Duration::from_secs(40));

/// One transaction at a time.
pub(super) struct Lane {
    servers: Arc<Servers>,
    layout: Layout,
    /// Its key in etcd, the lease of that, and since when; none before the first transaction.
    key: Option<(Vec<u8>, i64, Instant)>,
    /// The revision of the key, as far as is known; 0 for absent.
    modified: i64,
    /// Counts transactions.
    number: u64,
}

/// What one transaction came to.
enum Sent {
    Done(Revision),
    /// Checks do not hold, as of this revision if it is known.
    Broken(Option<i64>),
    Refused(Failure),
    /// Whether it happens is unknown, and nobody waits any more.
    Abandoned,
}

impl Lane {
    /// Nothing is asked of etcd before the first transaction.
    pub(super) fn new(servers: Arc<Servers>, layout: Layout) -> Lane {
        Lane {
            servers,
            layout,
            key: None,
            modified: 0,
            number: 0,
        }
    }

    /// Takes from the queue until the store is closed.
    pub(super) async fn run(mut self, requests: Arc<Mutex<mpsc::Receiver<Request>>>) {
        let mut left = Vec::new();
        loop {
            let (pack, taken) = match collect(&mut left, &requests).await {
                Some(collected) => collected,
                None => return,
            };
            let sent = self.send(&pack, &taken).await;
            left.extend(self.answer(sent, &pack, taken).await);
        }
    }

    /// Tells the callers. Returns those that are to be tried again.
    async fn answer(&mut self, sent: Sent, pack: &Pack, taken: Vec<Request>) -> Vec<Request> {
        let tell_all = |taken: Vec<Request>, outcome: Outcome| {
            for request in taken {
                tell(request, outcome.clone());
            }
            Vec::new()
        };
        let at = match sent {
            Sent::Done(revision) => return tell_all(taken, Outcome::Done(revision)),
            Sent::Refused(failure) if failure.kind == Kind::TooLarge => {
                return tell_all(taken, Outcome::TooLarge);
            }
            Sent::Refused(failure) => return tell_all(taken, Outcome::Unknown(failure)),
            Sent::Abandoned => return Vec::new(),
            Sent::Broken(at) => at,
        };
        let checks: Vec<Check> = pack.checks().iter().cloned().collect();
        let deadline = Instant::now() + CALL_LIMIT;
        let decide = async |at| decide(&self.servers, &self.layout, &checks, at, deadline).await;
        let decided = match decide(at).await {
            Err(failure) if failure.kind == Kind::Compacted => decide(None).await,
            decided => decided,
        };
        let broken: BTreeSet<Check> = match decided {
            Ok(decided) => decided.broken.into_iter().collect(),
            Err(failure) => return tell_all(taken, Outcome::Unknown(failure)),
        };
        let mut again = Vec::new();
        for request in taken {
            if let Some(guard) = request.plan.first_broken(&broken) {
                tell(request, Outcome::Conflict(guard));
            } else if request
                .plan
                .extra
                .iter()
                .any(|check| broken.contains(check))
            {
                tell(request, Outcome::Stale);
            } else {
                again.push(request);
            }
        }
        again
    }

    /// Carries out one transaction, for as long as anybody waits for it.
    async fn send(&mut self, pack: &Pack, taken: &[Request]) -> Sent {
        self.number += 1;
        let mut pauses = Pauses::default();
        // Whether a try may still be carried out that we know nothing of.
        let mut doubt = false;
        while taken.iter().any(|request| !request.caller.is_closed()) {
            let failure = match self.try_once(pack, doubt).await {
                Ok(Some(sent)) => return sent,
                // The lane's key had moved on; now we know.
                Ok(None) => {
                    doubt = true;
                    continue;
                }
                Err(failure) => failure,
            };
            match failure.kind {
                Kind::Again | Kind::Token => doubt = true,
                Kind::NoLease => {
                    self.key = None;
                    if doubt {
                        return Sent::Refused(failure);
                    }
                }
                Kind::Future => match self.close_off(doubt).await {
                    Ok(()) => return Sent::Broken(None),
                    Err(failure) => return Sent::Refused(failure),
                },
                _ if doubt => {
                    return Sent::Refused(Failure {
                        kind: Kind::Again,
                        ..failure
                    });
                }
                _ => return Sent::Refused(failure),
            }
            tracing::debug!(%failure, "a commit is tried again");
            pauses.pause(Instant::now() + CALL_LIMIT).await;
        }
        // The key may be changed by what is still on its way.
        Sent::Abandoned
    }

    /// One try. None when the lane's key was not as expected for a reason that is not this
    /// transaction's.
    async fn try_once(&mut self, pack: &Pack, doubt: bool) -> Result<Option<Sent>, Failure> {
        let (key, lease) = self.key().await?;
        let unmoved = Compare::mod_revision(key.clone(), CompareOp::Equal, self.modified);
        let own = self.number.to_string();
        let bound = || Some(PutOptions::new().with_lease(lease));
        let last = vec![
            TxnOp::put(key.clone(), own.clone(), bound()),
            TxnOp::put(self.layout.head(), pack.head().encode(), None),
        ];
        let mut otherwise = vec![TxnOp::get(key.clone(), None)];
        if doubt {
            // Whatever the outcome, no earlier try can happen once this one is decided.
            let closed = TxnOp::put(key.clone(), format!("{own} closed"), bound());
            let close = Txn::new().when([unmoved.clone()]).and_then([closed]);
            otherwise.push(TxnOp::txn(close));
        }
        let head = self.layout.head();
        let transaction = pack.transaction(unmoved, last, otherwise, &head);
        let end = Instant::now() + TRY_LIMIT;
        let response = self.servers.txn_once(end, transaction).await?;
        let at = response.header().map_or(0, |header| header.revision());
        if response.succeeded() {
            self.modified = at;
            return Ok(Some(Sent::Done(revision(at))));
        }
        let read = response.op_responses().into_iter().next();
        let kv = match &read {
            Some(TxnOpResponse::Get(read)) => read.kvs().first(),
            _ => None,
        };
        let modified = kv.map_or(0, |kv| kv.mod_revision());
        if kv.is_some_and(|kv| kv.value() == own.as_bytes()) {
            self.modified = modified;
            return Ok(Some(Sent::Done(revision(modified))));
        }
        if modified == self.modified {
            if doubt {
                self.modified = at;
            }
            return Ok(Some(Sent::Broken(Some(at))));
        }
        self.modified = modified;
        if modified == 0 {
            // The lease has run out, and with it the key.
            self.key = None;
        }
        Ok(None)
    }

    /// Makes sure that no earlier try of the newest transaction can still happen.
    async fn close_off(&mut self, doubt: bool) -> Result<(), Failure> {
        if !doubt {
            return Ok(());
        }
        // Tries of before compare with a key that nobody will write again.
        let Some((key, _, _)) = self.key.take() else {
            return Ok(());
        };
        let deadline = Instant::now() + CALL_LIMIT;
        let own = self.number.to_string();
        let expected = self.modified;
        self.modified = 0;
        let unmoved = Compare::mod_revision(key.clone(), CompareOp::Equal, expected);
        // With the key put or gone, no compare with how it was expected to be holds any more.
        let then = if expected == 0 {
            TxnOp::put(key.clone(), format!("{own} closed"), None)
        } else {
            TxnOp::delete(key.clone(), None)
        };
        let close = Txn::new().when([unmoved]).and_then([then]);
        let close = close.or_else([TxnOp::get(key, None)]);
        let closed = self.servers.txn(deadline, close).await?;
        if closed.succeeded() {
            return Ok(());
        }
        let read = closed.op_responses().into_iter().next();
        match read {
            Some(TxnOpResponse::Get(read))
                if read
                    .kvs()
                    .first()
                    .is_some_and(|kv| kv.value() == own.as_bytes()) =>
            {
                // It had happened; nobody can be told more than that it is not known.
                Err(Failure {
                    kind: Kind::Again,
                    text: "the answer of etcd was lost".to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The lane's key and its lease, new ones where they are too old.
    async fn key(&mut self) -> Result<(Vec<u8>, i64), Failure> {
        if let Some((key, lease, since)) = &self.key
            && since.elapsed() < LANE_LEASE.1
        {
            return Ok((key.clone(), *lease));
        }
        let since = Instant::now();
        let lease = self.servers.grant(since + TRY_LIMIT, LANE_LEASE.0).await?;
        let key = self.layout.lane(rand::random());
        self.key = Some((key.clone(), lease, since));
        self.modified = 0;
        Ok((key, lease))
    }
}

/// A caller that no longer waits was told that it is unknown.
fn tell(request: Request, outcome: Outcome) {
    drop(request.caller.send(outcome));
}

/// Takes what waits and goes together, at least one; none when the store is closed.
async fn collect(
    left: &mut Vec<Request>,
    requests: &Mutex<mpsc::Receiver<Request>>,
) -> Option<(Pack, Vec<Request>)> {
    let (mut pack, mut taken) = (Pack::default(), Vec::new());
    let mut put = |request: Request, pack: &mut Pack, over: &mut Vec<Request>| {
        if request.caller.is_closed() {
            return;
        }
        if pack.take(&request.plan) {
            taken.push(request);
        } else {
            over.push(request);
        }
    };
    let mut over = Vec::new();
    for request in std::mem::take(left) {
        put(request, &mut pack, &mut over);
    }
    let mut requests = if pack.is_empty() {
        let mut requests = requests.lock().await;
        while pack.is_empty() {
            put(requests.recv().await?, &mut pack, &mut over);
        }
        Some(requests)
    } else {
        requests.try_lock().ok()
    };
    if let Some(requests) = &mut requests {
        // What does not go with the others waits here, a few at most.
        while !pack.is_full() && over.len() < LEFT_OVER {
            match requests.try_recv() {
                Ok(request) => put(request, &mut pack, &mut over),
                Err(_) => break,
            }
        }
    }
    *left = over;
    Some((pack, taken))
}

/// Most requests that a lane keeps for its next transaction.
const LEFT_OVER: usize = 32;
/// Which checks hold.
pub(super) struct Decided {
    /// Those that do not.
    pub(super) broken: Vec<Check>,
    /// The revision of `head`.
    pub(super) head_at: i64,
}

/// Reads whether checks hold, all at one revision: the given one, or the newest.
pub(super) async fn decide(
    servers: &Servers,
    layout: &Layout,
    checks: &[Check],
    mut at: Option<i64>,
    deadline: Instant,
) -> Result<Decided, Failure> {
    let mut decided = Decided {
        broken: Vec::new(),
        head_at: 0,
    };
    for part in checks.chunks(100) {
        let options = GetOptions::new().with_keys_only();
        let options = at.map_or(options.clone(), |at| options.with_revision(at));
        let mut reads = vec![TxnOp::get(layout.head(), Some(options))];
        reads.extend(part.iter().map(|check| check.read(at)));
        let response = servers.txn(deadline, Txn::new().and_then(reads)).await?;
        // The parts after the first are read at its revision.
        at = at.or(response.header().map(|header| header.revision()));
        let mut found = response.op_responses().into_iter().map(|read| match read {
            TxnOpResponse::Get(read) => read.kvs().first().map(|kv| kv.mod_revision()),
            _ => None,
        });
        decided.head_at = found.next().flatten().unwrap_or(0);
        let broken = part
            .iter()
            .zip(found)
            .filter(|(check, found)| !check.holds(*found));
        decided
            .broken
            .extend(broken.map(|(check, _)| check.clone()));
    }
    Ok(decided)
}
