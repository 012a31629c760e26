//! What users look at: after each call what it was about, and whatever there is now and then.

use std::sync::Arc;

use longshore_ecs::context::Ecs;
use longshore_ecs::instance::DescribeContainerInstances;
use longshore_ecs::service::DescribeServices;
use longshore_ecs::task::DescribeTasks;
use serde_json::{Value, json};

use crate::call::call;
use crate::cluster::{Cluster, Event};
use crate::control::{Answer, Doing, poll};
use crate::mutant::Mutant;
use crate::oracle::history::{Resource, Shown};

/// How often someone looks at something, in ms.
const EVERY: i64 = 4000;
/// Words of the API that are looked at.
const WORDS: &[&str] = &[
    "ACTIVE",
    "DRAINING",
    "INACTIVE",
    "RUNNING",
    "STOPPED",
    "PENDING",
    "ACTIVATING",
    "STOPPING",
];

fn describe(ecs: Arc<Ecs>, resource: &Resource) -> Doing<Answer> {
    match resource {
        Resource::Service(name) => call::<DescribeServices>(ecs, json!({"services": [name]})),
        Resource::Task(id) => call::<DescribeTasks>(ecs, json!({"tasks": [id.to_string()]})),
        Resource::Instance(id) => {
            call::<DescribeContainerInstances>(ecs, json!({"containerInstances": [id.to_string()]}))
        }
    }
}

/// What an answer shows; `None` where it is no answer about this thing.
fn shown(resource: &Resource, answer: &Value) -> Option<Option<Shown>> {
    let list = match resource {
        Resource::Service(_) => "services",
        Resource::Task(_) => "tasks",
        Resource::Instance(_) => "containerInstances",
    };
    let Some(one) = answer[list].as_array()?.first() else {
        let failures = answer["failures"].as_array()?;
        return (!failures.is_empty()).then_some(None);
    };
    let word = |name: &str| {
        let text = one[name].as_str().unwrap_or_default();
        WORDS.iter().copied().find(|word| *word == text)
    };
    let number = |name: &str| one[name].as_i64();
    Some(Some(match resource {
        Resource::Service(_) => Shown {
            words: [word("status")?, ""],
            numbers: [
                number("desiredCount")?,
                number("runningCount")?,
                number("pendingCount")?,
                i64::try_from(one["deployments"].as_array()?.len()).ok()?,
            ],
        },
        Resource::Task(_) => Shown {
            words: [word("desiredStatus")?, word("lastStatus")?],
            numbers: [number("version")?, 0, 0, 0],
        },
        Resource::Instance(_) => Shown {
            words: [word("status")?, ""],
            numbers: [
                i64::from(one["agentConnected"].as_bool()?),
                number("runningTasksCount")?,
                number("pendingTasksCount")?,
                number("version")?,
            ],
        },
    }))
}

impl Cluster {
    /// Someone looks at something by chance.
    pub(crate) fn next_read(&mut self) {
        let services = self.oracle.services.keys().cloned().map(Resource::Service);
        let tasks = self.oracle.tasks.keys().copied().map(Resource::Task);
        let instances = self.oracle.instances.keys().copied();
        let mut all: Vec<Resource> = services.chain(instances.map(Resource::Instance)).collect();
        if self.workload.reads.chance(400) || all.is_empty() {
            all = tasks.collect();
        }
        if !all.is_empty() {
            let resource = all.swap_remove(self.workload.reads.index(all.len()));
            self.look_at(&resource);
        }
        if !self.healed {
            self.after(EVERY, Event::Read(None));
        }
    }

    /// Someone looks at this.
    pub(crate) fn look_at(&mut self, resource: &Resource) {
        let Some(control) = self.serving().and_then(|id| self.controls[id].as_ref()) else {
            return;
        };
        // A read waits for nothing.
        let mut doing = describe(Arc::clone(&control.ecs), resource);
        let Some(Ok(answer)) = poll(&mut doing) else {
            return;
        };
        let Some(mut shown) = shown(resource, &answer) else {
            return;
        };
        if self.is_mutant(Mutant::ReadFromCache) {
            let cached = self.cache.entry(resource.clone());
            shown = cached.or_insert(shown).clone();
        }
        self.oracle.read(self.now, resource, shown.as_ref());
    }
}
