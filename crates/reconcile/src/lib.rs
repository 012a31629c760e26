//! What should change so that services, tasks and instances match what was asked.
//!
//! Every controller has one signature, `reconcile(view, ctx) -> Plan<Action>`, and is a function
//! of its arguments alone. A view says what is wanted and what was observed, at one revision; the
//! plan is committed only if what it was made from has not changed. Whatever woke the controller
//! is not told to it: it looks at the whole of its noun each time.
//!
//! | controller | file | key |
//! |---|---|---|
//! | desired count, replacement, deployments | [`service`] | a service |
//! | given up with its instance, forgotten in time | [`task`] | a task |
//! | lost agents | [`instance`] | a container instance |
//!
//! [`placement`] says what is asked of the scheduler, for services and for RunTask.
//!
//! To add a controller: a file here, its view in the control plane's `gather.rs`, a line in its
//! controller list, and a scenario.

pub mod action;
pub mod instance;
pub mod placement;
pub mod service;
pub mod task;

pub use action::Action;
