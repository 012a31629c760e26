//! A small installation, made by the operations themselves: where seeds and samples come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use longshore_control_plane::gateway::registration::Registration;
use longshore_door::auth::bearer;
use longshore_door::service;
use longshore_door::wire::Wire;
use longshore_ecs::context::{Ecs, PlacementAnswer, PlacementRequest, Placer};
use longshore_ecs::table;
use longshore_model::plan::Ctx;
use longshore_model::{ClusterName, InstanceId, Timestamp};
use longshore_proto::agent::{Capacity, Hello, Incarnation};
use longshore_store::{Commit, Db, Entry, Memory, Store, View, Write};

use crate::bearer::{ACCESS_KEY_ID, KEYS, NOW, SECRET, now};
use crate::realm;

/// The only instance.
pub const INSTANCE: InstanceId = InstanceId::new(0xcd);

/// Puts every task on the first instance of its cluster.
struct First;

impl Placer for First {
    fn place(&self, view: &View, request: &PlacementRequest<'_>, _: &mut Ctx) -> PlacementAnswer {
        let instance = view.cluster_instances(request.cluster).next();
        let placed = instance.map(|instance| vec![instance.id; request.count as usize]);
        PlacementAnswer {
            placed: placed.unwrap_or_default(),
            ..PlacementAnswer::default()
        }
    }
}

/// The records of an installation with a cluster, an instance, a task definition, a service, a
/// task and two tokens, in the order of their keys.
pub fn records() -> Vec<Entry> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(make()).expect("the operations succeed")
}

type Failure = Box<dyn std::error::Error>;

async fn make() -> Result<Vec<Entry>, Failure> {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let drawn = AtomicU64::new(1);
    let ecs = Arc::new(Ecs {
        backend: longshore_door::Backend {
            realm: realm(),
            db: Db::open(Arc::clone(&store)).await?,

            clock: Arc::new(now),
            entropy: Arc::new(move || {
                u128::from(drawn.fetch_add(1, Ordering::Relaxed)) * 0x0123_4567
            }),
        },
        placer: Arc::new(First),
    });
    call(
        &ecs,
        "CreateCluster",
        r#"{"tags":[{"key":"team","value":"a"}]}"#,
    )
    .await?;
    register(&ecs).await?;
    let definition = r#"{"family":"web","networkMode":"bridge","cpu":"256","memory":"0.5GB",
        "volumes":[],"containerDefinitions":[{"name":"app","image":"busybox:1.36","memory":64,
        "command":["httpd","-f"],"environment":[{"name":"A","value":"1"}],
        "portMappings":[{"containerPort":80}],"ulimits":[{"name":"nofile","softLimit":64,
        "hardLimit":128}],"extraHosts":[{"hostname":"db","ipAddress":"10.0.0.1"}]}]}"#;
    call(&ecs, "RegisterTaskDefinition", definition).await?;
    let service = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":2,
        "clientToken":"token-1"}"#;
    call(&ecs, "CreateService", service).await?;
    let task = r#"{"taskDefinition":"web:1","count":1,"clientToken":"token-2","overrides":
        {"containerOverrides":[{"name":"app","environment":[{"name":"B","value":"2"}]}]}}"#;
    call(&ecs, "RunTask", task).await?;
    let token = longshore_store::table::JoinToken {
        id: "0123456789abcdef".to_owned(),
        secret_digest: "0".repeat(64),
        cluster: ClusterName::default_cluster(),
        uses_left: 1,
        expires_at: Timestamp::from_millis(NOW as i64 * 1000),
    };
    put(&*store, &token).await?;
    Ok(store.list("").await?.entries)
}

async fn call(ecs: &Arc<Ecs>, operation: &str, body: &'static str) -> Result<(), Failure> {
    let service = service::bind(&table::API, Arc::clone(ecs));
    let token = bearer::mint(ACCESS_KEY_ID, SECRET, NOW + 60, [0; 16]);
    let verified = bearer::verify(&token, &KEYS, now())?;
    let body = Bytes::from_static(body.as_bytes());
    service
        .call(operation, Wire::AwsJson, verified, body)
        .await?;
    Ok(())
}

async fn register(ecs: &Arc<Ecs>) -> Result<(), Failure> {
    let registration = Registration::read(hello())?;
    let at = ecs.ctx().now;
    let cluster = ClusterName::default_cluster();
    ecs.db
        .transact(|view| registration.register(view, &cluster, INSTANCE, at))
        .await
        .map_err(|error| format!("the instance does not register: {error:?}"))?;
    Ok(())
}

/// What the instance's agent says first.
pub fn hello() -> Hello {
    Hello {
        incarnation: Some(Incarnation {
            boot_id: "4f3c0c2e-6a43-4c1f-9d5b-0d1a6f2b7c88".to_owned(),
            agent_started_at: NOW as i64 * 1000,
        }),
        agent_version: "0.1.0".to_owned(),
        agent_hash: String::new(),
        docker_version: "20.10.24".to_owned(),
        hostname: "node-1".to_owned(),
        capacity: Some(Capacity {
            cpu: 2048,
            memory: 4096,
            reserved_tcp_ports: vec![22, 2375, 2376, 51678],
            reserved_udp_ports: vec![],
        }),
        attributes: [
            ("ecs.availability-zone", "us-east-1a"),
            ("ecs.capability.task-cpu-mem-limit", ""),
            ("com.amazonaws.ecs.capability.docker-remote-api.1.25", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
    }
}

async fn put<R: longshore_store::table::Record>(
    store: &dyn Store,
    record: &R,
) -> Result<(), Failure> {
    let write = Write::Put {
        key: record.key(),
        value: longshore_store::table::encode(record)?,
    };
    let commit = Commit {
        guards: Vec::new(),
        writes: vec![write],
    };
    store.commit(commit).await?;
    Ok(())
}
