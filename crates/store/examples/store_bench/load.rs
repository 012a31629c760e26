//! Writers that put as fast as they are answered.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use etcd_client::Client;
use longshore_store::{Commit, Key, Store, Write};
use tokio::task::JoinSet;

use crate::Failure;

/// About the size of a small record.
const VALUE_BYTES: usize = 512;

/// What is written to.
#[derive(Clone)]
pub(crate) enum Target {
    /// Commits of one put.
    Store(Arc<dyn Store>),
    /// Plain puts.
    Etcd(Box<Client>),
}

impl Target {
    async fn put(&mut self, key: String, value: Bytes) -> Result<(), Failure> {
        match self {
            Target::Store(store) => {
                let write = Write::Put {
                    key: Key::new(key)?,
                    value,
                };
                let commit = Commit {
                    guards: Vec::new(),
                    writes: vec![write],
                };
                store.commit(commit).await?;
            }
            Target::Etcd(client) => {
                client.put(key, value.to_vec(), None).await?;
            }
        }
        Ok(())
    }
}

/// How many write, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    writers: usize,
    lasts: Duration,
}

impl Load {
    pub(crate) fn of(writers: usize, quick: bool) -> Load {
        Load {
            writers,
            lasts: Duration::from_millis(if quick { 300 } else { 3_000 }),
        }
    }

    pub(crate) fn warm_up(self) -> Load {
        Load {
            lasts: self.lasts / 6,
            ..self
        }
    }

    /// Each writer puts keys of its own, one after the other, each put answered before the next.
    pub(crate) async fn run(self, target: &Target) -> Result<Measured, Failure> {
        let start = Instant::now();
        let mut writers = JoinSet::new();
        for writer in 0..self.writers {
            let mut target = target.clone();
            writers.spawn(async move {
                let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
                let mut latencies = Vec::new();
                while start.elapsed() < self.lasts {
                    let key = format!("task/{writer}/{}", latencies.len() % 100);
                    let begin = Instant::now();
                    target.put(key, value.clone()).await?;
                    latencies.push(begin.elapsed());
                }
                Ok::<_, Failure>(latencies)
            });
        }
        let mut latencies = Vec::new();
        while let Some(writer) = writers.join_next().await {
            latencies.extend(writer??);
        }
        let took = start.elapsed().as_secs_f64();
        latencies.sort_unstable();
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64();
        Ok(Measured {
            puts_per_second: latencies.len() as f64 / took,
            p50: at(50),
            p99: at(99),
        })
    }
}

/// What the writers saw; seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) puts_per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:.0} puts/s, p50 {:.2} ms, p99 {:.2} ms",
            self.puts_per_second,
            self.p50 * 1e3,
            self.p99 * 1e3
        )
    }
}
