//! What is wrong with a content: records that do not decode, records under another's key, and
//! references to what is not there.

use std::fmt;

use bytes::Bytes;
use longshore_model::service::ServiceStatus;
use longshore_model::task::Task;
use longshore_model::{ClusterName, Family};
use longshore_store::table::Record;
use longshore_store::table::list::TableInfo;
use longshore_store::{Entry, Key, Snapshot, View};

use super::Content;
use super::content::UNFINISHED;

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Of which record.
    pub key: String,
    /// What, and what it means.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.key, self.what)
    }
}

/// Decodes every record and follows every reference. Empty when all is well; in key order.
pub fn inspect(content: &Content) -> Vec<Finding> {
    let mut findings = Vec::new();
    if content.is_unfinished {
        findings.push(Finding {
            key: UNFINISHED.to_owned(),
            what: "a restore or migration to this store did not end; do it again".to_owned(),
        });
    }
    for (key, value) in &content.records {
        if let Err(what) = decode(key, value) {
            let key = key.to_string();
            findings.push(Finding { key, what });
        }
    }
    let entry = |(key, value): &(Key, Bytes)| Entry {
        key: key.clone(),
        value: value.clone(),
        revision: content.revision,
    };
    let view = View::from_snapshot(Snapshot {
        revision: content.revision,
        entries: content.records.iter().map(entry).collect(),
    });
    References {
        view: &view,
        findings: &mut findings,
    }
    .follow();
    findings.sort();
    findings
}

/// Whether the record is one of its table's, and the one that its key names.
fn decode(key: &Key, value: &[u8]) -> Result<(), String> {
    let Some(table) = TableInfo::of(key) else {
        let table = key.as_str().split('/').next().unwrap_or_default();
        return Err(format!("this version has no table {table}"));
    };
    (table.check)(key, value).map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

struct References<'a> {
    view: &'a View,
    findings: &'a mut Vec<Finding>,
}

impl References<'_> {
    fn follow(&mut self) {
        for instance in self.view.instances.values() {
            self.cluster(&**instance, &instance.cluster);
        }
        for definition in self.view.task_definitions.values() {
            let counter = self.view.families.get(&definition.family);
            if counter.is_none_or(|counter| counter.newest < definition.revision) {
                let family = &definition.family;
                self.missing(
                    &**definition,
                    format!("the counter of family {family} at it"),
                );
            }
        }
        for service in self.view.services.values() {
            self.cluster(&**service, &service.cluster);
            // A deleted one is kept for a while to be described, and runs nothing.
            if service.status != ServiceStatus::Inactive {
                for deployment in &service.deployments {
                    self.definition(&**service, &deployment.family, deployment.revision);
                }
            }
        }
        for (_, task) in self.view.tasks.iter() {
            self.cluster(&**task, &task.cluster);
            // What a stopped task names may be gone before it is.
            if task.is_live() {
                self.live_task(task);
            }
        }
    }

    fn live_task(&mut self, task: &Task) {
        let view = self.view;
        self.definition(task, &task.family, task.revision);
        let instance = (task.cluster.clone(), task.instance);
        if !view.instances.contains_key(&instance) {
            self.missing(
                task,
                format!("container instance {}/{}", instance.0, instance.1),
            );
        }
        let Some(of) = &task.service else { return };
        match view.services.get(&(task.cluster.clone(), of.name.clone())) {
            None => self.missing(task, format!("service {}/{}", task.cluster, of.name)),
            Some(service) => {
                if !service
                    .deployments
                    .iter()
                    .any(|one| one.id == of.deployment)
                {
                    let what = format!("deployment {} of service {}", of.deployment, of.name);
                    self.missing(task, what);
                }
            }
        }
    }

    fn cluster(&mut self, record: &impl Record, cluster: &ClusterName) {
        if !self.view.clusters.contains_key(cluster) {
            self.missing(record, format!("cluster {cluster}"));
        }
    }

    fn definition(&mut self, record: &impl Record, family: &Family, revision: u32) {
        let name = (family.clone(), revision);
        if !self.view.task_definitions.contains_key(&name) {
            self.missing(record, format!("task definition {family}:{revision}"));
        }
    }

    fn missing(&mut self, record: &impl Record, what: String) {
        self.findings.push(Finding {
            key: record.key().to_string(),
            what: format!("refers to {what}, which is not there"),
        });
    }
}
