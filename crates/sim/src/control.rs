//! A control-plane process: the real view, controller rounds, decisions, API handlers and gateway
//! bodies; what the simulation does is to poll them when something has happened.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use longshore_api::context::Ecs;
use longshore_api::error::ApiError;
use longshore_control_plane::controller::{Activation, RELIST_INTERVAL, Rounds};
use longshore_control_plane::gateway::registration;
use longshore_control_plane::placer::SchedulerPlacer;
use longshore_control_plane::sweep;
use longshore_model::{InstanceId, Timestamp};
use longshore_store::{Change, Commit, Db, Revision};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::cluster::{Cluster, EPOCH, Event};
use crate::decide;
use crate::fault::Fault;
use crate::invariant::{Input, Reporting};
use crate::link::GateSession;
use crate::mutant::Mutant;
use crate::store::SimStore;

/// Something a process is doing.
pub(crate) type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(crate) type Changes = Receiver<Arc<Vec<Change>>>;
pub(crate) type Answer = Result<serde_json::Value, ApiError>;

/// A control-plane process.
pub(crate) struct Control {
    pub(crate) id: usize,
    pub(crate) db: Arc<Db>,
    pub(crate) ecs: Arc<Ecs>,
    clock: Arc<AtomicI64>,
    view: Arc<AtomicU64>,
    /// How wrong its clock is, in ms.
    pub(crate) skew: i64,
    pub(crate) started_at: i64,
    starting: Option<Doing<bool>>,
    rounds: Rounds,
    changes: Changes,
    activations: Vec<Doing<Activation>>,
    pub(crate) chores: Vec<Doing<()>>,
    calls: Vec<(usize, Doing<Answer>)>,
    pub(crate) sessions: BTreeMap<u64, GateSession>,
    /// The session of each instance.
    pub(crate) places: BTreeMap<InstanceId, u64>,
    pub(crate) paused: bool,
    pub(crate) held: Vec<Event>,
    /// How much of the log it has been shown.
    shown: usize,
    /// When the newest batch on its way arrives.
    shown_at: i64,
    /// Whether the watch lost something that no later commit has shown yet.
    lost: bool,
    token: u64,
}

