//! Commits that reach the store, and what each process is shown of them.

use std::sync::atomic::Ordering;

use longshore_control_plane::control::RELIST_INTERVAL;
use longshore_store::{CommitError, Unavailable};

use crate::cluster::{Cluster, EPOCH, Event};
use crate::control::By;
use crate::decide;
use crate::fault::Fault;
use crate::invariant::Invariant;
use crate::mutant::Mutant;
use crate::oracle::Input;

impl Cluster {
    /// A commit reaches the store.
    pub(crate) fn commit_arrives(&mut self, ticket: u64, control: usize) {
        let Some(sent) = self.submitted.remove(&ticket) else {
            return;
        };
        if let Some(process) = &mut self.controls[control] {
            process.work.commits();
        }
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
        let refused = matches!(&sent.by, By::Decision(keys)
            if self.poison.as_ref().is_some_and(|poison| keys.contains(poison)));
        let (answer, batch) = if refused {
            self.fired.count(Fault::PlanRefused);
            (Err(too_large()), None)
        } else if self.store_fails(control) {
            let happens = self.weather.chance(300) && !self.healed;
            let batch = happens.then(|| self.log.commit(commit).1).flatten();
            let cause = Unavailable::new("writing a commit", "the store does not answer");
            (Err(cause.into()), batch)
        } else {
            self.log.commit(commit)
        };
        let is_turn =
            matches!(&sent.by, By::Decision(keys) if keys.iter().any(|key| key.turn().is_some()));
        let waits_for_view = answer.as_ref().err().is_none_or(CommitError::is_conflict);
        if let Some(process) = &mut self.controls[control]
            && is_turn
            && waits_for_view
        {
            process.work.waits_for_view(ticket);
        }
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
                reporting: match &sent.by {
                    By::Agent(reporting) => Some(reporting.clone()),
                    _ => None,
                },
            };
            self.oracle.committed(now, &batch, &input);
            if let By::Call(call) = sent.by {
                self.workload.calls[call].committed_at = batch.revision;
            }
            for said in self.oracle.take_story() {
                self.trace.say(now, || said);
            }
            self.workload_sees();
            self.show_all();
        } else if answer.is_err() {
            self.trace.say(now, || {
                format!("a commit of {control} is refused: {answer:?}")
            });
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

    /// Whether the store does not answer this process, which then ends soon.
    fn store_fails(&mut self, id: usize) -> bool {
        let is_down = self.active.contains(&Fault::StoreDown);
        let Some(control) = &mut self.controls[id] else {
            return is_down;
        };
        let failed = control.store_failed;
        control.store_failed |= is_down;
        if is_down && !failed {
            self.fired.count(Fault::StoreDown);
            let delay = self.rng.between(0, 300);
            self.after(delay, Event::ControlFails { control: id });
        }
        failed || is_down
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
        let is_behind = self.controls[id].as_ref().is_some_and(|c| c.lost);
        if is_behind && self.store_fails(id) {
            return;
        }
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
            self.oracle.exercise(Invariant::L5);
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
        let is_behind = self.controls[id].as_ref().is_some_and(|c| c.lost);
        if is_behind && self.store_fails(id) {
            return;
        }
        self.judge_work(id);
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
            self.oracle.exercise(Invariant::L5);
        }
        if control.starting.is_none() && !drops {
            control.rounds.queue.push_all(&control.db.view());
        }
        let interval = i64::try_from(RELIST_INTERVAL.as_millis()).unwrap_or(10_000);
        self.after(interval, Event::Relist { control: id });
        self.pump(id);
    }
}

/// What the store says to a plan that it will never take.
fn too_large() -> CommitError {
    CommitError::TooLarge {
        what: "number of writes",
        key: None,
        actual: 1025,
        limit: 1024,
    }
}
