//! The Longshore node agent: keeps this node's containers as told.
//!
//! | module | in one line |
//! |---|---|
//! | [`node`] | the core: what was observed goes in, what is to be done comes out; no I/O |
//! | [`pass`] | the loop around it, and the watch over the runtime |
//! | [`clock`] | its time, which nobody can set |
//! | [`journal`] | what must outlive the process |
//! | [`runtime`] | containers: Docker, and a fake |
//! | [`cgroup`] | limits over all containers of a task |
//! | [`session`] | the stream to the control plane |
//! | [`control_planes`] | which of them, in turn |
//! | [`wire`] | its messages, checked |
//! | [`identity`], [`tls`] | who this agent is, and how it proves that |
//! | [`capacity`] | what the node offers |
//! | [`config`] | command line and environment |

pub mod capacity;
pub mod cgroup;
pub mod clock;
pub mod config;
pub mod control_planes;
pub mod identity;
pub mod journal;
mod logs;
pub mod node;
pub mod pass;
pub mod purge;
pub mod runtime;
pub mod session;
pub mod tls;
pub mod wire;
