//! The tasks of a view. Each is kept in one place, which everything that finds it refers to: a
//! report on a task, of which there are more than of any other change, changes that place alone.

use std::collections::BTreeMap;
#[allow(clippy::disallowed_types)]
use std::collections::HashMap;

use longshore_model::task::Task;
use longshore_model::{ClusterName, InstanceId, ServiceName, TaskId};

use crate::view::Stored;

/// Tasks by cluster and id, STOPPED ones included until they are reaped.
#[derive(Debug, Default)]
pub struct Tasks {
    clusters: BTreeMap<ClusterName, ClusterTasks>,
}

/// Where a task is in [`ClusterTasks::kept`], for as long as it is there.
type Place = usize;

// The map has no order, and is never gone through.
#[allow(clippy::disallowed_types)]
#[derive(Debug, Default)]
struct ClusterTasks {
    kept: Vec<Option<Stored<Task>>>,
    /// The places that are empty.
    free: Vec<Place>,
    /// Never iterated, since it has no order.
    by_id: HashMap<TaskId, Place>,
    in_order: BTreeMap<TaskId, Place>,
    by_service: BTreeMap<ServiceName, BTreeMap<TaskId, Place>>,
    by_instance: BTreeMap<InstanceId, BTreeMap<TaskId, Place>>,
}

impl Tasks {
    /// The task.
    pub fn get(&self, cluster: &ClusterName, id: TaskId) -> Option<&Stored<Task>> {
        self.clusters.get(cluster)?.get(id)
    }

    /// All of them, by cluster and id.
    pub fn iter(&self) -> impl Iterator<Item = (&ClusterName, &Stored<Task>)> {
        let clusters = self.clusters.iter();
        clusters.flat_map(|(cluster, tasks)| tasks.all().map(move |task| (cluster, task)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clusters.values().map(|tasks| tasks.by_id.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of a cluster, by id.
    pub fn of_cluster(&self, cluster: &ClusterName) -> impl Iterator<Item = &Stored<Task>> {
        let tasks = self.clusters.get(cluster);
        tasks.into_iter().flat_map(ClusterTasks::all)
    }

    /// Those of a service, by id.
    pub fn of_service<'a>(
        &'a self,
        cluster: &ClusterName,
        service: &ServiceName,
    ) -> impl Iterator<Item = &'a Stored<Task>> + use<'a> {
        let tasks = self.clusters.get(cluster);
        let places = tasks.and_then(|tasks| Some((tasks, tasks.by_service.get(service)?)));
        places
            .into_iter()
            .flat_map(|(tasks, places)| tasks.at(places))
    }

    /// How many those are.
    pub fn count_of_service(&self, cluster: &ClusterName, service: &ServiceName) -> usize {
        let places = self.clusters.get(cluster);
        let places = places.and_then(|tasks| tasks.by_service.get(service));
        places.map_or(0, BTreeMap::len)
    }

    /// Those placed on an instance, by id.
    pub fn of_instance<'a>(
        &'a self,
        cluster: &ClusterName,
        instance: InstanceId,
    ) -> impl Iterator<Item = &'a Stored<Task>> + use<'a> {
        let tasks = self.clusters.get(cluster);
        let places = tasks.and_then(|tasks| Some((tasks, tasks.by_instance.get(&instance)?)));
        places
            .into_iter()
            .flat_map(|(tasks, places)| tasks.at(places))
    }

    /// Takes over a task that is new or has changed. Returns it as it was.
    pub fn put(&mut self, cluster: &ClusterName, task: Stored<Task>) -> Option<Stored<Task>> {
        match self.clusters.get_mut(cluster) {
            Some(tasks) => tasks.put(task),
            None => self.clusters.entry(cluster.clone()).or_default().put(task),
        }
    }

    /// Forgets a task.
    pub fn remove(&mut self, cluster: &ClusterName, id: TaskId) -> Option<Stored<Task>> {
        let tasks = self.clusters.get_mut(cluster)?;
        let task = tasks.remove(id)?;
        if tasks.by_id.is_empty() {
            self.clusters.remove(cluster);
        }
        Some(task)
    }
}

impl ClusterTasks {
    fn get(&self, id: TaskId) -> Option<&Stored<Task>> {
        self.kept.get(*self.by_id.get(&id)?)?.as_ref()
    }

    fn at<'a>(
        &'a self,
        places: &'a BTreeMap<TaskId, Place>,
    ) -> impl Iterator<Item = &'a Stored<Task>> {
        let kept = |place: &Place| self.kept.get(*place).and_then(Option::as_ref);
        places.values().filter_map(kept)
    }

    fn all(&self) -> impl Iterator<Item = &Stored<Task>> {
        self.at(&self.in_order)
    }

