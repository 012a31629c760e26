//! A control-plane process: the real view, controller rounds, decisions, API handlers and gateway
//! bodies; what the simulation does is to poll them when something has happened.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use longshore_control_plane::control::{Activation, Outcome, RELIST_INTERVAL, Rounds};
use longshore_control_plane::gateway::registration;
use longshore_control_plane::placement::{SchedulerPlacer, Scheduling};
use longshore_door::error::ApiError;
use longshore_ecs::context::Ecs;
use longshore_model::replica::Replica;
use longshore_model::{InstanceId, ReplicaId, Timestamp};
use longshore_reconcile::Key;
use longshore_store::table::{self, Record as _};
use longshore_store::{Change, Commit, Db, Revision, Write};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::cluster::{Cluster, EPOCH, Event};
use crate::decide;
use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::oracle::Reporting;
use crate::session::GateSession;
use crate::store::SimStore;
use crate::work::Work;

/// Batches of changes that wait for a process, at most: it takes them all in each turn, so few do,
/// and room for many would take longer to make than a short run.
const BACKLOG: usize = 256;

/// Something a process is doing.
pub(crate) type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(crate) type Changes = Receiver<Arc<Vec<Change>>>;
pub(crate) type Answer = Result<serde_json::Value, ApiError>;

/// A control-plane process.
pub(crate) struct Control {
    pub(crate) id: usize,
    pub(crate) db: Arc<Db>,
    pub(crate) ecs: Arc<Ecs>,
    scheduling: Arc<Scheduling>,
    pub(crate) clock: Arc<AtomicI64>,
    pub(crate) view: Arc<AtomicU64>,
    /// How wrong its clock is, in ms.
    pub(crate) skew: i64,
    pub(crate) started_at: i64,
    pub(crate) starting: Option<Doing<bool>>,
    pub(crate) rounds: Rounds,
    pub(crate) changes: Changes,
    pub(crate) activations: Vec<Doing<Activation>>,
    pub(crate) chores: Vec<Doing<()>>,
    pub(crate) calls: Vec<(usize, Doing<Answer>)>,
    pub(crate) sessions: BTreeMap<u64, Box<GateSession>>,
    /// The session of each instance.
    pub(crate) places: BTreeMap<InstanceId, u64>,
    pub(crate) paused: bool,
    pub(crate) held: Vec<Event>,
    /// How much of the log it has been shown.
    pub(crate) shown: usize,
    /// When the newest batch on its way arrives.
    pub(crate) shown_at: i64,
    /// Whether the watch lost something that no later commit has shown yet.
    pub(crate) lost: bool,
    pub(crate) token: u64,
    /// Whether its store has failed, which it does for good.
    pub(crate) store_failed: bool,
    pub(crate) work: Work,
}

/// A commit on its way.
pub(crate) struct Sent {
    pub(crate) commit: Commit,
    pub(crate) view: Revision,
    pub(crate) by: By,
}

/// For whom a commit is made.
#[derive(Debug, Clone)]
pub(crate) enum By {
    /// An agent that reports.
    Agent(Reporting),
    /// A call of the workload.
    Call(usize),
    /// A decision of a controller.
    Decision(Vec<Key>),
    /// Whatever else a process does.
    Itself,
}

/// The name of a process among control planes.
pub(crate) fn replica_id(control: usize) -> ReplicaId {
    ReplicaId::new(control as u128 + 1)
}

/// Polls one future; true when it is over.
pub(crate) fn poll<T>(doing: &mut Doing<T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match doing.as_mut().poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Control {
    /// Its time.
    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::Relaxed))
    }

    /// How many keys its view has.
    pub(crate) fn keys(&self) -> usize {
        let view = self.db.view();
        view.services.len() + view.instances.len() + view.tasks.len()
    }

    /// Whether it serves.
    pub(crate) fn is_ready(&self) -> bool {
        self.starting.is_none() && !self.paused
    }
}

