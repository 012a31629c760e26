//! A burst of tasks through the real control plane: decided, committed with fsync, sent to stub
//! agents over the real protocol, and their RUNNING committed again.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use longshore_proto::placement::placement_client::PlacementClient;
use longshore_proto::placement::{ReadStatisticsRequest, ReadStatisticsResponse};
use longshore_tests::control_plane::{ControlPlane, Grpc};
use longshore_tests::etcd::Etcd;
use longshore_tests::stub::{Fleet, Offer};
use serde::Serialize;
use serde_json::json;
use tonic::transport::Channel;

use crate::cpu::Threads;
use crate::progress;

/// Tasks of one service.
const SERVICE_TASKS: usize = 1000;
/// CreateService calls at once.
const CALLS: usize = 64;
/// CPU units and MiB of one task.
const TASK: (u32, u32) = (10, 16);
/// How long a burst may take.
const WITHIN: Duration = Duration::from_secs(600);
/// How soon the control plane is asked again how many tasks it has placed. Later on it is asked
/// after a hundredth of the time that has passed, so that asking costs little. It says itself when
/// they were: a thousand agents that are told at that moment hold up its answer.
const POLL: Duration = Duration::from_millis(2);

/// What a burst brought. Times are in seconds from the first call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Burst {
    /// `embedded` or `etcd`.
    pub(crate) store: &'static str,
    /// Container instances, each with an agent session of its own.
    pub(crate) instances: usize,
    /// Tasks asked for, as services of 1,000.
    pub(crate) tasks: usize,
    /// Until the last task was decided and its commit durable.
    pub(crate) committed_seconds: f64,
    /// Until the last assignment had reached its agent.
    pub(crate) dispatched_seconds: f64,
    /// Until the last RUNNING was durable and acknowledged to its agent.
    pub(crate) running_seconds: f64,
    /// Tasks decided and committed a second.
    pub(crate) committed_per_second: f64,
    /// Tasks decided, committed and received by their agents a second.
    pub(crate) dispatched_per_second: f64,
    /// Processor seconds of the control plane until the last RUNNING.
    pub(crate) control_plane_cpu: f64,
    /// Of these, on the thread that writes the store.
    pub(crate) store_writer_cpu: f64,
    /// Processor seconds of the stubs meanwhile.
    pub(crate) stubs_cpu: f64,
    /// Seconds in deciding, of which the records are apart, in writing decisions down as records,
    /// in taking changes over into the view, in making out what agents are told, in taking over
    /// what they report, and in waiting for the store, while other things go on.
    pub(crate) decide_seconds: f64,
    pub(crate) encode_seconds: f64,
    pub(crate) view_seconds: f64,
    pub(crate) dispatch_seconds: f64,
    pub(crate) report_seconds: f64,
    pub(crate) commit_seconds: f64,
    /// Transactions, and those that met a conflict.
    pub(crate) commits: u64,
    pub(crate) conflicts: u64,
}

/// A control plane with stub agents, used for several bursts one after the other.
pub(crate) struct Rig {
    control: ControlPlane,
    fleet: Fleet,
    placement: PlacementClient<Channel>,
    grpc: Grpc,
    instances: usize,
    /// Tasks asked for so far.
    tasks: usize,
    services: usize,
    definition: String,
    /// Ends after the control plane.
    etcd: Option<Etcd>,
}

impl Rig {
    /// Starts `binary`, on `etcd` if there is one, and has that many instances join, each with room
    /// for `tasks` in all.
    pub(crate) async fn start(
        binary: &Path,
        etcd: Option<Etcd>,
        instances: usize,
        tasks: usize,
    ) -> Result<Self> {
        progress(&format!("{instances} stub agents join"));
        let address = etcd.as_ref().map(|etcd| etcd.address("burst"));
        let mut flags = vec!["--healthy-after", "0"];
        if let Some(address) = &address {
            flags.extend(["--store", address]);
        }
        let control = ControlPlane::start(binary, &flags).await?;
        let room = u32::try_from((tasks / instances + 1) * 2)?;
        let offers = (0..instances)
            .map(|n| Offer::new(TASK.0 * room, TASK.1 * room, ["a", "b", "c"][n % 3]))
            .collect();
        let fleet = Fleet::join(&control, "default", offers).await?;
        let definition = control.register("burst", TASK.0, TASK.1).await?;
        let grpc = control.grpc().await?;
        Ok(Self {
            placement: PlacementClient::new(grpc.channel.clone()),
            control,
            fleet,
            grpc,
            instances,
            tasks: 0,
            services: 0,
            definition,
            etcd,
        })
    }

