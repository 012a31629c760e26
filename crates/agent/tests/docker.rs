//! The agent on a real Docker engine.

#![allow(clippy::unwrap_used, missing_docs)]

mod rig;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use longshore_agent::node::Settings;
use longshore_agent::runtime::docker::DockerRuntime;
use longshore_agent::runtime::{Runtime, container_name};
use longshore_model::assignment::Assignment;
use longshore_model::task::DesiredStatus;
use longshore_model::task_definition::{HostEntry, NetworkMode, PortMapping, Ulimit};
use longshore_model::unit::Protocol;
use longshore_model::{CpuUnits, InstanceId, Mib};
use longshore_proto::agent::TaskReport;
use rig::{Rig, Sweep, container, containers, docker_cli, inspect, task};
use tempfile::TempDir;

struct World {
    rig: Rig,
    runtime: Arc<DockerRuntime>,
    data: TempDir,
    instance: InstanceId,
    _sweep: Sweep,
}

async fn world() -> World {
    world_with(Settings::default()).await
}

async fn world_with(settings: Settings) -> World {
    rig::image();
    let instance = rig::random_instance();
    let runtime = Arc::new(rig::docker(instance).await);
    let data = tempfile::tempdir().unwrap();
    World {
        rig: Rig::start(Arc::clone(&runtime), data.path(), settings).await,
        runtime,
        data,
        instance,
        _sweep: Sweep(instance),
    }
}

impl World {
    /// Runs one task to its end.
    async fn run(&mut self, task: &Assignment) -> TaskReport {
        self.rig.tell_all(vec![task.clone()]).await;
        self.rig.status(task.task, "STOPPED").await
    }

    async fn restart(self) -> Self {
        self.rig.kill().await;
        Self {
            rig: Rig::start(
                Arc::clone(&self.runtime),
                self.data.path(),
                Settings::default(),
            )
            .await,
            ..self
        }
    }

    async fn logs(&self, task: &Assignment) -> String {
        let name = &task.containers[0].name;
        let mut pieces = self.runtime.logs(task.task, name, None, false);
        let mut text = String::new();
        while let Some(piece) = pieces.next().await {
            text.push_str(&String::from_utf8(piece.unwrap().data).unwrap());
        }
        text
    }
}

