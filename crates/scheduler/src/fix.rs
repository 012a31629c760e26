//! What little change would let a task be placed that fits nowhere.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use longshore_model::placement::{PlacementConstraint, Rejection};
use longshore_model::{CpuUnits, InstanceId, Mib, TaskId};

use crate::explain::{self, Verdict};
use crate::filter::{self, Check, Statics};
use crate::index::Index;
use crate::request::Request;
use crate::slot::Slot;

/// Tasks that are tried for [`Fix::TaskEnds`], so that explaining stays quick however full the
/// cluster is.
const MAX_TRIED: usize = 20_000;

/// A change after which one more task fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// The task asks for less: no more than this, where given.
    Demand {
        /// Most CPU.
        cpu: Option<CpuUnits>,
        /// Most memory.
        memory: Option<Mib>,
        /// Instances it would fit on then.
        instances: u32,
    },
    /// A constraint is dropped.
    Constraint {
        /// Its place in the request, from 0.
        index: u8,
        /// Which.
        constraint: PlacementConstraint,
        /// Instances it would fit on then.
        instances: u32,
    },
    /// An attribute is put on instances that lack it.
    Attribute {
        /// Which, with `=VALUE` where a value is required.
        name: String,
        /// Instances it would fit on then.
        instances: u32,
    },
    /// A further zone is allowed.
    Zone {
        /// Which.
        zone: String,
        /// Instances it would fit on then.
        instances: u32,
    },
    /// Agents connect again.
    Agent {
        /// Instances it would fit on then.
        instances: u32,
    },
    /// Instances that are DRAINING are made ACTIVE.
    Active {
        /// Instances it would fit on then.
        instances: u32,
    },
    /// A task ends.
    TaskEnds {
        /// Which.
        task: TaskId,
        /// Its group.
        group: String,
        /// Where it runs.
        instance: InstanceId,
        /// Whether it was told to stop already.
        stopping: bool,
    },
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |count: &u32| format!("on {}", explain::instances(*count));
        match self {
            Self::Demand {
                cpu,
                memory,
                instances,
            } => {
                let cpu = cpu.map(|cpu| format!("cpu ≤ {}", cpu.0));
                let memory = memory.map(|memory| format!("memory ≤ {memory}"));
                let parts: Vec<String> = cpu.into_iter().chain(memory).collect();
                write!(f, "{} if {}", on(instances), parts.join(" and "))
            }
            Self::Constraint {
                index,
                constraint,
                instances,
            } => write!(
                f,
                "{} if {} is dropped",
                on(instances),
                explain::constraint(*index, constraint)
            ),
            Self::Attribute { name, instances } => {
                write!(f, "{} if attribute {name} is put on them", on(instances))
            }
            Self::Zone { zone, instances } => {
                write!(f, "{} if zone {zone} is allowed", on(instances))
            }
            Self::Agent { instances } => {
                write!(f, "{} when their agents connect again", on(instances))
            }
            Self::Active { instances } => {
                write!(f, "{} if they are set ACTIVE", on(instances))
            }
            Self::TaskEnds {
                task,
                group,
                instance,
                stopping,
            } => {
                let stopping = if *stopping {
                    ", which is stopping,"
                } else {
                    ""
                };
                write!(
                    f,
                    "on instance {instance} when task {task} of {group}{stopping} ends"
                )
            }
        }
    }
}

/// The fixes that help somewhere, the nearest first.
pub(crate) fn fixes(index: &Index, request: &Request, verdicts: &[Verdict]) -> Vec<Fix> {
    let ends = task_ends(index, request, verdicts);
    let stopping = matches!(ends, Some(Fix::TaskEnds { stopping: true, .. }));
    let mut fixes = demand(verdicts);
    fixes.extend(single(request, verdicts));
    if stopping {
        fixes.splice(0..0, ends);
    } else {
        fixes.extend(ends);
    }
    fixes
}

