//! The one loop that runs every controller by key.
//!
//! A key says what to look at, never what happened. Keys come from changes, from the times that
//! earlier decisions asked for, from room that a waiting service could use, and from a slow timer
//! that names everything, so a change that was missed is only late. Most keys are decided about side
//! by side; those of one cluster that place take turns, against one index of its instances, and are
//! committed together.
//!
//! It runs for one term of leadership, and every commit carries the fence of that term. A commit
//! whose outcome is not known ends the term: under the fence of the next it can no longer happen.
//!
//! | file | noun |
//! |---|---|
//! | `queue.rs` | [`Queue`], what is to be looked at, and when |
//! | `rounds.rs` | [`Rounds`], each key by one [`Activation`] at a time, and how that ended |
//! | `turn.rs` | [`Due`] keys and what was [`Decided`] about them |
//! | `commit.rs` | [`Writing`], from plans to one guarded transaction |
//! | `run.rs` | [`run`], the loop |

mod commit;
mod queue;
mod rounds;
mod run;
mod turn;

pub use commit::{Writing, translate};
pub use queue::Queue;
pub use rounds::{Activation, End, Outcome, Rounds};
pub use run::{RELIST_INTERVAL, activate, run};
pub use turn::{Decided, Due, Planned, Rest, decide, decide_turn};
