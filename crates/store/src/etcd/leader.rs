//! Leading: a key that whoever gets to make it holds for as long as its lease lives.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, TxnOpResponse};
use tokio::time::{Instant, sleep};

use crate::contract::{CALL_LIMIT, Guard, ReadError};
use crate::coordination::{LEADER_KEY, Leadership, Term};
use longshore_state::Key;

use super::layout::Layout;
use super::lease::{Lease, Renewed};
use super::plan::revision;
use super::servers::{Failure, Servers, TRY_LIMIT};

/// How long a leader leads on without being heard of. Etcd rounds up to 2 s with its default
/// election timeout; an election of etcd itself, about a second, must fit in.
const TIME_TO_LIVE: Duration = Duration::from_secs(3);

/// How often a candidate looks whether there is a leader. A look is one small read.
const LOOK: Duration = Duration::from_millis(200);

const CAMPAIGNING: &str = "campaigning";

/// Waits until nobody leads and then leads, see [`crate::Store::campaign`].
pub(super) async fn campaign(
    servers: Arc<Servers>,
    layout: Layout,
    candidate: String,
) -> Result<Leadership, ReadError> {
    let unreachable = |failure: Failure| failure.unreachable(CAMPAIGNING);
    loop {
        let deadline = Instant::now() + CALL_LIMIT;
        let held = holder(&servers, &layout, deadline).await;
        if held.map_err(unreachable)?.is_some() {
            sleep(LOOK).await;
            continue;
        }
        let lease = Lease::grant(&servers, TIME_TO_LIVE, deadline).await;
        let lease = lease.map_err(unreachable)?;
        let made = make(&servers, &layout, &candidate, lease.id, deadline).await;
        match made {
            Ok(Some(at)) => return Ok(begin(servers, layout, lease, at)),
            Ok(None) => lease.revoke().await,
            Err(failure) => {
                // What may have been made goes with the lease, after a while if not now.
                tokio::spawn(lease.revoke());
                return Err(unreachable(failure).into());
            }
        }
    }
}

/// The lease of the leader and the revision since which it leads.
async fn holder(
    servers: &Servers,
    layout: &Layout,
    deadline: Instant,
) -> Result<Option<(i64, i64)>, Failure> {
    let options = GetOptions::new().with_keys_only();
    let held = servers
        .get(deadline, layout.leader(), Some(options))
        .await?;
    Ok(held.kvs().first().map(|kv| (kv.lease(), kv.mod_revision())))
}

/// Makes the key if it is not there; the revision it was made at, none where another was faster.
async fn make(
    servers: &Servers,
    layout: &Layout,
    candidate: &str,
    lease: i64,
    deadline: Instant,
) -> Result<Option<i64>, Failure> {
    let key = layout.leader();
    let absent = Compare::mod_revision(key.clone(), CompareOp::Equal, 0);
    let bound = PutOptions::new().with_lease(lease);
    let put = TxnOp::put(key.clone(), candidate, Some(bound));
    let made = Txn::new().when([absent]).and_then([put]);
    let made = made.or_else([TxnOp::get(key, None)]);
    let response = servers.txn(deadline, made).await?;
    if response.succeeded() {
        return Ok(response.header().map(|header| header.revision()));
    }
    // An earlier try may have made it.
    let read = response.op_responses().into_iter().next();
    Ok(match read {
        Some(TxnOpResponse::Get(read)) => {
            let ours = read.kvs().iter().find(|kv| kv.lease() == lease);
            ours.map(|kv| kv.mod_revision())
        }
        _ => None,
    })
}

fn begin(servers: Arc<Servers>, layout: Layout, lease: Lease, at: i64) -> Leadership {
    let key = Key::new(LEADER_KEY).ok();
    let fence = key.map(|key| Guard::Unchanged {
        key,
        revision: revision(at),
    });
    let (leadership, term) = Leadership::new(fence);
    tokio::spawn(keep(servers, layout, lease, at, term));
    leadership
}

/// Keeps the key until it is given up or lost. While etcd does not answer, nothing is known, and
/// nothing can be committed either.
async fn keep(servers: Arc<Servers>, layout: Layout, lease: Lease, at: i64, mut term: Term) {
    let beat = async {
        loop {
            sleep(lease.beat()).await;
            let deadline = Instant::now() + TRY_LIMIT * 2;
            if lease.renew().await == Renewed::Gone {
                return;
            }
            match holder(&servers, &layout, deadline).await {
                Ok(Some((_, held_at))) if held_at == at => {}
                Ok(_) => return,
                Err(failure) => tracing::debug!(%failure, "whether this leads is not known"),
            }
        }
    };
    tokio::select! {
        () = beat => term.lose(),
        resigned = term.ended() => {
            lease.clone().revoke().await;
            if let Some(caller) = resigned {
                // Whoever resigned may not wait any more.
                let _ = caller.send(());
            }
        }
    }
}
