//! What an instance must have to take a task at all, in the order ECS checks it (developer guide,
//! "how task placement works"): the filters, then the constraints. The first that fails is the
//! reason ECS clients see.

use std::collections::BTreeSet;

use longshore_model::placement::{PlacementConstraint, Rejection};
use longshore_model::unit::Protocol;
use longshore_model::{CpuUnits, Mib, Port};

use crate::request::Request;
use crate::slot::Slot;

/// One thing that is checked. Ordered as it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Its status is ACTIVE.
    Active,
    /// Its agent is connected.
    Agent,
    /// It has every attribute required.
    Attributes,
    /// It is in one of the zones allowed.
    Zone,
    /// Enough CPU is left.
    Cpu,
    /// Enough memory is left.
    Memory,
    /// The fixed TCP host ports are free.
    TcpPorts,
    /// The fixed UDP host ports are free.
    UdpPorts,
    /// Enough network interfaces are left.
    NetworkInterfaces,
    /// Enough GPU devices are free.
    Gpus,
    /// Not too many host ports are taken.
    PortCount,
    /// The constraint at this place of the request, from 0, is met.
    Constraint(u8),
}

/// The filters, in order; the constraints follow.
pub(crate) const FILTERS: [Check; 11] = [
    Check::Active,
    Check::Agent,
    Check::Attributes,
    Check::Zone,
    Check::Cpu,
    Check::Memory,
    Check::TcpPorts,
    Check::UdpPorts,
    Check::NetworkInterfaces,
    Check::Gpus,
    Check::PortCount,
];

impl Check {
    /// A number for it, from 0 in the order of checking.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Constraint(index) => (FILTERS.len() as u8).saturating_add(index),
            filter => filter.position(),
        }
    }

    /// The check with this number.
    pub(crate) fn from_code(code: u8) -> Self {
        match FILTERS.get(usize::from(code)) {
            Some(filter) => *filter,
            None => Self::Constraint(code - FILTERS.len() as u8),
        }
    }

    fn position(self) -> u8 {
        FILTERS
            .iter()
            .position(|filter| *filter == self)
            .unwrap_or(0) as u8
    }

    /// Whether it is about something that tasks take and give back.
    pub const fn is_resource(self) -> bool {
        matches!(
            self,
            Self::Cpu
                | Self::Memory
                | Self::TcpPorts
                | Self::UdpPorts
                | Self::NetworkInterfaces
                | Self::Gpus
                | Self::PortCount
        )
    }
}

/// The checks whose outcome only another state of the instance changes, made once for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Statics {
    attributes: bool,
    zone: bool,
    /// A bit for each constraint that reads nothing that tasks change.
    settled: u32,
    /// A bit for each of these that fails.
    failing: u32,
}

impl Statics {
    pub(crate) fn of(slot: &Slot, request: &Request, attributes: bool) -> Self {
        let (mut settled, mut failing) = (0, 0);
        for (index, constraint) in request.binding().iter().enumerate() {
            if is_static(index, constraint) {
                settled |= 1 << index;
                failing |= u32::from(!holds(slot, request, constraint)) << index;
            }
        }
        Self {
            attributes,
            zone: in_zone(slot, request),
            settled,
            failing,
        }
    }

    /// Everything checked anew.
    pub(crate) fn fresh(slot: &Slot, request: &Request) -> Self {
        Self::of(slot, request, has_attributes(slot, request))
    }
}

fn is_static(index: usize, constraint: &PlacementConstraint) -> bool {
    index < 32
        && constraint
            .expression()
            .is_some_and(|expression| !expression.reads().tasks)
}

fn in_zone(slot: &Slot, request: &Request) -> bool {
    request.zones.is_empty() || request.zones.contains(slot.zone())
}

/// The first required attribute that it lacks, or has with another value.
fn missing_attribute<'a>(
    slot: &Slot,
    request: &'a Request,
) -> Option<(&'a String, &'a Option<String>)> {
    let mut required = request.attributes.iter();
    required.find(|(name, value)| match slot.state.attributes.get(*name) {
        None => true,
        Some(actual) => value.is_some() && actual != *value,
    })
}

pub(crate) fn has_attributes(slot: &Slot, request: &Request) -> bool {
    missing_attribute(slot, request).is_none()
}

fn holds(slot: &Slot, request: &Request, constraint: &PlacementConstraint) -> bool {
    match constraint {
        PlacementConstraint::MemberOf(expression) => expression.evaluate(slot),
        PlacementConstraint::DistinctInstance => slot.group(&request.group).live == 0,
    }
}

