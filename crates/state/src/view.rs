//! The whole state in memory, indexed: what every read is answered from and every decision reads.
//!
//! A view is fed by the store's watch, in the store's order, and is never written otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use longshore_model::cluster::Cluster;
use longshore_model::instance::{Instance, Resources};
use longshore_model::replica::Replica;
use longshore_model::service::Service;
use longshore_model::task::Task;
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, Family, InstanceId, ReplicaId, ServiceName, TaskId};

use crate::contract::{Entry, Revision, Snapshot};
use crate::key::Key;
use crate::log::ChangeLog;
use crate::table::{
    self, AccountSetting, ClientToken, DecodeError, FamilyCounter, Installation, JoinToken, Record,
};
use crate::tasks::Tasks;
use crate::underway::Noun;
use crate::watch::Event;

/// A record and the revision it was last written at, which guards are made of.
#[derive(Debug)]
pub struct Stored<R> {
    /// The revision of the commit that last wrote it; not the record's own `revision`, if any.
    pub stored_at: Revision,
    record: Arc<R>,
}

impl<R> Clone for Stored<R> {
    fn clone(&self) -> Self {
        Self {
            stored_at: self.stored_at,
            record: Arc::clone(&self.record),
        }
    }
}

impl<R> Stored<R> {
    /// The record, to be kept for longer than the view is held.
    pub fn shared(&self) -> Arc<R> {
        Arc::clone(&self.record)
    }

    /// Pairs a record with its revision.
    pub fn new(stored_at: Revision, record: R) -> Self {
        Self {
            stored_at,
            record: Arc::new(record),
        }
    }
}

impl<R> Deref for Stored<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.record
    }
}

/// Something that changed, named so that a controller knows what to look at. It never says how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A cluster.
    Cluster(ClusterName),
    /// A container instance.
    Instance(ClusterName, InstanceId),
    /// A service.
    Service(ClusterName, ServiceName),
    /// A task.
    Task {
        /// Of which cluster.
        cluster: ClusterName,
        /// Which.
        id: TaskId,
        /// Where it runs.
        instance: InstanceId,
        /// The service it belongs to.
        service: Option<ServiceName>,
        /// Whether its agent may have to be told of it: not so if no more is new than how far the
        /// task is, which is what agents report.
        for_agent: bool,
    },
}

impl Change {
    /// The instance whose agent may have to be told something.
    pub fn for_agent(&self) -> Option<(&ClusterName, InstanceId)> {
        match self {
            Self::Instance(cluster, instance)
            | Self::Task {
                cluster,
                instance,
                for_agent: true,
                ..
            } => Some((cluster, *instance)),
            Self::Cluster(_) | Self::Service(..) | Self::Task { .. } => None,
        }
    }
}

/// The state at one revision.
#[derive(Debug, Default)]
pub struct View {
    /// Everything up to this revision is in it.
    pub revision: Revision,
    /// By name.
    pub clusters: BTreeMap<ClusterName, Stored<Cluster>>,
    /// By cluster and id.
    pub instances: BTreeMap<(ClusterName, InstanceId), Stored<Instance>>,
    /// By family.
    pub families: BTreeMap<Family, Stored<FamilyCounter>>,
    /// By family and revision.
    pub task_definitions: BTreeMap<(Family, u32), Stored<TaskDefinition>>,
    /// By cluster and name.
    pub services: BTreeMap<(ClusterName, ServiceName), Stored<Service>>,
    /// By cluster and id, STOPPED ones included until they are reaped.
    pub tasks: Tasks,
    /// By record name.
    pub client_tokens: BTreeMap<String, Stored<ClientToken>>,
    /// By id.
    pub join_tokens: BTreeMap<String, Stored<JoinToken>>,
    /// The control planes that live, by id.
    pub replicas: BTreeMap<ReplicaId, Stored<Replica>>,
    /// What they have in common.
    pub installation: Option<Stored<Installation>>,
    /// By record name.
    pub account_settings: BTreeMap<String, Stored<AccountSetting>>,
    /// Records that did not decode, and why. They take part in nothing; the log and the health
    /// endpoint report them.
    pub quarantined: BTreeMap<Key, String>,
    /// What changed last.
    pub changes: ChangeLog,
}

