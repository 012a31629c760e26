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
//! AWS SDK's own retries were enough while etcd lost its leaders. `report.rs` has each check by
//! name. Where one fails, or the run does not come to its end, all logs and everything that was
//! noted are kept.

mod containers;
mod history;
mod ledger;
mod probe;
mod report;
mod sdk;
mod updates;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
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
pub use report::{Check, Report};

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
    /// How soon 99 of 100 new leaders must decide after the old one was killed.
    pub goal: Option<Duration>,
    /// Where the evidence of a failure is put.
    pub evidence: PathBuf,
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

/// Runs the scenario with the programs in `binaries`. `say` is told what happens. That the
/// installation does not get well again is a failed check as any other.
///
/// Errors: the installation does not come up, or the evidence of a failure cannot be written.
pub async fn run(binaries: &Path, options: &Options, say: impl Fn(&str)) -> anyhow::Result<Report> {
    say("starting three members of etcd, three control planes and three agents");
    let fleet = Fleet::up(binaries, MEMBERS, PLANES, AGENTS).await?;
    let mut scenario = Scenario {
        wires: fleet.wires(),
        fleet,
        options: options.clone(),
        report: Report::default(),
        histories: Histories::default(),
        doing: String::new(),
    };
    let done = scenario.run(&say).await;
    scenario.conclude(done);
    if !scenario.report.faults().is_empty() {
        scenario.keep_evidence()?;
        say(&format!(
            "the logs of all processes and the report are in {}",
            options.evidence.display()
        ));
    }
    Ok(scenario.report)
}

struct Scenario {
    fleet: Fleet,
    wires: Vec<Wire>,
    options: Options,
    report: Report,
    histories: Histories,
    /// What is under way, for when it fails.
    doing: String,
}

/// Histories so far. Each has a cluster of its own, so that it stays short enough to check.
#[derive(Default)]
struct Histories {
    begun: usize,
    faults: Vec<String>,
}

impl Scenario {
    async fn run(&mut self, say: &impl Fn(&str)) -> anyhow::Result<()> {
        self.doing = "the first deployment".to_owned();
        probe::prepare(&self.wires).await?;
        let containers = Containers::watch(self.fleet.docker(), self.fleet.instances());
        let updates = Updates::start(self.wires.clone(), TASKS).await?;
        let steady = updates::now()?;
        let ledger = Ledger::start(self.wires.clone());

        for number in 1..=self.options.kills {
            self.doing = format!("kill {number} of the leader");
            let outage = self.kill_leader().await?;
            say(&told(&self.doing, outage));
            self.report.kills.push(outage);
            if updates.is_over() {
                break;
            }
        }
        if let Some(pause) = self.options.pause {
            self.doing = "the leader stands still".to_owned();
            let outage = self.pause_leader(pause).await?;
            say(&told(&self.doing, outage));
            self.report.pause = Some(outage);
        }
        if self.options.member_kills > 0 {
            self.kill_members(say).await?;
        }
        if let Some(away) = self.options.quorum {
            self.doing = "two members of etcd stand still".to_owned();
            let outage = self.lose_quorum(away).await?;
            say(&told("two members of etcd are back", outage));
            self.report.quorum = Some(outage);
        }

        say("waiting until all is well");
        self.doing = "the last update".to_owned();
        let asked = updates.stop().await?;
        self.report.updates = asked.len();
        self.doing = "the agents are to be connected".to_owned();
        self.fleet.connected(AGENTS, WELL_WITHIN).await?;
        self.doing = "the ledger".to_owned();
        let (acknowledged, lost) = ledger.check(&self.wires).await?;
        self.report.acknowledged = acknowledged;
        let faults = lost.into_iter().map(|name| format!("{name} is lost"));
        self.report.check(
            "no acknowledged call is lost",
            format!("{acknowledged} calls"),
            faults.collect(),
        );
        self.doing = "what Docker runs".to_owned();
        self.compare_with_docker().await?;
        self.doing = "what Docker did".to_owned();
        let verdict = containers.judge(&self.wires, &asked, TASKS, steady).await?;
        self.report.containers = (verdict.started, verdict.ended);
        self.report.check(
            "no container ended that was not asked for, none started twice",
            format!("{} started, {} ended", verdict.started, verdict.ended),
            verdict.faults,
        );
        self.report.check(
            "all tasks of the service ran at any time",
            format!("{TASKS} tasks, {} updates", asked.len()),
            verdict.below,
        );
        Ok(())
    }

    /// What is known at the end only, whether that was reached or not.
    fn conclude(&mut self, done: anyhow::Result<()>) {
        let report = &mut self.report;
        report.check(
            "one order explains what clients read and wrote",
            format!(
                "{} histories, {} calls, {} of them without an answer",
                self.histories.begun, report.history.0, report.history.1
            ),
            std::mem::take(&mut self.histories.faults),
        );
        if let (Some(goal), false) = (self.options.goal, report.kills.is_empty()) {
            let millis = report::quantile(&report.kills, report::decision_ms, 0.99);
            let late = millis > goal.as_secs_f64() * 1000.0;
            report.check(
                "99 of 100 new leaders decide in time",
                format!("p99 {millis:.0} ms, goal {} ms", goal.as_millis()),
                late.then(|| "too late".to_owned()).into_iter().collect(),
            );
        }
        let failed = done.err();
        report.check(
            "the run comes to its end",
            format!(
                "{} kills of the leader, {} of etcd's",
                report.kills.len(),
                report.member_kills.len()
            ),
            failed
                .map(|error| format!("{}: {error:#}", self.doing))
                .into_iter()
                .collect(),
        );
    }

