//! On real etcd servers: what holds of every backend, and what only etcd can do to it.

#![allow(clippy::unwrap_used)]

mod adversary;
mod fault;
mod refusal;
mod size;
mod view;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::cluster::Cluster;
use super::*;
use crate::conformance;
use crate::contract::{Guard, Write};

/// Makes prefixes that nobody has used.
#[derive(Default)]
struct Prefixes(AtomicUsize);

impl Prefixes {
    fn next(&self) -> String {
        format!("t{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

async fn open(cluster: &Cluster, prefix: &str) -> Arc<Etcd> {
    Arc::new(Etcd::open(cluster.options(prefix)).await.unwrap())
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put(text: &str, value: impl Into<Bytes>) -> Write {
    Write::Put {
        key: key(text),
        value: value.into(),
    }
}

fn commit(guards: Vec<Guard>, writes: Vec<Write>) -> Commit {
    Commit { guards, writes }
}

async fn conforms(nodes: usize) {
    let cluster = Cluster::start(nodes).await;
    let prefixes = Prefixes::default();
    conformance::run(async |limit| {
        let mut options = cluster.options(&prefixes.next());
        options.history = limit;
        Arc::new(Etcd::open(options).await.unwrap()) as Arc<dyn Store>
    })
    .await;
    conformance::shared::run(async || {
        let prefix = prefixes.next();
        [
            open(&cluster, &prefix).await as Arc<dyn Store>,
            open(&cluster, &prefix).await as Arc<dyn Store>,
        ]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_on_one_server() {
    conforms(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_on_three_servers() {
    conforms(3).await;
}
