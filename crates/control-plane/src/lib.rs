//! The Longshore control plane: controllers, agent gateway and API doors.
//!
//! ```text
//!  doors ─► Db ◄─ gateway ◄─ agents        the Db is the store and its view, kept together
//!            ▲
//!            └─ controller: gather ─► reconcile (pure) ─► commit
//!                                        ▲ live: one index of instances per cluster
//! ```
//!
//! Several control planes may share a store. All of them answer calls and serve agents; the
//! controllers run on the one that leads ([`leader`]).
//!
//! The control plane acts only by writing. Everything here waits and calls; what is decided is
//! decided in `longshore-reconcile`, and the bodies of the loops ([`controller::decide`],
//! [`gateway::assignment::Assignments`], [`gateway::report::apply`]) are plain functions.

pub mod commit;
pub mod config;
pub mod controller;
pub mod gateway;
pub mod gather;
pub mod identity;
pub mod leader;
pub mod live;
pub mod logs;
pub mod nodes;
pub mod operation;
pub mod ownership;
mod patience;
pub mod peers;
pub mod placement;
pub mod placer;
pub mod queue;
pub mod serve;
pub mod settings;
pub mod standing;
pub mod statistics;
pub mod store;
pub mod sweep;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
pub mod waiting;
