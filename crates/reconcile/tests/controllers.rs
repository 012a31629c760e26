//! What each controller gathers, and what wakes it.
#![allow(clippy::unwrap_used)]

mod records;

use std::time::Duration;

use bytes::Bytes;
use longshore_model::instance::{Connection, Instance};
use longshore_model::plan::Reason;
use longshore_model::replica::Replica;
use longshore_model::service::Service;
use longshore_model::{ClusterName, ReplicaId, Timestamp};
use longshore_reconcile::token::CLIENT_TOKEN_LIFETIME;
use longshore_reconcile::{Action, Key, Pace, Times, absence, task};
use longshore_state::table::list::AnyRecord;
use longshore_state::table::{self, ClientToken, JoinToken, Record as _};
use longshore_state::{Entry, Event};

use records::{NODE, World, instance};

const THERE: ReplicaId = ReplicaId::new(2);
const NONE: Duration = Duration::ZERO;

fn replica(id: ReplicaId) -> Replica {
    Replica {
        id,
        people: None,
        agents: None,
        started_at: Timestamp::default(),
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::default().after(Duration::from_secs(seconds))
}

/// Everything there is to decide about.
fn all(world: &World) -> Vec<Key> {
    let mut keys = Vec::new();
    Key::all(&world.view, &mut |key| keys.push(key));
    keys
}

#[test]
fn agents_of_a_control_plane_that_lives_are_left_alone() {
    let mut world = World::default();
    world.put(&replica(THERE));
    world.put(&instance(Some(THERE)));
    let absence = Key::Absence(Some(THERE));
    assert!(!all(&world).contains(&absence));
    assert_eq!(world.decide(&absence, at(0), absence::GRACE), None);
}

#[test]
fn agents_of_one_that_is_gone_have_time_to_move() {
    let mut world = World::default();
    world.put(&replica(THERE));
    world.put(&instance(Some(THERE)));
    let gone = world.remove(&replica(THERE)).unwrap();
    let absence = Key::Absence(Some(THERE));
    assert_eq!(world.woken(&gone), [(absence.clone(), Pace::Now)]);
    assert!(all(&world).contains(&absence));

    let early = world.decide(&absence, at(100), NONE).unwrap();
    assert!(early.actions.is_empty() && early.waits);
    assert_eq!(early.wake_at, Some(at(120)));
    assert_eq!(early.reasons, [Reason::ControlPlaneAway { until: at(120) }]);
    // The time by the wall may jump meanwhile.
    let late = world.decide(&absence, at(5000), Duration::from_secs(19));
    assert_eq!(late.unwrap().wake_at, Some(at(5001)));

    let due = world.decide(&absence, at(120), absence::GRACE).unwrap();
    let [Action::Put(AnyRecord::Instance(away))] = due.actions.as_slice() else {
        panic!("{due:?}");
    };
    assert_eq!(away.connection, Connection::Disconnected(at(120)));
    world.put(&**away);
    assert_eq!(world.decide(&absence, at(121), absence::GRACE), None);
}

#[test]
fn a_session_through_one_that_was_never_announced_is_found() {
    let mut world = World::default();
    let change = world.put(&instance(None)).unwrap();
    assert!(
        world
            .woken(&change)
            .contains(&(Key::Absence(None), Pace::Now))
    );
    let due = world.decide(&Key::Absence(None), at(1), absence::GRACE);
    assert_eq!(due.unwrap().actions.len(), 1);
}

#[test]
fn a_damaged_record_of_a_control_plane_ends_no_session() {
    let mut world = World::default();
    world.put(&instance(Some(THERE)));
    world.damage(&replica(THERE));
    let absence = Key::Absence(Some(THERE));
    assert!(!all(&world).contains(&absence));
    assert_eq!(world.decide(&absence, at(100), absence::GRACE), None);
}

#[test]
fn a_record_that_cannot_be_read_ends_no_task() {
    let mut world = World::default();
    let task = records::task();
    world.put(&task);
    let key = (task.cluster.clone(), task.id);
    let seen = |world: &World| {
        let seen = task::gather(&world.view, &key, Times::default());
        seen.map(|seen| (seen.instance.is_some(), seen.owned))
    };
    assert_eq!(seen(&world), Some((false, false)));
    let damage = |world: &mut World, key| {
        let entry = Entry {
            key,
            value: Bytes::from_static(b"\x01????{}"),
            revision: 1,
        };
        world.view.apply(&Event::Put(entry), 1);
    };
    damage(&mut world, table::key::<Service>("default/web"));
    assert_eq!(seen(&world), Some((false, true)));
    damage(
        &mut world,
        table::key::<Instance>(&format!("default/{NODE}")),
    );
    assert_eq!(seen(&world), None);
}

#[test]
fn a_placement_wakes_nobody_and_an_agent_that_goes_wakes_all_on_its_instance() {
    let mut world = World::default();
    let (task, mut node) = (records::task(), instance(Some(THERE)));
    world.put(&replica(THERE));
    world.put(&node);
    world.put(&task);
    node.version += 1;
    let placed = world.put(&node).unwrap();
    assert_eq!(world.woken(&placed), []);
    node.connection = Connection::Disconnected(at(5));
    let away = world.put(&node).unwrap();
    let cluster = ClusterName::default_cluster();
    let expected = [
        Key::Service((cluster.clone(), "web".parse().unwrap())),
        Key::Instance((cluster.clone(), node.id)),
        Key::Task((cluster, task.id)),
    ];
    assert_eq!(world.woken(&away), expected.map(|key| (key, Pace::Now)));
}

#[test]
fn tokens_are_forgotten_when_they_have_had_their_time() {
    let mut world = World::default();
    assert_eq!(all(&world), []);
    let used = ClientToken {
        operation: "RunTask".to_owned(),
        cluster: ClusterName::default_cluster(),
        token: "t".to_owned(),
        request_digest: String::new(),
        made: Vec::new(),
        failures: String::new(),
        used_at: at(0),
    };
    let open = JoinToken {
        id: "1".repeat(16),
        secret_digest: String::new(),
        cluster: ClusterName::default_cluster(),
        uses_left: 1,
        expires_at: at(60),
    };
    let spent = JoinToken {
        id: "2".repeat(16),
        uses_left: 0,
        ..open.clone()
    };
    world.put(&used);
    world.put(&open);
    world.put(&spent);
    assert_eq!(all(&world), [Key::Tokens(())]);
    let forgotten = |seconds| {
        let plan = world.decide(&Key::Tokens(()), at(seconds), NONE).unwrap();
        plan.actions
    };
    assert_eq!(forgotten(59), [Action::Delete(spent.key())]);
    let delete = |key| Action::Delete(key);
    assert_eq!(forgotten(60), [open.key(), spent.key()].map(delete));
    let all = [used.key(), open.key(), spent.key()];
    assert_eq!(forgotten(CLIENT_TOKEN_LIFETIME.as_secs()), all.map(delete));
}