fn passes(slot: &Slot, request: &Request, statics: &Statics, check: Check) -> bool {
    let (kind, demand) = (request.kind, &request.demand);
    match check {
        Check::Active => slot.is_active(),
        Check::Agent => slot.is_connected(),
        Check::Attributes => statics.attributes,
        Check::Zone => statics.zone,
        Check::Cpu => demand.cpu.0 <= slot.left_cpu(kind),
        Check::Memory => demand.memory.0 <= slot.left_memory(kind),
        Check::TcpPorts => !demand
            .tcp_ports
            .iter()
            .any(|port| slot.has_tcp(kind, *port)),
        Check::UdpPorts => !demand
            .udp_ports
            .iter()
            .any(|port| slot.has_udp(kind, *port)),
        Check::NetworkInterfaces => {
            demand.network_interfaces == 0
                || demand.network_interfaces <= slot.left_interfaces(kind)
        }
        Check::Gpus => request.gpus == 0 || request.gpus <= slot.left_gpus(kind),
        Check::PortCount => {
            request.port_count() == 0 || request.port_count() <= slot.left_ports(kind)
        }
        Check::Constraint(index) => {
            let bit = 1_u32.checked_shl(u32::from(index)).unwrap_or(0);
            if statics.settled & bit != 0 {
                return statics.failing & bit == 0;
            }
            let constraint = request.binding().get(usize::from(index));
            constraint.is_none_or(|constraint| holds(slot, request, constraint))
        }
    }
}

/// Every check of the request, in order.
fn checks(request: &Request) -> impl Iterator<Item = Check> {
    let constraints = u8::try_from(request.binding().len()).unwrap_or(u8::MAX);
    let constraints = (0..constraints).map(Check::Constraint);
    FILTERS.into_iter().chain(constraints)
}

/// The first check that fails; `None` if the instance can take one task.
pub(crate) fn first_failure(slot: &Slot, request: &Request, statics: &Statics) -> Option<Check> {
    checks(request).find(|check| !passes(slot, request, statics, *check))
}

/// Every check that fails.
pub(crate) fn failures(slot: &Slot, request: &Request) -> Vec<Check> {
    let statics = Statics::fresh(slot, request);
    checks(request)
        .filter(|check| !passes(slot, request, &statics, *check))
        .collect()
}

/// Whether the attributes, the zone and the constraints allow a daemon on the instance. Its own
/// task there does not speak against it.
pub(crate) fn belongs(slot: &Slot, daemon: &Request, statics: &Statics) -> bool {
    let constraints = daemon.binding().iter();
    statics.attributes
        && statics.zone
        && constraints
            .filter_map(PlacementConstraint::expression)
            .all(|expression| expression.evaluate(slot))
}

/// What a failed check means in words and numbers.
pub(crate) fn rejection(slot: &Slot, request: &Request, check: Check) -> Rejection {
    let (kind, demand) = (request.kind, &request.demand);
    let taken = |ports: &BTreeSet<Port>, has: &dyn Fn(Port) -> bool, protocol| Rejection::Port {
        port: ports.iter().copied().find(|port| has(*port)).unwrap_or(0),
        protocol,
    };
    match check {
        Check::Active => Rejection::NotActive,
        Check::Agent => Rejection::AgentDisconnected,
        Check::Attributes => {
            let missing = missing_attribute(slot, request);
            Rejection::Attribute(
                missing.map_or_else(String::new, |(name, value)| match value {
                    Some(value) => format!("{name}={value}"),
                    None => name.clone(),
                }),
            )
        }
        Check::Zone => Rejection::Zone {
            zone: slot.zone().to_owned(),
        },
        Check::Cpu => Rejection::Cpu {
            wanted: demand.cpu,
            left: CpuUnits(slot.left_cpu(kind)),
        },
        Check::Memory => Rejection::Memory {
            wanted: demand.memory,
            left: Mib(slot.left_memory(kind)),
        },
        Check::TcpPorts => taken(
            &demand.tcp_ports,
            &|port| slot.has_tcp(kind, port),
            Protocol::Tcp,
        ),
        Check::UdpPorts => taken(
            &demand.udp_ports,
            &|port| slot.has_udp(kind, port),
            Protocol::Udp,
        ),
        Check::NetworkInterfaces => Rejection::NetworkInterfaces {
            wanted: demand.network_interfaces,
            left: slot.left_interfaces(kind),
        },
        Check::Gpus => Rejection::Gpus {
            wanted: request.gpus,
            left: slot.left_gpus(kind),
        },
        Check::PortCount => Rejection::PortCount {
            wanted: request.port_count(),
            left: slot.left_ports(kind),
        },
        Check::Constraint(index) => match request.binding().get(usize::from(index)) {
            Some(PlacementConstraint::MemberOf(expression)) => {
                Rejection::MemberOf(expression.clone())
            }
            _ => Rejection::DistinctInstance,
        },
    }
}
