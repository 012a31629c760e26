//! The scenario that loses leaders again and again: real processes, three control planes, three
//! etcd members, three agents with real containers, and a service that is updated all the while.
//!
//! | phase | what is lost |
//! |---|---|
//! | kills | the leading control plane, by SIGKILL, and started again |
//! | pause | the leading control plane stands still, and then goes on |
//! | etcd | the leading member of etcd, by SIGKILL, and started again |
//! | quorum | two members of etcd stand still, and then go on |
//!
//! Held against it, at the end: no container ended that was not asked for, none started twice, no
//! acknowledged call is lost, one order explains what clients read and wrote (`history.rs`), the
//! AWS SDK's own retries were enough while etcd lost its leaders.

mod containers;
mod history;
mod ledger;
mod probe;
mod sdk;
mod updates;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::sleep_until;

use crate::eventually::{eventually, ticks};
use crate::fleet::Fleet;
use crate::wire::{Fault, Wire};
use containers::Containers;
use history::{Checked, History};
use ledger::Ledger;
use updates::Updates;

pub use probe::Outage;

const MEMBERS: usize = 3;
const PLANES: usize = 3;
const AGENTS: usize = 3;
/// Tasks of the service that is updated.
const TASKS: usize = 6;
/// How long everything may take to be well again after the last loss, on a slow machine.
const WELL_WITHIN: Duration = Duration::from_secs(90);
/// How long a process that is started again may take.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// How long a killed member of etcd stays away.
const MEMBER_AWAY: Duration = Duration::from_secs(3);
/// How long a call may take that fails since the store does not answer: two seconds and what two
/// busy cores add.
const REFUSED_WITHIN: Duration = Duration::from_millis(2700);

/// What is lost, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many times the leading control plane is killed.
    pub kills: u32,
    /// From one kill to the next, at least.
    pub every: Duration,
    /// How long the leading control plane stands still.
    pub pause: Option<Duration>,
    /// How many times the leading member of etcd is killed.
    pub member_kills: u32,
    /// From one of those to the next, at least.
    pub member_every: Duration,
    /// How long two members of etcd stand still.
    pub quorum: Option<Duration>,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Of each kill of the leading control plane.
    pub kills: Vec<Outage>,
    /// Of the leading control plane that stood still.
    pub pause: Option<Outage>,
    /// Of each kill of the leading member of etcd.
    pub member_kills: Vec<Outage>,
    /// From the moment the two members of etcd went on.
    pub quorum: Option<Outage>,
    /// Longest that a call took to be refused while they stood still, in milliseconds.
    pub slowest_refusal_ms: f64,
    /// Containers that started and ended.
    pub containers: (usize, usize),
    /// Updates of the service.
    pub updates: usize,
    /// Calls whose acknowledgement was held against what is kept.
    pub acknowledged: usize,
    /// Calls in histories, and those of them without an answer.
    pub history: (usize, usize),
    /// Calls of the AWS SDK while etcd lost its leaders.
    pub sdk_calls: usize,
    /// What must not be.
    pub faults: Vec<String>,
}

/// Whether an error says that nothing was changed: nobody was there, or the call was refused
/// before it did anything.
fn never_happened(error: &anyhow::Error) -> bool {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.status < 500 || fault.message.contains("Nothing was");
    }
    let http = error.downcast_ref::<hyper_util::client::legacy::Error>();
    http.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Runs the scenario with the programs in `binaries`. `say` is told what happens.
///
/// Errors: the installation does not come up, or does not get well again. What must not be is in
/// the report.
pub async fn run(binaries: &Path, options: &Options, say: impl Fn(&str)) -> anyhow::Result<Report> {
    say("starting three members of etcd, three control planes and three agents");
    let fleet = Fleet::up(binaries, MEMBERS, PLANES, AGENTS).await?;
    let mut scenario = Scenario {
        wires: fleet.wires(),
        fleet,
        options: options.clone(),
        report: Report::default(),
        epoch: 0,
    };
    let done = scenario.run(&say).await;
    if done.is_err() || !scenario.report.faults.is_empty() {
        scenario.fleet.print_logs();
    }
    done.map(|()| scenario.report)
}

struct Scenario {
    fleet: Fleet,
    wires: Vec<Wire>,
    options: Options,
    report: Report,
    /// Histories so far; each has a cluster of its own, so that it stays short enough to check.
    epoch: usize,
}

