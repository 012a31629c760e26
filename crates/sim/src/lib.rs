//! A whole Longshore in one thread from one seed, to break everything before a user does.
//!
//! See `README.md` for how a feature adds its workload, its faults and its oracle.
//!
//! | file | noun |
//! |---|---|
//! | `cluster.rs` | every process, what is on its way between them, the queue of events |
//! | `scenario.rs` | what a seed means: topology, patience, fault mix |
//! | `control.rs`, `decide.rs` | a control-plane process |
//! | `conn.rs`, `session.rs` | connections, and the gateway's end of a session |
//! | `host.rs`, `operation.rs` | a node: agent, journal, clock; its container daemon |
//! | `store.rs`, `watch.rs` | the store, commits on their way to it, what is seen of them |
//! | `fault.rs`, `weather.rs`, `mend.rs` | what goes wrong, when, and its end |
//! | `workload.rs`, `call.rs`, `read.rs` | what users do and look at |
//! | `invariant.rs`, `oracle.rs`, `work.rs` | what must hold all the time |
//! | `judge.rs` | what must come about in the end |
//! | `mutant.rs` | faults of our own, to show that the invariants bite |
//! | `runner.rs`, `regression.rs` | many seeds; shrinking; saved cases |

mod call;
mod cluster;
mod conn;
mod control;
mod decide;
mod fault;
mod host;
mod invariant;
mod judge;
mod mend;
mod mutant;
mod operation;
mod oracle;
mod read;
pub mod regression;
mod rng;
pub mod runner;
mod scenario;
mod session;
mod store;
mod trace;
mod watch;
mod weather;
mod work;
mod workload;

pub use cluster::{Report, run};
pub use fault::{Fault, Fired};
pub use invariant::{Invariant, Violation};
pub use mutant::Mutant;
pub use scenario::Limits;
