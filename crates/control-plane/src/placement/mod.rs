//! Placing with one index of instances for each cluster: for the controllers, for RunTask and
//! StartTask, and for whoever asks why.
//!
//! | file | noun |
//! |---|---|
//! | `cluster_index.rs` | [`ClusterIndexes`], kept in step with the view |
//! | `waiting.rs` | who waits for room, and what each lacks |
//! | `placer.rs` | [`Scheduling`], what all of them share; [`SchedulerPlacer`] for single tasks |
//! | `explanation.rs` | [`PlacementService`], why tasks are where they are |
//! | `statistics.rs` | [`Statistics`], what was done and how long it took |

mod cluster_index;
mod explanation;
mod placer;
mod statistics;
mod waiting;

pub use cluster_index::ClusterIndexes;
pub use explanation::PlacementService;
pub use placer::{SchedulerPlacer, Scheduling};
pub use statistics::{Counter, Statistics};
