//! The decisions of one turn: keys that are decided about one after the other, from one view, and
//! committed together.

use std::time::Duration;

use longshore_model::plan::{Ctx, Plan, Reason};
use longshore_model::{TaskId, Timestamp};
use longshore_reconcile::{Action, Key, Scope};
use longshore_store::{Txn, View};

use super::commit::Writing;
use crate::placement::{ClusterIndexes, Statistics};
use crate::settings::Settings;

/// A key whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What is to be decided about.
    pub key: Key,
    /// For how long all decisions about it have waited for what they saw to last.
    pub waited: Duration,
}

/// Decides about one key from one view and the index of its instances. `None` if what it names is
/// gone. What the plan places is noted in the index; see [`ClusterIndexes::settle`].
pub fn decide(
    view: &View,
    indexes: &mut ClusterIndexes,
    due: &Due,
    settings: Settings,
    ctx: &mut Ctx,
) -> Option<Plan<Action>> {
    indexes.decide(view, &due.key, |attempt| {
        let mut scope = Scope {
            ctx,
            times: settings.times,
            most_changes: settings.room.changes,
            waited: due.waited,
            attempt,
        };
        due.key.decide(view, &mut scope)
    })
}

/// What one turn decided, not committed yet.
#[derive(Debug)]
pub struct Decided {
    /// What to write; may be empty.
    pub txn: Txn,
    /// The tasks that it places.
    pub placed: Vec<TaskId>,
    /// What became of each key that was decided about.
    pub plans: Vec<(Key, Planned)>,
    /// Keys that found no room in the transaction; nothing is decided about them.
    pub left: Vec<Key>,
}

/// What was decided about one key.
#[derive(Debug)]
pub enum Planned {
    /// What it names is gone.
    Gone,
    /// Its plan changes this record, which is damaged: what was read of it is not what is stored.
    /// Nothing of the plan is in the transaction.
    Damaged(longshore_store::Key),
    /// Its plan is in the transaction.
    Written(Rest),
}

/// What a plan leaves to be done later.
#[derive(Debug)]
pub struct Rest {
    /// When to look again though nothing changes.
    pub wake_at: Option<Timestamp>,
    /// Why nothing more is done.
    pub reasons: Vec<Reason>,
    /// Whether it waits for what it saw to last.
    pub waits: bool,
}

/// Decides about the keys of one turn, all of one cluster, from one view. What fits into a commit
/// by eye, and does not once it is written down, since its records are long, is decided again: the
/// first key alone, and then with fewer and fewer changes.
pub fn decide_turn(
    view: &View,
    indexes: &mut ClusterIndexes,
    mut keys: &[Due],
    mut settings: Settings,
    statistics: &Statistics,
    mut ctx: impl FnMut() -> Ctx,
) -> Option<Decided> {
    let mut later: &[Due] = &[];
    loop {
        let mut decided = decide_together(view, indexes, keys, settings, statistics, &mut ctx)?;
        let room = &mut settings.room;
        if decided.txn.bytes() <= room.bytes || (keys.len() == 1 && room.changes <= 1) {
            decided.left.extend(later.iter().map(|due| due.key.clone()));
            return Some(decided);
        }
        indexes.settle(&keys.first()?.key, &decided.placed);
        if keys.len() > 1 {
            (keys, later) = keys.split_at(1);
        } else {
            room.changes /= 2;
        }
    }
}

/// Decides about these keys in turn, as far as there is room.
fn decide_together(
    view: &View,
    indexes: &mut ClusterIndexes,
    keys: &[Due],
    settings: Settings,
    statistics: &Statistics,
    ctx: &mut impl FnMut() -> Ctx,
) -> Option<Decided> {
    let mut writing = Writing::new(view, keys.first()?.key.cluster());
    let (mut plans, mut left) = (Vec::new(), Vec::new());
    let mut keys = keys.iter();
    for due in keys.by_ref() {
        let (key, mut ctx) = (&due.key, ctx());
        let decide = || decide(view, indexes, due, settings, &mut ctx);
        let Some(plan) = statistics.decide.time(decide) else {
            indexes.leave(key);
            plans.push((key.clone(), Planned::Gone));
            continue;
        };
        if let Some(record) = writing.damaged(&plan.actions) {
            indexes.forget(key, &plan.actions);
            plans.push((key.clone(), Planned::Damaged(record)));
            continue;
        }
        if !writing.has_room(&plan.actions, settings.room) {
            indexes.forget(key, &plan.actions);
            left.push(key.clone());
            break;
        }
        let planned = if writing.knows_all(&plan.actions) {
            let add = || writing.add(plan.actions, ctx.now);
            statistics.encode.time(add).map(|()| Rest {
                wake_at: plan.wake_at,
                reasons: plan.reasons,
                waits: plan.waits,
            })
        } else {
            indexes.forget(key, &plan.actions);
            None
        };
        plans.push((key.clone(), planned.map_or(Planned::Gone, Planned::Written)));
    }
    left.extend(keys.map(|due| due.key.clone()));
    let (txn, placed) = statistics.encode.time(|| writing.finish());
    Some(Decided {
        txn,
        placed,
        plans,
        left,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::instance::Connection;
    use longshore_model::service::PropagateTags;
    use longshore_model::{ClusterName, CpuUnits, InstanceId};

    use super::*;
    use crate::testing::{definition, instance, put, service};

    fn due(name: &str) -> Due {
        Due {
            key: Key::Service((ClusterName::default_cluster(), name.parse().unwrap())),
            waited: Duration::ZERO,
        }
    }

    #[test]
    fn a_turn_whose_records_are_long_makes_fewer_changes() {
        let mut view = View::default();
        let mut web = service(40);
        web.propagate_tags = PropagateTags::Service;
        let tag = |n| (format!("{n:0>128}"), "v".repeat(256));
        web.tags = (0..50).map(tag).collect();
        let mut other = web.clone();
        other.name = "other".parse().unwrap();
        let mut definition = definition();
        definition.cpu = Some(CpuUnits(1));
        let now = Timestamp::default();
        let mut node = instance(InstanceId::new(2), Connection::Connected(now));
        node.registered.cpu = CpuUnits(80);
        put(&mut view, &web);
        put(&mut view, &other);
        put(&mut view, &definition);
        put(&mut view, &node);

        let (mut indexes, statistics) = (ClusterIndexes::default(), Statistics::default());
        indexes.catch_up(&view, &statistics);
        let mut seed = 0;
        // How many tasks it places, what it leaves, and the bytes of its commit. Nothing of it is
        // committed, so that room for all 80 tasks is there again only if nothing is kept.
        let mut turn = |bytes| {
            let mut settings = Settings::default();
            settings.room.bytes = bytes;
            let keys = ["other", "web"].map(due);
            let ctx = || {
                seed += 1;
                Ctx::new(now, seed)
            };
            let decided = decide_turn(&view, &mut indexes, &keys, settings, &statistics, ctx);
            let decided = decided.unwrap();
            indexes.settle(&keys[0].key, &decided.placed);
            (decided.placed.len(), decided.left, decided.txn.bytes())
        };
        let (placed, left, whole) = turn(usize::MAX);
        assert_eq!((placed, left), (80, vec![]));
        for (room, expected) in [(whole, 80), (whole / 2, 25), (whole / 100, 1), (1, 1)] {
            let (placed, left, bytes) = turn(room);
            assert_eq!(placed, expected, "{bytes} of {room}");
            assert_eq!(left.is_empty(), placed == 80);
            assert!(bytes <= room || placed == 1, "{bytes} of {room}");
        }
        assert_eq!(turn(whole).0, 80);
    }
}
