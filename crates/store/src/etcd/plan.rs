//! Commits as etcd transactions.
//!
//! A server takes 128 operations and as many compares in one transaction, and what a nested
//! transaction has is taken off that. So a large commit is a tree: leaves of [`LEAF`] below groups
//! of [`GROUP`]. Compares of leaves cannot make the whole fail, so a leaf that does not hold reads
//! a revision that will never be, which etcd refuses before it carries out anything.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp};

use crate::contract::{Commit, Guard, Revision, Write};

use super::layout::{Layout, end_of, until};

/// Most compares, and most operations, of a transaction that is not a tree: 128 less what the
/// backend adds of its own.
const FLAT: usize = 120;
/// Compares or operations in one leaf of a tree.
const LEAF: usize = 64;
/// Leaves in one group of a tree.
const GROUP: usize = 16;
/// Most bytes of several commits in one transaction, a third of what a server takes.
const PACK_BYTES: usize = 512 * 1024;

/// What must hold in etcd for a commit to happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    /// The key was last put at this revision; 0 for absent.
    Modified(Vec<u8>, i64),
    /// The key is there.
    Exists(Vec<u8>),
    /// No key from the first up to the second was put after this revision.
    NoneNewer(Vec<u8>, Vec<u8>, i64),
    /// The key was last put at a revision beyond those that etcd can count to: never.
    Never(Vec<u8>),
}

/// A change of one etcd key.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// The key, its value and the lease it is bound to, 0 for none.
    Put(Vec<u8>, Bytes, i64),
    /// The key.
    Delete(Vec<u8>),
}

impl Change {
    fn key(&self) -> &Vec<u8> {
        match self {
            Change::Put(key, ..) | Change::Delete(key) => key,
        }
    }

    fn operation(&self) -> TxnOp {
        match self {
            Change::Put(key, value, 0) => TxnOp::put(key.clone(), value.to_vec(), None),
            Change::Put(key, value, lease) => {
                let options = PutOptions::new().with_lease(*lease);
                TxnOp::put(key.clone(), value.to_vec(), Some(options))
            }
            Change::Delete(key) => TxnOp::delete(key.clone(), None),
        }
    }
}

impl Check {
    /// What a guard means in etcd.
    pub(super) fn of(guard: &Guard, layout: &Layout) -> Check {
        match guard {
            Guard::Unchanged { key, revision } => {
                let key = if key.as_str() == crate::LEADER_KEY {
                    layout.leader()
                } else {
                    layout.data(key.as_str())
                };
                match i64::try_from(*revision) {
                    Ok(revision) => Check::Modified(key, revision),
                    Err(_) => Check::Never(key),
                }
            }
            Guard::Absent { key } => Check::Modified(layout.data(key.as_str()), 0),
            Guard::NoneNewer { prefix, revision } => {
                let start = layout.data(prefix);
                let end = end_of(&start);
                Check::NoneNewer(start, end, i64::try_from(*revision).unwrap_or(i64::MAX - 1))
            }
        }
    }

    pub(super) fn compare(&self) -> Compare {
        match self {
            Check::Modified(key, revision) => {
                Compare::mod_revision(key.clone(), CompareOp::Equal, *revision)
            }
            Check::Exists(key) => Compare::version(key.clone(), CompareOp::Greater, 0),
            Check::NoneNewer(start, end, revision) => {
                let next = revision.saturating_add(1);
                Compare::mod_revision(start.clone(), CompareOp::Less, next).with_range(end.clone())
            }
            // The version of an absent key is 0.
            Check::Never(key) => Compare::version(key.clone(), CompareOp::Less, 0),
        }
    }

    /// Reads what decides the check: the newest key of it, without its value.
    pub(super) fn read(&self, at: Option<i64>) -> TxnOp {
        let options = |options: GetOptions| {
            let options = options.with_keys_only();
            match at {
                Some(revision) => options.with_revision(revision),
                None => options,
            }
        };
        match self {
            Check::Modified(key, _) | Check::Exists(key) | Check::Never(key) => {
                TxnOp::get(key.clone(), Some(options(GetOptions::new())))
            }
            Check::NoneNewer(start, end, revision) => {
                let newer = until(end.clone()).with_min_mod_revision(revision.saturating_add(1));
                TxnOp::get(start.clone(), Some(options(newer.with_limit(1))))
            }
        }
    }