/// A commit on its way.
pub(crate) struct Sent {
    commit: Commit,
    view: Revision,
    reporting: Option<Reporting>,
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
        let db = Arc::new(Db::at(store, self.log.list()));
        let clock = Arc::new(AtomicI64::new(EPOCH + self.now));
        let drawn = AtomicU64::new(0);
        let salt = u128::from(self.scenario.seed) << 64 | (id as u128) << 40;
        let ecs = Arc::new(Ecs {
            realm: self.realm.clone(),
            db: Arc::clone(&db),
            placer: Arc::new(SchedulerPlacer),
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
        self.controls.push(Some(Control {
            id,
            changes: db.subscribe(),
            db,
            ecs,
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
        }));
        let interval = i64::try_from(RELIST_INTERVAL.as_millis()).unwrap_or(10_000);
        self.after(interval, Event::Relist { control: id });
        self.pump(id);
        id
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
        // Longshore is one process: what was replaced does not come back in its place.
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
            self.collect(None);
            if !progress {
                break;
            }
        }
        if alive {
            if let Some(at) = control.rounds.queue.next_wake() {
                control.token += 1;
                let token = control.token;
                let wait = at.millis() - (EPOCH + self.now + control.skew);
                self.after(wait, Event::Wake { control: id, token });
            }
            self.controls[id] = Some(control);
        } else {
            self.controls[id] = Some(control);
            self.kill_control(id);
            self.after(500, Event::StartControl);
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
        self.collect(None);
        control.chores.retain_mut(|chore| poll(chore).is_none());
        self.collect(None);
        let mut answered = Vec::new();
        control.calls.retain_mut(|(call, doing)| match poll(doing) {
            Some(answer) => {
                answered.push((*call, answer));
                false
            }
            None => true,
        });
        for (call, answer) in answered {
            progress = true;
            self.call_answered(call, answer);
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
            let conflict = matches!(
                activation.outcome,
                longshore_control_plane::controller::Outcome::Conflict
            );
            if conflict && self.is_mutant(Mutant::ConflictDropped) {
                // The key counts as being looked at for ever.
                continue;
            }
            if control.rounds.finish(activation, now).is_err() {
                return (true, false);
            }
        }
        loop {
            match control.changes.try_recv() {
                Ok(batch) => {
                    let view = control.db.view();
                    for change in batch.iter() {
                        control.rounds.queue.note(change, &view);
                    }
                    progress = true;
                }
                Err(TryRecvError::Lagged(_)) => {
                    control.rounds.queue.push_all(&control.db.view());
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        progress |= self.turn_sessions(control);
        while let Some(key) = control.rounds.start(now) {
            progress = true;
            let ecs = Arc::clone(&control.ecs);
            let mut doing = decide::activate(ecs, self.scenario.settings, key, self.mutant);
            match poll(&mut doing) {
                Some(activation) => {
                    if control.rounds.finish(activation, now).is_err() {
                        return (true, false);
                    }
                }
                None => control.activations.push(doing),
            }
        }
        self.collect(None);
        (progress, true)
    }

    /// Sends what was submitted to the store on its way.
    pub(crate) fn collect(&mut self, reporting: Option<Reporting>) {
        for submitted in self.desk.take() {
            let mut delay = self.rng.between(0, self.scenario.commit);
            if self.strikes(Fault::StoreSlow, 100) {
                delay += self.rng.between(100, 2000);
            }
            let (ticket, control) = (submitted.ticket, submitted.control);
            let sent = Sent {
                commit: submitted.commit,
                view: submitted.view,
                reporting: reporting.clone(),
            };
            self.submitted.insert(ticket, sent);
            self.after(delay, Event::Commit { ticket, control });
        }
    }

    /// A commit reaches the store.
    pub(crate) fn commit_arrives(&mut self, ticket: u64, control: usize) {
        let Some(sent) = self.submitted.remove(&ticket) else {
            return;
        };
        let asked = sent.commit;
        let mut commit = asked.clone();
        match self.mutant {
            Some(Mutant::NoGuards) => commit.guards.clear(),
            Some(Mutant::PlacementUnguarded) => decide::unguard_placement(&mut commit),
            _ => {}
        }
        let asked = if self.is_mutant(Mutant::PlacementUnguarded) {
            commit.clone()
        } else {
            asked
        };
        let held = self.oracle.guards_hold(&asked);
        let (answer, batch) = self.log.commit(commit);
        let now = self.now;
        if let Some(batch) = batch {
            for event in &batch.events {
                self.trace.add(event.key().as_str().as_bytes());
                if let longshore_store::Event::Put(entry) = event {
                    self.trace.add(&entry.value);
                }
            }
            self.trace.say(now, || {
                let keys: Vec<&str> = batch.events.iter().map(|e| e.key().as_str()).collect();
                format!("commit {} by {control}: {}", batch.revision, keys.join(" "))
            });
            let input = Input {
                guards_held: held,
                view: sent.view,
                reporting: sent.reporting,
            };
            self.oracle.committed(now, &batch, &input);
            for said in self.oracle.take_story() {
                self.trace.say(now, || said);
            }
            self.workload_sees();
            self.show_all();
        } else if answer.is_err() {
            self.trace
                .say(now, || format!("a commit of {control} meets a conflict"));
        }
        let delay = self.rng.between(0, self.scenario.commit);
        self.after(
            delay,
            Event::Answer {
                control,
                ticket,
                answer,
            },
        );
    }

    /// The newest batch goes on its way to every process.
    pub(crate) fn show_all(&mut self) {
        let upto = self.log.batches.len();
        for id in 0..self.controls.len() {
            if self.controls[id].is_none() {
                continue;
            }
            if self.strikes(Fault::WatchGap, 30) || self.strikes(Fault::WatchLastLost, 30) {
                if let Some(control) = &mut self.controls[id] {
                    control.lost = true;
                }
                continue;
            }
            let mut delay = self.rng.between(0, 3);
            if self.active.contains(&Fault::WatchDelay) {
                delay += self.rng.between(100, 5000);
            }
            let Some(control) = &mut self.controls[id] else {
                continue;
            };
            control.shown_at = control.shown_at.max(self.now + delay);
            let wait = control.shown_at - self.now;
            self.after(wait, Event::Watch { control: id, upto });
        }
    }

    pub(crate) fn watch_shows(&mut self, id: usize, upto: usize) {
        let ignores_gaps = self.is_mutant(Mutant::GapIgnored);
        let Some(control) = self.controls[id].as_mut() else {
            return;
        };
        if upto <= control.shown {
            return;
        }
        if control.shown + 1 == upto || ignores_gaps {
            control.db.apply(&self.log.batches[upto - 1]);
            control.shown = upto;
        } else if control.lost {
            // A commit is missing between the two: list again.
            control.db.replace(self.log.list());
            control.shown = self.log.batches.len();
            control.lost = false;
            self.oracle.exercise(crate::invariant::Invariant::L5);
        } else {
            for batch in &self.log.batches[control.shown..upto] {
                control.db.apply(batch);
            }
            control.shown = upto;
        }
        self.pump(id);
    }

    pub(crate) fn relist(&mut self, id: usize) {
        let never = self.is_mutant(Mutant::NoPeriodicList) || self.is_mutant(Mutant::GapIgnored);
        let drops = self.is_mutant(Mutant::ConflictDropped);
        let now = self.now;
        let Some(control) = self.controls[id].as_mut() else {
            return;
        };
        control
            .clock
            .store(EPOCH + now + control.skew, Ordering::Relaxed);
        if control.lost && !never {
            control.db.replace(self.log.list());
            control.shown = self.log.batches.len();
            control.lost = false;
            self.oracle.exercise(crate::invariant::Invariant::L5);
        }
        if control.starting.is_none() {
            if !drops {
                control.rounds.queue.push_all(&control.db.view());
            }
            let txn = sweep::sweep(&control.db.view(), control.wall());
            let db = Arc::clone(&control.db);
            control.chores.push(Box::pin(async move {
                // Refused, it is left to the next round.
                db.commit(txn).await.ok();
            }));
        }
        let interval = i64::try_from(RELIST_INTERVAL.as_millis()).unwrap_or(10_000);
        self.after(interval, Event::Relist { control: id });
        self.pump(id);
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
                self.collect(None);
                self.call_answered(call, answer.unwrap_or(Ok(serde_json::Value::Null)));
                return true;
            }
            control.calls.push((call, doing));
        }
        self.pump(id);
        true
    }
}
