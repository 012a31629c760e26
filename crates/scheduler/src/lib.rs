//! Which instance should run this task, and why not the others.
//!
//! Pure: a request and the nodes in, a placement out. The pipeline is the one of ECS
//! (developer guide, "how task placement works"): candidates pass the [`filter`]s in a fixed
//! order, the first that fails is remembered as the [`Rejection`]; the [`strategy`] chain sorts
//! the survivors and the first is taken. Each task placed takes its share before the next one.
//!
//! Adding a filter: one file in `filter/`, one line in its list. Adding a strategy likewise.

pub mod filter;
pub mod node;
pub mod strategy;

use std::collections::BTreeSet;

use longshore_model::InstanceId;
use longshore_model::instance::Resources;
use longshore_model::placement::{Rejection, Unplaced};
use longshore_model::plan::Ctx;

pub use node::Node;
pub use strategy::Strategy;

/// What one task needs of a node.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// CPU, memory and host ports.
    pub demand: &'a Resources,
    /// Attributes the node must have.
    pub attributes: &'a BTreeSet<String>,
}

/// Where equal tasks go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// One node per task placed.
    pub placed: Vec<InstanceId>,
    /// Why the next task goes nowhere; set when fewer were placed than asked for.
    pub unplaced: Option<Unplaced>,
}

/// Places `count` equal tasks. `nodes` is left with what the placed tasks take, so that a further
/// call sees it.
pub fn place(
    nodes: &mut [Node],
    request: Request<'_>,
    strategy: Strategy,
    count: u32,
    ctx: &mut Ctx,
) -> Placement {
    let mut placement = Placement::default();
    for _ in 0..count {
        match choose(nodes, request, strategy, ctx) {
            Ok(index) => {
                nodes[index].take(request.demand);
                placement.placed.push(nodes[index].id);
            }
            Err(unplaced) => {
                placement.unplaced = Some(unplaced);
                break;
            }
        }
    }
    placement
}

fn choose(
    nodes: &[Node],
    request: Request<'_>,
    strategy: Strategy,
    ctx: &mut Ctx,
) -> Result<usize, Unplaced> {
    let mut unplaced = Unplaced::default();
    let mut candidates = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        match filter::check(node, request) {
            Ok(()) => candidates.push(index),
            Err(rejection) => {
                unplaced.rejections.insert(node.id, rejection);
            }
        }
    }
    strategy.pick(nodes, candidates, ctx).ok_or(unplaced)
}