impl Cluster {
    /// Starts a control plane. Returns its number.
    pub(crate) fn start_control(&mut self) -> usize {
        let id = self.controls.len();
        let view = Arc::new(AtomicU64::new(0));
        let store = Arc::new(SimStore {
            view: Arc::clone(&view),
            desk: Arc::clone(&self.desk),
            memory: Arc::clone(&self.memory),
            control: id,
        });
        self.announce(id);
        let db = Arc::new(Db::at(store, self.log.list(), BACKLOG));
        let clock = Arc::new(AtomicI64::new(EPOCH + self.now));
        let drawn = AtomicU64::new(0);
        let salt = u128::from(self.scenario.seed) << 64 | (id as u128) << 40;
        let scheduling = Arc::new(Scheduling::default());
        let ecs = Arc::new(Ecs {
            backend: longshore_door::Backend {
                realm: self.realm.clone(),
                db: Arc::clone(&db),

                clock: {
                    let clock = Arc::clone(&clock);
                    Arc::new(move || {
                        let millis = u64::try_from(clock.load(Ordering::Relaxed)).unwrap_or(0);
                        UNIX_EPOCH + Duration::from_millis(millis)
                    })
                },
                entropy: Arc::new(move || {
                    let drawn = u128::from(drawn.fetch_add(1, Ordering::Relaxed) + 1);
                    (salt + drawn).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                }),
            },
            placer: Arc::new(SchedulerPlacer(Arc::clone(&scheduling))),
        });
        let starting: Doing<bool> = {
            let ecs = Arc::clone(&ecs);
            Box::pin(async move {
                let now = ecs.ctx().now;
                let away = ecs.db.transact(|view| {
                    Ok::<_, Infallible>((registration::disconnect_all(view, now), ()))
                });
                away.await.is_ok()
            })
        };
        let now = self.now;
        self.trace.say(now, || format!("control plane {id} starts"));
        self.controls.push(Some(Box::new(Control {
            id,
            changes: db.subscribe(),
            db,
            ecs,
            scheduling,
            clock,
            view,
            skew: 0,
            started_at: self.now,
            starting: Some(starting),
            rounds: Rounds::default(),
            activations: Vec::new(),
            chores: Vec::new(),
            calls: Vec::new(),
            sessions: BTreeMap::new(),
            places: BTreeMap::new(),
            paused: false,
            held: Vec::new(),
            shown: self.log.batches.len(),
            shown_at: self.now,
            lost: false,
            token: 0,
            store_failed: false,
            work: Work::new(self.now),
        })));
        let interval = i64::try_from(RELIST_INTERVAL.as_millis()).unwrap_or(10_000);
        self.after(interval, Event::Relist { control: id });
        self.pump(id);
        id
    }

    /// A process that opens the store is noted as living, in place of those before it.
    fn announce(&mut self, id: usize) {
        let own = Replica {
            id: replica_id(id),
            people: None,
            agents: None,
            started_at: Timestamp::from_millis(EPOCH + self.now),
        };
        let Ok(value) = table::encode(&own) else {
            unreachable!("a record can be written")
        };
        let put = Write::Put {
            key: own.key(),
            value,
        };
        let before = (0..id).map(|before| Write::Delete {
            key: table::key::<Replica>(&replica_id(before).to_string()),
        });
        self.write(before.chain([put]).collect());
    }

    /// The control plane that agents and callers reach now.
    pub(crate) fn serving(&self) -> Option<usize> {
        let newest = self.controls.iter().rposition(Option::is_some)?;
        let control = self.controls[newest].as_ref()?;
        control.is_ready().then_some(newest)
    }

    /// A process ends without a word.
    pub(crate) fn kill_control(&mut self, id: usize) {
        let Some(control) = self.controls[id].take() else {
            return;
        };
        let now = self.now;
        self.trace
            .say(now, || format!("control plane {id} is killed"));
        for conn in control.sessions.keys() {
            self.control_end_closes(*conn);
        }
        for (call, _) in control.calls {
            self.after(1000, Event::Retry { call });
        }
        // A data directory has one process: what was replaced does not come back in its place.
        if self.controls[id + 1..].iter().all(Option::is_none) {
            for older in 0..id {
                self.kill_control(older);
            }
        }
    }

    /// Does whatever can be done now.
    pub(crate) fn pump(&mut self, id: usize) {
        let Some(mut control) = self.controls.get_mut(id).and_then(Option::take) else {
            return;
        };
        control
            .clock
            .store(EPOCH + self.now + control.skew, Ordering::Relaxed);
        let revision = control.db.view().revision;
        control.view.store(revision, Ordering::Relaxed);
        let mut alive = true;
        while alive {
            let (progress, lives) = self.turn(&mut control);
            alive = lives;
            self.collect(&By::Itself);
            if !progress {
                break;
            }
        }
        if alive {
            if let Some(at) = control.rounds.next_wake() {
                control.token += 1;
                let token = control.token;
                let is_blocked = control.work.is_blocked(self.now);
                let soonest = if is_blocked { 1000 } else { 0 };
                let wait = (at.millis() - (EPOCH + self.now + control.skew)).max(soonest);
                self.after(wait, Event::Wake { control: id, token });
            }
            self.controls[id] = Some(control);
        } else {
            self.controls[id] = Some(control);
            self.control_fails(id);
        }
    }

    /// A process whose store has failed ends, and is started again unless another has its place.
    pub(crate) fn control_fails(&mut self, id: usize) {
        let newest = self.controls.iter().rposition(Option::is_some);
        if self.controls[id].is_some() {
            self.kill_control(id);
            if newest == Some(id) {
                self.start_control_after(500);
            }
        }
    }