impl View {
    /// The view of a whole snapshot.
    pub fn from_snapshot(snapshot: Snapshot) -> Self {
        let mut view = Self::default();
        for Entry {
            key,
            value,
            revision,
        } in snapshot.entries
        {
            view.put(&key, &value, revision, None);
        }
        view.revision = snapshot.revision;
        view
    }

    /// Takes over one event of the batch with this revision. Returns what changed, if it is
    /// something that controllers look at.
    pub fn apply(&mut self, event: &Event, revision: Revision) -> Option<Change> {
        self.apply_known(event, revision, None)
    }

    /// As [`View::apply`], with what the event's bytes decode to if the caller has it.
    pub(crate) fn apply_known(
        &mut self,
        event: &Event,
        revision: Revision,
        noun: Option<Noun>,
    ) -> Option<Change> {
        self.revision = self.revision.max(revision);
        let change = match event {
            Event::Put(entry) => self.put(&entry.key, &entry.value, revision, noun),
            Event::Deleted { key } => self.delete(key),
        };
        if let Some(change) = &change {
            self.changes.note(change);
        }
        change
    }

    fn put(
        &mut self,
        key: &Key,
        value: &[u8],
        revision: Revision,
        noun: Option<Noun>,
    ) -> Option<Change> {
        match self.try_put(key, value, revision, noun) {
            Ok(change) => {
                if !self.quarantined.is_empty() {
                    self.quarantined.remove(key);
                }
                change
            }
            Err(error) => {
                tracing::error!(%key, %error, "a record does not decode and is set aside");
                self.quarantined.insert(key.clone(), error.to_string());
                damaged_instance(key)
            }
        }
    }

    fn try_put(
        &mut self,
        key: &Key,
        value: &[u8],
        revision: Revision,
        noun: Option<Noun>,
    ) -> Result<Option<Change>, DecodeError> {
        fn read<R: Record>(
            key: &Key,
            value: &[u8],
            revision: Revision,
            noun: Option<Noun>,
        ) -> Result<Stored<R>, DecodeError> {
            let known = noun.and_then(|noun| noun.downcast::<R>().ok());
            let record = match known {
                Some(record) => record,
                None => Arc::new(table::decode_at(key, value)?),
            };
            Ok(Stored {
                stored_at: revision,
                record,
            })
        }
        let table = key.as_str().split('/').next().unwrap_or_default();
        Ok(match table {
            Cluster::TABLE => {
                let cluster = read::<Cluster>(key, value, revision, noun)?;
                let change = Change::Cluster(cluster.name.clone());
                self.clusters.insert(cluster.name.clone(), cluster);
                Some(change)
            }
            Instance::TABLE => {
                let instance = read::<Instance>(key, value, revision, noun)?;
                let name = (self.cluster_name(&instance.cluster), instance.id);
                self.instances.insert(name.clone(), instance);
                Some(Change::Instance(name.0, name.1))
            }
            Service::TABLE => {
                let service = read::<Service>(key, value, revision, noun)?;
                let change = Change::Service(service.cluster.clone(), service.name.clone());
                self.services
                    .insert((service.cluster.clone(), service.name.clone()), service);
                Some(change)
            }
            Task::TABLE => {
                let task = read::<Task>(key, value, revision, noun)?;
                let cluster = self.cluster_name(&task.cluster);
                let before = self.tasks.put(&cluster, task.clone());
                // Of one whose record was damaged its agent may not have been told.
                let is_told = self.quarantined.is_empty()
                    && before.is_some_and(|before| is_same_to_agent(&before, &task));
                Some(task_change(&cluster, &task, !is_told))
            }
            TaskDefinition::TABLE => {
                let definition = read::<TaskDefinition>(key, value, revision, noun)?;
                let name = (definition.family.clone(), definition.revision);
                self.task_definitions.insert(name, definition);
                None
            }
            FamilyCounter::TABLE => {
                let counter = read::<FamilyCounter>(key, value, revision, noun)?;
                self.families.insert(counter.family.clone(), counter);
                None
            }
            ClientToken::TABLE => {
                let token = read::<ClientToken>(key, value, revision, noun)?;
                self.client_tokens.insert(token.name(), token);
                None
            }
            JoinToken::TABLE => {
                let token = read::<JoinToken>(key, value, revision, noun)?;
                self.join_tokens.insert(token.id.clone(), token);
                None
            }
            Replica::TABLE => {
                let replica = read::<Replica>(key, value, revision, noun)?;
                self.replicas.insert(replica.id, replica);
                None
            }
            Installation::TABLE => {
                self.installation = Some(read::<Installation>(key, value, revision, noun)?);
                None
            }
            AccountSetting::TABLE => {
                let setting = read::<AccountSetting>(key, value, revision, noun)?;
                self.account_settings.insert(setting.name(), setting);
                None
            }
            _ => None,
        })
    }

