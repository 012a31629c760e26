//! The whole state in memory, indexed: what every read is answered from and every decision reads.
//!
//! A view is fed by the store's watch, in the store's order, and is never written otherwise. What it
//! holds is the list of [`crate::table::list`].

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use longshore_model::instance::{Instance, Resources};
use longshore_model::service::Service;
use longshore_model::task::Task;
use longshore_model::{ClusterName, InstanceId, ServiceName};

use crate::change::Change;
use crate::commit::{Entry, Event, Revision, Snapshot};
use crate::key::Key;
use crate::table::{self, DecodeError, Noun, Record, Shelf};
use crate::txn;

pub use crate::table::list::View;

/// A record and the revision it was last written at, which guards are made of.
#[derive(Debug)]
pub struct Stored<R> {
    /// The revision of the commit that last wrote it; not the record's own `revision`, if any.
    pub stored_at: Revision,
    pub(crate) record: Arc<R>,
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

/// A record that did not decode and was set aside just now, and why.
pub type SetAside = (Key, String);

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
    pub fn apply_known(
        &mut self,
        event: &Event,
        revision: Revision,
        noun: Option<txn::Noun>,
    ) -> Option<Change> {
        self.revision = self.revision.max(revision);
        let change = match event {
            Event::Put(entry) => self.put(&entry.key, &entry.value, revision, noun),
            Event::Deleted { key } => {
                self.quarantined.remove(key);
                let (table, name) = key.as_str().split_once('/')?;
                self.delete(table, name)
            }
        };
        if let Some(change) = &change {
            self.changes.note(change);
        }
        change
    }

    /// The records that were set aside since this was asked last, for the log.
    pub fn take_set_aside(&mut self) -> Vec<SetAside> {
        std::mem::take(&mut self.set_aside)
    }

    fn put(
        &mut self,
        key: &Key,
        value: &[u8],
        revision: Revision,
        noun: Option<txn::Noun>,
    ) -> Option<Change> {
        let (table, name) = key.as_str().split_once('/').unwrap_or_default();
        match self.decode_and_put(table, key, value, revision, noun) {
            Ok(change) => {
                if !self.quarantined.is_empty() {
                    self.quarantined.remove(key);
                }
                change
            }
            Err(error) => {
                self.set_aside.push((key.clone(), error.to_string()));
                self.quarantined.insert(key.clone(), error.to_string());
                Self::damaged(table, name)
            }
        }
    }

    /// Decodes a record, unless the caller has it, and puts it on its shelf.
    pub(crate) fn put_record<R: Noun>(
        &mut self,
        shelf: impl Fn(&mut Self) -> &mut dyn Shelf<R>,
        key: &Key,
        value: &[u8],
        revision: Revision,
        noun: Option<txn::Noun>,
    ) -> Result<Option<Change>, DecodeError> {
        let known = noun.and_then(|noun| noun.downcast::<R>().ok());
        let record = match known {
            Some(record) => record,
            None => Arc::new(table::decode_at(key, value)?),
        };
        let record = Stored {
            stored_at: revision,
            record,
        };
        let name = record.name_in(self);
        let is_intact = self.quarantined.is_empty();
        let before = shelf(self).put(&name, record.clone());
        Ok(R::change(&name, before.as_ref(), &record, is_intact))
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
