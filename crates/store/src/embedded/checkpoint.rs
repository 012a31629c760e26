//! The thread that moves commits from the log into the base file, beside those that are made.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::contract::Unavailable;
use crate::watch::History;

use super::disk::LogMeta;
use super::layers::Layers;

/// The name of the thread.
pub(super) const THREAD: &str = "store-checkpoint";

/// The thread. At most one order waits, since [`Layers::freeze`] waits for the one before.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Taken at the end.
    orders: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread beside this log.
    pub(super) fn start(
        layers: Arc<Layers>,
        history: Arc<History>,
        log: LogMeta,
    ) -> io::Result<Checkpoints> {
        let (orders, received) = sync_channel(1);
        let thread = thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || run(&layers, &history, log, &received))?;
        Ok(Checkpoints {
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Has what is frozen settled.
    pub(super) fn order(&self) {
        if let Some(orders) = &self.orders {
            // A thread that is gone has failed the store, and says so there.
            let _ = orders.send(());
        }
    }

    /// Waits for what was ordered.
    pub(super) fn end(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's checkpoint thread panicked");
        }
    }
}

fn run(layers: &Layers, history: &History, log: LogMeta, orders: &Receiver<()>) {
    let _end = End { layers, history };
    for () in orders {
        if let Err(error) = layers.settle(log) {
            let fault = Unavailable::new("settling commits in the data file", error);
            tracing::error!(
                error = &fault as &dyn std::error::Error,
                "the store has failed"
            );
            history.fail(fault);
            layers.fail();
            return;
        }
    }
}

/// Fails the store when the thread panics.
struct End<'a> {
    layers: &'a Layers,
    history: &'a History,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let fault = Unavailable::new("running the checkpoint thread", "the thread panicked");
            self.history.fail(fault);
            self.layers.fail();
        }
    }
}