    fn delete(&mut self, key: &Key) -> Option<Change> {
        self.quarantined.remove(key);
        let mut parts = key.as_str().splitn(2, '/');
        let (table, name) = (parts.next()?, parts.next()?);
        let pair = || name.split_once('/');
        match table {
            Cluster::TABLE => {
                let cluster = self.clusters.remove(&name.parse().ok()?)?;
                Some(Change::Cluster(cluster.name.clone()))
            }
            Instance::TABLE => {
                let (cluster, id) = pair()?;
                let name = (cluster.parse().ok()?, id.parse().ok()?);
                self.instances.remove(&name)?;
                Some(Change::Instance(name.0, name.1))
            }
            Service::TABLE => {
                let (cluster, service) = pair()?;
                let name = (cluster.parse().ok()?, service.parse().ok()?);
                self.services.remove(&name)?;
                Some(Change::Service(name.0, name.1))
            }
            Task::TABLE => {
                let (cluster, id) = pair()?;
                let task = self
                    .tasks
                    .remove(&cluster.parse().ok()?, id.parse().ok()?)?;
                Some(task_change(&task.cluster, &task, true))
            }
            TaskDefinition::TABLE => {
                let (family, revision) = pair()?;
                self.task_definitions
                    .remove(&(family.parse().ok()?, revision.parse().ok()?));
                None
            }
            FamilyCounter::TABLE => {
                self.families.remove(&name.parse().ok()?);
                None
            }
            ClientToken::TABLE => {
                self.client_tokens.remove(name);
                None
            }
            JoinToken::TABLE => {
                self.join_tokens.remove(name);
                None
            }
            Replica::TABLE => {
                self.replicas.remove(&name.parse().ok()?);
                None
            }
            Installation::TABLE => {
                self.installation = None;
                None
            }
            AccountSetting::TABLE => {
                self.account_settings.remove(name);
                None
            }
            _ => None,
        }
    }

    /// The name of a cluster as it is kept here. Whoever takes it from a key or a change finds it
    /// again without comparing text.
    pub fn cluster_name(&self, cluster: &ClusterName) -> ClusterName {
        let kept = self.clusters.get_key_value(cluster);
        kept.map_or(cluster, |(name, _)| name).clone()
    }

