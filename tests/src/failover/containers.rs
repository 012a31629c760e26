//! What Docker says of every container, held against what was asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::bail;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::updates::{Asked, revision_of};
use crate::docker::{Docker, Happening};
use crate::fleet::call_any;
use crate::wire::Wire;

/// What one DescribeTasks call takes.
const MAX_DESCRIBED: usize = 100;

/// Notes every start and end of a container.
pub(super) struct Containers {
    seen: Arc<Mutex<Vec<Happening>>>,
    task: JoinHandle<anyhow::Result<()>>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) started: usize,
    pub(super) ended: usize,
    pub(super) faults: Vec<String>,
    /// When fewer containers ran than must.
    pub(super) below: Vec<String>,
}

impl Containers {
    /// Begins to watch the containers of these instances.
    pub(super) fn watch(docker: &Docker, instances: &[String]) -> Self {
        let seen: Arc<Mutex<Vec<Happening>>> = Arc::default();
        let noted = Arc::clone(&seen);
        let mut happenings = Box::pin(docker.happenings(instances));
        let task = tokio::spawn(async move {
            while let Some(happening) = happenings.next().await {
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.push(happening?);
            }
            anyhow::bail!("Docker's events ended")
        });
        Self { seen, task }
    }

    /// Ends the watch and judges what was seen. From `steady` on, in milliseconds since the epoch,
    /// at least `floor` containers must have run at any time.
    pub(super) async fn judge(
        self,
        wires: &[Wire],
        asked: &[Asked],
        floor: usize,
        steady: i64,
    ) -> anyhow::Result<Verdict> {
        if self.task.is_finished() {
            self.task.await??;
            bail!("the watch of Docker's events ended");
        }
        self.task.abort();
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let tasks = describe(wires, &seen).await?;
        let mut verdict = judge(&seen, &tasks, asked);
        verdict.below.extend(below(&seen, floor, steady));
        Ok(verdict)
    }
}

async fn describe(wires: &[Wire], seen: &[Happening]) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut arns: Vec<&str> = seen.iter().map(|h| h.task.as_str()).collect();
    arns.sort_unstable();
    arns.dedup();
    let mut tasks = BTreeMap::new();
    for arns in arns.chunks(MAX_DESCRIBED) {
        let output = call_any(wires, "DescribeTasks", &json!({"tasks": arns})).await?;
        for task in output["tasks"].as_array().into_iter().flatten() {
            let arn = task["taskArn"].as_str().unwrap_or_default().to_owned();
            tasks.insert(arn, task.clone());
        }
    }
    Ok(tasks)
}

/// A container may start once, for a task that there is; and end once, because the service
/// scheduler stopped its task, after a newer revision was asked for.
fn judge(seen: &[Happening], tasks: &BTreeMap<String, Value>, asked: &[Asked]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut starts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for happening in seen {
        let arn = happening.task.as_str();
        let task = tasks.get(arn);
        let counted = match happening.action.as_str() {
            "start" => starts.entry(arn).or_default(),
            _ => ends.entry(arn).or_default(),
        };
        *counted += 1;
        if *counted > 1 {
            let fault = format!("{arn}: {} for the second time", happening.action);
            verdict.faults.push(fault);
        }
        let Some(task) = task else {
            let fault = format!("{arn}: {} of a task nobody knows", happening.action);
            verdict.faults.push(fault);
            continue;
        };
        if happening.action == "start" {
            continue;
        }
        let revision = revision_of(task).unwrap_or_default();
        let superseded = asked
            .iter()
            .any(|asked| asked.revision > revision && asked.at <= happening.at);
        if !superseded || task["stopCode"] != "ServiceSchedulerInitiated" {
            let fault = format!(
                "{arn} ended at {} and nobody asked for that: revision {revision}, {} \"{}\"",
                happening.at, task["stopCode"], task["stoppedReason"]
            );
            verdict.faults.push(fault);
        }
    }
    verdict.started = starts.values().sum();
    verdict.ended = ends.values().sum();
    verdict
}

/// Whether fewer than `floor` containers ran at some time from `steady` on.
fn below(seen: &[Happening], floor: usize, steady: i64) -> Option<String> {
    let mut running = 0_usize;
    for happening in seen {
        match happening.action.as_str() {
            "start" => running += 1,
            _ => running = running.saturating_sub(1),
        }
        if running < floor && happening.at >= steady {
            return Some(format!(
                "at {} only {running} containers ran, of {floor}",
                happening.at
            ));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn happening(at: i64, action: &str, task: &str) -> Happening {
        Happening {
            at,
            action: action.to_owned(),
            task: task.to_owned(),
        }
    }

    fn tasks() -> BTreeMap<String, Value> {
        let task = json!({
            "taskDefinitionArn": "task-definition/web:1",
            "stopCode": "ServiceSchedulerInitiated",
        });
        BTreeMap::from([("t".to_owned(), task)])
    }

    const UPDATE: [Asked; 1] = [Asked {
        revision: 2,
        at: 10,
    }];

    #[test]
    fn only_what_was_asked_for_is_no_fault() {
        let start = happening(1, "start", "t");
        let faults = |end: Happening| {
            let seen = [start.clone(), end];
            judge(&seen, &tasks(), &UPDATE).faults.len()
        };
        assert_eq!(faults(happening(11, "die", "t")), 0);
        assert_eq!(faults(happening(9, "die", "t")), 1, "before it was asked");
        assert_eq!(faults(happening(2, "start", "t")), 1, "twice");
        assert_eq!(faults(happening(2, "start", "x")), 1, "unknown");
        let mut crashed = tasks();
        crashed.get_mut("t").unwrap()["stopCode"] = json!("EssentialContainerExited");
        let seen = [happening(11, "die", "t")];
        assert_eq!(judge(&seen, &crashed, &UPDATE).faults.len(), 1);
    }

    #[test]
    fn a_dip_is_found_once_it_counts() {
        let seen = [
            happening(1, "start", "a"),
            happening(2, "start", "b"),
            happening(3, "die", "a"),
        ];
        assert!(below(&seen, 2, 3).is_some());
        assert!(below(&seen, 2, 4).is_none());
        assert!(below(&seen, 1, 0).is_none());
    }
}
