//! A whole Longshore in one thread from one seed, to break everything before a user does.
//!
//! See `README.md` for how a feature adds its workload, its faults and its oracle.
//!
//! | file | noun |
//! |---|---|
//! | `cluster.rs` | every process, what is on its way between them, the queue of events |
//! | `scenario.rs` | what a seed means: topology, patience, fault mix |
//! | `control.rs`, `decide.rs` | a control-plane process |
//! | `link.rs` | connections, and the gateway's end of a session |
//! | `host.rs` | a node: agent, journal, clock, container daemon |
//! | `store.rs` | the store, and commits on their way to it |
//! | `fault.rs`, `weather.rs` | what goes wrong, and when |
//! | `workload.rs` | what users do |
//! | `invariant.rs`, `judge.rs` | what must hold all the time, and in the end |
//! | `mutant.rs` | faults of our own, to show that the invariants bite |
//! | `runner.rs`, `regression.rs` | many seeds; shrinking; saved cases |

mod cluster;
mod control;
mod decide;
mod fault;
mod host;
mod invariant;
mod judge;
mod link;
mod mutant;
pub mod regression;
mod rng;
pub mod runner;
mod scenario;
mod store;
mod trace;
mod weather;
mod workload;

pub use cluster::{Report, run};
pub use fault::{Fault, Fired};
pub use invariant::{Invariant, Violation};
pub use mutant::Mutant;
pub use scenario::Limits;
