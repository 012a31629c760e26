//! Guarded commits and watches over one keyspace.
//!
//! Everything the control plane knows is a set of keys with opaque values. A change is one
//! [`Commit`]: guards that say what must still be true, and writes that happen together or not at
//! all. Each commit gets one [`Revision`], and a [`Watch`] hands out commits in that order.
//!
//! | file | noun |
//! |---|---|
//! | `contract.rs` | [`Store`], [`Commit`], [`Guard`], [`Write`], errors and limits |
//! | `coordination.rs` | [`Leadership`], [`Presence`]: what processes that share a store agree on |
//! | `key.rs` | [`Key`] |
//! | `watch.rs` | [`Watch`], [`Batch`], [`Event`] and the bounded history behind them |
//! | `index.rs` | which key was put at which revision; decides guards |
//! | `memory.rs` | [`Memory`], for tests and simulation; forgets everything on drop |
//! | `embedded.rs` | [`Embedded`], one process, one directory, durable |
//! | `etcd/` | [`Etcd`], several processes over one etcd |
//! | `table/` | the key and the framing of each noun |
//! | `log.rs` | [`ChangeLog`], the newest changes of a view, for who keeps something made from it |
//! | `view.rs` | [`View`], the whole state in memory, indexed |
//! | `tasks.rs` | [`Tasks`], the tasks of a view |
//! | `txn.rs` | [`Txn`], guards and writes over typed records, in the making |
//! | `underway.rs` | records on their way to the store, so that the view need not decode them |
//! | `progress.rs` | how far the view is, for those who wait for it |
//! | `db.rs` | [`Db`], the store and its view: read from memory, write through guards |
//! | `barrier.rs` | how far the store is, asked once for everybody who waits |
//! | `conformance.rs` | the suite that every backend passes |
//!
//! A new backend is one file that implements [`Store`] and runs the conformance suite.

mod barrier;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod contract;
mod coordination;
pub mod db;
mod embedded;
pub mod etcd;
mod index;
mod key;
mod log;
mod memory;
mod progress;
pub mod table;
mod tasks;
mod txn;
mod underway;
pub mod view;
mod watch;

pub use contract::{
    Bounds, BoxFuture, CALL_LIMIT, Commit, CommitError, Entry, Guard, MAX_COMMIT_BYTES,
    MAX_VALUE_BYTES, ReadError, Revision, Snapshot, Store, Unavailable, Unreachable, Write,
};
pub use coordination::{LEADER_KEY, Leadership, Presence, Term};
pub use db::{Db, TransactError};
pub use embedded::{Embedded, FORMAT, OpenError};
pub use etcd::{Etcd, EtcdError, EtcdOptions, EtcdTls, EtcdUser};
pub use key::{Key, KeyError, MAX_KEY_BYTES};
pub use log::ChangeLog;
pub use memory::Memory;
pub use tasks::Tasks;
pub use txn::Txn;
pub use view::{Change, Stored, View};
pub use watch::{Batch, Event, HistoryLimit, Watch, WatchError};
