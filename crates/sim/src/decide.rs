//! One decision and its commit: the real one, or with one of our own faults put in between view
//! and decision or between decision and commit.

use std::sync::Arc;

use longshore_control_plane::control::{self, Activation, Due, Outcome};
use longshore_control_plane::placement::{ClusterIndexes, Scheduling};
use longshore_control_plane::settings::Settings;
use longshore_ecs::context::Ecs;
use longshore_model::instance::Connection;
use longshore_model::plan::{Ctx, Plan};
use longshore_model::service::DeploymentConfiguration;
use longshore_model::task::{DesiredStatus, Task};
use longshore_reconcile::{Action, Key, instance, service, task};
use longshore_store::table::list::AnyRecord;
use longshore_store::{Commit, CommitError, Guard, Txn, View};

use crate::control::Doing;
use crate::mutant::Mutant;

/// Decides and commits.
pub(crate) fn activate(
    ecs: Arc<Ecs>,
    scheduling: Arc<Scheduling>,
    settings: Settings,
    keys: Vec<Due>,
    mutant: Option<Mutant>,
) -> Doing<Activation> {
    match mutant.filter(|mutant| is_ours(*mutant)) {
        None => Box::pin(control::activate(ecs, scheduling, settings, keys, None)),
        Some(mutant) => Box::pin(async move {
            let mut outcomes = Vec::new();
            for due in keys {
                let outcome = mutated(&ecs, &scheduling, settings, &due, mutant).await;
                outcomes.push((due.key, outcome));
            }
            Activation { outcomes }
        }),
    }
}

fn is_ours(mutant: Mutant) -> bool {
    matches!(
        mutant,
        Mutant::CapacityFreedEarly
            | Mutant::LowerRoundedDown
            | Mutant::UpperIgnored
            | Mutant::ReplacedBeforeLost
            | Mutant::MassLossBelieved
            | Mutant::HealthyAtOnce
            | Mutant::ReapedAtOnce
            | Mutant::DamagedServiceDeleted
            | Mutant::StopNotAccounted
    )
}

async fn mutated(
    ecs: &Ecs,
    scheduling: &Scheduling,
    settings: Settings,
    due: &Due,
    mutant: Mutant,
) -> Outcome {
    let decided = {
        let view = ecs.db.view();
        let mut indexes = scheduling.indexes(&view);
        let decided = decide(&view, &mut indexes, due, settings, &mut ecs.ctx(), mutant);
        if let Some((_, plan)) = &decided {
            indexes.forget(&due.key, &plan.actions);
        }
        decided
    };
    let Some((txn, plan)) = decided else {
        return Outcome::Gone;
    };
    match ecs.db.commit(txn).await {
        Ok(_) => Outcome::Done {
            wake_at: plan.wake_at,
            reasons: plan.reasons,
            waits: plan.waits,
        },
        Err(error) if error.is_conflict() => Outcome::Conflict,
        Err(CommitError::Unavailable(_)) => Outcome::StoreFailed,
        Err(CommitError::Unreachable(_)) => Outcome::Unknown,
        Err(_) => Outcome::Poison,
    }
}

fn decide(
    view: &View,
    indexes: &mut ClusterIndexes,
    due: &Due,
    mut settings: Settings,
    ctx: &mut Ctx,
    mutant: Mutant,
) -> Option<(Txn, Plan<Action>)> {
    let times = &mut settings.times;
    let key = &due.key;
    let mut plan = match key {
        Key::Service(name) => {
            let cluster = &name.0;
            if mutant == Mutant::HealthyAtOnce {
                times.healthy_after = std::time::Duration::ZERO;
            }
            let mut seen = service::gather(view, name, *times, settings.room.changes)?;
            let mut changed = seen.service.clone();
            let configuration = changed.deployment_configuration;
            match mutant {
                Mutant::LowerRoundedDown => {
                    changed.deployment_configuration =
                        rounded_down(configuration, changed.desired_count);
                }
                Mutant::UpperIgnored => changed.deployment_configuration.maximum_percent = 1000,
                Mutant::ReplacedBeforeLost => {
                    let away = |task: &&Task| {
                        let instance = view.instances.get(&(cluster.clone(), task.instance));
                        !instance
                            .is_some_and(|i| matches!(i.connection, Connection::Disconnected(_)))
                    };
                    seen.tasks.retain(away);
                }
                // Told of at once, a task that is to stop holds nothing any more.
                Mutant::CapacityFreedEarly => {
                    for task in view.cluster_tasks(cluster).filter(|task| task.is_live()) {
                        if task.desired_status == DesiredStatus::Stopped {
                            indexes.index(cluster).remove_task(task.instance, task.id);
                        }
                    }
                }
                _ => {}
            }
            seen.service = &changed;
            let mut plan = indexes.decide(view, key, |attempt| {
                Some(service::reconcile(&seen, attempt, ctx))
            })?;
            for action in &mut plan.actions {
                if let Action::Put(AnyRecord::Service(service)) = action {
                    service.deployment_configuration = configuration;
                }
            }
            plan
        }
        Key::Task(name) => {
            if mutant == Mutant::ReapedAtOnce {
                times.stopped_retention = std::time::Duration::ZERO;
            }
            let mut seen = task::gather(view, name, *times)?;
            if mutant == Mutant::DamagedServiceDeleted {
                seen.owned = seen.task.service.as_ref().is_none_or(|service| {
                    let service = (name.0.clone(), service.name.clone());
                    view.services.contains_key(&service)
                });
            }
            task::reconcile(seen, ctx)
        }
        Key::Instance(name) => {
            let mut seen = instance::gather(view, name, *times)?;
            if mutant == Mutant::MassLossBelieved {
                seen.cluster_away = 0;
            }
            instance::reconcile(&seen, ctx)
        }
        _ => control::decide(view, indexes, due, settings, ctx)?,
    };
    if mutant == Mutant::StopNotAccounted {
        plan.actions
            .retain(|action| !matches!(action, Action::AccountTask(_)));
    }
    let txn = control::translate(view, key, &plan.actions, ctx.now)?;
    Some((txn, plan))
}

/// The percentage that rounds up to what this one rounds down to.
fn rounded_down(configuration: DeploymentConfiguration, desired: u32) -> DeploymentConfiguration {
    let lower = desired * configuration.minimum_healthy_percent / 100;
    DeploymentConfiguration {
        minimum_healthy_percent: (lower * 100).checked_div(desired).unwrap_or(0),
        ..configuration
    }
}

/// Takes the instances out of a commit that places tasks.
pub(crate) fn unguard_placement(commit: &mut Commit) {
    let is_instance = |key: &longshore_store::Key| key.as_str().starts_with("instance/");
    let places = commit
        .guards
        .iter()
        .any(|guard| matches!(guard, Guard::Absent { key } if key.as_str().starts_with("task/")));
    if places {
        commit.writes.retain(|write| !is_instance(write.key()));
        commit.guards.retain(|guard| match guard {
            Guard::Unchanged { key, .. } | Guard::Absent { key } => !is_instance(key),
            Guard::NoneNewer { .. } => true,
        });
    }
}