impl Scenario {
    async fn run(&mut self, say: &impl Fn(&str)) -> anyhow::Result<()> {
        probe::prepare(&self.wires).await?;
        let containers = Containers::watch(self.fleet.docker(), self.fleet.instances());
        let updates = Updates::start(self.wires.clone(), TASKS).await?;
        let steady = updates::now()?;
        let ledger = Ledger::start(self.wires.clone());

        for number in 1..=self.options.kills {
            let outage = self.kill_leader().await?;
            say(&told(&format!("kill {number}"), outage));
            self.report.kills.push(outage);
        }
        if let Some(pause) = self.options.pause {
            let outage = self.pause_leader(pause).await?;
            say(&told("pause", outage));
            self.report.pause = Some(outage);
        }
        if self.options.member_kills > 0 {
            self.kill_members(say).await?;
        }
        if let Some(away) = self.options.quorum {
            let outage = self.lose_quorum(away).await?;
            say(&told("etcd is back", outage));
            self.report.quorum = Some(outage);
        }

        say("waiting until all is well");
        let asked = updates.stop().await?;
        self.report.updates = asked.len();
        self.fleet.connected(AGENTS, WELL_WITHIN).await?;
        let (acknowledged, lost) = ledger.check(&self.wires).await?;
        self.report.acknowledged = acknowledged;
        let lost = lost.into_iter().map(|name| format!("{name} is lost"));
        self.report.faults.extend(lost);
        self.compare_with_docker().await?;
        let verdict = containers.judge(&self.wires, &asked, TASKS, steady).await?;
        self.report.containers = (verdict.started, verdict.ended);
        self.report.faults.extend(verdict.faults);
        Ok(())
    }

