//! What should change so that services, tasks and instances match what was asked.
//!
//! A [`Controller`] has keys, says what wakes them, and decides about one, a function of its
//! arguments alone: it gathers from the view of everything what it reads, and makes a plan, which is
//! committed only if what it was made from has not changed. Whatever woke it is not told to it: it
//! looks at the whole of its noun each time.
//!
//! | controller | file | key |
//! |---|---|---|
//! | desired count, replacement, deployments | [`service`] | a service |
//! | lost agents | [`instance`] | a container instance |
//! | given up with its instance, forgotten in time | [`task`] | a task |
//! | agents of a control plane that is gone | [`absence`] | that control plane |
//! | tokens that have had their time | [`token`] | all of them |
//!
//! [`placement`] says what is asked of the scheduler, for services and for RunTask.
//!
//! To add a controller: a file here, a line in [`list`], and a scenario.

pub mod absence;
pub mod action;
pub mod controller;
pub mod instance;
pub mod list;
pub mod placement;
pub mod service;
pub mod task;
pub mod token;

pub use action::Action;
pub use controller::{Controller, Pace, Scope, Times};
pub use list::Key;
