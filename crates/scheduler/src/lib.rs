//! Which instance should run this task, and why not the others.
//!
//! Pure: a request and the instances in, a placement out. The pipeline is the one of ECS
//! (developer guide, "how task placement works"): instances pass the [`filter`]s in a fixed order,
//! then the constraints; the strategy chain orders those left, each rule breaking the ties of the
//! one before; the last tie is broken by chance from the context's seed. Each task placed takes its
//! share before the next one.
//!
//! | noun | file |
//! |---|---|
//! | what is to be placed | [`Request`] |
//! | the instances of a cluster, kept up to date | [`Index`] |
//! | placements of one decision, undone unless kept | [`Attempt`] |
//! | what a request that found no room waits for | [`Lack`], [`Delta`] |
//! | tasks that run everywhere | [`DaemonSet`] |
//! | why a task would go where it would, or nowhere | [`Explanation`], [`Fix`] |
//! | which capacity provider gets the next task | [`provider`] |
//! | which tasks go when there are too many | [`Index::victims`], [`Standing`] |
//!
//! ```text
//! let delta = index.upsert(InstanceState::from(&instance));   // and put_task, remove_task, remove
//! let mut attempt = index.attempt();
//! let placement = attempt.place(&request, count, &mut ctx);
//! let batch = attempt.keep();                                 // or drop it: nothing happened
//! // commit; put the tasks that the commit made; then, whatever became of it:
//! for delta in index.forget(batch) { /* wake whose lack may_be_met_by(&delta) */ }
//! ```
//!
//! Adding a filter: a [`filter::Check`] and its line in `filter.rs`, its words in
//! [`Rejection`](longshore_model::placement::Rejection). Adding a strategy: a rule in `class.rs`.

mod batch;
mod class;
mod daemon;
pub mod exhaustive;
mod explain;
pub mod filter;
mod fix;
mod group;
mod index;
mod lack;
mod names;
pub mod order;
pub mod provider;
mod ranked;
mod request;
mod slot;
mod state;
mod victim;

pub use batch::{Attempt, BatchId, Placed, Placement};
pub use daemon::DaemonSet;
pub use explain::{Explanation, Failure, Tally, Verdict};
pub use fix::Fix;
pub use index::Index;
pub use lack::{Delta, Lack};
pub use request::{Kind, Request};
pub use state::{InstanceState, TaskState};
pub use victim::Standing;