    /// One turn of everything. Returns whether something happened and whether it still lives.
    fn turn(&mut self, control: &mut Control) -> (bool, bool) {
        let mut progress = false;
        if let Some(starting) = &mut control.starting {
            match poll(starting) {
                None => return (false, true),
                Some(false) => return (true, false),
                Some(true) => {
                    control.starting = None;
                    control.rounds.queue.push_all(&control.db.view());
                    progress = true;
                }
            }
        }
        self.collect(&By::Itself);
        control.chores.retain_mut(|chore| poll(chore).is_none());
        self.collect(&By::Itself);
        for (call, mut doing) in std::mem::take(&mut control.calls) {
            let answer = poll(&mut doing);
            self.collect(&By::Call(call));
            match answer {
                Some(answer) => {
                    progress = true;
                    self.call_answered(call, answer, Some(control.id));
                }
                None => control.calls.push((call, doing)),
            }
        }
        let now = control.wall();
        let mut finished = Vec::new();
        control.activations.retain_mut(|doing| match poll(doing) {
            Some(activation) => {
                finished.push(activation);
                false
            }
            None => true,
        });
        for activation in finished {
            progress = true;
            if !self.finish(control, activation) {
                return (true, false);
            }
        }
        loop {
            match control.changes.try_recv() {
                Ok(batch) => {
                    let view = control.db.view();
                    for change in batch.iter() {
                        control.rounds.queue.note(change, &view, now);
                        control.work.note(change, self.now);
                    }
                    progress = true;
                }
                Err(TryRecvError::Lagged(_)) => {
                    control.rounds.queue.push_all(&control.db.view());
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        control.work.sees(control.keys());
        progress |= self.turn_sessions(control);
        let view = control.db.view();
        control.scheduling.wake(&view, &mut control.rounds.queue);
        drop(view);
        while !control.work.is_blocked(self.now)
            && let Some(due) = control.rounds.start(now, self.elapsed())
        {
            progress = true;
            let keys: Vec<Key> = due.iter().map(|due| due.key.clone()).collect();
            for key in &keys {
                let late = control.work.begins(key, self.now);
                self.judge_wait(key, late);
            }
            let ecs = Arc::clone(&control.ecs);
            let scheduling = Arc::clone(&control.scheduling);
            let settings = self.scenario.settings;
            let mut doing = decide::activate(ecs, scheduling, settings, due, self.mutant);
            let activation = poll(&mut doing);
            self.collect(&By::Decision(keys));
            match activation {
                Some(activation) => {
                    if !self.finish(control, activation) {
                        return (true, false);
                    }
                }
                None => control.activations.push(doing),
            }
        }
        (progress, true)
    }

    /// Takes over what became of a decision. Returns whether the process still lives.
    fn finish(&mut self, control: &mut Control, mut activation: Activation) -> bool {
        let any = |wanted: fn(&Outcome) -> bool| {
            let mut outcomes = activation.outcomes.iter();
            outcomes.any(|(_, outcome)| wanted(outcome))
        };
        if any(|outcome| matches!(outcome, Outcome::Conflict))
            && self.is_mutant(Mutant::ConflictDropped)
        {
            // The keys count as being looked at for ever.
            return true;
        }
        let is_poison = any(|outcome| matches!(outcome, Outcome::Poison));
        if is_poison && self.is_mutant(Mutant::PoisonBlocks) {
            control.work.block(self.now);
        }
        for (key, outcome) in &mut activation.outcomes {
            if is_poison && self.is_mutant(Mutant::PoisonRetried) {
                *outcome = Outcome::Conflict;
            }
            control.work.ends(key, self.now);
        }
        if activation
            .outcomes
            .iter()
            .any(|(key, _)| key.turn().is_some())
        {
            control.work.turn_ends(self.now);
        }
        let now = control.wall();
        control
            .rounds
            .finish(activation, now, self.elapsed())
            .is_ok()
    }

    /// A clock that never jumps.
    fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now).unwrap_or(0))
    }

    /// Sends what was submitted to the store on its way.
    pub(crate) fn collect(&mut self, by: &By) {
        for submitted in self.desk.take() {
            let mut delay = self.rng.between(0, self.scenario.commit);
            if self.strikes(Fault::StoreSlow, 100) {
                delay += self.rng.between(100, 2000);
            }
            let (ticket, control) = (submitted.ticket, submitted.control);
            let sent = Sent {
                commit: submitted.commit,
                view: submitted.view,
                by: by.clone(),
            };
            self.submitted.insert(ticket, sent);
            self.after(delay, Event::Commit { ticket, control });
        }
    }

    pub(crate) fn wake_control(&mut self, id: usize, token: u64) {
        let due = self.controls[id].as_ref().is_some_and(|c| c.token == token);
        if due {
            self.pump(id);
        }
    }

    /// Begins a call at the control plane that serves; false if none does.
    pub(crate) fn call_control(
        &mut self,
        call: usize,
        make: impl FnOnce(Arc<Ecs>) -> Doing<Answer>,
    ) -> bool {
        let Some(id) = self.serving() else {
            return false;
        };
        let early = self.is_mutant(Mutant::CallAnsweredEarly);
        let now = self.now;
        if let Some(control) = &mut self.controls[id] {
            control
                .clock
                .store(EPOCH + now + control.skew, Ordering::Relaxed);
            let mut doing = make(Arc::clone(&control.ecs));
            if early {
                let answer = poll(&mut doing);
                control.chores.push(Box::pin(async move {
                    doing.await.ok();
                }));
                self.collect(&By::Itself);
                let answer = answer.unwrap_or(Ok(serde_json::Value::Null));
                self.call_answered(call, answer, None);
                return true;
            }
            control.calls.push((call, doing));
        }
        self.pump(id);
        true
    }
}
