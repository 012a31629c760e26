//! What an agent sends. The input is an encoded `AgentMessage`.

use std::sync::LazyLock;

use longshore_agent::wire::reports;
use longshore_control_plane::gateway::registration::Registration;
use longshore_control_plane::gateway::wire;
use longshore_model::cluster::{Cluster, ClusterStatus};
use longshore_model::recorded::Recorded;
use longshore_model::report::TaskReport;
use longshore_model::tag::Tags;
use longshore_model::task::Task;
use longshore_model::{ClusterName, InstanceId, Timestamp};
use longshore_proto::agent::agent_message::Body;
use longshore_proto::agent::{AgentMessage, Hello};
use longshore_store::table::{self, Record};
use longshore_store::{Entry, Event, View};
use prost::Message as _;

use crate::store_record;

/// When the targets are.
const NOW: Timestamp = Timestamp::from_millis(1_440_938_160_000);
/// The instance that speaks.
const INSTANCE: InstanceId = InstanceId::new(0xcd);

/// A view with one cluster.
static VIEW: LazyLock<View> = LazyLock::new(|| {
    let cluster = Cluster {
        name: ClusterName::default_cluster(),
        status: ClusterStatus::Active,
        created_at: NOW,
        tags: Tags::new(),
        recorded: Recorded::default(),
    };
    let mut view = View::default();
    let entry = Entry {
        key: cluster.key(),
        value: table::encode(&cluster).expect("a cluster can be written"),
        revision: 1,
    };
    view.apply(&Event::Put(entry), 1);
    assert_eq!(view.clusters.len(), 1);
    view
});

/// A task that reports can be about.
static TASK: LazyLock<Task> = LazyLock::new(store_record::task);

/// Reads a message and takes it over as the gateway does.
pub fn run(data: &[u8]) {
    let Ok(message) = AgentMessage::decode(data) else {
        return;
    };
    let written = message.encode_to_vec();
    assert_eq!(
        AgentMessage::decode(written.as_slice()).as_ref(),
        Ok(&message)
    );
    match message.body {
        Some(Body::Hello(hello)) => register(hello),
        Some(Body::Reports(message)) => {
            let mut task = TASK.clone();
            for report in message.tasks {
                if let Ok(report) = wire::report(report) {
                    round_trip(&report);
                    take_over(&mut task, &report);
                }
            }
        }
        // Numbers and pieces of logs, handed on as they are.
        Some(Body::AssignmentsAck(_) | Body::Heartbeat(_) | Body::LogChunk(_)) | None => {}
    }
}

fn register(hello: Hello) {
    let Ok(registration) = Registration::read(hello) else {
        return;
    };
    let cluster = ClusterName::default_cluster();
    let (txn, since) = registration
        .register(&VIEW, &cluster, INSTANCE, NOW)
        .expect("a new instance of a cluster that exists can register");
    assert_eq!((txn.len(), since), (1, NOW));
}

/// What the gateway understood is what the agent would say again.
fn round_trip(report: &TaskReport) {
    let mut said = reports(1, std::slice::from_ref(report));
    let said = said.tasks.pop().expect("one report was written");
    assert_eq!(wire::report(said).as_ref(), Ok(report));
}

fn take_over(task: &mut Task, report: &TaskReport) {
    let before = task.clone();
    let changed = task.apply_report(report, NOW);
    assert_eq!(changed, *task != before);
    assert!(
        task.last_status >= before.last_status,
        "lastStatus goes back"
    );
    assert!(
        task.desired_status >= before.desired_status,
        "desiredStatus goes back"
    );
    if !before.is_live() {
        assert_eq!(*task, before, "something happened after STOPPED");
    }
    if changed {
        let value = table::encode(task).expect("a task can be written");
        assert_eq!(table::decode::<Task>(&value).ok().as_ref(), Some(&*task));
    }
}