    /// The tasks of a service, STOPPED ones included.
    pub fn service_tasks<'a>(
        &'a self,
        cluster: &ClusterName,
        service: &ServiceName,
    ) -> impl Iterator<Item = &'a Stored<Task>> + use<'a> {
        self.tasks.of_service(cluster, service)
    }

    /// How many tasks a service has, STOPPED ones included.
    pub fn count_service_tasks(&self, cluster: &ClusterName, service: &ServiceName) -> usize {
        self.tasks.count_of_service(cluster, service)
    }

    /// The tasks placed on an instance, STOPPED ones included.
    pub fn instance_tasks<'a>(
        &'a self,
        cluster: &ClusterName,
        instance: InstanceId,
    ) -> impl Iterator<Item = &'a Stored<Task>> + use<'a> {
        self.tasks.of_instance(cluster, instance)
    }

    /// The tasks of a cluster, STOPPED ones included.
    pub fn cluster_tasks(&self, cluster: &ClusterName) -> impl Iterator<Item = &Stored<Task>> {
        self.tasks.of_cluster(cluster)
    }

    /// The instances of a cluster, INACTIVE ones included.
    pub fn cluster_instances(
        &self,
        cluster: &ClusterName,
    ) -> impl Iterator<Item = &Stored<Instance>> {
        let first = (cluster.clone(), InstanceId::new(0));
        let last = (cluster.clone(), InstanceId::new(u128::MAX));
        self.instances
            .range(first..=last)
            .map(|(_, instance)| instance)
    }

    /// The services of a cluster, INACTIVE ones included.
    pub fn cluster_services(
        &self,
        cluster: &ClusterName,
    ) -> impl Iterator<Item = &Stored<Service>> {
        let of_cluster = cluster.clone();
        self.services
            .iter()
            .filter(move |((name, _), _)| *name == of_cluster)
            .map(|(_, service)| service)
    }

    /// Whether there is a record of this kind and name that does not decode. Where it is so, that
    /// the view lacks the record does not mean that there is none.
    pub fn is_set_aside<R: Record>(&self, name: impl fmt::Display) -> bool {
        let is_set_aside = || {
            let key = table::key::<R>(&name.to_string());
            self.quarantined.contains_key(&key)
        };
        !self.quarantined.is_empty() && is_set_aside()
    }

    /// How many records of this kind in a cluster do not decode.
    pub fn count_set_aside<R: Record>(&self, cluster: &ClusterName) -> usize {
        let own = format!("{}{cluster}/", table::prefix::<R>());
        let keys = self.quarantined.keys();
        keys.filter(|key| key.as_str().starts_with(&own)).count()
    }

    /// What is taken on an instance: its reserved ports, and everything of each task that is not
    /// STOPPED (ECS developer guide: resources are freed when the task is STOPPED).
    pub fn taken(&self, instance: &Instance) -> Resources {
        let mut taken = Resources {
            tcp_ports: instance.registered.tcp_ports.clone(),
            udp_ports: instance.registered.udp_ports.clone(),
            ..Resources::default()
        };
        for task in self
            .instance_tasks(&instance.cluster, instance.id)
            .filter(|t| t.is_live())
        {
            taken.add(&task.demand);
        }
        taken
    }
}

/// What is announced when a record does not decode: of an instance that it is not to be placed on.
fn damaged_instance(key: &Key) -> Option<Change> {
    let (table, name) = key.as_str().split_once('/')?;
    let (cluster, id) = name.split_once('/')?;
    let (cluster, id) = (cluster.parse().ok()?, id.parse().ok()?);
    (table == Instance::TABLE).then_some(Change::Instance(cluster, id))
}

/// The change a write of this task announces, in its cluster.
pub(crate) fn task_change(cluster: &ClusterName, task: &Task, for_agent: bool) -> Change {
    Change::Task {
        cluster: cluster.clone(),
        id: task.id,
        instance: task.instance,
        service: task.service.as_ref().map(|service| service.name.clone()),
        for_agent,
    }
}

/// Whether an agent that was told of a task as it was need not be told of it as it is.
fn is_same_to_agent(before: &Task, after: &Task) -> bool {
    before.desired_status == after.desired_status && before.is_live() == after.is_live()
}
