//! What is known, indexed: every noun that is stored, where it is kept, and how a change of it is
//! written down. Functions of their arguments: the store hands in bytes, and takes commits out.
//!
//! | file | noun |
//! |---|---|
//! | `table/` | the key and the framing of each noun; `table/list.rs` names all of them |
//! | `view.rs` | [`View`], the whole state in memory |
//! | `tasks.rs` | [`Tasks`], the tasks of a view |
//! | `change.rs` | [`Change`], what changed |
//! | `change_log.rs` | [`ChangeLog`], the newest changes, for who keeps something made from a view |
//! | `txn.rs` | [`Txn`], guards and writes over typed records, in the making |
//! | `commit.rs` | [`Commit`], [`Guard`], [`Write`], [`Event`]: the same as bytes |
//! | `key.rs` | [`Key`] |
//!
//! To add a noun: its type in `model`, a file of `table/` with its key, a line of `table/list.rs`.

mod change;
mod change_log;
mod commit;
mod key;
pub mod table;
mod tasks;
mod txn;
pub mod view;

pub use change::Change;
pub use change_log::ChangeLog;
pub use commit::{Commit, Entry, Event, Guard, Revision, Snapshot, Write};
pub use key::{Key, KeyError, MAX_KEY_BYTES};
pub use table::task_change;
pub use tasks::Tasks;
pub use txn::{Made, Noun, Txn};
pub use view::{Stored, View};