fn mapping(container_port: u16, host_port: u16) -> PortMapping {
    PortMapping {
        container_port,
        host_port,
        protocol: Protocol::Tcp,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_and_stops_when_told() {
    let mut world = world().await;
    let task = task(vec![
        container("main", &["sleep", "600"]),
        container("side", &["sleep", "600"]),
    ]);
    world.rig.tell_all(vec![task.clone()]).await;
    let report = world.rig.status(task.task, "RUNNING").await;
    assert!(
        report
            .containers
            .iter()
            .all(|c| c.last_status == "RUNNING" && !c.runtime_id.is_empty())
    );
    assert!(report.started_at.is_some());
    let id = &report.containers[0].runtime_id;
    assert_eq!(inspect(id, "{{.State.Running}}"), "true");
    assert_eq!(
        inspect(id, "{{.Name}}"),
        format!("/{}", container_name(&task, 0))
    );
    assert_eq!(inspect(id, "{{.HostConfig.RestartPolicy.Name}}"), "no");
    let started = Instant::now();
    world.rig.stop(task.task).await;
    let report = world.rig.status(task.task, "STOPPED").await;
    // sleep does not heed SIGTERM as PID 1, so both are killed after 2 s, side by side.
    let took = started.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(4),
        "{took:?}"
    );
    assert!(
        report.containers.iter().all(|c| c.exit_code == Some(137)),
        "{report:?}"
    );
    assert_eq!(
        (report.stop_code.as_str(), report.stopped_reason.as_str()),
        ("", "")
    );
    assert!(report.stopped_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_heeds_the_stop_signal_exits_by_itself() {
    let mut world = world().await;
    let task = task(vec![container(
        "main",
        &[
            "sh",
            "-c",
            "trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done",
        ],
    )]);
    world.rig.tell_all(vec![task.clone()]).await;
    world.rig.status(task.task, "RUNNING").await;
    let mut output = world.runtime.logs(task.task, "main", None, true);
    assert_eq!(output.next().await.unwrap().unwrap().data, b"up\n");
    world.rig.stop(task.task).await;
    let report = world.rig.status(task.task, "STOPPED").await;
    assert_eq!(report.containers[0].exit_code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_essential_exit_ends_the_task_and_is_reported_at_once() {
    let mut world = world().await;
    let mut side = container("side", &["sleep", "600"]);
    side.stop_timeout = Some(0);
    let task = task(vec![
        container("main", &["sh", "-c", "cat /tmp/none; exit 7"]),
        side,
    ]);
    let report = world.run(&task).await;
    assert_eq!(report.stop_code, "EssentialContainerExited");
    assert_eq!(report.stopped_reason, "Essential container in task exited");
    assert_eq!(report.containers[0].exit_code, Some(7));
    assert_eq!(report.containers[1].exit_code, Some(137));
    assert!(report.execution_stopped_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_is_reported_within_milliseconds() {
    let mut world = world().await;
    let task = task(vec![container("main", &["sleep", "600"])]);
    world.rig.tell_all(vec![task.clone()]).await;
    let report = world.rig.status(task.task, "RUNNING").await;
    let pid: i32 = inspect(&report.containers[0].runtime_id, "{{.State.Pid}}")
        .parse()
        .unwrap();
    let killed = Instant::now();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    world.rig.status(task.task, "STOPPED").await;
    let took = killed.elapsed();
    println!("death to report: {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_non_essential_exit_leaves_the_task_running() {
    let mut world = world().await;
    let mut init = container("init", &["true"]);
    init.essential = false;
    let task = task(vec![container("main", &["sleep", "600"]), init]);
    world.rig.tell_all(vec![task.clone()]).await;
    let report = world
        .rig
        .hear(task.task, "an exited init", |r| {
            r.last_status == "RUNNING" && r.containers[1].last_status == "STOPPED"
        })
        .await;
    assert_eq!(report.containers[1].exit_code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn bridge_ports_are_mapped_and_reported_once() {
    let mut world = world().await;
    let mut web = container("web", &["httpd", "-f", "-p", "8080", "-h", "/bin"]);
    web.port_mappings = vec![mapping(8080, 0), mapping(8081, 0)];
    let task = task(vec![web]);
    world.rig.tell_all(vec![task.clone()]).await;
    let report = world.rig.status(task.task, "RUNNING").await;
    let bindings = &report.containers[0].network_bindings;
    assert_eq!(bindings.len(), 2, "{bindings:?}");
    assert_eq!(bindings[0].container_port, 8080);
    assert_ne!(bindings[0].host_port, 0);
    assert_eq!(bindings[0].bind_ip, "0.0.0.0");
    assert_eq!(bindings[0].protocol, "tcp");
    let port = u16::try_from(bindings[0].host_port).unwrap();
    tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_port_can_be_chosen_and_a_taken_one_fails_the_start() {
    let mut world = world().await;
    let free = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let mut web = container("web", &["httpd", "-f", "-p", "80"]);
    web.port_mappings = vec![mapping(80, port)];
    let refused = task(vec![web.clone()]);
    let report = world.run(&refused).await;
    assert_eq!(report.stop_code, "TaskFailedToStart");
    let reason = &report.containers[0].reason;
    assert!(
        reason.starts_with("CannotStartContainerError: "),
        "{reason}"
    );
    assert_eq!(&report.stopped_reason, reason);
    assert_eq!(report.containers[0].exit_code, None);
    drop(free);
    let taken = task(vec![web]);
    world.rig.tell_all(vec![refused, taken.clone()]).await;
    let report = world.rig.status(taken.task, "RUNNING").await;
    assert_eq!(
        report.containers[0].network_bindings[0].host_port,
        u32::from(port)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn host_and_none_networks() {
    let mut world = world().await;
    let mut web = container("web", &["sleep", "600"]);
    web.port_mappings = vec![mapping(18_080, 18_080)];
    let mut host = task(vec![web]);
    host.network_mode = NetworkMode::Host;
    let mut none = task(vec![container("alone", &["sleep", "600"])]);
    none.network_mode = NetworkMode::None;
    world.rig.tell_all(vec![host.clone(), none.clone()]).await;
    let report = world.rig.status(host.task, "RUNNING").await;
    assert_eq!(report.containers[0].network_bindings[0].host_port, 18_080);
    assert_eq!(
        inspect(
            &report.containers[0].runtime_id,
            "{{.HostConfig.NetworkMode}}"
        ),
        "host"
    );
    let report = world.rig.status(none.task, "RUNNING").await;
    assert_eq!(
        inspect(
            &report.containers[0].runtime_id,
            "{{.HostConfig.NetworkMode}}"
        ),
        "none"
    );
    assert!(report.containers[0].network_bindings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_definition_says_is_what_the_process_sees() {
    let mut world = world().await;
    let mut main = container(
        "main",
        &["env; id -u; pwd; hostname; cat /etc/hosts; ulimit -n; echo x > /file || echo readonly"],
    );
    main.entry_point = vec!["sh".into(), "-c".into()];
    main.environment
        .insert("GREETING".into(), "hello world".into());
    main.user = Some("1000:1000".into());
    main.working_directory = Some("/tmp".into());
    main.hostname = Some("casper".into());
    main.readonly_root_filesystem = true;
    main.extra_hosts = vec![HostEntry {
        hostname: "db".into(),
        ip_address: "10.1.2.3".into(),
    }];
    main.ulimits = vec![Ulimit {
        name: "nofile".into(),
        soft_limit: 333,
        hard_limit: 444,
    }];
    main.docker_labels.insert("team".into(), "blue".into());
    let task = task(vec![main]);
    let report = world.run(&task).await;
    let output = world.logs(&task).await;
    for expected in [
        "GREETING=hello world",
        "AWS_REGION=eu-central-1",
        "AWS_DEFAULT_REGION=eu-central-1",
        "1000\n",
        "/tmp\n",
        "casper\n",
        "10.1.2.3\tdb",
        "333\n",
        "readonly",
    ] {
        assert!(output.contains(expected), "{expected} is not in {output}");
    }
    let id = &report.containers[0].runtime_id;
    for (label, value) in [
        ("team", "blue".to_owned()),
        ("com.amazonaws.ecs.task-arn", task.task_arn.clone()),
        ("com.amazonaws.ecs.container-name", "main".into()),
        ("com.amazonaws.ecs.task-definition-family", "test".into()),
        ("com.amazonaws.ecs.task-definition-version", "1".into()),
        ("com.amazonaws.ecs.cluster", "default".into()),
        ("dev.longshore.instance", world.instance.to_string()),
        ("dev.longshore.task", task.task.to_string()),
    ] {
        let format = format!("{{{{index .Config.Labels \"{label}\"}}}}");
        assert_eq!(inspect(id, &format), value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn container_limits_hold() {
    let mut world = world().await;
    let mut main = container("main", &["sleep", "600"]);
    main.cpu = CpuUnits(300);
    main.memory = Some(Mib(32));
    main.memory_reservation = Some(Mib(16));
    let mut small = container("small", &["sleep", "600"]);
    small.essential = false;
    let task = task(vec![main, small]);
    world.rig.tell_all(vec![task.clone()]).await;
    let report = world.rig.status(task.task, "RUNNING").await;
    let get = |i: usize, field: &str| {
        inspect(
            &report.containers[i].runtime_id,
            &format!("{{{{.HostConfig.{field}}}}}"),
        )
    };
    assert_eq!(get(0, "CpuShares"), "300");
    assert_eq!(get(1, "CpuShares"), "2");
    assert_eq!(get(0, "Memory"), (32 << 20).to_string());
    assert_eq!(get(0, "MemoryReservation"), (16 << 20).to_string());
    assert_eq!(get(0, "PidsLimit"), "4096");
    assert_eq!(get(0, "LogConfig.Config"), "map[max-file:3 max-size:10m]");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_is_an_oom_kill() {
    let mut world = world().await;
    let mut main = container("main", &["dd", "if=/dev/zero", "of=/dev/null", "bs=200M"]);
    main.memory = Some(Mib(16));
    let task = task(vec![main]);
    let report = world.run(&task).await;
    let reason = &report.containers[0].reason;
    assert_eq!(
        reason, "OutOfMemoryError: Container killed due to memory usage",
        "{report:?}"
    );
    assert_eq!(report.containers[0].exit_code, Some(137));
    assert_eq!(report.stop_code, "EssentialContainerExited");
}

#[tokio::test(flavor = "multi_thread")]
async fn task_limits_hold_over_all_containers_and_go_with_the_task() {
    let settings = Settings {
        keep_stopped: Duration::ZERO,
        ..Settings::default()
    };
    let mut world = world_with(settings).await;
    if !world.runtime.limits_tasks() {
        panic!("this test needs to run as root, to write below /sys/fs/cgroup");
    }
    let mut main = container("main", &["sleep", "600"]);
    main.memory = None;
    main.stop_timeout = Some(0);
    let mut task = task(vec![main]);
    task.cpu = Some(CpuUnits(256));
    task.memory = Some(Mib(48));
    world.rig.tell_all(vec![task.clone()]).await;
    let report = world.rig.status(task.task, "RUNNING").await;
    let id = task.task;
    let parent = inspect(
        &report.containers[0].runtime_id,
        "{{.HostConfig.CgroupParent}}",
    );
    let read =
        |path: String| std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let v1 = std::path::Path::new("/sys/fs/cgroup/memory").exists();
    let directory = if v1 {
        assert_eq!(parent, format!("/ecs/{id}"));
        assert_eq!(
            read(format!("/sys/fs/cgroup/cpu/ecs/{id}/cpu.cfs_quota_us")).trim(),
            "25000"
        );
        let limit = read(format!(
            "/sys/fs/cgroup/memory/ecs/{id}/memory.limit_in_bytes"
        ));
        assert_eq!(limit.trim(), (48 << 20).to_string());
        format!("/sys/fs/cgroup/memory/ecs/{id}")
    } else {
        let directory = if parent.ends_with(".slice") {
            format!("/sys/fs/cgroup/ecstasks.slice/{parent}")
        } else {
            format!("/sys/fs/cgroup{parent}")
        };
        assert_eq!(read(format!("{directory}/cpu.max")).trim(), "25000 100000");
        assert_eq!(
            read(format!("{directory}/memory.max")).trim(),
            (48 << 20).to_string()
        );
        directory
    };
    // The container's own cgroup is below the task's.
    let pid = inspect(&report.containers[0].runtime_id, "{{.State.Pid}}");
    assert!(read(format!("/proc/{pid}/cgroup")).contains(&id.to_string()));
    world.rig.stop(task.task).await;
    world.rig.status(task.task, "STOPPED").await;
    eventually("the containers and the cgroup are removed", || {
        containers(world.instance).is_empty() && !std::path::Path::new(&directory).exists()
    })
    .await;
}

/// Waits for something that no report tells.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_fails_the_task() {
    let mut world = world().await;
    let mut main = container("main", &[]);
    main.image = "127.0.0.1:9/longshore/none:1".into();
    let task = task(vec![main, container("side", &["sleep", "600"])]);
    let report = world.run(&task).await;
    assert_eq!(report.stop_code, "TaskFailedToStart");
    assert!(
        report
            .stopped_reason
            .starts_with("CannotPullContainerError: "),
        "{report:?}"
    );
    assert_eq!(report.stopped_reason, report.containers[0].reason);
    assert!(report.pull_started_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_created_or_started_fails_the_task() {
    let mut world = world().await;
    let bad_start = task(vec![container("main", &["/no/such/program"])]);
    let mut main = container("main", &["true"]);
    main.working_directory = Some("not-absolute".into());
    let bad_create = task(vec![main]);
    world
        .rig
        .tell_all(vec![bad_start.clone(), bad_create.clone()])
        .await;
    for (task, name) in [
        (bad_start, "CannotStartContainerError: "),
        (bad_create, "CannotCreateContainerError: "),
    ] {
        let report = world.rig.status(task.task, "STOPPED").await;
        assert!(report.stopped_reason.starts_with(name), "{report:?}");
        assert_eq!(report.stop_code, "TaskFailedToStart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_the_start_leaves_nothing() {
    let mut world = world().await;
    let mut task = task(vec![container("main", &["sleep", "600"])]);
    task.desired_status = DesiredStatus::Stopped;
    let report = world.run(&task).await;
    assert_eq!(report.stop_code, "");
    assert!(containers(world.instance).is_empty());
    // The other word, come late, changes nothing.
    task.desired_status = DesiredStatus::Running;
    let other = rig::task(vec![container("other", &["sleep", "600"])]);
    world.rig.tell_all(vec![task, other.clone()]).await;
    world.rig.status(other.task, "RUNNING").await;
    assert_eq!(containers(world.instance).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_adopted_after_a_crash() {
    let mut world = world().await;
    let mut web = container("web", &["httpd", "-f", "-p", "80"]);
    web.port_mappings = vec![mapping(80, 0)];
    let stays = task(vec![web]);
    let dies = task(vec![container("main", &["sleep", "600"])]);
    let vanishes = task(vec![container("main", &["sleep", "600"])]);
    let all = vec![stays.clone(), dies.clone(), vanishes.clone()];
    world.rig.tell_all(all.clone()).await;
    let before = world.rig.status(stays.task, "RUNNING").await;
    world.rig.status(dies.task, "RUNNING").await;
    world.rig.status(vanishes.task, "RUNNING").await;
    let started = inspect(&before.containers[0].runtime_id, "{{.State.StartedAt}}");
    world.rig.write_journal().await;
    let World { rig, .. } = world;
    rig.kill().await;
    docker_cli(&["kill", &container_name(&dies, 0)]);
    docker_cli(&["rm", "-f", &container_name(&vanishes, 0)]);
    let mut world = World {
        rig: Rig::start(
            Arc::clone(&world.runtime),
            world.data.path(),
            Settings::default(),
        )
        .await,
        ..world
    };
    world.rig.tell_all(all).await;
    let after = world.rig.status(stays.task, "RUNNING").await;
    assert_eq!(after.containers, before.containers);
    assert_eq!(after.started_at, before.started_at);
    assert_eq!(
        inspect(&after.containers[0].runtime_id, "{{.State.StartedAt}}"),
        started
    );
    let report = world.rig.status(dies.task, "STOPPED").await;
    assert_eq!(report.containers[0].exit_code, Some(137));
    let report = world.rig.status(vanishes.task, "STOPPED").await;
    assert!(
        report.containers[0]
            .reason
            .starts_with("ContainerVanishedError"),
        "{report:?}"
    );
    assert_eq!(containers(world.instance).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_adopted_by_their_labels_without_a_journal() {
    let mut world = world().await;
    let stays = task(vec![container("main", &["sleep", "600"])]);
    let heeding = "trap exit TERM; while :; do sleep 0.1; done";
    let goes = task(vec![container("main", &["sh", "-c", heeding])]);
    world.rig.tell_all(vec![stays.clone(), goes.clone()]).await;
    let before = world.rig.status(stays.task, "RUNNING").await;
    world.rig.status(goes.task, "RUNNING").await;
    let World { rig, data, .. } = world;
    rig.kill().await;
    std::fs::write(data.path().join("journal.redb"), b"not a journal at all").unwrap();
    let mut world = World {
        rig: Rig::start(Arc::clone(&world.runtime), data.path(), Settings::default()).await,
        data,
        ..world
    };
    assert_eq!(
        containers(world.instance).len(),
        2,
        "nothing is removed before a complete set"
    );
    world.rig.tell_all(vec![stays.clone()]).await;
    let after = world.rig.status(stays.task, "RUNNING").await;
    assert_eq!(
        after.containers[0].runtime_id,
        before.containers[0].runtime_id
    );
    eventually("the orphan is removed", || {
        containers(world.instance).len() == 1
    })
    .await;
    assert_eq!(
        inspect(&after.containers[0].runtime_id, "{{.State.Running}}"),
        "true"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_task_never_runs_again() {
    let mut world = world().await;
    let task = task(vec![container("main", &["true"])]);
    world.run(&task).await;
    world.rig.write_journal().await;
    for id in containers(world.instance) {
        docker_cli(&["rm", "-f", &id]);
    }
    let mut world = world.restart().await;
    let report = world.run(&task).await;
    assert_eq!(report.containers[0].exit_code, Some(0));
    assert!(containers(world.instance).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agents_containers_are_left_alone() {
    let mut mine = world().await;
    let mut other = world().await;
    let task = task(vec![container("main", &["sleep", "600"])]);
    other.rig.tell_all(vec![task.clone()]).await;
    other.rig.status(task.task, "RUNNING").await;
    mine.rig.tell_all(vec![]).await;
    // The same task on both: the name is taken by someone else.
    let report = mine.run(&task).await;
    assert_eq!(report.stop_code, "TaskFailedToStart", "{report:?}");
    assert_eq!(containers(other.instance).len(), 1);
    let id = &other.rig.reports[&task.task].containers[0].runtime_id;
    assert_eq!(inspect(id, "{{.State.Running}}"), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_tasks_start_and_stop() {
    let mut world = world().await;
    let tasks: Vec<_> = (0..60)
        .map(|_| {
            let mut main = container("main", &["sleep", "600"]);
            main.stop_timeout = Some(0);
            task(vec![main])
        })
        .collect();
    let started = Instant::now();
    world.rig.tell_all(tasks.clone()).await;
    for task in &tasks {
        world.rig.status(task.task, "RUNNING").await;
    }
    println!("60 tasks running after {:?}", started.elapsed());
    let stopping = Instant::now();
    let all = tasks.iter().cloned().map(|mut task| {
        task.desired_status = DesiredStatus::Stopped;
        task
    });
    world.rig.tell_all(all.collect()).await;
    for task in &tasks {
        world.rig.status(task.task, "STOPPED").await;
    }
    println!("60 tasks stopped after {:?}", stopping.elapsed());
    assert_eq!(containers(world.instance).len(), 60);
}