    fn put(&mut self, task: Stored<Task>) -> Option<Stored<Task>> {
        let known = self.by_id.get(&task.id);
        if let Some(kept) = known.and_then(|place| self.kept.get_mut(*place)) {
            // Its service and instance never change.
            return kept.replace(task);
        }
        let (id, place) = (task.id, self.free.pop().unwrap_or(self.kept.len()));
        self.by_id.insert(id, place);
        self.in_order.insert(id, place);
        if let Some(service) = &task.service {
            match self.by_service.get_mut(&service.name) {
                Some(places) => places,
                None => self.by_service.entry(service.name.clone()).or_default(),
            }
            .insert(id, place);
        }
        let on = self.by_instance.entry(task.instance).or_default();
        on.insert(id, place);
        match self.kept.get_mut(place) {
            Some(free) => *free = Some(task),
            None => self.kept.push(Some(task)),
        }
        None
    }

    fn remove(&mut self, id: TaskId) -> Option<Stored<Task>> {
        let place = self.by_id.remove(&id)?;
        let task = self.kept.get_mut(place)?.take()?;
        self.free.push(place);
        self.in_order.remove(&id);
        if let Some(service) = &task.service {
            leave(&mut self.by_service, &service.name, id);
        }
        leave(&mut self.by_instance, &task.instance, id);
        Some(task)
    }
}

fn leave<K: Ord>(index: &mut BTreeMap<K, BTreeMap<TaskId, Place>>, key: &K, id: TaskId) {
    if let Some(places) = index.get_mut(key) {
        places.remove(&id);
        if places.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    /// A task of one of two services or none, on one of four instances.
    fn task(id: u8, version: u64) -> Task {
        let service = match id % 3 {
            2 => String::new(),
            n => format!(
                r#""service":{{"name":"s{n}","deployment":"ecs-svc/1000000000000000001"}},"#
            ),
        };
        let (id, instance) = (format!("{id:032x}"), format!("{:032x}", id % 4));
        let text = format!(
            r#"{{"id":"{id}","cluster":"default","instance":"{instance}","family":"web",{service}
                "revision":1,"network_mode":"bridge","demand":{{"cpu":1,"memory":1}},"group":"g",
                "launch_type":"EC2","desired_status":"RUNNING","last_status":"PENDING",
                "containers":[],"created_at":1,"version":{version}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    proptest! {
        #[test]
        fn they_are_found_as_by_a_plain_scan(
            steps in proptest::collection::vec((0..2_usize, 0..12_u8, proptest::bool::ANY), 0..80),
        ) {
            let clusters: [ClusterName; 2] = ["default", "other"].map(|name| name.parse().unwrap());
            let (mut tasks, mut plain) = (Tasks::default(), BTreeMap::new());
            for (version, (cluster, id, comes)) in (1..).zip(steps) {
                let (cluster, task) = (&clusters[cluster], task(id, version));
                let key = (cluster.clone(), task.id);
                let (before, expected) = match comes {
                    true => (
                        tasks.put(cluster, Stored::new(version, task)),
                        plain.insert(key, (id, version)),
                    ),
                    false => (tasks.remove(cluster, task.id), plain.remove(&key)),
                };
                let before = before.map(|task| task.stored_at);
                prop_assert_eq!(before, expected.map(|(_, version)| version));
            }
            let of = |found: &mut dyn Iterator<Item = &Stored<Task>>| -> Vec<(TaskId, u64)> {
                found.map(|task| (task.id, task.version)).collect()
            };
            let scan = |cluster: &ClusterName, fits: &dyn Fn(u8) -> bool| -> Vec<(TaskId, u64)> {
                let own = plain.iter().filter(|((name, _), (id, _))| name == cluster && fits(*id));
                own.map(|((_, id), (_, version))| (*id, *version)).collect()
            };
            for cluster in &clusters {
                prop_assert_eq!(of(&mut tasks.of_cluster(cluster)), scan(cluster, &|_| true));
                for n in 0..2 {
                    let name = format!("s{n}").parse().unwrap();
                    let expected = scan(cluster, &|id| id % 3 == n);
                    prop_assert_eq!(tasks.count_of_service(cluster, &name), expected.len());
                    prop_assert_eq!(of(&mut tasks.of_service(cluster, &name)), expected);
                }
                for n in 0..4 {
                    let found = &mut tasks.of_instance(cluster, InstanceId::new(n.into()));
                    prop_assert_eq!(of(found), scan(cluster, &|id| id % 4 == n));
                }
                for id in (0..12).map(TaskId::new) {
                    let found = tasks.get(cluster, id).map(|task| task.version);
                    let expected = plain.get(&(cluster.clone(), id)).map(|(_, version)| *version);
                    prop_assert_eq!(found, expected);
                }
            }
            let all = tasks.iter().map(|(cluster, task)| (cluster.clone(), task.id));
            prop_assert_eq!(all.collect::<Vec<_>>(), plain.keys().cloned().collect::<Vec<_>>());
            prop_assert_eq!(tasks.len(), plain.len());
        }
    }
}
