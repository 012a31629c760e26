//! The Longshore control plane: controllers, agent gateway and API doors.
//!
//! ```text
//!  doors ─► Db ◄─ gateway ◄─ agents        the Db is the store and its view, kept together
//!            ▲
//!            └─ control: reconcile (pure: gather, decide) ─► commit
//!                          ▲ placement: one index of instances for each cluster
//! ```
//!
//! Several control planes may share a store. All of them answer calls and serve agents; the
//! controllers run on the one that leads ([`leader`]).
//!
//! The control plane acts only by writing. Everything here waits and calls; what is decided is
//! decided in `longshore-reconcile`, and the bodies of the loops ([`control::decide`],
//! [`gateway::assignment::Assignments`], [`gateway::report::apply`]) are plain functions.

pub mod config;
pub mod control;
pub mod gateway;
pub mod identity;
pub mod leader;
pub mod logs;
pub mod nodes;
pub mod operation;
mod patience;
pub mod peers;
pub mod placement;
pub mod serve;
pub mod settings;
pub mod standing;
pub mod store;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
