//! What several clients read and wrote through several control planes, and whether one order
//! explains all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use longshore_store::conformance::linear::{self, Model, Timed};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::never_happened;
use crate::eventually::ticks;
use crate::fleet::call_any;
use crate::wire::Wire;

/// How often each client calls.
const PACE: Duration = Duration::from_millis(25);
/// Tags that are read and written, each a register of its own.
const KEYS: [&str; 2] = ["a", "b"];
const CLIENTS: usize = 3;

/// One call on a register.
#[derive(Debug, Clone)]
enum Call {
    Write(u64),
    Read(Option<u64>),
}

/// A register that holds a number, or nothing at first.
struct Register;

impl Model for Register {
    type State = Option<u64>;
    type Call = Call;

    fn start(&self) -> Self::State {
        None
    }

    fn step(&self, state: &Self::State, call: &Call) -> Option<Self::State> {
        match call {
            Call::Write(value) => Some(Some(*value)),
            Call::Read(value) => (value == state).then_some(*state),
        }
    }
}

type Notes = Vec<(usize, Timed<Call>)>;

/// Clients at work.
pub(super) struct History {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Notes>>,
}

/// What came of them.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) calls: usize,
    pub(super) unknown: usize,
    pub(super) faults: Vec<String>,
}

impl History {
    /// Starts clients that read and write the tags of a new cluster, each call through the next
    /// control plane.
    pub(super) async fn start(wires: &[Wire], cluster: &str) -> anyhow::Result<Self> {
        let made = call_any(wires, "CreateCluster", &json!({"clusterName": cluster})).await?;
        let arn = made["cluster"]["clusterArn"].as_str();
        let arn = arn.context("no clusterArn")?.to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let (clock, next) = (Instant::now(), Arc::new(AtomicU64::new(1)));
        let clients = (0..CLIENTS).map(|number| {
            let client = Client {
                wires: wires.to_vec(),
                arn: arn.clone(),
                clock,
                next: Arc::clone(&next),
            };
            let stop = Arc::clone(&stop);
            tokio::spawn(async move { client.run(number, &stop).await })
        });
        Ok(Self {
            clients: clients.collect(),
            stop,
        })
    }

    /// Stops the clients and looks for the order.
    pub(super) async fn check(self) -> anyhow::Result<Checked> {
        self.stop.store(true, Ordering::Relaxed);
        let mut notes = Vec::new();
        for client in self.clients {
            notes.extend(client.await?);
        }
        let mut checked = Checked::default();
        for (key, name) in KEYS.iter().enumerate() {
            let of_key = notes.iter().filter(|(k, _)| *k == key);
            let calls: Vec<Timed<Call>> = of_key.map(|(_, timed)| timed.clone()).collect();
            checked.calls += calls.len();
            checked.unknown += calls.iter().filter(|timed| timed.end.is_none()).count();
            if let Err(violation) = linear::check(&Register, &calls) {
                checked.faults.push(format!("tag {name}: {violation}"));
            }
        }
        Ok(checked)
    }
}

struct Client {
    wires: Vec<Wire>,
    arn: String,
    clock: Instant,
    /// The next value, so that no two writes are alike.
    next: Arc<AtomicU64>,
}

impl Client {
    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    async fn run(self, number: usize, stop: &AtomicBool) -> Notes {
        let mut notes = Vec::new();
        let mut ticks = ticks(PACE);
        for turn in number.. {
            ticks.tick().await;
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let (key, wire) = (turn % KEYS.len(), &self.wires[turn % self.wires.len()]);
            let begin = self.now();
            let done = match (turn / 2) % 2 {
                0 => self.write(wire, KEYS[key]).await,
                _ => self.read(wire, KEYS[key]).await,
            };
            let end = self.now();
            let timed = match done {
                (call, Ok(())) => Timed {
                    begin,
                    end: Some(end),
                    call,
                },
                // A read without an answer says nothing.
                (Call::Read(_), Err(_)) => continue,
                (_, Err(error)) if never_happened(&error) => continue,
                (call, Err(_)) => Timed {
                    begin,
                    end: None,
                    call,
                },
            };
            notes.push((key, timed));
        }
        notes
    }

    async fn write(&self, wire: &Wire, key: &str) -> (Call, anyhow::Result<()>) {
        let value = self.next.fetch_add(1, Ordering::Relaxed);
        let tags = json!([{"key": key, "value": value.to_string()}]);
        let input = json!({"resourceArn": self.arn, "tags": tags});
        let answer = wire.call("TagResource", input).await;
        (Call::Write(value), answer.map(drop))
    }

    async fn read(&self, wire: &Wire, key: &str) -> (Call, anyhow::Result<()>) {
        let input = json!({"resourceArn": self.arn});
        match wire.call("ListTagsForResource", input).await {
            Ok(output) => (Call::Read(value_of(&output, key)), Ok(())),
            Err(error) => (Call::Read(None), Err(error)),
        }
    }
}

fn value_of(output: &Value, key: &str) -> Option<u64> {
    let tags = output["tags"].as_array()?;
    let tag = tags.iter().find(|tag| tag["key"] == key)?;
    tag["value"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed(begin: u64, end: Option<u64>, call: Call) -> Timed<Call> {
        Timed { begin, end, call }
    }

    #[test]
    fn a_stale_read_is_found() {
        let fresh = [
            timed(1, Some(2), Call::Write(1)),
            timed(3, Some(4), Call::Read(Some(1))),
        ];
        assert!(linear::check(&Register, &fresh).is_ok());
        let stale = [
            timed(1, Some(2), Call::Write(1)),
            timed(3, Some(4), Call::Write(2)),
            timed(5, Some(6), Call::Read(Some(1))),
        ];
        assert!(linear::check(&Register, &stale).is_err());
    }

    #[test]
    fn a_write_without_an_answer_may_have_happened_or_not() {
        for seen in [None, Some(1)] {
            let calls = [
                timed(1, None, Call::Write(1)),
                timed(3, Some(4), Call::Read(seen)),
            ];
            assert!(linear::check(&Register, &calls).is_ok(), "{seen:?}");
        }
    }
}
