//! How this control plane stands: whether the store answers it, whether it decides, whether it is
//! cut off while others are not. One loop finds out; sessions, peers and the health endpoint read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore_door::router::{Health, HealthFacts};
use longshore_model::ReplicaId;
use longshore_store::Db;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::peers::Peers;

/// How often the store is asked for a sign of life.
const PULSE: Duration = Duration::from_secs(1);
/// After this long without one, others are asked whether they fare better.
const ASK_AFTER: Duration = Duration::from_secs(8);
/// Times in a row that others must fare better: when the store comes back it does so for one
/// control plane a moment before the other.
const SURE: u32 = 3;

/// How this control plane stands. Shared by everything in the process.
#[derive(Debug)]
pub struct Standing {
    id: ReplicaId,
    leads: AtomicBool,
    reachable: AtomicBool,
    isolated: watch::Sender<bool>,
}

impl Standing {
    /// Of a control plane that has just read the store.
    pub fn new(id: ReplicaId) -> Arc<Self> {
        Arc::new(Self {
            id,
            leads: AtomicBool::new(false),
            reachable: AtomicBool::new(true),
            isolated: watch::Sender::new(false),
        })
    }

    /// Of which control plane.
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// Whether it decides.
    pub fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    /// Notes whether it decides.
    pub fn set_leads(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
    }

    /// Whether the store has answered lately.
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// Resolves when this control plane is cut off from a store that others reach, so that agents
    /// fare better elsewhere. While nobody reaches the store, they may as well stay.
    pub async fn isolated(&self) {
        let mut isolated = self.isolated.subscribe();
        // The sender lives as long as this does.
        let _ = isolated.wait_for(|isolated| *isolated).await;
    }

    /// Asks the store for signs of life until the process ends.
    pub async fn watch(&self, db: &Db, peers: &Peers) {
        let mut contact = Instant::now();
        let mut worse = 0;
        let mut ticks = interval(PULSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let answered = db.barrier().await.is_ok();
            if answered {
                contact = Instant::now();
            }
            if self.reachable.swap(answered, Ordering::Relaxed) != answered {
                if answered {
                    tracing::info!("the store answers again");
                } else {
                    tracing::warn!("the store does not answer; nothing is decided until it does");
                }
            }
            let fares_worse = contact.elapsed() >= ASK_AFTER && peers.any_reaches_store(db).await;
            worse = if fares_worse { worse + 1 } else { 0 };
            let isolated = worse >= SURE;
            if self.isolated.send_replace(isolated) != isolated && isolated {
                tracing::warn!("others reach the store; agents are sent to them");
            }
        }
    }

    /// What the health endpoint says.
    pub fn health(self: &Arc<Self>, db: &Arc<Db>) -> Health {
        let (standing, db) = (Arc::clone(self), Arc::clone(db));
        Arc::new(move || HealthFacts {
            leads: standing.leads(),
            store_reachable: standing.is_reachable(),
            quarantined: db.view().quarantined.len(),
        })
    }
}