    /// What runs is what the service says.
    async fn compare_with_docker(&mut self) -> anyhow::Result<()> {
        let (wires, fleet) = (&self.wires, &self.fleet);
        eventually(WELL_WITHIN, "Docker to run what is asked for", async || {
            let input = json!({"serviceName": updates::SERVICE});
            let listed = crate::fleet::call_any(wires, "ListTasks", &input).await?;
            let mut wanted: Vec<&str> = listed["taskArns"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            wanted.sort_unstable();
            let running = fleet.docker().running(fleet.instances()).await?;
            let found: Vec<&str> = running.keys().map(String::as_str).collect();
            ensure!(wanted == found, "wanted {wanted:?}, running {found:?}");
            anyhow::Ok(())
        })
        .await
    }

    /// A history begins, through control planes that are about to lose something.
    async fn history(&mut self) -> anyhow::Result<History> {
        self.epoch += 1;
        History::start(&self.wires, &format!("history-{}", self.epoch)).await
    }

    async fn check(&mut self, history: History) -> anyhow::Result<()> {
        let checked: Checked = history.check().await?;
        self.report.history.0 += checked.calls;
        self.report.history.1 += checked.unknown;
        let faults = checked.faults.into_iter();
        let epoch = self.epoch;
        self.report
            .faults
            .extend(faults.map(|fault| format!("history {epoch}: {fault}")));
        Ok(())
    }

    /// Which control plane leads, once one does.
    async fn leader(&self) -> anyhow::Result<usize> {
        eventually(WELL_WITHIN, "a leader", async || self.fleet.leader().await).await
    }

    /// The control planes but one.
    fn others(&self, without: usize) -> Vec<Wire> {
        let wires = self.wires.iter().enumerate();
        let others = wires.filter(|(number, _)| *number != without);
        others.map(|(_, wire)| wire.clone()).collect()
    }

    async fn serves(&self, number: usize) -> anyhow::Result<()> {
        let plane = &self.fleet.planes()[number];
        eventually(BACK_WITHIN, "the control plane to be back", async || {
            plane.health().await
        })
        .await
        .map(drop)
    }

    async fn kill_leader(&mut self) -> anyhow::Result<Outage> {
        let began = Instant::now();
        let history = self.history().await?;
        let leader = self.leader().await?;
        let killed = Instant::now();
        self.fleet.plane(leader).process.kill()?;
        let outage = probe::measure(&self.others(leader), killed).await?;
        self.fleet.plane(leader).process.restart()?;
        self.serves(leader).await?;
        sleep_until((began + self.options.every).into()).await;
        self.check(history).await?;
        Ok(outage)
    }

    async fn pause_leader(&mut self, pause: Duration) -> anyhow::Result<Outage> {
        let history = self.history().await?;
        let leader = self.leader().await?;
        let paused = Instant::now();
        self.fleet.plane(leader).process.pause()?;
        let outage = probe::measure(&self.others(leader), paused).await?;
        sleep_until((paused + pause).into()).await;
        self.fleet.plane(leader).process.resume()?;
        self.serves(leader).await?;
        let now = self.leader().await?;
        if now == leader {
            let fault = "a leader that stood still leads again at once".to_owned();
            self.report.faults.push(fault);
        }
        self.check(history).await?;
        Ok(outage)
    }

    async fn kill_members(&mut self, say: &impl Fn(&str)) -> anyhow::Result<()> {
        let clients = sdk::SdkClients::start(&self.fleet).await?;
        for number in 1..=self.options.member_kills {
            let history = self.history().await?;
            let leader = eventually(WELL_WITHIN, "etcd to have a leader", async || {
                self.fleet.etcd.leader().await
            })
            .await?;
            let killed = Instant::now();
            self.fleet.etcd.member(leader).kill()?;
            let outage = probe::measure(&self.wires, killed).await?;
            sleep_until((killed + MEMBER_AWAY).into()).await;
            self.fleet.etcd.member(leader).restart()?;
            sleep_until((killed + self.options.member_every).into()).await;
            self.check(history).await?;
            say(&told(&format!("etcd leader kill {number}"), outage));
            self.report.member_kills.push(outage);
        }
        let calls = clients.stop().await?;
        self.report.sdk_calls = calls.made;
        let failed = calls.failed.into_iter();
        self.report
            .faults
            .extend(failed.map(|said| format!("a call of the SDK failed: {said}")));
        Ok(())
    }

    async fn lose_quorum(&mut self, away: Duration) -> anyhow::Result<Outage> {
        let leader = self.fleet.etcd.leader().await.context("etcd")?;
        let gone = [leader, (leader + 1) % MEMBERS];
        let history = self.history().await?;
        for member in gone {
            self.fleet.etcd.member(member).pause()?;
        }
        let lost = Instant::now();
        let mut ticks = ticks(Duration::from_secs(1));
        let mut answered_late = 0;
        while lost.elapsed() < away {
            ticks.tick().await;
            let refusals = self.wires.iter().map(refusal);
            for (took, refused) in futures::future::join_all(refusals).await {
                self.report.slowest_refusal_ms = self.report.slowest_refusal_ms.max(took);
                // A commit that was under way when the members went may still be answered.
                answered_late += usize::from(!refused);
            }
        }
        if answered_late > 0 {
            let fault = format!("{answered_late} calls were not refused as ServerException");
            self.report.faults.push(fault);
        }
        let limit = REFUSED_WITHIN.as_secs_f64() * 1000.0;
        if self.report.slowest_refusal_ms > limit {
            let fault = format!("a refusal took {:.0} ms", self.report.slowest_refusal_ms);
            self.report.faults.push(fault);
        }
        let back = Instant::now();
        for member in gone {
            self.fleet.etcd.member(member).resume()?;
        }
        let outage = probe::measure(&self.wires, back).await?;
        self.check(history).await?;
        Ok(outage)
    }
}

/// How long a write took to be answered, in milliseconds, and whether it was refused as one that
/// SDKs try again.
async fn refusal(wire: &Wire) -> (f64, bool) {
    let began = Instant::now();
    let answer = wire
        .call("CreateCluster", json!({"clusterName": "never"}))
        .await;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let fault = answer.err().and_then(|e| e.downcast::<Fault>().ok());
    let refused = fault.is_some_and(|f| f.status == 500 && f.kind == "ServerException");
    (took, refused)
}

fn told(what: &str, outage: Outage) -> String {
    format!(
        "{what}: the next write after {:.0} ms, the next decision after {:.0} ms",
        outage.write_ms, outage.decision_ms
    )
}

impl Report {
    /// A table for people.
    pub fn summary(&self) -> String {
        let mut lines = Vec::new();
        for (name, outages) in [
            ("leader killed", self.kills.as_slice()),
            ("leader stood still", self.pause.as_slice()),
            ("etcd leader killed", self.member_kills.as_slice()),
            ("etcd quorum back", self.quorum.as_slice()),
        ] {
            if outages.is_empty() {
                continue;
            }
            let of = |value: fn(&Outage) -> f64| {
                let mut all: Vec<f64> = outages.iter().map(value).collect();
                all.sort_by(f64::total_cmp);
                spread(&all)
            };
            lines.push(format!(
                "{name} ({}): write {} ms, decision {} ms",
                outages.len(),
                of(|o| o.write_ms),
                of(|o| o.decision_ms)
            ));
        }
        lines.push(format!(
            "slowest refusal without quorum: {:.0} ms",
            self.slowest_refusal_ms
        ));
        lines.push(format!(
            "{} updates, {} containers started, {} ended; {} acknowledged calls kept; {} calls in histories, {} without an answer; {} calls of the SDK",
            self.updates,
            self.containers.0,
            self.containers.1,
            self.acknowledged,
            self.history.0,
            self.history.1,
            self.sdk_calls
        ));
        lines.push(format!("faults: {}", self.faults.len()));
        lines.extend(self.faults.iter().map(|fault| format!("  {fault}")));
        lines.join("\n")
    }
}

/// Median, 99th percentile and largest of sorted values.
fn spread(sorted: &[f64]) -> String {
    let rank = |share: f64| {
        let place = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(place.clamp(1, sorted.len().max(1)) - 1).copied()
    };
    let text = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
    format!(
        "p50 {} p99 {} max {}",
        text(rank(0.5)),
        text(rank(0.99)),
        text(sorted.last().copied())
    )
}
