//! The Longshore control plane: controllers, agent gateway and API doors.
//!
//! ```text
//!  doors ─► Db ◄─ gateway ◄─ agents        the Db is the store and its view, kept together
//!            ▲
//!            └─ controller: gather ─► reconcile (pure) ─► commit
//!                                        ▲ live: one index of instances per cluster
//! ```
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
pub mod live;
pub mod logs;
pub mod nodes;
pub mod placement;
pub mod placer;
pub mod queue;
pub mod serve;
pub mod settings;
pub mod statistics;
pub mod sweep;
pub mod waiting;