    /// Whether it holds, given what its read found: the revision the first key was put at.
    pub(super) fn holds(&self, found: Option<i64>) -> bool {
        match self {
            Check::Modified(_, revision) => found.unwrap_or(0) == *revision,
            Check::Exists(_) => found.is_some(),
            Check::NoneNewer(_, _, revision) => found.is_none_or(|found| found <= *revision),
            Check::Never(_) => false,
        }
    }
}

/// A commit in etcd's terms. Every change is one that changes something, if the checks hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// The guards of the commit, in their order.
    pub(super) guards: Vec<(Guard, Check)>,
    /// What else must hold: what was found out about the keys it deletes.
    pub(super) extra: Vec<Check>,
    pub(super) changes: Vec<Change>,
    /// How many of the changes are puts, and deletes, of records.
    pub(super) puts: usize,
    pub(super) deletes: usize,
    pub(super) bytes: usize,
}

impl Plan {
    /// The plan of a commit. The keys in `known` are deleted without a guard that says that they
    /// exist, and were looked at: whether they do.
    pub(super) fn of(commit: &Commit, layout: &Layout, known: &BTreeMap<Vec<u8>, bool>) -> Plan {
        let check = |guard: &Guard| (guard.clone(), Check::of(guard, layout));
        let mut plan = Plan {
            guards: commit.guards.iter().map(check).collect(),
            bytes: commit.bytes(),
            ..Plan::default()
        };
        for write in &commit.writes {
            let key = layout.data(write.key().as_str());
            match (write, known.get(&key)) {
                (Write::Put { value, .. }, _) => {
                    plan.changes.push(Change::Put(key, value.clone(), 0));
                    plan.puts += 1;
                }
                (Write::Delete { .. }, Some(false)) => plan.extra.push(Check::Modified(key, 0)),
                (Write::Delete { .. }, found) => {
                    if found.is_some() {
                        plan.extra.push(Check::Exists(key.clone()));
                    }
                    plan.changes.push(Change::Delete(key));
                    plan.deletes += 1;
                }
            }
        }
        plan
    }

    /// A plan of coordination: these checks and changes, which put or delete that many records.
    pub(super) fn of_coordination(
        extra: Vec<Check>,
        changes: Vec<Change>,
        (puts, deletes): (usize, usize),
    ) -> Plan {
        Plan {
            extra,
            changes,
            puts,
            deletes,
            ..Plan::default()
        }
    }

    pub(super) fn checks(&self) -> impl Iterator<Item = &Check> {
        let guards = self.guards.iter().map(|(_, check)| check);
        guards.chain(&self.extra)
    }

    /// The first guard for which `broken` is true.
    pub(super) fn first_broken(&self, broken: &BTreeSet<Check>) -> Option<Guard> {
        let found = self.guards.iter().find(|(_, check)| broken.contains(check));
        found.map(|(guard, _)| guard.clone())
    }
}

/// The keys that a commit deletes without a guard that says that they exist.
pub(super) fn uncertain(commit: &Commit, layout: &Layout) -> Vec<Vec<u8>> {
    let mut deleted: BTreeSet<&str> = BTreeSet::new();
    for write in &commit.writes {
        if let Write::Delete { key } = write {
            deleted.insert(key.as_str());
        }
    }
    if deleted.is_empty() {
        return Vec::new();
    }
    for guard in &commit.guards {
        if let Guard::Unchanged { key, revision: 1.. } = guard {
            deleted.remove(key.as_str());
        }
    }
    deleted.into_iter().map(|key| layout.data(key)).collect()
}

/// Plans that go in one transaction.
#[derive(Debug, Default)]
pub(super) struct Pack {
    checks: BTreeSet<Check>,
    changes: Vec<Change>,
    changed: BTreeSet<Vec<u8>>,
    puts: usize,
    deletes: usize,
    bytes: usize,
    plans: usize,
}

impl Pack {
    /// Takes the plan in if it goes together with those that are in already: small enough, and
    /// with no key of one's writes among the writes or the guards of another.
    pub(super) fn take(&mut self, plan: &Plan) -> bool {
        if self.plans > 0 && !self.fits(plan) {
            return false;
        }
        self.checks.extend(plan.checks().cloned());
        self.changed
            .extend(plan.changes.iter().map(|c| c.key().clone()));
        self.changes.extend(plan.changes.iter().cloned());
        self.puts += plan.puts;
        self.deletes += plan.deletes;
        self.bytes += plan.bytes;
        self.plans += 1;
        true
    }

