//! What the engine's event stream says about a measurement of one task.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::query_parameters::EventsOptions;
use futures::StreamExt as _;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::report::Sample;

/// Events kept between two [`Timeline::take`] calls; healing one task has five.
const MAX_EVENTS: usize = 10_000;
/// What is listened for. Each is stamped when the engine is done with it.
const TOLD: [(&str, &str); 5] = [
    ("container", "die"),
    ("network", "disconnect"),
    ("container", "create"),
    ("network", "connect"),
    ("container", "start"),
];

/// Something the engine did.
#[derive(Debug, Clone)]
pub(crate) struct EngineEvent {
    /// Nanoseconds since the epoch.
    pub(crate) at: i128,
    /// As `container start` or `network connect`.
    pub(crate) what: String,
}

/// Listens to the engine until dropped.
pub(crate) struct Timeline {
    events: Arc<Mutex<Vec<EngineEvent>>>,
    listener: JoinHandle<()>,
}

impl Timeline {
    /// Starts to listen.
    pub(crate) fn listen(engine: &Engine) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let docker = engine.docker.clone();
        let kept = Arc::clone(&events);
        let listener = tokio::spawn(async move {
            let filter = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
            let (types, actions) = TOLD.into_iter().unzip();
            let options = EventsOptions {
                filters: Some(HashMap::from([
                    ("type".to_owned(), filter(types)),
                    ("event".to_owned(), filter(actions)),
                ])),
                ..EventsOptions::default()
            };
            let mut stream = docker.events(Some(options));
            while let Some(Ok(event)) = stream.next().await {
                let (Some(typ), Some(action), Some(at)) =
                    (event.typ, event.action, event.time_nano)
                else {
                    continue;
                };
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < MAX_EVENTS {
                    kept.push(EngineEvent {
                        at: i128::from(at),
                        what: format!("{typ} {action}"),
                    });
                }
            }
        });
        Self { events, listener }
    }

    /// Notes what happened since the last call as steps of a measurement that began then,
    /// nanoseconds since the epoch.
    pub(crate) fn add_to(&self, sample: &mut Sample, begin: i128) {
        for event in self.take() {
            if event.at >= begin {
                sample.add_at(&event.what, begin, event.at);
            }
        }
    }

    /// What happened since the last call, oldest first.
    pub(crate) fn take(&self) -> Vec<EngineEvent> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *events)
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.listener.abort();
    }
}