    fn keep_evidence(&self) -> anyhow::Result<()> {
        let directory = &self.options.evidence;
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        self.fleet.save_logs(directory)?;
        let text = serde_json::to_vec_pretty(&self.report)?;
        std::fs::write(directory.join("report.json"), text)?;
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
        self.histories.begun += 1;
        let cluster = format!("history-{}", self.histories.begun);
        History::start(&self.wires, &cluster).await
    }

    async fn check(&mut self, history: History) -> anyhow::Result<()> {
        let checked: Checked = history.check().await?;
        self.report.history.0 += checked.calls;
        self.report.history.1 += checked.unknown;
        let faults = checked.faults.into_iter();
        let (number, doing) = (self.histories.begun, &self.doing);
        let told = faults.map(|fault| format!("history {number}, {doing}: {fault}"));
        self.histories.faults.extend(told);
        Ok(())
    }

    /// Which control plane leads, once one does.
    async fn leader(&self) -> anyhow::Result<usize> {
        eventually(WELL_WITHIN, "a leader", async || self.fleet.leader().await).await
    }

    /// Which member of etcd leads, once one does.
    async fn etcd_leader(&self) -> anyhow::Result<usize> {
        let etcd = &self.fleet.etcd;
        eventually(WELL_WITHIN, "etcd to have a leader", async || {
            etcd.leader().await
        })
        .await
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
        let leads = now == leader;
        self.report.check(
            "a leader that stood still does not lead any more",
            format!("control plane {leader} stood still, {now} leads"),
            leads.then(|| "it leads".to_owned()).into_iter().collect(),
        );
        self.check(history).await?;
        Ok(outage)
    }

    async fn kill_members(&mut self, say: &impl Fn(&str)) -> anyhow::Result<()> {
        let clients = sdk::SdkClients::start(&self.fleet).await?;
        for number in 1..=self.options.member_kills {
            self.doing = format!("kill {number} of etcd's leader");
            let history = self.history().await?;
            let leader = self.etcd_leader().await?;
            let killed = Instant::now();
            self.fleet.etcd.member(leader).kill()?;
            let outage = probe::measure(&self.wires, killed).await?;
            sleep_until((killed + MEMBER_AWAY).into()).await;
            self.fleet.etcd.member(leader).restart()?;
            sleep_until((killed + self.options.member_every).into()).await;
            self.check(history).await?;
            say(&told(&self.doing, outage));
            self.report.member_kills.push(outage);
        }
        let calls = clients.stop().await?;
        self.report.sdk_calls = calls.made;
        self.report.check(
            "no call of the AWS SDK fails while etcd loses its leaders",
            format!("{} calls with its own retries", calls.made),
            calls.failed,
        );
        Ok(())
    }

    async fn lose_quorum(&mut self, away: Duration) -> anyhow::Result<Outage> {
        let leader = self.etcd_leader().await?;
        let gone = [leader, (leader + 1) % MEMBERS];
        let history = self.history().await?;
        for member in gone {
            self.fleet.etcd.member(member).pause()?;
        }
        let lost = Instant::now();
        let mut ticks = ticks(Duration::from_secs(1));
        let (mut calls, mut faults) = (0, Vec::new());
        let mut slowest: f64 = 0.0;
        while lost.elapsed() < away {
            ticks.tick().await;
            let refusals = self.wires.iter().map(refusal);
            for (took, refused) in futures::future::join_all(refusals).await {
                calls += 1;
                slowest = slowest.max(took);
                faults.extend(refused.err());
            }
        }
        if slowest > REFUSED_WITHIN.as_secs_f64() * 1000.0 {
            faults.push(format!("a refusal took {slowest:.0} ms"));
        }
        self.report.slowest_refusal_ms = slowest;
        self.report.check(
            "without quorum writes fail in time, to be tried again",
            format!("{calls} calls, the slowest took {slowest:.0} ms"),
            faults,
        );
        let back = Instant::now();
        for member in gone {
            self.fleet.etcd.member(member).resume()?;
        }
        let outage = probe::measure(&self.wires, back).await?;
        self.check(history).await?;
        Ok(outage)
    }
}

/// How long a write took to be answered, in milliseconds. Errors where it was answered with
/// something else than a refusal that SDKs try again.
async fn refusal(wire: &Wire) -> (f64, Result<(), String>) {
    let began = Instant::now();
    let answer = wire
        .call("CreateCluster", json!({"clusterName": "never"}))
        .await;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let refused = match answer {
        Ok(output) => Err(format!("a write was acknowledged: {output}")),
        Err(error) => match error.downcast_ref::<Fault>() {
            Some(fault) if fault.status == 500 && fault.kind == "ServerException" => Ok(()),
            _ => Err(format!("a write failed otherwise: {error:#}")),
        },
    };
    (took, refused)
}

fn told(what: &str, outage: Outage) -> String {
    format!(
        "{what}: the next write after {:.0} ms, the next decision after {:.0} ms",
        outage.write_ms, outage.decision_ms
    )
}
