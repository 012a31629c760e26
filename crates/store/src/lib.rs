//! Guarded commits and watches over one keyspace.
//!
//! Everything the control plane knows is a set of keys with opaque values. A change is one
//! [`Commit`]: guards that say what must still be true, and writes that happen together or not at
//! all. Each commit gets one [`Revision`], and a [`Watch`] hands out commits in that order. What
//! the bytes mean is `longshore-state`'s, whose types are named here as well.
//!
//! | file | noun |
//! |---|---|
//! | `contract.rs` | [`Store`], [`Commit`], [`Guard`], [`Write`], errors and limits |
//! | `coordination.rs` | [`Leadership`], [`Presence`]: what processes that share a store agree on |
//! | `watch.rs` | [`Watch`], [`Batch`], [`Event`] and the bounded history behind them |
//! | `index.rs` | which key was put at which revision; decides guards |
//! | `memory.rs` | [`Memory`], for tests and simulation; forgets everything on drop |
//! | `embedded.rs` | [`Embedded`], one process, one directory, durable |
//! | `etcd/` | [`Etcd`], several processes over one etcd |
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
mod memory;
mod progress;
mod underway;
mod watch;

pub use contract::{
    Bounds, BoxFuture, CALL_LIMIT, Commit, CommitError, Entry, Guard, MAX_COMMIT_BYTES,
    MAX_VALUE_BYTES, ReadError, Revision, Snapshot, Store, Unavailable, Unreachable, Write,
    validate,
};
pub use coordination::{LEADER_KEY, Leadership, Presence, Term};
pub use db::{Db, TransactError};
pub use embedded::{Embedded, FORMAT, OpenError};
pub use etcd::{Etcd, EtcdError, EtcdOptions, EtcdTls, EtcdUser};
pub use longshore_state::{
    Change, ChangeLog, Key, KeyError, MAX_KEY_BYTES, Stored, Tasks, Txn, View, table, view,
};
pub use memory::Memory;
pub use watch::{Batch, Event, HistoryLimit, Watch, WatchError};
