//! Writes the seeds that no client sends: `cargo run -p longshore-fuzz --example seeds`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use longshore_door::auth::bearer;
use longshore_door::page::{MAX_RESULTS, PageRequest};
use longshore_door::wire::aws_json;
use longshore_fuzz::bearer::{ACCESS_KEY_ID, NOW, SECRET};
use longshore_fuzz::{fixture, realm};
use longshore_model::{DeploymentId, TaskId};
use longshore_proto::agent::agent_message::Body as Say;
use longshore_proto::agent::control_message::Body as Hear;
use longshore_proto::agent::{
    AgentMessage, Assignments, AssignmentsAck, ContainerReport, ContainerSpec, ControlMessage,
    Heartbeat, HostEntry, LogRequest, NetworkBinding, PortMapping, Reports, ReportsAck,
    TaskAssignment, TaskReport, Ulimit, Welcome,
};
use longshore_proto::ecs;
use prost::Message;

fn main() -> std::io::Result<()> {
    texts()?;
    agent_messages()?;
    control_messages()?;
    protobuf()?;
    for entry in fixture::records() {
        let table = entry
            .key
            .as_str()
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let content = [table.as_bytes(), b"\n", &entry.value[5..]].concat();
        write("store_record", &table, &content)?;
    }
    recovery()
}

fn write(target: &str, name: &str, content: &[u8]) -> std::io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(format!("{name}.seed")), content)
}

fn texts() -> std::io::Result<()> {
    let id = TaskId::new(0xab);
    let arn = "arn:aws:ecs:us-east-1:000000000000";
    let arns = [
        format!("{arn}:cluster/default"),
        format!("{arn}:service/default/web"),
        format!("{arn}:service/web"),
        format!("{arn}:task/default/{id}"),
        format!("{arn}:task/{id}"),
        format!("{arn}:container-instance/prod/{id}"),
        format!("{arn}:task-definition/web:7"),
        "arn:aws:ecs:eu-west-1:000000000000:cluster/a".to_owned(),
        "web:12".to_owned(),
        "web_1-A".to_owned(),
        id.to_string(),
        DeploymentId::new(7).to_string(),
    ];
    for (number, text) in arns.iter().enumerate() {
        write("arn", &format!("{number:02}"), text.as_bytes())?;
    }
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let images = [
        "busybox".to_owned(),
        "busybox:1.36".to_owned(),
        "localhost:5000/team/web_a.b--c:v1.2-rc_3".to_owned(),
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:latest".to_owned(),
        format!("Registry.example:443/a/b@{digest}"),
        format!("a:b@{digest}"),
    ];
    for (number, text) in images.iter().enumerate() {
        write("image_reference", &format!("{number:02}"), text.as_bytes())?;
    }
    for (name, expiry) in [
        ("valid", NOW + 60),
        ("expired", NOW - 60),
        ("long", NOW + 7200),
    ] {
        let token = bearer::mint(ACCESS_KEY_ID, SECRET, expiry, [7; 16]);
        write("bearer", name, token.as_bytes())?;
    }
    let pages = PageRequest::new("ListTasks", None, Some(1), MAX_RESULTS, MAX_RESULTS)
        .expect("one is a size");
    for (name, key) in [("id", id.to_string()), ("pair", format!("web {:07}", 3))] {
        let token = pages
            .cut([key.as_str(), "z"], |key| (*key).to_owned())
            .next_token;
        write("page_token", name, token.unwrap_or_default().as_bytes())?;
        write("page_token", &format!("{name}-key"), key.as_bytes())?;
    }
    let cbor = longshore_door::wire::cbor::encode(
        None,
        &serde_json::json!({"Namespace": "AWS/ECS", "Dimensions": [{"Name": "a"}], "n": 0.5}),
    );
    for (name, line, body) in [
        (
            "ec2",
            "ec2 DescribeAvailabilityZones",
            &b"Action=DescribeAvailabilityZones&ZoneName.1=a&Filter.1.Name=state&Filter.1.Value.1=x&DryRun=true"[..],
        ),
        (
            "query",
            "query ListMetrics",
            b"Action=ListMetrics&Namespace=a&Dimensions.member.1.Name=b&Dimensions.member.1.Value=c",
        ),
        ("cbor", "cbor ListMetrics", &cbor),
        (
            "rest",
            "rest ListScheduleGroups",
            b"/schedule-groups?NamePrefix=d%20e&MaxResults=5",
        ),
    ] {
        write("wire", name, &[line.as_bytes(), b"\n", body].concat())?;
    }
    Ok(())
}

fn agent_messages() -> std::io::Result<()> {
    let report = |status: &str, exit_code: Option<i32>| TaskReport {
        task_id: TaskId::new(0xab).to_string(),
        last_status: status.to_owned(),
        containers: vec![ContainerReport {
            name: "app".to_owned(),
            last_status: if exit_code.is_some() {
                "STOPPED"
            } else {
                "RUNNING"
            }
            .to_owned(),
            runtime_id: "101c9ade2ed8".to_owned(),
            exit_code,
            reason: exit_code
                .map_or("", |_| "OutOfMemoryError: killed")
                .to_owned(),
            network_bindings: vec![NetworkBinding {
                bind_ip: "0.0.0.0".to_owned(),
                container_port: 80,
                host_port: 32768,
                protocol: "tcp".to_owned(),
            }],
            image_digest: "sha256:0123".to_owned(),
        }],
        pull_started_at: Some(1_440_938_150_000),
        started_at: Some(1_440_938_155_000),
        stop_code: exit_code
            .map_or("", |_| "EssentialContainerExited")
            .to_owned(),
        stopped_reason: exit_code
            .map_or("", |_| "Essential container in task exited")
            .to_owned(),
        ..TaskReport::default()
    };
    let steps = ["PENDING", "ACTIVATING", "RUNNING", "STOPPING"].map(|status| report(status, None));
    let mut tasks = steps.to_vec();
    tasks.push(report("STOPPED", Some(137)));
    let bodies = [
        ("hello", Say::Hello(fixture::hello())),
        (
            "running",
            Say::Reports(Reports {
                sequence: 1,
                tasks: vec![report("RUNNING", None)],
            }),
        ),
        ("life", Say::Reports(Reports { sequence: 2, tasks })),
        ("ack", Say::AssignmentsAck(AssignmentsAck { generation: 9 })),
        ("heartbeat", Say::Heartbeat(Heartbeat { nonce: 1 })),
    ];
    for (name, body) in bodies {
        let message = AgentMessage { body: Some(body) };
        write("agent_message", name, &message.encode_to_vec())?;
    }
    Ok(())
}