/// Less CPU, less memory, or less of both where neither alone helps.
fn demand(verdicts: &[Verdict]) -> Vec<Fix> {
    let mut cpu = Vec::new();
    let mut memory = Vec::new();
    let mut both = Vec::new();
    for verdict in verdicts {
        let mut failures = verdict.failures.iter().map(|failure| &failure.rejection);
        match (failures.next(), failures.next(), failures.next()) {
            (Some(Rejection::Cpu { left, .. }), None, _) if left.0 > 0 => cpu.push(*left),
            (Some(Rejection::Memory { left, .. }), None, _) if left.0 > 0 => memory.push(*left),
            (
                Some(Rejection::Cpu { wanted, left }),
                Some(Rejection::Memory {
                    wanted: wanted_memory,
                    left: left_memory,
                }),
                None,
            ) if left.0 > 0 && left_memory.0 > 0 => {
                // How much of the task would have to go, in thousandths of either.
                let share = |left: u32, wanted: u32| u64::from(left) * 1000 / u64::from(wanted);
                let fit = share(left.0, wanted.0).min(share(left_memory.0, wanted_memory.0));
                both.push((fit, *left, *left_memory));
            }
            _ => {}
        }
    }
    let mut fixes = Vec::new();
    if let Some(most) = cpu.iter().max() {
        fixes.push(Fix::Demand {
            cpu: Some(*most),
            memory: None,
            instances: count(cpu.iter().filter(|left| *left >= most)),
        });
    }
    if let Some(most) = memory.iter().max() {
        fixes.push(Fix::Demand {
            cpu: None,
            memory: Some(*most),
            instances: count(memory.iter().filter(|left| *left >= most)),
        });
    }
    if let (true, Some((_, cpu, memory))) = (fixes.is_empty(), both.iter().max()) {
        let fitting = both.iter().filter(|(_, c, m)| c >= cpu && m >= memory);
        fixes.push(Fix::Demand {
            cpu: Some(*cpu),
            memory: Some(*memory),
            instances: count(fitting),
        });
    }
    fixes
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// What helps the instances that fail one check only.
fn single(request: &Request, verdicts: &[Verdict]) -> Vec<Fix> {
    let mut constraints: BTreeMap<u8, u32> = BTreeMap::new();
    let mut attributes: BTreeMap<&str, u32> = BTreeMap::new();
    let mut zones: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut agents, mut inactive) = (0, 0);
    for verdict in verdicts {
        let [failure] = verdict.failures.as_slice() else {
            continue;
        };
        match (&failure.check, &failure.rejection) {
            (Check::Constraint(index), _) => *constraints.entry(*index).or_default() += 1,
            (_, Rejection::Attribute(name)) => *attributes.entry(name).or_default() += 1,
            (_, Rejection::Zone { zone }) if !zone.is_empty() => {
                *zones.entry(zone).or_default() += 1;
            }
            (Check::Agent, _) => agents += 1,
            (Check::Active, _) => inactive += 1,
            _ => {}
        }
    }
    let mut fixes = Vec::new();
    if agents > 0 {
        fixes.push(Fix::Agent { instances: agents });
    }
    if inactive > 0 {
        fixes.push(Fix::Active {
            instances: inactive,
        });
    }
    let mut constraints: Vec<(u8, u32)> = constraints.into_iter().collect();
    constraints.sort_by_key(|(index, count)| (Reverse(*count), *index));
    for (index, instances) in constraints {
        if let Some(constraint) = request.binding().get(usize::from(index)) {
            fixes.push(Fix::Constraint {
                index,
                constraint: constraint.clone(),
                instances,
            });
        }
    }
    let most = |counts: BTreeMap<&str, u32>| {
        let mut counts = counts.into_iter();
        let first = counts.next()?;
        let best = counts.fold(
            first,
            |best, next| if next.1 > best.1 { next } else { best },
        );
        Some((best.0.to_owned(), best.1))
    };
    if let Some((name, instances)) = most(attributes) {
        fixes.push(Fix::Attribute { name, instances });
    }
    if let Some((zone, instances)) = most(zones) {
        fixes.push(Fix::Zone { zone, instances });
    }
    fixes
}

/// The one task whose end would make room: one that is stopping before one that is to run, then
/// the smallest. At most one is named.
fn task_ends(index: &Index, request: &Request, verdicts: &[Verdict]) -> Option<Fix> {
    let mut tried = 0;
    let mut best: Option<((bool, u64, TaskId), Fix)> = None;
    for verdict in verdicts {
        let by_tasks = verdict.failures.iter().all(|failure| {
            failure.check.is_resource() || failure.rejection == Rejection::DistinctInstance
        });
        let Some(slot) = index.slot(verdict.instance).filter(|_| by_tasks) else {
            continue;
        };
        let mut without = slot.clone();
        for (task, held) in &slot.tasks {
            let size = u64::from(held.demand.cpu.0) + u64::from(held.demand.memory.0);
            let rank = (held.wanted, size, *task);
            if best.as_ref().is_some_and(|(best, _)| *best <= rank) {
                continue;
            }
            tried += 1;
            if tried > MAX_TRIED {
                break;
            }
            if fits_without(&mut without, *task, request) {
                let fix = Fix::TaskEnds {
                    task: *task,
                    group: held.group.to_string(),
                    instance: verdict.instance,
                    stopping: !held.wanted,
                };
                best = Some((rank, fix));
            }
        }
    }
    best.map(|(_, fix)| fix)
}

/// Whether one task would fit if another were gone. The slot is left as it was.
fn fits_without(slot: &mut Slot, task: TaskId, request: &Request) -> bool {
    let Some(held) = slot.drop_task(task) else {
        return false;
    };
    let statics = Statics::fresh(slot, request);
    let fits = filter::first_failure(slot, request, &statics).is_none();
    slot.add_held(task, held);
    fits
}