/// The verdict of every node on one task, without placing it.
pub fn verdicts<'a>(
    nodes: &'a [Node],
    request: Request<'a>,
) -> impl Iterator<Item = (InstanceId, Result<(), Rejection>)> + 'a {
    nodes
        .iter()
        .map(move |node| (node.id, filter::check(node, request)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use longshore_model::{CpuUnits, Mib, Timestamp};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn node(id: u128, zone: &str, cpu: u32, memory: u32) -> Node {
        Node {
            id: InstanceId::new(id),
            active: true,
            connected: true,
            registered: Resources {
                cpu: CpuUnits(cpu),
                memory: Mib(memory),
                ..Resources::default()
            },
            taken: Resources::default(),
            attributes: BTreeMap::from([("linux".to_owned(), None)]),
            zone: zone.to_owned(),
            group_tasks: 0,
        }
    }

    fn demand(cpu: u32, memory: u32, ports: &[u16]) -> Resources {
        Resources {
            cpu: CpuUnits(cpu),
            memory: Mib(memory),
            tcp_ports: ports.iter().copied().collect(),
            ..Resources::default()
        }
    }

    fn run(nodes: &mut [Node], demand: &Resources, count: u32) -> Placement {
        let attributes = BTreeSet::from(["linux".to_owned()]);
        let request = Request {
            demand,
            attributes: &attributes,
        };
        place(
            nodes,
            request,
            Strategy::SpreadZonesThenNodes,
            count,
            &mut Ctx::new(Timestamp::default(), 7),
        )
    }

    #[test]
    fn each_filter_gives_its_own_reason() {
        type Change = fn(&mut Node);
        let cases: &[(Change, Rejection)] = &[
            (|n| n.active = false, Rejection::NotActive),
            (|n| n.connected = false, Rejection::AgentDisconnected),
            (
                |n| n.attributes.clear(),
                Rejection::Attribute("linux".into()),
            ),
            (
                |n| n.taken.cpu = CpuUnits(950),
                Rejection::Cpu {
                    wanted: CpuUnits(100),
                    left: CpuUnits(74),
                },
            ),
            (
                |n| n.taken.memory = Mib(1000),
                Rejection::Memory {
                    wanted: Mib(100),
                    left: Mib(24),
                },
            ),
            (
                |n| {
                    n.taken.tcp_ports.insert(80);
                },
                Rejection::Port {
                    port: 80,
                    protocol: longshore_model::unit::Protocol::Tcp,
                },
            ),
        ];
        for (change, rejection) in cases {
            let mut nodes = [node(1, "a", 1024, 1024)];
            change(&mut nodes[0]);
            let placement = run(&mut nodes, &demand(100, 100, &[80]), 1);
            assert_eq!(placement.placed, []);
            let unplaced = placement.unplaced.unwrap_or_default();
            assert_eq!(
                unplaced.rejections.get(&InstanceId::new(1)),
                Some(rejection)
            );
        }
    }

    #[test]
    fn an_empty_cluster_rejects_nothing_and_places_nothing() {
        let placement = run(&mut [], &demand(1, 1, &[]), 1);
        assert_eq!(placement.unplaced, Some(Unplaced::default()));
    }

    #[test]
    fn tasks_spread_over_zones_then_nodes() {
        let mut nodes = [
            node(1, "a", 4096, 4096),
            node(2, "a", 4096, 4096),
            node(3, "b", 4096, 4096),
        ];
        run(&mut nodes, &demand(10, 10, &[]), 8);
        let tasks: Vec<u32> = nodes.iter().map(|n| n.group_tasks).collect();
        assert_eq!(tasks, [2, 2, 4]);
    }

    #[test]
    fn a_host_port_is_taken_once_per_node() {
        let mut nodes = [node(1, "a", 4096, 4096), node(2, "a", 4096, 4096)];
        let placement = run(&mut nodes, &demand(10, 10, &[80]), 3);
        assert_eq!(placement.placed.len(), 2);
        assert_eq!(
            placement.unplaced.map(|u| u.counts()).as_deref(),
            Some("2 RESOURCE:PORTS")
        );
    }

    proptest! {
        /// No node is ever asked for more than it has, and nothing stays unplaced that would fit.
        #[test]
        fn capacity_holds_and_no_room_is_overlooked(
            sizes in proptest::collection::vec((0_u32..2000, 0_u32..2000), 0..8),
            cpu in 0_u32..600, memory in 0_u32..600, count in 0_u32..20,
        ) {
            let mut nodes: Vec<Node> = sizes.iter().enumerate()
                .map(|(i, (c, m))| node(i as u128, if i % 2 == 0 { "a" } else { "b" }, *c, *m))
                .collect();
            let demand = demand(cpu, memory, &[]);
            let placement = run(&mut nodes, &demand, count);
            for node in &nodes {
                prop_assert!(node.taken.cpu <= node.registered.cpu);
                prop_assert!(node.taken.memory <= node.registered.memory);
            }
            let fits = nodes.iter().any(|n| n.left_cpu() >= demand.cpu && n.left_memory() >= demand.memory);
            prop_assert_eq!(placement.placed.len() < count as usize, placement.unplaced.is_some());
            if placement.unplaced.is_some() {
                prop_assert!(!fits);
            }
        }
    }
}