    /// Asks for `tasks` more at once, and measures until all of them run.
    pub(crate) async fn burst(&mut self, tasks: usize) -> Result<Burst> {
        progress(&format!("a burst of {tasks} tasks"));
        let before = self.statistics().await?;
        let cpu_before = self.threads()?;
        let own_before = Threads::read(std::process::id())?;
        let begun = Instant::now();
        let begun_at = since_1970()?;
        let services = self.services..self.services + tasks.div_ceil(SERVICE_TASKS);
        self.services = services.end;
        let creating = self.create(services, tasks);
        let placing = self.placed(before.placed + tasks as u64);
        let (created, placed) = tokio::join!(creating, placing);
        created?;
        let committed = placed?.saturating_sub(begun_at);
        self.tasks += tasks;
        let wanted = self.tasks;
        let tally = self
            .fleet
            .until(WITHIN, "all tasks to run", |tally| {
                tally.assigned >= wanted && tally.acknowledged >= wanted
            })
            .await?;
        let cpu = self.threads()?.since(&cpu_before);
        let own = Threads::read(std::process::id())?.since(&own_before);
        let after = self.statistics().await?;
        let since = |at: Option<Instant>| -> Result<f64> {
            let at = at.context("nothing was seen")?;
            Ok(at.duration_since(begun).as_secs_f64())
        };
        let seconds =
            |read: fn(&ReadStatisticsResponse) -> u64| (read(&after) - read(&before)) as f64 / 1e6;
        let committed_seconds = committed.as_secs_f64();
        let dispatched_seconds = since(tally.assigned_at)?;
        Ok(Burst {
            store: match self.etcd {
                Some(_) => "etcd",
                None => "embedded",
            },
            instances: self.instances,
            tasks,
            committed_seconds,
            dispatched_seconds,
            running_seconds: since(tally.acknowledged_at)?,
            committed_per_second: tasks as f64 / committed_seconds,
            dispatched_per_second: tasks as f64 / dispatched_seconds.max(committed_seconds),
            control_plane_cpu: cpu.total(),
            store_writer_cpu: cpu.of("store-writer"),
            stubs_cpu: own.total(),
            decide_seconds: seconds(|s| s.decide_micros),
            encode_seconds: seconds(|s| s.encode_micros),
            view_seconds: seconds(|s| s.view_micros),
            dispatch_seconds: seconds(|s| s.dispatch_micros),
            report_seconds: seconds(|s| s.report_micros),
            commit_seconds: seconds(|s| s.commit_micros),
            commits: after.commits - before.commits,
            conflicts: after.conflicts - before.conflicts,
        })
    }

    async fn create(&self, services: std::ops::Range<usize>, tasks: usize) -> Result<()> {
        let (first, wire) = (services.start, self.control.wire());
        stream::iter(services)
            .map(|number| {
                let left = tasks - (number - first) * SERVICE_TASKS;
                let input = json!({
                    "serviceName": format!("burst-{number}"),
                    "taskDefinition": self.definition,
                    "desiredCount": left.min(SERVICE_TASKS),
                });
                let wire = &wire;
                async move { wire.call("CreateService", input).await }
            })
            .buffer_unordered(CALLS)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }

    /// When the control plane had committed that many placements, since 1970 and by its clock, which
    /// is ours. It counts whole milliseconds; the one that had begun is taken as over.
    async fn placed(&self, wanted: u64) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let statistics = self.statistics().await?;
            let placed = statistics.placed;
            if placed >= wanted {
                return Ok(Duration::from_millis(statistics.placed_at_millis + 1));
            }
            let passed = begun.elapsed();
            if passed > WITHIN {
                bail!("{placed} of {wanted} tasks were placed within {WITHIN:?}");
            }
            tokio::time::sleep(POLL.max(passed / 100)).await;
        }
    }

    pub(crate) async fn statistics(&self) -> Result<ReadStatisticsResponse> {
        let request = self.grpc.request(ReadStatisticsRequest {});
        let answer = self.placement.clone().read_statistics(request).await?;
        Ok(answer.into_inner())
    }

    fn threads(&self) -> Result<Threads> {
        Threads::read(self.control.pid())
    }
}

fn since_1970() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}
