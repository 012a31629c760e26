//! Which tasks go when a service has too many: the strategies read backwards (ECS developer
//! guide, "task placement strategies"; scale-in keeps what placement built).
//!
//! | rule | goes first |
//! |---|---|
//! | spread | the value with most tasks, so that what is left is as even as it can be |
//! | binpack | the task whose end leaves most of the resource free: the emptiest instance drains |
//! | random | by chance |
//! | none, for a service | the zone with most tasks, there the instance with most |

use std::collections::BTreeMap;

use longshore_model::placement::{PackedResource, PlacementStrategy, SpreadField};
use longshore_model::plan::Ctx;
use longshore_model::{InstanceId, TaskId};

use crate::class::draw;
use crate::index::Index;
use crate::request::Kind;

/// One task of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub task: TaskId,
    /// Where it is.
    pub instance: InstanceId,
    /// The tasks of the least turn go first, whatever the strategies say. `None`: it counts for
    /// the balance and may not be chosen (a protected task).
    pub turn: Option<u8>,
}

/// A task with all that the rules ask of it, looked up once.
struct Candidate {
    task: TaskId,
    turn: Option<u8>,
    /// Per rule, the place of its count; `None` where the rule is a binpack.
    counts: Vec<Option<usize>>,
    instance: usize,
    cpu: u64,
    memory: u64,
}

/// The balance that is left as tasks go.
struct Balance {
    chain: Vec<PlacementStrategy>,
    counts: Vec<u64>,
    /// Free CPU and memory per instance.
    free: Vec<(u64, u64)>,
}

impl Index {
    /// The tasks to stop, at most `count`, in the order they should go. `chain` is that of
    /// [`Kind::chain`]. Takes time in proportion to `count` times the tasks.
    pub fn victims(
        &self,
        chain: Vec<PlacementStrategy>,
        standing: &[Standing],
        count: usize,
        ctx: &mut Ctx,
    ) -> Vec<TaskId> {
        let (mut balance, mut candidates) = self.weigh(chain, standing);
        candidates.retain(|candidate| candidate.turn.is_some());
        let mut victims = Vec::new();
        while victims.len() < count {
            let Some(at) = balance.next(&candidates, ctx) else {
                break;
            };
            let victim = candidates.swap_remove(at);
            balance.take_out(&victim);
            victims.push(victim.task);
        }
        victims
    }

    fn weigh(
        &self,
        chain: Vec<PlacementStrategy>,
        standing: &[Standing],
    ) -> (Balance, Vec<Candidate>) {
        let mut balance = Balance {
            chain,
            counts: Vec::new(),
            free: Vec::new(),
        };
        let mut places: BTreeMap<(usize, String), usize> = BTreeMap::new();
        let mut instances: BTreeMap<InstanceId, usize> = BTreeMap::new();
        let mut candidates = Vec::with_capacity(standing.len());
        for task in standing {
            let slot = self.slot(task.instance);
            let instance = *instances.entry(task.instance).or_insert_with(|| {
                balance.free.push(slot.map_or((0, 0), |slot| {
                    let (cpu, memory) =
                        (slot.left_cpu(Kind::Daemon), slot.left_memory(Kind::Daemon));
                    (u64::from(cpu), u64::from(memory))
                }));
                balance.free.len() - 1
            });
            let mut counts = Vec::with_capacity(balance.chain.len());
            for (rule, strategy) in balance.chain.iter().enumerate() {
                let value = match strategy {
                    PlacementStrategy::Spread(SpreadField::Attribute(name)) => {
                        let value = slot.and_then(|slot| slot.state.attributes.get(name));
                        // A value is told from an absent one by its sign in front.
                        value.map_or_else(String::new, |value| {
                            format!("={}", value.as_deref().unwrap_or_default())
                        })
                    }
                    PlacementStrategy::Spread(_) => task.instance.to_string(),
                    PlacementStrategy::Binpack(_) | PlacementStrategy::Random => {
                        counts.push(None);
                        continue;
                    }
                };
                let fresh = balance.counts.len();
                let place = *places.entry((rule, value)).or_insert(fresh);
                if place == fresh {
                    balance.counts.push(0);
                }
                balance.counts[place] += 1;
                counts.push(Some(place));
            }
            let held = slot.and_then(|slot| slot.tasks.get(&task.task));
            let demand = held.map(|held| &held.demand);
            candidates.push(Candidate {
                task: task.task,
                turn: task.turn,
                counts,
                instance,
                cpu: demand.map_or(0, |demand| u64::from(demand.cpu.0)),
                memory: demand.map_or(0, |demand| u64::from(demand.memory.0)),
            });
        }
        (balance, candidates)
    }
}

impl Balance {
    /// The task that goes next.
    fn next(&self, candidates: &[Candidate], ctx: &mut Ctx) -> Option<usize> {
        let turn = candidates
            .iter()
            .filter_map(|candidate| candidate.turn)
            .min()?;
        let mut best = Vec::new();
        let mut ties: Vec<usize> = Vec::new();
        let mut measures = Vec::with_capacity(self.chain.len());
        for (at, candidate) in candidates.iter().enumerate() {
            if candidate.turn != Some(turn) {
                continue;
            }
            measures.clear();
            measures.extend(self.measures(candidate));
            if ties.is_empty() || measures > best {
                std::mem::swap(&mut best, &mut measures);
                ties.clear();
                ties.push(at);
            } else if measures == best {
                ties.push(at);
            }
        }
        // By id, so that the order the tasks were given in does not matter.
        ties.sort_unstable_by_key(|at| candidates[*at].task);
        ties.get(draw(ties.len(), ctx)).copied()
    }

    fn measures(&self, candidate: &Candidate) -> impl Iterator<Item = u64> {
        let rules = self.chain.iter().zip(&candidate.counts);
        rules.map(|(strategy, place)| match (strategy, place) {
            (_, Some(place)) => self.counts[*place],
            (PlacementStrategy::Binpack(PackedResource::Cpu), None) => {
                self.free[candidate.instance].0 + candidate.cpu
            }
            (PlacementStrategy::Binpack(PackedResource::Memory), None) => {
                self.free[candidate.instance].1 + candidate.memory
            }
            (_, None) => 0,
        })
    }

    fn take_out(&mut self, victim: &Candidate) {
        for place in victim.counts.iter().flatten() {
            self.counts[*place] -= 1;
        }
        let free = &mut self.free[victim.instance];
        free.0 += victim.cpu;
        free.1 += victim.memory;
    }
}