    /// Whether no plan is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.plans == 0
    }

    /// Whether no further plan goes in.
    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= FLAT || self.checks.len() >= FLAT || self.bytes >= PACK_BYTES
    }

    fn fits(&self, plan: &Plan) -> bool {
        let new = plan
            .checks()
            .filter(|check| !self.checks.contains(check))
            .count();
        self.checks.len() + new <= FLAT
            && self.changes.len() + plan.changes.len() <= FLAT
            && self.bytes + plan.bytes <= PACK_BYTES
            && plan
                .changes
                .iter()
                .all(|change| !self.changed.contains(change.key()))
            && plan.checks().all(|check| !touches(check, &self.changed))
            && {
                let own: BTreeSet<Vec<u8>> = plan.changes.iter().map(|c| c.key().clone()).collect();
                self.checks.iter().all(|check| !touches(check, &own))
            }
    }

    /// Every check of every plan in it.
    pub(super) fn checks(&self) -> &BTreeSet<Check> {
        &self.checks
    }

    /// What `head` is put to: how many records the transaction puts, and deletes.
    pub(super) fn head(&self) -> Head {
        Head {
            puts: self.puts,
            deletes: self.deletes,
        }
    }

    /// The transaction: if `first` and all checks hold, the changes and then `last`, else
    /// `otherwise`. `last` comes last, so that whoever sees its event has seen the others.
    pub(super) fn transaction(
        &self,
        first: Compare,
        last: Vec<TxnOp>,
        otherwise: Vec<TxnOp>,
        head: &[u8],
    ) -> Txn {
        let compares = self.checks.iter().map(Check::compare);
        let changes = self.changes.iter().map(Change::operation);
        let (mut when, mut then) = (vec![first], Vec::new());
        if self.checks.len() <= FLAT {
            when.extend(compares);
        } else {
            let leaf = |compares: Vec<Compare>| {
                let refuse = GetOptions::new().with_revision(i64::MAX);
                Txn::new()
                    .when(compares)
                    .or_else([TxnOp::get(head, Some(refuse))])
            };
            then.extend(tree(compares.collect(), leaf));
        }
        if self.changes.len() <= FLAT {
            then.extend(changes);
        } else {
            then.extend(tree(changes.collect(), |then: Vec<TxnOp>| {
                Txn::new().and_then(then)
            }));
        }
        then.extend(last);
        Txn::new().when(when).and_then(then).or_else(otherwise)
    }
}

/// Whether a write of one of these keys is what the check looks at.
fn touches(check: &Check, keys: &BTreeSet<Vec<u8>>) -> bool {
    match check {
        Check::Modified(key, _) | Check::Exists(key) => keys.contains(key),
        Check::NoneNewer(start, end, _) => keys.range(start.clone()..end.clone()).next().is_some(),
        Check::Never(_) => false,
    }
}

/// Leaves below groups.
fn tree<T>(items: Vec<T>, leaf: impl Fn(Vec<T>) -> Txn) -> Vec<TxnOp> {
    let mut leaves = Vec::new();
    let mut items = items.into_iter();
    loop {
        let next: Vec<T> = items.by_ref().take(LEAF).collect();
        if next.is_empty() {
            break;
        }
        leaves.push(TxnOp::txn(leaf(next)));
    }
    leaves
        .chunks(GROUP)
        .map(|group| TxnOp::txn(Txn::new().and_then(group.to_vec())))
        .collect()
}

/// The value of the key `head`: what the transaction that put it did to the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) puts: usize,
    pub(super) deletes: usize,
}

impl Head {
    pub(super) fn encode(self) -> String {
        format!("{} {}", self.puts, self.deletes)
    }

    /// None where it is not one of ours.
    pub(super) fn decode(value: &[u8]) -> Option<Head> {
        let (puts, deletes) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        Some(Head {
            puts: puts.parse().ok()?,
            deletes: deletes.parse().ok()?,
        })
    }
}

/// A revision of etcd, which counts from 1 and never has the sign.
pub(super) fn revision(of_etcd: i64) -> Revision {
    Revision::try_from(of_etcd).unwrap_or(0)
}