fn control_messages() -> std::io::Result<()> {
    let text = str::to_owned;
    let container = ContainerSpec {
        name: text("app"),
        image: text("busybox:1.36"),
        cpu: 128,
        memory: Some(64),
        essential: true,
        command: vec![text("httpd"), text("-f")],
        environment: [(text("A"), text("1"))].into(),
        port_mappings: vec![PortMapping {
            container_port: 80,
            host_port: 0,
            protocol: text("tcp"),
        }],
        user: Some(text("1000:1000")),
        docker_labels: [(text("com.example.team"), text("web"))].into(),
        extra_hosts: vec![HostEntry {
            hostname: text("db"),
            ip_address: text("10.0.0.3"),
        }],
        ulimits: vec![Ulimit {
            name: text("nofile"),
            soft_limit: 64,
            hard_limit: -1,
        }],
        stop_timeout: Some(30),
        init_process_enabled: true,
        ..ContainerSpec::default()
    };
    let task = |id, desired: &str, mode: &str| TaskAssignment {
        task_id: TaskId::new(id).to_string(),
        desired_status: text(desired),
        cluster: text("default"),
        task_arn: realm().task(&"default".parse().expect("it is a name"), TaskId::new(id)),
        family: text("web"),
        revision: 1,
        network_mode: text(mode),
        cpu: Some(256),
        memory: None,
        containers: vec![
            container.clone(),
            ContainerSpec {
                name: text("log"),
                ..ContainerSpec::default()
            },
        ],
    };
    let set = |complete, tasks, removed| {
        Hear::Assignments(Assignments {
            generation: 1,
            complete,
            tasks,
            removed,
            revision: 7,
        })
    };
    let bodies = [
        (
            "welcome",
            Hear::Welcome(Welcome {
                cluster: text("default"),
                heartbeat_interval_ms: 1000,
                ..Welcome::default()
            }),
        ),
        (
            "complete",
            set(
                true,
                vec![task(1, "RUNNING", "bridge"), task(2, "STOPPED", "host")],
                vec![],
            ),
        ),
        (
            "change",
            set(
                false,
                vec![task(1, "STOPPED", "none")],
                vec![TaskId::new(2).to_string()],
            ),
        ),
        ("empty", set(true, vec![], vec![])),
        (
            "ack",
            Hear::ReportsAck(ReportsAck {
                sequence: 3,
                ..ReportsAck::default()
            }),
        ),
        (
            "logs",
            Hear::LogRequest(LogRequest {
                request_id: 1,
                task_id: TaskId::new(1).to_string(),
                ..LogRequest::default()
            }),
        ),
    ];
    for (name, body) in bodies {
        let message = ControlMessage { body: Some(body) };
        write("control_message", name, &message.encode_to_vec())?;
    }
    Ok(())
}

/// The recorded requests of some operations, as gRPC clients would send them.
fn protobuf() -> std::io::Result<()> {
    fn convert<T: Message + Default + serde::de::DeserializeOwned>(body: &[u8]) -> Vec<u8> {
        let message: T = aws_json::decode(body).expect("a client sent it");
        message.encode_to_vec()
    }
    type Convert = fn(&[u8]) -> Vec<u8>;
    let convert: BTreeMap<&str, Convert> = BTreeMap::from([
        (
            "CreateCluster",
            convert::<ecs::CreateClusterRequest> as Convert,
        ),
        ("CreateService", convert::<ecs::CreateServiceRequest>),
        (
            "RegisterContainerInstance",
            convert::<ecs::RegisterContainerInstanceRequest>,
        ),
        (
            "RegisterTaskDefinition",
            convert::<ecs::RegisterTaskDefinitionRequest>,
        ),
        ("RunTask", convert::<ecs::RunTaskRequest>),
        (
            "SubmitTaskStateChange",
            convert::<ecs::SubmitTaskStateChangeRequest>,
        ),
        ("UpdateService", convert::<ecs::UpdateServiceRequest>),
    ]);
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/aws_json");
    for file in fs::read_dir(recorded)? {
        let path = file?.path();
        let content = fs::read(&path)?;
        let end = content
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(content.len());
        let (operation, body) = content.split_at(end);
        let operation = String::from_utf8_lossy(operation);
        if let Some(convert) = convert.get(&*operation) {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let content = [operation.as_bytes(), b"\n", &convert(&body[1..])].concat();
            write("grpc", &name, &content)?;
        }
    }
    Ok(())
}

fn recovery() -> std::io::Result<()> {
    for image in 0..4 {
        write("store_recovery", &format!("whole-{image}"), &[image])?;
        for kind in 0..8 {
            let faults = [image, kind, 0, 0, 64, 3, 5, kind, 3, 1, 9, 2, 7];
            write("store_recovery", &format!("fault-{image}-{kind}"), &faults)?;
        }
    }
    Ok(())
}
